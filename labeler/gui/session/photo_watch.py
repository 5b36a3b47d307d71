"""Keeps the project and its folder in step: which photo is where, looked at off the writer's thread."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from PySide6.QtCore import QObject, Signal

from labeler.core.photos.doubles import doubled, said_doubled
from labeler.core.photos.label_pictures import label_pictures, said_label_pictures
from labeler.core.photos.patience import silent_disks
from labeler.core.photos.photo_files import SUFFIXES, Fingerprint, fingerprint, said_left_out
from labeler.core.records import Image
from labeler.errors import ImageError, ProjectError
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.courier import Courier
from labeler.project.photos.fingerprints import Due
from labeler.project.photos.folder import Sync, find_images, take_survey
from labeler.project.photos.survey import Survey, survey
from labeler.project.store import Store
from labeler.project.writer import Writer

T = TypeVar("T")

_CHUNK = 32
"""Photos that are read between two writes."""


class WriterLine(Protocol):
    """What is needed of the line to the writer: see `ProjectLink`."""

    def read(self, work: Callable[[Store], T], done: Callable[[T], None]) -> None: ...
    def keep(
        self, work: Callable[[Store], T], done: Callable[[T], None], *, failed: Callable[[Exception], None]
    ) -> None: ...


class _Round:
    """One look at the folder of one open project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stop = threading.Event()
        self.left_out: Counter[str] = Counter()
        self.said = ""
        """What is said of pictures that are labels of the others."""
        self.is_empty = False
        """Whether there are no photos at all, and never were."""


class PhotoWatch(QObject):
    """Looks at the folder when asked to; the answers come on the GUI thread."""

    synced = Signal(object)
    """A `Sync`: what has changed, written down already."""
    told = Signal(str)

    def __init__(self, line: WriterLine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._line = line
        self._courier = Courier(self)
        self._round: _Round | None = None
        self._again = False
        self._tried: set[tuple[int, str]] = set()
        self._told = ""

    def begin(self, root: Path) -> None:
        """Another project is open: look at its folder."""
        self.stop()
        self._tried.clear()
        self._told = ""
        self._start(root)

    def look(self, root: Path) -> None:
        """Look again, once what is under way is done."""
        if self._round is None:
            self._start(root)
        else:
            self._again = True

    def stop(self) -> None:
        """What is under way is of no use any more; nobody waits for it."""
        if self._round is not None:
            self._round.stop.set()
        self._round = None
        self._again = False

    def _start(self, root: Path) -> None:
        here = self._round = _Round(root)
        self._again = False
        self._line.read(
            lambda store: (store.images(), store.photos.known()), lambda found: self._survey(here, *found)
        )

    def _survey(self, here: _Round, images: Sequence[Image], known: dict[int, Fingerprint]) -> None:
        if here is not self._round:
            return

        def work() -> Survey:
            paths = list(find_images(here.root, here.left_out))
            here.is_empty = not paths and not images
            here.said = _said_of(paths, images, here.root)
            return survey(images, known, paths, here.root, should_stop=here.stop.is_set)

        self._aside(here, work, lambda seen: self._write(here, seen))

    def _write(self, here: _Round, seen: Survey) -> None:
        self._line.keep(
            lambda store: take_survey(store, here.root, seen),
            lambda sync: self._take(here, sync),
            failed=lambda error: self._fail(here, error),
        )

    def _take(self, here: _Round, sync: Sync) -> None:
        if here is not self._round:
            return
        self.synced.emit(sync)
        sentence = f"{here.said} {said_left_out(here.left_out)}".strip()
        if here.is_empty:
            empty = f"There is no photo in {here.root.name}. Put some there, or open another folder."
            sentence = f"{empty} {sentence}".strip()
        if silent := silent_disks():
            where = " and ".join(silent)
            sentence = f"The disk at {where} does not answer; photos on it are left out. {sentence}".strip()
        if sentence and sentence != self._told:
            self._told = sentence
            self.told.emit(sentence)
        self._line.read(lambda store: store.photos.due(), lambda due: self._digest(here, due))

    # --- fingerprints of what was never opened ------------------------------------------------------

    def _digest(self, here: _Round, due: Sequence[Due]) -> None:
        """Read a few photos that nothing is known of yet, keep what tells them, and go on."""
        if here is not self._round:
            return
        left = [one for one in due if (one.image_id, one.path) not in self._tried]
        chunk, rest = left[:_CHUNK], left[_CHUNK:]
        if not chunk or self._again:
            self._end(here)
            return
        self._tried.update((one.image_id, one.path) for one in chunk)

        def work() -> list[tuple[int, str, Fingerprint]]:
            return [(one.image_id, one.path, found) for one in chunk if (found := _look(here, one))]

        self._aside(here, work, lambda seen: self._keep(here, seen, rest))

    def _keep(self, here: _Round, seen: list[tuple[int, str, Fingerprint]], rest: Sequence[Due]) -> None:
        self._line.keep(
            lambda store: store.photos.keep(seen),
            lambda _: self._digest(here, rest),
            failed=lambda error: self._fail(here, error),
        )

    def _aside(self, here: _Round, work: Callable[[], T], done: Callable[[T], None]) -> None:
        def take(value: T) -> None:
            if here is self._round:
                done(value)

        run_aside(
            work,
            courier=self._courier,
            done=take,
            failed=lambda error: self._fail(here, error),
            name="photos",
        )

    def _fail(self, here: _Round, error: Exception) -> None:
        if here is self._round:
            if isinstance(error, ProjectError):
                self.told.emit(str(error))
            self._end(here)

    def _end(self, here: _Round) -> None:
        self._round = None
        if self._again:
            self._start(here.root)


def _said_of(paths: Sequence[str], images: Sequence[Image], root: Path) -> str:
    """What is to be said of the pictures found: masks are left out, and photos may be there twice."""
    masks = said_label_pictures(label_pictures(paths, {image.path for image in images}))
    found = doubled(root / path for path in paths)
    twice = [(one.relative_to(root), other.relative_to(root)) for one, other in found]
    return f"{masks} {said_doubled(twice)}".strip()


def _look(here: _Round, one: Due) -> Fingerprint | None:
    if here.stop.is_set():
        return None
    try:
        return fingerprint(here.root / one.path, whole=one.whole, should_stop=here.stop.is_set)
    except ImageError:
        return None


def list_new(writer: Writer, root: Path, start: Path) -> None:
    """On another thread: list a folder seen for the first time, or one that has a photo not known yet."""
    images, known = writer.call(lambda store: (store.images(), store.photos.known()))
    asked_for = start.suffix.lower() in SUFFIXES and start.is_file()
    if not images or (asked_for and image_at(start, root, images) is None):
        seen = survey(images, known, list(find_images(root)), root)
        writer.call(lambda store: take_survey(store, root, seen))


def image_at(path: Path | None, root: Path, images: Sequence[Image]) -> int | None:
    """The image that a path means, if it is one of the project's."""
    if path is None or not path.is_file():
        return None
    wanted = path.resolve()
    return next((image.id for image in images if (root / image.path).resolve() == wanted), None)
