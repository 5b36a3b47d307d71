"""A slider that simplifies, cleans, smooths or grows what is selected, seen before it is taken."""

from collections.abc import Callable, Mapping

from msgspec import Struct, structs
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QPushButton, QSlider

from labeler.core.editing.combining import overlap_of
from labeler.core.editing.reshaping import as_polygons, cleaned, corners, grown, smoothed
from labeler.core.records import Annotation, Box, Shape
from labeler.gui.canvas.view import Canvas
from labeler.gui.session.document import Changed
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.timing import timer
from labeler.gui.window.shaping.shape_acts import BY, ShapeActs

_MARGIN = 12


class Way(Struct, frozen=True):
    """One way to reshape: what the slider means, and what it does to a shape in an image of size (H, W)."""

    title: str
    lowest: int
    highest: int
    start: int
    amount: Callable[[int], float]
    """What a place of the slider comes to."""
    unit: str
    change: Callable[[Shape, float, tuple[int, int]], Shape | None]
    boxes: bool = False
    """Whether it does something to boxes."""


WAYS: Mapping[str, Way] = {
    "simplify": Way(
        "Simplify", 0, 100, 10, lambda at: at / 10, "px", lambda shape, by, _: as_polygons(shape, by)
    ),
    "clean": Way(
        "Fill holes, drop specks",
        0,
        100,
        8,
        lambda at: at * at,
        "px²",
        lambda shape, by, _: cleaned(shape, by),
    ),
    "smooth": Way("Smooth", 0, 30, 3, float, "px", lambda shape, by, size: smoothed(shape, by, size=size)),
    "grow": Way(
        "Grow or shrink",
        -50,
        50,
        2,
        float,
        "px",
        lambda shape, by, size: grown(shape, by, size=size),
        boxes=True,
    ),
}


class ReshapeCard(QFrame):
    """At the foot of the canvas, at its right. Enter takes what is seen, one undo step; Esc leaves it."""

    def __init__(self, canvas: Canvas, session: Session, acts: ShapeActs) -> None:
        super().__init__(canvas)
        self._canvas, self._session, self._acts = canvas, session, acts
        self._way = WAYS["simplify"]
        self._exact: list[Annotation] = []
        """What is reshaped, as it is."""
        self._selected: frozenset[int] = frozenset()
        self._seen: list[Annotation] = []
        self._empties = False
        """Whether nothing would be left of one of them."""
        self.setObjectName("card")
        self._title, self._amount, self.figures = QLabel(), QLabel(), QLabel()
        self._title.setFont(theme.ui_font(13, weight=theme.DEMIBOLD))
        self._amount.setFixedWidth(64)
        self._amount.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.figures.setObjectName("quiet")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setFixedWidth(220)
        self._take_button, leave = QPushButton("Take  ↵"), QPushButton("Leave  Esc")
        self._take_button.setDefault(True)
        grid = QGridLayout(self)
        grid.setContentsMargins(12, 8, 12, 8)
        grid.setSpacing(8)
        grid.addWidget(self._title, 0, 0, 1, 2)
        grid.addWidget(self.slider, 1, 0)
        grid.addWidget(self._amount, 1, 1)
        grid.addWidget(self.figures, 2, 0, 1, 2)
        for row, (button, act) in enumerate(((self._take_button, self.take), (leave, self.leave))):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(act)
            grid.addWidget(button, row, 2)
        self._later = timer(self, self._show)
        self.slider.valueChanged.connect(self._take_place)
        self._connect()
        self.hide()

    def _connect(self) -> None:
        session, canvas = self._session, self._canvas
        canvas.installEventFilter(self)
        session.project_changed.connect(self.leave)
        session.place.image_changed.connect(self.leave)
        session.focus.selection_changed.connect(self._take_selection)
        canvas.progress.changed.connect(self._take_progress)
        session.veil.changed.connect(self._look_again)
        session.document.changed.connect(self._take_changes)

    # --- asking -----------------------------------------------------------------------------------

    def ask(self, name: str) -> None:
        """Show the slider for this way to reshape, one of `WAYS`, what is selected."""
        self.leave()
        way, chosen = WAYS[name], self._acts.chosen()
        able = [one for one in chosen if way.boxes or not isinstance(one.shape, Box)]
        if chosen and not able:
            self._acts.tell(f"{way.title}: boxes have nothing to change. Masks and polygons do.")
        if not able:
            return
        self._way, self._exact = way, able
        self._selected = self._session.focus.selection
        self._title.setText(f"{way.title}: {self._session.document.names(able)}")
        self.slider.setAccessibleName(way.title)
        self.slider.blockSignals(True)
        self.slider.setRange(way.lowest, way.highest)
        self.slider.setValue(way.start)
        self.slider.blockSignals(False)
        self._take_place()
        self._show()
        self.show()
        self._place()
        self.slider.setFocus()

    def take(self) -> None:
        """Make what is seen of the objects: one edit."""
        if not self.isVisible():
            return
        self._show()  # the slider may have moved since
        exact, seen, way, empties = self._exact, self._seen, self._way, self._empties
        figures = self.figures.text()
        self.leave()
        names = self._session.document.names
        pairs = [(old, new.shape) for old, new in zip(exact, seen, strict=True) if old.shape is not new.shape]
        if empties:
            self._acts.tell(f"Nothing was changed: nothing of {names(exact)} would be left.")
        elif not pairs:
            self._acts.tell("Nothing was changed: they are like that already.")
        elif self._session.edits.reshape(pairs, label=f"{way.title}: {names(exact)}", by=BY):
            self._acts.tell(f"{way.title}: {names(exact)}. {figures}.", undo=True)

    def leave(self) -> None:
        """Leave the objects as they are."""
        if self._exact:
            self._exact, self._seen = [], []
            self._later.stop()
            self._canvas.show_drafts(())
            self.hide()
            self._canvas.setFocus()

    # --- showing ----------------------------------------------------------------------------------

    def _take_place(self) -> None:
        amount = self._way.amount(self.slider.value())
        self._amount.setText(
            f"{amount:+g} {self._way.unit}" if self._way.lowest < 0 else f"{amount:g} {self._way.unit}"
        )
        self._later.start()

    def _show(self) -> None:
        if not self._exact:
            return
        self._later.stop()
        size, amount = self._acts.size, self._way.amount(self.slider.value())
        shapes = [self._way.change(one.shape, amount, size) for one in self._exact]
        self._empties = None in shapes
        self._seen = [
            structs.replace(one, shape=shape) if shape is not None and shape is not one.shape else one
            for one, shape in zip(self._exact, shapes, strict=True)
        ]
        self._canvas.show_drafts(self._seen)
        self._take_button.setEnabled(not self._empties)
        self.figures.setText(self._figures(size))
        self._place()

    def _figures(self, size: tuple[int, int]) -> str:
        """Corners and overlap with the exact shape, the least where there are several."""
        if self._empties:
            return "Nothing would be left"
        pairs = list(zip(self._exact, self._seen, strict=True))
        least = min(overlap_of(old.shape, new.shape, size=size) for old, new in pairs)
        now = sum(corners(new.shape) for _, new in pairs)
        before = sum(corners(as_polygons(old.shape)) for old, _ in pairs) if now else 0
        count = f"{now:,} of {before:,} vertices · " if now else ""
        return f"{count}IoU {least:.3f} with the exact shape"

    def _place(self) -> None:
        self.adjustSize()
        canvas = self._canvas
        self.move(
            max(canvas.width() - self.width() - _MARGIN, 0), max(canvas.height() - self.height() - _MARGIN, 0)
        )
        self.raise_()

    # --- what happens meanwhile -------------------------------------------------------------------

    def _take_selection(self) -> None:
        """It is told of after each change, too."""
        if self._session.focus.selection != self._selected:
            self.leave()

    def _take_progress(self) -> None:
        if self._canvas.progress.is_on:
            self.leave()

    def _take_changes(self, changed: Changed) -> None:
        if changed.what != "candidates read":
            self._look_again()

    def _look_again(self) -> None:
        """Where one of the objects is another now, gone, hidden or locked, it was about something else."""
        if not self._exact:
            return
        known, veil = self._session.document.annotations, self._session.veil
        there = [known.get(one.id) for one in self._exact]
        found = [one for one in there if one is not None and not veil.holds_back(one)]
        if [one.shape for one in found] != [one.shape for one in self._exact]:
            self.leave()
            self._acts.tell(f"{self._way.title}: left, since what it was for has changed meanwhile.")
        elif found != self._exact:
            self._exact = found
            self._show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the canvas's size; Enter and Esc mean this while it is there, also on the canvas."""
        if self.isHidden():
            return False
        if event.type() == QEvent.Type.Resize:
            self._place()
        elif event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            return self._press(event)
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What the slider has no use for."""
        if not self._press(event):
            super().keyPressEvent(event)

    def _press(self, event: QKeyEvent) -> bool:
        acts = {Qt.Key.Key_Return: self.take, Qt.Key.Key_Enter: self.take, Qt.Key.Key_Escape: self.leave}
        act = acts.get(Qt.Key(event.key())) if not event.isAutoRepeat() else None
        if act is not None:
            act()
        return act is not None
