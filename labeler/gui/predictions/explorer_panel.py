"""Two objects side by side: intersection, union and the measures made of them, live while one is dragged."""

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QHideEvent, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from labeler.gui.predictions.comparison import Compared, Comparison, Side
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import Card, ElidedLabel, EmptyState, paint_swatch
from labeler.gui.toolkit.figures import Figure
from labeler.gui.toolkit.timing import timer

_EMPTY = (
    "Select two objects, predictions too: click one and Shift-click the other; where they lie on each other, "
    "Alt-click and Shift+Alt-click reach the one below. Then drag one alone."
)


class ExplorerPanel(Card):
    """IoU, Dice and GIoU of the two objects that were selected together, with the areas behind them."""

    def __init__(self, session: Session, comparison: Comparison, parent: QWidget | None = None) -> None:
        super().__init__("IoU explorer", parent)
        self._session, self._comparison = session, comparison
        self._make_widgets()
        self._refresh_later = timer(self, self.refresh)
        self._comparison.changed.connect(self.refresh)
        session.project_changed.connect(self._refresh_later.start)
        session.place.image_changed.connect(self._refresh_later.start)
        self.folded.connect(lambda _: self._watch())
        self.refresh()

    def _make_widgets(self) -> None:
        self.iou, self.dice, self.giou = Figure("IoU"), Figure("Dice"), Figure("GIoU")
        figures = QHBoxLayout()
        figures.setSpacing(8)
        for figure in (self.iou, self.dice, self.giou):
            figures.addWidget(figure, 1)
        self.areas = [_Area(color) for color in (theme.ONLY_A, theme.ONLY_B, theme.BOTH, "")]
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        for row, area in enumerate(self.areas):
            grid.addWidget(area.swatch, row, 0)
            grid.addWidget(area.name, row, 1)
            grid.addWidget(area.value, row, 2)
        grid.setColumnStretch(1, 1)
        self.formulas = QLabel(wordWrap=True)
        self.formulas.setObjectName("quiet")
        self.formulas.setTextFormat(Qt.TextFormat.RichText)
        self.formulas.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._content_of_two = QWidget(self)
        column = QVBoxLayout(self._content_of_two)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(figures)
        column.addLayout(grid)
        column.addWidget(self.formulas)
        self._empty = EmptyState(_EMPTY, parent=self)
        self.body.addWidget(self._content_of_two)
        self.body.addWidget(self._empty)
        self.body.addStretch(1)

    def refresh(self) -> None:
        """Show the two as they are now; called every frame of a drag."""
        if not self.isVisible() or self.is_folded():
            return
        sides, found = self._comparison.sides(), self._comparison.measure()
        self._content_of_two.setVisible(sides is not None)
        self._empty.setVisible(sides is None)
        if sides is None or found is None:
            self.set_note("")
            return
        self._show(sides, found)

    def _show(self, sides: tuple[Side, Side], found: Compared) -> None:
        overlap = found.overlap
        self.set_note(f"{sides[0].name} · {sides[1].name}")
        self.iou.show_value(overlap.iou)
        self.dice.show_value(overlap.dice)
        self.giou.show_value(found.giou)
        only_a, only_b = overlap.area_a - overlap.intersection, overlap.area_b - overlap.intersection
        rows = (
            (f"only A, {sides[0].name}", only_a),
            (f"only B, {sides[1].name}", only_b),
            ("both, A ∩ B", overlap.intersection),
            ("either, A ∪ B", overlap.union),
        )
        for area, (name, value) in zip(self.areas, rows, strict=True):
            area.show_value(name, value)
        both, either = _pixels(overlap.intersection), _pixels(overlap.union)
        total = _pixels(overlap.area_a + overlap.area_b)
        self.formulas.setText(
            f"IoU = |A ∩ B| / |A ∪ B| = {both} / {either}<br>"
            f"Dice = 2 |A ∩ B| / (|A| + |B|) = 2 · {both} / {total}<br>"
            f"GIoU = IoU − (|C| − |A ∪ B|) / |C|, where C is the box around both, {_pixels(found.hull)}"
        )

    def _watch(self) -> None:
        """The canvas shows the areas for as long as this can be seen."""
        self._comparison.watch(self.isVisible() and not self.is_folded())
        self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while it was hidden."""
        super().showEvent(event)
        self._watch()

    def hideEvent(self, event: QHideEvent) -> None:
        """The areas go from the canvas."""
        super().hideEvent(event)
        self._comparison.watch(False)

    def changeEvent(self, event: QEvent) -> None:
        """The numbers' colours follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_refresh_later"):
            self._refresh_later.start()


class _Swatch(QWidget):
    """A small square of one colour, nothing for ""."""

    def __init__(self, color: str) -> None:
        super().__init__()
        self._color = color
        self.setFixedSize(QSize(12, 12))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """The square."""
        if self._color:
            paint_swatch(QPainter(self), QRectF(1, 1, 10, 10), self._color)


class _Area:
    """One row: a colour, what it stands for, how large it is."""

    def __init__(self, color: str) -> None:
        self.swatch = _Swatch(color)
        self.name = ElidedLabel()
        self.value = QLabel()
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def show_value(self, name: str, value: float) -> None:
        """Show an area in square pixels."""
        self.name.setText(name)
        self.value.setText(f"{_pixels(value)} px²")


def _pixels(value: float) -> str:
    return f"{value:,.0f}"
