"""YOLO data sets as records: boxes, outlines and keypoints, whatever lines stand in their files."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from labeler.core.records import Annotation, Category, Image
from labeler.errors import ImportStoppedError
from labeler.formats.gates import packed
from labeler.formats.json_text import no_collection
from labeler.formats.report import FieldNote, Verdict
from labeler.formats.spec import SPLIT, Dataset, Reading, Source
from labeler.formats.yolo.label_texts import texts_of
from labeler.formats.yolo.shares import NO_PHOTO, BadLineError, check_scalable, real_size, sizes_of
from labeler.formats.yolo.yolo_layout import Pair, YoloLayout, layout_in
from labeler.formats.yolo.yolo_lines import (
    InShares,
    LabelLine,
    keypoints_on,
    pose_lengths,
    shape_on,
    split_line,
    understood,
)
from labeler.formats.yolo.yolo_settings import MEANS

NO_LABELS = "Has no labels and no photo; left out."
NAMELESS = "Names of the classes are nowhere; they are called by their numbers."
POSE = "Has keypoints, which are kept with the object and not shown."
BEYOND = "There are {} classes without a name, “{}” first; they are called by their numbers."
_STEP = 256


class Row(Struct, frozen=True, gc=False):
    """A line and where it stands."""

    pair: int
    number: int
    """Of the line in its file, from 1."""
    line: LabelLine


class _Texts(Struct):
    """What is in the label files."""

    rows: list[Row]
    pairs: list[Pair]
    """Those that count: a text without a photo and without labels does not."""
    notes: list[FieldNote]


def read(source: Source) -> Reading:
    """The records of a YOLO data set: see `yolo_lines` and `yolo_layout` for what is known.

    An image without objects has an empty label file or none. `Category.file_id` is the number of the class.
    Raises FormatError, and ImportStoppedError when stopped.
    """
    layout = layout_in(source)
    with no_collection():
        texts = _texts(layout, source)
        return _reading(layout, texts, source)


def _texts(layout: YoloLayout, source: Source) -> _Texts:
    classes = {name: number for number, name in layout.settings.names.items()}
    found = _Texts([], [], list(layout.notes))
    labelled = [pair.label for pair in layout.pairs if pair.label]
    texts = texts_of(layout.base, labelled, source.should_stop)
    for pair in layout.pairs:
        text, why = next(texts) if pair.label else ("", "")
        if text is None:
            found.notes.append(FieldNote("refused", "file", None, "", why, at=pair.label))
        place = len(found.pairs)
        rows, notes = _rows(text or "", place, pair.label, classes)
        if not pair.is_there and not rows and (notes or text is None):
            found.notes.append(FieldNote("told", "file", None, "", NO_LABELS, at=pair.label))
            continue
        found.pairs.append(pair)
        found.rows += rows
        found.notes += notes
    return found


def _rows(text: str, place: int, label: str, classes: Mapping[str, int]) -> tuple[list[Row], list[FieldNote]]:
    rows: list[Row] = []
    notes: list[FieldNote] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.isspace():
            continue
        try:
            rows.append(Row(place, number, split_line(line, classes)))
        except BadLineError as error:
            notes.append(_note("refused", str(error), f"{label}:{number}"))
    return rows, notes


def _note(verdict: Verdict, sentence: str, at: str) -> FieldNote:
    return FieldNote(verdict, "annotations", None, "", sentence, at=at)


def _reading(layout: YoloLayout, texts: _Texts, source: Source) -> Reading:
    pairs, notes = texts.pairs, texts.notes
    known = layout.settings.keypoints
    poses = pose_lengths((row.line for row in texts.rows), known)
    sizes = sizes_of((pair.photo for pair in pairs), source.size)
    taken: list[tuple[Row, InShares]] = []
    for count, row in enumerate(texts.rows):
        if count % _STEP == 0 and source.should_stop():
            raise ImportStoppedError("Nothing was imported: it was stopped.")
        at = f"{pairs[row.pair].label}:{row.number}"
        if pairs[row.pair].photo not in sizes:
            notes.append(_note("refused", NO_PHOTO, at))
            continue
        try:
            one = understood(row.line, poses, known)
        except BadLineError as error:
            notes.append(_note("refused", str(error), at))
            continue
        notes += [_note("told", sentence, at) for sentence in one.told]
        notes += [_note("repaired", sentence, at) for sentence in one.repaired]
        if one.keypoints:
            notes.append(_note("told", POSE, at))
        taken.append((row, one))
    if taken:
        check_scalable(sizes, (number for _, one in taken for number in one.values))
    categories = _categories(layout, [one for _, one in taken], notes)
    extras = _splits(pairs)
    images = tuple(
        Image(place, pair.photo, *real_size(sizes.get(pair.photo)), extra=extra)
        for place, (pair, extra) in enumerate(zip(pairs, extras, strict=True), 1)
    )
    ids = {category.file_id: category.id for category in categories}
    annotations = tuple(
        _annotation(place, row.pair + 1, ids[one.category], one, sizes[pairs[row.pair].photo])
        for place, (row, one) in enumerate(taken, 1)
    )
    places = [f"{pairs[row.pair].label}:{row.number}" for row, _ in taken]
    return Reading(Dataset(images, categories, annotations), tuple(notes), places.__getitem__)


def _splits(pairs: Sequence[Pair]) -> list[bytes]:
    """What each image keeps of its part; nothing where the folders of all of them say it themselves."""
    parts = [next((key for key, same in MEANS.items() if pair.part in same), "") for pair in pairs]
    if all(_is_said(pair.photo, part) for pair, part in zip(pairs, parts, strict=True)):
        return [b""] * len(pairs)
    return [packed({SPLIT: msgspec.json.encode(part)}) if part else b"" for part in parts]


def _is_said(photo: str, part: str) -> bool:
    return not part or any(folder.lower() in MEANS[part] for folder in photo.split("/")[:-1])


def _annotation(number: int, image: int, category: int, one: InShares, size: tuple[int, int]) -> Annotation:
    extra = b""
    if one.keypoints:
        points = keypoints_on(one, size)
        seen = sum(v > 0 for v in points[2::3])
        extra = packed({"keypoints": msgspec.json.encode(points), "num_keypoints": msgspec.json.encode(seen)})
    return Annotation(number, image, category, shape_on(one, size), source="import", extra=extra)


def _categories(layout: YoloLayout, objects: list[InShares], notes: list[FieldNote]) -> tuple[Category, ...]:
    """The classes by number: those with a name, and those that only objects have."""
    names = dict(layout.settings.names)
    used = Counter(one.category for one in objects)
    nameless = sorted(number for number in used if number not in names)
    if nameless:
        first = f"class {nameless[0]}"
        sentence = BEYOND.format(len(nameless), first) if names else NAMELESS
        notes.append(FieldNote("told", "file", None, "", sentence))
    names.update({number: f"class {number}" for number in nameless})
    points = layout.settings.point_names
    extra = {
        number: packed({"keypoints": msgspec.json.encode(points[number])})
        for number in names
        if points.get(number)
    }
    return tuple(
        Category(place, names[number], "", file_id=number, extra=extra.get(number, b""))
        for place, number in enumerate(sorted(names), 1)
    )
