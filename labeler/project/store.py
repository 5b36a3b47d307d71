"""The project file: everything that is read from it and written to it goes through `Store`."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from labeler.core.order import natural_key
from labeler.core.photos.patience import resolved
from labeler.core.records import Annotation, Category, Edit, Image, Record
from labeler.errors import ProjectError
from labeler.project import journal, settlement
from labeler.project.agreement_history import Agreements
from labeler.project.candidates import StoredCandidates
from labeler.project.edit_history import History
from labeler.project.keeping.securing import Securing
from labeler.project.long_edit import LongEdit
from labeler.project.open_file import OpenFile, Probe, no_probe
from labeler.project.photos.fingerprints import Photos
from labeler.project.runs import Runs
from labeler.project.table_rows import ANNOTATION, CATEGORY, IMAGE, table_of


class Store:
    """An open project file. All methods belong to the thread that opened it.

    Every method that writes is one transaction of its own, or part of the one that the caller has
    opened with `transaction`. When it returns outside of one, what it wrote is on disk.
    """

    def __init__(self, file: OpenFile) -> None:
        self.file = file
        """Where it lies, and whether it is still there."""
        self.read_only = file.read_only
        self.ids = file.ids
        """The one giver of ids, which the window shares."""
        self.securing = Securing(file)
        """The snapshots that it leaves."""

    @classmethod
    def open(
        cls, path: Path, *, read_only: bool = False, take_over: bool = False, probe: Probe = no_probe
    ) -> Self:
        """Open a project, and make it first where there is none; raises as `OpenFile.open` does."""
        return cls(OpenFile.open(path, read_only=read_only, take_over=take_over, probe=probe))

    def close(self) -> None:
        """Bring everything into the main file and let go of it; a second call does nothing."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All that is written inside is on disk together or not at all: see `OpenFile.transaction`."""
        return self.file.transaction()

    @property
    def path(self) -> Path:
        """The project file; another one after `OpenFile.go_on_at`."""
        return self.file.path

    @property
    def revision(self) -> int:
        """How many transactions have written to this project."""
        return self.file.revision

    # --- reading ------------------------------------------------------------------------------

    def images(self) -> list[Image]:
        """All images in natural order of their paths."""
        rows = self.file.db.execute(IMAGE.select).fetchall()
        rows.sort(key=lambda row: natural_key(row[1]))
        return [IMAGE.from_row(row) for row in rows]  # type: ignore[misc]

    def image(self, image_id: int) -> Image:
        """One image; `ProjectError` if it is not there."""
        row = self.file.db.execute(f"{IMAGE.select} WHERE id = ?", (image_id,)).fetchone()
        if row is None:
            raise ProjectError(f"The project has no image {image_id}.")
        return IMAGE.from_row(row)  # type: ignore[return-value]

    def categories(self) -> list[Category]:
        """All categories in order of creation."""
        return [CATEGORY.from_row(row) for row in self.file.db.execute(f"{CATEGORY.select} ORDER BY id")]  # type: ignore[misc]

    def stored(self, record: Record) -> Record | None:
        """What the project has under the id of a record of that kind; None for nothing."""
        table = table_of(record)
        row = self.file.db.execute(f"{table.select} WHERE id = ?", (record.id,)).fetchone()
        return table.record(row)

    @property
    def predictions(self) -> StoredCandidates:
        """What models said, what their classes mean here, and which images they saw."""
        return StoredCandidates(self.file)

    @property
    def agreements(self) -> Agreements:
        """How images agreed with models, and what labelling has cost."""
        return Agreements(self.file)

    @property
    def photos(self) -> Photos:
        """Which photos there are, where, and by what each is known again."""
        return Photos(self.file)

    @property
    def history(self) -> History:
        """The journal: undo, redo, and earlier states."""
        return History(self.file)

    @property
    def runs(self) -> Runs:
        """The trainings that the labels were used for."""
        return Runs(self.file)

    def annotations(self, image_id: int) -> tuple[Annotation, ...]:
        """The annotations of an image in order of creation; raises as `assert_as_saved` does."""
        self.file.assert_as_saved("annotation", "WHERE image_id = ?", image_id)
        return tuple(self._annotations("WHERE image_id = ? ORDER BY id", (image_id,)))

    def all_annotations(self) -> Iterator[Annotation]:
        """The annotations of all images, in order of image and creation, read as they are taken."""
        return self._annotations("ORDER BY image_id, id", ())

    def annotations_of_category(self, category_id: int) -> tuple[Annotation, ...]:
        """The annotations of a category, on whichever image."""
        return tuple(self._annotations("WHERE category_id = ? ORDER BY id", (category_id,)))

    def _annotations(self, where: str, values: Sequence[int]) -> Iterator[Annotation]:
        return map(ANNOTATION.from_row, self.file.db.execute(f"{ANNOTATION.select} {where}", values))  # type: ignore[arg-type]

    def annotation_counts(self, images: Iterable[int] | None = None) -> dict[int, dict[int, int]]:
        """How many annotations each image, or each of these, has: {image id: {category id: n > 0}}."""
        counts: dict[int, dict[int, int]] = {}
        which = "" if images is None else f"WHERE image_id IN ({','.join(str(int(one)) for one in images)})"
        query = (
            f"SELECT image_id, category_id, count(*) FROM annotation {which} GROUP BY image_id, category_id"
        )
        for image_id, category_id, number in self.file.db.execute(query):
            counts.setdefault(image_id, {})[category_id] = number
        return counts

    def images_of_boxes(self) -> frozenset[int]:
        """The images whose annotations are boxes and nothing else (see `project.shapes` for the letter)."""
        query = (
            "SELECT image_id FROM annotation GROUP BY image_id HAVING max(substr(shape, 1, 1) <> x'42') = 0"
        )
        return frozenset(image_id for (image_id,) in self.file.db.execute(query))

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
        self.securing.secure_before(edit)
        with self.transaction():
            edit_id = journal.record(self.file.db, edit, midway=self.file.at_mid_action)
            self.ids.note(edit.changes)
            return edit_id

    def long_edit(self, label: str) -> LongEdit:
        """An edit that is written in portions, inside a transaction that is running."""
        return LongEdit(self.file.db, self.ids, label, midway=self.file.at_mid_action)

    def settle(self, edit: Edit) -> tuple[int, Edit]:
        """`apply` what a person did to what they saw; gives its journal id, and the edit as it was applied.

        It is done to what is stored by now, see `core.rebasing`; categories that its annotations need come
        back. The id is 0 where nothing is left to do.
        """
        self.securing.secure_before(edit)
        with self.transaction():
            edit_id, made = settlement.settled(self.file.db, edit, midway=self.file.at_mid_action)
            self.ids.note(made.changes)
        return edit_id, made

    def take_up(self, edit: Edit) -> tuple[int, Edit]:
        """`settle` what fits of an edit that was made to an older state of the project, and nothing twice.

        Gives its journal id, 0 where nothing of it was left to do, and what of it does not fit, maybe without
        changes: what it changes was changed since, or is gone. One that changed nothing when it was made is
        a step all the same, which an undo after it takes back.
        """
        fits, left = journal.sifted(self.file.db, edit)
        if edit.changes and not fits.changes:
            return 0, left
        return self.settle(fits)[0], left

    # --- facts that are no edits --------------------------------------------------------------

    def meta(self, key: str) -> str:
        """A setting of the project; "" if it was never set."""
        row = self.file.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keep a setting of the project."""
        with self.transaction():
            self.file.db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

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
