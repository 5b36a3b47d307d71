"""The one door for messages to the person: lines that stand at the canvas's foot, never a modal box."""

import logging
import re
from collections.abc import Callable

from msgspec import Struct
from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from labeler.gui.toolkit import theme

_log = logging.getLogger(__name__)

INFO_MS = 6000
"""How long a short piece of information is shown."""
LETTER_MS = 60
"""How long a letter takes to be read: a long message stays longer."""
MOST_SHOWN = 3
"""Messages at once; the earlier ones wait for their turn, so that none is lost."""
OF_IMAGE = "of the image"
"""The key of what the model process says of the open image: it goes with it."""
_LONG_WORD = re.compile(r"\S{48,}")
"""A word that may be longer than a message is wide."""
_WIDEST, _GAP, _FOOT = 640, 6, 16


class Message(Struct, frozen=True, eq=False):
    """One sentence for the person, with at most one action."""

    text: str
    level: str = "info"
    """"info" goes by itself once it was in sight for long enough, "error" stays until it is closed."""
    action: str = ""
    run: Callable[[], None] | None = None
    key: str = ""
    """A newer message with the same key replaces this one: a repeated failure is shown once."""
    lasting: bool = False
    """It is about more than the open project, and stays when another is opened."""


class Notifier(QObject):
    """Everything that wants to tell the person something calls this."""

    told = Signal(Message)
    taken_back = Signal(str)
    """The key of messages that hold no longer."""
    project_left = Signal()
    """What was told about a project holds no longer: another is open, or none."""

    def info(
        self,
        text: str,
        *,
        action: str = "",
        run: Callable[[], None] | None = None,
        key: str = "",
        lasting: bool = False,
    ) -> None:
        """Something happened that the person may want to know."""
        _log.info("%s", text)
        self.told.emit(Message(text, "info", action, run, key, lasting))

    def error(
        self,
        text: str,
        *,
        action: str = "",
        run: Callable[[], None] | None = None,
        key: str = "",
        lasting: bool = False,
    ) -> None:
        """Something failed: what, where, what to do."""
        _log.info("shown as an error: %s", text)
        self.told.emit(Message(text, "error", action, run, key, lasting))

    def take_back(self, key: str) -> None:
        """What was told under this key is over."""
        self.taken_back.emit(key)

    def leave_project(self) -> None:
        """Take back all that was told about the project that was open."""
        self.project_left.emit()


def breakable(text: str) -> str:
    """The text with places where its very long words, names of files mostly, may go on in the next line.

    Shorter ones stay as they are, so that they can be selected and pasted elsewhere.
    """
    return _LONG_WORD.sub(lambda word: re.sub(r"([^\W_]{24}|[\W_]+)", "\\1\u200b", word[0]), text)


class Notice(QFrame):
    """One message: its sentence, its action, and a button that closes it."""

    closed = Signal()
    """It was closed, acted on, or in sight for long enough."""

    def __init__(self, message: Message, parent: QWidget) -> None:
        super().__init__(parent)
        self.message = message
        self.setObjectName("card")
        is_error = message.level == "error"
        color = theme.colors().bad if is_error else theme.colors().edge
        self.setStyleSheet(f"QFrame#card {{ border: 1px solid {color}; }}")
        self._text = QLabel(breakable(message.text), self, wordWrap=True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.action_button = QPushButton(message.action, self)
        self.action_button.setVisible(bool(message.action))
        self.action_button.clicked.connect(self._run)
        self._close = close = QToolButton(self)
        close.setText("✕")
        close.setAccessibleName("Close message")
        close.clicked.connect(self.closed)
        for button in (self.action_button, close):
            # a click leaves the keys with the canvas
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._row = row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(8)
        row.addWidget(self._text, 1)
        row.addWidget(self.action_button)
        row.addWidget(close)
        reading = max(INFO_MS, LETTER_MS * len(message.text))
        self._timer = QTimer(self, singleShot=True, interval=reading)
        self._timer.timeout.connect(self._be_over)
        self._met = QPoint()
        """Where the mouse was when this came up: it may have been there by chance."""
        self.hide()

    def appear(self) -> None:
        """Be in sight: from now on the time of a piece of information runs."""
        if not self.isVisible():
            self._met = QCursor.pos()
            self.show()
        if self.message.level != "error" and not self._timer.isActive():
            self._timer.start()

    def _be_over(self) -> None:
        """Whoever has moved the mouse onto it is reading it: its time begins anew."""
        if self.underMouse() and QCursor.pos() != self._met:
            self._timer.start()
        else:
            self.closed.emit()

    def wanted_width(self) -> int:
        """Of the sentence in one line, with all beside it."""
        return self._text.fontMetrics().horizontalAdvance(self._text.text()) + 8 + self._beside()

    def height_for(self, width: int) -> int:
        """Of all of it, wrapped into that width."""
        lines = self._text.heightForWidth(max(width - self._beside(), 40))
        margins = self._row.contentsMargins()
        least = max(button.sizeHint().height() for button in (self._close, self.action_button))
        return max(lines, least) + margins.top() + margins.bottom() + 2

    def _beside(self) -> int:
        return self._row.sizeHint().width() - self._text.sizeHint().width()

    def _run(self) -> None:
        self.closed.emit()
        if self.message.run is not None:
            self.message.run()


class Toast(QWidget):
    """Shows the newest messages at the foot of its parent, the last one lowest."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._host = parent
        self._notices: list[Notice] = []
        self._free = 0
        parent.installEventFilter(self)
        self.hide()

    def follow(self, notifier: Notifier) -> None:
        """Show what is told there."""
        notifier.told.connect(self.show_message)
        notifier.taken_back.connect(self.take_back)
        notifier.project_left.connect(self.leave_project)

    def keep_free(self, height: int) -> None:
        """Stand above so many pixels at the foot, where something else is."""
        self._free = height
        self._place()

    @property
    def text(self) -> str:
        """The newest sentence shown, "" when none is."""
        return "" if self.isHidden() or not self._notices else self._notices[-1].message.text

    @property
    def texts(self) -> list[str]:
        """All sentences in sight, the newest last."""
        return [one.message.text for one in self._notices if not one.isHidden() and not self.isHidden()]

    @property
    def action_button(self) -> QPushButton:
        """The button of the newest message. Raises IndexError where there is no message."""
        return self._notices[-1].action_button

    def show_message(self, message: Message) -> None:
        """Show a message below those that are there; it pushes none away but those of its key."""
        self._drop(lambda old: old.key == message.key != "" or old.text == message.text)
        notice = Notice(message, self)
        notice.closed.connect(lambda: self._drop(lambda one: one is message))
        self._notices.append(notice)
        self._place()

    def take_back(self, key: str) -> None:
        """Drop the message with this key, if there is one."""
        self._drop(lambda message: message.key == key)

    def leave_project(self) -> None:
        """Drop what was told about the project that was open."""
        self._drop(lambda message: not message.lasting)

    def _drop(self, matches: Callable[[Message], bool]) -> None:
        for notice in [one for one in self._notices if matches(one.message)]:
            self._notices.remove(notice)
            if notice.isAncestorOf(QApplication.focusWidget() or self):
                self._host.setFocus()
            notice.hide()
            notice.deleteLater()
        self._place()

    def _place(self) -> None:
        """As wide as their words need and no wider than the parent; as many as there is room for."""
        room = self._host.height() - 2 * _FOOT - self._free
        newest = self._notices[-MOST_SHOWN:]
        widest = max((one.wanted_width() for one in newest), default=0)
        width = max(min(widest, self._host.width() - 24, _WIDEST), 120)
        shown: list[tuple[Notice, int]] = []
        for notice in reversed(newest):
            height = notice.height_for(width)
            if shown and height + _GAP > room:
                break
            shown.insert(0, (notice, height))
            room -= height + _GAP
        for notice in self._notices:
            if notice not in [one for one, _ in shown]:
                notice.hide()
        self._stack(shown, width)

    def _stack(self, shown: list[tuple[Notice, int]], width: int) -> None:
        total = sum(height for _, height in shown) + _GAP * (len(shown) - 1)
        self.setGeometry(
            (self._host.width() - width) // 2,
            self._host.height() - total - _FOOT - self._free,
            width,
            max(total, 0),
        )
        self.setVisible(bool(shown))
        self.raise_()
        y = 0
        for notice, height in shown:
            notice.setGeometry(0, y, width, height)
            notice.appear()
            y += height + _GAP

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay at the parent's foot when it is resized."""
        if event.type() == QEvent.Type.Resize and not self.isHidden():
            self._place()
        return super().eventFilter(watched, event)
