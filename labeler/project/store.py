"""The project file: everything that is read from it and written to it goes through `Store`."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import astuple

from labeler.core.order import natural_key
from labeler.core.photos.patience import resolved
from labeler.core.records import Annotation, Candidate, Category, Edit, Image, Model, Record
from labeler.errors import ProjectError
from labeler.project import journal, settlement
from labeler.project.agreement_history import Agreements
from labeler.project.candidates import StoredCandidates
from labeler.project.ids import NextIds
from labeler.project.journal import JournalEntry
from labeler.project.open_file import OpenFile
from labeler.project.photos.fingerprints import Photos
from labeler.project.runs import Runs
from labeler.project.table_rows import ANNOTATION, CATEGORY, IMAGE, table_of


class Store(OpenFile):
    """An open project file. All methods belong to the thread that opened it.

    Every method that writes is one transaction of its own, or part of the one that the caller has
    opened with `transaction`. When it returns outside of one, what it wrote is on disk.
    """

    # --- reading ------------------------------------------------------------------------------

    def images(self) -> list[Image]:
        """All images in natural order of their paths."""
        rows = self._db.execute(IMAGE.select).fetchall()
        rows.sort(key=lambda row: natural_key(row[1]))
        return [IMAGE.from_row(row) for row in rows]  # type: ignore[misc]

    def image(self, image_id: int) -> Image:
        """One image; `ProjectError` if it is not there."""
        row = self._db.execute(f"{IMAGE.select} WHERE id = ?", (image_id,)).fetchone()
        if row is None:
            raise ProjectError(f"The project has no image {image_id}.")
        return IMAGE.from_row(row)  # type: ignore[return-value]

    def categories(self) -> list[Category]:
        """All categories in order of creation."""
        return [CATEGORY.from_row(row) for row in self._db.execute(f"{CATEGORY.select} ORDER BY id")]  # type: ignore[misc]

    def stored(self, record: Record) -> Record | None:
        """What the project has under the id of a record of that kind; None for nothing."""
        table = table_of(record)
        row = self._db.execute(f"{table.select} WHERE id = ?", (record.id,)).fetchone()
        return table.record(row)

    @property
    def predictions(self) -> StoredCandidates:
        """What models said, what their classes mean here, and which images they saw."""
        return StoredCandidates(self._db, self.transaction, self.ids)

    @property
    def agreements(self) -> Agreements:
        """How images agreed with models, and what labelling has cost."""
        return Agreements(self._db, self.transaction)

    @property
    def photos(self) -> Photos:
        """By what each photo is known again."""
        return Photos(self._db, self.transaction)

    @property
    def runs(self) -> Runs:
        """The trainings that the labels were used for."""
        return Runs(self._db, self.transaction)

    def models(self) -> list[Model]:
        """Whatever has made candidates, in order of first use."""
        return self.predictions.models()

    def annotations(self, image_id: int) -> tuple[Annotation, ...]:
        """The annotations of an image in order of creation; raises as `assert_as_saved` does."""
        self.assert_as_saved("annotation", "WHERE image_id = ?", image_id)
        return tuple(self._annotations("WHERE image_id = ? ORDER BY id", (image_id,)))

    def all_annotations(self) -> Iterator[Annotation]:
        """The annotations of all images, in order of image and creation, read as they are taken."""
        return self._annotations("ORDER BY image_id, id", ())

    def annotations_of_category(self, category_id: int) -> tuple[Annotation, ...]:
        """The annotations of a category, on whichever image."""
        return tuple(self._annotations("WHERE category_id = ? ORDER BY id", (category_id,)))

    def _annotations(self, where: str, values: Sequence[int]) -> Iterator[Annotation]:
        return map(ANNOTATION.from_row, self._db.execute(f"{ANNOTATION.select} {where}", values))  # type: ignore[arg-type]

    def annotation_counts(self, images: Iterable[int] | None = None) -> dict[int, dict[int, int]]:
        """How many annotations each image, or each of these, has: {image id: {category id: n > 0}}."""
        counts: dict[int, dict[int, int]] = {}
        which = "" if images is None else f"WHERE image_id IN ({','.join(str(int(one)) for one in images)})"
        query = (
            f"SELECT image_id, category_id, count(*) FROM annotation {which} GROUP BY image_id, category_id"
        )
        for image_id, category_id, number in self._db.execute(query):
            counts.setdefault(image_id, {})[category_id] = number
        return counts

    def images_of_boxes(self) -> frozenset[int]:
        """The images whose annotations are boxes and nothing else (see `project.shapes` for the letter)."""
        query = (
            "SELECT image_id FROM annotation GROUP BY image_id HAVING max(substr(shape, 1, 1) <> x'42') = 0"
        )
        return frozenset(image_id for (image_id,) in self._db.execute(query))

    def candidates(
        self, image_id: int, model_id: int | None = None, *, least: float = 0.0
    ) -> tuple[Candidate, ...]:
        """The candidates on an image, of one model or all; see `StoredCandidates.candidates` for `least`."""
        return self.predictions.candidates(image_id, model_id, least=least)

    def candidates_by_id(self, ids: Iterable[int]) -> tuple[Candidate, ...]:
        """The candidates with these ids that are still there, as for `Annotation.prediction_id`."""
        return self.predictions.by_id(ids)

    def candidates_of_category(self, category_id: int) -> tuple[Candidate, ...]:
        """The candidates of a category, on whichever image and of whichever model."""
        return self.predictions.of_category(category_id)

    def next_ids(self) -> NextIds:
        """Where new ids start; `ids` gives them."""
        return self.ids.peek()

    def journal(self, *, limit: int = 500, image_id: int | None = None) -> list[JournalEntry]:
        """The newest edits first, of one image or of all."""
        return journal.entries(self._db, limit=limit, image_id=image_id)

    def can_undo(self) -> bool:
        """Whether `undo` would do something."""
        return journal.last_done(self._db) != 0

    def can_redo(self) -> bool:
        """Whether `redo` would do something."""
        return journal.first_undone(self._db) != 0

    @property
    def root(self) -> Path:
        """The folder that image paths are relative to."""
        return resolved(self.path.parent / self.meta("root"))

    # --- edits --------------------------------------------------------------------------------

    def apply(self, edit: Edit) -> int:
        """Do an edit and journal it, as one transaction and one undo step; gives its journal id.

        Ids of new records are the caller's, as `ids` gives them. What each change calls `before`
        must be what is stored, else nothing is done and `MisfitError` says which record differs. Edits that
        were undone can then no longer be redone.
        """
        self.secure_before(edit)
        with self.transaction():
            edit_id = journal.record(self._db, edit, midway=self._midway)
            self.ids.note(edit.changes)
            return edit_id

    def settle(self, edit: Edit) -> tuple[int, Edit]:
        """`apply` what a person did to what they saw; gives its journal id, and the edit as it was applied.

        It is done to what is stored by now, see `core.rebasing`; categories that its annotations need come
        back. The id is 0 where nothing is left to do.
        """
        self.secure_before(edit)
        with self.transaction():
            edit_id, made = settlement.settled(self._db, edit, midway=self._midway)
            self.ids.note(made.changes)
        return edit_id, made

    def take_up(self, edit: Edit) -> tuple[int, Edit]:
        """`settle` what fits of an edit that was made to an older state of the project, and nothing twice.

        Gives its journal id, 0 where nothing of it was left to do, and what of it does not fit, maybe without
        changes: what it changes was changed since, or is gone. One that changed nothing when it was made is
        a step all the same, which an undo after it takes back.
        """
        fits, left = journal.sifted(self._db, edit)
        if edit.changes and not fits.changes:
            return 0, left
        return self.settle(fits)[0], left

    def undo(self, expected: int = 0) -> Edit | None:
        """Take back the last edit done; gives the inverse edit that was applied, None if there is none.

        With `expected`, the id of an edit, nothing is done where another one is the last.
        """
        with self.transaction():
            return self._step(journal.last_done(self._db), expected, forward=False)

    def redo(self, expected: int = 0) -> Edit | None:
        """Do the last undone edit again; gives the edit that was applied, None if there is none.

        With `expected`, the id of an edit, nothing is done where another one is next.
        """
        with self.transaction():
            return self._step(journal.first_undone(self._db), expected, forward=True)

    def tail(self) -> settlement.Tail:
        """The end of the journal, by which a window can undo at once."""
        return settlement.tail(self._db)

    def go_back_to(self, edit_id: int) -> tuple[Edit, ...]:
        """Undo or redo, in one transaction, until that edit is the last one done; 0 undoes all.

        Gives the edits as applied. An abandoned edit is not on the way: `ProjectError`; `restored` can
        still look at it.
        """
        with self.transaction():
            if edit_id and journal.state_of(self._db, edit_id) == "abandoned":
                raise ProjectError(
                    "Other edits were made instead of this one, so the project cannot go back to it."
                )
            applied = []
            while (last := journal.last_done(self._db)) > edit_id:
                applied.append(self._play(last, forward=False))
            while (following := journal.first_undone(self._db)) and following <= edit_id:
                applied.append(self._play(following, forward=True))
            return tuple(applied)

    def restored(self, image_id: int, edit_id: int) -> Edit:
        """An edit, not yet applied, that takes one image back to what it was right after an edit.

        Without changes where the image is so already.
        """
        return journal.restored(self._db, image_id, edit_id)

    def _step(self, edit_id: int, expected: int, *, forward: bool) -> Edit | None:
        return self._play(edit_id, forward=forward) if edit_id and expected in (0, edit_id) else None

    def _play(self, edit_id: int, *, forward: bool) -> Edit:
        self.assert_as_saved("change", "WHERE edit_id = ?", edit_id)
        return journal.play(self._db, edit_id, forward=forward, midway=self._midway)

    def _midway(self) -> None:
        self._probe("mid action")

    # --- facts that are no edits --------------------------------------------------------------

    def set_root(self, root: Path) -> None:
        """Say where the images are; kept relative to the project file where it lies on the same drive."""
        real = resolved(root)
        try:
            kept = Path(os.path.relpath(real, self.path.parent.resolve())).as_posix()
        except ValueError:
            kept = real.as_posix()
        # a project in the user's data folder is not moved together with the images
        inside = not kept.startswith("../")
        self.set_meta("root", kept if inside else real.as_posix())

    def add_images(self, paths: Iterable[str]) -> tuple[Image, ...]:
        """Add images by path, those that are in the project already left out; gives the new ones.

        Not an edit: files that lie in the folder are facts, and undo does not take them away.
        """
        with self.transaction():
            known = {path for (path,) in self._db.execute("SELECT path FROM image")}
            fresh = [path for path in dict.fromkeys(paths) if path not in known]
            first = self.ids.take("image", len(fresh))
            added = tuple(Image(first + n, path, 0, 0) for n, path in enumerate(fresh))
            self._db.executemany(IMAGE.insert, map(astuple, added))
        return added

    def update_images(self, images: Iterable[Image]) -> None:
        """Keep what was found in the files of images: path, size, digest and note. Not an edit."""
        with self.transaction():
            self._db.executemany(
                "UPDATE image SET path = ?, width = ?, height = ?, digest = ?, note = ? WHERE id = ?",
                ((i.path, i.width, i.height, i.digest, i.note, i.id) for i in images),
            )

    def move_images(self, images: Iterable[Image]) -> None:
        """Give images other paths and notes, among them paths that others of them had. Not an edit."""
        moved = list(images)
        with self.transaction():
            # no path may be there twice, not even in between
            self._db.executemany(
                "UPDATE image SET path = ? WHERE id = ?", ((f"\n{i.id}", i.id) for i in moved)
            )
            self.update_images(moved)

    def ensure_model(self, name: str, version: str, *, suppressed: bool = False) -> Model:
        """The model of that name and version, noted down at its first use."""
        return self.predictions.ensure_model(name, version, suppressed=suppressed)

    def add_candidates(
        self, model_id: int, candidates: Iterable[Candidate], *, replacing: Iterable[int] = ()
    ) -> tuple[Candidate, ...]:
        """Keep raw outputs of a model, as `StoredCandidates.add` says. No edit: labels are not touched."""
        return self.predictions.add(model_id, candidates, replacing=replacing)
