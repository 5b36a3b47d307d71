"""Opens projects, and offers what can be done where one is not opened."""

import socket
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QDialog, QWidget

from labeler.errors import CannotWriteError, LabelerError, ProjectLockedError
from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import Notifier
from labeler.project.keeping import known, snapshots
from labeler.project.keeping.known import LostSavesError
from labeler.project.keeping.lock import holder
from labeler.project.photos.folder import locate


class ProjectOpener(QObject):
    """The door to a project: a folder, an image or a project file."""

    def __init__(self, session: Session, notifier: Notifier, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._notifier, self._window = session, notifier, window
        self.last_opened = Path()
        """What a person asked for last."""
        session.refused.connect(self.show_refusal)

    def open(self, path: Path, *, read_only: bool = False) -> None:
        """Open a folder, image or project; why it cannot be, is told with what can be done."""
        self.last_opened = path
        self._session.open(path, read_only=read_only)

    def show_refusal(self, error: Exception) -> None:
        """Say why a project was not opened, and offer what can be done about it."""
        if isinstance(error, ProjectLockedError):
            self.offer_locked(error)
        elif isinstance(error, CannotWriteError):
            look = partial(self._session.open, self.last_opened, read_only=True)
            self._notifier.error(str(error), action="Open read-only", run=look, key="open")
        elif isinstance(error, snapshots.DamagedProjectError) and error.snapshot is not None:
            restore = partial(self.restore_snapshot, error.path, error.snapshot)
            self._notifier.error(str(error), action="Restore the snapshot", run=restore, key="open")
        elif isinstance(error, LostSavesError):
            go_on = partial(self.go_on_without, error.path)
            self._notifier.error(str(error), action="Go on without them", run=go_on, key="open")
        else:
            self._notifier.error(str(error), key="open")

    def offer_locked(self, error: ProjectLockedError) -> None:
        """Say who has the project; offer to look on, or, where it is another computer, to take it over."""
        path, there = self.last_opened, holder(locate(self.last_opened).project)
        if there is None or there.host == socket.gethostname():
            self._notifier.error(
                str(error),
                action="Open read-only",
                run=lambda: self._session.open(path, read_only=True),
                key="open",
            )
            return

        def choose() -> None:
            from labeler.gui.window.dialogs.locked_dialog import LockedDialog  # noqa: PLC0415

            dialog = LockedDialog(str(error), there, self._window)
            if dialog.exec() == QDialog.DialogCode.Accepted:
                taken = dialog.take_over
                self._session.open(path, read_only=not taken, take_over=taken)

        self._notifier.error(str(error), action="Choose…", run=choose, key="open")

    def restore_snapshot(self, project: Path, snapshot: Path) -> None:
        """Put the damaged file aside and open its newest good snapshot in its place."""
        if self._session.project == project:
            self._session.close()
        try:
            aside = snapshots.restore(project, snapshot)
        except LabelerError as error:
            again = partial(self.restore_snapshot, project, snapshot)
            self._notifier.error(str(error), action="Restore the snapshot", run=again, key="open")
            return
        self._notifier.info(f"The damaged file was kept as {aside.name}.", key="restore", lasting=True)
        self.open(project)

    def go_on_without(self, project: Path) -> None:
        """Open a project as it is, without the saves that it has lost; its write-ahead log is kept."""
        aside = known.go_on_without(project)
        if aside is not None:
            self._notifier.info(f"Its write-ahead log was kept as {aside.name}.", key="restore")
        self.open(project)
