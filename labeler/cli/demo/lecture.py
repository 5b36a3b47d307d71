"""The notebook of a lecture on detection and segmentation as one HTML report: `labeler demo --lecture`.

A pretrained detector on sample photos, before and after NMS; then a small U-Net on a toy task, generated
pictures of discs and squares, and its IoU by class on pictures that were held out.
"""

import base64
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from labeler.core.files import atomic_write
from labeler.core.filtering import CandidateFilter, Filter
from labeler.core.photos.images import read_pixels
from labeler.core.records import Candidate
from labeler.errors import LabelerError
from labeler.evaluation.evaluator import evaluate_all
from labeler.evaluation.findings import Evaluation
from labeler.evaluation.plots import PlotLine, plot
from labeler.evaluation.report_style import STYLE
from labeler.evaluation.tables import shown_figure
from labeler.formats.coco.coco_reading import read_coco
from labeler.models.files.catalog import DEFAULT_DETECTOR
from labeler.models.prediction import load_detector, predict
from labeler.models.protocols import ModelSpec
from labeler.registry import Registry, discover
from labeler.training.events import Epoch, Event, Failed
from labeler.training.run import RunFolder, RunSpec
from labeler.training.sample_pictures import drawn
from labeler.training.specs import Value
from labeler.worker.training_job import train

Rgb = NDArray[np.uint8]
Tell = Callable[[str], None]

SIDE, PICTURES = 64, 24
"""Of a toy picture in pixels, and how many there are; some are held out."""
EPOCHS = 8
"""Of the U-Net, unless others are asked for."""
_KINDS = ("disc", "square")
_TONES = (((30, 60, 170), (90, 160, 256)), ((170, 90, 30), (256, 170, 90)))
"""Of each kind the lowest and the highest blue, green and red."""
_WIDEST = 640
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Detected(Struct, frozen=True, eq=False):
    """What the detector makes of a photo."""

    name: str
    rgb: Rgb
    found: tuple[Candidate, ...]
    """All candidates, with ids from 1."""
    over: tuple[Candidate, ...]
    """Those at or over the confidence threshold."""
    kept: tuple[Candidate, ...]
    """Those of them that NMS leaves, the most confident first."""
    milliseconds: float


def write_lecture(out: Path, photos: Path, *, epochs: int | None = None, tell: Tell = print) -> Path:
    """Run both parts and write `lecture.html` into the folder `out`, with the toy task and its run beside.

    `photos` is a folder of sample photos; `tell` gets a line with figures for each part. Gives the report's
    path. Raises LabelerError with one sentence where a part cannot be run or the folder not be written to.
    """
    registry = discover()
    spec = registry.resolve(DEFAULT_DETECTOR)
    wanted = Filter()
    detected = detect(spec, sorted(photos.glob("*.jpg")), wanted)
    for one in detected:
        tell(f"{spec.title}, {one.name}: {_in_words(one, wanted)}")
    try:
        out.mkdir(parents=True, exist_ok=True)
        labels = write_toy_task(out / "toy")
        run, curve = _trained(out / "run", labels, registry, epochs or EPOCHS)
        evaluation, pictures = _judged(run, registry)
        held_out = f"{evaluation.summary.images} held-out pictures"
        for category in evaluation.categories:
            iou, dice = shown_figure(category.pixel_iou), shown_figure(category.pixel_dice)
            tell(f"U-Net, {category.name}: IoU {iou}, Dice {dice} on {held_out}")
        path = out / "lecture.html"
        text = _page(_detection(spec, detected, wanted), _segmentation(evaluation, curve, pictures))
        atomic_write(path, text.encode("utf-8"))
    except OSError as error:
        raise LabelerError(f"The lecture cannot be written to {out}: {error.strerror or error}.") from error
    return path


# --- detection ----------------------------------------------------------------------------------------
def detect(spec: ModelSpec, photos: Sequence[Path], wanted: Filter) -> tuple[Detected, ...]:
    """The detector on each photo that can be read. Raises LabelerError where there is none."""
    if not photos:
        raise LabelerError("There is no photo for the detector; choose another folder.")
    made = []
    for one in predict(load_detector(spec), spec, enumerate(photos)):
        if one.failure:
            raise LabelerError(f"{photos[one.image_id].name}: {one.failure}")
        found = tuple(replace(each, id=number) for number, each in enumerate(one.candidates, 1))
        filtered = CandidateFilter(found, suppressed=not spec.needs_suppression).apply(wanted)
        made.append(
            Detected(
                photos[one.image_id].name,
                read_pixels(photos[one.image_id]).rgb,
                found,
                tuple(each for each in found if each.confidence >= wanted.confidence),
                tuple(found[number - 1] for number in filtered.kept),
                one.milliseconds,
            )
        )
    return tuple(made)


def _in_words(one: Detected, wanted: Filter) -> str:
    return (
        f"{len(one.found):,} candidates, {len(one.over)} from confidence {wanted.confidence:.2f}, "
        f"{len(one.kept)} after NMS at IoU {wanted.iou:.2f}"
    )


def _detection(spec: ModelSpec, detected: Sequence[Detected], wanted: Filter) -> str:
    """The part of the page about the detector: counts, and each photo before and after NMS."""
    rows = "".join(
        f"<tr><td>{escape(one.name)}</td><td>{len(one.found):,}</td><td>{len(one.over)}</td>"
        f"<td>{len(one.kept)}</td><td>{one.milliseconds:.0f}</td></tr>"
        for one in detected
    )
    pairs = "".join(
        f'<div class="plots">{_figure(drawn(one.rgb, one.over, spec.categories), f"{one.name} before NMS")}'
        f"{_figure(drawn(one.rgb, one.kept, spec.categories), f'{one.name} after NMS')}</div>"
        for one in detected
    )
    return (
        f"<h2>Detection: {escape(spec.title)}</h2><p>A pretrained detector gives many boxes, several of "
        f"one object. Those under confidence {wanted.confidence:.2f} are dropped; then non-maximum "
        "suppression takes the most confident box and drops those of its class whose IoU with it is over "
        f"{wanted.iou:.2f}, and so on.</p><table><thead><tr><th>photo</th><th>candidates</th>"
        "<th>over the threshold</th><th>after NMS</th><th>ms</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{pairs}"
    )


# --- segmentation -------------------------------------------------------------------------------------
def write_toy_task(folder: Path, *, seed: int = 0) -> Path:
    """Pictures of a disc and a square on a blotchy ground, and their outlines as COCO.

    Gives the path of the labels; the pictures lie in `images` beside them. Discs are
    warm and squares cool, in tones by chance.
    """
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, PICTURES + 1):
        ground = cv2.resize(rng.integers(20, 120, (6, 6, 3)).astype(np.uint8), (SIDE, SIDE))
        halves = rng.permutation([SIDE // 4, 3 * SIDE // 4])
        for kind in range(len(_KINDS)):
            radius = int(rng.integers(8, 14))
            middle = (int(halves[kind]), int(rng.integers(16, SIDE - 16)))
            ring = _outline(kind, middle, radius)
            cv2.fillPoly(ground, [ring], rng.integers(*_TONES[kind]).tolist(), cv2.LINE_AA)
            x, y, width, height = cv2.boundingRect(ring)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": kind + 1,
                    "segmentation": [ring.ravel().tolist()],
                    "bbox": [x, y, width, height],
                    "area": float(cv2.contourArea(ring)),
                    "iscrowd": 0,
                }
            )
        name = f"{number:02}.png"
        done, data = cv2.imencode(".png", ground)
        assert done, "a picture of bytes can be encoded"
        atomic_write(folder / "images" / name, data.tobytes())
        images.append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
    categories = [{"id": number, "name": name} for number, name in enumerate(_KINDS, 1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    atomic_write(folder / "labels.json", msgspec.json.encode(document))
    return folder / "labels.json"


def _outline(kind: int, middle: tuple[int, int], radius: int) -> NDArray[np.int32]:
    """(N, 2) corners of a disc (0) or a square (1)."""
    if kind:
        x, y = middle
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        return np.array([(x + radius * dx, y + radius * dy) for dx, dy in corners], dtype=np.int32)
    return np.array(cv2.ellipse2Poly(middle, (radius, radius), 0, 0, 359, 10), dtype=np.int32)


def _trained(
    path: Path, labels: Path, registry: Registry, epochs: int
) -> tuple[RunFolder, tuple[Epoch, ...]]:
    """A U-Net's run on the toy task, and its epochs. Raises LabelerError with the sentence of a failure."""
    options: dict[str, Value] = {"epochs": epochs, "width": 8, "depth": 3, "size": SIDE, "batch": 8}
    run = RunFolder.create(path, RunSpec(trainer="unet", name="U-Net", options=options))
    told: list[Event] = []
    train(run, registry, told.append, lambda: False, labels=labels, images=labels.parent / "images")
    failed = next((one.sentence for one in told if isinstance(one, Failed)), "")
    if failed:
        raise LabelerError(failed)
    return run, tuple(one for one in told if isinstance(one, Epoch))


def _judged(run: RunFolder, registry: Registry) -> tuple[Evaluation, tuple[tuple[str, Rgb], ...]]:
    """The model on the held-out pictures, by masks, and what it makes of the first ones."""
    truths, _ = read_coco(run.validation_labels)
    spec = registry.open_file(run.model)
    numbers = {one.name: one.id for one in truths.categories}
    paths = {image.id: run.images / image.path for image in truths.images}
    found: list[Candidate] = []
    pictures = []
    for one in predict(load_detector(spec), spec, paths.items()):
        if one.failure:
            raise LabelerError(f"{paths[one.image_id].name}: {one.failure}")
        found += [replace(each, category_id=numbers[each.label]) for each in one.candidates]
        picture = drawn(read_pixels(paths[one.image_id]).rgb, one.candidates, list(numbers))
        pictures.append((paths[one.image_id].name, picture))
    numbered = [replace(each, id=number) for number, each in enumerate(found, 1)]
    (evaluation,) = evaluate_all(truths, [("U-Net", numbered)], by="mask")
    return evaluation, tuple(pictures[:4])


def _segmentation(evaluation: Evaluation, curve: Sequence[Epoch], pictures: Sequence[tuple[str, Rgb]]) -> str:
    """The part of the page about the U-Net: how it learnt, IoU by class, and what it sees."""
    rows = "".join(
        f"<tr><td>{escape(one.name)}</td><td>{one.truths}</td><td>{shown_figure(one.pixel_iou)}</td>"
        f"<td>{shown_figure(one.pixel_dice)}</td></tr>"
        for one in evaluation.categories
    )
    shown = "".join(_figure(rgb, name) for name, rgb in pictures)
    held_out = evaluation.summary.images
    return (
        "<h2>Segmentation: a small U-Net on a toy task</h2><p>Warm discs and cool squares on a blotchy "
        "ground. The network gives every pixel a class. It learnt from "
        f"{PICTURES - held_out} pictures in {len(curve)} epochs; the figures are of the {held_out} that were "
        "held out.</p>"
        f'<div class="plots"><figure><figcaption>How it learnt</figcaption>{_curves(curve)}</figure><div>'
        "<h3>IoU by class</h3><table><thead><tr><th>class</th><th>objects</th><th>IoU</th><th>Dice</th></tr>"
        f'</thead><tbody>{rows}</tbody></table></div></div><div class="cases">{shown}</div>'
    )


def _curves(curve: Sequence[Epoch]) -> str:
    """Metrics on the held-out pictures over the course; the loss as a share of its highest."""
    along = np.linspace(0.0, 1.0, len(curve))
    loss = np.array([one.losses.get("loss", np.nan) for one in curve])
    lines = [PlotLine("loss, to its highest", along, loss / max(float(np.nanmax(loss)), 1e-9), "var(--b)")]
    for name, color in (("IoU", "var(--a)"), ("Dice", "var(--good)")):
        values = np.array([one.metrics.get(name, np.nan) for one in curve])
        if np.isfinite(values).any():
            lines.append(PlotLine(name, along, values, color))
    return plot(lines, x="share of the training", y="from 0 to 1")


# --- the page -----------------------------------------------------------------------------------------
def _figure(rgb: Rgb, caption: str) -> str:
    """A picture inside the page, at most `_WIDEST` pixels wide."""
    scale = min(1.0, _WIDEST / rgb.shape[1])
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    done, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done, "a picture of bytes can be encoded"
    text = base64.b64encode(data.tobytes()).decode("ascii")
    name = escape(caption)
    return (
        f'<figure><img style="width:100%;border-radius:8px" alt="{name}" src="data:image/jpeg;base64,{text}">'
        f"<figcaption>{name}</figcaption></figure>"
    )


def _page(*parts: str) -> str:
    title = "Detection and segmentation"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{''.join(parts)}"
        "<footer>IoU is the overlap of prediction and label over what both cover; Dice is twice the overlap "
        "over the sum of both. Made by Labeler.</footer></body></html>\n"
    )
