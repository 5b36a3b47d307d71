"""`labeler agree`: how labels and a model's results agree, one to one."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labeler.cli.console import print_json
from labeler.cli.labels import add_encoding_option
from labeler.core.geometry import bounds
from labeler.core.measures.doubts import Doubt, doubts
from labeler.core.measures.guarantee import LEVEL, Promise, TooLittle, judged, promises
from labeler.core.measures.set_agreement import (
    AgreementTally,
    ImageMeasure,
    by_category,
    measure,
    summed,
    worst_first,
)
from labeler.core.records import Annotation, Box, Candidate, Image
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.coco.coco_writing import exported_ids
from labeler.formats.coco.results import read_results
from labeler.formats.report import Report
from labeler.formats.spec import Dataset

WORST = 5
"""So many of the worst images are told."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "agree",
        help="how labels and a model's results agree",
        description="Match labels and results one to one within categories, so that the sum of IoU is "
        "largest, and print by category what was matched, missed (labels without a result) and extra "
        "(results without a label), with the mean IoU and Dice of the pairs. Crowds are left out.",
    )
    parser.add_argument("labels", type=Path, metavar="LABELS.json", help="COCO annotations")
    parser.add_argument("results", type=Path, metavar="RESULTS.json", help="COCO results of the same images")
    parser.add_argument(
        "--iou", type=_share, default=0.5, metavar="T", help="IoU from which two are a pair (default 0.5)"
    )
    parser.add_argument(
        "--conf", type=_share, default=0.0, metavar="T", help="leave out results under this (default 0)"
    )
    parser.add_argument(
        "--at-most",
        type=_share,
        metavar="SHARE",
        help="say too from which confidence at most this share of such results is wrong (0.05 is one in 20), "
        "with 95 %% confidence: all and by category. The images must be a fair sample, best drawn by lot, "
        "and all results on them in the file",
    )
    parser.add_argument(
        "--doubts",
        type=int,
        metavar="N",
        help="list the N labels that the results speak against most: missed, drawn twice, loose, or of "
        "another category; for a model that did not learn from these labels, from a confidence of 0.1 up",
    )
    add_encoding_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare; gives 0, or 1 when items of a file were refused."""
    dataset, read = read_coco(args.labels, encoding=args.encoding)
    images = _by_file_id(dataset.images)
    categories = _by_file_id(dataset.categories)
    results, found = read_results(args.results, images=images, categories=categories)
    chosen = [result for result in results if result.confidence >= args.conf]
    measures = list(measured(dataset, chosen, threshold=args.iou))
    promised = [] if args.at_most is None else _promised(dataset, chosen, args.iou, args.at_most)
    doubtful = _doubtful(dataset, chosen, args.doubts) if args.doubts else []
    if args.json:
        about: dict[str, Any] = {}
        if args.at_most is not None:
            about["promises"] = [_promise_told(*one) for one in promised]
        if args.doubts:
            about["doubts"] = doubtful
        print_json({**told(dataset, measures, args.iou), **about}, indent=2)
    else:
        print(table(dataset, measures, threshold=args.iou))
        if promised:
            print(f"\nAt most {args.at_most:.2%} wrong, with {LEVEL:.0%} confidence:".replace("%", " %"))
        for name, one in promised:
            print(f"  {name}: {_promise_line(one)}")
        if args.doubts:
            print("\nDoubtful labels:" if doubtful else "\nNo label is doubtful.")
        for each in doubtful:
            print(f"  {_doubt_line(each)}")
    return _tell_problems((read, found))


def measured(dataset: Dataset, results: Iterable[Candidate], *, threshold: float) -> Iterable[ImageMeasure]:
    """The agreement of each image, in the order of the file."""
    for image, ours, theirs in _by_image(dataset, results):
        size = _size(image, [*ours, *theirs])
        yield measure(image.id, ours, theirs, size=size, threshold=threshold)


def _by_image(
    dataset: Dataset, results: Iterable[Candidate]
) -> Iterable[tuple[Image, list[Annotation], list[Candidate]]]:
    """Each image with its labels, without crowds, and its results."""
    annotations: dict[int, list[Annotation]] = {}
    for annotation in dataset.annotations:
        if not annotation.crowd:
            annotations.setdefault(annotation.image_id, []).append(annotation)
    candidates: dict[int, list[Candidate]] = {}
    for result in results:
        candidates.setdefault(result.image_id, []).append(result)
    for image in dataset.images:
        yield image, annotations.get(image.id, []), candidates.get(image.id, [])


def _promised(
    dataset: Dataset, results: Iterable[Candidate], threshold: float, allowed: float
) -> list[tuple[str, Promise | TooLittle]]:
    """What can be promised of results as these on other images: of all, and by category."""
    looked = [
        one
        for image, ours, theirs in _by_image(dataset, results)
        for one in judged(image.id, ours, theirs, size=_size(image, [*ours, *theirs]), least=threshold)
    ]
    names = {category.id: category.name for category in dataset.categories}
    found = promises(looked, None, allowed=allowed)
    apart = promises(looked, None, by_category=True, allowed=allowed)
    return [("all", found[0]), *((names.get(one.category_id, ""), one) for one in apart)]


def _promise_line(one: Promise | TooLittle) -> str:
    if isinstance(one, Promise):
        return (
            f"from a confidence of {one.confidence:.3f}, where {one.wrong:,} of {one.looked:,} are wrong "
            f"({one.low:.1%} to {one.high:.1%})".replace("%", " %")
        )
    so_far = f"{one.looked:,} so far, {one.wrong:,} wrong"
    if one.is_hopeless:
        return f"none: too many are wrong at any confidence ({so_far})"
    if one.more is None:
        return f"none yet ({so_far})"
    return f"none yet; about {one.more:,} results more would do ({so_far})"


def _doubtful(dataset: Dataset, results: Iterable[Candidate], count: int) -> list[dict[str, Any]]:
    """The most doubtful labels, each with what it should be and its box as x, y, width, height."""
    images = {image.id: image for image in dataset.images}
    names = {category.id: category.name for category in dataset.categories}
    ids = exported_ids(dataset.annotations)
    found: list[tuple[Doubt, Box]] = []
    for image, ours, theirs in _by_image(dataset, results):
        shapes = {one.id: one.shape for one in ours}
        missing = {one.id: one.shape for one in theirs}
        found += [
            (one, bounds(shapes[one.annotation_id] if one.annotation_id else missing[one.candidate_id]))
            for one in doubts(image.id, ours, theirs)
        ]
    found.sort(key=lambda each: -each[0].score)
    return [
        {
            "kind": one.kind,
            "score": one.score,
            "file_name": images[one.image_id].path,
            "annotation_id": ids.get(one.annotation_id),
            "category": names.get(one.category_id, ""),
            "bbox": [box.x0, box.y0, box.width, box.height],
        }
        for one, box in found[:count]
    ]


def _doubt_line(one: dict[str, Any]) -> str:
    where = ", ".join(f"{edge:.0f}" for edge in one["bbox"])
    return f"{one['score']:.2f}  {one['kind']:<8}  {one['category']}  {one['file_name']}  ({where})"


def _promise_told(name: str, one: Promise | TooLittle) -> dict[str, Any]:
    about: dict[str, Any] = {"name": name, "results": one.looked, "wrong": one.wrong}
    if isinstance(one, Promise):
        return {**about, "confidence": one.confidence, "low": one.low, "high": one.high}
    return {**about, "confidence": None, "more": one.more}


def table(dataset: Dataset, measures: Sequence[ImageMeasure], *, threshold: float) -> str:
    """The lines for a person: a row a category, the total, the worst images."""
    names = {category.id: category.name for category in dataset.categories}
    sums = by_category(measures)
    ranked = sorted(sums, key=lambda key: names.get(key, ""))
    width = max([len("category"), *(len(names.get(key, "")) for key in ranked)])
    head = f"{'category':<{width}}  matched  missed   extra  mean IoU  mean Dice     F1"
    rows = [_row(names.get(key, ""), sums[key], width) for key in ranked]
    total = _row("all", summed(sums.values()), width)
    lines = [f"Pairs from IoU {threshold:g}, one to one.", head, *rows, total]
    wrong = _worst(dataset, measures)
    if wrong:
        lines += ["", "Worst images:", *(f"  {one['quality']:.3f}  {one['file_name']}" for one in wrong)]
    return "\n".join(lines)


def told(dataset: Dataset, measures: Sequence[ImageMeasure], threshold: float) -> dict[str, Any]:
    """The same as one JSON object."""
    names = {category.id: category.name for category in dataset.categories}
    sums = by_category(measures)
    return {
        "iou_threshold": threshold,
        "images": len(measures),
        "total": _numbers(summed(sums.values())),
        "categories": [{"name": names.get(key, ""), **_numbers(sums[key])} for key in sorted(sums)],
        "worst_images": _worst(dataset, measures),
    }


def _row(name: str, tally: AgreementTally, width: int) -> str:
    counts = f"{tally.matched:>7}  {tally.missed:>6}  {tally.extra:>6}"
    iou, dice, f1 = (_number(value) for value in (tally.mean_iou, tally.mean_dice, tally.f1))
    return f"{name:<{width}}  {counts}  {iou:>8}  {dice:>9}  {f1:>5}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _numbers(tally: AgreementTally) -> dict[str, Any]:
    return {
        "matched": tally.matched,
        "missed": tally.missed,
        "extra": tally.extra,
        "mean_iou": tally.mean_iou,
        "mean_dice": tally.mean_dice,
        "f1": tally.f1,
        "quality": tally.quality,
    }


def _worst(dataset: Dataset, measures: Sequence[ImageMeasure]) -> list[dict[str, Any]]:
    """The images of the lowest quality (mean IoU times F1), without perfect ones, the worst first."""
    images = {image.id: image for image in dataset.images}
    ids = exported_ids(dataset.images)
    by_id = {one.image_id: one for one in measures}
    wrong = []
    for image_id in worst_first(measures)[:WORST]:
        tally = by_id[image_id].total
        if tally.quality is not None and tally.quality < 1.0:
            wrong.append({"id": ids[image_id], "file_name": images[image_id].path, **_numbers(tally)})
    return wrong


def _by_file_id(records: Sequence[Any]) -> Mapping[int, Any]:
    ids = exported_ids(records)
    return {ids[record.id]: record for record in records}


def _size(image: Image, records: Sequence[Annotation | Candidate]) -> tuple[int, int]:
    """(H, W) of an image, and of what lies on it where the file does not say."""
    if image.width:
        return image.height, image.width
    boxes = [bounds(record.shape) for record in records]
    return (
        int(max((box.y1 for box in boxes), default=0)) + 1,
        int(max((box.x1 for box in boxes), default=0)) + 1,
    )


def _share(text: str) -> float:
    """A number from 0 to 1; argparse tells when it is none."""
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, but is {text}")
    return value


def _tell_problems(reports: Iterable[Report]) -> int:
    """Tell to stderr what could not be taken; gives the exit code."""
    refused = False
    for report in reports:
        if problems := report.problems():
            print(problems, file=sys.stderr)
        refused = refused or bool(report.refused)
    return int(refused)
