"""The panels of the table in their docks, shown and hidden as the person had them."""

from typing import TypeVar

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QWidget

from labeler.gui.toolkit.docks import COLUMN, LatePanel, add_dock
from labeler.gui.window.dock_columns import Column
from labeler.gui.window.panels import PANELS, Panel
from labeler.gui.window.workbench import Workbench

P = TypeVar("P", bound=QWidget)

STRIP_FROM = 620
"""Window height below which the film strip hides, so that nothing is cut off."""
STRIP_OVER_BENCH = 820
"""The same while a wide panel is open: that one is worked with, and the photo is needed less high."""
BENCH_HEIGHT = 348
"""Of the wide panels at first, in pixels, where the window is high enough."""
BENCH_SHARE = 0.38
"""Of the window's height that they take at most by themselves, so that the image stays the main thing."""
BENCH_LEAST = 296
"""From here on nothing of them is cut."""

_AREAS = {
    "right": (Qt.DockWidgetArea.RightDockWidgetArea, (4, 0, 8, 0)),
    "left": (Qt.DockWidgetArea.LeftDockWidgetArea, (8, 0, 4, 0)),
    "bench": (Qt.DockWidgetArea.BottomDockWidgetArea, (8, 0, 8, 4)),
    "strip": (Qt.DockWidgetArea.BottomDockWidgetArea, (8, 0, 8, 4)),
}
"""Where a panel's dock is, and its margins."""


class PanelDocks(QObject):
    """One dock for each entry of the table. `docks[ImagesPanel]` is the panel of that kind."""

    def __init__(self, window: QMainWindow, bench: Workbench) -> None:
        super().__init__(window)
        self._window, self._session, self._settings = window, bench.session, bench.settings
        self._table = {panel.title: panel for panel in PANELS}
        bottom = Qt.DockWidgetArea.BottomDockWidgetArea
        window.setCorner(Qt.Corner.BottomRightCorner, bottom)
        window.setCorner(Qt.Corner.BottomLeftCorner, bottom)
        window.setTabPosition(bottom, QTabWidget.TabPosition.North)  # where one looks first
        self._made: dict[type[QWidget], QWidget | LatePanel[QWidget]] = {}
        self.docks = {panel.title: self._add(panel, bench) for panel in PANELS}
        """By title, in the order of the table."""
        self._strips, self._bench = self._titles("strip"), self._titles("bench")
        self._lay_bottom()
        for title, dock in self.docks.items():
            dock.toggleViewAction().triggered.connect(
                lambda shown, title=title: self._remember(title, shown=shown)
            )
        self._columns = tuple(
            Column(window, area, self.docks, [self._table[title] for title in self._titles(side)])
            for side, area in (("right", _AREAS["right"][0]), ("left", _AREAS["left"][0]))
        )
        self._widen(self._titles("right")[0])
        bench.shows.connect(self.open)
        bench.toggles.connect(self.toggle)

    def __getitem__(self, kind: type[P]) -> P:
        """The panel of this kind, which is made by now. Raises KeyError where the table has none."""
        made = self._made[kind]
        panel = made.panel() if isinstance(made, LatePanel) else made
        assert isinstance(panel, kind)
        return panel

    # --- building ---------------------------------------------------------------------------------

    def _titles(self, area: str) -> list[str]:
        return [panel.title for panel in PANELS if panel.area == area]

    def _add(self, panel: Panel, bench: Workbench) -> QDockWidget:
        made: QWidget | LatePanel[QWidget]
        if panel.late:
            made = LatePanel(lambda: panel.make(bench), height=BENCH_HEIGHT, least=BENCH_LEAST)
        else:
            made = panel.make(bench)
        self._made[panel.kind] = made
        area, margins = _AREAS[panel.area]
        return add_dock(self._window, panel.title, made, area, margins=margins, grows=not panel.hugs)

    def _lay_bottom(self) -> None:
        """The wide panels stand over the film strip, as tabs of one place."""
        first, *others = (self.docks[title] for title in self._bench)
        for title in self._strips:
            self._window.splitDockWidget(first, self.docks[title], Qt.Orientation.Vertical)
        for other in others:
            self._window.tabifyDockWidget(first, other)

    # --- showing ----------------------------------------------------------------------------------

    def closed(self) -> list[str]:
        """The titles of the panels that are not shown; one that a person has not met is as in the table."""
        settings = self._settings
        kept = settings.closed_docks
        if kept is None:
            return [panel.title for panel in PANELS if panel.closed]
        met = settings.known_docks or list(self._table)
        return [one.title for one in PANELS if (one.title in kept if one.title in met else one.closed)]

    def show(self) -> None:
        """Show the docks that were open, where a project is; none without one."""
        is_open, closed = self._session.project is not None, self.closed()
        for title, dock in self.docks.items():
            dock.setVisible(is_open and title not in closed)
            dock.toggleViewAction().setEnabled(is_open)  # with nothing open a panel has nothing to show
        self.fit()

    def open(self, title: str) -> None:
        """Show a panel, and remember that it is open."""
        dock = self.docks[title]
        if dock.isHidden() and self._session.project is not None:
            dock.toggleViewAction().trigger()
        for column in self._columns:
            column.touch(title)
        if title in self._bench:
            dock.raise_()

    def toggle(self, title: str) -> None:
        """Show a panel, or close the one that is in sight already."""
        dock = self.docks[title]
        if self._session.project is None:
            return
        if not dock.isHidden() and not dock.visibleRegion().isEmpty():
            dock.toggleViewAction().trigger()
        else:
            self.open(title)

    def fit(self) -> None:
        """The film strip is the first to go when the window is low."""
        is_open, closed = self._session.project is not None, self.closed()
        over_bench = any(not self.docks[title].isHidden() for title in self._bench)
        needed = STRIP_OVER_BENCH if over_bench else STRIP_FROM
        for title in self._strips:
            wanted = is_open and title not in closed
            self.docks[title].setVisible(wanted and self._window.height() >= needed)

    def _widen(self, title: str) -> None:
        """Give a column its width when its first dock opens; the layout would make it narrow."""
        self._window.resizeDocks([self.docks[title]], [COLUMN], Qt.Orientation.Horizontal)

    def _raise_bench(self, title: str) -> None:
        """Give a wide panel its height, once the layout has given it a place."""
        height = min(BENCH_HEIGHT, round(BENCH_SHARE * self._window.height()))
        self._window.resizeDocks([self.docks[title]], [height], Qt.Orientation.Vertical)

    def _remember(self, title: str, *, shown: bool) -> None:
        beside = self._window.dockWidgetArea(self.docks[title])
        others = [dock for key, dock in self.docks.items() if key != title and not dock.isHidden()]
        if shown and not any(self._window.dockWidgetArea(dock) == beside for dock in others):
            self._widen(title)
        if shown and title in self._bench and not any(self.docks[one] in others for one in self._bench):
            QTimer.singleShot(0, self, lambda: self._raise_bench(title))
        closed = [other for other in self.closed() if other != title]
        self._settings.closed_docks = closed if shown else [*closed, title]
        self._settings.known_docks = list(self._table)
        self._settings.save()
        if title in self._bench:
            self.fit()
