"""Panels as docks: cards with a thin grip to move them by, remembered between sessions."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from PySide6.QtCore import QEvent, QObject, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QAction, QColor, QContextMenuEvent, QEnterEvent, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QFrame,
    QMainWindow,
    QMenu,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from labeler.gui.toolkit import theme

P = TypeVar("P", bound=QWidget)

COLUMN = 304
"""Width of the right column at first, in pixels."""
ENOUGH = 200
"""Height that a panel with much to show is content with, in pixels."""
SCROLLED = 96
"""The same for a panel that scrolls: its name and a row or two can be seen."""
GRIP = 8
"""Height of what a dock is moved by, in pixels."""
HEARD_MS = 50
"""After this a column of docks has taken up what it was asked for."""
QWIDGETSIZE_MAX = 16_777_215
"""Qt's word for no bound."""
NARROWEST = 236
"""Of a panel: a name and its numbers stand side by side, and two columns leave room for a canvas."""


class _Grip(QWidget):
    """What a dock is moved by: empty until the mouse is over it."""

    def __init__(self, dock: QDockWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self.setFixedHeight(GRIP)
        self.setCursor(Qt.CursorShape.SizeAllCursor)
        self.setToolTip(f"Drag to move {dock.windowTitle()}")

    def sizeHint(self) -> QSize:
        """As wide as the dock."""
        return QSize(64, GRIP)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """A short line under the mouse."""
        if not self.underMouse():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.colors().quiet))
        painter.drawRoundedRect(QRectF(self.width() / 2 - 16, 2.5, 32, 3), 1.5, 1.5)
        painter.end()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Show the line."""
        self.update()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Hide the line."""
        self.update()
        super().leaveEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Close, or let it float."""
        menu = QMenu(self)
        menu.addAction("Close", self._dock.toggleViewAction().trigger)
        menu.addAction("Float", lambda: self._dock.setFloating(not self._dock.isFloating()))
        menu.exec(event.globalPos())


class _Frame(QWidget):
    """Holds a panel in its dock; one that does not grow takes the height it needs, where there is room."""

    def __init__(self, panel: QWidget, margins: tuple[int, int, int, int], *, grows: bool) -> None:
        super().__init__()
        self.grows = grows
        self._panel = panel
        column = QVBoxLayout(self)
        column.setContentsMargins(*margins)
        column.setSpacing(0)
        column.addWidget(panel)
        self.setMinimumWidth(NARROWEST)

    def event(self, event: QEvent) -> bool:
        """What the panel shows has changed: so may its height."""
        handled = super().event(event)
        if event.type() not in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            return handled
        is_folded = self._panel.sizePolicy().verticalPolicy() == QSizePolicy.Policy.Maximum
        if self.grows and not is_folded:
            self.setMaximumHeight(QWIDGETSIZE_MAX)
            self.setMinimumHeight(0)
        else:
            # words that wrap need more height in a narrower column
            column = self.layout()
            height = self.sizeHint().height()
            if column is not None and column.hasHeightForWidth():
                height = column.totalHeightForWidth(self.width())
            self.setMaximumHeight(height)
            # the window's layout gives a dock more room only when it must
            self.setMinimumHeight(min(height, ENOUGH))
        return handled


class _ScrollFrame(QWidget):
    """Holds a panel that takes the height it needs and scrolls where the column is too low for all."""

    grows = False

    def __init__(self, panel: QWidget, margins: tuple[int, int, int, int]) -> None:
        super().__init__()
        self._panel = panel
        self._needed = 0
        scroll = QScrollArea(widgetResizable=True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # a click on a button must not take Tab off the canvas
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(panel)
        scroll.viewport().setAutoFillBackground(False)
        panel.setAutoFillBackground(False)
        panel.setMinimumWidth(1)  # rather a little narrow than cut off by the scroll bar
        column = QVBoxLayout(self)
        column.setContentsMargins(*margins)
        column.addWidget(scroll)
        self.setMinimumWidth(NARROWEST)
        panel.installEventFilter(self)

    def _fit(self) -> None:
        margins = self.contentsMargins() if (column := self.layout()) is None else column.contentsMargins()
        width = self.width() - margins.left() - margins.right()
        inside = self._panel
        needed = inside.heightForWidth(width) if inside.hasHeightForWidth() else inside.sizeHint().height()
        height = needed + margins.top() + margins.bottom()
        self.setMinimumHeight(min(height, SCROLLED))
        self.setMaximumHeight(height)
        inside.setMinimumHeight(needed)  # it scrolls rather than squeezes
        self.updateGeometry()
        grew, self._needed = height > self._needed, height
        if grew and self.isVisible():
            QTimer.singleShot(0, self, self._grow)

    def _grow(self) -> None:
        """Take the height that is needed now: the column of docks gives it only to one that asks."""
        dock = self.parentWidget()
        window = dock.parentWidget() if dock is not None else None
        if not isinstance(dock, QDockWidget) or not isinstance(window, QMainWindow) or dock.isFloating():
            return
        for one in (dock, window):  # which may not know of the new limits yet
            if (layout := one.layout()) is not None:
                layout.activate()
        if self.height() < self.maximumHeight():
            window.resizeDocks([dock], [self.maximumHeight() + GRIP], Qt.Orientation.Vertical)
            QTimer.singleShot(HEARD_MS, self, self._insist)

    def _insist(self) -> None:
        """Take the free room below by a least height of a moment: the last dock of a column is not heard."""
        dock = self.parentWidget()
        window = dock.parentWidget() if dock is not None else None
        central = window.centralWidget() if isinstance(window, QMainWindow) else None
        if not isinstance(dock, QDockWidget) or central is None or dock.isFloating():
            return
        free = central.geometry().bottom() - dock.geometry().bottom()
        if 0 < self.maximumHeight() - self.height() <= free:
            self.setMinimumHeight(self.maximumHeight())
            QTimer.singleShot(HEARD_MS, self, self._fit)  # its least height is what it was again

    def sizeHint(self) -> QSize:
        """All of the panel."""
        return QSize(COLUMN, self.maximumHeight())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """What the panel shows has changed: so may its height."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return super().eventFilter(watched, event)

    def event(self, event: QEvent) -> bool:
        """Words that wrap need more height in a narrower column."""
        handled = super().event(event)
        if event.type() == QEvent.Type.Show:
            self._needed = 0  # what it came to need while it was hidden was never asked for
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self._fit()
        return handled


class LatePanel(QWidget, Generic[P]):
    """Stands for a panel that is made when it is first seen, so that a start need not pay for it."""

    def __init__(self, make: Callable[[], P], *, height: int, least: int) -> None:
        super().__init__()
        self._height = height
        self.setMinimumHeight(least)
        self._make = make
        self._panel: P | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)

    def panel(self) -> P:
        """The panel itself, made by now."""
        if self._panel is None:
            self._panel = self._make()
            self._column.addWidget(self._panel)
        return self._panel

    def sizeHint(self) -> QSize:
        """The height that it opens with."""
        return QSize(super().sizeHint().width(), self._height)

    def showEvent(self, event: QShowEvent) -> None:
        """It is seen."""
        super().showEvent(event)
        self.panel()


def add_dock(
    window: QMainWindow,
    name: str,
    panel: QWidget,
    area: Qt.DockWidgetArea,
    *,
    margins: tuple[int, int, int, int],
    grows: bool,
) -> QDockWidget:
    """Put a panel into a dock of the window; `name` is its title and what its place is remembered by."""
    dock = QDockWidget(name, window)
    dock.setObjectName(f"dock-{name.lower()}")
    scrolls = not grows and area is Qt.DockWidgetArea.LeftDockWidgetArea
    dock.setWidget(_ScrollFrame(panel, margins) if scrolls else _Frame(panel, margins, grows=grows))
    dock.setTitleBarWidget(_Grip(dock))
    window.addDockWidget(area, dock)
    return dock


def dock_actions(docks: Mapping[str, QDockWidget]) -> list[QAction]:
    """The entries of the View menu that show and hide the panels, with Alt and a digit as keys."""
    actions = []
    for place, dock in enumerate(docks.values(), start=1):
        action = dock.toggleViewAction()
        if place < 10:
            action.setShortcut(f"Alt+{place}")
        actions.append(action)
    return actions
