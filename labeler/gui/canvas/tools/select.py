"""V: select, move, resize, and edit the vertices of polygons."""

import math

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
from labeler.gui.canvas.layers.ink import paint_band
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.stage import BY, REACH, Drag, Pointer, Stage, box_between, frame_of
from labeler.gui.canvas.tools.base import Tool
from labeler.gui.review.decisions import TakenOver

_STILL = 3.0
"""Widget pixels that the hand may slip without moving anything."""

HANDLES = ((0, 0), (0.5, 0), (1, 0), (1, 0.5), (1, 1), (0.5, 1), (0, 1), (0, 0.5))
"""Where the eight handles sit on a frame, as parts of its width and height."""
_DIAGONAL_DOWN, _DIAGONAL_UP = Qt.CursorShape.SizeFDiagCursor, Qt.CursorShape.SizeBDiagCursor
_UPRIGHT, _LEVEL = Qt.CursorShape.SizeVerCursor, Qt.CursorShape.SizeHorCursor
_CURSORS = (_DIAGONAL_DOWN, _UPRIGHT, _DIAGONAL_UP, _LEVEL) * 2


def handle_points(frame: Box) -> list[tuple[float, float]]:
    """The eight handles of a frame, image coordinates, clockwise from the top left."""
    return [(frame.x0 + u * frame.width, frame.y0 + v * frame.height) for u, v in HANDLES]


def vertex_count(shape: Polygons, part: int, ring: int) -> int:
    """How many points a ring of an outline has; ring 0 is the outer one."""
    rings = (shape.parts[part].outer, *shape.parts[part].holes)
    return len(rings[ring])


class SelectTool(Tool):
    """Selects and changes what is there."""

    name = "select"
    shows_handles = True
    cursor = Qt.CursorShape.ArrowCursor

    def __init__(self, stage: Stage, prompt_desk: PromptDesk) -> None:
        super().__init__(stage, prompt_desk)
        self.hovered: Corner | None = None
        """The vertex under the mouse."""
        self._band: Box | None = None

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
        points = handle_points(frame_of([target.shape]))
        near = [math.hypot(x - pointer.x, y - pointer.y) * self.stage.view.scale for x, y in points]
        best = min(range(len(near)), key=near.__getitem__)
        return (target, best) if near[best] <= REACH + 1 else None

    # --- the mouse --------------------------------------------------------------------------------

    def press(self, pointer: Pointer) -> Drag | None:
        if pointer.button != "left":
            return None
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
        return self._press_on_objects(pointer)

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
                return self._take_over(pointer, held[0], candidates[0])
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
            return _CURSORS[handle[1]]
        if pointer.alt and self._edge_at(pointer):
            return Qt.CursorShape.CrossCursor
        return self.cursor

    def changes(self) -> frozenset[int]:
        moved = frozenset(self.stage.drafts)
        return moved or (frozenset() if self._band else self.stage.session.focus.selection)

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
                frame = _stretched(start, u, v, x, y)
                if min(frame.width, frame.height) >= 1:
                    shape = resized(target.shape, start, frame)
                    stage.show_draft_shape(target, shape)
            if shape is not None:
                label = f"Resize {stage.name_of(target)}"
                stage.session.edits.replace(target, shape, label=label, by=BY)
        finally:
            stage.show_drafts([])

    def _take_over(self, start: Pointer, held: int, clicked: int) -> Drag:
        """Dragging the selected prediction accepts it where it is let go, as one edit; a click selects."""
        stage = self.stage
        taken: TakenOver | None = None
        moved: Annotation | None = None
        try:
            while not (pointer := (yield)).released:
                if taken is None:
                    if math.hypot(pointer.sx - start.sx, pointer.sy - start.sy) < _STILL:
                        continue
                    taken = stage.take_over(held)
                    if taken is None or stage.is_held_back(taken.annotation):
                        return
                shape = taken.annotation.shape
                whole = isinstance(shape, Mask)
                dx, dy = self._allowed(
                    frame_of([shape]), pointer.x - start.x, pointer.y - start.y, whole=whole
                )
                moved = structs.replace(taken.annotation, shape=translated(shape, dx, dy))
                stage.show_drafts([moved])
            if taken is not None and moved is not None:
                stage.accept_changed(taken, moved, "move")
            else:
                stage.predictions.select([clicked])
        finally:
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
                if not moved and math.hypot(pointer.sx - start.sx, pointer.sy - start.sy) < _STILL:
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
            far = math.hypot(pointer.sx - start.sx, pointer.sy - start.sy) >= _STILL
            inside = stage.scene.inside(band.x0, band.y0, band.x1, band.y1) if band and far else []
            if far or clears:
                stage.predictions.select(())
                session.focus.select(kept.union(inside))
        finally:
            self._band = None
            stage.repaint.emit()

    def paint(self, painter: QPainter) -> None:
        if self._band is not None:
            view, band = self.stage.view, self._band
            corner = view.point_on_screen(band.x0, band.y0)
            paint_band(painter, QRectF(*corner, band.width * view.scale, band.height * view.scale))


def _stretched(start: Box, u: float, v: float, x: float, y: float) -> Box:
    """The frame with the handle at (u, v) of it dragged to (x, y); never inverted."""
    xs, ys = [start.x0, start.x1], [start.y0, start.y1]
    if u != 0.5:
        xs[round(u)] = x
    if v != 0.5:
        ys[round(v)] = y
    return Box(min(xs), min(ys), max(xs), max(ys))
