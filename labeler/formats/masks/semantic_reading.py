"""Masks of categories in: pictures whose pixels say what is there, beside the photos that they are of.

A picture of categories does not tell objects apart, so each connected piece of a category is an object (by
sides or corners); who joins two of them edits one object, while one that holds all cells of a photo would be
of no use. Where the pictures of instances (`SegmentationObject`) lie beside those of categories, as CVAT
writes them, they say what the objects are.
"""

from pathlib import Path, PurePosixPath

import numpy as np
from msgspec import Struct

from labeler.core.label_images import pieces, split
from labeler.core.photos.label_pictures import labels_folder
from labeler.core.photos.label_pixels import read_label_pixels
from labeler.core.records import Annotation, Category, Image, Mask
from labeler.errors import FormatError, ImageError, ImportStoppedError
from labeler.formats.masks.cityscapes import TABLE, are_label_ids
from labeler.formats.masks.class_tables import ClassTable, table_in, table_of
from labeler.formats.masks.mask_files import MaskFile, Pairing, is_of_objects, mask_names
from labeler.formats.masks.mask_keys import COLOR, KeyedPicture, Keys, keyed, names_of
from labeler.formats.masks.palettes import hex_of
from labeler.formats.report import FieldNote, Ledger, Verdict
from labeler.formats.spec import Dataset, Reading, Source

_STEP = 16
PIECES = "Has no instances; each connected piece of a category is an object."
LONELY = "Has no photo of its name here; put the photos beside the masks, or say where they are."
_CLASS_FOLDERS = {"segmentationclass": "SegmentationObject"}


class _Picture(Struct, frozen=True, eq=False):
    """What was read of one mask: keys with their masks, each an object."""

    file: MaskFile
    size: tuple[int, int]
    objects: tuple[tuple[int, Mask], ...]
    repair: str


def read(source: Source) -> Reading:
    """The records of a folder of masks; FormatError where it has none."""
    if not source.path.is_dir():
        raise FormatError(f"“{source.path}” is one mask; give the folder of the masks, or that above it.")
    names = masks_below(source)
    of_instances = {other for name in names if (other := beside(name))}
    wanted = [name for name in names if name not in of_instances]
    wanted = [name for name in wanted if not is_of_objects(name)] or wanted
    if not wanted:
        raise FormatError(f"“{source.path}” has no masks: no pictures in a folder such as “masks”.")
    return _Reader(source, wanted).reading(set(names))


def masks_below(source: Source) -> list[str]:
    """The masks of a folder; all pictures of one that is called so, or has a table of categories, itself."""
    found = mask_names(source.photos())
    is_itself = labels_folder(PurePosixPath(source.path.resolve().name) / "a") or table_in(source.path)
    return found or (list(source.photos()) if is_itself else [])


def folders_around(root: Path, names: list[str]) -> list[Path]:
    """Where the table of a data set may lie: the folder that is read, those of its masks, and those above."""
    found = {root: None}
    for name in names:
        for parent in PurePosixPath(name).parents:
            found.setdefault(root / parent)
    return [*found, root.parent]


class _Reader:
    """Reads one mask after the other; what their numbers mean is known at the end."""

    def __init__(self, source: Source, names: list[str]) -> None:
        self._source = source
        self._names = names
        self._pairing = Pairing(source, names)
        self._table = table_of(folders_around(source.path, names))
        if self._table is None and are_label_ids(names):
            self._table = TABLE
        self._ledger = Ledger()
        self._pictures: list[_Picture] = []
        self._are_voc = True
        self._deep = False
        self._by_pieces = False

    def reading(self, there: set[str]) -> Reading:
        """The records of all masks; `there` are all pictures that are labels."""
        for number, name in enumerate(self._names):
            if number % _STEP == 0 and self._source.should_stop():
                raise ImportStoppedError("Nothing was imported: it was stopped.")
            try:
                self._pictures.append(self._read(name, there))
            except ImageError as error:
                sentence = str(error).replace(str(self._source.path / name), "The mask", 1)
                self._ledger.note("refused", "images", None, "", sentence, at=name)
        return self._joined()

    def _read(self, name: str, there: set[str]) -> _Picture:
        pixels = read_label_pixels(self._source.path / name)
        picture = keyed(pixels, self._table)
        self._are_voc &= picture.is_voc and "SegmentationClass" in name
        self._deep |= bool(pixels.index is not None and pixels.index.dtype.itemsize > 1)
        objects = self._instances(name, picture, there)
        if objects is None:
            self._by_pieces = True
            objects = [(key, one) for key, mask in split(picture.keys) for one in pieces(mask)]
        return _Picture(self._pairing.of(name), pixels.size, tuple(objects), picture.repair)

    def _instances(self, name: str, picture: KeyedPicture, there: set[str]) -> list[tuple[int, Mask]] | None:
        """The objects by the picture of instances beside that of categories; None where there is none."""
        other = beside(name)
        if other is None or other not in there:
            return None
        ids = instance_ids(self._source.path / other)
        if ids.shape != picture.keys.shape:
            return None
        return [(main_key(picture.keys, mask), mask) for _, mask in split(ids)]

    def _joined(self) -> Reading:
        used = {key for picture in self._pictures for key, _ in picture.objects}
        names = names_of(used, self._table, deep=self._deep, is_voc=self._are_voc)
        categories = _categories(names, self._table)
        images: dict[str, Image] = {}
        annotations: list[Annotation] = []
        places: list[str] = []
        for picture in self._pictures:
            image = images.get(picture.file.photo)
            if image is None:
                image = Image(len(images) + 1, picture.file.photo, *picture.size)
                images[image.path] = image
            for sentence in [picture.repair] if picture.repair else []:
                self._note("repaired", picture, image, sentence)
            if not picture.file.is_found:
                self._note("told", picture, image, LONELY)
            for key, mask in picture.objects:
                meant = names.get(key)
                if meant is not None:
                    annotations.append(
                        Annotation(
                            len(annotations) + 1, image.id, categories[meant].id, mask, source="import"
                        )
                    )
                    places.append(picture.file.mask)
        notes = (*self._ledger.notes, *(self._table.notes if self._table else ()))
        if self._by_pieces:
            notes = (FieldNote("told", "file", None, "", PIECES), *notes)
        dataset = Dataset(tuple(images.values()), tuple(categories.values()), tuple(annotations))
        return Reading(dataset, notes, places.__getitem__)

    def _note(self, verdict: Verdict, picture: _Picture, image: Image, sentence: str) -> None:
        self._ledger.note(verdict, "images", image.id - 1, "", sentence, at=picture.file.mask)


def beside(name: str) -> str | None:
    """The picture of instances that belongs to one of categories in `SegmentationClass`; None elsewhere."""
    parts = PurePosixPath(name).parts
    for place, part in enumerate(parts[:-1]):
        if other := _CLASS_FOLDERS.get(part.lower()):
            return str(PurePosixPath(*parts[:place], other, *parts[place + 1 :]))
    return None


def instance_ids(path: Path) -> Keys:
    """The number of its object at each pixel, 0 where there is none: what is void belongs to none.

    Raises `ImageError` where the picture cannot be read.
    """
    pixels = read_label_pixels(path)
    picture = keyed(pixels, None)
    ids = picture.keys
    if pixels.index is not None:
        ids[ids == (255 if pixels.index.dtype.itemsize == 1 else 65535)] = 0
    else:
        ids[ids == COLOR | 224 << 16 | 224 << 8 | 192] = 0
    return ids


def main_key(keys: Keys, mask: Mask) -> int:
    """The key that most pixels of a mask have, that of the background or of void only where all have that."""
    window = keys[mask.y : mask.y + mask.height, mask.x : mask.x + mask.width][mask.bits]
    values, counts = np.unique(window, return_counts=True)
    counts[(values == 0) | (values == 255)] = 0
    return int(values[counts.argmax()])


def _categories(names: dict[int, str | None], table: ClassTable | None) -> dict[str, Category]:
    """The categories by name: those of the table in its order, then those of keys that it has not."""
    found = {one.name: one for one in (table.categories() if table else ())}
    for key, name in names.items():
        if name is not None and name not in found:
            color = hex_of((key >> 16 & 255, key >> 8 & 255, key & 255)) if key >= COLOR else ""
            found[name] = Category(len(found) + 1, name, color)
    return found
