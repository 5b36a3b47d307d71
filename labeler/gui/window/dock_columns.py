"""A column of cards: each is readable or folded, never squeezed into a slit."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget

from labeler.gui.toolkit.cards import Card
from labeler.gui.toolkit.docks import GRIP
from labeler.gui.toolkit.timing import timer
from labeler.gui.window.panels import Panel

LISTED = 180
"""Height that a card is content with which grows with its room, such as a list, in pixels."""
SEPARATOR = 4
_SETTLE_MS = 30
_TRIES = 4
"""So often heights are asked for again: the window may lay out with limits that are past."""


class Column(QObject):
    """Folds cards of a column that is too low for all of them, and unfolds them when there is room.

    The card that a person opened or unfolded last is folded last, and one under the mouse or with the keys
    not before those have gone elsewhere. What a person folded stays folded.
    """

    def __init__(
        self,
        window: QMainWindow,
        area: Qt.DockWidgetArea,
        docks: Mapping[str, QDockWidget],
        panels: Sequence[Panel],
    ) -> None:
        super().__init__(window)
        self._window, self._area = window, area
        order = [panel.title for panel in sorted(panels, key=lambda panel: not panel.folds_last)]
        self._comfort = {panel.title: panel.comfort for panel in panels if panel.comfort is not None}
        self._docks = {name: docks[name] for name in order}
        self._cards = {name: _card_of(dock) for name, dock in self._docks.items()}
        self._touched = list(reversed(order))
        self._folded: list[str] = []
        self._known: dict[str, int] = {}
        self._acts = False
        self._spares = False
        """Whether a card that is in use was left unfolded though there is no room for it."""
        self._tries = 0
        self._later = timer(self, self.fit, milliseconds=_SETTLE_MS)
        for name, dock in self._docks.items():
            dock.toggleViewAction().triggered.connect(lambda on, name=name: self._touch(name) if on else None)
            dock.visibilityChanged.connect(lambda _: self._later.start())
            dock.dockLocationChanged.connect(lambda _: self._later.start())
            self._cards[name].folded.connect(lambda folded, name=name: self._note(name, folded=folded))
            dock.widget().installEventFilter(self)
        if isinstance(program := QApplication.instance(), QApplication):
            program.focusChanged.connect(self._stop_sparing)

    def touch(self, name: str) -> None:
        """A person wants this card now: it is the last that is folded."""
        if name in self._docks:
            self._touch(name)

    def _touch(self, name: str) -> None:
        self._touched.remove(name)
        self._touched.append(name)
        if name in self._folded:
            self._set_folded(name, folded=False)
        self._later.start()

    def _note(self, name: str, *, folded: bool) -> None:
        """A card was folded or unfolded: by a person, unless this column did it."""
        if not self._acts:
            self._folded = [one for one in self._folded if one != name]
            if not folded:
                self._touched.remove(name)
                self._touched.append(name)
        self._later.start()

    def fit(self) -> None:
        """Fold what there is no room for, unfold what there is room for, and share out the heights."""
        there = [name for name, dock in self._docks.items() if self._stands(dock)]
        room = self._room()
        if not there or room <= 0:
            return
        heights = {name: self._height(name) for name in there}
        self._spares = False
        for name in [one for one in self._touched if one in there][:-1]:
            if sum(heights.values()) <= room:
                break
            if self._cards[name].is_folded():
                continue
            if self._in_use(name):
                self._spares = True
            else:
                self._folded.append(name)
                self._set_folded(name, folded=True)
                heights[name] = self._height(name)
        for name in [one for one in reversed(self._touched) if one in there and one in self._folded]:
            wanted = self._known.get(name, LISTED)
            if sum(heights.values()) - heights[name] + wanted <= room:
                self._set_folded(name, folded=False)
                heights[name] = wanted
        self._share_out(heights, room)

    def _share_out(self, heights: dict[str, int], room: int) -> None:
        """Give each its height where one has less; what is over goes to those that grow."""
        docks = {name: self._docks[name] for name in heights}
        if all(dock.height() >= min(heights[name], dock.maximumHeight()) - 2 for name, dock in docks.items()):
            self._tries = 0
            return
        growing = [name for name in heights if not self._cards[name].is_folded() and self._grows(name)]
        over = max(room - sum(heights.values()), 0)
        for name in growing:
            heights[name] += over // len(growing)
        self._window.resizeDocks(list(docks.values()), list(heights.values()), Qt.Orientation.Vertical)
        if self._tries < _TRIES:
            self._tries += 1
            self._later.start()

    def _height(self, name: str) -> int:
        """Of a dock that is readable, or of its name alone where the card is folded."""
        frame, card = self._docks[name].widget(), self._cards[name]
        if card.is_folded():
            return card.sizeHint().height() + GRIP + SEPARATOR
        needed = frame.maximumHeight() if not self._grows(name) else LISTED
        wanted = min(needed, self._comfort.get(name, needed))
        self._known[name] = max(wanted, frame.minimumSizeHint().height(), frame.minimumHeight())
        self._known[name] += GRIP + SEPARATOR
        return self._known[name]

    def _grows(self, name: str) -> bool:
        return bool(getattr(self._docks[name].widget(), "grows", False))

    def _in_use(self, name: str) -> bool:
        card, focus = self._cards[name], self._window.focusWidget()
        return card.underMouse() or (focus is not None and card.isAncestorOf(focus))

    def _stands(self, dock: QDockWidget) -> bool:
        """Whether a dock takes room in this column."""
        there = self._window.dockWidgetArea(dock) == self._area
        alone = not self._window.tabifiedDockWidgets(dock)
        return there and alone and not dock.isHidden() and not dock.isFloating()

    def _room(self) -> int:
        """Height of the column, less what cards that want too much push out at the window's foot."""
        window, central = self._window, self._window.centralWidget()
        if central is None:
            return 0
        foot = window.statusBar().y() if window.statusBar().isVisible() else window.height()
        below = [dock for dock in window.findChildren(QDockWidget) if self._is_below(dock)]
        lowest = max((dock.geometry().bottom() + 1 for dock in below), default=foot)
        return central.height() - max(lowest - foot, 0)

    def _is_below(self, dock: QDockWidget) -> bool:
        at_foot = self._window.dockWidgetArea(dock) == Qt.DockWidgetArea.BottomDockWidgetArea
        return at_foot and dock.isVisible() and not dock.isFloating() and not dock.visibleRegion().isEmpty()

    def _set_folded(self, name: str, *, folded: bool) -> None:
        if not folded:
            self._folded.remove(name)
        self._acts = True
        self._cards[name].set_folded(folded)
        self._acts = False

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A card has more or less to show, or the column has another height."""
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self._later.start()
        elif event.type() == QEvent.Type.Leave:
            self._stop_sparing()
        return super().eventFilter(watched, event)

    def _stop_sparing(self) -> None:
        """Mouse or keys went elsewhere: a card that was squeezed for their sake can be folded now."""
        if self._spares:
            self._later.start()


def _card_of(dock: QDockWidget) -> Card:
    frame: QWidget = dock.widget()
    found = frame if isinstance(frame, Card) else frame.findChild(Card)
    assert isinstance(found, Card), dock.objectName()
    return found
