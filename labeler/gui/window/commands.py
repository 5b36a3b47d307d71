"""What the actions do: one short method each, called by menus, buttons and keys alike.

Dialogs and formats are imported by what needs them: the window is up sooner without.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QDialog, QFileDialog, QInputDialog, QMainWindow

from labeler.errors import CannotWriteError, LabelerError, ProjectLockedError
from labeler.formats.spec import endings
from labeler.gui.canvas.view import Canvas
from labeler.gui.children.host_client import HostClient
from labeler.gui.exchange.desk import LabelsDesk
from labeler.gui.exchange.exporter import Exporter
from labeler.gui.exchange.undecided import UndecidedOffers
from labeler.gui.images.panel import ask_where_to_go
from labeler.gui.labelling.clipboard import Clipboard
from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import Notifier
from labeler.gui.toolkit.settings import Settings
from labeler.gui.window.actions import TOOLS, key_table
from labeler.gui.window.demo_photos import make_demo_folder
from labeler.gui.window.display_card import DisplayCard
from labeler.project.keeping import known, snapshots
from labeler.project.keeping.known import LostSavesError
from labeler.project.keeping.lock import holder
from labeler.project.photos.folder import locate

BRUSH_STEP = 1.25


class Commands(QObject):
    """The handlers of all actions of one window."""

    setting_changed = Signal(str)
    """The name of a field of `Settings` that a person has changed."""

    def __init__(
        self,
        window: QMainWindow,
        *,
        session: Session,
        canvas: Canvas,
        host: HostClient,
        display: DisplayCard,
        notifier: Notifier,
        settings: Settings,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._canvas = canvas
        self._host = host
        self._display = display
        self._notifier = notifier
        self._settings = settings
        self._clipboard = Clipboard(session)
        self.offers = UndecidedOffers(session, notifier, settings, window)
        self.exporter = Exporter(window, session=session, notifier=notifier, settings=settings)
        self.last_opened = Path()
        self.review_on: Callable[[], bool] = lambda: False
        """What finishes the open image where a review is on; False where none is."""
        self.labels_desk = LabelsDesk(
            session,
            notifier,
            window,
            open_folder=lambda folder: self.open(folder),  # noqa: PLW0108
        )
        self._session.stepped.connect(self._tell_step)

    def _tell_step(self, label: str, is_undo: bool) -> None:
        """What an undo or a redo did, which may be nothing that can be seen here, and the way back."""
        session = self._session
        text, action = (f"Took back: {label}", "Redo") if is_undo else (f"Done again: {label}", "Undo")
        self._notifier.info(text, action=action, run=session.redo if is_undo else session.undo, key="step")

    def handlers(self) -> dict[str, Callable[..., object]]:
        """Action id to what it does."""
        canvas, session = self._canvas, self._session
        plain: dict[str, Callable[..., object]] = {
            "open-folder": self.open_folder,
            "open-project": self.open_project,
            "import-labels": self.import_labels,
            "import-results": self.import_results,
            "export": self.exporter.ask,
            "snapshot": self.snapshot,
            "quit": self._window.close,
            "copy": lambda: self._clipboard.copy(session.selection),
            "paste": self._clipboard.paste,
            "duplicate": lambda: self._clipboard.duplicate(session.selection),
            "select-all": lambda: session.select(session.annotations),
            "settings": self.settings,
            "next": lambda: session.step(1),
            "previous": lambda: session.step(-1),
            "reviewed-next": self.reviewed_next,
            "next-open": lambda: self._to_unreviewed(1),
            "previous-open": lambda: self._to_unreviewed(-1),
            "go-to": self.go_to,
            "fit": canvas.fit,
            "actual-size": lambda: canvas.zoom_to(1.0),
            "zoom-in": lambda: canvas.zoom_by(1.25),
            "zoom-out": lambda: canvas.zoom_by(0.8),
            "brush-smaller": lambda: self._resize_brush(1 / BRUSH_STEP),
            "brush-larger": lambda: self._resize_brush(BRUSH_STEP),
            "restart-model": self._host.restart,
            "encode-all": self.look_ahead_all,
            "keys": self.show_keys,
            "about": self.show_about,
        }
        switches: dict[str, Callable[[bool], object]] = {
            "reviewed": lambda on: session.mark_reviewed(on, by="window"),
            "hide-annotations": lambda on: canvas.set_options(annotations=not on),
            # a slot of Qt's own would be called without the argument
            "display": lambda on: self._display.setVisible(on),  # noqa: PLW0108
        }
        tools = {spec.id: partial(self._take_tool, spec.id) for spec in TOOLS}
        return plain | switches | tools

    # --- project ----------------------------------------------------------------------------------

    def open(self, path: Path, *, read_only: bool = False) -> None:
        """Open a folder, image or project; a COCO file goes into the open project, or its folder's."""
        if path.suffix.lower() in endings():
            if self._session.project is not None:
                self.labels_desk.take(path)
            else:
                self.labels_desk.open_with(path)
            return
        self.last_opened = path
        self._session.open(path, read_only=read_only)

    def open_folder(self) -> None:
        """Ask for a folder of images and open it."""
        chosen = QFileDialog.getExistingDirectory(
            self._window, "Open a folder of images", str(self._session.root)
        )
        if chosen:
            self.open(Path(chosen))

    def open_project(self) -> None:
        """Ask for a project file or an image and open it."""
        chosen, _ = QFileDialog.getOpenFileName(
            self._window,
            "Open a project or an image",
            str(self._session.root),
            "Projects and images (*.labeler *.jpg *.jpeg *.png *.webp *.tif *.tiff *.bmp);;All files (*)",
        )
        if chosen:
            self.open(Path(chosen))

    def open_demo(self) -> None:
        """Open photos that come with the installed packages."""
        self.open(make_demo_folder())

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

    def import_labels(self) -> None:
        """Ask for a COCO file and take its labels in."""
        path = self._ask_json("Import COCO labels")
        if path is not None:
            self.labels_desk.take(path)

    def import_results(self) -> None:
        """Ask for a COCO results file and take it in as a model's candidates."""
        path = self._ask_json("Import COCO results")
        if path is None:
            return
        name, good = QInputDialog.getText(
            self._window, "Import COCO results", "Name of the model that made them:", text=path.stem
        )
        if good and name.strip():
            self.labels_desk.take_results(path, name.strip())

    def _ask_json(self, title: str) -> Path | None:
        chosen, _ = QFileDialog.getOpenFileName(
            self._window, title, str(self._session.root), "COCO JSON (*.json);;Other formats (*)"
        )
        return Path(chosen) if chosen else None

    def snapshot(self) -> None:
        """A checked copy of the project beside it; edits themselves are saved all the time."""
        self._session.ask(
            lambda store: store.snapshot(),
            lambda path: self._notifier.info(f"All edits are saved; snapshot: {path.name}", key="snapshot"),
        )

    # --- editing ----------------------------------------------------------------------------------

    def settings(self) -> None:
        """Show the settings; each is put into force as it is changed."""
        from labeler.gui.window.dialogs.settings_dialog import SettingsDialog  # noqa: PLC0415

        dialog = SettingsDialog(self._settings, self._window)
        dialog.changed.connect(self.setting_changed)
        dialog.exec()

    def _resize_brush(self, factor: float) -> None:
        size = self._canvas.options.brush_size
        # small brushes step by whole pixels, large ones by a quarter
        wanted = max(size * factor, size + 1) if factor > 1 else min(size * factor, size - 1)
        self._canvas.set_options(brush_size=float(min(max(round(wanted), 1), 1000)))

    def _take_tool(self, name: str, _: bool = True) -> None:
        self._canvas.set_tool(name)
        self._canvas.setFocus()

    # --- help -------------------------------------------------------------------------------------

    def show_keys(self) -> None:
        """All keys on one page."""
        from labeler.gui.window.dialogs.shortcuts_dialog import ShortcutsDialog  # noqa: PLC0415

        ShortcutsDialog(key_table(), self._window).exec()

    def show_about(self) -> None:
        """What this is, its version and its licences."""
        from labeler.gui.window.dialogs.about_dialog import AboutDialog  # noqa: PLC0415

        AboutDialog(self._window).exec()

    # --- images -----------------------------------------------------------------------------------

    def reviewed_next(self) -> None:
        """Say that the open image is done, and go on: in a review to the next item of its queue."""
        unfinished = self._canvas.unfinished()
        if unfinished:
            self._notifier.info(f"Not marked as reviewed. {unfinished}", key="progress")
            return
        if self.review_on():
            return
        self._session.mark_reviewed(True, by="window")
        self._session.step(1)

    def _to_unreviewed(self, direction: int) -> None:
        session, image = self._session, self._session.image
        order = list(session.order)
        here = session.place(image.id) if image is not None else None
        start = here if here is not None else -1
        places = range(start + 1, len(order)) if direction > 0 else range(start - 1, -1, -1)
        for place in places:
            other = session.find_image(order[place])
            if other is not None and not other.reviewed:
                session.go_to(other.id)
                return
        self._notifier.info("All images in that direction are reviewed.", key="unreviewed")

    def go_to(self) -> None:
        """Ask for the number or the name of an image and open it."""
        trouble = ask_where_to_go(self._session, self._window)
        if trouble:
            self._notifier.info(trouble, key="go-to")

    def look_ahead_all(self) -> None:
        """Have the embeddings of the whole order computed in the background."""
        self.look_ahead(len(self._session.order))

    def look_ahead(self, count: int) -> None:
        """Have the neighbours' embeddings computed in the background, nearest first."""
        session = self._session
        self._host.look_ahead(
            [(str(path), path) for path in map(session.image_path, session.neighbours(count))]
        )
