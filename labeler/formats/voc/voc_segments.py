"""VOC's pictures of segments: `SegmentationObject`, whose numbers are objects, and `SegmentationClass`.

A number is the place of its object in the XML file, from 1; 0 is the background and 255 the rim that belongs
to nobody (devkit_doc, section 3.2). Where the numbers do not lie in the boxes of their places, the box tells
which object is meant.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from labeler.core.geometry import bounds
from labeler.core.label_images import split
from labeler.core.photos.label_pixels import read_label_pixels
from labeler.core.records import Annotation, Box, Image, Mask
from labeler.errors import ImageError
from labeler.formats.masks.class_tables import ClassTable, table_in
from labeler.formats.masks.mask_keys import keyed, names_of
from labeler.formats.masks.mask_writing import MOST_BYTES, covered, masks_of, painted, save
from labeler.formats.masks.palettes import Rgb3, voc_color
from labeler.formats.masks.semantic_reading import instance_ids, main_key
from labeler.formats.voc.voc_objects import Found, with_mask
from labeler.formats.voc.voc_places import home_of

CLASSES, OBJECTS = "SegmentationClass", "SegmentationObject"
OTHER_SIZE = "Has segments of another size than the image, which are left out."
NO_OBJECT = "Has a segment that is in no object and of no category; left out."
ADDED = "Has segments without an object in the XML file, which are objects of their category."
BOX_ONLY = "Is a box, which has a place in the XML file only."
TOO_MANY = "Is beyond the 254 objects that SegmentationObject has numbers for; only its box is written."
_INSIDE = 0.5
_ALIKE = 0.3


class Segments:
    """The pictures of segments of a data set."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._tables: dict[PurePosixPath, ClassTable | None] = {}

    def joined(
        self, file: PurePosixPath, size: tuple[int, int], objects: Sequence[Found | None]
    ) -> tuple[list[Found | None], list[Found], list[str]]:
        """The objects of an XML file with their masks, those that only pictures have, and what is to be told.

        `objects` are in the file's order, None for one that was not taken; `size` is width and height.
        """
        root, below = home_of(file)
        path = self._base / root / OBJECTS / below / f"{file.stem}.png"
        if not path.is_file():
            return list(objects), [], []
        try:
            ids = instance_ids(path)
        except ImageError as error:
            return list(objects), [], [str(error).replace(str(path), f"Its {OBJECTS}", 1)]
        if all(size) and (ids.shape[1], ids.shape[0]) != size:
            return list(objects), [], [OTHER_SIZE]
        return self._matched(dict(split(ids)), list(objects), root, below / f"{file.stem}.png")

    def _matched(
        self, masks: dict[int, Mask], objects: list[Found | None], root: PurePosixPath, name: PurePosixPath
    ) -> tuple[list[Found | None], list[Found], list[str]]:
        places = _by_order(masks, objects) or _by_box(masks, objects)
        added: list[Found] = []
        told: list[str] = []
        for number, mask in masks.items():
            place = places.get(number)
            found = objects[place] if place is not None else None
            if place is not None and found is not None:
                objects[place] = with_mask(found, mask)
            elif place is None:
                category = self._category(mask, root, name)
                if category:
                    added.append(Found(category, mask, {}, b""))
                told.append(ADDED if category else NO_OBJECT)
        return objects, added, list(dict.fromkeys(told))

    def _category(self, mask: Mask, root: PurePosixPath, name: PurePosixPath) -> str | None:
        """What `SegmentationClass` says of a segment."""
        if root not in self._tables:
            self._tables[root] = table_in(self._base / root)
        table = self._tables[root]
        try:
            pixels = read_label_pixels(self._base / root / CLASSES / name)
        except ImageError:
            return None
        picture = keyed(pixels, table)
        if picture.keys.shape[0] < mask.y + mask.height or picture.keys.shape[1] < mask.x + mask.width:
            return None
        key = main_key(picture.keys, mask)
        return names_of([key], table, deep=False, is_voc=picture.is_voc).get(key)


def _by_order(masks: dict[int, Mask], objects: Sequence[Found | None]) -> dict[int, int]:
    """The place of each number's object, if each lies in the box of the object of its place; else {}."""
    places = {}
    for number, mask in masks.items():
        if not 1 <= number <= len(objects):
            return {}
        found = objects[number - 1]
        box = bounds(mask)
        if found is not None and _shared(box, bounds(found.shape)) < _INSIDE * box.area:
            return {}
        places[number] = number - 1
    return places


def _by_box(masks: dict[int, Mask], objects: Sequence[Found | None]) -> dict[int, int]:
    """The place of the object whose box is most like each number's, the likest first; each is had once."""
    pairs = []
    for number, mask in masks.items():
        box = bounds(mask)
        for place, found in enumerate(objects):
            if found is not None:
                other = bounds(found.shape)
                shared = _shared(box, other)
                alike = shared / (box.area + other.area - shared) if shared else 0.0
                if alike >= _ALIKE:
                    pairs.append((-alike, number, place))
    places: dict[int, int] = {}
    taken: set[int] = set()
    for _, number, place in sorted(pairs):
        if number not in places and place not in taken:
            places[number] = place
            taken.add(place)
    return places


def _shared(a: Box, b: Box) -> float:
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(width, 0.0) * max(height, 0.0)


def write_segments(
    image: Image,
    annotations: Sequence[Annotation],
    classes: dict[int, int],
    colors: Sequence[Rgb3],
    to: tuple[Path, str],
) -> tuple[bool, list[str]]:
    """Write both pictures of an image where it has masks; gives whether it has, and what is to be told.

    `to` is the data set's folder and the name of the image's files; `classes` gives the number of a category
    by its id, `colors` the colours of the numbers from 1.
    """
    folder, stem = to
    told = [BOX_ONLY for one in annotations if not isinstance(one.shape, Mask)]
    numbered = [(place, one) for place, one in enumerate(annotations, 1) if isinstance(one.shape, Mask)]
    told += [TOO_MANY for place, _ in numbered if place > MOST_BYTES]
    kept = [(place, one) for place, one in numbered if place <= MOST_BYTES]
    if not kept or not image.width or not image.height:
        return False, told if numbered else []
    size = image.height, image.width
    masks = masks_of([one for _, one in kept])
    objects = painted(masks, [place for place, _ in kept], size)
    save(objects.labels, folder / OBJECTS / f"{stem}.png", colors=[voc_color(n) for n in range(1, 255)])
    shown = painted(masks, [classes[one.category_id] for _, one in kept], size)
    save(shown.labels, folder / CLASSES / f"{stem}.png", colors=colors)
    return True, [*told, *(said for said in covered(masks, objects) if said)]
