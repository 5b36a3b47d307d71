"""Pascal VOC in: a folder of XML files in its layout or beside their photos, or one such file.

`folder` and `path` of a file are a stranger's and are not asked; `filename` is, as `voc_places` says. Where
the images of a part are named in `ImageSets`, the parts stay with the images.
"""

import re
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

import msgspec
from msgspec.structs import replace

from labeler.core.photos.photo_files import SUFFIXES
from labeler.core.records import Annotation, Category, Image
from labeler.errors import FormatError, ImportStoppedError
from labeler.formats.gates import BAD_JSON, RefusalError, packed, unpacked
from labeler.formats.json_text import no_collection, read_bytes
from labeler.formats.masks.label_map import NAME as LABEL_MAP
from labeler.formats.masks.label_map import categories_of, read_label_map
from labeler.formats.report import FieldNote, Ledger
from labeler.formats.spec import Dataset, Reading, Source
from labeler.formats.voc.voc_objects import OURS, VOC, Found, read_object
from labeler.formats.voc.voc_places import (
    ANNOTATIONS,
    PhotoNames,
    files_below,
    home_of,
    sets_in,
    some_files,
    without_unions,
)
from labeler.formats.voc.voc_segments import Segments
from labeler.formats.voc.xml_text import Tree, checked_tree, root_of, text_of, tree_of

_HEAD = 1 << 16
_SNIFFED = 5
_STEP = 64
_ROOT = re.compile(rb"<annotation[\s>]")
_INSIDE = (b"<object", b"<filename", b"<bndbox", b"<size")
_READ = frozenset({"folder", "filename", "path", "size", "segmented", "object", OURS})
FROM_ONE = "Counts pixels from 1, as the official files of VOC do; its boxes are brought to edges."


class ImageExtra(msgspec.Struct, frozen=True, omit_defaults=True):
    """What VOC says of an image that we have no field for: `extra["voc"]`."""

    sets: list[str] = []
    """The lists of `ImageSets` that name it."""
    rest: Tree = []
    """Its source, its owner, and what else stands there."""


def is_official(rest: Tree) -> bool:
    """Whether an image's `source` is that of the official data, whose pixels are counted from 1."""
    for name, inner in rest:
        if name == "source" and not isinstance(inner, str):
            said = {key: text for key, text in inner if isinstance(text, str)}
            if re.match(r"The VOC\s*\d*", said.get("database", "")):
                return True
    return False


def is_voc(path: Path) -> bool:
    """Whether a file begins as an XML file of VOC does."""
    with path.open("rb") as file:
        head = file.read(_HEAD).replace(b"\0", b"")
    return b"<" in head[:8] and bool(_ROOT.search(head)) and any(key in head for key in _INSIDE)


def sniff(path: Path) -> bool:
    """Whether a file is one of VOC, or a folder has some."""
    if not path.is_dir():
        return is_voc(path)
    first = [one for one, _ in zip(some_files(path, ".xml"), range(_SNIFFED), strict=False)]
    return any(is_voc(path / one) for one in first)


def read(source: Source) -> Reading:
    """The records of a folder of XML files, or of one; FormatError where one is asked for and is none."""
    with no_collection():
        if not source.path.is_dir():
            return _one(source)
        reader = _Reader(source, source.path)
        for number, file in enumerate(files_below(source.path, ".xml")):
            if number % _STEP == 0 and source.should_stop():
                raise ImportStoppedError("Nothing was imported: it was stopped.")
            try:
                root = root_of(source.path / file, encoding=source.encoding)
            except FormatError as error:
                sentence = str(error).replace(f"“{source.path / file}”", "The file")
                reader.ledger.note("refused", "images", None, "", sentence, at=str(file))
                continue
            reader.file(file, root)
        reader.name_lists()
        return reader.reading()


def _one(source: Source) -> Reading:
    """The records of one file; the pictures of segments beside its folder are looked for, too."""
    path = source.path.absolute()
    base = path.parent.parent if path.parent.name == ANNOTATIONS else path.parent
    reader = _Reader(source, base)
    reader.file(PurePosixPath(path.relative_to(base).as_posix()), root_of(path, encoding=source.encoding))
    return reader.reading()


class _Reader:
    """Takes one file after the other."""

    def __init__(self, source: Source, base: Path) -> None:
        self.ledger = Ledger()
        self._source = source
        self._base = base
        self._photos = PhotoNames(source)
        self._segments = Segments(base)
        self._images: dict[str, Image] = {}
        self._homes: dict[tuple[str, str], str] = {}
        """The image's path by the root of its data set and the name of its file."""
        self._categories: dict[str, Category] = {}
        self._annotations: list[Annotation] = []
        self._places: list[tuple[str, int]] = []
        self._from_one = 0
        for category in _label_map(base):
            self._categories[category.name] = category

    def file(self, file: PurePosixPath, root: Element) -> None:
        """Take the image and the objects of one XML file, whose path is relative to the folder read."""
        if root.tag != "annotation":
            if not self._source.path.is_dir():
                raise FormatError(f"“{self._source.path}” is no file of Pascal VOC: it begins <{root.tag}>.")
            self._tell(file, "Is no file of Pascal VOC; left out.")
            return
        rest = tree_of([one for one in root if one.tag not in _READ])
        base = 1 if is_official(rest) else 0
        self._from_one += base
        image = self._image(file, root, rest)
        objects: list[Found | None] = []
        for place, element in enumerate(root.iterfind("object"), 1):
            try:
                objects.append(read_object(element, base=base))
            except RefusalError as refusal:
                at = f"{file}:object[{place}]"
                self.ledger.note("refused", "annotations", None, refusal.field, refusal.sentence, at=at)
                objects.append(None)
        objects, added, told = self._segments.joined(file, (image.width, image.height), objects)
        for sentence in told:
            self._tell(file, sentence)
        for place, found in enumerate([*objects, *added], 1):
            if found is not None:
                self._take(found, image, (str(file), place))

    def _take(self, found: Found, image: Image, place: tuple[str, int]) -> None:
        index = len(self._annotations)
        for sentence in found.repairs:
            self.ledger.note("repaired", "annotations", index, "", sentence)
        category = self._category(found.name)
        self._annotations.append(
            Annotation(
                index + 1,
                image.id,
                category,
                found.shape,
                source="import",
                attributes=found.attributes,
                extra=found.extra,
            )
        )
        self._places.append(place)

    def _tell(self, file: PurePosixPath, sentence: str) -> None:
        self.ledger.note("told", "file", None, "", sentence, at=str(file))

    def _category(self, name: str) -> int:
        known = self._categories.get(name)
        if known is None:
            known = self._categories[name] = Category(len(self._categories) + 1, name, "")
        return known.id

    def _image(self, file: PurePosixPath, root: Element, rest: Tree) -> Image:
        said = text_of(root, "filename")
        path, otherwise = self._photos.of(file, said)
        if otherwise:
            self._tell(file, f"Names “{otherwise}”, but there is a photo of its own name, which was taken.")
        if path is None:
            path = said.replace("\\", "/").rpartition("/")[2] or file.stem
            if path in self._images:  # a name that was copied with the file
                path = file.stem + (
                    PurePosixPath(path).suffix if PurePosixPath(path).suffix.lower() in SUFFIXES else ""
                )
        self._homes[str(home_of(file)[0]), file.stem] = path
        if path in self._images:
            self._tell(file, "Is of a photo that another file is of, too; their objects were put together.")
            return self._images[path]
        size = _size(root) or self._source.size(path) or (0, 0)
        kept = ImageExtra(rest=rest if rest != _PLAIN_SOURCE else [])
        extra = _own_extra(root)
        if kept.rest:
            extra[VOC] = msgspec.Raw(msgspec.json.encode(kept))
        image = Image(len(self._images) + 1, path, *size, extra=packed(extra))
        self._images[path] = image
        return image

    def name_lists(self) -> None:
        """Keep which lists of `ImageSets` name an image; one with a photo but no XML file has no objects."""
        for (root, name), listed in sets_in(self._base).items():
            if not name:
                continue
            path = self._homes.get((root, name))
            if path is None:
                home = PurePosixPath(root) / "Annotations" / f"{name}.xml"
                path, _ = self._photos.of(home, name)
                if path is None or path in self._images:
                    continue
                size = self._source.size(path) or (0, 0)
                self._images[path] = Image(len(self._images) + 1, path, *size)
            image = self._images[path]
            fields = unpacked(image.extra)
            kept = replace(image_extra(image), sets=without_unions(listed))
            fields[VOC] = msgspec.Raw(msgspec.json.encode(kept))
            self._images[path] = replace(image, extra=packed(dict(fields)))

    def reading(self) -> Reading:
        """All that was taken."""
        notes = self.ledger.notes
        if self._from_one:
            notes = (FieldNote("told", "file", None, "", FROM_ONE), *notes)
        places = self._places
        return Reading(
            Dataset(tuple(self._images.values()), tuple(self._categories.values()), tuple(self._annotations)),
            notes,
            lambda index: f"{places[index][0]}:object[{places[index][1]}]",
        )


_PLAIN_SOURCE: Tree = [("source", [("database", "Unknown")])]
"""What is written where nothing is known, and says nothing."""


def _size(root: Element) -> tuple[int, int] | None:
    """Width and height as the file says them; None where it does not, or they are no sizes."""
    found = root.find("size")
    if found is None:
        return None
    try:
        width, height = (int(float(found.findtext(name) or "")) for name in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if 0 < width <= 1_000_000 and 0 < height <= 1_000_000 else None


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_EXTRA = msgspec.json.Decoder(ImageExtra)


def _own_extra(root: Element) -> dict[str, msgspec.Raw | bytes]:
    text = text_of(root, OURS)
    try:
        return dict(_FIELDS.decode(text)) if text else {}
    except BAD_JSON:
        return {}


def image_extra(image: Image) -> ImageExtra:
    """What VOC says of an image that we have no field for."""
    raw = unpacked(image.extra).get(VOC)
    try:
        extra = _EXTRA.decode(raw) if raw is not None else ImageExtra()
    except BAD_JSON:
        return ImageExtra()
    return replace(extra, rest=checked_tree(extra.rest))


def _label_map(base: Path) -> list[Category]:
    """The categories of the data set's labelmap, which CVAT and Datumaro write; none where there is none."""
    try:
        text = read_bytes(base / LABEL_MAP).decode("utf-8-sig", "replace")
    except FormatError:
        return []
    return categories_of(read_label_map(text))
