"""Brightness and contrast of what is shown: two sliders that float over the canvas."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QPushButton, QSlider

from labeler.gui.canvas.view import Canvas

_MARGIN = 12


class DisplayCard(QFrame):
    """Changes the canvas's tone only; files, models and exports never see it."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self.setObjectName("card")
        self._sliders = {name: self._slider(name) for name in ("brightness", "contrast")}
        grid = QGridLayout(self)
        grid.setContentsMargins(12, 8, 12, 8)
        grid.setSpacing(8)
        for row, (name, slider) in enumerate(self._sliders.items()):
            grid.addWidget(QLabel(name.capitalize()), row, 0)
            grid.addWidget(slider, row, 1)
        reset = QPushButton("Reset")
        reset.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        reset.clicked.connect(self.reset)
        grid.addWidget(reset, 0, 2, 2, 1)
        canvas.installEventFilter(self)
        self.adjustSize()
        self.hide()

    def _slider(self, name: str) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(-100, 100)
        slider.setFixedWidth(140)
        slider.setAccessibleName(name.capitalize())
        slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        slider.valueChanged.connect(lambda value: self._canvas.set_options(**{name: value / 100}))
        return slider

    def reset(self) -> None:
        """Show the photo as it is."""
        for slider in self._sliders.values():
            slider.setValue(0)

    def showEvent(self, event: QShowEvent) -> None:
        """Take the place at the canvas's top right."""
        super().showEvent(event)
        self._place()

    def _place(self) -> None:
        self.adjustSize()
        self.move(max(self._canvas.width() - self.width() - _MARGIN, 0), _MARGIN)
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the canvas's size."""
        if event.type() == QEvent.Type.Resize and not self.isHidden():
            self._place()
        return super().eventFilter(watched, event)
