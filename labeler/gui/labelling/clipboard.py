"""Copied annotations: shapes and categories that can be pasted on any image of the project."""

import time
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from labeler.core.companions import copied
from labeler.core.geometry import bounds, clipped, translated
from labeler.core.records import Annotation, Change, Image
from labeler.gui.session.session import Session

OFFSET = 12.0
"""Pixels that a copy on the same image stands beside its original, so that it is seen."""


class Clipboard(QObject):
    """Holds what was copied last."""

    told = Signal(str)
    """What became of copies for the next image."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._copied: tuple[Annotation, ...] = ()
        self._waiting: tuple[int, tuple[Annotation, ...]] | None = None
        """An image whose size is not known yet, and what is to be put on it."""
        session.project_changed.connect(self._forget)
        session.place.image_changed.connect(self._give_up)
        session.place.pixels_changed.connect(self._put_waiting)

    def copy(self, ids: Iterable[int]) -> int:
        """Copy annotations of the open image; gives how many."""
        annotations = self._session.document.annotations
        found = tuple(annotations[i] for i in ids if i in annotations)
        self._copied = found or self._copied
        return len(found)

    def paste(self, *, in_place: bool = False) -> int:
        """Paste on the open image as one edit, and select what was pasted; gives how many.

        On the image that it was copied from it stands beside its original, or `in_place` right on it.
        """
        return self._put(self._copied, "Paste", in_place=in_place)

    def duplicate(self, ids: Iterable[int]) -> int:
        """Copies of annotations beside themselves, without touching what was copied; gives how many."""
        annotations = self._session.document.annotations
        return self._put([annotations[i] for i in ids if i in annotations], "Duplicate")

    def copy_to_next(self, ids: Iterable[int]) -> None:
        """Go to the next image, and put copies of these annotations there in their place: one edit.

        For no ids it is all that the open image has. Where the size of that image is not known yet, they
        come with its pixels, if a person is still there then.
        """
        session, here = self._session, self._session.place.image
        chosen = frozenset(ids)
        found = [one for key, one in session.document.annotations.items() if not chosen or key in chosen]
        if session.read_only:
            session.told.emit(f"Nothing was changed. {session.read_only}")
            return
        if here is None or not found:
            self.told.emit("Nothing was copied: there is nothing on this image.")
            return
        if session.place.position(here.id) == len(session.place.order) - 1:
            self.told.emit("Nothing was copied: this is the last image.")
            return
        session.place.step(1)
        image = session.place.image
        if image is None or image.id == here.id:
            return  # it is told why one stays
        self._waiting = (image.id, tuple(found))
        if image.width and image.height:
            self._put_waiting()

    def _put_waiting(self) -> None:
        image = self._session.place.image
        if self._waiting is None or image is None or self._waiting[0] != image.id:
            return
        (_, originals), self._waiting = self._waiting, None
        count = self._put(originals, "Copy", where=f" to {Path(image.path).name}") if image.width else 0
        left = len(originals) - count
        name = Path(image.path).name
        if not count:
            self.told.emit(f"Nothing was copied to {name}.")
        else:
            what = "1 object" if count == 1 else f"{count:,} objects"
            gone = f"; {left:,} would lie beyond its edge" if left else ""
            self.told.emit(f"Copied {what} to {name}{gone}.")

    def _give_up(self) -> None:
        image = self._session.place.image
        if self._waiting is not None and (image is None or image.id != self._waiting[0]):
            self._waiting = None
            self.told.emit("Nothing was copied: the image was left before it could be read.")

    def _forget(self) -> None:
        """Ids and categories mean others in another project."""
        self._copied, self._waiting = (), None

    def _put(
        self, originals: Iterable[Annotation], verb: str, *, in_place: bool = False, where: str = ""
    ) -> int:
        session, image = self._session, self._session.place.image
        if image is None:
            return 0
        made, now = [], time.time()
        for original in originals:
            copy = self._copy(original, image, now, step=0.0 if in_place else OFFSET)
            if copy is not None:
                made.append(copy)
        what = "an object" if len(made) == 1 else f"{len(made)} objects"
        changes = [Change(None, one) for one in made]
        if not session.edits.commit(f"{verb} {what}{where}", changes, by="clipboard"):
            return 0
        session.focus.select(one.id for one in made)
        return len(made)

    def _copy(self, original: Annotation, image: Image, now: float, *, step: float) -> Annotation | None:
        """A copy on an image, moved by `step` pixels on its own; None where nothing of it lies within."""
        session = self._session
        if original.category_id not in session.document.categories:
            return None
        by = step if original.image_id == image.id else 0.0
        shape = clipped(translated(original.shape, by, by), (image.height, image.width))
        if not bounds(shape).area > 0:
            return None
        return replace(
            original,
            id=session.edits.new_annotation_id(),
            image_id=image.id,
            shape=shape,
            source="human",
            prediction_id=None,
            file_id=None,
            extra=copied(original.extra),
            created=now,
            edited=now,
        )
