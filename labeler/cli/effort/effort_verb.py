"""`labeler effort`: what models would save a person on images like these, by a simulated one."""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from labeler.cli.console import print_json
from labeler.cli.labels import add_encoding_option, check_folder_of_images, write
from labeler.cli.progress import ProgressLine
from labeler.evaluation.effort.act_counts import Pace
from labeler.evaluation.effort.effort_curve import table
from labeler.evaluation.effort.simulated_person import TARGET
from labeler.models.files.catalog import DEFAULT_DETECTOR
from labeler.registry import discover
from labeler.training.effort.effort_course import EVERY
from labeler.worker.effort_job import LEARNER, Question, study

_NOBODY = "none"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "effort",
        help="what models would save a person on labelled images",
        description="Let a simulated person label known objects once more: by hand, by SAM, and with the "
        "predictions of models beside, of which one learns from what is labelled. Print actions and seconds "
        "an object, in all and as they go from image to image. Masks are labelled to the IoU of --target, "
        "objects that are only boxes to 0.75. Crowds and masks under 1,024 pixels are left out.",
    )
    parser.add_argument("labels", type=Path, metavar="LABELS.json", help="the known objects")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="where the images are; default: the folder around the labels that has them",
    )
    add_encoding_option(parser)
    _add_helpers(parser)
    add_measure_options(parser)
    parser.add_argument("--limit", type=_count, metavar="N", help="only N of the images, drawn by chance")
    parser.add_argument(
        "--seed", type=int, default=0, help="of what is left to chance (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def add_measure_options(parser: argparse.ArgumentParser) -> None:
    """Options of what is good enough, how long an act takes, and where the answer goes."""
    parser.add_argument(
        "--target", type=_target, default=TARGET, metavar="IOU", help="good enough (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds",
        nargs="+",
        type=_second,
        default=[],
        metavar="ACT=S",
        help="seconds that a click, key, stroke or look takes "
        f"(default: {' '.join(f'{name}={value:g}' for name, value in structs.asdict(Pace()).items())})",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the JSON to this file too")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def _add_helpers(parser: argparse.ArgumentParser) -> None:
    """What the person has at hand beside SAM."""
    parser.add_argument(
        "--with",
        dest="models",
        nargs="*",
        default=[DEFAULT_DETECTOR],
        metavar="MODEL",
        help="detectors whose predictions are shown, by name, file or run, of which the person uses the one "
        f"that saved most before; none with --with alone (default: {DEFAULT_DETECTOR}, which comes along)",
    )
    parser.add_argument(
        "--learn",
        default=LEARNER,
        metavar="TRAINER",
        help=f"what learns from the images that are done, or {_NOBODY} (default: %(default)s)",
    )
    parser.add_argument(
        "--learn-clicks",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="teach SAM's decoder by the masks that are done; used where it does better on held-out ones",
    )
    parser.add_argument(
        "--every",
        type=_count,
        default=EVERY,
        metavar="N",
        help="learn after N images more, or a quarter more (default: %(default)s)",
    )


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, but is {text}")
    return value


def _target(text: str) -> float:
    value = float(text)
    if not 0.5 <= value <= 0.99:
        raise argparse.ArgumentTypeError(f"must be from 0.5 to 0.99, but is {text}")
    return value


def _second(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    known = structs.asdict(Pace())
    value = float(number or "nan")
    if name not in known or not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"write NAME=SECONDS with {', '.join(known)}, not {text}")
    return name, value


def run(args: argparse.Namespace) -> int:
    """Measure; gives 0, or 1 when some labels or images could not be used, or a model failed on one."""
    check_folder_of_images(args.images)
    question = Question(
        labels=args.labels,
        images=args.images,
        encoding=args.encoding,
        models=tuple(args.models),
        learn=None if args.learn == _NOBODY else args.learn,
        learn_clicks=args.learn_clicks,
        every=args.every,
        target=args.target,
        limit=args.limit,
        seed=args.seed,
        pace=Pace(**dict(args.seconds)),
    )
    with ProgressLine("Images", total=0) as progress:
        found = study(question, discover(), progress.reach)
    for sentence in found.complaints:
        print(sentence, file=sys.stderr)
    if not put_out(found.answer(question), args):
        objects = sum(one.objects for one in found.efforts)
        print(f"{on_images(objects, len(found.efforts))}, masks to IoU {args.target:g}.")
        print(table(found.efforts, question.pace))
    return 1 if found.complaints else 0


def put_out(answer: dict[str, Any], args: argparse.Namespace) -> bool:
    """Write the answer where the options say; gives whether it was printed, as JSON."""
    if args.out:
        write(args.out, msgspec.json.format(msgspec.json.encode(answer)) + b"\n")
    if args.json:
        print_json(answer, indent=2)
    return bool(args.json)


def on_images(objects: int, images: int) -> str:
    """How many objects on how many images: "6 objects on 1 image"."""
    return f"{objects} object{'s' * (objects != 1)} on {images} image{'s' * (images != 1)}"
