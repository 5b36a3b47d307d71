"""`labeler effort`: what models would save a person on images like these, by a simulated one."""

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct, structs

from labeler import paths
from labeler.cli.console import print_json
from labeler.cli.labels import add_encoding_option, check_folder_of_images, write
from labeler.cli.progress import ProgressLine
from labeler.core.order import natural_key
from labeler.core.photos.images import read_header
from labeler.core.photos.patience import said_together
from labeler.core.records import Annotation, Box
from labeler.errors import FormatError, LabelerError, ModelError
from labeler.evaluation.effort.act_counts import Pace
from labeler.evaluation.effort.effort_curve import ImageEffort, table, told
from labeler.evaluation.effort.simulated_person import TARGET
from labeler.formats.image_paths import Folder
from labeler.formats.placement import read_placed_coco
from labeler.formats.spec import Dataset
from labeler.models.embedder import Embedder
from labeler.models.embeddings import EmbeddingCache, as_kept
from labeler.models.files.catalog import DEFAULT_DETECTOR
from labeler.models.prediction import load_detector
from labeler.models.protocols import Embedding, Segmenter
from labeler.registry import Registry, discover
from labeler.training.effort.effort_course import EVERY, EffortCourse, Loaded, Tools
from labeler.training.effort.relearner import LabelledPhoto, Relearner

_SEGMENTER = "mobilesam"
_LEARNER = "instant"
_CLICKS = "clicks"
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
        default=_LEARNER,
        metavar="TRAINER",
        help=f"what learns from the images that are done, or {_NOBODY} (default: %(default)s)",
    )
    parser.add_argument(
        "--learn-clicks",
        action="store_true",
        help="teach SAM's decoder by the masks that are done; used where it does better on held-out ones",
    )
    parser.add_argument(
        "--every", type=_count, default=EVERY, metavar="N", help="learn after N images (default: %(default)s)"
    )
    parser.add_argument(
        "--target", type=_target, default=TARGET, metavar="IOU", help="good enough (default: %(default)s)"
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="only N of the images, drawn by chance")
    parser.add_argument(
        "--seed", type=int, default=0, help="of what is left to chance (default: %(default)s)"
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
    parser.set_defaults(run=run)


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


class _Photos(Struct, frozen=True):
    """What there is to label."""

    dataset: Dataset
    photos: list[LabelledPhoto]
    complaints: list[str]

    @property
    def as_masks(self) -> bool:
        """Whether any object has more than a box."""
        return any(not isinstance(one.shape, Box) for photo in self.photos for one in photo.annotations)


def run(args: argparse.Namespace) -> int:
    """Measure; gives 0, or 1 when some labels or images could not be used, or a model failed on one."""
    check_folder_of_images(args.images)
    registry = discover()
    found = _photos(args)
    efforts, complaints = [], [*found.complaints]
    pace = Pace(**dict(args.seconds))
    with (
        _course(args, registry, found, pace) as course,
        ProgressLine("Images", total=len(found.photos)) as progress,
    ):
        failures: list[tuple[Path, str]] = []
        for photo in found.photos:
            try:
                efforts.append(course.label(photo))
            except LabelerError as error:
                failures.append((photo.path, str(error)))
            progress.advance()
        complaints += said_together(failures) + course.complaints
    for sentence in complaints:
        print(sentence, file=sys.stderr)
    if not any(one.objects for one in efforts):
        raise FormatError(
            f"“{args.labels}” has no object to measure with on these images: no box, and no mask of 1,024 "
            "pixels."
        )
    answer = _told(args, efforts, pace, complaints)
    if args.out:
        write(args.out, msgspec.json.format(msgspec.json.encode(answer)) + b"\n")
    if args.json:
        print_json(answer, indent=2)
    else:
        objects = sum(one.objects for one in efforts)
        print(f"{objects} objects on {len(efforts)} images, masks to IoU {args.target:g}.")
        print(table(efforts, pace))
    return 1 if complaints else 0


def _told(
    args: argparse.Namespace, efforts: Sequence[ImageEffort], pace: Pace, complaints: list[str]
) -> dict[str, Any]:
    return {
        "target": args.target,
        "seed": args.seed,
        "models": args.models,
        "learn": None if args.learn == _NOBODY else args.learn,
        "learn_clicks": args.learn_clicks,
        **told(efforts, pace),
        "left_out": complaints,
    }


def _photos(args: argparse.Namespace) -> _Photos:
    """The images with labels that are there, in natural order of their names.

    Raises FormatError with one sentence where the labels cannot be read, or there is nothing to label.
    """
    dataset, report, folder = read_placed_coco(args.labels, images=args.images, encoding=args.encoding)
    on_image: defaultdict[int, list[Annotation]] = defaultdict(list)
    for annotation in dataset.annotations:
        on_image[annotation.image_id].append(annotation)
    if not on_image:
        raise FormatError(f"“{args.labels}” has no labels; give labels of objects to measure with.")
    images = sorted(
        (image for image in dataset.images if image.id in on_image),
        key=lambda image: (natural_key(image.path), image.id),
    )
    if args.limit and args.limit < len(images):
        drawn = np.random.default_rng(args.seed).choice(len(images), args.limit, replace=False)
        images = [images[place] for place in sorted(drawn.tolist())]
    photos: list[LabelledPhoto] = []
    failures: list[tuple[Path, str]] = []
    for image in images:
        try:
            path, size = _placed(folder, image.path)
        except LabelerError as error:
            failures.append((Path(image.path), str(error)))
            continue
        placed = structs.replace(image, width=size[1], height=size[0])
        photos.append(LabelledPhoto(placed, path, tuple(on_image[image.id])))
    if not photos:
        raise FormatError(f"None of the photos of “{args.labels}” is in {folder.root}; name their folder.")
    problems = [report.problems()] if report.refused else []
    return _Photos(dataset, photos, problems + said_together(failures))


def _placed(folder: Folder, name: str) -> tuple[Path, tuple[int, int]]:
    """The file of an image and its (H, W) as displayed."""
    found = folder.find(name)
    if found is None:
        raise FormatError(f"{name} is not in the folder of the images and was left out.")
    path = folder.root / found.path
    header = read_header(path)
    return path, (header.height, header.width)


@contextmanager
def _course(
    args: argparse.Namespace, registry: Registry, found: _Photos, pace: Pace
) -> Iterator[EffortCourse]:
    """The person with the models that are named; LabelerError with one sentence for what there is not."""
    # everything that can be wrong is looked at before anything is loaded
    trainer = None if args.learn == _NOBODY else registry.trainer(args.learn)
    teacher = registry.trainer(_CLICKS) if args.learn_clicks and found.as_masks else None
    specs = [registry.resolve(name) for name in args.models]
    for spec in specs:
        if spec.reads_text:
            raise ModelError(f"{spec.title} has to be told what to look for; name a model with classes.")
    loaded = tuple(Loaded(spec, load_detector(spec)) for spec in specs)
    segmenter_spec = registry.model(_SEGMENTER)
    segmenter = segmenter_spec.load()
    if not isinstance(segmenter, Segmenter):
        raise ModelError(
            f"{segmenter_spec.title} is no promptable model; install Labeler again to restore it."
        )
    cache = EmbeddingCache(paths.cache_dir() / "embeddings")
    embed = partial(_embedding, Embedder(segmenter, segmenter_spec.fingerprint, cache))
    with TemporaryDirectory(prefix="labeler-effort-") as folder:
        learner, clicks = (
            None
            if one is None
            else Relearner(
                one, found.dataset.categories, Path(folder) / one.id, registry.open_file, seed=args.seed
            )
            for one in (trainer, teacher)
        )
        tools = Tools(segmenter, embed, loaded, learner, clicks)
        yield EffortCourse(
            tools,
            found.dataset.categories,
            as_masks=found.as_masks,
            target=args.target,
            every=args.every,
            pace=pace,
        )


def _embedding(embedder: Embedder, path: Path) -> Embedding:
    """The same whether it was in the cache or not, so that a run is the same each time."""
    embedded = embedder.embed(path, keep=False)
    embedded.store()
    return as_kept(embedded.embedding)
