"""Labelled images in whose place another photo lies, until a person has said what they are."""

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from labeler.core.photos.photo_files import Fingerprint
from labeler.core.records import Image
from labeler.project.photos.survey import Stranger


class Strangers(QObject):
    """Those that are known now; nothing of their records is overwritten while they are here."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._by_id: dict[int, Stranger] = {}

    def __contains__(self, image_id: int | None) -> bool:
        return image_id in self._by_id

    def get(self, image_id: int) -> Stranger | None:
        """What lies in the place of this image, if it is another photo."""
        return self._by_id.get(image_id)

    @property
    def all(self) -> tuple[Stranger, ...]:
        """All of them."""
        return tuple(self._by_id.values())

    def add(self, stranger: Stranger) -> None:
        """One that was found when it was opened."""
        self._set({**self._by_id, stranger.image.id: stranger})

    def take(self, found: Sequence[Stranger]) -> None:
        """Those that a look at the folder has found, which knows nothing of sizes in pixels."""
        by_size = {key: one for key, one in self._by_id.items() if one.image.digest in ("", one.found.digest)}
        self._set(by_size | {one.image.id: one for one in found})

    def forget(self, image_ids: Sequence[int]) -> None:
        """A person has said what these are."""
        self._set({key: one for key, one in self._by_id.items() if key not in image_ids})

    def clear(self) -> None:
        """Another project is open."""
        self._set({})

    def _set(self, strangers: dict[int, Stranger]) -> None:
        if strangers.keys() != self._by_id.keys():
            self._by_id = strangers
            self.changed.emit()


def can_be(image: Image, opened: Image, found: Fingerprint) -> bool:
    """Whether an opened file can be the photo that was labelled, by its size in pixels and its digest."""
    same_size = not image.width or (image.width, image.height) == (opened.width, opened.height)
    return same_size and image.digest in ("", found.digest)
