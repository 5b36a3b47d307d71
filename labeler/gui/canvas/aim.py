"""Which prediction the mouse is on: what a right click rejects, a digit accepts, and an edge corrects."""

from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box, Candidate
from labeler.gui.canvas.handles import edge_at
from labeler.gui.canvas.stage import Pointer, Stage


def prediction_at(stage: Stage, pointer: Pointer) -> int | None:
    """The prediction under the mouse (its candidate's id): a selected one, else the smallest.

    None where none is shown, and where the mouse is rather on an object: a selected one, or a smaller one.
    """
    reach = stage.reach() / 2
    found = _shown(stage, pointer, reach)
    if not found:
        return None
    first = found[0]
    if first.id in stage.predictions.selection:
        return first.id
    objects = stage.scene.pick(pointer.x, pointer.y, reach=reach)
    if any(one.id in stage.session.focus.selection for one in objects):
        return None
    return None if objects and _size(objects[0]) <= _size(first) else first.id


def predicted_edge_at(stage: Stage, pointer: Pointer) -> tuple[int, int] | None:
    """The predicted box whose edge or corner the mouse is on, and the place of that in `HANDLES`.

    The nearest one; None for none, in the step mode, and on an object that is selected, which is dragged.
    """
    if stage.predictions.walk is not None:
        return None
    near: list[tuple[float, int, int]] = []
    for one in _shown(stage, pointer, stage.reach()):
        if isinstance(one.shape, Box):
            edge = edge_at(one.shape, pointer.x, pointer.y, scale=stage.view.scale)
            if edge is not None:
                near.append((edge[1], one.id, edge[0]))
    if not near:
        return None
    objects = stage.scene.pick(pointer.x, pointer.y, reach=stage.reach() / 2)
    if any(one.id in stage.session.focus.selection for one in objects):
        return None
    _, key, handle = min(near, key=lambda each: each[0])
    return key, handle


def _shown(stage: Stage, pointer: Pointer, reach: float) -> list[Candidate]:
    """The predictions under the mouse that can be seen: the selected first, then the smallest."""
    kept, options = stage.predictions.kept, stage.options
    is_seen = options.annotations and options.predictions and stage.session.place.pixels is not None
    if not (kept and is_seen):
        return []
    found = stage.layer.pick(pointer.x, pointer.y, reach=reach)
    hidden = stage.scene.is_hidden
    return [one for one in found if one.id in kept and not hidden(one.category_id)]


def _size(entry: Annotation | Candidate) -> float:
    return bounds(entry.shape).area
