"""`labeler predict`: a detector over images, its objects as COCO results."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct

from labeler.cli.console import print_json
from labeler.cli.labels import add_encoding_option, write
from labeler.cli.progress import ProgressLine
from labeler.core.filtering import CandidateFilter, Filter, FilterKind
from labeler.core.geometry import bounds
from labeler.core.photos.doubles import doubled, said_doubled
from labeler.core.photos.images import read_header
from labeler.core.photos.label_pictures import label_pictures, said_label_pictures
from labeler.core.photos.patience import is_folder, is_there, said_together
from labeler.core.photos.photo_files import photos_below
from labeler.core.records import Candidate, Mask
from labeler.core.rle import compress, mask_to_rle
from labeler.errors import FormatError, ImageError, ModelError
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.image_paths import folded, last_part
from labeler.formats.spec import Dataset
from labeler.models.boxes_to_masks import boxes_to_masks
from labeler.models.files.catalog import DEFAULT_DETECTOR
from labeler.models.prediction import Masks, load_detector, predict
from labeler.models.protocols import Detector, ModelSpec, Segmenter
from labeler.registry import discover

_SEGMENTER = "mobilesam"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "predict",
        help="run a detector over images",
        description="Run a detector over images and write what it finds as COCO results. Image and category "
        "ids are those of --labels where that is given, else images and the model's classes count from 1. "
        "A YOLO model predicts as Ultralytics validates it: with every class of a box over the threshold.",
    )
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="images, and folders of them; masks beside photos are left out",
    )
    parser.add_argument(
        "--model",
        metavar="NAME|FILE|RUN",
        help=f"a model's name, a file of weights, or a run (default: {DEFAULT_DETECTOR}, which comes along)",
    )
    parser.add_argument("--everything", action="store_true", help="short for --model everything")
    parser.add_argument("--conf", type=_fraction, default=0.25, help="least confidence (%(default)s)")
    parser.add_argument("--iou", type=_fraction, default=0.5, help="most overlap that is kept (%(default)s)")
    parser.add_argument(
        "--kind", choices=get_args(FilterKind), default="class-wise", help="of suppression (%(default)s)"
    )
    parser.add_argument("--top", type=_count, default=300, metavar="K", help="most an image (%(default)s)")
    parser.add_argument("--text", help="what to look for, for models that read")
    parser.add_argument("--masks", action="store_true", help="turn boxes into masks by MobileSAM")
    parser.add_argument(
        "--labels", type=Path, metavar="COCO.json", help="for the ids of images and categories"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the results, as COCO results"
    )
    add_encoding_option(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)


def _fraction(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, but is {text}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, but is {text}")
    return value


def run_model(
    name: str,
    paths: Sequence[Path],
    dataset: Dataset | None,
    wanted: Filter,
    *,
    text: str | None = None,
    masks: bool = False,
) -> tuple["RunSummary", list[dict[str, Any]]]:
    """Run a model (its id or a file) over images, and give what it found as COCO results.

    Ids are those of `dataset`, where there is one. Raises LabelerError with one sentence.
    """
    files, told = _files(paths, dataset)
    spec = discover().resolve(name)
    if text and not spec.reads_text:
        raise ModelError(f"{spec.title} does not read what to look for; leave --text out.")
    if spec.reads_text and not text:
        raise ModelError(f"{spec.title} has to be told what to look for; say it with --text.")
    model = load_detector(spec)
    job = _Job(spec, model, _ids_of(files, dataset), _Categories(dataset, spec.categories))
    summary, results = job.run(wanted, text=text, masks=_masks() if masks else None)
    return msgspec.structs.replace(summary, told=told), results


class RunSummary(Struct, frozen=True):
    """What a run came to."""

    model: str
    images: int
    """Those that the model was run on."""
    objects: int
    """Those written, after suppression."""
    candidates: int
    """Raw ones, before threshold and suppression."""
    seconds: float
    left_out: list[str]
    """Sentences about images that could not be used, and classes that have no category."""
    told: list[str] = []
    """Sentences about pictures that are no photos, and photos that are there twice."""


def run(args: argparse.Namespace) -> int:
    """Predict; gives 0, or 1 when some images or classes had to be left out."""
    if args.everything and args.model:
        raise ModelError("Name one model: --model NAME or FILE, or --everything.")
    dataset = read_coco(args.labels, encoding=args.encoding)[0] if args.labels else None
    wanted = Filter(confidence=args.conf, iou=args.iou, kind=args.kind, top_k=args.top)
    name = "everything" if args.everything else args.model or DEFAULT_DETECTOR
    summary, results = run_model(name, args.paths, dataset, wanted, text=args.text, masks=args.masks)
    write(args.out, msgspec.json.encode(results))
    for sentence in summary.told + summary.left_out:
        print(sentence, file=sys.stderr)
    if args.json:
        print_json(summary)
    else:
        print(
            f"{summary.objects} objects of {summary.candidates} candidates on {summary.images} images "
            f"in {summary.seconds:.0f} s; written to {args.out}"
        )
    return 1 if summary.left_out else 0


class _Job(Struct, frozen=True):
    spec: ModelSpec
    model: Detector
    images: Mapping[int, tuple[Path, int]]
    """By a number from 1: the file, and its id in the results."""
    categories: "_Categories"

    def run(
        self, wanted: Filter, *, text: str | None, masks: Masks | None
    ) -> tuple[RunSummary, list[dict[str, Any]]]:
        """Predict on all images and filter what is found."""
        begun = time.perf_counter()
        results: list[dict[str, Any]] = []
        failures: list[tuple[Path, str]] = []
        raw = 0
        images = [(number, path) for number, (path, _) in self.images.items()]
        with ProgressLine("Images", total=len(images)) as progress:
            for one in predict(
                self.model,
                self.spec,
                images,
                text=text,
                keep=partial(_kept, wanted=wanted, spec=self.spec),
                masks=masks,
                as_evaluated=True,
            ):
                path, file_id = self.images[one.image_id]
                if one.failure:
                    failures.append((path, one.failure))
                raw += one.raw
                masked = any(isinstance(candidate.shape, Mask) for candidate in one.candidates)
                size = _size(path) if masked else (0, 0)
                for candidate in one.candidates:
                    category = self.categories.of(candidate.label)
                    if category is not None:
                        results.append(_result(candidate, file_id, category, size))
                progress.advance()
        seen = len(images) - len(failures)
        left_out = said_together(failures) + self.categories.complaints()
        seconds = time.perf_counter() - begun
        return RunSummary(self.spec.title, seen, len(results), raw, seconds, left_out), results


def _kept(candidates: tuple[Candidate, ...], *, wanted: Filter, spec: ModelSpec) -> tuple[Candidate, ...]:
    """The candidates that the filter leaves, with their confidence after suppression, best first."""
    numbered = {number: msgspec.structs.replace(one, id=number) for number, one in enumerate(candidates)}
    filtered = CandidateFilter(numbered.values(), suppressed=not spec.needs_suppression).apply(wanted)
    return tuple(
        msgspec.structs.replace(numbered[number], id=0, confidence=filtered.confidences[number])
        for number in filtered.kept
    )


class _Categories:
    """The category id of each class: by name from the labels, or counted from 1."""

    def __init__(self, dataset: Dataset | None, names: Sequence[str]) -> None:
        self._known: dict[str, int] = {}
        self._is_fixed = dataset is not None
        self._unknown: dict[str, int] = {}
        if dataset is not None:
            for category in dataset.categories:
                number = category.id if category.file_id is None else category.file_id
                self._known[_plain(category.name)] = number
        else:
            for name in names:
                self.of(name)

    def of(self, label: str) -> int | None:
        """The id of a class; None where the labels have no category of that name."""
        name = _plain(label)
        if not self._is_fixed:
            return self._known.setdefault(name, len(self._known) + 1)
        if name not in self._known:
            self._unknown[label] = self._unknown.get(label, 0) + 1
        return self._known.get(name)

    def complaints(self) -> list[str]:
        """A sentence about the classes that were found but have no category; [] for none."""
        if not self._unknown:
            return []
        found = ", ".join(f"{name} ({count})" for name, count in sorted(self._unknown.items()))
        return [f"The labels have no category for these classes, whose objects were left out: {found}."]


def _plain(name: str) -> str:
    return name.strip().casefold()


def _files(paths: Sequence[Path], dataset: Dataset | None) -> tuple[list[Path], list[str]]:
    """The image files that are named, and the photos in the folders that are, each once and in order.

    And what is to be said of them. Masks beside photos are left out, but for those that the labels name.
    """
    found: dict[Path, None] = {}
    told: list[str] = []
    names = {image.path for image in dataset.images} if dataset is not None else set()
    for path in paths:
        if _is_folder(path):
            inside = _photos_in(path)
            masks = label_pictures(inside, names)
            left_out = {one for pictures in masks.values() for one in pictures}
            found.update(dict.fromkeys(path / one for one in inside if one not in left_out))
            told.append(said_label_pictures(masks))
        elif is_there(path):
            found[path] = None
        else:
            raise FormatError(f"There is no image or folder “{path}”.")
    if not found:
        raise FormatError(f"There is no image in {', '.join(str(path) for path in paths)}.")
    return list(found), [sentence for sentence in (*told, said_doubled(doubled(found))) if sentence]


def _photos_in(folder: Path) -> list[str]:
    try:
        return list(photos_below(folder))
    except OSError as error:
        raise FormatError(f"The folder {folder} cannot be read ({error.strerror}).") from error


def _is_folder(path: Path) -> bool:
    try:
        return is_folder(path)
    except ImageError:  # as a photo that cannot be read it is told beside those that can
        return False


def _ids_of(files: Sequence[Path], dataset: Dataset | None) -> dict[int, tuple[Path, int]]:
    """By a number from 1: each file and its id. With labels only the images that they name are used."""
    if dataset is None:
        return {number: (path, number) for number, path in enumerate(files, 1)}
    by_name: dict[str, list[Path]] = {}
    for path in files:
        by_name.setdefault(folded(path.name), []).append(path)
    found: dict[int, tuple[Path, int]] = {}
    for image in dataset.images:
        alike = by_name.get(folded(last_part(image.path)), [])
        fitting = [path for path in alike if folded(path.as_posix()).endswith(folded(image.path))] or alike
        if len(fitting) == 1:
            number = image.id if image.file_id is None else image.file_id
            found[len(found) + 1] = (fitting[0], number)
    if not found:
        raise FormatError("None of the images is named in the labels; check that --labels belongs to them.")
    return found


def _size(path: Path) -> tuple[int, int]:
    """(H, W) as displayed."""
    header = read_header(path)
    return header.height, header.width


def _masks() -> Masks:
    """The step from boxes to masks, by the segmenter that comes with the app."""
    spec = discover().model(_SEGMENTER)
    segmenter = spec.load()
    if not isinstance(segmenter, Segmenter):
        raise ModelError(f"{spec.title} is no promptable model; install Labeler again to restore it.")
    return lambda rgb, candidates: boxes_to_masks(segmenter, rgb, candidates)


def _result(candidate: Candidate, image: int, category: int, size: tuple[int, int]) -> dict[str, Any]:
    """A COCO result; a mask is written run-length encoded beside its box."""
    box = bounds(candidate.shape)
    result: dict[str, Any] = {
        "image_id": image,
        "category_id": category,
        "bbox": [box.x0, box.y0, box.width, box.height],
        "score": candidate.confidence,
    }
    if isinstance(candidate.shape, Mask):
        counts = compress(mask_to_rle(candidate.shape, size)).decode()
        result["segmentation"] = {"size": list(size), "counts": counts}
    return result
