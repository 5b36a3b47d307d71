"""Where the window stands: on its screen with all of it, its frame included."""

from PySide6.QtCore import QByteArray, QPoint, QRect, QSize
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMainWindow

WANTED = QSize(1440, 900)
"""Of the window at first, where the screen has room for it."""
FRAME = QSize(2, 30)
"""What a window manager adds to a window, as long as it has not said so itself."""


def within(wanted: QRect, available: QRect) -> QRect:
    """The rectangle moved, and made smaller where it must be, so that the available one holds it."""
    size = wanted.size().boundedTo(available.size())
    x = min(max(wanted.x(), available.x()), available.x() + available.width() - size.width())
    y = min(max(wanted.y(), available.y()), available.y() + available.height() - size.height())
    return QRect(x, y, size.width(), size.height())


def room_for(window: QMainWindow) -> QRect:
    """The part of the window's screen that it may cover; off-screen, as much as it has and wants."""
    if QGuiApplication.platformName() == "offscreen":
        return window.frameGeometry().united(QRect(QPoint(), WANTED + FRAME))
    return window.screen().availableGeometry()


def place_first(window: QMainWindow, remembered: str, available: QRect) -> None:
    """Give the window the place it had, or else one in the middle of what is available."""
    if remembered and window.restoreGeometry(QByteArray.fromBase64(remembered.encode())):
        keep_on_screen(window, available)
        return
    size = WANTED.boundedTo(available.size() - FRAME)
    window.resize(size)
    free = available.size() - FRAME - size
    window.move(available.x() + free.width() // 2, available.y() + free.height() // 2)


def keep_on_screen(window: QMainWindow, available: QRect) -> None:
    """Bring the window back onto its screen with its whole frame; a maximised one is so already."""
    if window.isMaximized() or window.isFullScreen():
        return
    frame, inner = window.frameGeometry(), window.geometry()
    added = frame.size() - inner.size()
    if added.isNull():
        # not shown yet, or a platform without frames
        added = QSize() if window.isVisible() else FRAME
    added = added.expandedTo(QSize(0, 0))
    place = within(QRect(frame.topLeft(), inner.size() + added), available)
    if place.size() - added != inner.size():
        window.resize(place.size() - added)
    if place.topLeft() != frame.topLeft():
        window.move(place.topLeft())
