"""Q and W: prompt the model with clicks or with a box, and see what it proposes."""

import math

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter

from labeler.core.records import Box
from labeler.gui.canvas.begun import Work
from labeler.gui.canvas.layers.ink import paint_prompt_box
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.stage import Drag, Pointer, Stage, box_between
from labeler.gui.canvas.tools.base import Tool

_STILL = 6.0
"""Widget pixels: a shorter drag is a click."""


class PromptTool(Tool):
    """Clicks for "this" (left) and "not this" (right, or Shift); a drag is a box."""

    name = "sam-point"
    makes = "proposal"
    box_only = False

    def __init__(self, stage: Stage, prompt_desk: PromptDesk) -> None:
        super().__init__(stage, prompt_desk)
        self._drawn: Box | None = None

    @property
    def pending(self) -> bool:
        return self.prompt_desk.pending

    def press(self, pointer: Pointer) -> Drag | None:
        width, height = self.stage.size
        inside = 0 <= pointer.x < width and 0 <= pointer.y < height
        return (
            self._click_or_drag(pointer) if inside and self.stage.session.place.pixels is not None else None
        )

    def _click_or_drag(self, start: Pointer) -> Drag:
        stage = self.stage
        positive = start.button == "left" and start.shift == stage.options.negative
        self.prompt_desk.stop_hover()
        try:
            while True:
                pointer = yield
                far = math.hypot(pointer.sx - start.sx, pointer.sy - start.sy) >= _STILL
                if far and start.button == "left":
                    corner = stage.clamped(pointer.x, pointer.y)
                    self._drawn = box_between((start.x, start.y), corner)
                    stage.repaint.emit()
                if pointer.released:
                    break
            box = self._drawn
            if box is not None and min(box.width, box.height) >= 1:
                self.prompt_desk.set_box(box)
            elif not self.box_only or self.prompt_desk.pending:
                self.prompt_desk.add_point(start.x, start.y, positive=positive)
        finally:
            self._drawn = None
            stage.repaint.emit()

    def hover(self, pointer: Pointer) -> Qt.CursorShape:
        width, height = self.stage.size
        inside = 0 <= pointer.x < width and 0 <= pointer.y < height
        if not inside or self.box_only or not self.stage.options.hover_preview:
            self.prompt_desk.stop_hover()
        else:
            self.prompt_desk.hover(pointer.x, pointer.y)
        return self.cursor

    def leave(self) -> None:
        self.prompt_desk.stop_hover()

    def confirm(self) -> bool:
        if not self.prompt_desk.pending:
            return False
        if self.prompt_desk.proposals:
            self.prompt_desk.accept()
        else:
            # Enter is this proposal's, not that of a prediction that is selected besides
            self.stage.told.emit("There is no mask to accept yet; the model has not answered.")
        return True

    def remove_last(self) -> bool:
        return self.prompt_desk.remove_last()

    @property
    def can_bring_back(self) -> bool:
        return self.prompt_desk.can_bring_back

    def bring_back(self) -> bool:
        return self.prompt_desk.bring_back()

    def forget_taken(self) -> None:
        self.prompt_desk.forget_taken()

    def work(self) -> Work | None:
        return self.prompt_desk.work()

    def take_up(self, work: Work) -> None:
        self.prompt_desk.take_up(work)

    def drop(self) -> bool:
        return self.prompt_desk.drop()

    def paint(self, painter: QPainter) -> None:
        if self._drawn is not None:
            view, box = self.stage.view, self._drawn
            corner = view.point_on_screen(box.x0, box.y0)
            paint_prompt_box(painter, QRectF(*corner, box.width * view.scale, box.height * view.scale))


class PromptBoxTool(PromptTool):
    """A box around the object; clicks refine what it gives."""

    name = "sam-box"
    crosshair = True
    box_only = True
