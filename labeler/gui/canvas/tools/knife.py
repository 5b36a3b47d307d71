"""Ctrl+drag with Select: a line across objects cuts them."""

from PySide6.QtGui import QPainter

from labeler.core.editing.combining import cut
from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box, Shape
from labeler.gui.canvas.layers.ink import paint_cut
from labeler.gui.canvas.stage import BY, Drag, Pointer, Stage, box_between
from labeler.gui.canvas.tools.base import is_far


class Knife:
    """Cuts what is selected, or without a selection all that the line crosses: one edit."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._line: tuple[tuple[float, float], tuple[float, float]] | None = None

    def drag(self, start: Pointer) -> Drag:
        """Draw the line; where the hand stays still it is a click, which selects."""
        stage = self._stage
        try:
            while not (pointer := (yield)).released:
                if self._line is not None or is_far(start, pointer):
                    self._line = (start.x, start.y), (pointer.x, pointer.y)
                    stage.repaint.emit()
            if self._line is None:
                under = stage.scene.pick(start.x, start.y, reach=stage.reach() / 2)
                stage.session.focus.select([one.id for one in under[:1]])
            else:
                self._cut(*self._line)
        finally:
            self._line = None
            stage.repaint.emit()

    def _cut(self, a: tuple[float, float], b: tuple[float, float]) -> None:
        stage = self._stage
        document, selection = stage.session.document, stage.session.focus.selection
        known, line = document.annotations, box_between(a, b)
        free = [found for key in sorted(selection or known) if (found := stage.editable(key))]
        near = [one for one in free if _meet(bounds(one.shape), line)]
        pieces: list[tuple[Annotation, tuple[Shape, ...]]] = [
            (one, cuts) for one in near if len(cuts := cut(one.shape, a, b, size=stage.shape_size)) > 1
        ]
        if not pieces:
            held = selection and not free
            why = "what is selected is locked or hidden" if held else "draw the line right across an object"
            stage.told.emit(f"Nothing was cut: {why}.")
            return
        what = document.names([one for one, _ in pieces])
        count = sum(len(found) for _, found in pieces)
        if stage.session.edits.divide(pieces, label=f"Cut {what} into {count}", by=BY):
            stage.told.emit(f"{what} cut into {count} objects. Undo takes it back.")

    def paint(self, painter: QPainter) -> None:
        """The line, in widget pixels."""
        if self._line is not None:
            paint_cut(painter, *(self._stage.view.point_on_screen(*end) for end in self._line))


def _meet(a: Box, b: Box) -> bool:
    return a.x0 <= b.x1 and b.x0 <= a.x1 and a.y0 <= b.y1 and b.y0 <= a.y1
