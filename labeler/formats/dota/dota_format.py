"""DOTA's texts: four corners in pixels, the name of the class and whether it is difficult; read only.

    imagesource:GoogleEarth                          the first two lines, or not
    gsd:0.146343590398
    2753 2408 2861 2385 2888 2468 2805 2502 plane 0

Described at captain-whu.github.io/DOTA/dataset.html. Corners are taken as they are, from the outer edges of
the photo; they may lie beyond its border. Names may have blanks. What Roboflow calls YOLO-OBB are such texts
too; ultralytics' own oriented boxes are shares behind a class number, and `yolo` reads them.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from labeler.core.records import Annotation, Category, Image, Part, Polygons
from labeler.errors import ImportStoppedError
from labeler.formats.json_text import no_collection
from labeler.formats.report import FieldNote
from labeler.formats.spec import Dataset, FormatSpec, Reading, Source
from labeler.formats.yolo import yolo_reading
from labeler.formats.yolo.label_texts import head_of, some_files, texts_of
from labeler.formats.yolo.shares import BadLineError
from labeler.formats.yolo.yolo_layout import Pair, YoloLayout, layout_in
from labeler.formats.yolo.yolo_reading import NO_LABELS

_HEADERS = ("imagesource", "gsd", "acquisition dates")
_LINES = 50
_LOOKED_AT = 5
FEW_NUMBERS = "Begins with no eight numbers, the corners of a box."
NO_NAME = "Has no name of a class behind its corners."


class _Corners(Struct, frozen=True, gc=False):
    name: str
    points: tuple[float, ...]
    difficult: int


def corners_in(text: str) -> _Corners:
    """What a line says. Raises BadLineError."""
    words = text.split()
    if len(words) < 8:
        words = text.replace(",", " ").split()
    try:
        points = tuple(map(float, words[:8]))
    except ValueError:
        raise BadLineError(FEW_NUMBERS) from None
    if len(points) < 8:
        raise BadLineError(FEW_NUMBERS)
    if not all(map(math.isfinite, points)):
        raise BadLineError("Has a number that is not finite.")
    rest = words[8:]
    difficult = int(rest.pop()) if len(rest) > 1 and rest[-1].isdecimal() and len(rest[-1]) < 4 else 0
    if not rest:
        raise BadLineError(NO_NAME)
    return _Corners(" ".join(rest), points, difficult)


def _is_header(line: str) -> bool:
    return line.strip().lower().startswith(_HEADERS)


def sniff(path: Path) -> bool:
    """Whether a text, or the first texts of a folder, have corners and names; never a data.yaml."""
    if not path.is_dir():
        return path.suffix.lower() == ".txt" and bool(_has_corners(head_of(path)))
    found = (known for one in some_files(path, ".txt") if (known := _has_corners(head_of(one))) is not None)
    return any(known for known, _ in zip(found, range(_LOOKED_AT), strict=False))


def _has_corners(text: str) -> bool | None:
    """Whether the lines of a text are DOTA's; None where there are none, or only words."""
    lines = [line for line in text.splitlines()[:_LINES] if line.strip() and not _is_header(line)]
    good = 0
    for line in lines:
        try:
            good += not _is_number(corners_in(line).name.split()[0])
        except BadLineError:
            continue
    if lines and good * 2 >= len(lines):
        return True
    return False if any(len(line.split()) > 3 for line in lines) else None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def read(source: Source) -> Reading:
    """The records of DOTA's texts: four corners as an outline, `difficult` as an attribute where it is set.

    Raises FormatError, and ImportStoppedError when stopped.
    """
    layout = layout_in(source)
    with no_collection():
        return _reading(layout, source)


def _reading(layout: YoloLayout, source: Source) -> Reading:
    notes = list(layout.notes)
    pairs: list[Pair] = []
    found: list[tuple[int, str, _Corners]] = []
    labels = [pair.label for pair in layout.pairs if pair.label]
    texts = texts_of(layout.base, labels, source.should_stop)
    for pair in layout.pairs:
        text, why = next(texts) if pair.label else ("", "")
        if text is None:
            notes.append(FieldNote("refused", "file", None, "", why, at=pair.label))
        rows, bad = _rows(text or "", len(pairs), pair.label)
        if not pair.is_there and not rows and (bad or text is None):
            notes.append(FieldNote("told", "file", None, "", NO_LABELS, at=pair.label))
            continue
        pairs.append(pair)
        found += rows
        notes += bad
    if source.should_stop():
        raise ImportStoppedError("Nothing was imported: it was stopped.")
    names = dict.fromkeys([*layout.settings.names.values(), *(one.name for _, _, one in found)])
    categories = {name: Category(number, name, "") for number, name in enumerate(names, 1)}
    images = tuple(
        Image(number, pair.photo, *(source.size(pair.photo) or (0, 0)))
        for number, pair in enumerate(pairs, 1)
    )
    annotations = tuple(
        Annotation(
            number,
            place + 1,
            categories[one.name].id,
            Polygons((Part(np.array(one.points, dtype=np.float64).reshape(4, 2)),)),
            source="import",
            attributes={"difficult": one.difficult} if one.difficult else {},
        )
        for number, (place, _, one) in enumerate(found, 1)
    )
    return Reading(
        Dataset(images, tuple(categories.values()), annotations), tuple(notes), lambda n: found[n][1]
    )


def _rows(text: str, place: int, label: str) -> tuple[list[tuple[int, str, _Corners]], Sequence[FieldNote]]:
    rows: list[tuple[int, str, _Corners]] = []
    notes: list[FieldNote] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or _is_header(line):
            continue
        at = f"{label}:{number}"
        try:
            rows.append((place, at, corners_in(line)))
        except BadLineError as error:
            notes.append(FieldNote("refused", "annotations", None, "", str(error), at=at))
    return rows, notes


def read_oriented(source: Source) -> Reading:
    """What is called YOLO-OBB: DOTA's texts where they are that, else ultralytics' shares."""
    folder = source.path.parent if source.path.suffix.lower() in (".yaml", ".yml") else source.path
    return read(source) if sniff(folder) else yolo_reading.read(source)


dota = FormatSpec(
    "dota",
    "DOTA",
    (".txt",),
    sniff,
    read,
    folder=True,
    summary="oriented boxes of aerial photos, as outlines; also Roboflow's YOLO-OBB",
)
"""Read only."""

yolo_obb = FormatSpec(
    "yolo-obb",
    "YOLO oriented boxes",
    (".txt", ".yaml", ".yml"),
    lambda _: False,  # `dota` and `yolo` each know theirs
    read_oriented,
    folder=True,
    summary="oriented boxes, as outlines; ultralytics' shares or DOTA's corners",
)
"""Read only."""
