"""The two models that come along and the instant head uses, with what is cached of both."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from labeler.core.records import Candidate
from labeler.models.detector_eyes import DetectorEyes
from labeler.models.embedder import Embedder
from labeler.models.embeddings import EmbeddingCache, as_kept
from labeler.models.protocols import Embedding, Rgb, Segmenter
from labeler.training.instant.head import Head
from labeler.training.instant.objects import boxes_found, drawn


class Instant:
    """The detector's eyes and the segmenter, with what is cached of both."""

    def __init__(self, cache: EmbeddingCache, load: Callable[[], tuple[Segmenter, str]]) -> None:
        """`load`: makes the segmenter, and its fingerprint; called when the first mask is wanted."""
        self._cache = cache
        self._load = load
        self.eyes = DetectorEyes()
        self._plain = Embedder(self.eyes, self.eyes.fingerprint, cache)

    def seen(self, path: Path) -> Embedding:
        """What the detector sees of an image file, from the cache; else it is worked out, and cached.

        It is the same in both cases: as precise as the cache keeps it. Raises ImageError or ModelError.
        """
        return _kept(self._plain, path)

    def seen_mirrored(self, path: Path) -> Embedding:
        """The same of its mirror image."""
        return _kept(self._mirrored, path)

    def objects(self, head: Head, path: Path) -> tuple[Candidate, ...]:
        """What a head finds in an image file, after suppression, best first."""
        seen = self.seen(path)
        found = boxes_found(head, seen, self.embedding(path) if head.config.alike else None)
        if not found or not head.config.masks:
            return found
        return drawn(found, self.segmenter, self.embedding(path))

    def objects_in(self, head: Head, image: Rgb) -> tuple[Candidate, ...]:
        """The same of pixels, of which nothing is cached."""
        seen, embedding = as_kept(self.eyes.embed(image)), None
        if head.config.alike:
            embedding = self.segmenter.embed(image)
        found = boxes_found(head, seen, embedding)
        if not found or not head.config.masks:
            return found
        return drawn(found, self.segmenter, embedding or self.segmenter.embed(image))

    @property
    def segmenter(self) -> Segmenter:
        """What draws the masks."""
        return self._segmenter[0]

    def embedding(self, path: Path) -> Embedding:
        """The segmenter's embedding of an image file, as `seen`."""
        return _kept(self._segmenter[1], path)

    @cached_property
    def _segmenter(self) -> tuple[Segmenter, Embedder]:
        segmenter, fingerprint = self._load()
        return segmenter, Embedder(segmenter, fingerprint, self._cache)

    @cached_property
    def _mirrored(self) -> Embedder:
        eyes = DetectorEyes(flipped=True)
        return Embedder(eyes, eyes.fingerprint, self._cache)


def _kept(embedder: Embedder, path: Path) -> Embedding:
    embedded = embedder.embed(path, keep=False)
    embedded.store()
    return as_kept(embedded.embedding)
