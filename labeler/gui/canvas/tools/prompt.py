"""Q and W: prompt the model with clicks or with a box, see what it proposes, and mend it with a stroke."""

import math

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter

from labeler.core.records import Annotation, Box, Mask
from labeler.gui.canvas.begun import Work
from labeler.gui.canvas.layers.ink import paint_prompt_box
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.stage import BY, Drag, Pointer, Stage, box_between
from labeler.gui.canvas.tools.base import Tool
from labeler.gui.canvas.tools.brushwork import Brushwork
from labeler.gui.review.decisions import TakenOver

_STILL = 6.0
"""Widget pixels: a shorter drag is a click."""


class PromptTool(Tool):
    """Clicks for "this" (left) and "not this" (right, or Shift); a drag is a box.

    With nothing asked yet a right click on a prediction rejects that.

    With Ctrl a drag is a stroke of the brush: with the left button over what is missing, with the right one
    over what is too much. On a proposal or a prediction it accepts what comes of it; else it mends the object
    that it begins on.
    """

    name = "sam-point"
    makes = "proposal"
    box_only = False
    rejects = True

    def __init__(self, stage: Stage, prompt_desk: PromptDesk) -> None:
        super().__init__(stage, prompt_desk)
        self._drawn: Box | None = None
        self.brushwork: Brushwork = Brushwork(stage)

    @property
    def pending(self) -> bool:
        return self.prompt_desk.pending

    def press(self, pointer: Pointer) -> Drag | None:
        width, height = self.stage.size
        inside = 0 <= pointer.x < width and 0 <= pointer.y < height
        if not inside or self.stage.session.place.pixels is None:
            return None
        if pointer.ctrl:
            return self._mend(pointer)
        return self.reject(pointer) or self._click_or_drag(pointer)

    # --- strokes ----------------------------------------------------------------------------------

    def _mend(self, start: Pointer) -> Drag | None:
        """A stroke on the proposal, else on what is under its start; None where there is nothing."""
        value = start.button == "left"
        self.prompt_desk.stop_hover()
        if self.prompt_desk.current is not None:
            mask = self.prompt_desk.current.mask
            return self.brushwork.on_shape(start, mask, self._accept_painted, value=value)
        if self.prompt_desk.pending:
            self.stage.told.emit("There is no mask to paint on yet; the model has not answered.")
            return None
        target = self._under(start)
        if target is not None:
            self.stage.session.focus.select([target.id])
            return self.brushwork.on_annotation(start, target, value=value)
        taken = self._predicted_under(start)
        return None if taken is None else self.brushwork.on_prediction(start, taken, value=value)

    def _under(self, start: Pointer) -> Annotation | None:
        """The object that a stroke is for that begins here: the selected one if it is, else the smallest."""
        stage, reach = self.stage, self.stage.options.brush_size / 2
        ids = [entry.id for entry in stage.scene.pick(start.x, start.y, reach=reach)]
        ids.sort(key=lambda one: one not in stage.session.focus.selection)
        return next((one for key in ids if (one := stage.editable(key)) is not None), None)

    def _predicted_under(self, start: Pointer) -> TakenOver | None:
        """The prediction that a stroke is for that begins here; tells where there is none."""
        stage, reach = self.stage, self.stage.options.brush_size / 2
        kept = stage.predictions.kept
        predicted = [one.id for one in stage.layer.pick(start.x, start.y, reach=reach) if one.id in kept]
        if not predicted:
            stage.told.emit("Nothing was painted: begin the stroke on the object that it is for.")
            return None
        taken = stage.take_over(predicted[0])
        return None if taken is None or stage.is_held_back(taken.annotation) else taken

    def _accept_painted(self, mask: Mask) -> None:
        if not mask.bits.size:
            self.prompt_desk.drop()
        elif self.prompt_desk.current is not None:
            self.prompt_desk.accept(mask)
        else:  # the model took its proposal back meanwhile; the hand's work is kept
            self.stage.session.edits.add(mask, by=BY)

    def follows(self, pointer: Pointer) -> bool:
        return self.crosshair or pointer.ctrl or self.brushwork.picture is not None

    def changes(self) -> frozenset[int]:
        return self.brushwork.changes

    # --- prompts ----------------------------------------------------------------------------------

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
        pointer = self.stage.pointer
        if pointer is not None and (pointer.ctrl or self.brushwork.picture is not None):
            self.brushwork.paint_cursor(painter, erases=self.brushwork.rubs_out)
        if self._drawn is not None:
            view, box = self.stage.view, self._drawn
            corner = view.point_on_screen(box.x0, box.y0)
            paint_prompt_box(painter, QRectF(*corner, box.width * view.scale, box.height * view.scale))


class PromptBoxTool(PromptTool):
    """A box around the object; clicks refine what it gives."""

    name = "sam-box"
    crosshair = True
    box_only = True
