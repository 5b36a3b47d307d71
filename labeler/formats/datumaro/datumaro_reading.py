"""Datumaro's JSON as records: see `datumaro_shapes` for the format.

Polygons of one id in one group are one object, and points of that group are its keypoints, as datumaro has
them of COCO. What else only Datumaro says of an object (group, z-order, track) stays in `extra` under
“datumaro”; labels, captions, lines and points of their own stay with their image.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from labeler.core.records import Category, Polygons, Shape
from labeler.errors import FormatError, ImportStoppedError
from labeler.formats.datumaro.datumaro_shapes import AREAS, OTHERS, ShapeReader, numbers
from labeler.formats.gates import BAD_JSON, RefusalError, packed
from labeler.formats.json_files.collecting import UNLABELLED, Collecting
from labeler.formats.json_text import no_collection, parsed, read_bytes
from labeler.formats.spec import Reading, Source

KEY = "datumaro"
"""The key in `extra` under which stands what only Datumaro's JSON says."""
_HEAD = 1 << 16
_STEP = 256
NO_AREA = "Is a label, a text, a line or points, without an area; kept with the image but not shown."
TURNED = "Is a turned box, taken as its outline."
ELLIPSE = "Is an ellipse, taken as its outline; it is written as one while it has that form."
CUBOID = "Is a cuboid, taken as the outline around it."
_TOLD = {"rotated_bbox": TURNED, "ellipse": ELLIPSE, "cuboid_2d": CUBOID}


class _Top(Struct):
    categories: Raw
    items: list[Raw]


class _Label(Struct):
    name: str = ""
    parent: str | None = ""
    attributes: list[str] = []


class _Labels(Struct):
    labels: list[_Label] = []


class _Colour(Struct):
    label_id: int
    r: int
    g: int
    b: int


class _Colours(Struct):
    colormap: list[_Colour] = []


class _PointNames(Struct):
    label_id: int
    labels: list[str] = []
    joints: list[list[int]] = []


class _PointTable(Struct):
    items: list[_PointNames] = []


class _Categories(Struct):
    label: Raw = Raw(b"{}")
    mask: Raw = Raw(b"{}")
    points: Raw = Raw(b"{}")


_TOP = msgspec.json.Decoder(_Top)
_ITEM = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def sniff(path: Path) -> bool:
    """Whether a file begins as Datumaro's do, or has categories of labels and items."""
    with path.open("rb") as file:
        head = file.read(_HEAD).replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe")
    if head.lstrip()[:1] != b"{":
        return False
    return b'"dm_format_version"' in head or all(
        key in head for key in (b'"categories"', b'"label"', b'"labels"', b'"items"')
    )


def read(source: Source) -> Reading:
    """The records of a file. Raises FormatError, one sentence, and ImportStoppedError when stopped."""
    data = read_bytes(source.path, encoding=source.encoding)
    with no_collection():
        top, _, notes = parsed(data, source.path, _TOP)
        reader = _Reader(source, top.categories)
        for count, raw in enumerate(top.items):
            if count % _STEP == 0 and source.should_stop():
                raise ImportStoppedError("Nothing was imported: it was stopped.")
            reader.item(raw, f"items[{count}]")
        found = reader.reading()
    return replace(found, notes=(*notes, *found.notes))


class _Reader:
    """Takes the items of a file in order."""

    def __init__(self, source: Source, categories: Raw) -> None:
        self._source = source
        self._found = Collecting()
        self._shapes = ShapeReader()
        self._ids: set[int] = set()
        self._kept: dict[str, dict[str, bytes]] = {}
        self._parents: dict[str, str] = {}
        self._names = self._declared(categories, source.path)

    def _declared(self, raw: Raw, path: Path) -> list[str]:
        """The names of the labels by their numbers."""
        try:
            tables = msgspec.json.decode(raw, type=_Categories)
            labels = msgspec.json.decode(tables.label, type=_Labels).labels
            colours = msgspec.json.decode(tables.mask, type=_Colours).colormap
            points = msgspec.json.decode(tables.points, type=_PointTable).items
        except BAD_JSON as error:
            raise FormatError(f"“{path}” has no categories as Datumaro's files have ({error}).") from error
        names = [one.name for one in labels]
        for label in labels:
            self._found.category(label.name)
            self._parents[label.name] = label.parent or ""
            self._kept[label.name] = (
                {KEY: msgspec.json.encode({"attributes": label.attributes})} if label.attributes else {}
            )
        for colour in colours:
            rgb = colour.r, colour.g, colour.b
            if 0 <= colour.label_id < len(names) and all(0 <= value <= 255 for value in rgb):
                text = "#{:02x}{:02x}{:02x}".format(*rgb)
                # as our own files say it, which the gates understand
                self._kept[names[colour.label_id]]["labeler"] = msgspec.json.encode({"color": text})
        for one in points:
            if 0 <= one.label_id < len(names) and one.labels:
                kept = self._kept[names[one.label_id]]
                kept["keypoints"] = msgspec.json.encode(one.labels)
                if one.joints:
                    kept["skeleton"] = msgspec.json.encode(one.joints)
        return names

    def item(self, raw: Raw, at: str) -> None:
        """Take an image with its annotations."""
        try:
            fields = _ITEM.decode(raw)
            name = str(msgspec.json.decode(fields.get("id", Raw(b'""')), type=str | int))
            annotations = _LIST.decode(fields.get("annotations", Raw(b"[]")))
        except BAD_JSON as error:
            self._found.note("refused", f"Is no item that can be read ({error}).", kind="images", at=at)
            return
        if "image" not in fields and ("point_cloud" in fields or "video" in fields):
            self._found.note("refused", "Is no image.", kind="images", at=at)
            return
        path, size = self._place(fields, name)
        if not path:
            self._found.note("refused", "Has neither an id nor a path.", kind="images", at=at)
            return
        image = _Image(path)
        for count, one in enumerate(annotations):
            where = f"{at}.annotations[{count}]"
            try:
                self._annotation(one, image, where)
            except RefusalError as refusal:
                self._found.note("refused", refusal.sentence, field=refusal.field, at=where)
        facts: dict[str, Any] = {}
        if "attr" in fields:
            facts["attr"] = fields["attr"]
        ready = [(draft, self._extra(draft, image)) for draft in image.objects]
        for points in image.points.values():  # of no object
            self._found.note("told", NO_AREA, kind="images", at=at)
            image.others += [one for one, _ in points]
        if image.others:
            facts["others"] = image.others
        number = self._found.image(path, size, extra=msgspec.json.encode({KEY: facts}) if facts else b"")
        for draft, extra in ready:
            self._add(draft, number, extra)

    def _place(self, fields: Mapping[str, Raw], number: str) -> tuple[str, tuple[int, int]]:
        """An item's path, and its size as (width, height)."""
        about: dict[str, Any] = {}
        try:
            about = _OBJECT.decode(fields["image"])
            height, width = msgspec.convert(about.get("size"), tuple[int, int])
        except (KeyError, *BAD_JSON):
            height = width = 0
        path = about.get("path")
        if not isinstance(path, str) or not path:
            path = (self._source.find(number) or f"{number}.jpg") if number else ""
        return path, (max(width, 0), max(height, 0))

    def _annotation(self, raw: Raw, image: "_Image", at: str) -> None:
        try:
            given = _OBJECT.decode(raw)
        except BAD_JSON as error:
            raise RefusalError("", f"Cannot be read ({error}).") from error
        kind = given.get("type")
        key = _key(given)
        if kind == "points" and key:
            image.points.setdefault(key, []).append((raw, given))
        elif kind in OTHERS:
            self._found.note("told", NO_AREA, kind="images", at=at)
            image.others.append(raw)
        elif kind in AREAS:
            shape = self._shapes.shape(kind, given)
            if kind in _TOLD:
                self._found.note("told", _TOLD[kind], at=at)
            before = image.joined.get(key) if key and kind == "polygon" else None
            if before is not None and isinstance(shape, Polygons) and isinstance(before.shape, Polygons):
                before.shape = Polygons((*before.shape.parts, *shape.parts))
                return
            draft = _Draft(shape, given, at, kind, key)
            image.objects.append(draft)
            if key and kind == "polygon":
                image.joined[key] = draft
        else:
            raise RefusalError("type", "Is of no type that is known.")

    def _add(self, draft: "_Draft", image: int, extra: bytes) -> None:
        given = draft.given
        attributes = given.get("attributes")
        attributes = dict(attributes) if isinstance(attributes, dict) else {}
        crowd = attributes.pop("is_crowd", False) in (True, 1)
        category = self._category(given.get("label_id"), draft.at)
        self._found.add(
            image, category, draft.shape, draft.at, attributes=attributes, extra=extra, crowd=crowd
        )

    def _extra(self, draft: "_Draft", image: "_Image") -> bytes:
        given = draft.given
        facts = {
            name: given[name]
            for name, usual in (("group", 0), ("z_order", 0), ("object_id", -1))
            if isinstance(given.get(name), int) and given[name] != usual
        }
        if draft.kind == "ellipse":
            facts["type"] = draft.kind
        extra: dict[str, Any] = {}
        for raw, points in image.points.pop(draft.key, []) if draft.key else []:
            if "keypoints" in extra or (flat := _keypoints(points)) is None:
                image.others.append(raw)
            else:
                extra |= {"keypoints": flat, "num_keypoints": sum(seen > 0 for seen in flat[2::3])}
        if facts:
            extra[KEY] = facts
        return msgspec.json.encode(extra) if extra else b""

    def _category(self, number: object, at: str) -> int:
        if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(self._names):
            return self._found.category(self._names[number])
        said = f"Has no label that its file declares; taken into “{UNLABELLED}”."
        self._found.note("repaired", said, field="label_id", at=at)
        return self._found.category(UNLABELLED)

    def reading(self) -> Reading:
        """What was read."""
        found = self._found.reading()
        categories = tuple(self._complete(one) for one in found.dataset.categories)
        return replace(found, dataset=replace(found.dataset, categories=categories))

    def _complete(self, category: Category) -> Category:
        extra = packed(self._kept.get(category.name, {}))
        return replace(category, supercategory=self._parents.get(category.name, ""), extra=extra)


class _Draft(Struct, eq=False):
    """An object while its item is read."""

    shape: Shape
    given: dict[str, Any]
    at: str
    kind: str
    key: tuple[int, int, int] | None


class _Image(Struct, eq=False):
    """An item while it is read."""

    path: str
    objects: list[_Draft] = []
    joined: dict[tuple[int, int, int], _Draft] = {}
    points: dict[tuple[int, int, int], list[tuple[Raw, dict[str, Any]]]] = {}
    others: list[Raw] = []


def _key(given: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """What annotations of one object have in common: group, id and label; None of one without a group."""
    found = given.get("group"), given.get("id"), given.get("label_id")
    return found if all(isinstance(one, int) for one in found) and found[0] else None  # type: ignore[return-value]


def _keypoints(points: Mapping[str, Any]) -> list[float] | None:
    """x, y, visibility of points, as COCO has them; None where they are none."""
    try:
        flat = numbers(points, "points")
        seen = msgspec.convert(points.get("visibility") or [2] * (len(flat) // 2), list[int])
    except (RefusalError, msgspec.ValidationError):
        return None
    if len(seen) * 2 != len(flat):
        return None
    return [n for place, one in enumerate(seen) for n in (flat[2 * place], flat[2 * place + 1], one)]
