"""A project in memory that makes up edits of itself: what the real one is compared with."""

import random
from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from labeler.core.records import (
    Annotation,
    Box,
    Category,
    Change,
    Edit,
    Image,
    Mask,
    Part,
    Polygons,
    Record,
    Shape,
)
from labeler.project.store import Store
from labeler.project.table_rows import table_of

IMAGES = ("a.jpg", "b.jpg", "c.jpg")


def prepare(store: Store) -> None:
    """The project that a `ProjectModel` begins with; its revision is 1."""
    store.photos.add(IMAGES)


def carry_out(store: Store, step) -> None:
    """Do in the real project what `ProjectModel.step` gave."""
    match step:
        case "undo":
            store.history.undo()
        case "redo":
            store.history.redo()
        case _:
            store.apply(step)


class ProjectModel:
    """The state that a project must have, edit by edit; each edit follows from the seed and the revision."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.revision = 1
        self.records: dict[tuple[str, int], Record] = {
            ("image", n): Image(n, path, 0, 0) for n, path in enumerate(IMAGES, start=1)
        }
        self.done: list[Edit] = []
        self.undone: list[Edit] = []
        self._next = {"annotation": 1, "category": 1}

    def step(self):
        """Make up the next step, do it here, and give it: an `Edit`, "undo" or "redo"."""
        rng = random.Random(f"{self.seed}:{self.revision}")
        chance = rng.random()
        if chance < 0.15 and self.done:
            step = "undo"
            edit = self.done.pop()
            self.undone.append(edit)
            self._do(edit.inverse())
        elif chance < 0.35 and self.undone:
            step = "redo"
            edit = self.undone.pop()
            self.done.append(edit)
            self._do(edit)
        else:
            step = edit = Edit(f"Edit {self.revision}", tuple(self._changes(rng)))
            self.done.append(edit)
            self.undone.clear()
            self._do(edit)
        self.revision += 1
        return step

    def _do(self, edit: Edit) -> None:
        for change in edit.changes:
            key = table_of(change.record).name, change.record.id
            assert self.records.get(key) == change.before
            if change.after is None:
                del self.records[key]
            else:
                self.records[key] = change.after

    def _id(self, kind: str) -> int:
        self._next[kind] += 1
        return self._next[kind] - 1

    def of(self, kind: str) -> list:
        """All records of a kind, by id."""
        return [record for (name, _), record in sorted(self.records.items()) if name == kind]

    def _changes(self, rng: random.Random) -> Iterator[Change]:
        categories, annotations = self.of("category"), self.of("annotation")
        if len(categories) < 2 or rng.random() < 0.02:
            key = self._id("category")
            yield Change(None, Category(key, f"class {key} ü", "#123456"))
            return
        for annotation in rng.sample(annotations, min(len(annotations), rng.randrange(4))):
            yield Change(annotation, self._changed(annotation, rng))
        if rng.random() < 0.2:
            category = rng.choice(categories)
            yield Change(category, replace(category, name=f"{category.name[:20]}~{rng.randrange(100)}"))
        if rng.random() < 0.2:
            image = rng.choice(self.of("image"))
            yield Change(image, replace(image, reviewed=not image.reviewed))
        for _ in range(rng.randrange(3)):
            key, image_id = self._id("annotation"), rng.randint(1, len(IMAGES))
            category_id = rng.choice(categories).id
            yield Change(None, Annotation(key, image_id, category_id, any_shape(rng), edited=1.5))

    @staticmethod
    def _changed(annotation: Annotation, rng: random.Random) -> Annotation | None:
        match rng.randrange(4):
            case 0:
                return None
            case 1:
                return replace(annotation, shape=any_shape(rng))
            case 2:
                return replace(annotation, attributes={"n": rng.random(), "text": "é\ud800"})
            case _:
                return replace(annotation, crowd=not annotation.crowd, prediction_id=rng.randrange(9))


def any_shape(rng: random.Random) -> Shape:
    """A small shape of any kind."""
    numbers = np.random.default_rng(rng.getrandbits(32))
    match rng.randrange(3):
        case 0:
            return Box(*numbers.random(4).tolist(), origin=b"[1.0, 2e0]" if rng.random() < 0.5 else b"")
        case 1:
            rings = [numbers.random((rng.randint(3, 9), 2)) * 100 for _ in range(3)]
            return Polygons((Part(rings[0], (rings[1],)), Part(rings[2])))
        case _:
            size = rng.randint(1, 30), rng.randint(1, 30)
            return Mask(rng.randrange(100), rng.randrange(100), numbers.random(size) < rng.random())


def state(store: Store) -> dict[tuple[str, int], Record]:
    """All records of a real project, as the model keeps them."""
    records = [*store.images(), *store.categories(), *store.all_annotations()]
    return {(table_of(record).name, record.id): record for record in records}
