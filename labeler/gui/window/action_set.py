"""The actions of the table as Qt has them: with their keys, enabled and ticked as things are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu

from labeler.gui.canvas.key_acts import SIGNS
from labeler.gui.toolkit import theme
from labeler.gui.window.action_kinds import Action, Line, Submenu
from labeler.gui.window.actions import ACTIONS, MENUS, TOOL_ACTIONS

if TYPE_CHECKING:
    from labeler.gui.window.main_window import MainWindow


class ActionSet(QObject):
    """One QAction for each entry of the table; each acts on the window that it was made for."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._table = {action.id: action for action in (*TOOL_ACTIONS, *ACTIONS)}
        self.by_id: dict[str, QAction] = {action.id: self._make(action) for action in self._table.values()}
        window.frame.addActions(list(self.by_id.values()))
        self.show_icons()
        signs = {key: self.by_id[action.id] for action in ACTIONS for key in action.keys if key in SIGNS}
        session, canvas, bench = window.session, window.canvas, window.bench
        canvas.keys.sign_typed.connect(lambda sign: signs[sign].trigger())
        for signal in (
            session.project_changed,
            session.history.changed,
            session.document.images_changed,
            session.place.image_changed,
            session.document.changed,
            session.focus.selection_changed,
            session.veil.changed,
            canvas.progress.changed,
            canvas.hand.changed,
            canvas.hand.stayed,
            canvas.options_changed,
            bench.predictions.selection_changed,
            bench.queue.changed,
            bench.learner.changed,
            bench.upkeep.switched,
        ):
            signal.connect(self.show)
        self.show()

    def __getitem__(self, action_id: str) -> QAction:
        """The action of that id. Raises KeyError for an unknown one."""
        return self.by_id[action_id]

    def _make(self, action: Action) -> QAction:
        made = QAction(action.title, self)
        made.setObjectName(action.id)
        made.setCheckable(action.switch is not None)
        made.setAutoRepeat(action.repeats)
        made.setShortcuts([QKeySequence(key) for key in action.keys])
        if action.keys:
            shown = made.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            made.setToolTip(f"{action.title} ({shown})")
        made.triggered.connect(lambda on: self._act(action, on))
        return made

    def _act(self, action: Action, on: bool) -> None:
        """What would change something under the hand waits for the mouse button."""
        window = self._window
        if not action.while_dragging and window.keys.holds_back():
            self.show()  # it may have ticked itself
        elif action.switch is not None:
            action.switch(window, on)
        elif action.do is not None:
            action.do(window)

    def show(self) -> None:
        """Enable and tick each as things are."""
        for action_id, action in self._table.items():
            made = self.by_id[action_id]
            made.setEnabled(action.enabled(self._window))
            if action.ticked is not None:
                made.setChecked(action.ticked(self._window))

    def show_icons(self) -> None:
        """Draw the icons in the colours of the theme."""
        for action_id, action in self._table.items():
            if action.icon:
                self.by_id[action_id].setIcon(theme.icon(action.icon))

    def put(self, menu: QMenu, entries: Sequence[str | Line | Submenu]) -> None:
        """Put actions, by their ids, lines and further menus into a menu."""
        for entry in entries:
            if isinstance(entry, Line):
                menu.addSeparator()
            elif isinstance(entry, Submenu):
                self._fill(menu.addMenu(entry.title), entry.entries)
            else:
                menu.addAction(self.by_id[entry])

    def fill(self, menus: Mapping[str, QMenu]) -> None:
        """Put the entries of the table into the menus of these names."""
        for name, entries in MENUS.items():
            self._fill(menus[name], entries)

    def _fill(self, menu: QMenu, entries: Sequence[Action | Line]) -> None:
        for entry in entries:
            if isinstance(entry, Action):
                menu.addAction(self.by_id[entry.id])
            else:
                menu.addSeparator()
