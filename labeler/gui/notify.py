"""The one door for messages to the person: a line that slides over the canvas's foot, never a modal box."""

import logging
from collections.abc import Callable

from msgspec import Struct
from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from labeler.gui import theme

_log = logging.getLogger(__name__)

INFO_MS = 6000


class Message(Struct, frozen=True, eq=False):
    """One sentence for the person, with at most one action."""

    text: str
    level: str = "info"
    """"info" goes by itself, "error" stays until it is closed or replaced."""
    action: str = ""
    run: Callable[[], None] | None = None
    key: str = ""
    """A newer message with the same key replaces this one: a repeated failure is shown once."""


class Notifier(QObject):
    """Everything that wants to tell the person something calls this."""

    told = Signal(Message)
    taken_back = Signal(str)
    """The key of messages that hold no longer."""

    def info(
        self, text: str, *, action: str = "", run: Callable[[], None] | None = None, key: str = ""
    ) -> None:
        """Something happened that the person may want to know."""
        _log.info("%s", text)
        self.told.emit(Message(text, "info", action, run, key))

    def error(
        self, text: str, *, action: str = "", run: Callable[[], None] | None = None, key: str = ""
    ) -> None:
        """Something failed: what, where, what to do."""
        _log.info("shown as an error: %s", text)
        self.told.emit(Message(text, "error", action, run, key))

    def take_back(self, key: str) -> None:
        """What was told under this key is over."""
        self.taken_back.emit(key)


class Toast(QFrame):
    """Shows the newest message at the foot of its parent."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._host = parent
        self.setObjectName("card")
        self._message: Message | None = None
        self._text = QLabel(wordWrap=True)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.action_button = QPushButton()
        self.action_button.clicked.connect(self._run)
        self._close = close = QToolButton()
        close.setText("✕")
        close.setAccessibleName("Close message")
        close.clicked.connect(self.hide)
        self._row = row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(8)
        row.addWidget(self._text, 1)
        row.addWidget(self.action_button)
        row.addWidget(close)
        self._timer = QTimer(self, singleShot=True, interval=INFO_MS)
        self._timer.timeout.connect(self.hide)
        parent.installEventFilter(self)
        self.hide()

    @property
    def text(self) -> str:
        """The sentence shown, "" when none is."""
        return "" if self._message is None or self.isHidden() else self._message.text

    def show_message(self, message: Message) -> None:
        """Show a message; an error is not pushed away by an unrelated piece of information."""
        shown = None if self.isHidden() else self._message
        kept = shown is not None and shown.level == "error" and message.level == "info"
        if kept and not (shown is not None and message.key and message.key == shown.key):
            return
        self._message = message
        self._text.setText(message.text)
        color = theme.colors().bad if message.level == "error" else theme.colors().edge
        self.setStyleSheet(f"QFrame#card {{ border: 1px solid {color}; }}")
        self.action_button.setText(message.action)
        self.action_button.setVisible(bool(message.action))
        if message.level == "error":
            self._timer.stop()
        else:
            self._timer.start()
        self._place()
        self.show()
        self.raise_()

    def take_back(self, key: str) -> None:
        """Hide the message with this key, if it is the one shown."""
        if self._message is not None and self._message.key == key:
            self.hide()

    def _run(self) -> None:
        self.hide()
        if self._message is not None and self._message.run is not None:
            self._message.run()

    def _place(self) -> None:
        """As wide as its words need, up to 640 px and never wider than the parent; as high as they wrap."""
        spare = self._row.sizeHint().width() - self._text.sizeHint().width()
        words = self._text.fontMetrics().horizontalAdvance(self._text.text()) + 8
        width = max(min(words + spare, self._host.width() - 24, 640), 120)
        self.setFixedWidth(width)
        lines = self._text.heightForWidth(max(width - spare, 40))
        margins = self._row.contentsMargins()
        height = max(lines, self._close.sizeHint().height()) + margins.top() + margins.bottom() + 2
        self.resize(width, height)
        self.move((self._host.width() - width) // 2, self._host.height() - height - 16)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay at the parent's foot when it is resized."""
        if event.type() == QEvent.Type.Resize and not self.isHidden():
            self._place()
        return super().eventFilter(watched, event)
