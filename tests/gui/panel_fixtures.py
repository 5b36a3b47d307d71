"""What the panels' tests share: a shown widget, and clicks on the rows of a list."""

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QTableView, QWidget
from pytestqt.qtbot import QtBot

from labeler.gui.toolkit import theme
from labeler.gui.toolkit.curve_plot import CurvePlot


@pytest.fixture(scope="session")
def _fonts(qapp: QApplication) -> None:
    """The shipped typeface, registered once, as the app does it."""
    theme.load_fonts()


@pytest.fixture(autouse=True)
def _dark(qapp: QApplication, _fonts: None) -> Iterator[None]:
    """The look of the app, so that sizes and hit areas are those a person meets."""
    theme.apply(qapp, "dark")
    yield
    qapp.setStyleSheet("")


@pytest.fixture
def shown(qtbot: QtBot) -> Iterator[Callable[..., QWidget]]:
    """`shown(widget, width=300, height=500)`: the widget, on screen inside a plain window."""
    # held until pytest-qt has closed them: a window that the garbage collector finds while it is painted
    # takes the process with it
    windows = []

    def show(widget: QWidget, width: int = 300, height: int = 500) -> QWidget:
        window = QWidget()
        windows.append(window)
        widget.setParent(window)
        widget.setGeometry(0, 0, width, height)
        window.resize(width, height)
        qtbot.addWidget(window)
        widget.show()
        window.show()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        if isinstance(widget, CurvePlot):
            qtbot.waitUntil(lambda: widget.is_drawn, timeout=20_000)
        return widget

    yield show
    windows.clear()


@pytest.fixture
def click_row(qtbot: QtBot) -> Callable[..., None]:
    """`click_row(view, row, x=60)`: a left click on that row, `x` pixels from its left."""

    def click(view: QTableView, row: int, x: int = 60, double: bool = False) -> None:
        rect = view.visualRect(view.model().index(row, 0))
        spot = QPoint(rect.left() + x if x >= 0 else rect.right() + x, rect.center().y())
        press = qtbot.mouseDClick if double else qtbot.mouseClick
        press(view.viewport(), Qt.MouseButton.LeftButton, pos=spot)

    return click
