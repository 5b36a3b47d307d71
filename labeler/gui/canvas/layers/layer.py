"""The predictions on the canvas: what is kept, what was suppressed, and how both are painted and picked."""

import numpy as np
from PySide6.QtCore import QObject
from PySide6.QtGui import QPainter

from labeler.core.filtering import Columns
from labeler.core.records import Candidate
from labeler.gui.canvas.layers.drawing import INSIDE, OUTLINE, SUPPRESSED, WAITING
from labeler.gui.canvas.layers.overlay import Overlay
from labeler.gui.canvas.scene import Scene
from labeler.gui.canvas.viewport import Viewport
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.session.session import Session


class PredictionLayer(QObject):
    """One picture of its own, so that a slider does not paint the annotations anew."""

    def __init__(self, session: Session, predictions: Predictions, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._predictions = session, predictions
        self.kept, self.faint, self.waiting = Scene(), Scene(), Scene()
        """What the filter keeps, what it does not, and in the step mode what is undecided yet."""
        self._scenes = (self.kept, self.faint, self.waiting)
        self._overlay = Overlay(
            [
                (self.kept, INSIDE),
                (self.faint, SUPPRESSED),
                (self.waiting, WAITING),
                (self.kept, OUTLINE),
            ]
        )
        self._columns: Columns | None = None
        self._on = True

    def take(self, *, on: bool) -> None:
        """Take what is there now; nothing unless `on`."""
        predictions = self._predictions
        self._on = on
        listed = list(predictions.candidates.values())
        if self._columns is not predictions.columns:
            self._columns = predictions.columns
            for scene in self._scenes:
                scene.load(listed, self._columns.boxes)
        else:
            for scene in self._scenes:
                scene.entries = list(listed)
        for scene in self._scenes:
            scene.set_categories(self._session.document.categories)
        self.show()

    def show(self) -> None:
        """Show what the filter, the selection or the step mode leaves to this layer."""
        kept, faint, waiting = self._shares() if self._on else ((), (), ())
        lifted = self._predictions.selection
        for scene, ids in zip(self._scenes, (kept, faint, waiting), strict=True):
            scene.show(key for key in ids if key not in lifted)
        self._overlay.invalidate()

    def _shares(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        predictions = self._predictions
        walk, step = predictions.walk, predictions.step
        if walk is None:
            return predictions.kept, predictions.faint_ids, ()
        done = walk[: predictions.walk_at]
        picked = {one.picked for one in done}
        dropped = {key for one in done for key, _ in one.dropped}
        now = {step.picked, *(key for key, _ in step.dropped)} if step is not None else set()
        undecided = predictions.filtered.confidences.keys() - picked - dropped
        return tuple(picked - now), tuple(dropped - now), tuple(undecided)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to paint."""
        return not any(scene.shown.any() for scene in self._scenes)

    def invalidate(self) -> None:
        """Paint everything anew."""
        self._overlay.invalidate()

    def paint(
        self, painter: QPainter, view: Viewport, size: tuple[int, int], ratio: float, *, moving: bool
    ) -> bool:
        """Paint for a widget's view and size (width, height); say whether it is sharp."""
        return self.is_empty or self._overlay.paint(painter, view, size, ratio, moving=moving)

    def pick(self, x: float, y: float, *, reach: float) -> list[Candidate]:
        """The candidates under an image point: those that are kept first, of each the smallest first."""
        found = [*self.kept.pick(x, y, reach=reach), *self.faint.pick(x, y, reach=reach)]
        candidates = [entry for entry in found if isinstance(entry, Candidate)]
        selected = [
            candidate
            for key in sorted(self._predictions.selection)
            if (candidate := self._predictions.candidates.get(key)) is not None
            and (box := self.kept.box_of(key)) is not None
            and box[0] - reach <= x <= box[2] + reach
            and box[1] - reach <= y <= box[3] + reach
        ]
        return [*selected, *candidates]

    def suppressed_at(self, x: float, y: float, *, reach: float) -> int | None:
        """The suppressed candidate around an image point whose edge is nearest to it."""
        if self._predictions.walk is not None:
            return None
        found = self._predictions.filtered.suppressed
        near = [entry.id for entry in self.faint.pick(x, y, reach=reach) if entry.id in found]
        if not near:
            return None
        boxes = np.array([self.faint.box_of(key) for key in near])
        edges = np.abs(boxes - (x, y, x, y)).min(axis=1)
        return near[int(edges.argmin())]
