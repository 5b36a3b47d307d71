"""Drawing shapes into a premultiplied buffer: one shape as well as can be, or a whole scene quickly."""

from typing import Any

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from labeler.core.records import Shape
from labeler.gui.canvas.layers import raster
from labeler.gui.canvas.layers.outlines import Ring, level_for, rings
from labeler.gui.canvas.layers.qimages import Bytes, premultiplied
from labeler.gui.canvas.scene import Outlines, Scene
from labeler.gui.canvas.viewport import Viewport

REACH = 4
"""Widget pixels that a line may stand out of the bounds of its shape."""
_SMOOTH_POINTS = 5_000
_WIDE_POINTS = 25_000
_WIDE_BOXES = 1_500
_DASHED = 400
_DASHED_BOXES = 1_500
_DASHED_POINTS = 4_000
"""Past so many points, or boxes, the lines are drawn plainer, to stay within a frame."""
_DARK = (13, 16, 22)
_TINY = 16
_FAR = 1 << 24

Rgb = tuple[int, int, int]
Ring32 = NDArray[np.int32]


class Look(Struct, frozen=True):
    """How a kind of shape is painted; lengths are widget pixels and don't zoom."""

    fill: float
    """Opacity inside, 0 to 1."""
    width: float = 2.0
    dash: tuple[float, float] | None = None
    """Lengths on and off, None for a solid line."""
    line: float = 1.0
    """Opacity of the line, 0 to 1; 0 for none."""
    rim: float = 0.0
    """How far a dark rim stands out of the line at both sides, so that neighbours of one colour part."""


ANNOTATION = Look(0.16)
SELECTED = Look(0.34)
AMONG = Look(0.34, rim=1.0)
"""One of several that are selected."""
INSIDE = Look(0.06, line=0.0)
OUTLINE = Look(0.0, width=1.5, dash=(9, 5))
"""A prediction in two layers, so that what lies between them shows on its fill and under its line."""
SUPPRESSED = Look(0.0, width=1.5, dash=(2, 5), line=0.45)
WAITING = Look(0.0, width=1.0, dash=(4, 4), line=0.8)
COMPARED = Look(0.0)
CHOSEN = Look(0.24, width=2.0, dash=(9, 5))
AIMED = Look(0.14, width=2.0, dash=(9, 5))
"""The prediction that the mouse is on."""
REASON = Look(0.10, width=2.0)
DROPPED = Look(0.0, width=2.0, dash=(3, 4))
REFERENCE = Look(0.0, width=1.25, dash=(6, 4))
PROPOSAL = Look(0.36, dash=(6, 4))
PREVIEW = Look(0.24, width=1.5)


def draw_shape(buffer: Bytes, view: Viewport, shape: Shape, color: Rgb, look: Look, *, ratio: float) -> None:
    """Draw one shape, smooth, over a buffer whose pixels `view` maps image pixels to.

    `ratio` is device pixels to a widget pixel.
    """
    offset = np.asarray(view.offset, dtype=np.float32)
    lines = [ring * np.float32(view.scale) + offset for ring in rings(shape, level_for(view.scale))]
    if look.fill:
        raster.fill(buffer, [raster.fixed(line) for line in lines], premultiplied(color, look.fill))
    if look.rim:
        _stroke_look(
            buffer, lines, _DARK, structs.replace(look, width=look.width + 2 * look.rim, line=0.8), ratio
        )
    if look.line:
        _stroke_look(buffer, lines, color, look, ratio)


def _stroke_look(
    buffer: Bytes, lines: list[NDArray[np.float32]], color: Rgb, look: Look, ratio: float
) -> None:
    """The line of a shape, dashed where its look says so."""
    if look.dash:
        on, off = look.dash
        lines = [dash for line in lines for dash in raster.dashes(line, on=on * ratio, off=off * ratio)]
    raster.stroke(
        buffer,
        [raster.fixed(line) for line in lines],
        premultiplied(color, look.line),
        width=max(round(look.width * ratio), 1),
        smooth=True,
        closed=look.dash is None,
    )


class Detail(Struct, frozen=True):
    """How plainly a scene is drawn: the more there is of it, the plainer."""

    smooth: bool = True
    wide: bool = True
    few_boxes: bool = True
    dashed: bool = True


def draw_scene(
    buffer: Bytes, view: Viewport, scene: Scene, look: Look, *, ratio: float, detail: Detail | None = None
) -> Detail:
    """Draw what a buffer shows of a scene: all fills first, then all lines, large shapes under small ones.

    `view` maps image pixels to the buffer's. `detail` is how plainly; worked out from how much there is
    where it is None, and given back so that a part can be drawn like the whole later.
    """
    height, width = buffer.shape[:2]
    reach = round(REACH * ratio)
    places = scene.painted(view.extent((-reach, -reach, width + reach, height + reach)))
    if not len(places):
        return detail or Detail()
    plot = _Plot(buffer, view, scene, places, ratio)
    detail = detail or plot.detail()
    if look.fill:
        plot.fill(look, detail)
    if not look.line:
        return detail
    if look.dash and detail.dashed:
        plot.dash_each(look)
    else:
        plot.stroke_rings(look, detail)
        plot.frame_boxes(look, detail)
    return detail


class _Plot:
    """A scene on its way into a buffer: everything in the buffer's own pixels."""

    def __init__(
        self, buffer: Bytes, view: Viewport, scene: Scene, places: NDArray[np.int64], ratio: float
    ) -> None:
        self.buffer, self.ratio = buffer, ratio
        self.words = buffer.view(np.uint32)[..., 0]
        self.boxed = scene.is_box[places]
        self.colors = [scene.color(key) for key in scene.category_ids[places].tolist()]
        points, self.spans = _gathered(scene.outlines(level_for(view.scale)), places.tolist())
        self.moved = points * np.float32(view.scale) + np.asarray(view.offset, dtype=np.float32)
        self.fixed = raster.fixed(self.moved)
        corners = np.rint(scene.boxes[places] * view.scale + np.tile(view.offset, 2))
        self.corners = np.clip(corners, -_FAR, _FAR).astype(np.int64)

    def detail(self) -> Detail:
        """What can be afforded for so much."""
        amount, boxes = len(self.moved), int(self.boxed.sum())
        return Detail(
            smooth=amount < _SMOOTH_POINTS,
            wide=amount < _WIDE_POINTS,
            few_boxes=boxes < _WIDE_BOXES,
            dashed=amount < _DASHED_POINTS and len(self.spans) - boxes < _DASHED and boxes < _DASHED_BOXES,
        )

    def rings(self, at: int, points: NDArray[Any]) -> list[NDArray[Any]]:
        """The rings of the entry drawn at this turn, cut from all points."""
        return [points[a:b] for a, b in self.spans[at]]

    def fill(self, look: Look, detail: Detail) -> None:
        """The insides, from the largest to the smallest; not of tiny boxes where there are very many."""
        height, width = self.words.shape
        inner = np.clip(self.corners, 0, (width, height, width, height)).tolist()
        paints = {color: premultiplied(color, look.fill) for color in set(self.colors)}
        words = {color: raster.word(paint) for color, paint in paints.items()}
        sides = (self.corners[:, 2:] - self.corners[:, :2]).max(axis=1)
        worth = ~self.boxed | (sides >= _TINY * self.ratio) | detail.few_boxes
        boxed = self.boxed.tolist()
        for at in np.flatnonzero(worth).tolist():
            color = self.colors[at]
            if boxed[at]:
                x0, y0, x1, y1 = inner[at]
                self.words[y0:y1, x0:x1] = words[color]
            else:
                raster.fill(self.buffer, self.rings(at, self.fixed), paints[color])

    def stroke_rings(self, look: Look, detail: Detail) -> None:
        """The lines of polygons and masks, a call for each colour."""
        by_color: dict[Rgb, list[Ring32]] = {}
        for at in np.flatnonzero(~self.boxed).tolist():
            by_color.setdefault(self.colors[at], []).extend(self.rings(at, self.fixed))
        # in an order that a part of the picture shares with the whole
        for color, lines in sorted(by_color.items()):
            raster.stroke(
                self.buffer,
                lines,
                premultiplied(color, look.line),
                width=max(round((look.width if detail.wide else 1.0) * self.ratio), 1),
                smooth=detail.smooth,
            )

    def frame_boxes(self, look: Look, detail: Detail) -> None:
        """The lines of boxes, on whole pixels; thin where there are very many."""
        if not detail.few_boxes:
            self._frame_many(look)
            return
        width = max(round(look.width * self.ratio), 1)
        words = {color: raster.word(premultiplied(color, look.line)) for color in set(self.colors)}
        corners = self.corners.tolist()
        for at in np.flatnonzero(self.boxed).tolist():
            raster.frame_box(self.words, corners[at], words[self.colors[at]], width)

    def _frame_many(self, look: Look) -> None:
        """All boxes of a colour in one call."""
        by_color: dict[Rgb, list[int]] = {}
        for at in np.flatnonzero(self.boxed).tolist():
            by_color.setdefault(self.colors[at], []).append(at)
        corners = self.corners[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
        lines = corners.astype(np.int32) << raster.SHIFT
        for color, places in sorted(by_color.items()):
            paint = premultiplied(color, look.line)
            width = max(round(self.ratio), 1)
            raster.stroke(self.buffer, list(lines[places]), paint, width=width, smooth=False)

    def dash_each(self, look: Look) -> None:
        """The lines of all, one by one, dashed; those of boxes on whole pixels."""
        assert look.dash is not None, "only dashed lines come here"
        on, off = (max(round(length * self.ratio), 1) for length in look.dash)
        if on > 1 and on < off and len(self.spans) > _DASHED:
            # smaller dots on the same grid take half the time
            on, off = 1, on + off - 1
        width = max(round(look.width * self.ratio), 1)
        words = {color: raster.word(premultiplied(color, look.line)) for color in set(self.colors)}
        corners = self.corners.tolist()
        for at, (box, color) in enumerate(zip(self.boxed.tolist(), self.colors, strict=True)):
            if box:
                raster.dash_box(self.words, corners[at], words[color], width, on=on, off=off)
            else:
                _stroke_look(self.buffer, self.rings(at, self.moved), color, look, self.ratio)


def _gathered(outlines: Outlines, places: list[int]) -> tuple[Ring, list[list[tuple[int, int]]]]:
    """The points of the entries at these places in one array, and where in it the rings of each are."""
    starts, first = outlines.ring_starts.tolist(), outlines.first_ring.tolist()
    parts, spans, end = [np.zeros((0, 2), dtype=np.float32)], [], 0
    for place in places:
        own = []
        for ring in range(first[place], first[place + 1]):
            part = outlines.points[starts[ring] : starts[ring + 1]]
            parts.append(part)
            own.append((end, end + len(part)))
            end += len(part)
        spans.append(own)
    return np.concatenate(parts), spans
