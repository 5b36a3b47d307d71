"""V: select, move, resize, and edit the vertices of polygons."""

from collections.abc import Callable

from msgspec import structs
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter

from labeler.core.geometry import (
    Corner,
    deleted_vertex,
    inserted_vertex,
    moved_vertex,
    nearest_edge,
    nearest_vertex,
    resized,
    translated,
)
from labeler.core.records import Annotation, Box, Change, Mask, Polygons, Shape
from labeler.gui.canvas.aim import predicted_edge_at
from labeler.gui.canvas.handles import CURSORS, HANDLES, handle_at, handle_points, stretched
from labeler.gui.canvas.layers.ink import paint_band
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.stage import BY, Drag, Pointer, Stage, box_between, frame_of
from labeler.gui.canvas.tools.base import Tool, is_far
from labeler.gui.canvas.tools.knife import Knife
from labeler.gui.review.decisions import TakenOver


def vertex_count(shape: Polygons, part: int, ring: int) -> int:
    """How many points a ring of an outline has; ring 0 is the outer one."""
    rings = (shape.parts[part].outer, *shape.parts[part].holes)
    return len(rings[ring])


class SelectTool(Tool):
    """Selects and changes what is there."""

    name = "select"
    shows_handles = True
    rejects = True
    leaves_right = True
    cursor = Qt.CursorShape.ArrowCursor

    def __init__(self, stage: Stage, prompt_desk: PromptDesk) -> None:
        super().__init__(stage, prompt_desk)
        self.hovered: Corner | None = None
        """The vertex under the mouse."""
        self._band: Box | None = None
        self._knife = Knife(stage)
        self._on_prediction = False
        """Whether the drag under way began on a prediction."""

    # --- what is under the pointer ----------------------------------------------------------------

    def _vertex_at(self, pointer: Pointer) -> tuple[Annotation, Polygons, Corner] | None:
        target = self.stage.sole()
        if target is None or not isinstance(target.shape, Polygons):
            return None
        nearest = nearest_vertex(target.shape, pointer.x, pointer.y)
        if nearest is None or nearest[1] > self.stage.reach():
            return None
        return target, target.shape, nearest[0]

    def _edge_at(self, pointer: Pointer) -> tuple[Annotation, Polygons, Corner, tuple[float, float]] | None:
        target = self.stage.sole()
        if target is None or not isinstance(target.shape, Polygons):
            return None
        nearest = nearest_edge(target.shape, pointer.x, pointer.y)
        if nearest is None or nearest[2] > self.stage.reach():
            return None
        return target, target.shape, nearest[0], nearest[1]

    def _handle_at(self, pointer: Pointer) -> tuple[Annotation, int] | None:
        target = self.stage.sole()
        if target is None or isinstance(target.shape, Polygons):
            return None
        handle = handle_at(frame_of([target.shape]), pointer.x, pointer.y, scale=self.stage.view.scale)
        return None if handle is None else (target, handle)

    def aims_at(self, pointer: Pointer) -> int | None:
        if not self.stage.predictions.kept or self._handle_at(pointer) or self._vertex_at(pointer):
            return None
        edge = predicted_edge_at(self.stage, pointer)
        return edge[0] if edge is not None else super().aims_at(pointer)

    # --- the mouse --------------------------------------------------------------------------------

    def press(self, pointer: Pointer) -> Drag | None:
        cuts = pointer.ctrl and not (pointer.alt or pointer.shift)
        if pointer.button != "left" or cuts:
            return self._knife.drag(pointer) if pointer.button == "left" else self.reject(pointer)
        vertex, edge = self._vertex_at(pointer), self._edge_at(pointer)
        if pointer.alt and pointer.shift and vertex:
            self._delete_vertex(*vertex)
            return None
        if vertex and not pointer.shift:
            return self._drag_vertex(*vertex)
        if pointer.alt and edge:
            target, shape, after, point = edge
            grown = inserted_vertex(shape, after, *point)
            return self._drag_vertex(
                target, grown, structs.replace(after, index=after.index + 1), inserted=True
            )
        handle = self._handle_at(pointer)
        if handle and not pointer.shift:
            return self._resize(*handle)
        held = pointer.shift or pointer.ctrl or pointer.alt
        predicted = None if held else predicted_edge_at(self.stage, pointer)
        return self._take_by_edge(pointer, *predicted) if predicted else self._press_on_objects(pointer)

    def _press_on_objects(self, pointer: Pointer) -> Drag:
        session, reach = self.stage.session, self.stage.reach() / 2
        under = [entry.id for entry in self.stage.scene.pick(pointer.x, pointer.y, reach=reach)]
        candidates = [entry.id for entry in self.stage.layer.pick(pointer.x, pointer.y, reach=reach)]
        if candidates and (not under or pointer.alt):
            return self._press_on_predictions(pointer, under, candidates)
        if not under:
            return self._draw_band(pointer)
        if pointer.shift:
            predicted = self.stage.predictions.selection
            session.focus.select(session.focus.selection ^ {under[0]})
            self.stage.predictions.select(predicted, keep=True)
            return self._move(pointer, under[0])
        self.stage.predictions.select(())
        if pointer.alt:
            now = next((at for at, key in enumerate(under) if key in session.focus.selection), -1)
            session.focus.select([under[(now + 1) % len(under)]])
            return self._move(pointer, None)
        held = next((key for key in under if key in session.focus.selection), None)
        if held is None:
            session.focus.select([under[0]])
            return self._move(pointer, None)
        # what is selected can be dragged even where something smaller lies on it; a mere click picks that
        return self._move(pointer, under[0])

    def _press_on_predictions(self, pointer: Pointer, under: list[int], candidates: list[int]) -> Drag:
        """Select a prediction; with Shift along with what is selected, with Alt the next one under here."""
        session, predictions = self.stage.session, self.stage.predictions
        if not pointer.alt:
            held = [key for key in candidates if key in predictions.selection and key in predictions.kept]
            if pointer.shift:
                predictions.select(predictions.selection ^ {candidates[0]}, keep=True)
            elif len(predictions.selection) == 1 and held:
                return self._take_whole(pointer, held[0], candidates[0])
            else:
                predictions.select([candidates[0]])
            return self._draw_band(pointer, clears=False)
        turns: list[tuple[bool, int]] = [
            *((True, key) for key in under),
            *((False, key) for key in candidates),
        ]
        taken = [
            at
            for at, (drawn, key) in enumerate(turns)
            if key in (session.focus.selection if drawn else predictions.selection)
        ]
        drawn, key = turns[(taken[-1] + 1 if taken else 0) % len(turns)]
        if pointer.shift:
            keep = predictions.selection
            session.focus.select(session.focus.selection | ({key} if drawn else frozenset()))
            predictions.select(keep | (frozenset() if drawn else {key}), keep=True)
        elif drawn:
            predictions.select(())
            session.focus.select([key])
        else:
            predictions.select([key])
        return self._draw_band(pointer, clears=False)

    def hover(self, pointer: Pointer) -> Qt.CursorShape:
        vertex = self._vertex_at(pointer)
        before, self.hovered = self.hovered, vertex[2] if vertex else None
        if before != self.hovered:
            self.stage.repaint.emit()
        if vertex:
            return Qt.CursorShape.PointingHandCursor
        handle = self._handle_at(pointer)
        layer, reach = self.stage.layer, self.stage.reach()
        self.stage.predictions.hover(
            None if handle else layer.suppressed_at(pointer.x, pointer.y, reach=reach)
        )
        if handle:
            return CURSORS[handle[1]]
        if pointer.alt and self._edge_at(pointer):
            return Qt.CursorShape.CrossCursor
        predicted = predicted_edge_at(self.stage, pointer)
        return CURSORS[predicted[1]] if predicted else self.cursor

    def changes(self) -> frozenset[int]:
        moved = frozenset(self.stage.drafts)
        beside = self._band is not None or self._on_prediction
        return moved or (frozenset() if beside else self.stage.session.focus.selection)

    def leave(self) -> None:
        self.hovered = None
        self.stage.predictions.hover(None)

    def double(self, pointer: Pointer) -> None:
        """A double click on an edge of the selected polygon puts a vertex there."""
        edge = self._edge_at(pointer)
        if edge is None or self._vertex_at(pointer):
            return
        target, shape, after, point = edge
        label = f"Add a vertex to {self.stage.name_of(target)}"
        self.stage.session.edits.replace(target, inserted_vertex(shape, after, *point), label=label, by=BY)

    def delete(self) -> bool:
        """Del takes the hovered vertex away, if there is one."""
        target = self.stage.sole()
        if self.hovered is None or target is None or not isinstance(target.shape, Polygons):
            return False
        self._delete_vertex(target, target.shape, self.hovered)
        return True

    def _delete_vertex(self, target: Annotation, shape: Polygons, at: Corner) -> None:
        """One vertex less; a ring keeps at least three."""
        self.hovered = None
        if vertex_count(shape, at.part, at.ring) > 3:
            label = f"Delete a vertex of {self.stage.name_of(target)}"
            self.stage.session.edits.replace(target, deleted_vertex(shape, at), label=label, by=BY)

    # --- drags ------------------------------------------------------------------------------------

    def _drag_vertex(
        self, target: Annotation, shape: Polygons, at: Corner, *, inserted: bool = False
    ) -> Drag:
        stage, changed = self.stage, inserted
        self.hovered = at
        try:
            while not (pointer := (yield)).released:
                shape = moved_vertex(shape, at, *stage.clamped(pointer.x, pointer.y))
                changed = True
                stage.show_draft_shape(target, shape)
            if changed:
                verb = "Add" if inserted else "Move"
                label = f"{verb} a vertex of {stage.name_of(target)}"
                stage.session.edits.replace(target, shape, label=label, by=BY)
        finally:
            stage.show_drafts([])

    def _resize(self, target: Annotation, handle: int) -> Drag:
        stage, start = self.stage, frame_of([target.shape])
        u, v = HANDLES[handle]
        shape: Shape | None = None
        try:
            while not (pointer := (yield)).released:
                x, y = stage.clamped(pointer.x, pointer.y)
                frame = stretched(start, u, v, x, y)
                if min(frame.width, frame.height) >= 1:
                    shape = resized(target.shape, start, frame)
                    stage.show_draft_shape(target, shape)
            if shape is not None:
                label = f"Resize {stage.name_of(target)}"
                stage.session.edits.replace(target, shape, label=label, by=BY)
        finally:
            stage.show_drafts([])

    def _take_whole(self, start: Pointer, held: int, clicked: int) -> Drag:
        """Dragging the selected prediction accepts it where it is let go; a click selects."""

        def moved(shape: Shape, pointer: Pointer) -> Shape:
            frame, whole = frame_of([shape]), isinstance(shape, Mask)
            dx, dy = self._allowed(frame, pointer.x - start.x, pointer.y - start.y, whole=whole)
            return translated(shape, dx, dy)

        return self._take_over(
            start, held, moved, verb="move", clicked=lambda: self.stage.predictions.select([clicked])
        )

    def _take_by_edge(self, start: Pointer, key: int, handle: int) -> Drag:
        """Dragging the edge or corner of a predicted box accepts it as it is then; a click selects."""
        u, v = HANDLES[handle]

        def stretched_by(shape: Shape, pointer: Pointer) -> Box | None:
            frame = frame_of([shape])
            x, y = handle_points(frame)[handle]
            # the edge goes as far as the hand, which need not have been right on it
            x, y = self.stage.clamped(x + pointer.x - start.x, y + pointer.y - start.y)
            wanted = stretched(frame, u, v, round(x, 2), round(y, 2))
            return wanted if min(wanted.width, wanted.height) >= 1 else None

        return self._take_over(
            start, key, stretched_by, verb="resize", clicked=lambda: self._click(start, key)
        )

    def _click(self, pointer: Pointer, key: int) -> None:
        """Select the object under a click, else this prediction."""
        session = self.stage.session
        under = self.stage.scene.pick(pointer.x, pointer.y, reach=self.stage.reach() / 2)
        if under:
            self.stage.predictions.select(())
            session.focus.select([under[0].id])
        else:
            self.stage.predictions.select([key])

    def _take_over(
        self,
        start: Pointer,
        key: int,
        change: Callable[[Shape, Pointer], Shape | None],
        *,
        verb: str,
        clicked: Callable[[], None],
    ) -> Drag:
        """A drag of a prediction accepts it in the shape that `change` gives at its end, as one edit."""
        stage = self.stage
        taken: TakenOver | None = None
        changed: Annotation | None = None
        self._on_prediction = True
        try:
            while not (pointer := (yield)).released:
                if taken is None:
                    if not is_far(start, pointer):
                        continue
                    taken = stage.take_over(key)
                    if taken is None or stage.is_held_back(taken.annotation):
                        return
                shape = change(taken.annotation.shape, pointer)
                if shape is not None:
                    changed = structs.replace(taken.annotation, shape=shape)
                    stage.show_drafts([changed])
            if taken is not None and changed is not None:
                stage.accept_changed(taken, changed, verb)
            elif taken is None:
                clicked()
        finally:
            self._on_prediction = False
            if taken is not None:
                stage.show_drafts([])

    def _move(self, start: Pointer, clicked: int | None) -> Drag:
        """Move the whole selection; where the hand stays still, select `clicked` alone."""
        stage = self.stage
        movers = [found for key in sorted(stage.session.focus.selection) if (found := stage.editable(key))]
        frame = frame_of(mover.shape for mover in movers) if movers else Box(0, 0, 0, 0)
        whole = all(isinstance(mover.shape, Mask) for mover in movers)
        moved: list[Annotation] = []
        try:
            while not (pointer := (yield)).released:
                if not moved and not is_far(start, pointer):
                    continue
                dx, dy = self._allowed(frame, pointer.x - start.x, pointer.y - start.y, whole=whole)
                moved = [structs.replace(one, shape=translated(one.shape, dx, dy)) for one in movers]
                stage.show_drafts(moved)
            if moved:
                changes = [Change(old, new) for old, new in zip(movers, moved, strict=True)]
                what = stage.name_of(movers[0]) if len(movers) == 1 else f"{len(movers)} objects"
                stage.session.edits.commit(f"Move {what}", changes, by=BY)
            elif clicked is not None and not start.shift:
                stage.session.focus.select([clicked])
        finally:
            stage.show_drafts([])

    def _allowed(self, frame: Box, dx: float, dy: float, *, whole: bool) -> tuple[float, float]:
        """The move nearest to (dx, dy) that keeps what lies in the image within it."""
        width, height = self.stage.size
        dx = min(max(dx, min(-frame.x0, 0.0)), max(width - frame.x1, 0.0))
        dy = min(max(dy, min(-frame.y0, 0.0)), max(height - frame.y1, 0.0))
        return (round(dx), round(dy)) if whole else (round(dx, 2), round(dy, 2))

    def _draw_band(self, start: Pointer, *, clears: bool = True) -> Drag:
        """Select what lies within a band; a mere click selects nothing, if it `clears`."""
        stage, session = self.stage, self.stage.session
        kept = session.focus.selection if start.shift else frozenset[int]()
        try:
            while not (pointer := (yield)).released:
                self._band = box_between((start.x, start.y), (pointer.x, pointer.y))
                stage.repaint.emit()
            band = self._band
            far = is_far(start, pointer)
            inside = stage.scene.inside(band.x0, band.y0, band.x1, band.y1) if band and far else []
            if far or clears:
                stage.predictions.select(())
                session.focus.select(kept.union(inside))
        finally:
            self._band = None
            stage.repaint.emit()

    def paint(self, painter: QPainter) -> None:
        self._knife.paint(painter)
        if self._band is not None:
            view, band = self.stage.view, self._band
            corner = view.point_on_screen(band.x0, band.y0)
            paint_band(painter, QRectF(*corner, band.width * view.scale, band.height * view.scale))
