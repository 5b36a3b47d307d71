"""What models would save a person here: the answer of `labeler effort`, in the window."""

from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from labeler.evaluation.effort.effort_curve import WAYS_TO_LABEL
from labeler.gui.evaluation.effort_desk import USUAL, EffortDesk
from labeler.gui.toolkit.curve_plot import Axis, CurvePlot, PlotCurve, line_color
from labeler.gui.toolkit.words import counted

TITLES = {"polygons": "By hand", "sam": "By SAM", "with_predictions": "With predictions"}
_COSTS = {"actions_per_object": "Actions an object", "seconds_per_object": "Seconds an object"}
_WHAT = (
    "A simulated person labels your reviewed images once more, one after the other: by hand, by SAM, and "
    "with all that Labeler has, of which some learns on the way. It takes a few minutes; go on labelling "
    "meanwhile."
)


class EffortDialog(QDialog):
    """Asks, shows how far it is, and what came out. The study goes on while the dialog is closed."""

    def __init__(self, desk: EffortDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("What would models save me?")
        self.resize(620, 560)
        self.count = QSpinBox(self)
        self.count.setAccessibleName("Images at most")
        self.start_button = QPushButton("Find out", self)
        self.start_button.clicked.connect(self._start_or_stop)
        self.note = QLabel(self, wordWrap=True)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.costs: dict[tuple[str, str], QLabel] = {}
        """The figures, by way to label and kind of cost."""
        self.plot = CurvePlot(
            "Seconds an object", x=Axis("image"), y=Axis("seconds an object", low=0.0), parent=self
        )
        self._lay_out()
        desk.changed.connect(self._show)
        desk.failed.connect(self._tell)
        self._fit_count()
        self._show()
        self.start_button.setFocus()

    def _figures(self) -> QGridLayout:
        """What an object costs: a row for each way to label, a column for actions and one for seconds."""
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(3, 1)
        for column, (what, title) in enumerate(_COSTS.items(), 1):
            head = QLabel(title, self)
            head.setObjectName("quiet")
            grid.addWidget(head, 0, column, Qt.AlignmentFlag.AlignRight)
            for row, way in enumerate(WAYS_TO_LABEL, 1):
                cost = self.costs[way, what] = QLabel("–", self)
                cost.setAccessibleName(f"{TITLES[way]}: {title}")
                grid.addWidget(cost, row, column, Qt.AlignmentFlag.AlignRight)
        for row, way in enumerate(WAYS_TO_LABEL, 1):
            grid.addWidget(QLabel(TITLES[way], self), row, 0)
        return grid

    def _lay_out(self) -> None:
        what = QLabel(_WHAT, self, wordWrap=True)
        asked = QHBoxLayout()
        label = QLabel("&Images at most", self)
        label.setBuddy(self.count)
        for widget in (label, self.count):
            asked.addWidget(widget)
        asked.addStretch(1)
        asked.addWidget(self.start_button)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        layout.addWidget(what)
        layout.addLayout(asked)
        layout.addWidget(self.bar)
        layout.addWidget(self.note)
        layout.addLayout(self._figures())
        layout.addWidget(self.plot, 1)
        layout.addWidget(buttons)

    # --- asking -----------------------------------------------------------------------------------

    def _fit_count(self) -> None:
        there = len(self._desk.images())
        self.count.setRange(min(1, there), max(there, 0))
        self.count.setValue(min(there, USUAL))
        self.count.setSuffix(f" of {there:,}" if there else "")

    def _start_or_stop(self) -> None:
        if self._desk.is_running:
            self._desk.stop()
        else:
            self._fit_within()
            self._desk.start(self.count.value())

    def _fit_within(self) -> None:
        """Images may have been reviewed since the dialog opened."""
        wanted = self.count.value()
        self._fit_count()
        self.count.setValue(min(wanted or USUAL, self.count.maximum()))

    # --- showing ----------------------------------------------------------------------------------

    def _show(self) -> None:
        desk = self._desk
        done, total = desk.progress
        there = bool(desk.images())
        self.start_button.setText("Stop" if desk.is_running else "Find out")
        self.start_button.setEnabled(desk.is_running or there)
        self.count.setEnabled(there and not desk.is_running)
        self.bar.setVisible(desk.is_running)
        self.bar.setRange(0, total)  # 0 to 0 is a bar that only says that something goes on
        self.bar.setValue(done)
        if desk.is_running:
            self.note.setText(f"Image {min(done + 1, total)} of {total}" if total else "Loading the models…")
        elif desk.answer is None:
            self.note.setText(
                "" if there else "No reviewed image has objects yet; label some, and mark them as reviewed."
            )
        else:
            self.note.setText(_summary(desk.answer))
        self._show_answer(desk.answer)

    def _tell(self, sentence: str) -> None:
        self.note.setText(sentence)

    def _show_answer(self, answer: dict[str, Any] | None) -> None:
        for (way, what), label in self.costs.items():
            cost = None if answer is None else answer[what][way]
            label.setText("–" if cost is None else f"{cost:.1f}")
        note = "" if answer else "Here it will be seen whether models learn on the way."
        self.plot.show_curves(_curves(answer), note=note)


def _summary(answer: dict[str, Any]) -> str:
    """What came out, in a sentence; then what was left out."""
    seconds = answer["seconds_per_object"]
    objects, images = answer["objects"], answer["images"]
    by_hand, best = seconds["polygons"], seconds["with_predictions"]
    saved = f"{counted(objects, 'object')} on {counted(images, 'image')}"
    if by_hand:
        less = 100 * (1 - best / by_hand)
        saved += f": {max(less, 0):.0f} % less time than by hand" if less >= 1 else ": no time is saved"
    return " ".join([f"{saved}.", *answer["left_out"]])


def _curves(answer: dict[str, Any] | None) -> list[PlotCurve]:
    """Seconds an object from image to image, in the order of labelling; those without objects are none."""
    if answer is None:
        return []
    rows = [
        (number, one["seconds_per_object"])
        for number, one in enumerate(answer["by_image"], 1)
        if one["objects"]
    ]
    places = np.array([number for number, _ in rows], dtype=np.float64)
    return [
        PlotCurve(
            TITLES[way],
            line_color(place),
            places,
            np.array([costs[way] for _, costs in rows], dtype=np.float64),
            dots=True,
        )
        for place, way in enumerate(WAYS_TO_LABEL)
    ]
