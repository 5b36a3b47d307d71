"""What the model of each epoch makes of validation images."""

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSlider, QVBoxLayout, QWidget

from labeler.gui.toolkit.cards import ElidedLabel, tool_button
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.training.course import Course
from labeler.gui.training.option_fields import quiet_label
from labeler.training.events import Sample


class _Picture(QWidget):
    """A picture as large as it fits."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._pixmap = QPixmap()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_image(self, image: QImage) -> None:
        """Show another one; a null one is none."""
        self._pixmap = QPixmap.fromImage(image)
        self.update()

    def sizeHint(self) -> QSize:
        """Middling."""
        return QSize(200, 180)

    def minimumSizeHint(self) -> QSize:
        """Small, but something can be seen."""
        return QSize(100, 90)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """In the middle, smoothly scaled."""
        if self._pixmap.isNull():
            return
        ratio = self.devicePixelRatioF()
        room = QSize(int(self.width() * ratio), int(self.height() * ratio))
        scaled = self._pixmap.scaled(
            room, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        scaled.setDevicePixelRatio(ratio)
        size = scaled.deviceIndependentSize()
        QPainter(self).drawPixmap(
            int((self.width() - size.width()) / 2), int((self.height() - size.height()) / 2), scaled
        )


class SampleViewer(QWidget):
    """One picture at a time: a slider over the epochs, and arrows over the images."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._courier = Courier(self)
        self._folder = Path()
        self._samples: dict[int, list[Sample]] = {}
        self._epochs: list[int] = []
        self._image = ""
        self._loaded = ""
        self._note = quiet_label("What the model makes of held-out images appears here each epoch.", self)
        self.picture = _Picture(self)
        self.words = ElidedLabel("", self)
        self.words.setObjectName("quiet")
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setAccessibleName("Epoch of the picture")
        self.slider.setToolTip("Epoch; at the right end the newest one is followed")
        self.slider.valueChanged.connect(self._show)
        self.back = tool_button("chevron-left", "The held-out image before", self)
        self.forth = tool_button("chevron-right", "The next held-out image", self)
        self.back.clicked.connect(lambda: self._step(-1))
        self.forth.clicked.connect(lambda: self._step(1))
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.words, 1)
        row.addWidget(self.back)
        row.addWidget(self.forth)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._note)
        column.addWidget(self.picture, 1)
        column.addWidget(self.slider)
        column.addLayout(row)
        self._refresh()

    def show_course(self, folder: Path, course: Course | None) -> None:
        """Show the samples of a run; the newest epoch goes on to be followed where it was."""
        epochs = sorted(course.samples) if course is not None else []
        same = folder == self._folder
        if same and epochs == self._epochs and (course is None or self._is_known(course)):
            return
        follows = not same or self.slider.value() >= self.slider.maximum()
        place = self.slider.value()
        self._folder = folder
        self._epochs = epochs
        self._samples = {key: list(one) for key, one in course.samples.items()} if course is not None else {}
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(len(epochs) - 1, 0))
            self.slider.setValue(len(epochs) - 1 if follows else place)
        self._refresh()
        self._show()

    def _is_known(self, course: Course) -> bool:
        return all(len(self._samples.get(key, ())) == len(one) for key, one in course.samples.items())

    def _refresh(self) -> None:
        there = bool(self._epochs)
        self._note.setVisible(not there)
        for widget in (self.picture, self.words):
            widget.setVisible(there)
        self.slider.setVisible(len(self._epochs) > 1)
        several = max((len(one) for one in self._samples.values()), default=0) > 1
        self.back.setVisible(several)
        self.forth.setVisible(several)

    def _here(self) -> list[Sample]:
        place = self.slider.value()
        return self._samples[self._epochs[place]] if 0 <= place < len(self._epochs) else []

    def _place(self, here: list[Sample]) -> int:
        """Which of an epoch's samples is shown: that of the image that was looked at."""
        return next((place for place, one in enumerate(here) if one.image == self._image), 0)

    def _step(self, by: int) -> None:
        here = self._here()
        if here:
            self._image = here[(self._place(here) + by) % len(here)].image
            self._show()

    def _show(self) -> None:
        here = self._here()
        if not here:
            self._loaded = ""
            self.picture.show_image(QImage())
            self.words.setText("")
            return
        sample = here[self._place(here)]
        path = str(self._folder / sample.picture)
        self.words.setText(f"Epoch {sample.epoch} · {sample.image}")
        self.picture.setAccessibleName(f"Prediction of epoch {sample.epoch} on {sample.image}")
        if path == self._loaded:
            return
        self._loaded = path

        def take(image: QImage) -> None:
            if path == self._loaded:
                self.picture.show_image(image)

        run_in_pool(lambda: QImage(path), courier=self._courier, done=take, failed=lambda _: None)
