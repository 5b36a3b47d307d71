"""Open Images' table of boxes; read only.

    ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,...

Corners are shares of the photo's sides, x before y; a photo is called by its id, without an ending. Classes
are codes such as /m/01g317, whose names are in a class-descriptions table. A group of more than five that
cannot be told apart (`IsGroupOf`) is a crowd. Described at storage.googleapis.com/openimages/web/.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from labeler.core.photos.patience import patiently
from labeler.core.records import Annotation, Box, Category, Image
from labeler.errors import FormatError, ImageError, ImportStoppedError
from labeler.formats.gates import packed
from labeler.formats.json_text import no_collection
from labeler.formats.report import FieldNote, Verdict
from labeler.formats.spec import Dataset, FormatSpec, Reading, Source
from labeler.formats.tables.table_text import Table, number_in, parsed_table, plain, table_in
from labeler.formats.yolo.label_texts import head_of
from labeler.formats.yolo.shares import NO_PHOTO, BadLineError, check_scalable, inside, real_size, sizes_of

_NEEDED = ("imageid", "labelname", "xmin", "xmax", "ymin", "ymax")
_FLAGS = ("IsOccluded", "IsTruncated", "IsDepiction", "IsInside")
NO_BOX = "Has no four numbers where its box belongs."
NO_NAME = "Names no photo or no class."
NO_WIDTH = "Has no width or no height on its photo."
NO_NAMES = "No class-descriptions table lies beside it, so classes are called by their codes."
_STEP = 1024


def is_open_images(head: Sequence[str]) -> bool:
    """Whether the first row of a table is that of Open Images' boxes."""
    return {plain(name) for name in head} >= {*_NEEDED}


def sniff(path: Path) -> bool:
    """Whether a file is Open Images' table of boxes."""
    try:
        return is_open_images(parsed_table(head_of(path), path).head)
    except FormatError:
        return False


def read(source: Source) -> Reading:
    """The records of Open Images' boxes; its flags are attributes, a confidence under 1 is `score`.

    Raises FormatError where it is no such table, and ImportStoppedError when stopped.
    """
    with no_collection():
        table = table_in(source.path, source.encoding)
        if not is_open_images(table.head):
            raise FormatError(f"“{source.path}” is no table of Open Images: it lacks {', '.join(_NEEDED)}.")
        return _OpenBoxes(table, source).reading()


class _OpenBoxes:
    """Takes the rows of a table in order."""

    def __init__(self, table: Table, source: Source) -> None:
        self._table, self._source = table, source
        self._place = {plain(name): number for number, name in reversed(list(enumerate(table.head)))}
        ids = dict.fromkeys(self._field(row, "imageid") for _, row in table.rows[1:])
        photos = {name: source.find(name) or name for name in ids if name}
        self._sizes = sizes_of(photos.values(), source.size)
        self._images = {
            name: Image(number, photo, *real_size(self._sizes.get(photo)))
            for number, (name, photo) in enumerate(photos.items(), 1)
        }
        self._described = _described(source)
        self._categories: dict[str, Category] = {}
        self._annotations: list[Annotation] = []
        self._at: list[str] = []
        self._notes = list(table.notes)

    def reading(self) -> Reading:
        """All of it."""
        shares: list[float] = []
        for count, (line, row) in enumerate(self._table.rows[1:]):
            if count % _STEP == 0 and self._source.should_stop():
                raise ImportStoppedError("Nothing was imported: it was stopped.")
            at = f"{self._source.path.name}:{line}"
            try:
                values, repaired = self._shares(row)
            except BadLineError as error:
                self._note("refused", str(error), at)
                continue
            for sentence in repaired:
                self._note("repaired", sentence, at)
            shares += values
            self._annotations.append(self._annotation(row, values))
            self._at.append(at)
        if self._annotations:
            check_scalable(self._sizes, shares)
        if not self._described:
            self._notes.append(FieldNote("told", "file", None, "", NO_NAMES))
        found = Dataset(
            tuple(self._images.values()), tuple(self._categories.values()), tuple(self._annotations)
        )
        return Reading(found, tuple(self._notes), self._at.__getitem__)

    def _note(self, verdict: Verdict, sentence: str, at: str) -> None:
        self._notes.append(FieldNote(verdict, "annotations", None, "", sentence, at=at))

    def _field(self, row: Sequence[str], name: str) -> str:
        place = self._place.get(name)
        return row[place].strip() if place is not None and place < len(row) else ""

    def _shares(self, row: Sequence[str]) -> tuple[tuple[float, ...], tuple[str, ...]]:
        """x0, y0, x1, y1 of a row, and what is to be said of them. Raises BadLineError."""
        name = self._field(row, "imageid")
        if not name or not self._field(row, "labelname"):
            raise BadLineError(NO_NAME)
        if self._images[name].path not in self._sizes:
            raise BadLineError(NO_PHOTO)
        numbers = [number_in(self._field(row, one)) for one in ("xmin", "ymin", "xmax", "ymax")]
        known = [number for number in numbers if number is not None]
        if len(known) < len(numbers):
            raise BadLineError(NO_BOX)
        values, repaired = inside(known)
        if values[2] <= values[0] or values[3] <= values[1]:
            raise BadLineError(NO_WIDTH)
        return values, repaired

    def _annotation(self, row: Sequence[str], values: Sequence[float]) -> Annotation:
        image = self._images[self._field(row, "imageid")]
        width, height = self._sizes[image.path]
        x0, y0, x1, y1 = values
        score = number_in(self._field(row, "confidence"))
        return Annotation(
            len(self._annotations) + 1,
            image.id,
            self._category(self._field(row, "labelname")).id,
            Box(x0 * width, y0 * height, x1 * width, y1 * height),
            source="import",
            crowd=self._field(row, "isgroupof") == "1",
            attributes={flag: True for flag in _FLAGS if self._field(row, flag.lower()) == "1"},
            extra=b"" if score is None or score == 1 else packed({"score": msgspec.json.encode(score)}),
        )

    def _category(self, code: str) -> Category:
        if code not in self._categories:
            extra = packed({"open_images": msgspec.json.encode({"LabelName": code})})
            number, name = len(self._categories) + 1, self._described.get(code, code)
            self._categories[code] = Category(number, name, "", extra=extra)
        return self._categories[code]


def _described(source: Source) -> dict[str, str]:
    """The names of the classes by their codes, of a table beside it or in `metadata` one folder up."""
    here = source.path.parent
    for folder in (here, here.parent, here.parent / "metadata"):
        for path in _tables(folder):
            try:
                rows = table_in(path).rows
            except FormatError:
                continue
            found = {row[0].strip(): row[1].strip() for _, row in rows if len(row) == 2 and row[1].strip()}
            if found:
                return found
    return {}


def _tables(folder: Path) -> list[Path]:
    """The class-descriptions tables of a folder."""
    try:
        return patiently(
            folder, lambda: sorted([*folder.glob("*class-descriptions*.csv"), *folder.glob("classes.csv")])
        )
    except (OSError, ImageError):
        return []


open_images = FormatSpec(
    "open-images",
    "Open Images",
    (".csv",),
    sniff,
    read,
    summary="boxes as shares, groups as crowds; names from class-descriptions beside it",
)
"""Read only."""
