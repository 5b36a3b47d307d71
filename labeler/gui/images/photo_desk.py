"""What is asked and offered about photos that are gone, or that are others than those that were labelled."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Qt, QTimer
from PySide6.QtWidgets import QCheckBox, QFileDialog, QMenu, QMessageBox, QWidget

from labeler.core.photos.images import read_header
from labeler.core.photos.photo_files import SUFFIXES
from labeler.core.records import Edit, Image
from labeler.errors import LabelerError
from labeler.gui.images.panel import ImagesPanel
from labeler.gui.session.document import Changed
from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import OF_IMAGE, Notifier
from labeler.project.photos import photo_edits
from labeler.project.photos.survey import MISSING, Stranger

KEEP, SCALE, ASIDE = "Keep the labels as they are", "Scale the labels", "It is another photo"


class PhotoDesk(QObject):
    """Says at the open image what is wrong with its file, and does what the person decides."""

    def __init__(self, session: Session, notifier: Notifier, window: QWidget) -> None:
        super().__init__(window)
        self._session = session
        self._notifier = notifier
        self._window = window
        self._shown: tuple[int, str, bool, bool] | None = None
        session.place.pixels_changed.connect(self.show_state)
        session.place.image_changed.connect(self.show_state)
        session.document.images_changed.connect(lambda _: self.show_state())
        session.strangers.changed.connect(self.show_state)
        session.strangers.changed.connect(self._tell_elsewhere)
        session.document.changed.connect(self._look_again)

    # --- what is said -----------------------------------------------------------------------------

    @property
    def tells_missing(self) -> bool:
        """Whether it is said at the open image that its file is gone."""
        return self._shown is not None and self._shown[2]

    def show_state(self) -> None:
        """Say why the open image cannot be shown, or is not what it was, for as long as it is open."""
        session, image = self._session, self._session.place.image
        stranger = session.strangers.get(image.id) if image is not None else None
        missing = image is not None and (
            image.note == MISSING or (session.place.problem and self.is_missing(image))
        )
        state = (image.id if image else 0, session.place.problem, bool(missing), stranger is not None)
        if state == self._shown:
            return  # what was closed stays closed
        if self._shown is None or self._shown[0] != state[0] or missing:
            self._notifier.take_back(OF_IMAGE)
        self._shown = state
        if image is not None and missing:
            told = (
                session.place.problem
                or f"{image.path} is missing: put it back, or locate it at its new place."
            )
            run = None if session.read_only else partial(self.ask_about_missing, image)
            self._notifier.error(told, action="Locate or remove…" if run else "", run=run, key="image")
        elif session.place.problem:
            self._notifier.error(session.place.problem, key="image")
        else:
            self._notifier.take_back("image")
        if stranger is not None:
            sentence = f"{Path(stranger.image.path).name} is another file than the one that was labelled."
            self._notifier.error(sentence, action="Decide…", run=self.ask_about_strangers, key="stranger")
        else:
            self._notifier.take_back("stranger")

    def _look_again(self, changed: Changed) -> None:
        """An image is another file by an edit, or by undoing one: see what it is."""
        for change in changed.changes:
            before, after = change.before, change.after
            if isinstance(before, Image) and isinstance(after, Image) and before.path != after.path:
                if self._session.place.image == after:
                    self._session.place.show_anew()
                QTimer.singleShot(0, self._session.reload)  # once it is on its way to the writer
                return

    def _tell_elsewhere(self) -> None:
        """Photos that are not shown were replaced too: one line for all of them."""
        here = self._session.place.image
        others = [one for one in self._session.strangers.all if here is None or one.image.id != here.id]
        if not others:
            return
        name = Path(others[0].image.path).name
        what = f"{len(others):,} labelled photos are" if len(others) > 1 else f"{name} is"
        self._notifier.info(
            f"{what} not the {'files that were' if len(others) > 1 else 'file that was'} labelled.",
            action="Decide…",
            run=self.ask_about_strangers,
            key="strangers",
        )

    def is_missing(self, image: Image) -> bool:
        """Whether there is no file where the image is."""
        return image.note == MISSING or not self._session.place.image_path(image).is_file()

    # --- missing ----------------------------------------------------------------------------------

    def ask_about_missing(self, image: Image) -> None:
        """Locate the photo, or take it out of the project."""
        box = QMessageBox(self._window)
        box.setWindowTitle("Missing photo")
        box.setText(f"{image.path} is not there.")
        box.setInformativeText(
            "Locate it at its new place, and its labels go with it. Or remove it from the project with all "
            "that is on it; that can be undone."
        )
        locate = box.addButton("Locate…", QMessageBox.ButtonRole.AcceptRole)
        remove = box.addButton("Remove", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(locate)
        box.exec()
        if box.clickedButton() is locate:
            self.ask_where(image)
        elif box.clickedButton() is remove:
            self.remove([image.id])
        else:
            self._offer_again()

    def _offer_again(self) -> None:
        """Nothing was decided: the line whose button asked stands there again."""
        self._shown = None
        self.show_state()
        self._tell_elsewhere()

    def offer_in(self, panel: ImagesPanel) -> None:
        """Offer by right-click in the list of images what can be done about those that are missing."""
        view = panel.view
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)

        def show(at: QPoint) -> None:
            if image := panel.image_at(at):
                menu = self.menu(image, view)
                menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
                menu.popup(view.viewport().mapToGlobal(at))

        view.customContextMenuRequested.connect(show)

    def menu(self, image: Image, parent: QWidget) -> QMenu:
        """What can be done about an image whose file is missing, and about all that are."""
        menu = QMenu(parent)
        can = self.is_missing(image) and not self._session.read_only
        menu.addAction("Locate…", lambda: self.ask_where(image)).setEnabled(can)
        menu.addAction("Remove from the project", lambda: self.remove([image.id])).setEnabled(can)
        missing = [one.id for one in self._session.document.images if one.note == MISSING]
        if len(missing) > 1:
            everyone = menu.addAction(f"Remove all {len(missing):,} missing", lambda: self.remove(missing))
            everyone.setEnabled(not self._session.read_only)
        return menu

    def ask_where(self, image: Image) -> None:
        """Ask for the file that a missing photo is now."""
        endings = " ".join(f"*{ending}" for ending in sorted(SUFFIXES))
        chosen, _ = QFileDialog.getOpenFileName(
            self._window,
            f"Locate {Path(image.path).name}",
            str(self._session.root),
            f"Photos ({endings} {endings.upper()});;All files (*)",
        )
        if chosen:
            self.locate(image.id, Path(chosen))

    def locate(self, image_id: int, file: Path) -> None:
        """A missing photo is this file; one edit. It is shown at once."""
        path = _below(file, self._session.root)

        def commit(edit: Edit | Exception) -> None:
            if isinstance(edit, Edit):
                self._session.edits.commit(edit.label, edit.changes, by="photos")
                self._session.reload()
            else:
                self._notifier.error(str(edit), key="image")

        self._session.ask(lambda store: _tried(lambda: photo_edits.relocation(store, image_id, path)), commit)

    def remove(self, image_ids: Sequence[int]) -> None:
        """Take images out of the project with all that is on them; one edit."""

        def commit(edit: Edit) -> None:
            self._session.edits.commit(edit.label, edit.changes, by="photos")
            self._session.reload()

        self._session.ask(lambda store: photo_edits.removal(store, image_ids), commit)

    # --- others than they were --------------------------------------------------------------------

    def ask_about_strangers(self) -> None:
        """Ask what photos are whose file is another one; the open one first, or all of them."""
        session = self._session
        strangers = sorted(session.strangers.all, key=lambda one: one.image != session.place.image)
        here = session.strangers.get(session.place.image.id) if session.place.image is not None else None
        first = here or (strangers[0] if strangers else None)
        if first is None:
            return
        box = QMessageBox(self._window)
        box.setWindowTitle("Another photo")
        box.setText(f"{first.image.path} is another file than the one that was labelled.")
        box.setInformativeText(self._question(first))
        buttons = [
            (box.addButton(text, QMessageBox.ButtonRole.ActionRole), text) for text in (KEEP, SCALE, ASIDE)
        ]
        # Enter, pressed before it is read, decides nothing
        box.setDefaultButton(box.addButton("Decide later", QMessageBox.ButtonRole.RejectRole))
        if len(strangers) > 1:
            # the box does not keep it alive: its parent must
            box.setCheckBox(QCheckBox(f"The same for all {len(strangers):,} photos that were replaced", box))
        box.exec()
        text = next((text for button, text in buttons if button is box.clickedButton()), None)
        everyone = box.checkBox() is not None and box.checkBox().isChecked()
        if text is None:
            self._offer_again()
        else:
            self.decide(text, strangers if everyone else [first])

    def _question(self, stranger: Stranger) -> str:
        session, image = self._session, stranger.image
        told = f"It was labelled at {image.width} × {image.height} pixels"
        if (
            session.place.image is not None
            and session.place.image.id == image.id
            and session.place.pixels is not None
        ):
            height, width = session.place.pixels.rgb.shape[:2]
            told += f", and has {width} × {height} now"
        return (
            f"{told}. The labels can stay as they are, be scaled with the picture, or be set aside with the "
            "photo they were made on, which then is missing, while this one is a new image."
        )

    def decide(self, what: str, strangers: Sequence[Stranger]) -> None:
        """Do what a person decided, one of the three, about each of these."""
        session = self._session
        ids = [one.image.id for one in strangers]
        if what == ASIDE:
            session.ask(
                lambda store: photo_edits.set_aside(store, ids), lambda edit: self._set_aside(ids, edit)
            )
            return
        paths = {one.image.id: session.place.image_path(one.image) for one in strangers}
        # not on the writer's thread, since disks are slow; a project that is left meanwhile is left alone
        session.beside(
            lambda _: {key: _size(path) for key, path in paths.items()},
            lambda sizes: self._take(what, strangers, sizes),
            failed=self._failed,
        )

    def _set_aside(self, ids: Sequence[int], edit: Edit) -> None:
        self._session.strangers.forget(ids)
        self._session.edits.commit(edit.label, edit.changes, by="photos")
        self._session.reload()

    def _take(self, what: str, strangers: Sequence[Stranger], sizes: dict[int, tuple[int, int]]) -> None:
        found = {one.image.id: (one.found, sizes[one.image.id]) for one in strangers}

        def keep() -> None:
            self._session.keep(
                lambda store: photo_edits.take_as_photo(store, found),
                lambda gone: self._decided(list(found), gone),
                failed=self._failed,
            )

        def scale(edit: Edit) -> None:
            if edit.changes:
                self._session.edits.commit(edit.label, edit.changes, by="photos")
            keep()

        if what == SCALE:
            self._session.ask(lambda store: photo_edits.scaling(store, sizes), scale)
        else:
            keep()

    def _decided(self, ids: Sequence[int], gone: int) -> None:
        if gone:
            self._notifier.info(
                f"{gone:,} {'prediction' if gone == 1 else 'predictions'} of the photo that was there before "
                "went with it: predict again for the new one.",
                key="gone",
            )
        self._session.strangers.forget(ids)
        self._session.reload()

    def _failed(self, error: Exception) -> None:
        self._notifier.error(str(error), key="stranger")


def _size(path: Path) -> tuple[int, int]:
    header = read_header(path)
    return header.width, header.height


def _below(file: Path, root: Path) -> str:
    """A file's path as the project keeps it: relative to the image folder where it lies below."""
    for one, base in ((file.absolute(), root), (file.resolve(), root.resolve())):
        if one.is_relative_to(base):
            return one.relative_to(base).as_posix()
    return file.absolute().as_posix()


def _tried(make: Callable[[], Edit]) -> Edit | Exception:
    try:
        return make()
    except LabelerError as error:
        return error
