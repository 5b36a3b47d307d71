"""What models said: their candidates, what their classes mean in this project, and which images they saw.

Nothing here is an edit: labels are never touched, and undo does not take a run back. What a person said
of a candidate (accepted, rejected) is an edit, which survives every later run of the same model.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from labeler.core.geometry import bounds
from labeler.core.measures.overlap import box_iou
from labeler.core.records import Candidate, Model
from labeler.project.keeping import seals
from labeler.project.open_file import OpenFile
from labeler.project.table_rows import CANDIDATE

SAME = 0.9
"""From this IoU of their boxes on, two candidates of one class and model are the same one."""

_MODELS = "SELECT id, name, version, suppressed FROM model"

_LOOSE = (
    "FROM candidate WHERE image_id = :image AND model_id = :model AND verdict = '' "
    "AND id NOT IN (SELECT prediction_id FROM annotation WHERE image_id = :image "
    "AND prediction_id IS NOT NULL) "
    "AND id NOT IN (SELECT record_id FROM change WHERE image_id = :image AND kind = 'candidate')"
)
"""A model's candidates on an image that no person, annotation or undo step refers to."""


class StoredCandidates:
    """The models' part of an open project; `Store.predictions` gives it.

    Every method that writes is one transaction, or part of the one that the store's caller has opened.
    """

    def __init__(self, file: OpenFile) -> None:
        self._file = file

    # --- models -----------------------------------------------------------------------------------

    def models(self) -> list[Model]:
        """Whatever has made candidates, in order of first use."""
        return [_model(row) for row in self._file.db.execute(f"{_MODELS} ORDER BY id")]

    def ensure_model(self, name: str, version: str, *, suppressed: bool = False) -> Model:
        """The model of that name and version, noted down at its first use.

        A name may come to be spelled otherwise ("yolo11n", "YOLO11n"): the model stays, and gets the new one.
        """
        query = f"{_MODELS} WHERE name = ? AND version = ?"
        row = self._file.db.execute(query, (name, version)).fetchone()
        if row is None:
            alike = f"{_MODELS} WHERE name = ? COLLATE NOCASE AND version = ?"
            if (known := self._file.db.execute(alike, (name, version)).fetchone()) is not None:
                with self._file.transaction():
                    self._file.db.execute("UPDATE model SET name = ? WHERE id = ?", (name, _model(known).id))
                row = self._file.db.execute(query, (name, version)).fetchone()
        if row is None:
            with self._file.transaction():
                self._file.db.execute(
                    "INSERT INTO model(name, version, suppressed) VALUES (?, ?, ?)",
                    (name, version, int(suppressed)),
                )
            row = self._file.db.execute(query, (name, version)).fetchone()
        return _model(row)

    # --- candidates -------------------------------------------------------------------------------

    def candidates(
        self, image_id: int, model_id: int | None = None, *, least: float = 0.0
    ) -> tuple[Candidate, ...]:
        """The candidates on an image, of one model or of all, in order of creation.

        With `least` those that nobody has judged only from that confidence up: the others, which are most
        of a raw output, are not even read.
        """
        where = "WHERE image_id = ?"
        values: list[float] = [image_id]
        if model_id is not None:
            where, values = f"{where} AND model_id = ?", [*values, model_id]
        if least > 0.0:
            where, values = f"{where} AND (confidence >= ? OR verdict != '')", [*values, least]
        return self._read(f"{where} ORDER BY id", values)

    def by_id(self, ids: Iterable[int]) -> tuple[Candidate, ...]:
        """The candidates with these ids that are still there, as for `Annotation.prediction_id`."""
        return tuple(found for key in ids for found in self._read("WHERE id = ?", (key,)))

    def of_category(self, category_id: int) -> tuple[Candidate, ...]:
        """The candidates of a category, on whichever image and of whichever model."""
        return self._read("WHERE category_id = ? ORDER BY id", (category_id,))

    def add(
        self, model_id: int, candidates: Iterable[Candidate], *, replacing: Iterable[int] = ()
    ) -> tuple[Candidate, ...]:
        """Keep raw outputs of a model; gives those that were stored, with new ids and this model's id.

        `replacing` names images whose earlier candidates of the model go first, but for those that a
        person, an annotation or the history refers to; a new one that repeats such a one (the same class,
        IoU of at least `SAME`) is left out. Categories are taken as they are.
        """
        with self._file.transaction():
            into = self.replacement(model_id)
            into.clear(replacing)
            return into.add(list(candidates))

    def replacement(self, model_id: int) -> "Replacement":
        """What takes raw outputs of a model in portions, inside a transaction that is running."""
        return Replacement(self._file, model_id)

    # --- runs -------------------------------------------------------------------------------------

    def record_run(
        self, model_id: int, image_id: int, candidates: Iterable[Candidate]
    ) -> tuple[Candidate, ...]:
        """Keep what a model found on an image, all of it or nothing, and that the image was predicted.

        Its earlier candidates there go, but for accepted and rejected ones and those that the history
        refers to; a new one that repeats such a one is left out, so that a rejected object stays so. Each
        gets the category that its label is mapped to. Gives those that were stored.
        """
        with self._file.transaction():
            into = self.replacement(model_id)
            into.clear((image_id,))
            category_of = self._categories_of(model_id)
            added = into.add(
                [
                    replace(
                        c, image_id=image_id, category_id=category_of(c.label) if c.label else c.category_id
                    )
                    for c in candidates
                ]
            )
            self._file.db.execute(
                "INSERT OR REPLACE INTO predicted (model_id, image_id, time) VALUES (?, ?, ?)",
                (model_id, image_id, time.time()),
            )
        return added

    def forget_images(self, image_ids: Iterable[int]) -> int:
        """Other photos lie where these images were: drop what models found there; gives how much it was."""
        with self._file.transaction():
            return sum(forget_image(self._file.db, image_id) for image_id in image_ids)

    def predicted_images(self, model_id: int) -> set[int]:
        """The ids of the images that the model has seen, whether it found something there or not."""
        query = "SELECT image_id FROM predicted WHERE model_id = ?"
        return {image_id for (image_id,) in self._file.db.execute(query, (model_id,))}

    # --- what classes mean ------------------------------------------------------------------------

    def labels(self, model_id: int, *, confidence: float = 0.0) -> dict[str, int]:
        """The model's class names, with how many candidates of at least that confidence bear each.

        Most frequent first; also those that only less confident ones bear.
        """
        query = (
            "SELECT label, sum(confidence >= ?) AS uses FROM candidate WHERE model_id = ? AND label != '' "
            "GROUP BY label ORDER BY uses DESC, label"
        )
        return dict(self._file.db.execute(query, (confidence, model_id)))

    def unmapped(self, model_id: int, *, confidence: float = 0.0) -> dict[str, int]:
        """Those of `labels` that are in use, mean no category, and were not decided to be ignored."""
        decided, category_of = self.mappings(model_id), self._categories_of(model_id)
        return {
            label: uses
            for label, uses in self.labels(model_id, confidence=confidence).items()
            if uses and label not in decided and not category_of(label)
        }

    def waits_unmapped(self, model_id: int, confidence: float) -> bool:
        """Whether candidates of at least that confidence wait for a word and are of `unmapped` classes."""
        query = (
            "SELECT DISTINCT label FROM candidate WHERE model_id = ? AND confidence >= ? AND label != '' "
            "AND verdict = '' AND category_id IS NULL"
        )
        decided = self.mappings(model_id)
        return any(label not in decided for (label,) in self._file.db.execute(query, (model_id, confidence)))

    def mappings(self, model_id: int) -> dict[str, int | None]:
        """The category of each class name that a person decided on; None for one that is ignored.

        A class that is not here means the category of the same name, upper or lower case, if there is one.
        """
        query = "SELECT label, category_id FROM mapping WHERE model_id = ? ORDER BY label"
        return dict(self._file.db.execute(query, (model_id,)))

    def set_mappings(self, model_id: int, mapping: Mapping[str, int | None]) -> None:
        """Let class names mean a category, or none, from now on and for the candidates stored already."""
        with self._file.transaction():
            for label, category_id in mapping.items():
                self._file.db.execute(
                    "INSERT OR REPLACE INTO mapping (model_id, label, category_id) VALUES (?, ?, ?)",
                    (model_id, label, category_id),
                )
                self._file.db.execute(
                    "UPDATE candidate SET category_id = ? WHERE model_id = ? AND label = ?",
                    (category_id, model_id, label),
                )

    def forget_mappings(self, model_id: int, labels: Iterable[str]) -> None:
        """Decide on these class names no more: each means the category of its name again, if there is one."""
        with self._file.transaction():
            for label in labels:
                self._file.db.execute(
                    "DELETE FROM mapping WHERE model_id = ? AND label = ?", (model_id, label)
                )
                self._file.db.execute(
                    "UPDATE candidate SET category_id = NULL WHERE model_id = ? AND label = ?",
                    (model_id, label),
                )
            self.match_names(model_id)

    def match_names(self, model_id: int) -> None:
        """Give stored candidates without a category that of their label's name, as after one was added."""
        with self._file.transaction():
            decided = self.mappings(model_id)
            category_of = self._categories_of(model_id)
            for label in self.labels(model_id):
                if label not in decided and (category_id := category_of(label)):
                    self._file.db.execute(
                        "UPDATE candidate SET category_id = ? WHERE model_id = ? AND label = ? "
                        "AND category_id IS NULL",
                        (category_id, model_id, label),
                    )

    def _categories_of(self, model_id: int) -> Callable[[str], int]:
        """What gives a label's category; 0 for none."""
        decided = self.mappings(model_id)
        rows = self._file.db.execute("SELECT name, id FROM category ORDER BY id DESC")
        named: dict[str, int] = {name.casefold(): category_id for name, category_id in rows}

        def category_of(label: str) -> int:
            if label in decided:
                return decided[label] or 0
            return named.get(label.casefold(), 0)

        return category_of

    # --- rows -------------------------------------------------------------------------------------

    def _read(self, where: str, values: Sequence[float]) -> tuple[Candidate, ...]:
        return tuple(map(CANDIDATE.from_row, self._file.db.execute(f"{CANDIDATE.select} {where}", values)))  # type: ignore[arg-type]


class Replacement:
    """New candidates of a model in the place of its earlier ones, in portions within one transaction."""

    def __init__(self, file: OpenFile, model_id: int) -> None:
        self._file = file
        self._model = model_id
        self._cleared: set[int] = set()
        self._known: dict[int, tuple[Candidate, ...]] = {}
        """What has stayed on images that were cleared."""

    def clear(self, images: Iterable[int]) -> None:
        """Take the model's earlier candidates on these images away, but for what anything refers to."""
        for image_id in set(images) - self._cleared:
            values = {"image": image_id, "model": self._model}
            self._file.db.execute(f"DELETE {_LOOSE}", values)
            where = "WHERE image_id = :image AND model_id = :model ORDER BY id"
            stayed = self._file.db.execute(f"{CANDIDATE.select} {where}", values).fetchall()
            if stayed:
                self._known[image_id] = tuple(map(CANDIDATE.from_row, stayed))  # type: ignore[arg-type]
            self._cleared.add(image_id)

    def add(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Keep these, but for those that repeat what has stayed; gives them with their ids."""
        fresh: Sequence[Candidate] = candidates
        if self._known:
            here: dict[int, list[Candidate]] = {}
            for one in candidates:
                if one.image_id in self._known:
                    here.setdefault(one.image_id, []).append(one)
            kept = {id(one) for key, found in here.items() for one in _fresh(found, self._known[key])}
            fresh = [one for one in candidates if one.image_id not in self._known or id(one) in kept]
        first = self._file.ids.take("candidate", len(fresh))
        added = tuple(replace(c, id=first + n, model_id=self._model) for n, c in enumerate(fresh))
        seals.insert(self._file.db, CANDIDATE.name, [CANDIDATE.to_row(one) for one in added])
        return added

    def add_present(self, candidates: Sequence[Candidate]) -> None:
        """`add` in the place of earlier ones, but for what is on images or of categories that are gone."""
        images = self._there("image", {one.image_id for one in candidates})
        categories = self._there("category", {one.category_id for one in candidates})
        present = [one for one in candidates if one.image_id in images and one.category_id in categories]
        self.clear(one.image_id for one in present)
        self.add(present)

    def _there(self, table: str, ids: set[int]) -> set[int]:
        marks = ",".join(str(int(one)) for one in ids)
        return {key for (key,) in self._file.db.execute(f"SELECT id FROM {table} WHERE id IN ({marks})")}


def forget_image(db: sqlite3.Connection, image_id: int) -> int:
    """Inside a transaction, drop what models found on an image, and that they saw it; gives how much it was.

    What a person has decided about and the history refers to stays, for undo.
    """
    db.execute("DELETE FROM predicted WHERE image_id = ?", (image_id,))
    return db.execute(
        "DELETE FROM candidate WHERE image_id = ?1 AND id NOT IN "
        "(SELECT record_id FROM change WHERE kind = 'candidate' AND image_id = ?1)",
        (image_id,),
    ).rowcount


def _fresh(candidates: Sequence[Candidate], known: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that repeat none of `known`, all of one image and model."""
    if not known or not candidates:
        return list(candidates)
    alike = box_iou(_corners(candidates), _corners(known)) >= SAME
    classes = {kind: number for number, kind in enumerate({_class(c) for c in (*candidates, *known)})}
    ours = np.array([classes[_class(c)] for c in candidates])
    theirs = np.array([classes[_class(c)] for c in known])
    repeats = (alike & (ours[:, None] == theirs[None, :])).any(axis=1)
    return [candidate for candidate, repeat in zip(candidates, repeats, strict=True) if not repeat]


def _class(candidate: Candidate) -> tuple[str, int]:
    """What class a candidate is of: the model's word for it where it has one, else our category."""
    return candidate.label, 0 if candidate.label else candidate.category_id


def _corners(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    boxes = (bounds(candidate.shape) for candidate in candidates)
    return np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], dtype=np.float64)


def _model(row: Sequence[Any]) -> Model:
    key, name, version, suppressed = row
    return Model(key, name, version, bool(suppressed))
