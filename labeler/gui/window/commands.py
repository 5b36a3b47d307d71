"""What the actions do that ask a person first, or that need more than one word of the session.

Dialogs and formats are imported by what needs them: the window is up sooner without.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMainWindow

from labeler.gui.images.panel import ask_where_to_go
from labeler.gui.window.key_table import key_table
from labeler.gui.window.workbench import Workbench

BRUSH_STEP = 1.25


class Commands(QObject):
    """Asks for files, names and numbers in dialogs, and has the workbench do what they say."""

    setting_changed = Signal(str)
    """The name of a field of `Settings` that a person has changed."""

    def __init__(self, window: QMainWindow, bench: Workbench) -> None:
        super().__init__(window)
        self._window, self._bench = window, bench
        self._session, self._canvas, self._notifier = bench.session, bench.canvas, bench.notifier

    # --- project ----------------------------------------------------------------------------------

    def open(self, path: Path, *, read_only: bool = False) -> None:
        """Open a folder, image or project; labels go into the open project, or into their folder's."""
        self._bench.arrivals.open(path, read_only=read_only)

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

    def import_labels(self) -> None:
        """Ask for a file of labels, or one of a folder of them, and take them in."""
        path = self._ask_labels("Import labels")
        if path is not None:
            self._bench.arrivals.open(path)

    def import_folder(self) -> None:
        """Ask for a folder of labels, whose photos are the open ones, and take them in."""
        chosen = QFileDialog.getExistingDirectory(
            self._window, "Import a folder of labels", str(self._session.root)
        )
        if chosen:
            self._bench.labels_desk.take_found(Path(chosen), unpacked=True)

    def import_results(self) -> None:
        """Ask for a COCO results file and take it in as a model's candidates."""
        path = self._ask_labels("Import COCO results")
        if path is None:
            return
        name, good = QInputDialog.getText(
            self._window, "Import COCO results", "Name of the model that made them:", text=path.stem
        )
        if good and name.strip():
            self._bench.labels_desk.take_results(path, name.strip())

    def _ask_labels(self, title: str) -> Path | None:
        chosen, _ = QFileDialog.getOpenFileName(
            self._window,
            title,
            str(self._session.root),
            "Labels (*.json *.xml *.csv *.txt *.yaml *.yml *.zip);;All files (*)",
        )
        return Path(chosen) if chosen else None

    def snapshot(self) -> None:
        """A checked copy of the project beside it; edits themselves are saved all the time."""
        self._session.ask(
            lambda store: store.securing.snapshot(),
            lambda path: self._notifier.info(f"All edits are saved; snapshot: {path.name}", key="snapshot"),
        )

    # --- editing ----------------------------------------------------------------------------------

    def settings(self) -> None:
        """Show the settings; each is put into force as it is changed."""
        from labeler.gui.window.dialogs.settings_dialog import SettingsDialog  # noqa: PLC0415

        dialog = SettingsDialog(self._bench.settings, self._window)
        dialog.changed.connect(self.setting_changed)
        dialog.exec()

    def resize_brush(self, step: int) -> None:
        """A size larger (1) or smaller (-1)."""
        size, factor = self._canvas.options.brush_size, BRUSH_STEP**step
        # small brushes step by whole pixels, large ones by a quarter
        wanted = max(size * factor, size + 1) if step > 0 else min(size * factor, size - 1)
        self._canvas.set_options(brush_size=float(min(max(round(wanted), 1), 1000)))

    def take_tool(self, name: str) -> None:
        """Take a tool in hand; the keys are the canvas's."""
        self._canvas.hand.take(name)
        self._canvas.setFocus()

    def show_effort(self) -> None:
        """What models would save a person on the project's reviewed images."""
        from labeler.gui.evaluation.effort_dialog import EffortDialog  # noqa: PLC0415

        EffortDialog(self._bench.effort, self._window).open()

    def tell_effort(self, sentence: str = "") -> None:
        """What became of a study whose dialog was closed: why it failed, or that there is an answer."""
        from labeler.gui.evaluation.effort_dialog import EffortDialog  # noqa: PLC0415

        if any(dialog.isVisible() for dialog in self._window.findChildren(EffortDialog)):
            return  # which shows it
        if sentence:
            self._notifier.error(sentence, key="effort")
        else:
            told = "It is found out what models would save you here."
            self._notifier.info(told, action="Show", run=self.show_effort, key="effort")

    # --- help -------------------------------------------------------------------------------------

    def show_keys(self) -> None:
        """All keys on one page."""
        from labeler.gui.window.dialogs.shortcuts_dialog import ShortcutsDialog  # noqa: PLC0415

        ShortcutsDialog(key_table(), self._window).exec()

    def show_checkup(self) -> None:
        """What this machine has, what is slow or missing."""
        from labeler.gui.models.checkup_dialog import CheckupDialog  # noqa: PLC0415

        CheckupDialog(self._window).open()

    def show_about(self) -> None:
        """What this is, its version and its licences."""
        from labeler.gui.window.dialogs.about_dialog import AboutDialog  # noqa: PLC0415

        AboutDialog(self._window).exec()

    # --- images -----------------------------------------------------------------------------------

    def reviewed_next(self) -> None:
        """Say that the open image is done, and go on: in a review to the next item of its queue."""
        unfinished = self._canvas.progress.sentence()
        if unfinished:
            self._notifier.info(f"Not marked as reviewed. {unfinished}", key="progress")
            return
        if self._bench.verdicts.image_done():
            return
        self._session.edits.mark_reviewed(True, by="window")
        self._session.place.step(1)

    def to_unreviewed(self, direction: int) -> None:
        """Go to the next image in the order that is not reviewed, or the one before for -1."""
        session, image = self._session, self._session.place.image
        order = list(session.place.order)
        here = session.place.position(image.id) if image is not None else None
        start = here if here is not None else -1
        places = range(start + 1, len(order)) if direction > 0 else range(start - 1, -1, -1)
        for place in places:
            other = session.document.find_image(order[place])
            if other is not None and not other.reviewed:
                session.place.go_to(other.id)
                return
        self._notifier.info("All images in that direction are reviewed.", key="unreviewed")

    def go_to(self) -> None:
        """Ask for the number or the name of an image and open it."""
        trouble = ask_where_to_go(self._session, self._window)
        if trouble:
            self._notifier.info(trouble, key="go-to")
