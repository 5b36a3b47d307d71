"""Copied annotations: shapes and categories that can be pasted on any image of the project."""

import time
from collections.abc import Iterable

from msgspec.structs import replace

from labeler.core.companions import copied
from labeler.core.geometry import bounds, clipped, translated
from labeler.core.records import Annotation, Change
from labeler.gui.session.session import Session

OFFSET = 12.0
"""Pixels that a copy on the same image stands beside its original, so that it is seen."""


class Clipboard:
    """Holds what was copied last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._copied: tuple[Annotation, ...] = ()

    def copy(self, ids: Iterable[int]) -> int:
        """Copy annotations of the open image; gives how many."""
        annotations = self._session.document.annotations
        found = tuple(annotations[i] for i in ids if i in annotations)
        self._copied = found or self._copied
        return len(found)

    def paste(self) -> int:
        """Paste on the open image as one edit, and select what was pasted; gives how many."""
        return self._put(self._copied, "Paste")

    def duplicate(self, ids: Iterable[int]) -> int:
        """Copies of annotations beside themselves, without touching what was copied; gives how many."""
        annotations = self._session.document.annotations
        return self._put([annotations[i] for i in ids if i in annotations], "Duplicate")

    def _put(self, originals: Iterable[Annotation], verb: str) -> int:
        session, image = self._session, self._session.place.image
        if image is None:
            return 0
        made, now = [], time.time()
        for original in originals:
            if original.category_id not in session.document.categories:
                continue
            step = OFFSET if original.image_id == image.id else 0.0
            shape = clipped(translated(original.shape, step, step), (image.height, image.width))
            if bounds(shape).area > 0:
                made.append(
                    replace(
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
                )
        what = "an object" if len(made) == 1 else f"{len(made)} objects"
        if not session.edits.commit(f"{verb} {what}", [Change(None, one) for one in made], by="clipboard"):
            return 0
        session.focus.select(one.id for one in made)
        return len(made)
