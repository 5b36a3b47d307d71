"""An export from the window: asked for, written beside the thread that saves, and told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialog, QWidget

from labeler.errors import LabelerError
from labeler.gui.aside import run_aside
from labeler.gui.courier import Courier
from labeler.gui.notify import Notifier
from labeler.gui.session import Session
from labeler.gui.settings import Settings

if TYPE_CHECKING:
    from labeler.training.labels_out import Delivery, Order

KEY = "export"


class Exporter(QObject):
    """Asks what to export and where to, writes it, and says where it is."""

    def __init__(self, window: QWidget, *, session: Session, notifier: Notifier, settings: Settings) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._notifier = notifier
        self._settings = settings
        self._courier = Courier(self)

    def ask(self) -> None:
        """Ask, and write what is saved by then; the choices are remembered."""
        from labeler.gui.dialogs.export import ExportDialog  # noqa: PLC0415 - the window is up sooner without

        dialog = ExportDialog(self._session, self._window, habits=self._settings.export)
        if dialog.exec() != QDialog.DialogCode.Accepted:
            return
        self._settings.export = dialog.habits()
        self._settings.save()
        order = dialog.order()
        self._notifier.info(f"Exporting to {order.out.name}…", key=KEY)
        # the answer comes after all edits so far are in the file, which is then read by a thread of its own
        self._session.ask(lambda store: store.path, lambda project: self._write(project, order))

    def _write(self, project: Path, order: Order) -> None:
        from labeler.training.labels_out import deliver  # noqa: PLC0415 - as above

        # photos are looked at, which may take as long as their disk likes: nobody waits for this thread
        run_aside(
            lambda: deliver(project, order),
            courier=self._courier,
            done=self._tell,
            failed=self._tell_failure,
            name="exporting",
        )

    def _tell_failure(self, error: Exception) -> None:
        if not isinstance(error, LabelerError):
            raise error
        self._notifier.error(f"Nothing was exported: {error}", key=KEY)

    def _tell(self, delivery: Delivery) -> None:
        report, folder = delivery.report, delivery.files[0].parent
        names = ", ".join(path.name for path in delivery.files)
        images, objects = report.tallies["images"], report.tallies["annotations"]
        is_short = bool(report.refused)
        wrote = _told(objects.total - objects.refused, "object") + " on " + _told(images.taken, "image")
        text = f"{names}: {wrote}."
        if is_short:
            text += f" Not written: {_told(objects.refused, 'object')}, {_told(images.refused, 'image')}."
        notes = [note for note in report.items if note.verdict != "skipped"]
        notes.sort(key=lambda note: note.verdict != "refused")
        if notes:
            more = f" (and {len(notes) - 1} more notes)" if len(notes) > 1 else ""
            text += f" {notes[0].place}: {notes[0].sentence}{more}"
        tell = self._notifier.error if is_short else self._notifier.info
        tell(text, action="Show in folder", run=lambda: show_folder(folder), key=KEY)


def show_folder(folder: Path) -> None:
    """Open a folder in the system's file manager."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _told(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
