"""Why a candidate is not kept: the line to the one that suppressed it; and the steps of the walk."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from msgspec import Struct
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from labeler.core.colors import rgb
from labeler.core.filtering import SuppressionStep
from labeler.core.records import Candidate
from labeler.gui.canvas.layers import ink
from labeler.gui.canvas.layers.drawing import AIMED, CHOSEN, DROPPED, OUTLINE, REASON, Rgb
from labeler.gui.canvas.layers.layer import PredictionLayer
from labeler.gui.canvas.layers.sprite import Sprite, SpriteJob, rough_bounds
from labeler.gui.canvas.layers.tags import Tag, TagPictures
from labeler.gui.canvas.stage import Stage
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.toolkit import theme

_MOST_TAGS = 5
"""So many of a step's lines say their IoU."""
_DARK = QColor(13, 16, 22, 200)


class _Link(Struct, frozen=True):
    """A line from what was suppressed or lowered to what did it, with a few words."""

    source: Candidate
    target: Candidate
    text: str


class Reasons:
    """Paints the selected predictions, what the mouse is on, a hovered one's reason, the step of the walk."""

    def __init__(self, stage: Stage, predictions: Predictions, layer: PredictionLayer) -> None:
        self._stage, self._predictions, self._layer = stage, predictions, layer
        self._sprite = Sprite()
        self._pictures = TagPictures()
        self.tagged: list[QRectF] = []
        """Where reasons stand since they were painted last, widget pixels."""

    def paint(self, painter: QPainter, size: tuple[int, int], ratio: float) -> None:
        """Paint for a widget of this size (width, height) with `ratio` device pixels to a pixel."""
        jobs = [*self._aimed(), *self._selected(), *self._hovered(), *self._stepped()]
        self._sprite.paint(painter, jobs, self._stage.view, size, ratio)
        for candidate in self._chosen():
            ink.paint_frame(painter, self._frame(candidate))
        for link in self._links():
            self._paint_line(painter, link)

    # --- what is highlighted ----------------------------------------------------------------------

    def _chosen(self) -> list[Candidate]:
        found = self._predictions.candidates
        return [found[key] for key in sorted(self._predictions.selection) if key in found]

    def _aimed(self) -> Iterator[SpriteJob]:
        """What a right click would reject, lest another one is meant."""
        key, predictions = self._stage.aimed, self._predictions
        if key in predictions.kept and key not in predictions.selection and not self._stage.drafts:
            found = predictions.candidates[key]
            yield SpriteJob(found.shape, self._color(found), AIMED)

    def _selected(self) -> Iterator[SpriteJob]:
        look = OUTLINE if self._stage.comparison.is_shown else CHOSEN
        return (SpriteJob(one.shape, self._color(one), look) for one in self._chosen())

    def _hovered(self) -> Iterator[SpriteJob]:
        link = self._hovered_link()
        if link is not None:
            yield SpriteJob(link.target.shape, self._color(link.target), REASON)
            yield SpriteJob(link.source.shape, rgb(theme.DARK.bad), DROPPED)

    def _stepped(self) -> Iterator[SpriteJob]:
        step = self._predictions.step
        if step is None:
            return
        found = self._predictions.candidates
        for key, _ in step.dropped:
            yield SpriteJob(found[key].shape, rgb(theme.DARK.bad), DROPPED)
        yield SpriteJob(found[step.picked].shape, self._color(found[step.picked]), REASON)

    def _hovered_link(self) -> _Link | None:
        predictions = self._predictions
        key = predictions.hovered
        by = predictions.suppressor(key) if key is not None else None
        if key is None or by is None:
            return None
        source = predictions.candidates[key]
        name = f"{predictions.name_of(source)} {source.confidence:.2f}"
        return _Link(source, by[0], f"{name} · IoU {by[1]:.2f} with {by[0].confidence:.2f}")

    def _links(self) -> Iterator[_Link]:
        link = self._hovered_link()
        if link is not None:
            yield link
        step = self._predictions.step
        if step is not None:
            yield from self._step_links(step)

    def _step_links(self, step: SuppressionStep) -> Iterator[_Link]:
        found = self._predictions.candidates
        # the closest calls first
        for key, iou in sorted(step.dropped, key=lambda each: each[1]):
            yield _Link(found[key], found[step.picked], f"IoU {iou:.2f}")
        for key, iou, confidence in step.lowered:
            yield _Link(found[key], found[step.picked], f"IoU {iou:.2f} · now {confidence:.2f}")

    # --- painting ---------------------------------------------------------------------------------

    def _paint_line(self, painter: QPainter, link: _Link) -> None:
        start, end = self._ends(link)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for pen in (QPen(_DARK, 4), QPen(QColor("#ffffff"), 1.75)):
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.drawLine(QLineF(start, end))
        painter.setPen(QPen(_DARK, 1))
        painter.setBrush(QColor("#ffffff"))
        painter.drawEllipse(start, 3, 3)
        painter.drawEllipse(end, 4.5, 4.5)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def paint_tags(self, painter: QPainter, size: tuple[int, int], taken: Iterable[QRectF]) -> None:
        """Say the reasons at the lines' ends, near them where other words stand on the rectangles `taken`."""
        ratio = painter.device().devicePixelRatio()
        used, self.tagged = list(taken), []
        for tag, place in self._tags():
            picture = self._pictures.of(tag, ratio)
            width, height = picture.width() / ratio, picture.height() / ratio
            x = min(max(place.x() + 10, 4.0), max(size[0] - width - 4.0, 4.0))
            y = min(max(place.y() - height / 2, 4.0), max(size[1] - height - 4.0, 4.0))
            rect = _free(QRectF(round(x), round(y), width, height), used, size[1])
            used.append(rect)
            self.tagged.append(rect)
            painter.drawImage(rect.topLeft(), picture)

    def _tags(self) -> Iterator[tuple[Tag, QPointF]]:
        predictions, step = self._predictions, self._predictions.step
        frame = (0.0, 0.0, 0.0, 0.0)
        if step is not None:
            picked = predictions.candidates[step.picked]
            text = f"{predictions.walk_at} · {predictions.name_of(picked)} {step.confidence:.2f}"
            corner = self._frame(picked).topLeft()
            yield Tag(text, _hex(self._color(picked)), frame), corner + QPointF(-10, -14)
        for link in _first(self._links(), _MOST_TAGS):
            yield Tag(link.text, _hex(self._color(link.source)), frame), self._ends(link)[0]

    def _ends(self, link: _Link) -> tuple[QPointF, QPointF]:
        """The corners of both frames that lie furthest from each other: the frames are often nearly one."""
        source, target = _corners(self._frame(link.source)), _corners(self._frame(link.target))
        at = int(np.hypot(*(source - target).T).argmax())
        return QPointF(*source[at].tolist()), QPointF(*target[at].tolist())

    def _frame(self, candidate: Candidate) -> QRectF:
        box, view = rough_bounds(candidate.shape), self._stage.view
        x0, y0 = view.point_on_screen(box.x0, box.y0)
        x1, y1 = view.point_on_screen(box.x1, box.y1)
        return QRectF(x0, y0, x1 - x0, y1 - y0)

    def _color(self, candidate: Candidate) -> Rgb:
        return self._layer.kept.color(candidate.category_id)


def _free(wanted: QRectF, used: Sequence[QRectF], height: int) -> QRectF:
    """The nearest place below or above that is free; the wanted one where there is none."""
    step = wanted.height() + 2
    for away in range(1, 2 * math.ceil(height / step) + 2):
        rect = wanted.translated(0, step * (away // 2) * (-1 if away % 2 else 1))
        on_view = rect.top() >= 0 and rect.bottom() <= height
        if on_view and not any(rect.intersects(other) for other in used):
            return rect
    return wanted


def _corners(rect: QRectF) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    x0, y0, x1, y1 = rect.left(), rect.top(), rect.right(), rect.bottom()
    return np.array([(x0, y0), (x1, y0), (x0, y1), (x1, y1)])


def _first(links: Iterable[_Link], count: int) -> list[_Link]:
    return [link for _, link in zip(range(count), links, strict=False)]


def _hex(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
