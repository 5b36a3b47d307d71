"""P: a polygon point by point, or a hole in the selected one."""

import numpy as np
from msgspec import structs
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter

from labeler.core.geometry import contains
from labeler.core.records import Annotation, Part, Points, Polygons
from labeler.gui.canvas.ink import paint_draft_ring
from labeler.gui.canvas.stage import BY, REACH, Drag, Pointer, Stage
from labeler.gui.canvas.tools.base import Tool

_STRIDE = 10.0
"""Widget pixels between the points of an outline drawn with the button held down."""


class PolygonTool(Tool):
    """Draws a new polygon annotation; clicks place points, a held button draws freely."""

    name = "polygon"
    crosshair = True

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.points: list[tuple[float, float]] = []
        """Placed so far, image coordinates."""
        self.hole_held = False
        """H is down: what is drawn now is a hole."""
        self._hole = False

    @property
    def pending(self) -> bool:
        return bool(self.points)

    def press(self, pointer: Pointer) -> Drag | None:
        if pointer.button == "right":
            self.remove_last()
            return None
        if not self.points:
            self._hole = pointer.ctrl or self.hole_held or self.stage.options.hole
        if self._closes(pointer):
            self.confirm()
            return None
        self._place(pointer)
        return self._draw_freely()

    def _draw_freely(self) -> Drag:
        while not (pointer := (yield)).released:
            if self._distance(pointer, self.points[-1]) >= _STRIDE:
                self._place(pointer)

    def _place(self, pointer: Pointer) -> None:
        point = self.stage.clamped(pointer.x, pointer.y)
        if not self.points or point != self.points[-1]:
            self.points.append(point)
            self.stage.repaint.emit()

    def _closes(self, pointer: Pointer) -> bool:
        """Whether a click here is on the first point, and there are enough of them."""
        return len(self.points) >= 3 and self._distance(pointer, self.points[0]) <= REACH

    def _distance(self, pointer: Pointer, point: tuple[float, float]) -> float:
        """Widget pixels from the pointer to an image point."""
        return float(np.hypot(pointer.x - point[0], pointer.y - point[1])) * self.stage.view.scale

    def double(self, pointer: Pointer) -> None:
        del pointer
        self.confirm()

    def hover(self, pointer: Pointer) -> Qt.CursorShape:
        del pointer
        self.stage.repaint.emit()
        return self.cursor

    def confirm(self) -> bool:
        """Close the outline; too few points are left for more."""
        if not self.points:
            return False
        if len(self.points) >= 3:
            ring = np.array(self.points, dtype=np.float64)
            target = self.stage.sole()
            self.points = []
            if self._hole and target is not None and isinstance(target.shape, Polygons):
                self._cut(target, target.shape, ring)
            else:
                self.stage.session.add(Polygons((Part(ring),)), by=BY)
        self.stage.repaint.emit()
        return True

    def _cut(self, target: Annotation, shape: Polygons, ring: Points) -> None:
        """Make a ring a hole of the part it begins in; one outside of all parts cuts nothing."""
        x, y = ring[0].tolist()
        parts = list(shape.parts)
        for at, part in enumerate(parts):
            if contains(Polygons((part,)), x, y):
                parts[at] = structs.replace(part, holes=(*part.holes, ring))
                label = f"Cut a hole into {self.stage.name_of(target)}"
                self.stage.session.replace(target, Polygons(tuple(parts)), label=label, by=BY)
                return

    def remove_last(self) -> bool:
        if not self.points:
            return False
        self.points.pop()
        self.stage.repaint.emit()
        return True

    def drop(self) -> bool:
        dropped = bool(self.points)
        self.points = []
        self.stage.repaint.emit()
        return dropped

    def leave(self) -> None:
        self.hole_held = False

    def paint(self, painter: QPainter) -> None:
        if not self.points:
            return
        view, pointer, category = self.stage.view, self.stage.pointer, self.stage.session.category
        placed = [QPointF(*view.point_on_screen(*point)) for point in self.points]
        tip = QPointF(pointer.sx, pointer.sy) if pointer else None
        closes = pointer is not None and self._closes(pointer)
        paint_draft_ring(painter, placed, tip, category.color if category else "#ffffff", closes=closes)
