"""Masks of instances in: a picture whose numbers are objects, or a picture for each object.

What the objects are is said by `objects.csv` (mask, id, category), in Cityscapes' `_instanceIds` by the
numbers; in a folder with a picture for each object, as labelme's `NAME_mask_1.png`, by the folder below that
of the masks. Where nothing says it they are "object".
"""

import csv
import io
from pathlib import Path, PurePosixPath

from labeler.core.label_images import split
from labeler.core.photos.label_pictures import labels_folder
from labeler.core.photos.label_pixels import read_label_pixels
from labeler.core.records import Annotation, Category, Image, Mask
from labeler.errors import FormatError, ImageError, ImportStoppedError
from labeler.formats.json_text import read_bytes
from labeler.formats.masks.cityscapes import is_of_instances, meaning
from labeler.formats.masks.class_tables import CLASSES, NOTHING
from labeler.formats.masks.instance_writing import FOLDER, HEAD, TABLE
from labeler.formats.masks.mask_files import Pairing, is_numbered, is_of_objects
from labeler.formats.masks.mask_keys import OBJECT
from labeler.formats.masks.semantic_reading import LONELY, instance_ids, masks_below
from labeler.formats.report import Ledger
from labeler.formats.spec import Dataset, Reading, Source

_STEP = 16
UNNAMED = "Has no line in objects.csv, so nothing says what it is; taken into “object”."
EMPTY = "Has no pixel of an object."
Table = dict[tuple[str, int], str]


def read(source: Source) -> Reading:
    """The records of a folder of instances; FormatError where it has none."""
    if not source.path.is_dir():
        raise FormatError(f"“{source.path}” is one mask; give the folder of the masks, or that above it.")
    of_city = [name for name in source.photos() if is_of_instances(name)]
    names = of_city or masks_below(source)
    names = of_city or [name for name in names if is_of_objects(name) or is_numbered(name)] or names
    if not names:
        raise FormatError(f"“{source.path}” has no masks: no pictures in a folder such as “{FOLDER}”.")
    reader = _Reader(source, names)
    for number, name in enumerate(names):
        if number % _STEP == 0 and source.should_stop():
            raise ImportStoppedError("Nothing was imported: it was stopped.")
        reader.picture(name)
    return reader.reading()


class _Reader:
    """Takes one picture after the other."""

    def __init__(self, source: Source, names: list[str]) -> None:
        self._root = source.path
        self._pairing = Pairing(source, names)
        self._table = _table(source.path, source.encoding)
        self._images: dict[str, Image] = {}
        self._categories = {
            name: Category(place, name, "") for place, name in enumerate(_listed(source.path), 1)
        }
        self._annotations: list[Annotation] = []
        self._places: list[str] = []
        self._ledger = Ledger()

    def picture(self, name: str) -> None:
        """Take the objects of one picture."""
        try:
            found = self._objects(name)
            size = read_label_pixels(self._root / name).size if not found else None
        except ImageError as error:
            sentence = str(error).replace(str(self._root / name), "The mask", 1)
            self._ledger.note("refused", "images", None, "", sentence, at=name)
            return
        pair = self._pairing.of(name)
        image = self._images.get(pair.photo)
        if image is None:
            width, height = size or found[0][2]
            image = Image(len(self._images) + 1, pair.photo, width, height)
            self._images[image.path] = image
            if not pair.is_found:
                self._ledger.note("told", "images", image.id - 1, "", LONELY, at=name)
        if not found and is_numbered(name):
            self._ledger.note("refused", "annotations", None, "segmentation", EMPTY, at=name)
        for number, mask, _ in found:
            known = meaning(number) if is_of_instances(name) else (self._said(name, number), False)
            if known is None:
                continue
            said, is_group = known
            category, is_said = self._category(said or OBJECT), bool(said)
            if not is_said and self._table:
                place = len(self._annotations)
                self._ledger.note("repaired", "annotations", place, "category_id", UNNAMED)
            self._annotations.append(
                Annotation(
                    len(self._annotations) + 1, image.id, category.id, mask, source="import", crowd=is_group
                )
            )
            self._places.append(f"{name}:{number}")

    def _objects(self, name: str) -> list[tuple[int, Mask, tuple[int, int]]]:
        """The numbers of a picture with their masks and its size; of one object what is not 0."""
        if is_numbered(name):
            pixels = read_label_pixels(self._root / name)
            values = pixels.index if pixels.index is not None else pixels.rgb.max(axis=2)  # type: ignore[union-attr]
            inside = values > (127 if pixels.is_lossy else 0)
            return [(1, mask, pixels.size) for _, mask in split(inside.astype("uint8"))]
        ids = instance_ids(self._root / name)
        size = int(ids.shape[1]), int(ids.shape[0])
        return [(number, mask, size) for number, mask in split(ids)]

    def _category(self, meant: str) -> Category:
        known = self._categories.get(meant)
        if known is None:
            known = self._categories[meant] = Category(len(self._categories) + 1, meant, "")
        return known

    def _said(self, name: str, number: int) -> str:
        path = PurePosixPath(name)
        for start in range(len(path.parts)):
            if meant := self._table.get(("/".join(path.parts[start:]), number)):
                return meant
        if is_numbered(name) and labels_folder(path):
            below = path.parent.relative_to(labels_folder(path))
            return below.parts[-1] if below.parts else ""
        return ""

    def reading(self) -> Reading:
        """All that was taken."""
        dataset = Dataset(
            tuple(self._images.values()), tuple(self._categories.values()), tuple(self._annotations)
        )
        return Reading(dataset, self._ledger.notes, self._places.__getitem__)


def _table(folder: Path, encoding: str) -> Table:
    """What `objects.csv` says of each number of each picture; nothing where there is none."""
    try:
        data = read_bytes(folder / TABLE, encoding=encoding)
    except FormatError:
        return {}
    found: Table = {}
    for row in csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"))):
        if len(row) >= len(HEAD) and row[1].isdigit() and len(row[1]) < 10 and row[2].strip():
            found[row[0].replace("\\", "/"), int(row[1])] = row[2]
    return found


def _listed(folder: Path) -> list[str]:
    """The categories of `classes.txt`, in their order."""
    try:
        text = read_bytes(folder / CLASSES).decode("utf-8-sig", "replace")
    except FormatError:
        return []
    names = dict.fromkeys(line.strip() for line in text.splitlines() if line.strip())
    return [name for name in names if name.lower() not in NOTHING]
