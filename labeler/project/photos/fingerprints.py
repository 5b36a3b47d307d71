"""By what each photo is known again: the fingerprint of its file when that was last proven to be it.

Nothing here is an edit: it is found in files. What a file is now is worked out in `survey`, on any thread.
"""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from msgspec import Struct

from labeler.core.photos.photo_files import Fingerprint
from labeler.core.records import Image
from labeler.project.candidates import forget_image
from labeler.project.photos.survey import CHANGED, MISSING, same_photo


class Due(Struct, frozen=True):
    """A photo of which too little is known yet."""

    image_id: int
    path: str
    whole: bool
    """Whether all of it is to be read: a person's work is on it."""


class Photos:
    """The table of fingerprints of an open project; `Store.photos` gives it."""

    def __init__(
        self, db: sqlite3.Connection, transaction: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._db = db
        self._transaction = transaction

    def known(self) -> dict[int, Fingerprint]:
        """Image id to the fingerprint by which it is known."""
        query = (
            "SELECT photo.image_id, size, modified, digest, content FROM photo JOIN image "
            "ON image.id = photo.image_id WHERE digest != ''"
        )
        return {row[0]: Fingerprint(*row[1:]) for row in self._db.execute(query)}

    def labelled(self) -> frozenset[int]:
        """Ids of images that a person's work is on: annotations, or a review."""
        query = "SELECT id FROM image WHERE reviewed = 1 UNION SELECT image_id FROM annotation"
        return frozenset(image_id for (image_id,) in self._db.execute(query))

    def due(self) -> list[Due]:
        """Photos whose fingerprint is not known, or not that of the whole where a person's work is on them.

        Not those that are missing or another than they were.
        """
        query = (
            "SELECT id, path, content IS NULL FROM image LEFT JOIN photo ON id = image_id "
            "WHERE note NOT IN (?, ?) AND (content IS NULL OR content = '') ORDER BY id"
        )
        labelled = self.labelled()
        rows = self._db.execute(query, (MISSING, CHANGED))
        return [Due(key, path, key in labelled) for key, path, new in rows if new or key in labelled]

    def meet(self, image: Image, found: Fingerprint) -> bool:
        """A photo was opened: keep its record and fingerprint, if it is the photo that it was.

        False, and only that is kept, where it is another than the one that a person labelled.
        """
        row = self._db.execute(
            "SELECT path, width, height, image.digest, note, size, modified, content FROM image "
            "LEFT JOIN photo ON image.id = image_id WHERE id = ?",
            (image.id,),
        ).fetchone()
        if row is None or row[0] != image.path:
            return True
        _, width, height, digest, note, size, modified, content = row
        known = None if size is None else Fingerprint(size, modified, digest, content)
        same = not digest or same_photo(digest, known, found)
        resized = bool(width) and (width, height) != (image.width, image.height)
        if (not same or resized) and image.id in self.labelled():
            if note != CHANGED:
                with self._transaction():
                    self._db.execute("UPDATE image SET note = ? WHERE id = ?", (CHANGED, image.id))
            return False
        fresh = known is None or not same or (found.size, found.modified) != (known.size, known.modified)
        with_content = bool(found.content) and (known is None or not known.content)
        if fresh or with_content or (width, height, note) != (image.width, image.height, image.note):
            with self._transaction():
                self._db.execute(
                    "UPDATE image SET width = ?, height = ?, note = ? WHERE id = ?",
                    (image.width, image.height, image.note, image.id),
                )
                self.replace(image.id, found)
                if known is not None and not same:
                    forget_image(self._db, image.id)
        return True

    def keep(self, seen: Iterable[tuple[int, str, Fingerprint]]) -> None:
        """Keep fingerprints of photos by image id and path; left out where the image has moved since.

        A fingerprint without its content keeps the content that is known where the rest is the same.
        """
        with self._transaction():
            for image_id, path, found in seen:
                row = self._db.execute(
                    "SELECT digest FROM image WHERE id = ? AND path = ?", (image_id, path)
                ).fetchone()
                if row is None or row[0] not in ("", found.digest):
                    continue
                if row[0] == "":
                    self._db.execute("UPDATE image SET digest = ? WHERE id = ?", (found.digest, image_id))
                self._put(image_id, found)

    def replace(self, image_id: int, found: Fingerprint) -> None:
        """Know an image by another file from now on, as a person said."""
        with self._transaction():
            self._db.execute("UPDATE image SET digest = ? WHERE id = ?", (found.digest, image_id))
            self._db.execute("DELETE FROM photo WHERE image_id = ?", (image_id,))
            self._put(image_id, found)

    def _put(self, image_id: int, found: Fingerprint) -> None:
        self._db.execute(
            "INSERT INTO photo (image_id, size, modified, content) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (image_id) DO UPDATE SET "
            "size = excluded.size, modified = excluded.modified, "
            "content = CASE WHEN excluded.content != '' THEN excluded.content "
            "WHEN photo.size = excluded.size AND photo.modified = excluded.modified THEN photo.content "
            "ELSE '' END",
            (image_id, found.size, found.modified, found.content),
        )
