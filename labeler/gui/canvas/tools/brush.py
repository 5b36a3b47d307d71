"""B and E: paint on, or rub out of, the mask of the selected annotation."""

from msgspec import structs
from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter

from labeler.core.geometry import rasterise
from labeler.core.records import Annotation, Box, Mask
from labeler.gui.canvas.layers.ink import paint_brush
from labeler.gui.canvas.layers.stroke_picture import StrokePicture
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.stage import BY, Drag, Pointer, Stage
from labeler.gui.canvas.stroke import Stroke
from labeler.gui.canvas.tools.base import Tool

_NOT_YET = -1
"""The id of a draft that is no annotation before the stroke ends."""


class BrushTool(Tool):
    """Paints; with Ctrl it erases. A stroke without a selection makes a new annotation."""

    name = "brush"
    makes = "stroke"
    cursor = Qt.CursorShape.BlankCursor
    erases = False

    def __init__(self, stage: Stage, prompt_desk: PromptDesk) -> None:
        super().__init__(stage, prompt_desk)
        self.picture: StrokePicture | None = None
        """What is being painted; the active layer leaves the target to it."""
        self.target_id: int | None = None

    def press(self, pointer: Pointer) -> Drag | None:
        if pointer.button != "left" or not all(self.stage.size):
            return None
        target = self.stage.sole()
        value = self.erases == pointer.ctrl
        if target is None and (not value or len(self.stage.session.focus.selection) == 1):
            self.stage.told.emit(self._refusal())
            return None
        return self._paint_stroke(pointer, target, value=value)

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
        return frozenset() if self.target_id in (None, _NOT_YET) else frozenset({self.target_id or 0})

    def _paint_stroke(self, start: Pointer, target: Annotation | None, *, value: bool) -> Drag:
        stroke = self._begun(target)
        last = (start.x, start.y)
        try:
            self._dab(stroke, last, last, target, value=value)
            while not (pointer := (yield)).released:
                self._dab(stroke, last, (pointer.x, pointer.y), target, value=value)
                last = (pointer.x, pointer.y)
            self._finish(stroke.finished(), target, value=value)
        finally:
            self.picture, self.target_id = None, None
            self.stage.show_drafts([])

    def _begun(self, target: Annotation | None) -> Stroke:
        """The mask to paint on, at a stroke's start."""
        stage, size = self.stage, self.stage.shape_size
        reference = stage.predictions.agreement.reference(target) if target is not None else None
        stroke = Stroke(
            size=size,
            start=rasterise(target.shape, size=size) if target is not None else None,
            reference=rasterise(reference.shape, size=size) if reference is not None else None,
        )
        category = stage.session.focus.category
        category_id = target.category_id if target is not None else category.id if category else -1
        self.picture = StrokePicture(stroke.bits, stage.scene.color(category_id))
        self.target_id = target.id if target is not None else _NOT_YET
        return stroke

    def _dab(
        self,
        stroke: Stroke,
        a: tuple[float, float],
        b: tuple[float, float],
        target: Annotation | None,
        *,
        value: bool,
    ) -> None:
        rect = stroke.dab(a, b, diameter=self.stage.options.brush_size, value=value)
        if rect is None or self.picture is None:
            return
        self.picture.touch(rect)
        if target is not None:
            self.stage.session.focus.set_draft(structs.replace(target, shape=stroke.draft), stroke.overlap)
        self.stage.repaint.emit()

    def _finish(self, mask: Mask, target: Annotation | None, *, value: bool) -> None:
        """One stroke is one edit; what is rubbed out wholly is deleted."""
        session = self.stage.session
        if target is None:
            if mask.bits.size:
                session.edits.add(mask, by=BY)
        elif not mask.bits.size:
            session.edits.delete([target.id], by=BY)
        else:
            verb = "Paint" if value else "Erase from"
            session.edits.replace(target, mask, label=f"{verb} {self.stage.name_of(target)}", by=BY)

    def paint(self, painter: QPainter) -> None:
        pointer = self.stage.pointer
        if pointer is not None:
            radius = max(self.stage.options.brush_size * self.stage.view.scale / 2, 1.5)
            paint_brush(painter, pointer.sx, pointer.sy, radius, erases=self.erases != pointer.ctrl)


class EraserTool(BrushTool):
    """Erases; with Ctrl it paints."""

    name = "eraser"
    erases = True
