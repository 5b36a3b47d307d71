"""How the whole set agrees with a model: numbers, categories, the course, the worst images, the effort."""

import math
import time
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QModelIndex, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from labeler.core.measures.effort import Effort
from labeler.core.measures.set_agreement import AgreementMoment, AgreementTally
from labeler.core.model_titles import titles
from labeler.gui.models.model_choice import ModelChoice
from labeler.gui.review.agreements import SetAgreements
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.bars import Bar, Bars, Share
from labeler.gui.toolkit.cards import Card, Choice, EmptyState
from labeler.gui.toolkit.curve_plot import Axis, CurvePlot, Floats, PlotCurve
from labeler.gui.toolkit.figures import Figure
from labeler.gui.toolkit.rows import Row, RowsModel, RowsView
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted

MOST_CATEGORIES = 8
"""So many categories have a bar, the worst ones."""
MOST_IMAGES = 200
"""So many images are in the list of the worst ones."""

_THRESHOLDS = tuple((f"IoU {value:.2f}", value) for value in (0.5, 0.6, 0.75, 0.9))
_REFRESH_MS = 150
_PLOT_HEIGHT = 140
_DOTS = 16
"""Up to so many places, each point has a dot."""
_LONGEST_END = 14
"""Letters of the words under an end of the plot."""


class WorstModel(RowsModel):
    """Image ids, each shown with what is wrong on it and its quality."""

    def __init__(self, session: Session, agreements: SetAgreements, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self._agreements = agreements

    def row(self, item_id: int) -> Row:
        """The row of an image."""
        image, one = self._session.document.find_image(item_id), self._agreements.measures.get(item_id)
        if image is None or one is None:
            return Row("")
        total = one.total
        wrong = [f"{n} {what}" for n, what in ((total.missed, "missed"), (total.extra, "extra")) if n]
        worst = f"worst pair {one.worst_iou:.2f}" if one.worst_iou is not None else ""
        quality = total.quality or 0.0
        told = (image.path, _told(total), worst, f"quality (IoU × F1) {quality:.3f}")
        return Row(
            image.path.rpartition("/")[2],
            quiet=", ".join(wrong) or worst,
            right=f"{quality:.2f}",
            right_color=theme.agreement_color(quality),
            tooltip="\n".join(filter(None, told)),
        )


class SetAgreementPanel(Card):
    """The set in numbers; a click on a bar, a point or a row opens the images behind it."""

    opened = Signal(tuple, str)
    """The ids of the images that are now the order, and in words what they are."""

    def __init__(self, session: Session, agreements: SetAgreements, parent: QWidget | None = None) -> None:
        super().__init__("Set agreement", parent)
        self.unfolded.connect(self.refresh)
        self._session = session
        self._agreements = agreements
        self._moments: list[AgreementMoment] = []
        self._effort = Effort()
        self._empty = EmptyState("", parent=self)
        self._scroll = QScrollArea(self, widgetResizable=True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._content_column = QVBoxLayout()
        self._make_numbers()
        self._make_course()
        self._make_worst()
        self._make_effort()
        inside = QWidget(self)
        inside.setLayout(self._content_column)
        self._content_column.setContentsMargins(0, 0, 0, 0)
        self._content_column.setSpacing(8)
        self._content_column.addStretch(1)
        self._scroll.setWidget(inside)
        self._scroll.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        self._scroll.hide()  # a plot that is shown imports its library, which nothing to show is not worth
        self.body.addWidget(self._empty)
        self.body.addWidget(self._scroll, 1)
        self._later = timer(self, self.refresh, milliseconds=_REFRESH_MS)
        agreements.changed.connect(self._later.start)
        session.focus.category_changed.connect(self._later.start)
        session.history.changed.connect(self._later.start)
        self.refresh()

    # --- widgets ----------------------------------------------------------------------------------

    def _make_numbers(self) -> None:
        self.model = ModelChoice(self._session, "Model that is measured against", self)
        self.threshold = Choice("IoU from which two objects are a pair", _THRESHOLDS, self)
        self.threshold.setToolTip("A prediction and an annotation of a category are a pair from this IoU on")
        self.threshold.currentIndexChanged.connect(self._choose_threshold)
        choices = QHBoxLayout()
        choices.setSpacing(8)
        choices.addWidget(self.model, 3)
        choices.addWidget(self.threshold, 2)
        self.iou, self.dice, self.f1 = Figure("mean IoU"), Figure("mean Dice"), Figure("F1")
        figures = QHBoxLayout()
        figures.setSpacing(8)
        for figure in (self.iou, self.dice, self.f1):
            figures.addWidget(figure, 1)
        self.line = QLabel(self, wordWrap=True)
        self.line.setObjectName("quiet")
        self.line.setTextFormat(Qt.TextFormat.RichText)
        self.bars = Bars(self)
        self.bars.clicked.connect(self._open_category)
        self.more = QLabel(self)
        self.more.setObjectName("quiet")
        for part in (choices, figures):
            self._content_column.addLayout(part)
        for widget in (self.line, self.bars, self.more):
            self._content_column.addWidget(widget)

    def _make_course(self) -> None:
        self.course = Choice("What the plot shows", [("Over time", "time"), ("By model", "model")], self)
        self.course.currentIndexChanged.connect(self._show_course)
        self.plot = CurvePlot("Agreement", x=Axis(), y=Axis("", 0.0, 1.0), parent=self)
        self.plot.setFixedHeight(_PLOT_HEIGHT)
        self.plot.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.plot.clicked.connect(self._open_point)
        self._content_column.addWidget(self.course)
        self._content_column.addWidget(self.plot)

    def _make_worst(self) -> None:
        self._worst = WorstModel(self._session, self._agreements, self)
        self.worst_view = RowsView("Worst images", self, most_rows=4)
        self.worst_view.setModel(self._worst)
        self.worst_view.clicked.connect(self._open_worst)
        self.worst_view.activated.connect(self._open_worst)
        self.worst_button = QPushButton("Worst first", self)
        self.worst_button.setToolTip("Walk through the images from the worst on")
        self.worst_button.clicked.connect(lambda: self._open(self._agreements.worst_first(), "Worst first"))
        head = QHBoxLayout()
        label = QLabel("Worst images", self)
        label.setObjectName("quiet")
        head.addWidget(label, 1)
        head.addWidget(self.worst_button)
        self._content_column.addLayout(head)
        self._content_column.addWidget(self.worst_view)

    def _make_effort(self) -> None:
        self.fate = Share(self)
        self.fate_line = QLabel(self, wordWrap=True)
        self.effort_line = QLabel(self, wordWrap=True)
        self.fate_line.setTextFormat(Qt.TextFormat.RichText)
        for label in (self.fate_line, self.effort_line):
            label.setObjectName("quiet")
        for widget in (self.fate, self.fate_line, self.effort_line):
            self._content_column.addWidget(widget)

    # --- showing ----------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show everything as it is now; what must be read follows soon."""
        if not self.isVisible() or self.is_folded():
            return
        found = self._agreements
        total = found.total()
        self._fill_models()
        self._show_note()
        self._empty.setVisible(not total.objects)
        self._scroll.setVisible(bool(total.objects))
        if not total.objects:
            self._empty.set_text(self._why_empty())
            return
        self._show_numbers(total)
        self._show_bars()
        self._worst.set_ids(found.worst_first()[:MOST_IMAGES])
        self._show_effort()
        if self.course.currentData() == "model":
            self._show_course()
        found.ask_history(self._take_history)
        found.ask_effort(self._take_effort)

    def _show_note(self) -> None:
        done, images = self._agreements.progress
        wanted = self._agreements.filter
        more = (
            "Images with labels, of those that the model has seen.\n"
            f"Predictions from a confidence of {wanted.confidence:.2f}; NMS {wanted.kind}, {wanted.iou:.2f}."
        )
        if images > 1:
            self.set_note(f"measuring {done:,} of {images:,}", more=more)
        else:
            measured = len(self._agreements.measures)
            self.set_note(f"{measured:,} of {counted(self._agreements.seen, 'image')}", more=more)

    def _why_empty(self) -> str:
        if self._agreements.model is None or not self._agreements.seen:
            return "Run a model or import its results, to see how it and your labels agree."
        return "Label or review an image that the model has seen, to see how it and you agree."

    def _show_numbers(self, total: AgreementTally) -> None:
        self.iou.show_value(total.mean_iou)
        self.dice.show_value(total.mean_dice)
        self.f1.show_value(total.f1)
        colors = theme.colors()
        parts = (
            _colored(f"{total.matched:,} matched", colors.good),
            _colored(f"{total.missed:,} missed", colors.bad),
            _colored(f"{total.extra:,} extra", colors.middling),
        )
        self.line.setText(" · ".join(parts))
        self.line.setToolTip("Missed: the model has no prediction for it. Extra: nobody has labelled it.")

    def _show_bars(self) -> None:
        colors = theme.colors()
        sums = {key: one for key, one in self._agreements.categories().items() if one.objects}
        ranked = sorted(sums, key=lambda key: (sums[key].quality or 0.0, key))
        bars = []
        for key in ranked[:MOST_CATEGORIES]:
            one, category = sums[key], self._session.document.categories.get(key)
            name = category.name if category else "no category"
            iou = one.mean_iou
            bars.append(
                Bar(
                    key,
                    name,
                    category.color if category else colors.quiet,
                    ((one.matched, colors.good), (one.missed, colors.bad), (one.extra, colors.middling)),
                    right="–" if iou is None else f"{iou:.2f}",
                    right_color=theme.agreement_color(iou or 0.0),
                    tooltip=f"{name}\n{_told(one)}",
                )
            )
        self.bars.show_bars(bars)
        more = len(ranked) - len(bars)
        self.more.setVisible(more > 0)
        self.more.setText(f"{counted(more, 'category', 'categories')} more, which agree better")

    def _show_course(self) -> None:
        if self.course.currentData() == "model":
            versions = self._agreements.versions()
            called = titles(self._session.document.models)
            names = [called.get(model.id, model.name) for model, _ in versions]
            self._plot([tally for _, tally in versions], names)
        else:
            times = [moment.time for moment in self._moments]
            self._plot([moment.tally for moment in self._moments], _when(times))

    def _plot(self, tallies: Sequence[AgreementTally], places: list[str]) -> None:
        numbers = np.arange(len(tallies), dtype=np.float64)
        shown = (
            ("IoU", theme.agreement_color(0.9), _column([tally.mean_iou for tally in tallies])),
            ("F1", theme.colors().quiet, _column([tally.f1 for tally in tallies])),
        )
        curves = [
            PlotCurve(name, color, numbers, values, dots=len(tallies) <= _DOTS)
            for name, color, values in shown
        ]
        self.plot.set_x(_axis_of(places))
        self.plot.set_y(_axis_over([values for *_, values in shown]))
        self.plot.show_curves(curves, note="Points come here as images are labelled.", places=places)
        if places:
            ends = ((name, values[-1]) for name, _, values in shown if not np.isnan(values[-1]))
            told = ", ".join(f"{name} {value:.2f}" for name, value in ends)
            self.plot.setAccessibleName(f"From {places[0]} to {places[-1]}: {told} at the end")

    def _take_history(self, moments: list[AgreementMoment]) -> None:
        self._moments = moments
        if self.course.currentData() == "time":
            self._show_course()

    def _take_effort(self, effort: Effort) -> None:
        self._effort = effort
        self._show_effort()

    def _show_effort(self) -> None:
        effort, colors = self._effort, theme.colors()
        decided = effort.decided
        self.fate.setVisible(bool(decided))
        self.fate_line.setVisible(bool(decided))
        shares = (
            (effort.unchanged, "as they were", colors.good),
            (effort.edited, "edited", colors.middling),
            (effort.rejected, "rejected", colors.bad),
        )
        if decided:
            self.fate.show_parts([(number, color) for number, _, color in shares])
            told = (_colored(f"{number / decided:.0%} {name}", color) for number, name, color in shares)
            self.fate_line.setText(f"{counted(decided, 'prediction')}: {' · '.join(told)}")
        seconds, actions = effort.seconds_each, effort.actions_each
        self.effort_line.setVisible(seconds is not None)
        if seconds is not None and actions is not None:
            self.effort_line.setText(f"{seconds:.1f} s and {actions:.1f} actions an object")
            self.effort_line.setToolTip("Time between edits, pauses of over a minute and imports left out")

    def _fill_models(self) -> None:
        self.model.fill(self._agreements.model)
        with QSignalBlocker(self.threshold):
            self.threshold.choose(self._agreements.threshold)

    # --- choosing ---------------------------------------------------------------------------------

    def _choose_threshold(self) -> None:
        self._agreements.set_threshold(self.threshold.currentData())

    def _open_category(self, category_id: int) -> None:
        category = self._session.document.categories.get(category_id)
        name = category.name if category else "no category"
        self._open(self._agreements.worst_first(category_id), f"{name}, worst first")

    def _open_point(self, _curve: str, place: int) -> None:
        """A model's version becomes the one measured against; a moment opens what was labelled then."""
        if self.course.currentData() == "model":
            model, _ = self._agreements.versions()[place]
            self._session.measure.choose_model(model)
        elif place < len(self._moments):
            moment = self._moments[place]
            self._open(moment.images, f"labelled {_when([moment.time])[0]}")

    def _open_worst(self, index: QModelIndex) -> None:
        if index.isValid():
            self._session.place.go_to(self._worst.ids[index.row()])

    def _open(self, image_ids: Sequence[int], title: str) -> None:
        if image_ids:
            self._session.place.set_order(image_ids, title=title)
            self._session.place.go_to(image_ids[0])
            self.opened.emit(tuple(image_ids), title)

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while it was hidden."""
        super().showEvent(event)
        self.refresh()

    def changeEvent(self, event: QEvent) -> None:
        """Everything carries colours of the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_later"):
            self._later.start()


def _told(tally: AgreementTally) -> str:
    mean = "" if tally.mean_iou is None else f", mean IoU {tally.mean_iou:.3f}, Dice {tally.mean_dice:.3f}"
    return f"{tally.matched} matched, {tally.missed} missed, {tally.extra} extra{mean}"


def _colored(text: str, color: str) -> str:
    return f'<span style="color: {color}">{text}</span>'


def _when(times: Sequence[float]) -> list[str]:
    """Times in words: of the day where all are of one, else with the date."""
    local = [time.localtime(when) for when in times]
    one_day = len({(one.tm_year, one.tm_yday) for one in local}) == 1
    return [time.strftime("%H:%M" if one_day else "%d %b %H:%M", one) for one in local]


def _column(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _axis_of(places: Sequence[str]) -> Axis:
    """From left to right, with words under the first and the last place and room for half of them beside."""
    last = max(len(places) - 1, 0)
    room = max(0.5, 0.12 * last)
    words = [one if len(one) <= _LONGEST_END else f"{one[: _LONGEST_END - 1]}…" for one in places]
    ends = tuple((float(place), words[place]) for place in dict.fromkeys((0, last)) if words)
    return Axis("", -room, last + room, ticks=ends)


def _axis_over(columns: Sequence[Floats]) -> Axis:
    """Upwards: whole tenths, two of them at least, so that a small change does not look like a jump."""
    values = np.concatenate(columns)
    values = values[~np.isnan(values)]
    if not len(values):
        low, high = 0.0, 1.0
    else:
        low = min(math.floor(values.min() * 10), 8) / 10
        high = max(min(math.ceil(values.max() * 10) / 10, 1.0), low + 0.2)
    ticks = tuple((float(value), f"{value:.2f}") for value in (low, (low + high) / 2, high))
    return Axis("", low, high, ticks=ticks)
