"""Decodes the open image and its neighbours on threads, and keeps the last ones."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QThreadPool, Signal

from labeler.core.images import Pixels, read_pixels
from labeler.errors import LabelerError
from labeler.gui.courier import Courier, run_in_pool

KEPT_BYTES = 768 << 20
"""Pixels kept decoded: a 4k photo is 25 MB, an 8k one 200 MB."""


class PixelLoader(QObject):
    """Gives the pixels of wanted images, the first wanted first; images no longer wanted are not begun."""

    loaded = Signal(int, object)
    """Image id and its `Pixels`."""
    failed = Signal(int, str)
    """Image id and one sentence."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._courier = Courier(self)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._kept: OrderedDict[int, Pixels] = OrderedDict()
        self._wanted: dict[int, Path] = {}
        self._busy: int | None = None

    def pixels(self, image_id: int) -> Pixels | None:
        """The pixels of an image if they are at hand."""
        if image_id in self._kept:
            self._kept.move_to_end(image_id)
        return self._kept.get(image_id)

    def want(self, images: Sequence[tuple[int, Path]]) -> None:
        """Replace what is wanted, most urgent first; those at hand are not decoded again."""
        self._wanted = {image_id: path for image_id, path in images if image_id not in self._kept}
        self._next()

    def clear(self) -> None:
        """Forget everything: another project is opened."""
        self._kept.clear()
        self._wanted.clear()

    def stop(self) -> None:
        """Wait for the decode that runs, at most some hundred milliseconds of work."""
        self.clear()
        self._pool.waitForDone()

    def _next(self) -> None:
        if self._busy is not None or not self._wanted:
            return
        image_id, path = next(iter(self._wanted.items()))
        del self._wanted[image_id]
        self._busy = image_id
        run_in_pool(
            lambda: read_pixels(path),
            courier=self._courier,
            done=lambda pixels: self._take(image_id, pixels),
            failed=lambda error: self._refuse(image_id, path, error),
            pool=self._pool,
        )

    def _take(self, image_id: int, pixels: Pixels) -> None:
        self._busy = None
        self._kept[image_id] = pixels
        while len(self._kept) > 1 and sum(p.rgb.nbytes for p in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        self.loaded.emit(image_id, pixels)
        self._next()

    def _refuse(self, image_id: int, path: Path, error: Exception) -> None:
        self._busy = None
        known = isinstance(error, LabelerError)
        self.failed.emit(image_id, str(error) if known else f"{path.name} cannot be read: {error}.")
        self._next()
