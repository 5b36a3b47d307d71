"""COCO panoptic in: a folder with a JSON file for each part, and the PNGs that it names.

Each file is read as `coco.panoptic` reads it when it is given alone; here the parts become one data set.
"""

from pathlib import Path, PurePosixPath

import msgspec
from msgspec.structs import replace

from labeler.core.records import Annotation, Category, Image
from labeler.errors import FormatError, ImportStoppedError
from labeler.formats.coco.coco_file import open_document
from labeler.formats.coco.coco_reading import dataset_of
from labeler.formats.door import COCO
from labeler.formats.gates import BAD_JSON, unpacked
from labeler.formats.json_files.json_walk import ends, first_json, json_below
from labeler.formats.masks.palettes import hex_of
from labeler.formats.report import FieldNote
from labeler.formats.spec import Dataset, Reading, Source

_SEGMENTS = b'"segments_info"'
_COLOR = msgspec.json.Decoder(tuple[int, int, int])


def is_panoptic_file(path: Path) -> bool:
    """Whether a JSON file is one of COCO panoptic: by its text, or its name where it is long."""
    text = ends(path)
    has_lists = b'"annotations"' in text or b'"images"' in text
    return _SEGMENTS in text or (has_lists and path.name.startswith("panoptic_"))


def sniff(path: Path) -> bool:
    """Whether a file is one of COCO panoptic, or a folder has one."""
    if not path.is_dir():
        return is_panoptic_file(path)
    return any(is_panoptic_file(one) for one in first_json(path))


def read(source: Source) -> Reading:
    """The records of one file, or of all panoptic files of a folder; FormatError where it has none."""
    if not source.path.is_dir():
        files, root = [source.path.name], source.path.parent
    else:
        root = source.path
        files = [name for name in json_below(root) if is_panoptic_file(root / name)]
    if not files:
        raise FormatError(f"“{source.path}” has no panoptic file: no JSON with “segments_info”.")
    reader = _Reader(source, root)
    for name in files:
        reader.file(name)
    return reader.reading()


class _Reader:
    """Takes one file after the other."""

    def __init__(self, source: Source, root: Path) -> None:
        self._source = source
        self._root = root
        self._images: dict[str, Image] = {}
        self._categories: dict[str, Category] = {}
        self._annotations: list[Annotation] = []
        self._notes: list[FieldNote] = []
        self._places: list[str] = []

    def file(self, name: str) -> None:
        """Take the records of one file."""
        try:
            document = open_document(self._root / name, encoding=self._source.encoding, format_id=COCO)
            dataset, report = dataset_of(document, should_stop=self._source.should_stop)
        except ImportStoppedError:
            raise
        except FormatError as error:
            self._notes.append(FieldNote("refused", "file", None, "", str(error), at=name))
            return
        self._notes += [replace(note, index=None, at=f"{name}:{note.place}") for note in report.items]
        images = {image.id: self._image(image, name) for image in dataset.images}
        categories = {one.id: self._category(one) for one in dataset.categories}
        for place, one in zip(dataset.places.annotations, dataset.annotations, strict=True):
            number = len(self._annotations) + 1
            image_id, category_id = images[one.image_id], categories[one.category_id]
            self._annotations.append(replace(one, id=number, image_id=image_id, category_id=category_id))
            self._places.append(f"{name}:segment[{place}]")

    def _image(self, image: Image, file: str) -> int:
        """The id of an image, whose photo is best looked for in the folder of its part."""
        part = PurePosixPath(file).stem.removeprefix("panoptic_")
        path = self._source.find(f"{part}/{image.path}") or self._source.find(image.path) or image.path
        known = self._images.get(path)
        if known is None:
            known = replace(image, id=len(self._images) + 1, path=path)
            self._images[path] = known
        return known.id

    def _category(self, category: Category) -> int:
        known = self._categories.get(category.name)
        if known is None:
            color = _color(category) or category.color
            known = replace(category, id=len(self._categories) + 1, color=color)
            self._categories[category.name] = known
        return known.id

    def reading(self) -> Reading:
        """All that was taken."""
        dataset = Dataset(
            tuple(self._images.values()), tuple(self._categories.values()), tuple(self._annotations)
        )
        return Reading(dataset, tuple(self._notes), self._places.__getitem__)


def _color(category: Category) -> str:
    """The colour that the file has for a category; "" for none."""
    raw = unpacked(category.extra).get("color")
    try:
        color = _COLOR.decode(raw) if raw is not None else None
    except BAD_JSON:
        return ""
    return hex_of(color) if color is not None and all(0 <= one <= 255 for one in color) else ""
