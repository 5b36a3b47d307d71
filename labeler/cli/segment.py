"""`labeler segment`: how well a promptable model finds known objects, with simulated prompts."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct, structs

from labeler import paths
from labeler.cli.labels import add_encoding_option, check_folder_of_images, write
from labeler.cli.progress import ProgressLine
from labeler.core.geometry import bounds, rasterise, to_bits
from labeler.core.measures.overlap import mask_overlap
from labeler.core.photos.patience import said_together
from labeler.core.records import Annotation, Image, Mask, Prompt, Proposal
from labeler.core.rle import compress, mask_to_rle
from labeler.errors import FormatError, ImageError, ModelError
from labeler.formats.image_paths import Folder
from labeler.formats.placement import read_placed_coco
from labeler.formats.spec import Dataset
from labeler.models.embedder import Embedder
from labeler.models.embeddings import EmbeddingCache
from labeler.models.protocols import Embedding, Segmenter
from labeler.models.simulated import MOST_CLICKS, Click, innermost_point, next_click
from labeler.registry import discover

SMALLEST = 1024
"""Objects of fewer pixels are not asked for: in them, a pixel of the outline is a matter of taste."""

NOC = (0.85, 0.90)
"""IoU to which clicks are counted."""


class PromptStep(Struct, frozen=True):
    """What a model made of an object after one more prompt."""

    click: int
    """How many clicks were given; 0 for the box alone."""
    chosen: Proposal
    iou: float
    """Of the proposal that the model itself puts first."""
    best_iou: float
    """Of the best of its proposals."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "segment",
        help="measure a promptable model on labelled images",
        description="Prompt a model on every labelled object of at least 1,024 pixels as a patient person "
        "would, print the mean IoU after each prompt, and write its masks as COCO results.",
    )
    parser.add_argument("labels", type=Path, metavar="GT.json", help="COCO annotations: the known objects")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="where the images are; default: the folder around the labels that has them",
    )
    add_encoding_option(parser)
    parser.add_argument(
        "--prompts",
        choices=["box", "click"],
        default="click",
        help="start with the object's box, or with a click at its innermost point (default)",
    )
    parser.add_argument(
        "--clicks",
        type=_count,
        metavar="N",
        help="clicks in all, each after the first where the mask is most wrong; default: 1, or 0 after a box",
    )
    parser.add_argument(
        "--noc",
        action="store_true",
        help=f"click up to IoU 0.90, at most {MOST_CLICKS} times, and print the number of clicks to 0.85 and "
        "0.90 (NoC@85, NoC@90)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the masks, as COCO results")
    parser.add_argument("--model", default="mobilesam", metavar="NAME|FILE|RUN", help="default: %(default)s")
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("the number of clicks must be at least 0")
    return value


def run(args: argparse.Namespace) -> int:
    """Measure; gives 0, or 1 when some labels or images could not be used."""
    check_folder_of_images(args.images)
    with_box = args.prompts == "box"
    if args.noc and (with_box or args.clicks is not None):
        raise FormatError("--noc counts clicks by itself; leave --clicks and --prompts box out.")
    clicks = args.clicks if args.clicks is not None else 0 if with_box else 1
    clicks = MOST_CLICKS if args.noc else clicks
    if not with_box and clicks == 0:
        raise FormatError("Without a box there must be at least one click; give --clicks 1 or more.")
    dataset, report, folder = read_placed_coco(args.labels, images=args.images, encoding=args.encoding)
    if report.refused:
        print(report.problems(), file=sys.stderr)
    begun = time.perf_counter()
    until = max(NOC) if args.noc else 1.0
    measured = _measure_all(args.model, dataset, folder, with_box=with_box, clicks=clicks, until=until)
    for sentence in said_together(measured.left_out):
        print(sentence, file=sys.stderr)
    if not measured.steps:
        raise FormatError(f"In {folder.root} there is no labelled object of at least {SMALLEST} pixels.")
    write(args.out, msgspec.json.encode(measured.results))
    print(_noc_table(measured.steps) if args.noc else _table(measured.steps))
    seconds = time.perf_counter() - begun
    print(f"{len(measured.steps)} objects in {seconds:.0f} s; masks written to {args.out}")
    return 1 if measured.left_out or report.refused else 0


class _Measured(Struct, frozen=True):
    steps: list[list[PromptStep]]
    """Of each object, in the order of the images."""
    results: list[dict[str, Any]]
    """Of each object, as COCO writes them."""
    left_out: list[tuple[Path, str]]
    """Images that could not be used, with a sentence about each."""


def _measure_all(
    name: str, dataset: Dataset, folder: Folder, *, with_box: bool, clicks: int, until: float
) -> _Measured:
    model, embedder = _model(name)
    objects = [annotation for annotation in dataset.annotations if not annotation.crowd]
    measured = _Measured([], [], [])
    with ProgressLine("Images", total=len({annotation.image_id for annotation in objects})) as progress:
        for image, path, annotations in _by_image(dataset, objects, folder):
            try:
                embedding = _embedding(embedder, image, path)
            except (FormatError, ImageError) as error:
                measured.left_out.append((path or Path(image.path), str(error)))
                annotations.clear()
            for annotation in annotations:
                steps = measure(model, embedding, annotation, with_box=with_box, clicks=clicks, until=until)
                if steps:
                    measured.steps.append(steps)
                    measured.results.append(_result(dataset, image, annotation, steps[-1]))
            progress.advance()
    return measured


def measure(
    model: Segmenter,
    embedding: Embedding,
    annotation: Annotation,
    *,
    with_box: bool,
    clicks: int,
    until: float = 1.0,
) -> list[PromptStep]:
    """Prompt the model on one object, after its box (if `with_box`) and after each of `clicks` clicks.

    The chosen mask's logits are fed back with each next click. Clicking ends early where nothing is wrong
    any more, or the mask that the model puts first has IoU `until`. [] for an object under `SMALLEST` pixels.
    """
    truth = rasterise(annotation.shape, size=embedding.size)
    known = to_bits(truth, embedding.size)
    if np.count_nonzero(known) < SMALLEST:
        return []
    steps: list[PromptStep] = []
    prompt = Prompt()
    if with_box:
        prompt = Prompt(box=bounds(annotation.shape))
        steps.append(_step(0, model.segment(embedding, prompt), truth))
    for number in range(1, clicks + 1):
        click: Click | None
        if steps:
            click = next_click(known, to_bits(steps[-1].chosen.mask, embedding.size))
            prompt = structs.replace(prompt, previous=steps[-1].chosen.logits)
        else:
            click = Click(*innermost_point(known), positive=True)
        if click is None or (steps and steps[-1].iou >= until):
            break
        prompt = structs.replace(
            prompt,
            points=np.vstack([prompt.points, (click.x, click.y)]),
            positive=np.append(prompt.positive, click.positive),
        )
        steps.append(_step(number, model.segment(embedding, prompt), truth))
    return steps


def _step(click: int, proposals: Sequence[Proposal], truth: Mask) -> PromptStep:
    if not proposals:
        raise ModelError("The model gave no proposal at all.")
    overlaps = [mask_overlap(proposal.mask, truth).iou for proposal in proposals]
    return PromptStep(click, proposals[0], overlaps[0], max(overlaps))


def _model(name: str) -> tuple[Segmenter, Embedder]:
    spec = discover().resolve(name)
    model = spec.load()
    if not isinstance(model, Segmenter):
        raise ModelError(f"{spec.title} is no promptable model; it cannot be measured with prompts.")
    return model, Embedder(model, spec.fingerprint, EmbeddingCache(paths.cache_dir() / "embeddings"))


def _by_image(
    dataset: Dataset, annotations: Sequence[Annotation], folder: Folder
) -> Iterator[tuple[Image, Path | None, list[Annotation]]]:
    """Each image that has objects, its file (None where it is not in the folder), and its objects."""
    images = {image.id: image for image in dataset.images}
    ordered = sorted(annotations, key=lambda annotation: annotation.image_id)
    for image_id, group in groupby(ordered, key=lambda annotation: annotation.image_id):
        image = images[image_id]
        found = folder.find(image.path)
        yield image, folder.root / found.path if found else None, list(group)


def _embedding(embedder: Embedder, image: Image, path: Path | None) -> Embedding:
    """Raises FormatError where the labels do not fit the image."""
    if path is None:
        raise FormatError(f"{image.path} is not in the folder of the images and was left out.")
    embedded = embedder.embed(path)
    embedded.store()
    height, width = embedded.embedding.size
    if (image.width, image.height) not in {(width, height), (0, 0)}:
        raise FormatError(
            f"{image.path} is {width} x {height}, but {image.width} x {image.height} in the labels; "
            "it was left out."
        )
    return embedded.embedding


def _result(dataset: Dataset, image: Image, annotation: Annotation, step: PromptStep) -> dict[str, Any]:
    """A COCO result with the ids of the labels file, and which object and click it is of."""
    categories = {category.id: category for category in dataset.categories}
    category = categories[annotation.category_id]
    size = (image.height, image.width)
    mask = step.chosen.mask
    return {
        "image_id": image.id if image.file_id is None else image.file_id,
        "category_id": category.id if category.file_id is None else category.file_id,
        "annotation_id": annotation.id if annotation.file_id is None else annotation.file_id,
        "click": step.click,
        "score": step.chosen.confidence,
        "bbox": [mask.x, mask.y, mask.width, mask.height],
        "segmentation": {"size": list(size), "counts": compress(mask_to_rle(mask, size)).decode()},
    }


def _table(steps: Sequence[Sequence[PromptStep]]) -> str:
    """Mean IoU after each prompt. Where clicking ended early, an object's last mask counts on."""
    lines = [f"{'prompt':<10}{'mean IoU':>10}{'best of its proposals':>24}"]
    longest = max(steps, key=len)
    for place, step in enumerate(longest):
        reached = [of_object[min(place, len(of_object) - 1)] for of_object in steps]
        name = f"{step.click} click{'s' if step.click > 1 else ''}" if step.click else "box"
        chosen = float(np.mean([one.iou for one in reached]))
        best = float(np.mean([one.best_iou for one in reached]))
        lines.append(f"{name:<10}{chosen:>10.3f}{best:>24.3f}")
    return "\n".join(lines)


def clicks_to(steps: Sequence[PromptStep], iou: float) -> int | None:
    """Clicks on an object until the mask that the model puts first has this IoU; None where it never has."""
    return next((step.click for step in steps if step.iou >= iou), None)


def _noc_table(steps: Sequence[Sequence[PromptStep]]) -> str:
    """The mean number of clicks, an object that never came so far counted as `MOST_CLICKS`, as papers do."""
    lines = [f"{'':<8}{'clicks':>8}{'not reached':>14}"]
    for iou in NOC:
        needed = [clicks_to(of_object, iou) for of_object in steps]
        mean = float(np.mean([MOST_CLICKS if one is None else one for one in needed]))
        lines.append(f"{f'NoC@{iou * 100:.0f}':<8}{mean:>8.2f}{needed.count(None):>14}")
    return "\n".join(lines)
