"""One stroke of a brush, for every tool that paints: what is painted on, and how it looks meanwhile."""

from collections.abc import Callable

from msgspec import structs
from PySide6.QtGui import QPainter

from labeler.core.colors import rgb
from labeler.core.geometry import rasterise
from labeler.core.records import Annotation, Mask, Shape
from labeler.gui.canvas.layers.ink import paint_brush
from labeler.gui.canvas.layers.stroke_picture import StrokePicture
from labeler.gui.canvas.stage import BY, Drag, Pointer, Stage
from labeler.gui.canvas.stroke import Stroke
from labeler.gui.review.decisions import TakenOver
from labeler.gui.toolkit import theme

_NOT_YET = -1
"""The id of a draft that is no annotation before the stroke ends."""


class Brushwork:
    """The stroke under way, if there is one."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.picture: StrokePicture | None = None
        """What is being painted; the active layer leaves the target to it."""
        self.target_id: int | None = None
        """The annotation that is painted on; an id that none has where it becomes one at the end."""
        self.rubs_out = False
        """Whether the stroke takes away."""

    @property
    def changes(self) -> frozenset[int]:
        """The annotations that the stroke changes; none where it makes one."""
        return frozenset() if self.target_id in (None, _NOT_YET) else frozenset({self.target_id or 0})

    @property
    def makes_one(self) -> bool:
        """Whether what the stroke paints becomes an annotation at its end."""
        return self.target_id == _NOT_YET

    def on_annotation(self, start: Pointer, target: Annotation, *, value: bool) -> Drag:
        """A stroke that adds to an annotation (`value`) or rubs out of it: one edit.

        What is rubbed out wholly is deleted.
        """

        def finish(mask: Mask) -> None:
            edits, name = self._stage.session.edits, self._stage.name_of(target)
            if not mask.bits.size:
                edits.delete([target.id], by=BY)
            else:
                edits.replace(target, mask, label=f"{'Paint' if value else 'Erase from'} {name}", by=BY)

        return self._stroke(start, target.shape, target, finish, value=value)

    def on_prediction(self, start: Pointer, taken: TakenOver, *, value: bool) -> Drag:
        """A stroke on a prediction, which is accepted at its end as the stroke leaves it: one edit."""
        stage = self._stage

        def finish(mask: Mask) -> None:
            changed = structs.replace(taken.annotation, shape=mask)
            if mask.bits.size:
                stage.accept_changed(taken, changed, "paint" if value else "erase from")
            else:
                stage.told.emit("Nothing was accepted: all of the prediction was rubbed out.")

        return self._stroke(start, taken.annotation.shape, taken.annotation, finish, value=value)

    def on_shape(
        self, start: Pointer, shape: Shape | None, finish: Callable[[Mask], None], *, value: bool = True
    ) -> Drag:
        """A stroke on what is no annotation yet, None for nothing; `finish` is given what came of it."""
        return self._stroke(start, shape, None, finish, value=value)

    def _stroke(
        self,
        start: Pointer,
        shape: Shape | None,
        target: Annotation | None,
        finish: Callable[[Mask], None],
        *,
        value: bool,
    ) -> Drag:
        stroke = self._begun(shape, target)
        self.rubs_out = not value
        last = (start.x, start.y)
        try:
            self._dab(stroke, last, last, target, value=value)
            while not (pointer := (yield)).released:
                self._dab(stroke, last, (pointer.x, pointer.y), target, value=value)
                last = (pointer.x, pointer.y)
            finish(stroke.finished())
        finally:
            self.picture, self.target_id, self.rubs_out = None, None, False
            self._stage.show_drafts([])

    def _begun(self, shape: Shape | None, target: Annotation | None) -> Stroke:
        """The mask to paint on, at a stroke's start."""
        stage, size = self._stage, self._stage.shape_size
        reference = stage.predictions.agreement.reference(target) if target is not None else None
        stroke = Stroke(
            size=size,
            start=rasterise(shape, size=size) if shape is not None else None,
            reference=rasterise(reference.shape, size=size) if reference is not None else None,
        )
        category = stage.session.focus.category
        category_id = target.category_id if target is not None else category.id if category else None
        color = stage.scene.color(category_id) if category_id is not None else rgb(theme.PROPOSAL)
        self.picture = StrokePicture(stroke.bits, color)
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
        rect = stroke.dab(a, b, diameter=self._stage.options.brush_size, value=value)
        if rect is None or self.picture is None:
            return
        self.picture.touch(rect)
        if target is not None:
            self._stage.session.focus.set_draft(structs.replace(target, shape=stroke.draft), stroke.overlap)
        self._stage.repaint.emit()

    def paint_cursor(self, painter: QPainter, *, erases: bool) -> None:
        """The brush around the pointer."""
        pointer = self._stage.pointer
        if pointer is not None:
            radius = max(self._stage.options.brush_size * self._stage.view.scale / 2, 1.5)
            paint_brush(painter, pointer.sx, pointer.sy, radius, erases=erases)
