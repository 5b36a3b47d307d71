"""Decodes the open image and its neighbours on threads, and keeps the last ones."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from labeler.core.photos.images import Pixels, read_pixels
from labeler.core.photos.patience import unhurried
from labeler.core.photos.photo_files import Fingerprint, Stamp, fingerprint, stamp_of
from labeler.errors import ImageError, LabelerError
from labeler.gui.toolkit.aside import Readers

KEPT_BYTES = 768 << 20
"""Pixels kept decoded: a 4k photo is 25 MB, an 8k one 200 MB."""
_PLACES = 2
_WHOLE = 256 << 20
"""Bytes up to which the whole file is read again for its fingerprint, which is then in the disk's cache."""


class _Loaded(Struct, frozen=True, eq=False):
    pixels: Pixels
    found: Fingerprint
    stamp: Stamp | None


class PixelLoader(QObject):
    """Gives the pixels of wanted images, the first wanted first; images no longer wanted are not begun."""

    loaded = Signal(int, object)
    """Image id and its `Pixels`."""
    failed = Signal(int, str)
    """Image id and one sentence; its pixels may still come, where it only takes long."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._readers = Readers(_PLACES, "decoding", self)
        self._readers.freed.connect(self._next)
        self._kept: OrderedDict[int, _Loaded] = OrderedDict()
        self._wanted: dict[int, Path] = {}
        self._busy: dict[int, Path] = {}

    def pixels(self, image_id: int) -> Pixels | None:
        """The pixels of an image if they are at hand."""
        if image_id not in self._kept:
            return None
        self._kept.move_to_end(image_id)
        return self._kept[image_id].pixels

    def fingerprint(self, image_id: int) -> Fingerprint | None:
        """What tells the file that the pixels at hand are from."""
        kept = self._kept.get(image_id)
        return kept.found if kept is not None else None

    def stamp(self, image_id: int) -> Stamp | None:
        """Which file on the disk the pixels at hand are from; None where there are none."""
        kept = self._kept.get(image_id)
        return kept.stamp if kept is not None else None

    def want(self, images: Sequence[tuple[int, Path]]) -> None:
        """Replace what is wanted, most urgent first; those at hand are not decoded again."""
        self._wanted = {image_id: path for image_id, path in images if image_id not in self._kept}
        self._next()

    def forget(self, image_id: int) -> None:
        """Read an image anew when it is wanted next: its file is another one."""
        self._kept.pop(image_id, None)
        self._busy.pop(image_id, None)

    def clear(self) -> None:
        """Forget everything: another project is opened."""
        self._kept.clear()
        self._wanted.clear()
        self._busy.clear()

    def _next(self) -> None:
        for image_id, path in list(self._wanted.items()):
            if not self._readers.is_free:
                return
            del self._wanted[image_id]
            if self._busy.get(image_id) != path:
                self._start(image_id, path)

    def _start(self, image_id: int, path: Path) -> None:
        self._busy[image_id] = path
        self._readers.start(
            lambda: _read(path),
            done=lambda found: self._take(image_id, path, found),
            failed=lambda error: self._refuse(image_id, path, error),
            late=lambda: self._say_late(image_id, path),
        )

    def _take(self, image_id: int, path: Path, found: _Loaded) -> None:
        if self._busy.get(image_id) != path:
            return  # of another project, or the image has moved meanwhile
        del self._busy[image_id]
        self._kept[image_id] = found
        while len(self._kept) > 1 and sum(p.pixels.rgb.nbytes for p in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        self.loaded.emit(image_id, found.pixels)

    def _refuse(self, image_id: int, path: Path, error: Exception) -> None:
        if self._busy.get(image_id) != path:
            return
        del self._busy[image_id]
        known = isinstance(error, LabelerError)
        self.failed.emit(image_id, str(error) if known else f"{path.name} cannot be read: {error}.")

    def _say_late(self, image_id: int, path: Path) -> None:
        if self._busy.get(image_id) == path:
            self.failed.emit(
                image_id,
                f"{path} has not been read after 5 seconds and is still being read: where it never comes, "
                "check the disk it lies on.",
            )


def _read(path: Path) -> _Loaded:
    """On a thread: what the file shows, and what tells it; the two are of one state of the file."""
    with unhurried():  # what comes late is shown late
        stamp = stamp_of(path)
        before = fingerprint(path, whole=False)
        pixels = read_pixels(path)
        after = fingerprint(path, whole=before.size <= _WHOLE)
    if (before.size, before.modified, before.digest) != (after.size, after.modified, after.digest):
        raise ImageError(f"{path} was written to while it was read: open it again.")
    return _Loaded(pixels, after, stamp)
