"""How the evaluations of the same images went over time."""

import time
from collections.abc import Sequence

import numpy as np
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from labeler.gui.evaluation.results_view import EvaluationView
from labeler.gui.evaluation.scopes import EvaluationPlan, HistoryEntry
from labeler.gui.toolkit.curve_plot import Axis, CurvePlot, Floats, PlotCurve, line_color
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted

_TICKS = 4
"""So many marks have room under a plot."""


class HistoryPage(QWidget):
    """How the evaluations of the same images, compared in the same way, went over time."""

    def __init__(self, plan: EvaluationPlan, view: EvaluationView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plan = plan
        self._view = view
        self.moments: list[HistoryEntry] = []
        self._places: dict[str, list[int]] = {}
        self.plot = CurvePlot(
            "AP over the evaluations", x=Axis("evaluation"), y=Axis("AP", 0.0, 1.0), parent=self
        )
        self.plot.clicked.connect(self._tell)
        self.line = QLabel("", self, wordWrap=True)
        self.line.setObjectName("quiet")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.plot, 1)
        column.addWidget(self.line)
        self._later = timer(self, self.refresh)
        view.changed.connect(self._later.start)
        plan.changed.connect(self._later.start)
        self.refresh()

    def refresh(self) -> None:
        """Draw what is known."""
        request = self._view.outcome.request if self._view.outcome else None
        self.moments = [
            one
            for one in self._plan.history
            if request is None or (one.scope, one.by) == (request.scope, request.by)
        ]
        titles = dict.fromkeys(one.title for one in self.moments)
        curves = []
        for number, title in enumerate(titles):
            places = [n for n, one in enumerate(self.moments) if one.title == title]
            values = _column([self.moments[n].ap for n in places])
            self._places[title] = places
            x = np.array(places, dtype=np.float64) + 1
            curves.append(PlotCurve(title, line_color(number), x, values, dots=True))
        self.plot.set_x(Axis("", 0.5, max(len(self.moments), 1) + 0.5, ticks=_ticks(self.moments)))
        self.plot.show_curves(curves, note="Each evaluation adds a point here.")
        if self.moments:
            self._tell_moment(self.moments[-1])
        else:
            self.line.setText("")

    def _tell(self, title: str, place: int) -> None:
        self._tell_moment(self.moments[self._places[title][place]])

    def _tell_moment(self, one: HistoryEntry) -> None:
        figures = ", ".join(
            f"{name} {value:.3f}" for name, value in (("AP", one.ap), ("AP50", one.ap50)) if value is not None
        )
        kind = "boxes" if one.by == "box" else "masks"
        on = f"{counted(one.images, 'image')} with {counted(one.truths, 'object')}"
        self.line.setText(f"{_when(one.created)}: {one.title}, {on}, {kind}: {figures}")


def _ticks(moments: Sequence[HistoryEntry]) -> tuple[tuple[float, str], ...]:
    """The times of a few of the moments, the last one among them."""
    step = max(-(-len(moments) // _TICKS), 1)
    places = range(len(moments) - 1, -1, -step)
    one_day = len({time.localtime(one.created)[:3] for one in moments}) == 1
    form = "%H:%M" if one_day else "%d %b"
    return tuple(
        (place + 1.0, time.strftime(form, time.localtime(moments[place].created))) for place in places
    )


def _when(created: float) -> str:
    return time.strftime("%d %b %H:%M", time.localtime(created))


def _column(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
