"""What tools work with: the session, the view, what can be picked, and what is being changed."""

from collections.abc import Callable, Generator, Iterable
from typing import Literal, TypeAlias

from msgspec import Struct, structs
from PySide6.QtCore import QObject, Signal

from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box, Change, Shape
from labeler.gui.canvas.layers.layer import PredictionLayer
from labeler.gui.canvas.scene import Scene
from labeler.gui.canvas.viewport import Viewport
from labeler.gui.predictions.comparison import Comparison
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.decisions import TakenOver
from labeler.gui.session.session import Session

BY = "canvas"
"""Who did it, in `Session.changed`."""
REACH = 6.0
"""Widget pixels within which a handle, a vertex or an edge is hit."""


class Options(Struct, frozen=True):
    """What the person can set for the canvas and its tools."""

    brush_size: float = 24.0
    """Diameter of brush and eraser, image pixels."""
    negative: bool = False
    """A plain click of the SAM tool says "this is not the object"."""
    hole: bool = False
    """The polygon tool cuts a hole into the selected polygon."""
    hover_preview: bool = True
    brightness: float = 0.0
    contrast: float = 0.0
    """Of the display only, -1 to 1."""
    annotations: bool = True
    predictions: bool = True
    tags: bool = True
    """What is painted over the photo."""
    wheel_zoom: bool = True
    """The wheel zooms; otherwise it pans, and zooms with Ctrl."""
    keep_view: bool = True
    """Stay where one looks when stepping among images of the same size."""


class Pointer(Struct, frozen=True):
    """Where the mouse is and what is held down."""

    x: float
    y: float
    """Image coordinates, hundredths of a pixel."""
    sx: float
    sy: float
    """Widget coordinates."""
    button: Literal["", "left", "right"] = ""
    shift: bool = False
    ctrl: bool = False
    alt: bool = False
    released: bool = False
    """The last one of a drag."""


Drag: TypeAlias = Generator[None, Pointer, None]
"""One press, all moves and the release: each is sent in; `close()` takes it back."""


TakeOver: TypeAlias = Callable[[int], TakenOver | None]
"""Gives what a prediction (its candidate's id) becomes when its shape is changed; None where it may not."""


Reject: TypeAlias = Callable[[int], None]
"""A person says that a prediction (its candidate's id) is wrong."""


def takes_nothing(candidate_id: int) -> None:
    """Predictions are only looked at."""


class Stage(QObject):
    """The state that the canvas and its tools share."""

    repaint = Signal()
    """Something over the photo looks different now."""
    told = Signal(str)
    """A line for the person: why nothing happened."""
    moved = Signal(object)
    """Only shapes within this image Box, and their tags, look different."""

    def __init__(
        self,
        session: Session,
        predictions: Predictions,
        parent: QObject | None = None,
        *,
        take_over: TakeOver = takes_nothing,
        reject: Reject = takes_nothing,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.predictions = predictions
        self.layer = PredictionLayer(session, predictions, self)
        """The predictions on the open image."""
        self.take_over = take_over
        self._reject = reject
        self.options = Options()
        self.view = Viewport()
        self.scene = Scene()
        """The annotations of the open image."""
        self.drafts: dict[int, Annotation] = {}
        """Uncommitted versions of what is being dragged, by id."""
        self.comparison = Comparison(session, predictions, self, drafts=lambda: self.drafts)
        self.pointer: Pointer | None = None
        """Where the mouse is over the canvas."""
        self.aimed: int | None = None
        """The prediction that the mouse is on, by its candidate's id."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the open image, 0 by 0 without one."""
        image = self.session.place.image
        if self.session.place.pixels is not None:
            height, width = self.session.place.pixels.rgb.shape[:2]
            return width, height
        return (image.width, image.height) if image is not None else (0, 0)

    @property
    def shape_size(self) -> tuple[int, int]:
        """(H, W) of the open image, as geometry asks for it."""
        width, height = self.size
        return height, width

    def reach(self) -> float:
        """Image pixels within which something is hit."""
        return REACH / self.view.scale

    def clamped(self, x: float, y: float) -> tuple[float, float]:
        """The nearest point of the image."""
        width, height = self.size
        return min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))

    def editable(self, annotation_id: int) -> Annotation | None:
        """An annotation of the open image that is neither locked nor hidden, nor its category.

        In a read-only project it is given too: the session refuses the edit, and says why.
        """
        annotation = self.session.document.annotations.get(annotation_id)
        return None if annotation is None or self.is_held_back(annotation) else annotation

    def accept_changed(self, taken: TakenOver, changed: Annotation, verb: str) -> None:
        """One edit: a prediction is accepted in the shape that a hand gave it, and selected.

        `verb` says what the hand did: "move".
        """
        session, name = self.session, self.name_of(changed)
        known = session.document.annotations.values()
        there = next((one for one in known if one.prediction_id == changed.prediction_id), None)
        if there is not None:  # something has accepted it while the hand was at work
            session.edits.replace(there, changed.shape, label=f"{verb.capitalize()} {name}", by=BY)
            session.focus.select([there.id])
            return
        changes = [taken.verdict, Change(None, changed)]
        if session.edits.commit(f"Accept and {verb} {name}", changes, by=BY):
            session.focus.select([changed.id])

    def aim(self, candidate_id: int | None) -> None:
        """The mouse is on this prediction now; None for none."""
        if candidate_id != self.aimed:
            self.aimed = candidate_id
            self.repaint.emit()

    def reject(self, candidate_id: int) -> None:
        """A person rejects a prediction; nothing where it is none any more, as after a run."""
        if candidate_id in self.predictions.kept:
            self._reject(candidate_id)

    def is_held_back(self, annotation: Annotation) -> bool:
        """Whether it or its category is locked or hidden."""
        return self.session.veil.holds_back(annotation)

    def sole(self) -> Annotation | None:
        """The selected annotation, where it is the only one and may be changed."""
        if len(self.session.focus.selection) != 1:
            return None
        return self.editable(next(iter(self.session.focus.selection)))

    def active(self) -> list[Annotation]:
        """What the active layer paints: the selected annotations, their drafts in place of them."""
        shown = sorted(self.session.focus.selection | self.drafts.keys())
        found = [self.drafts.get(key) or self.session.document.annotations[key] for key in shown]
        hides = self.session.veil.hides
        return [one for one in found if not (self.scene.is_hidden(one.category_id) or hides(one.id))]

    def show_drafts(self, drafts: Iterable[Annotation]) -> None:
        """Show uncommitted versions; the first one is measured in the same frame."""
        before = self.drafts.values()
        self.drafts = {draft.id: draft for draft in drafts}
        first = next(iter(self.drafts.values()), None)
        if first is not None or self.session.focus.draft is not None:
            self.session.focus.set_draft(first)
        after = self.drafts.values()
        if before and after:
            self.moved.emit(frame_of(draft.shape for draft in (*before, *after)))
        else:
            self.repaint.emit()

    def show_draft_shape(self, annotation: Annotation, shape: Shape) -> None:
        """Show one annotation with another shape."""
        self.show_drafts([structs.replace(annotation, shape=shape)])

    def name_of(self, annotation: Annotation) -> str:
        """The name of its category, for the label of an edit."""
        category = self.session.document.categories.get(annotation.category_id)
        return category.name if category is not None else "object"


def box_between(a: tuple[float, float], b: tuple[float, float]) -> Box:
    """The box with these two opposite corners."""
    return Box(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))


def frame_of(shapes: Iterable[Shape]) -> Box:
    """The bounds of several shapes together."""
    boxes = [bounds(shape) for shape in shapes]
    return Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )
