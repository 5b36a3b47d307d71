"""The pages of the evaluation panel beside the numbers: curves, confusion, and images."""

import numpy as np
from PySide6.QtCore import QModelIndex, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from labeler.core.measures.set_agreement import AgreementTally, ImageMeasure
from labeler.evaluation.curves import Curve as Ranking
from labeler.gui.evaluation.confusion_view import ConfusionMatrix
from labeler.gui.evaluation.results_view import THRESHOLD, EvaluationView
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.bars import paint_parts
from labeler.gui.toolkit.cards import ElidedLabel
from labeler.gui.toolkit.curve_plot import Axis, CurvePlot, Floats, PlotCurve, line_color
from labeler.gui.toolkit.rows import Index, Row, RowDelegate, RowsModel, RowsView
from labeler.gui.toolkit.words import counted

_POINTS = 1500
"""More points than a plot has pixels are left out of it."""
_MORE_THRESHOLDS = (0.75, 0.9)
_SIDE_BY_SIDE = 460
"""Width from which two plots stand side by side."""
MOST_CATEGORIES = 24
"""Of a matrix; those that are confused least are left out of a larger one."""


class CurvesPage(QWidget):
    """What each confidence comes to, with a line to drag, beside precision over recall."""

    use_asked = Signal(float)
    """A person wants the predictions filtered by this confidence."""

    def __init__(self, view: EvaluationView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._shown: dict[str, tuple[int, float, np.ndarray]] = {}
        self._places: np.ndarray = np.zeros(0, dtype=np.int64)
        self.reading = QLabel("", self)
        self.reading.setTextFormat(Qt.TextFormat.RichText)
        self.best = QPushButton("Best F1", self)
        self.best.setToolTip("Move the line to the confidence of the largest F1")
        self.best.clicked.connect(lambda: view.set_confidence(view.best()))
        self.use = QPushButton("Use in filter", self)
        self.use.setToolTip("Show the predictions on the photos from this confidence on")
        self.use.clicked.connect(lambda: self.use_asked.emit(view.confidence))
        self.rates = CurvePlot(
            "Precision, recall and F1 by confidence",
            x=Axis("confidence", 0.0, 1.0),
            y=Axis("", 0.0, 1.0),
            parent=self,
        )
        self.rates.setToolTip("Drag the line, or move it with the arrow keys; click a point to open it")
        self.ranking = CurvePlot(
            "Precision by recall", x=Axis("recall", 0.0, 1.0), y=Axis("precision", 0.0, 1.0), parent=self
        )
        self.rates.line_moved.connect(view.set_confidence)
        self.rates.clicked.connect(self._open_rate)
        self.ranking.clicked.connect(self._open_point)
        self._lay_out()
        view.changed.connect(self.refresh)
        view.moved.connect(self._move)
        self.refresh()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for button in (self.best, self.use):
            button.setStyleSheet("padding: 3px 8px; font-size: 12px;")
            buttons.addWidget(button)
        self._head = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._head.setSpacing(4)
        self._head.addWidget(self.reading, 1)
        self._head.addLayout(buttons)
        self.reading.setMinimumWidth(1)
        self._plots = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._plots.setSpacing(8)
        self._plots.addWidget(self.rates, 1)
        self._plots.addWidget(self.ranking, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self._head)
        column.addLayout(self._plots, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Side by side where there is room."""
        super().resizeEvent(event)
        wide = self.width() >= _SIDE_BY_SIDE
        direction = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        if direction != self._plots.direction():
            self._plots.setDirection(direction)
            self._head.setDirection(direction)

    def refresh(self) -> None:
        """Draw the curves of the view's models and category."""
        view = self._view
        if view.outcome is None:
            self.rates.show_curves([])
            self.ranking.show_curves([])
            return
        self._draw_rates()
        self._draw_ranking()
        self._move()

    def _draw_rates(self) -> None:
        view = self._view
        found = view.curve(view.place)
        self._places = _thinned(len(found.confidences))[::-1]
        precision, recall, f1 = _rates(found)
        x = found.confidences[self._places]
        curves = [
            PlotCurve(name, line_color(place), x, values[self._places], dashed=name == "F1")
            for place, (name, values) in enumerate((("precision", precision), ("recall", recall), ("F1", f1)))
        ]
        if len(view.titles) > 1:
            other = view.curve(1 - view.place)
            places = _thinned(len(other.confidences))[::-1]
            values = _rates(other)[2][places]
            name = f"F1 of {view.titles[1 - view.place]}"
            color = theme.colors().quiet
            curves.append(PlotCurve(name, color, other.confidences[places], values, width=1.5, dashed=True))
        self.rates.show_curves(curves, note=self._why_empty(found))

    def _draw_ranking(self) -> None:
        view = self._view
        self._shown, curves = {}, []
        titles = view.titles
        if len(titles) > 1:
            wanted = [(title, place, THRESHOLD) for place, title in enumerate(titles)]
        else:
            wanted = [(f"IoU {level:.2f}", 0, level) for level in (THRESHOLD, *_MORE_THRESHOLDS)]
        first = view.curve(view.place)
        for number, (name, place, threshold) in enumerate(wanted):
            found = view.curve(place, threshold)
            places = _thinned(len(found.confidences))
            self._shown[name] = place, threshold, places
            color = line_color((0, 3, 1)[number])
            width = 2.0 if threshold == THRESHOLD else 1.2
            curves.append(PlotCurve(name, color, found.recall[places], found.precision[places], width=width))
        self.ranking.show_curves(curves, note=self._why_empty(first))

    def _why_empty(self, found: Ranking) -> str:
        what = self._view.category_name()
        if not found.truths:
            return f"{what}: nothing is labelled on these images, so there is nothing to find."
        return f"{what}: the model predicted nothing on these images." if not len(found.confidences) else ""

    def _move(self) -> None:
        view = self._view
        if view.outcome is None:
            return
        rates = view.rates()
        known = (("precision", rates.precision), ("recall", rates.recall), ("F1", rates.f1))
        self.rates.show_line(view.confidence, label=f"{view.confidence:.2f}")
        parts = []
        marks = []
        for place, (name, value) in enumerate(known):
            shown = "–" if value is None else f"{value:.2f}"
            parts.append(f'<span style="color: {line_color(place)}">{name}</span> {shown}')
            if value is not None:
                marks.append((view.confidence, value, line_color(place)))
        self.rates.show_marks(marks)
        self.reading.setText(f"from <b>{view.confidence:.2f}</b> &nbsp; {' &nbsp; '.join(parts)}")
        spots = []
        for place in range(len(view.titles)):
            found = view.operating(place)
            one = found.total if view.category is None else found.categories[view.category]
            if one.recall is not None and one.precision is not None:
                spots.append((one.recall, one.precision, line_color((0, 3)[place])))
        self.ranking.show_marks(spots)

    def _open_rate(self, name: str, place: int) -> None:
        if name in ("precision", "recall", "F1"):
            self._view.list_around(self._view.place, int(self._places[place]))

    def _open_point(self, name: str, place: int) -> None:
        model, threshold, places = self._shown[name]
        self._view.list_around(model, int(places[place]), threshold=threshold)


class ConfusionPage(QWidget):
    """The matrix at the confidence that is looked at; of two models side by side where there is room."""

    def __init__(self, view: EvaluationView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._shown: list[int] = []
        self.line = QLabel("", self, wordWrap=True)
        self.line.setObjectName("quiet")
        self.matrices = [ConfusionMatrix(self), ConfusionMatrix(self)]
        self._heads = [ElidedLabel("", self), ElidedLabel("", self)]
        self._sides = [QWidget(self), QWidget(self)]
        row = QHBoxLayout()
        row.setSpacing(12)
        for place, side in enumerate(self._sides):
            self._fill(side, place)
            row.addWidget(side, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.line)
        column.addLayout(row, 1)
        view.changed.connect(self.refresh)
        view.settled.connect(self.refresh)
        view.listed.connect(self._unmark)
        self.refresh()

    def _fill(self, side: QWidget, place: int) -> None:
        matrix = self.matrices[place]
        matrix.clicked.connect(lambda row, column: self._open(place, row, column))
        scroll = QScrollArea(side, widgetResizable=True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(matrix)
        scroll.setStyleSheet("QAbstractScrollArea::corner { background: transparent; border: none; }")
        scroll.viewport().setAutoFillBackground(False)
        matrix.setAutoFillBackground(False)
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._heads[place])
        column.addWidget(scroll, 1)

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up."""
        super().showEvent(event)
        self.refresh()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Two where there is room, else that of the model that is looked at."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        titles = self._view.titles
        both = len(titles) > 1 and self.width() >= _SIDE_BY_SIDE
        for place, (side, head) in enumerate(zip(self._sides, self._heads, strict=True)):
            side.setVisible(place < len(titles) and (both or place == self._view.place))
            head.setText(titles[place] if place < len(titles) else "")
            head.setVisible(both)

    def refresh(self) -> None:
        """Count again, where somebody sees it."""
        titles = self._view.titles
        if not titles or not self.isVisible():
            return
        self._arrange()
        counts = [self._view.confusion(place).counts for place in range(len(titles))]
        whole = np.sum(counts, axis=0)
        last = len(whole) - 1
        used = [n for n in range(last) if whole[n].any() or whole[:, n].any()]
        wrong = {n: int(whole[n].sum() + whole[:, n].sum() - 2 * whole[n, n]) for n in used}
        self._shown = sorted(sorted(used, key=lambda n: -wrong[n])[:MOST_CATEGORIES])
        names = [self._view.categories[n].name for n in self._shown]
        places = [*self._shown, last]
        for matrix, one in zip(self.matrices, counts, strict=False):
            matrix.show_counts(names, one[np.ix_(places, places)])
        more = len(used) - len(self._shown)
        left = f" {counted(more, 'category', 'categories')} more, confused least." if more else ""
        self.line.setText(f"From a confidence of {self._view.confidence:.2f} and an IoU of 0.50.{left}")

    def _open(self, place: int, row: int, column: int) -> None:
        places = [*self._shown, len(self._view.categories)]
        self._view.list_cell(place, places[row], places[column])
        self.matrices[place].choose((row, column))

    def _unmark(self) -> None:
        """Something else is listed now; a cell that was opened marks itself after that."""
        for matrix in self.matrices:
            matrix.choose(None)


class WorstImagesModel(RowsModel):
    """Image ids, each with what is wrong on it and its quality."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self.tallies: dict[int, AgreementTally] = {}

    def row(self, item_id: int) -> Row:
        """The row of an image."""
        image, tally = self._session.document.find_image(item_id), self.tallies.get(item_id, AgreementTally())
        path = image.path if image is not None else "no image any more"
        quality = tally.quality or 0.0
        counts = f"{tally.matched:,} hits, {tally.missed:,} missed, {tally.extra:,} false alarms"
        mean = (
            "" if tally.mean_iou is None else f"\nmean IoU {tally.mean_iou:.3f}, Dice {tally.mean_dice:.3f}"
        )
        return Row(
            path.rpartition("/")[2],
            right=f"{quality:.2f}",
            right_color=theme.agreement_color(quality),
            tooltip=f"{path}\n{counts}{mean}\nquality (IoU × F1) {quality:.3f}",
        )


class _BarDelegate(RowDelegate):
    """A row whose right part is a bar of hits, misses and false alarms."""

    def paint_trailing(
        self, painter: QPainter, rect: QRectF, row: Row, option: QStyleOptionViewItem, index: Index
    ) -> float:
        """The number, and left of it the bar."""
        end = super().paint_trailing(painter, rect, row, option, index)
        model = index.model()
        assert isinstance(model, WorstImagesModel)
        tally = model.tallies.get(model.ids[index.row()], AgreementTally())
        width = max(rect.width() * 0.4, 60.0)
        colors = theme.colors()
        parts = ((tally.matched, colors.good), (tally.missed, colors.middling), (tally.extra, colors.bad))
        paint_parts(painter, parts, QRectF(end - width, rect.center().y() - 4, width, 8))
        return end - width - 8


class ImagesPage(QWidget):
    """The images from the worst on."""

    def __init__(self, session: Session, view: EvaluationView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._view = view
        self.line = QLabel("", self)
        self.line.setObjectName("quiet")
        self.model = WorstImagesModel(session, self)
        self.rows = RowsView("Images, worst first", self)
        self.rows.setItemDelegate(_BarDelegate(self.rows))
        self.rows.setModel(self.model)
        self.rows.clicked.connect(self._open)
        self.rows.activated.connect(self._open)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.line)
        # a short list leaves its room at the foot
        column.addWidget(self.rows, 1000)
        column.addStretch(1)
        view.changed.connect(self.refresh)
        view.settled.connect(self.refresh)
        self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up."""
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        """Measure again, where somebody sees it."""
        if self._view.outcome is None or not self.isVisible():
            return
        measures = self._view.by_image()
        tallies = {one.image_id: self._tally(one) for one in measures}
        self.model.tallies = {key: tally for key, tally in tallies.items() if tally.objects}
        ranked = sorted(self.model.tallies, key=lambda key: (self.model.tallies[key].quality or 0.0, key))
        self.model.set_ids(ranked)
        empty = len(measures) - len(ranked)
        rest = f" {counted(empty, 'image')} without any object." if empty else ""
        self.line.setText(f"{self._view.category_name()}: worst first.{rest}")

    def _tally(self, one: ImageMeasure) -> AgreementTally:
        if self._view.category is None:
            return one.total
        return one.categories.get(self._view.categories[self._view.category].id, AgreementTally())

    def _open(self, index: QModelIndex) -> None:
        if index.isValid():
            image = self._session.document.find_image(self.model.ids[index.row()])
            if image is not None:
                self._view.list_image(image.id, image.path.rpartition("/")[2])


def _thinned(count: int) -> np.ndarray:
    """Places of at most so many points as can be told apart, the first and the last among them."""
    if count <= _POINTS:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, _POINTS).round().astype(np.int64))


def _rates(found: Ranking) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 (N,) at each point of a curve."""
    precision, recall = found.precision, found.recall
    given = np.arange(1, len(found.hits) + 1)
    f1: Floats = 2 * np.cumsum(found.hits) / np.maximum(given + found.truths, 1)
    return precision, recall, f1
