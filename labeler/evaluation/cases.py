"""The images that a model gets most wrong, as pictures of the report."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler.core.measures.set_agreement import ImageMeasure, worst_first
from labeler.core.photos.images import read_header, read_thumbnail
from labeler.errors import ImageError
from labeler.evaluation.by_image import by_image
from labeler.evaluation.findings import FALSE_ALARM, Evaluation, Singles

_CASES = 12
_SIDE = 420
"""The longer side of a picture, in pixels."""
_QUALITY = 78


def worst_cases(evaluation: Evaluation, *, images: Mapping[int, Path], confidence: float) -> str:
    """The worst images of a model at a confidence as HTML, "" where it makes no mistake.

    `images`: the files that are there, by the ids of the labels file; the others are named only.
    """
    measures = {one.image_id: one for one in by_image(evaluation, confidence=confidence)}
    wrong = [measures[number] for number in worst_first(measures.values())]
    wrong = [one for one in wrong if one.total.missed or one.total.extra][:_CASES]
    places = {int(number): place for place, number in enumerate(evaluation.images.ids)}
    return "".join(
        _case(evaluation, places[one.image_id], one, images.get(one.image_id), confidence) for one in wrong
    )


def _case(
    evaluation: Evaluation, place: int, measure: ImageMeasure, path: Path | None, confidence: float
) -> str:
    tally = measure.total
    said = f"{tally.matched} found, {tally.missed} missed, {tally.extra} false"
    name = escape(evaluation.images.names[place])
    picture = _picture(evaluation, place, path, confidence) if path is not None else ""
    caption = f'<figcaption>{name}<br><span class="quiet">{said}</span></figcaption>'
    return f'<figure class="case">{picture}{caption}</figure>'


def _picture(evaluation: Evaluation, place: int, path: Path, confidence: float) -> str:
    """The image small, with what is found, missed and false; "" where it cannot be read."""
    try:
        header = read_header(path)
        small = read_thumbnail(path, _SIDE)
    except ImageError:
        return ""
    done, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        return ""
    text = base64.b64encode(data.tobytes()).decode("ascii")
    boxes = "".join(_marks(evaluation, place, confidence))
    return (
        f'<svg viewBox="0 0 {header.width} {header.height}"><image width="{header.width}" '
        f'height="{header.height}" href="data:image/jpeg;base64,{text}"/>{boxes}</svg>'
    )


def _marks(evaluation: Evaluation, place: int, confidence: float) -> list[str]:
    predictions, truths = evaluation.predictions, evaluation.truths
    given = np.flatnonzero((predictions.images == place) & (predictions.confidences >= confidence))
    hits = predictions.hits[0, given]
    real = np.flatnonzero((truths.images == place) & ~truths.ignored)
    lost = real[~np.isin(real, hits)]
    return [
        *_rectangles(evaluation, predictions.boxes, predictions.categories, given[hits >= 0], "hit"),
        *_rectangles(evaluation, truths.boxes, truths.categories, lost, "miss"),
        *_rectangles(
            evaluation, predictions.boxes, predictions.categories, given[hits == FALSE_ALARM], "alarm"
        ),
    ]


def _rectangles(
    evaluation: Evaluation,
    boxes: Singles,
    categories: NDArray[np.int32],
    places: NDArray[np.int64],
    kind: str,
) -> Sequence[str]:
    said = {"hit": "found", "miss": "missed", "alarm": "false"}[kind]
    parts = []
    for place in places.tolist():
        x0, y0, x1, y1 = boxes[place].tolist()
        at = f'x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}"'
        name = escape(evaluation.categories[int(categories[place])].name)
        parts.append(
            f'<rect class="mark under" {at} stroke-width="4"/><rect class="mark {kind}" {at} '
            f'stroke-width="2"><title>{name}: {said}</title></rect>'
        )
    return parts
