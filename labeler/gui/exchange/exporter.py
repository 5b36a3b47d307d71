"""An export from the window: asked for, written beside the thread that saves, and told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialog, QWidget

from labeler.errors import ExportStoppedError, LabelerError
from labeler.gui.session.session import Session
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.courier import Courier
from labeler.gui.toolkit.notify import Notifier
from labeler.gui.toolkit.settings import Settings
from labeler.gui.toolkit.words import counted

if TYPE_CHECKING:
    from labeler.formats.report import FieldNote, Report
    from labeler.training.labels_out import Delivery, Order

KEY = "export"
_NAMED = 3
"""Files that a message names; more are counted."""


class Exporter(QObject):
    """Asks what to export and where to, writes it, and says where it is."""

    def __init__(self, window: QWidget, *, session: Session, notifier: Notifier, settings: Settings) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._notifier = notifier
        self._settings = settings
        self._courier = Courier(self)
        self._stop = threading.Event()
        self.delivered: tuple[Path, ...] = ()
        """The files of the last export."""

    def ask(self) -> None:
        """Ask, and write what is saved by then; the choices are remembered."""
        from labeler.gui.exchange.export_dialog import ExportDialog  # noqa: PLC0415 - the window is up sooner without

        dialog = ExportDialog(self._session, self._window, habits=self._settings.export)
        if dialog.exec() != QDialog.DialogCode.Accepted:
            return
        self._settings.export = dialog.habits()
        self._settings.save()
        order = dialog.order()
        self._stop = threading.Event()
        self._notifier.info(f"Exporting to {order.out.name}…", action="Cancel", run=self._stop.set, key=KEY)
        # the answer comes after all edits so far are in the file, which is then read by a thread of its own;
        # also where another project is open by then
        self._session.ask(
            lambda store: store.path, lambda project: self._write(project, order), even_if_left=True
        )

    def _write(self, project: Path, order: Order) -> None:
        from labeler.training.labels_out import deliver  # noqa: PLC0415 - as above

        stop = self._stop
        # photos are looked at, which may take as long as their disk likes: nobody waits for this thread
        run_aside(
            lambda: deliver(project, order, should_stop=stop.is_set),
            courier=self._courier,
            done=self._tell,
            failed=lambda error: self._tell_failure(error, project, order),
            name="exporting",
        )

    def _tell_failure(self, error: Exception, project: Path, order: Order) -> None:
        from labeler.training.labels_out import ThereAlreadyError, said_there  # noqa: PLC0415 - as above

        if not isinstance(error, LabelerError):
            raise error
        if isinstance(error, ExportStoppedError):
            self._notifier.info(str(error), key=KEY)
            return
        if not isinstance(error, ThereAlreadyError):
            self._notifier.error(f"Nothing was exported: {error}", key=KEY)
            return
        # they came since the dialog asked
        agreed = replace(order, over=(order.over or frozenset()) | set(error.paths))
        self._notifier.error(
            f"Nothing was exported: {said_there(error.paths)}.",
            action="Replace",
            run=lambda: self._write(project, agreed),
            key=KEY,
        )

    def _tell(self, delivery: Delivery) -> None:
        self.delivered = delivery.files
        report, folder = delivery.report, delivery.files[0].parent
        names = ", ".join(path.name for path in delivery.files)
        images, objects = report.tallies["images"], report.tallies["annotations"]
        is_short = bool(report.refused)
        wrote = counted(objects.total - objects.refused, "object") + " on " + counted(images.taken, "image")
        text = f"{names}: {wrote}."
        if len(delivery.files) > _NAMED:
            text = f"{len(delivery.files)} files in {folder.name}: {wrote}."
        if is_short:
            text += f" Not written: {counted(objects.refused, 'object')}, {counted(images.refused, 'image')}."
        tell = self._notifier.error if is_short else self._notifier.info
        if not (groups := report.groups()):
            tell(text, action="Show in folder", run=lambda: show_folder(folder), key=KEY)
            return
        first, count = groups[0].first, groups[0].count
        of = f"{delivery.where(first)}: " if count == 1 else f"{count:,} {first.kind}: "
        more = f" (and {counted(len(groups) - 1, 'other thing')} to know)" if len(groups) > 1 else ""
        text += f" {of if first.index is not None else ''}{first.sentence}{more}"
        tell(text, action="Reasons…", run=lambda: self.show(report, delivery.where, folder), key=KEY)

    def show(self, report: Report, where: Callable[[FieldNote], str], folder: Path) -> None:
        """All there is to know of an export, in a window of its own, and the way to its files."""
        from labeler.gui.exchange.report_dialog import ImportReportDialog  # noqa: PLC0415

        dialog = ImportReportDialog(report, self._window, where=where)
        dialog.add_button("Show in folder", lambda: show_folder(folder))
        dialog.open()


def show_folder(folder: Path) -> None:
    """Open a folder in the system's file manager."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
