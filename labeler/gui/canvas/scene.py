"""What of the open image can be painted and picked, as arrays that are quick to cull and search."""

from collections.abc import Iterable, Mapping

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.colors import rgb
from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box, Candidate, Category, Mask, Shape
from labeler.gui.canvas.layers.outlines import Ring, rings

Entry = Annotation | Candidate
_GREY = (160, 160, 160)


class Outlines(Struct, frozen=True, eq=False):
    """The rings of all shapes that are not boxes, at one level, in one array."""

    points: Ring
    """(P, 2) float32 x, y, image pixels."""
    ring_starts: NDArray[np.int64]
    """(R + 1,) where each ring starts in `points`."""
    first_ring: NDArray[np.int64]
    """(N + 1,) the first ring of each entry; boxes have none."""


class Scene:
    """Annotations, or predictions, of one image."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.boxes = np.zeros((0, 4))
        """(N, 4) float64 x0, y0, x1, y1, image pixels."""
        self.is_box = np.zeros(0, dtype=bool)
        self.category_ids = np.zeros(0, dtype=np.int64)
        self.lifted = np.zeros(0, dtype=bool)
        """(N,) bool: painted by the active layer, and not with the rest."""
        self.shown = np.zeros(0, dtype=bool)
        """(N,) bool: whether it is there at all; the others wait for `show`."""
        self.version = 0
        """Another one after every change."""
        self._places: dict[int, int] = {}
        self._outlines: dict[int, Outlines] = {}
        self._rings: dict[tuple[int, int], list[Ring]] = {}
        self._colors: dict[int, tuple[int, int, int]] = {}
        self._hidden: frozenset[int] = frozenset()
        self._locked: frozenset[int] = frozenset()
        self.locked_ids: frozenset[int] = frozenset()
        """Entries that are painted, and neither picked nor inside anything."""

    def __len__(self) -> int:
        return len(self.entries)

    def load(self, entries: Iterable[Entry], boxes: NDArray[np.float64] | None = None) -> None:
        """Hold these entries and no others; `boxes` are their bounds (N, 4) xyxy where they are known."""
        self.entries = list(entries)
        self._places = {entry.id: place for place, entry in enumerate(self.entries)}
        if boxes is None:
            boxes = np.array([_bounds(entry.shape) for entry in self.entries], dtype=np.float64)
        self.boxes = boxes.reshape(-1, 4)
        self.is_box = np.array([isinstance(entry.shape, Box) for entry in self.entries], dtype=bool)
        self.category_ids = np.array([entry.category_id for entry in self.entries], dtype=np.int64)
        self.lifted = np.zeros(len(self.entries), dtype=bool)
        self.shown = np.ones(len(self.entries), dtype=bool)
        self._outlines, self._rings = {}, {}
        self.version += 1

    def set_categories(self, categories: Mapping[int, Category]) -> None:
        """Take colours, and what is hidden or locked, from these categories."""
        self._colors = {key: rgb(category.color) for key, category in categories.items()}
        self._hidden = frozenset(key for key, category in categories.items() if category.hidden)
        self._locked = frozenset(key for key, category in categories.items() if category.locked)
        self.version += 1

    def put(self, entry: Entry) -> None:
        """Add an entry, or replace the one of the same id."""
        place = self._places.get(entry.id)
        if place is None:
            place = len(self.entries)
            self._places[entry.id] = place
            self.entries.append(entry)
            self.boxes = np.concatenate([self.boxes, np.zeros((1, 4))])
            self.is_box = np.append(self.is_box, False)
            self.category_ids = np.append(self.category_ids, 0)
            self.lifted = np.append(self.lifted, False)
            self.shown = np.append(self.shown, True)
        self.entries[place] = entry
        self.boxes[place] = _bounds(entry.shape)
        self.is_box[place] = isinstance(entry.shape, Box)
        self.category_ids[place] = entry.category_id
        self._forget(entry.id)

    def remove(self, entry_id: int) -> None:
        """Take an entry out; the others keep their order."""
        place = self._places.pop(entry_id, None)
        if place is None:
            return
        del self.entries[place]
        self.boxes = np.delete(self.boxes, place, axis=0)
        self.is_box = np.delete(self.is_box, place)
        self.category_ids = np.delete(self.category_ids, place)
        self.lifted = np.delete(self.lifted, place)
        self.shown = np.delete(self.shown, place)
        self._places = {entry.id: at for at, entry in enumerate(self.entries)}
        self._forget(entry_id)

    def box_of(self, entry_id: int) -> tuple[float, float, float, float] | None:
        """The bounds of an entry, None where there is none of that id."""
        place = self._places.get(entry_id)
        return None if place is None else tuple(self.boxes[place].tolist())

    def show(self, ids: Iterable[int]) -> bool:
        """Have only these there from now on; says whether that changes anything."""
        shown = np.zeros(len(self.entries), dtype=bool)
        shown[[self._places[key] for key in ids if key in self._places]] = True
        if np.array_equal(shown, self.shown):
            return False
        self.shown = shown
        self.version += 1
        if not self.is_box.all():
            self._outlines.clear()
        return True

    def lift(self, ids: Iterable[int]) -> None:
        """Leave these to the active layer, and nothing else."""
        self.lifted[:] = False
        self.lifted[[self._places[key] for key in ids if key in self._places]] = True
        self.version += 1

    def lifted_ids(self) -> list[int]:
        """Ids of the entries that the active layer paints."""
        return [self.entries[at].id for at in np.flatnonzero(self.lifted).tolist()]

    def color(self, category_id: int) -> tuple[int, int, int]:
        """R, G, B of a category."""
        return self._colors.get(category_id, _GREY)

    def is_hidden(self, category_id: int) -> bool:
        """Whether nothing of this category is painted or picked."""
        return category_id in self._hidden

    def seen(self, extent: tuple[float, float, float, float]) -> NDArray[np.int64]:
        """Places of the entries to be painted within an image box, in no order."""
        seen = self.shown & ~self.lifted & _meets(self.boxes, *extent)
        if self._hidden:
            seen &= ~np.isin(self.category_ids, list(self._hidden))
        return np.flatnonzero(seen)

    def painted(self, extent: tuple[float, float, float, float]) -> NDArray[np.int64]:
        """Places of the entries to be painted within an image box, the largest first."""
        found = self.seen(extent)
        sizes = self.boxes[found, 2:] - self.boxes[found, :2]
        return found[np.argsort(-sizes.prod(axis=1), kind="stable")]

    def pick(self, x: float, y: float, *, reach: float) -> list[Entry]:
        """The entries under an image point, the smallest first; `reach` image pixels are added around."""
        near = self.shown & _meets(self.boxes, x - reach, y - reach, x + reach, y + reach)
        closed = self._hidden | self._locked
        if closed:
            near &= ~np.isin(self.category_ids, list(closed))
        found = np.flatnonzero(near)
        sizes = (self.boxes[found, 2:] - self.boxes[found, :2]).prod(axis=1)
        places = found[np.argsort(sizes, kind="stable")].tolist()
        free = [at for at in places if self.entries[at].id not in self.locked_ids]
        return [self.entries[at] for at in free if _hit(self.entries[at].shape, x, y, reach)]

    def inside(self, x0: float, y0: float, x1: float, y1: float) -> list[int]:
        """Ids of the entries that lie wholly within an image box, hidden and locked ones left out."""
        within = (self.boxes[:, :2] >= (x0, y0)).all(1) & (self.boxes[:, 2:] <= (x1, y1)).all(1)
        within &= self.shown & ~np.isin(self.category_ids, list(self._hidden | self._locked))
        found = [self.entries[at].id for at in np.flatnonzero(within).tolist()]
        return [key for key in found if key not in self.locked_ids]

    def outlines(self, level: int) -> Outlines:
        """The rings of everything shown that is not a box, kept until that changes."""
        if level not in self._outlines:
            if len(self._outlines) > 3:
                self._outlines.clear()
            self._outlines[level] = self._gathered(level)
        return self._outlines[level]

    def _gathered(self, level: int) -> Outlines:
        each = [
            [] if plain else self._rings_of(entry, level)
            for entry, plain in zip(self.entries, (self.is_box | ~self.shown).tolist(), strict=True)
        ]
        every = [ring for own in each for ring in own]
        points = np.concatenate(every) if every else np.zeros((0, 2), dtype=np.float32)
        return Outlines(points, _starts(every), _starts(each))

    def _rings_of(self, entry: Entry, level: int) -> list[Ring]:
        key = (entry.id, level)
        if key not in self._rings:
            self._rings[key] = rings(entry.shape, level)
        return self._rings[key]

    def _forget(self, entry_id: int) -> None:
        self.version += 1
        self._outlines.clear()
        for key in [key for key in self._rings if key[0] == entry_id]:
            del self._rings[key]


def _starts(groups: Iterable[list[Ring] | Ring]) -> NDArray[np.int64]:
    return np.cumsum([0, *map(len, groups)], dtype=np.int64)


def _bounds(shape: Shape) -> tuple[float, float, float, float]:
    box = shape if isinstance(shape, Box) else bounds(shape)
    return box.x0, box.y0, box.x1, box.y1


def _meets(boxes: NDArray[np.float64], x0: float, y0: float, x1: float, y1: float) -> NDArray[np.bool_]:
    return (boxes[:, 0] <= x1) & (boxes[:, 1] <= y1) & (boxes[:, 2] >= x0) & (boxes[:, 3] >= y0)


def _hit(shape: Shape, x: float, y: float, reach: float) -> bool:
    if isinstance(shape, Box):
        return True
    if isinstance(shape, Mask):
        r = max(int(reach), 0)
        left, top = int(x) - shape.x, int(y) - shape.y
        return bool(shape.bits[max(top - r, 0) : top + r + 1, max(left - r, 0) : left + r + 1].any())
    for part in shape.parts:
        outer = cv2.pointPolygonTest(part.outer.astype(np.float32), (x, y), True)
        holes = [cv2.pointPolygonTest(hole.astype(np.float32), (x, y), True) for hole in part.holes]
        if outer >= -reach and all(hole <= reach for hole in holes):
            return True
    return False
