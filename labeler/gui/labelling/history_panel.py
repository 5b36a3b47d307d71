"""The journal: what was done, newest first, and the way back to any point of it."""

import time
from datetime import datetime

from PySide6.QtCore import QModelIndex, QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import Card, EmptyState
from labeler.gui.toolkit.rows import Index, Mark, Row, RowsModel, RowsView
from labeler.gui.toolkit.status_words import name_of
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import ago, counted
from labeler.project.journal import JournalEntry

PAGE = 200
_BEGINNING = 0


class HistoryModel(RowsModel):
    """Journal entries, newest first, and the beginning; more are fetched as one scrolls down."""

    wanted = Signal()
    """More entries, up to `limit`, which was raised."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self.entries: dict[int, JournalEntry] = {}
        self.present = _BEGINNING
        """The last edit that is done."""
        self.limit = PAGE
        self.complete = True

    def show_entries(self, entries: list[JournalEntry]) -> None:
        """Show these, newest first."""
        self.entries = {entry.id: entry for entry in entries}
        self.present = next((entry.id for entry in entries if entry.state == "done"), _BEGINNING)
        self.complete = len(entries) < self.limit
        beginning = [_BEGINNING] if entries and self.complete else []
        self.set_ids([*self.entries, *beginning])

    def canFetchMore(self, parent: Index) -> bool:
        """Whether the journal may go on below."""
        return not parent.isValid() and not self.complete

    def fetchMore(self, parent: Index) -> None:
        """Ask for the next page."""
        del parent
        # until the answer is here, do not ask again
        self.complete = True
        self.limit += PAGE
        self.wanted.emit()

    def row(self, item_id: int) -> Row:
        """The row of an entry."""
        present = item_id == self.present
        mark: Mark = "dot" if present else "ring"
        entry = self.entries.get(item_id)
        if entry is None:
            return Row(
                "Beginning",
                mark=mark,
                mark_color=_mark_color(present),
                tooltip="Before the first edit",
            )
        when = datetime.fromtimestamp(entry.time).astimezone()
        words = {
            "done": "Click to go back to right after this",
            "undone": "Undone. Click to do it again, with all up to here",
            "abandoned": "Undone, and other edits were made instead",
        }
        return Row(
            entry.label,
            quiet="" if self._where(entry) in entry.label else self._where(entry),
            right=ago(time.time() - entry.time),
            mark="point" if entry.state == "done" and not present else mark,
            mark_color=_mark_color(present),
            dimmed=entry.state != "done",
            strong=present,
            tooltip=f"{entry.label}\n{self._where(entry)}\n{when:%d %B %Y %H:%M:%S}\n{words[entry.state]}",
        )

    def _where(self, entry: JournalEntry) -> str:
        image = self._session.document.find_image(entry.image_id) if entry.image_id is not None else None
        if image is not None:
            return name_of(image)
        return counted(entry.images, "image") if entry.images else ""


class HistoryPanel(Card):
    """The journal of the project, or of the open image."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("History", parent)
        self._session = session
        self._asked = 0
        self._model = HistoryModel(session, self)
        self._model.wanted.connect(self.load)
        self.view = RowsView("History", self, most_rows=5)
        self.view.setModel(self._model)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._empty = EmptyState("Nothing done yet. Every edit is kept here, across restarts.")
        self.only_image = QToolButton(self)
        self.only_image.setText("This image")
        self.only_image.setCheckable(True)
        self.only_image.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.only_image.setToolTip(
            "Only what was done to the open image; a click then restores this image alone"
        )
        self.header.addWidget(self.only_image)
        self.body.addWidget(self._empty)
        self.body.addWidget(self.view, 1)
        self._load_later: QTimer = timer(self, self.load, milliseconds=30)
        self._clock = QTimer(self, interval=30_000)
        self._clock.timeout.connect(self.view.viewport().update)
        self._clock.start()
        self.view.clicked.connect(self._go)
        self.view.activated.connect(self._go)
        self.view.customContextMenuRequested.connect(self._show_menu)
        self.only_image.toggled.connect(self._start_over)
        session.project_changed.connect(self._leave)
        session.history.changed.connect(self._load_later.start)
        session.place.image_changed.connect(self._on_image)
        self._start_over()

    def load(self) -> None:
        """Read the newest entries; they are shown when they are here."""
        self._asked += 1
        turn = self._asked
        if self._session.project is None:
            self._show(turn, [])
        elif self.isVisible():
            self._session.history.journal(
                lambda entries: self._show(turn, entries), limit=self._model.limit, image_id=self._image_id()
            )

    def menu(self, edit_id: int) -> QMenu:
        """What can be done with a point of the history."""
        made = QMenu(self)
        entry = self._model.entries.get(edit_id)
        back = made.addAction("Go to this point", lambda: self._session.history.go_back_to(edit_id))
        back.setEnabled(edit_id != self._model.present and (entry is None or entry.state != "abandoned"))
        image = self._session.place.image
        if entry is not None and image is not None:
            text = f"Restore {name_of(image)} as of here".replace("&", "&&")
            made.addAction(text, lambda: self._session.history.restore_image(edit_id))
        return made

    def _image_id(self) -> int | None:
        image = self._session.place.image
        return image.id if self.only_image.isChecked() and image is not None else None

    def _show(self, turn: int, entries: list[JournalEntry]) -> None:
        if turn != self._asked:
            return
        self._model.show_entries(entries)
        self._empty.setVisible(not entries)
        self.view.setVisible(bool(entries))

    def _leave(self) -> None:
        """Another project is open: a point of the other's history leads nowhere in this one."""
        self._asked += 1
        self._show(self._asked, [])
        self._start_over()

    def _start_over(self) -> None:
        self._model.limit = PAGE
        self._load_later.start()

    def _on_image(self) -> None:
        if self.only_image.isChecked():
            self._start_over()

    def _go(self, index: QModelIndex) -> None:
        if not index.isValid():
            return
        edit_id = self._model.ids[index.row()]
        entry = self._model.entries.get(edit_id)
        if entry is not None and (self.only_image.isChecked() or entry.state == "abandoned"):
            # going there as a whole would take back what was done to other images
            if self.only_image.isChecked():
                self._session.history.restore_image(edit_id)
        elif edit_id != self._model.present:
            self._session.history.go_back_to(edit_id)

    def _show_menu(self, at: QPoint) -> None:
        index = self.view.indexAt(at)
        index = index if index.isValid() else self.view.currentIndex()
        if index.isValid():
            menu = self.menu(self._model.ids[index.row()])
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.view.viewport().mapToGlobal(at))

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while it was hidden."""
        super().showEvent(event)
        self._load_later.start()


def _mark_color(present: bool) -> str:
    return theme.colors().accent if present else theme.colors().quiet
