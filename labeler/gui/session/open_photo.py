"""Looks every few seconds at the file of the open photo, so that another one is not shown as what it was."""

from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QGuiApplication

from labeler.core.photos.patience import patiently
from labeler.core.photos.photo_files import Stamp, stamp_of
from labeler.core.records import Image
from labeler.gui.session.loader import PixelLoader
from labeler.gui.session.project_link import ProjectLink
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.courier import Courier
from labeler.project.photos.survey import MISSING

EVERY_MS = 2000
_RENUMBERED = 2
"""So often a file is read anew for its number alone: some network disks number their files ever anew."""


class _Place(Protocol):
    problem: str

    @property
    def image(self) -> Image | None: ...
    def image_path(self, image: Image) -> Path: ...
    def show_anew(self) -> None: ...


class OpenPhoto(QObject):
    """Compares the file with what is shown of it; what differs is read anew, and the folder looked at.

    The looks are on threads that nobody waits for, one at a time, and read nothing but the file's entry.
    """

    def __init__(self, place: _Place, link: ProjectLink, loader: PixelLoader, parent: QObject) -> None:
        super().__init__(parent)
        self._place = place
        self._link = link
        self._loader = loader
        self._courier = Courier(self)
        self._looking: Path | None = None
        self._done: tuple[Stamp | None, bool] | None = None
        self._renumbered = 0
        self._timer = QTimer(self, interval=EVERY_MS)
        self._timer.timeout.connect(self.look)
        app = QGuiApplication.instance()
        if isinstance(app, QGuiApplication):
            app.applicationStateChanged.connect(self._come_back)

    def follow(self) -> None:
        """Another image is open, or none: look at its file at once, since it may be shown from memory."""
        self._done, self._renumbered = None, 0
        if self._place.image is None:
            self._timer.stop()
        else:
            self._timer.start()
            self.look()

    def look(self) -> None:
        """Look at the file of the open image; what comes of it comes soon."""
        image = self._place.image
        if image is None or self._looking is not None:
            return
        path = self._looking = self._place.image_path(image)
        run_aside(
            lambda: patiently(path, lambda: stamp_of(path)),
            courier=self._courier,
            done=lambda now: self._take(image.id, path, now),
            failed=lambda _: self._end(),  # its disk does not answer: whoever reads it says so
            name="open photo",
        )

    def _end(self) -> None:
        self._looking = None

    def _take(self, image_id: int, path: Path, now: Stamp | None) -> None:
        self._end()
        image = self._place.image
        if image is None:
            return
        if (image.id, self._place.image_path(image)) != (image_id, path):
            self.look()
            return
        shown = self._loader.stamp(image_id)
        if shown is None and not self._place.problem:
            return  # it is being read
        missing = image.note == MISSING
        if (now, missing) == self._done or self._is_only_renumbered(shown, now):
            return
        self._done = now, missing
        if now is None:
            self._miss(missing)
        elif missing or now != shown:
            if now != shown:
                self._place.show_anew()
            self._link.look_at_folder()

    def _miss(self, known: bool) -> None:
        """The file is gone; where it is now, or that nobody knows, a look at the folder tells."""
        if self._link.read_only:
            self._place.show_anew()
        elif not known:
            self._link.look_at_folder()

    def _is_only_renumbered(self, shown: Stamp | None, now: Stamp | None) -> bool:
        if shown is None or now is None or shown == now:
            return False
        if (shown.size, shown.modified) != (now.size, now.modified):
            return False
        self._renumbered += 1
        return self._renumbered > _RENUMBERED

    def _come_back(self, state: Qt.ApplicationState) -> None:
        """The person was elsewhere, maybe in the folder."""
        if state == Qt.ApplicationState.ApplicationActive and self._place.image is not None:
            self.look()
            self._link.look_at_folder()
