"""What was kept of a project because it could not be saved in it: said when it is found, and offered."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import Notifier
from labeler.gui.toolkit.settings import Settings
from labeler.project.keeping import homes, kept
from labeler.project.keeping.kept import Undecided
from labeler.project.keeping.leftovers import take_up
from labeler.project.photos.folder import ProjectPlace


class UndecidedOffers:
    """Asks a person, who may also decide later: it is asked again when the project is next opened."""

    def __init__(self, session: Session, notifier: Notifier, settings: Settings, window: QWidget) -> None:
        self._session = session
        self._notifier = notifier
        self._settings = settings
        self._window = window
        self._said_on: int | None = None
        session.undecided.connect(self.offer)
        session.place.image_changed.connect(self._go_with_image)
        session.placed.connect(self.offer_place)

    def offer(self, found: Undecided) -> None:
        """Say what was kept, with what can be done about it."""
        copy = found.copy
        if copy is not None:
            self._notifier.error(
                found.sentence, action="Choose…", run=lambda: self.choose(found, copy), key="undecided"
            )
        elif found.aside:
            self._notifier.error(
                found.sentence, action="Take them up", run=lambda: self.take_up(found), key="undecided"
            )
        else:
            self._notifier.error(found.sentence, key="undecided")

    def offer_place(self, place: ProjectPlace) -> None:
        """Say where the labels of a folder are, and offer to move them in, or to open its other project."""
        if place.movable:
            self._notifier.info(
                place.message, action="Move into the folder", run=lambda: self.move_in(place), key="place"
            )
        elif place.other is not None:
            other = place.other
            if self._settings.is_told(str(place.project), f"{place.other_labels} in {other}"):
                return  # a person has seen it, and nothing came to it since
            self._settings.save()
            self._notifier.info(
                place.message, action="Open the other", run=lambda: self._session.open(other), key="place"
            )
        else:
            self._notifier.info(place.message)

    def move_in(self, place: ProjectPlace) -> None:
        """Make the project in the data folder the folder's own, and open it there."""

        def moved(target: Path) -> None:
            self._say_there(self._notifier.info, f"The labels are in {target} now.")
            self._session.open(target)

        def refused(error: Exception) -> None:
            self._say_there(self._notifier.error, f"The project was not moved: {error}")
            self._session.open(place.project)

        self._session.close()
        self._session.after_leaving(lambda: homes.move_in(place.project, place.root), moved, failed=refused)

    def choose(self, found: Undecided, copy: Path) -> None:
        """Ask which of two files is the project, and open that."""
        dialog = ReplacedDialog(found.sentence, found.project, copy, self._window)
        if dialog.exec() != QDialog.DialogCode.Accepted:
            return
        self.decide(found.project, copy, mine=dialog.choice == "mine")

    def decide(self, project: Path, copy: Path, *, mine: bool) -> None:
        """Let one of the two be the project; the other one is kept under another name.

        Edits may still be on their way into the copy: it is moved when it is closed.
        """
        move = kept.use_mine if mine else kept.use_theirs

        def moved(aside: Path | None) -> None:
            if aside is not None:
                self._say_there(self._notifier.info, f"The other one was kept as {aside.name}.")
            self._session.open(project)

        def refused(error: Exception) -> None:
            self._say_there(self._notifier.error, f"Nothing was decided: {error}")
            self._session.open(project)

        self._session.close()
        self._session.after_leaving(lambda: move(project, copy), moved, failed=refused)

    def _say_there(self, say: Callable[..., object], sentence: str) -> None:
        """Say it once the project is open: messages of the one that is left go with it."""

        def say_it() -> None:
            say(sentence, key="decided")
            self._said_on = None

        self._session.project_changed.connect(say_it, Qt.ConnectionType.SingleShotConnection)

    def _go_with_image(self) -> None:
        """What was said on the image that the project opened at does not follow to the next one."""
        image = self._session.place.image
        if image is None or self._said_on == image.id:
            return
        if self._said_on is not None:
            self._notifier.take_back("decided")
        self._said_on = image.id

    def take_up(self, found: Undecided) -> None:
        """Do the edits that were put aside, as far as they can be done."""

        def take(taken: int) -> None:
            self._notifier.info(f"{taken} changes were taken up; undo takes them back.", key="undecided")
            self._session.reload()

        self._session.keep(
            lambda store: sum(take_up(store, file) for file in found.aside),
            take,
            failed=lambda error: self._notifier.error(str(error), key="undecided"),
        )


_WIDEST_NAME = 300
"""Pixels that a file's name may have on a button; the sentence above it has all of it."""


class ReplacedDialog(QDialog):
    """A project that was replaced while it was open: which of the two goes on under its name.

    Rejected: decide later; accepted: `choice` says which is the project from now on.
    """

    def __init__(self, sentence: str, project: Path, copy: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Which labels go on")
        self.setMinimumWidth(480)
        self.choice: Literal["mine", "theirs"] = "mine"
        said = QLabel(sentence, wordWrap=True)
        name = self.fontMetrics().elidedText(project.name, Qt.TextElideMode.ElideMiddle, _WIDEST_NAME)
        self.mine = QPushButton(f"Use mine as {name}")
        self.mine.setToolTip(f"{copy.name} takes its place; the other file is kept under another name")
        self.theirs = QPushButton("Use the other file")
        self.theirs.setToolTip("Yours is kept beside it under another name")
        later = QPushButton("Decide later")
        later.setToolTip(f"Your edits are safe in {copy}")
        self.mine.clicked.connect(self.accept)
        self.theirs.clicked.connect(self._take_theirs)
        later.clicked.connect(self.reject)
        for button in (self.mine, self.theirs, later):
            button.setAutoDefault(False)
        later.setDefault(True)  # Enter, pressed before it is read, decides nothing
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(12)
        for widget in (said, self.mine, self.theirs, later):
            column.addWidget(widget)

    def _take_theirs(self) -> None:
        self.choice = "theirs"
        self.accept()
