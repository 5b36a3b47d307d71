"""Drawing shapes into a premultiplied buffer: one shape as well as can be, or a whole scene quickly."""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.records import Shape
from labeler.gui.canvas import raster
from labeler.gui.canvas.outlines import level_for, rings
from labeler.gui.canvas.pixels import Bytes, premultiplied
from labeler.gui.canvas.scene import Outlines, Scene
from labeler.gui.canvas.viewport import Viewport

REACH = 4
"""Widget pixels that a line may stand out of the bounds of its shape."""
_SMOOTH_POINTS = 5_000
_WIDE_POINTS = 25_000
_WIDE_BOXES = 1_500
_DASHED = 400
"""Past so many points, or boxes, the lines are drawn plainer, to stay within a frame."""
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


ANNOTATION = Look(0.16)
SELECTED = Look(0.34)
PREDICTION = Look(0.06, width=1.5, dash=(9, 5))
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


def draw_scene(buffer: Bytes, view: Viewport, scene: Scene, look: Look, *, ratio: float) -> None:
    """Draw what a buffer shows of a scene: all fills first, then all lines, large shapes under small ones.

    The more there is to draw the plainer the lines are: smooth and wide, then stepped, then thin.
    """
    height, width = buffer.shape[:2]
    reach = round(REACH * ratio)
    places = scene.painted(view.extent((-reach, -reach, width + reach, height + reach)))
    if not len(places):
        return
    plot = _Plot(buffer, view, scene, places, ratio)
    plot.fill(look)
    if look.dash and plot.amount < _DASHED * 10 and len(places) < _DASHED:
        plot.stroke_each(look)
    else:
        plot.stroke_rings(look)
        plot.frame_boxes(look)


class _Plot:
    """A scene on its way into a buffer: everything in the buffer's own pixels."""

    def __init__(
        self, buffer: Bytes, view: Viewport, scene: Scene, places: NDArray[np.int64], ratio: float
    ) -> None:
        self.buffer, self.ratio = buffer, ratio
        self.words = buffer.view(np.uint32)[..., 0]
        boxed = scene.is_box[places]
        self.places = places.tolist()
        self.boxed = boxed.tolist()
        self.box_count = int(boxed.sum())
        self.colors = [scene.color(key) for key in scene.category_ids[places].tolist()]
        outlines = scene.outlines(level_for(view.scale))
        self.amount = _amount(outlines, places[~boxed])
        self.starts, self.first = outlines.ring_starts.tolist(), outlines.first_ring.tolist()
        self.moved = outlines.points * np.float32(view.scale) + np.asarray(view.offset, dtype=np.float32)
        self.fixed = raster.fixed(self.moved)
        corners = np.rint(scene.boxes[places] * view.scale + np.tile(view.offset, 2))
        self.corners = np.clip(corners, -(2**30), 2**30).astype(np.int64)

    def rings(self, place: int, points: NDArray[Any]) -> list[NDArray[Any]]:
        """The rings of the entry at a place of the scene, cut from all points."""
        a, b = self.first[place], self.first[place + 1]
        return [points[self.starts[at] : self.starts[at + 1]] for at in range(a, b)]

    def fill(self, look: Look) -> None:
        """The insides, from the largest to the smallest; not of tiny boxes where there are very many."""
        height, width = self.words.shape
        inner = np.clip(self.corners, 0, (width, height, width, height))
        paints = {color: premultiplied(color, look.fill) for color in set(self.colors)}
        words = {color: raster.word(paint) for color, paint in paints.items()}
        worth = np.ones(len(inner), dtype=bool)
        if self.box_count > _WIDE_BOXES:
            worth = ~np.array(self.boxed) | ((inner[:, 2:] - inner[:, :2]).max(axis=1) >= _TINY * self.ratio)
        for at in np.flatnonzero(worth).tolist():
            color = self.colors[at]
            if self.boxed[at]:
                x0, y0, x1, y1 = inner[at].tolist()
                self.words[y0:y1, x0:x1] = words[color]
            else:
                raster.fill(self.buffer, self.rings(self.places[at], self.fixed), paints[color])

    def stroke_rings(self, look: Look) -> None:
        """The lines of polygons and masks, a call for each colour."""
        by_color: dict[Rgb, list[Ring32]] = {}
        for place, box, color in zip(self.places, self.boxed, self.colors, strict=True):
            if not box:
                by_color.setdefault(color, []).extend(self.rings(place, self.fixed))
        wide = look.width if self.amount < _WIDE_POINTS else 1.0
        for color, lines in by_color.items():
            raster.stroke(
                self.buffer,
                lines,
                premultiplied(color, look.line),
                width=max(round(wide * self.ratio), 1),
                smooth=self.amount < _SMOOTH_POINTS,
            )

    def frame_boxes(self, look: Look) -> None:
        """The lines of boxes, on whole pixels; thin where there are very many."""
        if self.box_count > _WIDE_BOXES:
            self._frame_many(look)
            return
        width = max(round(look.width * self.ratio), 1)
        words = {color: raster.word(premultiplied(color, look.line)) for color in set(self.colors)}
        for box, color, corners in zip(self.boxed, self.colors, self.corners.tolist(), strict=True):
            if box:
                raster.frame_box(self.words, corners, words[color], width)

    def _frame_many(self, look: Look) -> None:
        boxed = np.array(self.boxed)
        names, kinds = np.unique(np.array(self.colors)[boxed], axis=0, return_inverse=True)
        corners = self.corners[boxed][:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
        lines = np.clip(corners, -_FAR, _FAR).astype(np.int32) << raster.SHIFT
        for kind, (r, g, b) in enumerate(names.tolist()):
            raster.stroke(
                self.buffer,
                list(lines[kinds == kind]),
                premultiplied((r, g, b), look.line),
                width=max(round(self.ratio), 1),
                smooth=False,
            )

    def stroke_each(self, look: Look) -> None:
        """The lines of all, one by one, dashed."""
        for place, box, color, (x0, y0, x1, y1) in zip(
            self.places, self.boxed, self.colors, self.corners.tolist(), strict=True
        ):
            if box:
                lines = [np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float32)]
            else:
                lines = self.rings(place, self.moved)
            _stroke_look(self.buffer, lines, color, look, self.ratio)


def _amount(outlines: Outlines, places: NDArray[np.int64]) -> int:
    """How many points the rings at these places have together."""
    starts, first = outlines.ring_starts, outlines.first_ring
    return int((starts[first[places + 1]] - starts[first[places]]).sum())
