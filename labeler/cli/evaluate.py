"""`labeler evaluate`: COCO's figures of a model's results against labels, of one model or of two."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from labeler.cli.console import print_json
from labeler.cli.labels import add_encoding_option, check_folder_of_images
from labeler.cli.predict import run_model
from labeler.core.filtering import Filter
from labeler.core.records import Candidate
from labeler.evaluation.confusion import confusion
from labeler.evaluation.evaluator import evaluate_all, read_predictions
from labeler.evaluation.findings import Evaluation
from labeler.evaluation.html_report import write_report
from labeler.evaluation.operating_points import Operating, Rates, ThresholdSweep
from labeler.evaluation.tables import confused, table
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.coco.coco_writing import exported_ids
from labeler.formats.folder_layouts import layout_of
from labeler.formats.image_paths import Folder
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import Report
from labeler.formats.spec import Dataset

_AS_VALIDATED = Filter(confidence=0.001, iou=0.7, kind="class-wise", top_k=300)
"""What a detector's results are evaluated with: nearly all that it finds."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "evaluate",
        help="how good a model's results are",
        description="Evaluate results against labels as COCO does: average precision (AP) over IoU 0.50 to "
        "0.95, at 0.50 and 0.75, by size and by category, and average recall (AR); precision, recall and F1 "
        "at a confidence; and what is taken for what. The figures equal pycocotools'.",
    )
    parser.add_argument("labels", type=Path, metavar="LABELS.json", help="COCO annotations")
    parser.add_argument(
        "results", type=Path, nargs="?", metavar="RESULTS.json", help="COCO results of the same images"
    )
    parser.add_argument("--model", metavar="NAME|FILE|RUN", help="run this model instead of reading results")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="the images: for --model, and for pictures in the report"
    )
    parser.add_argument("--against", type=Path, metavar="RESULTS2.json", help="results to compare with")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--masks", action="store_const", const="mask", dest="by", help="compare masks")
    kind.add_argument(
        "--boxes",
        action="store_const",
        const="box",
        dest="by",
        help="compare boxes (default: masks if all have)",
    )
    parser.add_argument(
        "--conf", type=_share, metavar="T", help="judge at this confidence (default: that of the best F1)"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report with plots and worst cases")
    add_encoding_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Evaluate; gives 0, or 1 when items of a file were refused or images could not be predicted."""
    if (args.results is None) == (args.model is None):
        args.usage_error("name either RESULTS.json or --model")
    if args.model and args.images is None:
        args.usage_error("--model needs --images DIR")
    check_folder_of_images(args.images)
    # results of others count the pixels that their labels count; a model sees photos as displayed
    truths, report = _truths(args)
    models, complaints = _models(args, truths)
    evaluations = evaluate_all(truths, models, by=args.by, pixel_confidence=args.conf)
    points = [_point(one, args.conf) for one in evaluations]
    if args.html:
        images = _found(truths, args.images, args.labels)
        write_report(args.html, evaluations, images=images, confidence=args.conf)
    if args.json:
        answer = [_told(one, point) for one, point in zip(evaluations, points, strict=True)]
        print_json({"models": answer}, indent=2)
    else:
        print(table(evaluations, points))
        if args.html:
            print(f"\nThe report is in {args.html}.")
    for sentence in filter(None, (report.problems(), *complaints)):
        print(sentence, file=sys.stderr)
    return int(bool(report.refused or complaints))


def _models(
    args: argparse.Namespace, truths: Dataset
) -> tuple[list[tuple[str, tuple[Candidate, ...]]], list[str]]:
    """(title, predictions) of the model and of the one it is compared with, and what went wrong."""
    models: list[tuple[str, tuple[Candidate, ...]]] = []
    complaints: list[str] = []
    if args.model:
        summary, results = run_model(args.model, [args.images], truths, _AS_VALIDATED)
        complaints += summary.left_out
        with TemporaryDirectory() as folder:
            path = Path(folder) / "results.json"
            path.write_bytes(msgspec.json.encode(results))
            models.append((summary.model, read_predictions(truths, path)[0]))
    paths = [path for path in (args.results, args.against) if path is not None]
    titles = [path.stem for path in paths]
    for path, title in zip(paths, titles, strict=True):
        candidates, report = read_predictions(truths, path)
        complaints += _refusals(report)
        models.append((title if titles.count(title) == 1 else str(path), candidates))
    return models, complaints


def _refusals(report: Report) -> list[str]:
    """What is told of a results file, of which nothing was refused where that is []."""
    problems = report.problems()
    if problems and not report.refused:
        print(problems, file=sys.stderr)
    return [problems] if report.refused else []


def _truths(args: argparse.Namespace) -> tuple[Dataset, Report]:
    """The labels: as their file has them beside results, on the photos as displayed for a model."""
    if args.results:
        return read_coco(args.labels, encoding=args.encoding)
    dataset, report, _ = read_placed_coco(args.labels, images=args.images, encoding=args.encoding)
    return dataset, report


def _found(truths: Dataset, folder: Path | None, labels: Path) -> dict[int, Path]:
    """The images that are in the folder, or in that around the labels, by the ids of the file."""
    names = [image.path for image in truths.images]
    inside = Folder(folder) if folder is not None else layout_of(labels, names).folder
    ids = exported_ids(truths.images)
    places = {ids[image.id]: inside.find(image.path) for image in truths.images}
    return {number: inside.root / found.path for number, found in places.items() if found is not None}


def _point(evaluation: Evaluation, confidence: float | None) -> Operating:
    sweep = ThresholdSweep(evaluation)
    return sweep.at(sweep.best() if confidence is None else confidence)


def _told(evaluation: Evaluation, point: Operating) -> dict[str, Any]:
    """One model as a JSON object."""
    categories = zip(evaluation.categories, point.categories, strict=True)
    pairs: Sequence[tuple[str, str, int]] = confused(confusion(evaluation, confidence=point.confidence))
    return {
        **{
            name: value
            for name, value in msgspec.to_builtins(evaluation.summary).items()
            if name != "created"
        },
        "categories": [{**msgspec.to_builtins(one), **_rates(rates)} for one, rates in categories],
        "confidence": point.confidence,
        **_rates(point.total),
        "confused": [{"true": true, "predicted": taken, "count": count} for true, taken, count in pairs],
    }


def _rates(rates: Rates) -> dict[str, Any]:
    return {
        "hits": rates.hits,
        "missed": rates.missed,
        "false_alarms": rates.false_alarms,
        "precision": rates.precision,
        "recall": rates.recall,
        "f1": rates.f1,
    }


def _share(text: str) -> float:
    """A number from 0 to 1; argparse tells when it is none."""
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, but is {text}")
    return value
