"""Small pictures of images: made on a thread for what is on screen, bounded in memory and on disk."""

import hashlib
import logging
import os
from collections import OrderedDict
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage, QPixmap

from labeler import paths
from labeler.core.photos.images import Rgb, read_thumbnail
from labeler.core.records import Image
from labeler.errors import ImageError
from labeler.gui.toolkit.aside import Readers

SIZE = 192
"""Pixels of a thumbnail's longer side: twice the film strip's cell, for screens of double density."""

_KEPT = 512
_WAITING = 64
_DISK_BYTES = 512 << 20
_Seen: TypeAlias = tuple[Path, str]
"""Where a file was, and the note of its image: with another of either it may be another picture."""
_log = logging.getLogger(__name__)


class Thumbnails(QObject):
    """Gives thumbnails of the images that were asked for last; the newest request is served first."""

    ready = Signal(int)
    """The id of an image whose thumbnail is there now, or cannot be made."""

    def __init__(self, parent: QObject | None = None, *, folder: Path | None = None) -> None:
        super().__init__(parent)
        self._folder = folder or paths.cache_dir() / "thumbnails"
        self._readers = Readers(1, "thumbnails", self)
        self._readers.freed.connect(self._next)
        self._kept: OrderedDict[int, tuple[_Seen, QPixmap | None]] = OrderedDict()
        self._waiting: OrderedDict[int, tuple[Image, Path]] = OrderedDict()
        self._busy: dict[int, _Seen] = {}
        self._generation = 0
        self._readers.start(
            lambda: prune(self._folder, most_bytes=_DISK_BYTES),
            done=lambda _: None,
            failed=lambda error: _log.info("old thumbnails stay: %s", error),
        )

    def pixmap(self, image: Image, path: Path) -> QPixmap | None:
        """The thumbnail if it is at hand; else it is made and `ready` says when. None also when it failed.

        Of a file that went, came back or was replaced since, the old one is shown until the new one is there.
        """
        seen = path, image.note
        made_of, made = self._kept.get(image.id, (None, None))
        if made_of is not None:
            self._kept.move_to_end(image.id)
        if made_of == seen:
            return made
        if self._busy.get(image.id) != seen:
            self._waiting[image.id] = image, path
            self._waiting.move_to_end(image.id)
            while len(self._waiting) > _WAITING:
                self._waiting.popitem(last=False)
            self._next()
        return made

    def failed(self, image_id: int) -> bool:
        """Whether it was tried, and there is no thumbnail."""
        return image_id in self._kept and self._kept[image_id][1] is None

    def clear(self) -> None:
        """Forget everything in memory: another project is open."""
        self._generation += 1
        self._kept.clear()
        self._waiting.clear()
        self._busy.clear()

    def stop(self) -> None:
        """Make no more; the one that is being made is made for nobody, and not waited for."""
        self.clear()

    def _next(self) -> None:
        if not self._readers.is_free or not self._waiting:
            return
        image_id, (image, path) = self._waiting.popitem(last=True)
        self._busy[image_id] = seen = path, image.note
        generation, folder = self._generation, self._folder
        self._readers.start(
            lambda: thumbnail(path, digest=image.digest, folder=folder),
            done=lambda made: self._take(generation, image_id, seen, made),
            failed=lambda error: self._refuse(generation, image_id, seen, error),
        )

    def _take(self, generation: int, image_id: int, seen: _Seen, made: QImage | None) -> None:
        if generation != self._generation:
            return
        self._busy.pop(image_id, None)
        self._kept[image_id] = seen, None if made is None else QPixmap.fromImage(made)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        self.ready.emit(image_id)

    def _refuse(self, generation: int, image_id: int, seen: _Seen, error: Exception) -> None:
        _log.info("no thumbnail: %s", error)
        self._take(generation, image_id, seen, None)


def thumbnail(path: Path, *, digest: str, folder: Path) -> QImage:
    """The thumbnail of an image file, from the disk cache or made now; called on a thread.

    The cache's key is the file's size and time with its digest, or with its path while that is unknown.
    Raises `ImageError` or `OSError` where there is no such image.
    """
    status = path.stat()
    key = f"{digest or path}|{status.st_size}|{status.st_mtime_ns}|{SIZE}"
    name = hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=16).hexdigest()
    cached = folder / name[:2] / f"{name}.jpg"
    rgb = _read(cached)
    if rgb is None:
        rgb = read_thumbnail(path, SIZE)
        _write(cached, rgb)
    height, width = rgb.shape[:2]
    return QImage(rgb.data, width, height, rgb.strides[0], QImage.Format.Format_RGB888).copy()


def prune(folder: Path, *, most_bytes: int) -> int:
    """Delete the oldest files of the cache until it fits; gives the bytes that are left."""
    files = [(status.st_mtime, status.st_size, path) for path, status in _files(folder)]
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= most_bytes:
            break
        path.unlink(missing_ok=True)
        total -= size
    return total


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    return [(path, path.stat()) for path in folder.glob("*/*.jpg")]


def _read(path: Path) -> Rgb | None:
    try:
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError:
        return None
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    return None if bgr is None else np.ascontiguousarray(bgr[:, :, ::-1])


def _write(path: Path, rgb: Rgb) -> None:
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not done:
        raise ImageError(f"The thumbnail {path.name} cannot be encoded.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # replaced, so that no reader sees half a file; not synced, since it can be made again
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(data.tobytes())
        temporary.replace(path)
    except OSError as error:
        _log.info("a thumbnail is not kept: %s", error)
