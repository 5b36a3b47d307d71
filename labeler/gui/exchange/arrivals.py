"""What a person opens or drops: a folder, a photo, a project, labels of any format, or a zip of these."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from labeler.core.photos.photo_files import SUFFIXES
from labeler.errors import ImportStoppedError
from labeler.gui.exchange.desk import LabelsDesk
from labeler.gui.session.session import Session
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.courier import Courier
from labeler.gui.toolkit.notify import Notifier

if TYPE_CHECKING:
    from labeler.project.store import Store

KEY = "unpack"


class Arrivals(QObject):
    """Says what was opened or dropped, and takes it where it belongs.

    A folder that is opened for the first time is looked through for labels beside its photos; they come in as
    one undo step, once, whatever becomes of them then. Nothing is looked at on the GUI thread.
    """

    def __init__(
        self,
        session: Session,
        notifier: Notifier,
        desk: LabelsDesk,
        *,
        open_project: Callable[[Path, bool], None],
    ) -> None:
        super().__init__(desk)
        self._session = session
        self._notifier = notifier
        self._desk = desk
        self._open_project = open_project
        self._courier = Courier(self)
        self._stop = threading.Event()
        self._folder = Path()
        """What was unpacked last: its labels are what it was opened for."""
        session.project_changed.connect(self._look_for_labels)

    def open(self, path: Path, *, read_only: bool = False) -> None:
        """Open a folder, photo or project; labels go into the open project, or into that of their folder."""
        suffix = path.suffix.lower()
        if suffix == ".labeler" or suffix in SUFFIXES:
            self._open_project(path, read_only)
            return
        run_aside(
            lambda: _kind_of(path),
            courier=self._courier,
            done=lambda kind: self._take(path, kind, read_only=read_only),
            failed=lambda error: self._notifier.error(str(error), key="open"),
            name="arrival",
        )

    def open_all(self, paths: Sequence[Path]) -> None:
        """Open what was dropped at once: several files of labels come in one after the other.

        Photos of one folder are opened as that folder is; of other things the first is, which is told.
        """
        first, *others = paths
        if not others or _are_photos_of_one_folder(paths):
            self.open(first)
            return

        def opened(kinds: list[str]) -> None:
            if set(kinds) == {"labels"} and self._session.project is not None:
                self._desk.take_all(paths)
                return
            self._take(first, kinds[0], read_only=False)
            left = others[0].name if len(others) == 1 else f"{len(others):,} other things"
            self._notifier.info(
                f"Only {first.name} was opened, and {left} left alone: drop a folder, or things one by one.",
                key="dropped",
                lasting=True,
            )

        run_aside(
            lambda: [_kind_of(path) for path in paths],
            courier=self._courier,
            done=opened,
            failed=lambda error: self._notifier.error(str(error), key="open"),
            name="arrivals",
        )

    def _take(self, path: Path, kind: str, *, read_only: bool) -> None:
        if kind == "zip":
            self._unpack(path)
        elif kind != "labels":
            self._open_project(path, read_only)
        elif self._session.project is not None:
            self._desk.take(path)
        else:
            self._desk.open_with(path)

    def _unpack(self, path: Path) -> None:
        """Unpack a zip beside it, and open what was in it."""
        self._stop.set()
        self._stop = stop = threading.Event()
        self._notifier.info(f"Unpacking {path.name}…", action="Cancel", run=stop.set, key=KEY)
        run_aside(
            lambda: _unpacked(path, stop.is_set),
            courier=self._courier,
            done=self._open_unpacked,
            failed=lambda error: self._tell_failure(path, error),
            name="unpacking",
        )

    def _open_unpacked(self, found: tuple[Path, bool]) -> None:
        folder, has_photos = found
        self._notifier.info(f"Unpacked to {folder}.", key=KEY)
        if has_photos or self._session.project is None:
            self._folder = folder
            self._open_project(folder, False)
        else:
            self._desk.take_found(folder, unpacked=True)

    def _tell_failure(self, path: Path, error: Exception) -> None:
        if isinstance(error, ImportStoppedError):
            self._notifier.info(f"{path.name} was not unpacked.", key=KEY)
        else:
            self._notifier.error(str(error), key=KEY)

    def _look_for_labels(self) -> None:
        """Look for labels in a folder that has just been opened for the first time."""
        project = self._session.project
        if project is None or self._session.read_only or self._desk.is_waiting:
            return
        root = self._session.root

        def looked(is_new: bool) -> None:
            if is_new and self._session.project == project:
                self._desk.take_found(root, unpacked=root == self._folder)

        self._session.ask(_is_new, looked)


def _is_new(store: Store) -> bool:
    """Whether nothing was ever done in a project: no edit, and no labels."""
    return not store.history.entries(limit=1) and next(iter(store.all_annotations()), None) is None


def _are_photos_of_one_folder(paths: Sequence[Path]) -> bool:
    is_one = len({path.parent for path in paths}) == 1
    return is_one and all(path.suffix.lower() in SUFFIXES for path in paths)


def _kind_of(path: Path) -> str:
    """Whether a path is "labels" or a "zip"; "" for what a project is opened with."""
    if path.suffix.lower() == ".labeler" or path.suffix.lower() in SUFFIXES:
        return ""
    from labeler.formats.archives import is_archive  # noqa: PLC0415 - formats come when there is a file
    from labeler.formats.door import is_a_folder  # noqa: PLC0415

    if is_a_folder(path):
        return ""
    return "zip" if is_archive(path) else "labels"


def _unpacked(path: Path, should_stop: Callable[[], bool]) -> tuple[Path, bool]:
    """The folder that a zip was unpacked to, and whether there are photos in it."""
    from labeler.core.photos.photo_files import photos_below  # noqa: PLC0415
    from labeler.formats.archives import folder_for, unpack  # noqa: PLC0415

    folder = folder_for(path)
    unpack(path, folder, should_stop=should_stop)
    return folder, next(photos_below(folder), None) is not None
