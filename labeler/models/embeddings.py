"""Image embeddings on disk, so that an image that was seen once opens at once: float16, bounded, checked."""

import hashlib
import logging
import os
import struct
import time
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from labeler.core.files import atomic_write
from labeler.core.photos.photo_files import readable
from labeler.models.protocols import Embedding
from labeler.paths import CACHE_LIMIT_VARIABLE

DEFAULT_LIMIT = 5 << 30
"""Bytes on disk, over all models."""

_MAGIC = b"LBEMBED1"
_HEAD = struct.Struct(">8s16sI")
"""Magic, checksum of all that follows the head, length of the msgpack description."""
_SUFFIX = ".embedding"
_MAX_FLOAT16 = 65504.0

_log = logging.getLogger(__name__)


class _Array(Struct, frozen=True, array_like=True):
    name: str
    shape: tuple[int, ...]


class _Description(Struct, frozen=True, array_like=True):
    size: tuple[int, int]
    arrays: list[_Array]


def content_digest(path: Path) -> str:
    """A hash of the whole file: what an image's embeddings are found by, wherever it is moved to.

    Raises ImageError, one sentence, when the file is missing or cannot be read.
    """
    hashed = hashlib.blake2b(digest_size=20)
    with readable(path) as file:
        while block := file.read(1 << 20):
            hashed.update(block)
    return hashed.hexdigest()


def as_kept(embedding: Embedding) -> Embedding:
    """The embedding as precise as the cache keeps it, so that it is the same whether it was there or not."""
    arrays = embedding.arrays.items()
    rounded = {name: values.astype(np.float16).astype(np.float32) for name, values in arrays}
    return Embedding(rounded, embedding.size)


def wanted_limit() -> int:
    """The bound of the cache in bytes: as set in the environment, else the default."""
    try:
        return int(float(os.environ.get(CACHE_LIMIT_VARIABLE, "")) * (1 << 30))
    except ValueError:
        return DEFAULT_LIMIT


class EmbeddingCache:
    """Embeddings by model and image content, least recently used out first; shared between processes."""

    def __init__(self, folder: Path, *, limit: int | None = None) -> None:
        self._folder = folder
        self._limit = wanted_limit() if limit is None else limit
        self._bytes: int | None = None  # what is on disk, as far as this process knows; None before a scan

    def get(self, fingerprint: str, digest: str) -> Embedding | None:
        """The embedding that `put` stored under the model's fingerprint and the image's digest.

        A missing or damaged file is None (a damaged one is deleted). Arrays are float32 again.
        """
        path = self._path(fingerprint, digest)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            embedding = _decoded(data)
        except ValueError as error:  # msgspec's errors are ValueErrors too
            _log.warning("Dropped the cached embedding %s: %s", path.name, error)
            path.unlink(missing_ok=True)
            return None
        self._touch(path)
        return embedding

    def put(self, fingerprint: str, digest: str, embedding: Embedding) -> None:
        """Store an embedding; nothing happens when it cannot be kept as float16 or the disk refuses."""
        data = _encoded(embedding)
        if data is None or len(data) > self._limit:
            return
        path = self._path(fingerprint, digest)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, data)
            self._touch(path)
            self._make_room(len(data))
        except OSError as error:  # a cache is a convenience: a full disk must not fail the click
            _log.warning("Could not cache an embedding in %s: %s", self._folder, error)

    def _path(self, fingerprint: str, digest: str) -> Path:
        return self._folder / digest[:2] / f"{digest}-{fingerprint}{_SUFFIX}"

    @staticmethod
    def _touch(path: Path) -> None:
        """Note the use in the file's time; access times are off on many disks."""
        try:
            now = time.time_ns()
            os.utime(path, ns=(now, now))
        except OSError:
            return  # a read-only cache still serves

    def _make_room(self, added: int) -> None:
        if self._bytes is not None:
            self._bytes += added
            if self._bytes <= self._limit:
                return
        files = sorted(self._files(), reverse=True)  # most recent first
        self._bytes = 0
        for _, size, path in files:
            if self._bytes + size > self._limit:
                path.unlink(missing_ok=True)
            else:
                self._bytes += size

    def _files(self) -> list[tuple[int, int, Path]]:
        """(time of last use in ns, bytes, path) of every cached embedding."""
        found = []
        for path in self._folder.glob(f"*/*{_SUFFIX}"):
            try:
                status = path.stat()
            except FileNotFoundError:  # another process made room at the same time
                continue
            found.append((status.st_mtime_ns, status.st_size, path))
        return found


def _encoded(embedding: Embedding) -> bytes | None:
    arrays = list(embedding.arrays.items())
    # written so that NaN fails it too
    if not all(array.size == 0 or np.abs(array).max() <= _MAX_FLOAT16 for _, array in arrays):
        return None
    description = msgspec.msgpack.encode(
        _Description(embedding.size, [_Array(name, array.shape) for name, array in arrays])
    )
    body = b"".join([description, *(array.astype(np.float16).tobytes() for _, array in arrays)])
    return _HEAD.pack(_MAGIC, _checksum(body), len(description)) + body


def _decoded(data: bytes) -> Embedding:
    """Raises ValueError for anything that `_encoded` did not write."""
    if len(data) < _HEAD.size:
        raise ValueError("the file is cut off")
    magic, checksum, length = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if magic != _MAGIC or checksum != _checksum(body):
        raise ValueError("the file is damaged")
    description = msgspec.msgpack.decode(body[:length], type=_Description)
    arrays = {}
    offset = length
    for array in description.arrays:
        count = int(np.prod(array.shape, dtype=np.int64))
        values = np.frombuffer(body, np.float16, count, offset)
        arrays[array.name] = values.reshape(array.shape).astype(np.float32)
        offset += values.nbytes
    return Embedding(arrays, description.size)


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()
