"""Losses and metrics of one run, or of several over each other."""

from collections.abc import Sequence

from msgspec import Struct
from PySide6.QtCore import QEvent, QSignalBlocker, Qt
from PySide6.QtGui import QBrush, QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from labeler.gui.toolkit.cards import Choice
from labeler.gui.toolkit.curve_plot import Axis, CurvePlot, PlotCurve, line_color
from labeler.gui.training.course import Course

_TOTAL = "loss"


class ShownRun(Struct, frozen=True, eq=False):
    """A run whose curves are shown."""

    name: str
    course: Course
    metric: str
    """The metric that it is chosen by."""


class CourseCurves(QWidget):
    """Two plots: what is learnt down, and what is measured up."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: list[ShownRun] = []
        self.loss = CurvePlot("Losses", x=Axis("epoch"), y=Axis("loss"), parent=self)
        self.score = CurvePlot("Metrics", x=Axis("epoch"), y=Axis("", 0.0, 1.0), parent=self)
        self.metric_choice = Choice("Metric that is shown", parent=self)
        self.metric_choice.currentIndexChanged.connect(self._draw)
        right = QWidget(self)
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.metric_choice)
        column.addWidget(self.score, 1)
        self._box = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(12)
        self._box.addWidget(self.loss, 1)
        self._box.addWidget(right, 1)

    def show_runs(self, runs: Sequence[ShownRun]) -> None:
        """Show these runs; one with all its losses, several with their totals."""
        self._runs = list(runs)
        self._fill_metrics()
        self._draw()

    def _fill_metrics(self) -> None:
        names = list(dict.fromkeys(name for run in self._runs for name in run.course.metric_names))
        known = [self.metric_choice.itemData(place) for place in range(self.metric_choice.count())]
        if names == known[1:] and known:
            return
        chosen = self.metric_choice.currentData() or ""
        with QSignalBlocker(self.metric_choice):
            self.metric_choice.clear()
            self.metric_choice.addItem("All metrics" if len(self._runs) < 2 else "Main metric", "")
            for name in names:
                self.metric_choice.addItem(name, name)
            self.metric_choice.choose(chosen)
        self.metric_choice.setVisible(len(names) > 1)

    def _draw(self) -> None:
        several = len(self._runs) > 1
        losses = self._totals() if several else self._losses()
        scores = self._mains() if several else self._scores()
        self.loss.show_curves(losses, note="The loss is drawn as soon as a run learns.")
        high = max((float(curve.y.max()) for curve in scores if len(curve.y)), default=0.0)
        self.score.set_y(Axis("", 0.0, 1.0) if high <= 1.0 else Axis(""))
        # a single measure has no width: it stands at the end of its epoch, as the loss does
        alone = bool(scores) and all(float(curve.x.max(initial=0.0)) <= 1.0 for curve in scores)
        self.score.set_x(Axis("epoch", 0.0, 1.0) if alone else Axis("epoch"))
        self.score.show_curves(scores, note="Metrics are drawn after the first epoch.")

    def _losses(self) -> list[PlotCurve]:
        """Of one run: the total in front, its parts behind."""
        if not self._runs:
            return []
        steps = self._runs[0].course.steps
        names = sorted(steps, key=lambda name: (name != _TOTAL, name))
        if len(names) == 2 and _TOTAL in names:
            names = [_TOTAL]  # the only part is the total
        made = []
        for place, name in enumerate(names):
            x, y = steps[name].arrays
            width = 2.0 if place == 0 else 1.2
            made.append(PlotCurve(name, line_color(place), x, y, width=width, dashed=place > 0))
        return made

    def _scores(self) -> list[PlotCurve]:
        if not self._runs:
            return []
        run = self._runs[0]
        chosen = self.metric_choice.currentData()
        names = [chosen] if chosen else _ordered(run.course.metric_names, run.metric)
        made = []
        for place, name in enumerate(names):
            x, y = run.course.metric(name)
            made.append(PlotCurve(name, line_color(place), x, y, dots=len(x) <= 40))
        return made

    def _totals(self) -> list[PlotCurve]:
        made = []
        for place, (name, run) in enumerate(zip(_unlike(self._runs), self._runs, strict=True)):
            series = run.course.steps.get(_TOTAL)
            if series is not None:
                made.append(PlotCurve(name, line_color(place), *series.arrays))
        return made

    def _mains(self) -> list[PlotCurve]:
        made = []
        for place, (name, run) in enumerate(zip(_unlike(self._runs), self._runs, strict=True)):
            x, y = run.course.metric(self.metric_choice.currentData() or run.metric)
            made.append(PlotCurve(name, line_color(place), x, y, dots=len(x) <= 40))
        return made

    def set_beside(self, beside: bool) -> None:
        """Put the plots beside each other, or below."""
        self._box.setDirection(
            QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        )

    def changeEvent(self, event: QEvent) -> None:
        """The curves carry colours of the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_box"):
            self._draw()


class FiguresTable(QTableWidget):
    """The final figures of several runs, a column each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Figures of the runs")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setStyleSheet("QTableCornerButton::section { background: transparent; border: none; }")
        self.setFrameShape(self.Shape.NoFrame)
        self.verticalHeader().setDefaultSectionSize(24)
        self.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setMinimumSectionSize(64)

    def show_runs(self, runs: Sequence[ShownRun]) -> None:
        """A column for each run; the best figure of a row is marked."""
        names = list(dict.fromkeys(name for run in runs for name in run.course.figures))
        self.clear()
        self.setColumnCount(len(runs))
        self.setRowCount(len(names) + 1)
        self.setHorizontalHeaderLabels([run.name for run in runs])
        for column, run in enumerate(runs):
            head = self.horizontalHeaderItem(column)
            assert head is not None, "it has just been given a label"
            head.setToolTip(run.name)
            head.setForeground(QBrush(QColor(line_color(column))))
        self.setVerticalHeaderLabels([*names, "epochs"])
        for row, name in enumerate(names):
            values = [run.course.figures.get(name) for run in runs]
            best = max((value for value in values if value is not None), default=None)
            for column, value in enumerate(values):
                self._put(row, column, "–" if value is None else f"{value:.3f}", strong=value == best)
        for column, run in enumerate(runs):
            self._put(len(names), column, f"{run.course.done}", strong=False)

    def _put(self, row: int, column: int, text: str, *, strong: bool) -> None:
        item = QTableWidgetItem(text)
        font = item.font()
        font.setBold(strong)
        item.setFont(font)
        item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setItem(row, column, item)


def _ordered(names: Sequence[str], first: str) -> list[str]:
    """The metric that decides in front."""
    return sorted(names, key=lambda name: name != first)


def _unlike(runs: Sequence[ShownRun]) -> list[str]:
    """Names that tell the runs apart where two are called the same."""
    made: list[str] = []
    for run in runs:
        name, number = run.name, 2
        while name in made:
            name, number = f"{run.name} ({number})", number + 1
        made.append(name)
    return made
