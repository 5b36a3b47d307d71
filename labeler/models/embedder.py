"""Gives the embeddings of image files: from memory, from disk, or by the model."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Protocol

from msgspec import Struct

from labeler.core.photos.images import read_pixels
from labeler.core.photos.patience import patiently
from labeler.models.embeddings import EmbeddingCache, content_digest
from labeler.models.protocols import Embedding, Interrupt, Rgb

_KEPT = 8
"""In memory: the open image, both neighbours, and those seen last; 4 MB each for MobileSAM."""


class EmbeddedImage(Struct, frozen=True, eq=False):
    """An embedding, and what is left to do once it was handed on."""

    embedding: Embedding
    store: Callable[[], None]
    """Writes it to the disk cache, which a person need not wait for; does nothing where it is there."""


class Encoder(Protocol):
    """What makes embeddings: a segmenter, or whatever else sees something in an image once for many uses."""

    def embed(self, image: Rgb, *, threads: int = 0, interrupt: Interrupt | None = None) -> Embedding:
        """As `Segmenter.embed`."""
        ...


class Embedder:
    """One model's embeddings. Any thread may ask."""

    def __init__(self, model: Encoder, fingerprint: str, cache: EmbeddingCache) -> None:
        self._model = model
        self._fingerprint = fingerprint
        self._cache = cache
        self._memory: OrderedDict[str, Embedding] = OrderedDict()
        self._lock = Lock()

    def embed(
        self, path: Path, *, threads: int = 0, interrupt: Interrupt | None = None, keep: bool = True
    ) -> EmbeddedImage:
        """The embedding of an image file; `threads` and `interrupt` as in `Segmenter.embed`.

        `keep`: whether it stays in memory. Raises ImageError, ModelError or InterruptedWorkError.
        """
        digest = patiently(path, lambda: content_digest(path))
        with self._lock:
            embedding = self._memory.get(digest)
        if embedding is None:
            embedding = self._cache.get(self._fingerprint, digest)
        store = _nothing
        if embedding is None:
            embedding = self._model.embed(read_pixels(path).rgb, threads=threads, interrupt=interrupt)
            store = self._storing(digest, embedding)
        if keep:
            self._remember(digest, embedding)
        return EmbeddedImage(embedding, store)

    def _storing(self, digest: str, embedding: Embedding) -> Callable[[], None]:
        return lambda: self._cache.put(self._fingerprint, digest, embedding)

    def _remember(self, digest: str, embedding: Embedding) -> None:
        with self._lock:
            self._memory[digest] = embedding
            self._memory.move_to_end(digest)
            while len(self._memory) > _KEPT:
                self._memory.popitem(last=False)


def _nothing() -> None:
    return
