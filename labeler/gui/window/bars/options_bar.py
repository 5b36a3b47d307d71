"""The bar that floats over the canvas: the current tool's name, options, and what its keys do now."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSlider, QWidget

from labeler.gui.canvas.tools.table import TOOLS
from labeler.gui.canvas.view import Canvas
from labeler.gui.toolkit import theme

_TOOLS = {tool.name: tool for tool in TOOLS}
_MARGIN = 12


class OptionsBar(QFrame):
    """Sits at the top left of the canvas, as wide as it needs and never wider than the canvas."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self.setObjectName("card")
        self._title = QLabel()
        self._title.setFont(theme.ui_font(13, weight=theme.DEMIBOLD))
        self._hint = QLabel()
        self._hint.setObjectName("quiet")
        self._positive = self._choice("+ point", "A click says: this is the object", negative=False)
        self._negative = self._choice("− point", "A click says: this is not it (right click)", negative=True)
        self._place = QLabel()
        self._place.setObjectName("quiet")
        self._accept = QPushButton("Accept  ↵")
        self._accept.setToolTip("Accept the proposal (Enter)")
        self._accept.setDefault(True)
        self._drop = QPushButton("Drop  Esc")
        self._drop.setToolTip("Drop the proposal (Esc)")
        self._size = QSlider(Qt.Orientation.Horizontal)
        self._size.setRange(1, 200)
        self._size.setFixedWidth(120)
        self._size.setAccessibleName("Brush size")
        self._size_text = QLabel()
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(12, 6, 12, 6)
        self._row.setSpacing(8)
        for widget in self._widgets():
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self._row.addWidget(widget)
        self._accept.clicked.connect(canvas.prompt_desk.accept)
        self._drop.clicked.connect(canvas.keys.drop)
        self._size.valueChanged.connect(lambda size: canvas.set_options(brush_size=float(size)))
        for signal in (
            canvas.hand.changed,
            canvas.prompt_desk.changed,
            canvas.options_changed,
            canvas.hand.outlook_changed,
        ):
            signal.connect(self.refresh)
        self._offers_predictions = False
        canvas.predictions.changed.connect(self._look_at_predictions)
        canvas.installEventFilter(self)
        self.refresh()

    def _widgets(self) -> tuple[QWidget, ...]:
        return (
            self._title,
            self._positive,
            self._negative,
            self._size,
            self._size_text,
            self._hint,
            self._place,
            self._accept,
            self._drop,
        )

    def _choice(self, text: str, tip: str, *, negative: bool) -> QPushButton:
        button = QPushButton(text)
        button.setCheckable(True)
        button.setToolTip(tip)
        button.clicked.connect(lambda: self._canvas.set_options(negative=negative))
        return button

    def refresh(self) -> None:
        """Show what the canvas's tool, options and proposal are now."""
        canvas = self._canvas
        tool = _TOOLS[canvas.hand.name]
        pending = bool(canvas.prompt_desk.proposals) and canvas.progress.is_on
        paints, points = tool.options == "size", tool.options == "sign"
        self._title.setText(tool.title)
        self._offers_predictions = canvas.offers_predictions
        hint = canvas.hand.outlook() or (tool.predicted if self._offers_predictions else "") or tool.hint
        self._hint.setText(hint)
        self._hint.setVisible(bool(hint) and not pending)
        self._positive.setVisible(points)
        self._negative.setVisible(points)
        self._positive.setChecked(not canvas.options.negative)
        self._negative.setChecked(canvas.options.negative)
        self._size.setVisible(paints)
        self._size_text.setVisible(paints)
        self._size.blockSignals(True)
        self._size.setValue(round(canvas.options.brush_size))
        self._size.blockSignals(False)
        self._size_text.setText(f"{canvas.options.brush_size:.0f} px")
        self._place.setVisible(pending)
        step = (
            " · Tab: next" if len(canvas.prompt_desk.proposals) > 1 else ""
        )  # a preview has none: Tab goes by objects
        self._place.setText(
            f"mask {canvas.prompt_desk.index + 1} of {len(canvas.prompt_desk.proposals)}{step}"
        )
        self._accept.setVisible(pending)
        self._drop.setVisible(pending)
        self._fit()

    def _look_at_predictions(self) -> None:
        """They change at every step of a slider; what the mouse does only with the first and the last."""
        if self._canvas.offers_predictions != self._offers_predictions:
            self.refresh()

    def _fit(self) -> None:
        """As wide as what it shows; on a narrow canvas the least needed goes first."""
        room = self._canvas.width() - 2 * _MARGIN
        self._title.show()
        for spare in (None, self._hint, self._title, self._place):
            if spare is not None:
                spare.hide()
            self._row.activate()
            if self.sizeHint().width() <= room:
                break
        size = self.sizeHint()
        self.setGeometry(_MARGIN, _MARGIN, min(size.width(), max(room, 80)), size.height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the canvas's size."""
        if event.type() == QEvent.Type.Resize:
            self.refresh()
        return super().eventFilter(watched, event)
