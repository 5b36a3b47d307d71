"""Which photos a project has, and by what each is known again: its fingerprint when last proven to be it.

Nothing here is an edit: it is found in files. What a file is now is worked out in `survey`, on any thread.
"""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import astuple

from labeler.core.photos.photo_files import Fingerprint
from labeler.core.records import Image
from labeler.project.candidates import forget_image
from labeler.project.open_file import OpenFile
from labeler.project.photos.survey import CHANGED, MISSING, same_photo
from labeler.project.table_rows import IMAGE


class Due(Struct, frozen=True):
    """A photo of which too little is known yet."""

    image_id: int
    path: str
    whole: bool
    """Whether all of it is to be read: a person's work is on it."""


class Photos:
    """The files of an open project's images and their fingerprints; `Store.photos` gives it."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file

    # --- the images of a project ------------------------------------------------------------------

    def add(self, paths: Iterable[str]) -> tuple[Image, ...]:
        """Add images by path, those that are in the project already left out; gives the new ones.

        Not an edit: files that lie in the folder are facts, and undo does not take them away.
        """
        with self._file.transaction():
            known = {path for (path,) in self._file.db.execute("SELECT path FROM image")}
            fresh = [path for path in dict.fromkeys(paths) if path not in known]
            first = self._file.ids.take("image", len(fresh))
            added = tuple(Image(first + n, path, 0, 0) for n, path in enumerate(fresh))
            self._file.db.executemany(IMAGE.insert, map(astuple, added))
        return added

    def update(self, images: Iterable[Image]) -> None:
        """Keep what was found in the files of images: path, size, digest and note. Not an edit."""
        with self._file.transaction():
            self._file.db.executemany(
                "UPDATE image SET path = ?, width = ?, height = ?, digest = ?, note = ? WHERE id = ?",
                ((i.path, i.width, i.height, i.digest, i.note, i.id) for i in images),
            )

    def move(self, images: Iterable[Image]) -> None:
        """Give images other paths and notes, among them paths that others of them had. Not an edit."""
        moved = list(images)
        with self._file.transaction():
            # no path may be there twice, not even in between
            self._file.db.executemany(
                "UPDATE image SET path = ? WHERE id = ?", ((f"\n{i.id}", i.id) for i in moved)
            )
            self.update(moved)

    # --- fingerprints -----------------------------------------------------------------------------

    def known(self) -> dict[int, Fingerprint]:
        """Image id to the fingerprint by which it is known."""
        query = (
            "SELECT photo.image_id, size, modified, digest, content FROM photo JOIN image "
            "ON image.id = photo.image_id WHERE digest != ''"
        )
        return {row[0]: Fingerprint(*row[1:]) for row in self._file.db.execute(query)}

    def labelled(self) -> frozenset[int]:
        """Ids of images that a person's work is on: annotations, or a review."""
        query = "SELECT id FROM image WHERE reviewed = 1 UNION SELECT image_id FROM annotation"
        return frozenset(image_id for (image_id,) in self._file.db.execute(query))

    def due(self) -> list[Due]:
        """Photos whose fingerprint is not known, or not that of the whole where a person's work is on them.

        Not those that are missing or another than they were.
        """
        query = (
            "SELECT id, path, content IS NULL FROM image LEFT JOIN photo ON id = image_id "
            "WHERE note NOT IN (?, ?) AND (content IS NULL OR content = '') ORDER BY id"
        )
        labelled = self.labelled()
        rows = self._file.db.execute(query, (MISSING, CHANGED))
        return [Due(key, path, key in labelled) for key, path, new in rows if new or key in labelled]

    def meet(self, image: Image, found: Fingerprint) -> bool:
        """A photo was opened: keep its record and fingerprint, if it is the photo that it was.

        False, and only that is kept, where it is another than the one that a person labelled.
        """
        row = self._file.db.execute(
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
                with self._file.transaction():
                    self._file.db.execute("UPDATE image SET note = ? WHERE id = ?", (CHANGED, image.id))
            return False
        fresh = known is None or not same or (found.size, found.modified) != (known.size, known.modified)
        with_content = bool(found.content) and (known is None or not known.content)
        if fresh or with_content or (width, height, note) != (image.width, image.height, image.note):
            with self._file.transaction():
                self._file.db.execute(
                    "UPDATE image SET width = ?, height = ?, note = ? WHERE id = ?",
                    (image.width, image.height, image.note, image.id),
                )
                self.replace(image.id, found)
                if known is not None and not same:
                    forget_image(self._file.db, image.id)
        return True

    def keep(self, seen: Iterable[tuple[int, str, Fingerprint]]) -> None:
        """Keep fingerprints of photos by image id and path; left out where the image has moved since.

        A fingerprint without its content keeps the content that is known where the rest is the same.
        """
        with self._file.transaction():
            for image_id, path, found in seen:
                row = self._file.db.execute(
                    "SELECT digest FROM image WHERE id = ? AND path = ?", (image_id, path)
                ).fetchone()
                if row is None or row[0] not in ("", found.digest):
                    continue
                if row[0] == "":
                    self._file.db.execute(
                        "UPDATE image SET digest = ? WHERE id = ?", (found.digest, image_id)
                    )
                self._put(image_id, found)

    def replace(self, image_id: int, found: Fingerprint) -> None:
        """Know an image by another file from now on, as a person said."""
        with self._file.transaction():
            self._file.db.execute("UPDATE image SET digest = ? WHERE id = ?", (found.digest, image_id))
            self._file.db.execute("DELETE FROM photo WHERE image_id = ?", (image_id,))
            self._put(image_id, found)

    def _put(self, image_id: int, found: Fingerprint) -> None:
        self._file.db.execute(
            "INSERT INTO photo (image_id, size, modified, content) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (image_id) DO UPDATE SET "
            "size = excluded.size, modified = excluded.modified, "
            "content = CASE WHEN excluded.content != '' THEN excluded.content "
            "WHEN photo.size = excluded.size AND photo.modified = excluded.modified THEN photo.content "
            "ELSE '' END",
            (image_id, found.size, found.modified, found.content),
        )
