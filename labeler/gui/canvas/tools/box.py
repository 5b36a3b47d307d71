"""R: a box from corner to corner."""

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from labeler.core.records import Box
from labeler.gui.canvas.layers.ink import paint_draft_box
from labeler.gui.canvas.stage import BY, Drag, Pointer, box_between
from labeler.gui.canvas.tools.base import Tool

SMALLEST = 3.0
"""Widget pixels; a smaller drag is a slip of the hand."""


class BoxTool(Tool):
    """Draws a new box annotation."""

    name = "box"
    makes = "box"
    crosshair = True
    rejects = True
    leaves_right = True

    _drawn: Box | None = None

    def press(self, pointer: Pointer) -> Drag | None:
        return self._draw(pointer) if pointer.button == "left" else self.reject(pointer)

    def _draw(self, start: Pointer) -> Drag:
        stage, corner = self.stage, self.stage.clamped(start.x, start.y)
        try:
            while True:
                pointer = yield
                box = box_between(corner, stage.clamped(pointer.x, pointer.y))
                if pointer.released:
                    break
                self._drawn = box
                stage.repaint.emit()
            if min(box.width, box.height) * stage.view.scale >= SMALLEST:
                stage.session.edits.add(box, by=BY)
        finally:
            self._drawn = None
            stage.repaint.emit()

    def paint(self, painter: QPainter) -> None:
        if self._drawn is not None:
            box, view = self._drawn, self.stage.view
            corner = view.point_on_screen(box.x0, box.y0)
            rect = QRectF(*corner, box.width * view.scale, box.height * view.scale)
            category = self.stage.session.focus.category
            paint_draft_box(painter, rect, category.color if category else "#ffffff")
