"""P: a polygon point by point, or a hole in the selected one."""

import numpy as np
from msgspec import structs
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter

from labeler.core.geometry import contains
from labeler.core.records import Part, Points, Polygons
from labeler.gui.canvas.begun import Outline, Work
from labeler.gui.canvas.layers.ink import paint_draft_ring
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.stage import BY, REACH, Drag, Pointer, Stage
from labeler.gui.canvas.tools.base import Tool

_STRIDE = 10.0
"""Widget pixels between the points of an outline drawn with the button held down."""


class PolygonTool(Tool):
    """Draws a new polygon annotation; clicks place points, a held button draws freely."""

    name = "polygon"
    makes = "polygon"
    leaves_right = True
    crosshair = True

    def __init__(self, stage: Stage, prompt_desk: PromptDesk) -> None:
        super().__init__(stage, prompt_desk)
        self.points: list[tuple[float, float]] = []
        """Placed so far, image coordinates."""
        self._taken: list[tuple[float, float]] = []
        """Taken back, the last one last."""
        self.hole_held = False
        """H is down: what is drawn now is a hole."""
        self._hole_in: int | None = None
        """The polygon that what is drawn now is a hole of, whatever is selected meanwhile."""

    @property
    def pending(self) -> bool:
        return bool(self.points)

    def press(self, pointer: Pointer) -> Drag | None:
        if pointer.button == "right":
            self.remove_last()
            return None
        if not self.points:
            target = self.stage.sole()
            cuts = pointer.ctrl or self.hole_held or self.stage.options.hole
            cuts = cuts and target is not None and isinstance(target.shape, Polygons)
            self._hole_in = target.id if cuts and target is not None else None
        if self._closes(pointer):
            self.confirm()
            return None
        return self._draw_freely(pointer)

    def _draw_freely(self, start: Pointer) -> Drag:
        before = len(self.points)
        try:
            self._place(start)
            while not (pointer := (yield)).released:
                if self._distance(pointer, self.points[-1]) >= _STRIDE:
                    self._place(pointer)
        except GeneratorExit:
            # the drag is taken back, and with it what it has placed
            del self.points[before:]
            self.stage.repaint.emit()
            raise

    def _place(self, pointer: Pointer) -> None:
        point = self.stage.clamped(pointer.x, pointer.y)
        if not self.points or point != self.points[-1]:
            self.points.append(point)
            self._taken = []
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
            if self._hole_in is None:
                self._end()
                self.stage.session.edits.add(Polygons((Part(ring),)), by=BY)
            else:
                self._cut(self._hole_in, ring)
        self.stage.repaint.emit()
        return True

    def _cut(self, target_id: int, ring: Points) -> None:
        """Make a ring a hole of the part it begins in; one outside of all parts cuts nothing."""
        target = self.stage.editable(target_id)
        if target is None or not isinstance(target.shape, Polygons):
            self.stage.told.emit(
                "The polygon that this hole was begun in cannot be cut any more; Esc drops the hole."
            )
            return
        self._end()
        x, y = ring[0].tolist()
        parts = list(target.shape.parts)
        for at, part in enumerate(parts):
            if contains(Polygons((part,)), x, y):
                parts[at] = structs.replace(part, holes=(*part.holes, ring))
                label = f"Cut a hole into {self.stage.name_of(target)}"
                self.stage.session.edits.replace(target, Polygons(tuple(parts)), label=label, by=BY)
                return
        self.stage.told.emit(f"Nothing was cut: the hole was begun outside of {self.stage.name_of(target)}.")

    def _end(self) -> None:
        self.points, self._taken = [], []

    # --- taking back ------------------------------------------------------------------------------

    def remove_last(self) -> bool:
        if not self.points:
            return False
        self._taken.append(self.points.pop())
        self.stage.repaint.emit()
        return True

    @property
    def can_bring_back(self) -> bool:
        return bool(self._taken)

    def bring_back(self) -> bool:
        if not self._taken:
            return False
        self.points.append(self._taken.pop())
        self.stage.repaint.emit()
        return True

    def forget_taken(self) -> None:
        self._taken = []

    def drop(self) -> bool:
        dropped = bool(self.points)
        self._end()
        self.stage.repaint.emit()
        return dropped

    def leave(self) -> None:
        self.hole_held = False

    def work(self) -> Work | None:
        return Outline(tuple(self.points), self._hole_in) if self.points else None

    def take_up(self, work: Work) -> None:
        if isinstance(work, Outline):
            self.points, self._taken, self._hole_in = list(work.points), [], work.hole_in
            self.stage.repaint.emit()

    def paint(self, painter: QPainter) -> None:
        if not self.points:
            return
        view, category = self.stage.view, self.stage.session.focus.category
        pointer = self.stage.pointer if self.in_hand else None
        placed = [QPointF(*view.point_on_screen(*point)) for point in self.points]
        tip = QPointF(pointer.sx, pointer.sy) if pointer else None
        closes = pointer is not None and self._closes(pointer)
        paint_draft_ring(painter, placed, tip, category.color if category else "#ffffff", closes=closes)
