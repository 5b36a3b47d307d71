"""B and E: paint on, or rub out of, the mask of the selected annotation."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter

from labeler.core.records import Box, Mask
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.stage import BY, Drag, Pointer, Stage
from labeler.gui.canvas.tools.base import Tool
from labeler.gui.canvas.tools.brushwork import Brushwork


class BrushTool(Tool):
    """Paints; with Ctrl it erases. A stroke without a selection makes a new annotation."""

    name = "brush"
    makes = "stroke"
    leaves_right = True
    cursor = Qt.CursorShape.BlankCursor
    erases = False

    def __init__(self, stage: Stage, prompt_desk: PromptDesk) -> None:
        super().__init__(stage, prompt_desk)
        self.brushwork: Brushwork = Brushwork(stage)

    def press(self, pointer: Pointer) -> Drag | None:
        if pointer.button != "left" or not all(self.stage.size):
            return None
        target = self.stage.sole()
        value = self.erases == pointer.ctrl
        if target is None and (not value or len(self.stage.session.focus.selection) == 1):
            self.stage.told.emit(self._refusal())
            return None
        if target is not None:
            return self.brushwork.on_annotation(pointer, target, value=value)
        return self.brushwork.on_shape(pointer, None, self._add)

    def _add(self, mask: Mask) -> None:
        if mask.bits.size:
            self.stage.session.edits.add(mask, by=BY)

    def _refusal(self) -> str:
        """Why there is no stroke: nothing to rub out, or what is selected may not be changed."""
        locked = self._locked()
        if locked:
            return f"{locked} is locked or hidden, so nothing was changed. Esc lets go of it."
        return "Nothing was rubbed out: select the object first (V, then click it)."

    def _locked(self) -> str:
        """The name of the only selected annotation, where it may not be changed; else ""."""
        session = self.stage.session
        chosen = [session.document.annotations[key] for key in session.focus.selection]
        return self.stage.name_of(chosen[0]) if len(chosen) == 1 and self.stage.sole() is None else ""

    def outlook(self) -> str:
        if locked := self._locked():
            return f"{locked} is locked or hidden · Esc lets go of it"
        target, category = self.stage.sole(), self.stage.session.focus.category
        if target is None:
            if self.erases:
                return "nothing is selected · V, then click what to rub out"
            return f"new {category.name if category is not None else 'object'}"
        name = self.stage.name_of(target)
        if isinstance(target.shape, Mask):
            return f"rubs out of {name}" if self.erases else f"adds to {name} · Esc: new object"
        kind = "box" if isinstance(target.shape, Box) else "polygon"
        return f"turns the {kind} of {name} into a mask" + ("" if self.erases else " · Esc: new object")

    def changes(self) -> frozenset[int]:
        return self.brushwork.changes

    def follows(self, pointer: Pointer) -> bool:
        del pointer
        return True

    def paint(self, painter: QPainter) -> None:
        pointer = self.stage.pointer
        if pointer is not None:
            self.brushwork.paint_cursor(painter, erases=self.erases != pointer.ctrl)


class EraserTool(BrushTool):
    """Erases; with Ctrl it paints."""

    name = "eraser"
    erases = True
