"""Label Studio's JSON (a list of tasks, also as its JSON-MIN) as records: see `region_shapes` for the format.

Of several annotations of a task the newest that was not cancelled is taken. A region may stand in two results
of one id, one with its shape and one with its label; what else is said of a region becomes its attributes,
what is said of the whole image (choices, texts, relations) stays with the image.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from labeler.core.photos.photo_files import SUFFIXES
from labeler.errors import ImportStoppedError
from labeler.formats.gates import BAD_JSON, RefusalError
from labeler.formats.json_files.collecting import UNLABELLED, Collecting
from labeler.formats.json_text import no_collection, parsed, read_bytes
from labeler.formats.label_studio.region_shapes import RegionReader
from labeler.formats.spec import Reading, Source

KEY = "label-studio"
"""The key in `extra` under which stands what only Label Studio says."""
_HEAD = 1 << 16
_STEP = 64
_UPLOAD_MARK = re.compile(r"^[0-9a-f]{8}-(?=.)")
_SHAPES = frozenset(("rectangle", "polygon", "brush", "ellipse"))
_IMAGE_KEYS = ("image", "img", "image_url", "url", "photo", "picture")
WHOLE_IMAGE = "Is said of the whole image; kept with it but not shown."
NO_SHAPE = "Is a point, a line or a relation, which has no area; kept with the image but not shown."
PREDICTIONS = "Has predictions of a model, which are left out."
SEVERAL = "Has 2 annotations or more; the newest that was not cancelled is taken."
CANCELLED = "Has only annotations that were cancelled, which are left out."
TURNED = "Was labelled on a turned image; turned back."
TOLD: Mapping[str, str] = {
    "turned box": "Is a turned box, taken as its outline; it is written as one while that is a rectangle.",
    "ellipse": "Is an ellipse, taken as its outline; it is written as one while that has its form.",
}

_TASKS = msgspec.json.Decoder(list[Raw] | dict[str, Raw])
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ANY = msgspec.json.Decoder(Any)


def sniff(path: Path) -> bool:
    """Whether a file begins as a list of tasks, or one task, of Label Studio."""
    with path.open("rb") as file:
        head = file.read(_HEAD).replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe")
    if head.lstrip()[:1] not in (b"[", b"{"):
        return False
    is_task = b'"data"' in head and (b'"annotations"' in head or b'"completions"' in head)
    return is_task or (b'"original_width"' in head and b'labels"' in head)


def read(source: Source) -> Reading:
    """The records of a file. Raises FormatError, one sentence, and ImportStoppedError when stopped."""
    data = read_bytes(source.path, encoding=source.encoding)
    with no_collection():
        found, data, notes = parsed(data, source.path, _TASKS)
        tasks = found if isinstance(found, list) else [Raw(data)]
        reader = _Reader(source)
        for count, raw in enumerate(tasks):
            if count % _STEP == 0 and source.should_stop():
                raise ImportStoppedError("Nothing was imported: it was stopped.")
            reader.task(raw, f"[{count}]" if isinstance(found, list) else "task")
        reading = reader.found.reading()
    return replace(reading, notes=(*notes, *reading.notes))


class _Region(Struct, eq=False):
    """What the results of one id say together."""

    at: str
    result: dict[str, Any] = {}
    """The one with the shape."""
    labels: list[str] = []
    attributes: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    """The types of the results that attributes were, by attribute."""


class _Reader:
    """Takes the tasks of a file in order."""

    def __init__(self, source: Source) -> None:
        self.found = Collecting()
        self._source = source
        self._shapes = RegionReader()

    def task(self, raw: Raw, at: str) -> None:
        """Take a task with the newest of its annotations."""
        try:
            fields = _FIELDS.decode(raw)
            url = _image_of(fields)
            results, where = self._results(fields, at)
        except BAD_JSON as error:
            self.found.note("refused", f"Is no task that can be read ({error}).", kind="images", at=at)
            return
        if not url:
            self.found.note("refused", "Has no image, or several.", kind="images", at=at)
            return
        path = self._source.find(url) or plain_name(url)
        regions, others, size = self._sorted(results, where)
        size = size or self._source.size(path) or (0, 0)
        facts: dict[str, Any] = {"image": url}
        if others:
            facts["results"] = others
        image = self.found.image(path, size, extra=msgspec.json.encode({KEY: facts}))
        for region in regions:
            try:
                self._region(region, image, size)
            except RefusalError as refusal:
                self.found.note("refused", refusal.sentence, field=refusal.field, at=region.at)

    def _results(self, fields: Mapping[str, Raw], at: str) -> tuple[Sequence[Raw], str]:
        """The results that count, and where they stand; RefusalErrors and msgspec's for what is none."""
        key = "annotations" if "annotations" in fields else "completions"
        if _LIST.decode(fields.get("predictions", Raw(b"[]"))):
            self.found.note("told", PREDICTIONS, kind="images", at=at)
        if key not in fields:
            return _least_results(fields), at
        given = [_FIELDS.decode(one) for one in _LIST.decode(fields[key])]
        good = [(_age(one), place) for place, one in enumerate(given) if not _is_cancelled(one)]
        if len(good) > 1:
            self.found.note("told", SEVERAL, kind="images", at=at)
        if given and not good:
            self.found.note("told", CANCELLED, kind="images", at=at)
        if not good:
            return (), at
        _, newest = max(good)
        where = f"{at}.{key}[{newest}].result"
        return _LIST.decode(given[newest].get("result", Raw(b"[]"))), where

    def _sorted(
        self, results: Sequence[Raw], where: str
    ) -> tuple[list[_Region], list[Raw], tuple[int, int] | None]:
        """The regions, the results that are of none, and the image's size where a result says it."""
        regions: dict[str, _Region] = {}
        decoded: list[tuple[str, str, Raw, dict[str, Any]]] = []
        size: tuple[int, int] | None = None
        for place, raw in enumerate(results):
            at = f"{where}[{place}]"
            try:
                one = _OBJECT.decode(raw)
            except BAD_JSON as error:
                self.found.note("refused", f"Is no result that can be read ({error}).", at=at)
                continue
            key = str(one.get("id") or f"#{place}")
            size = size or _size(one)
            decoded.append((key, at, raw, one))
            if _is_shape(one):
                region = regions.setdefault(key, _Region(at, one))
                if _kind(one) in _SHAPES and _kind(region.result) not in _SHAPES:
                    region.at, region.result = at, one  # an attribute repeats the shape
        others: list[Raw] = []
        for key, at, raw, one in decoded:
            if key in regions:
                _add(regions[key], one)
                continue
            kind = str(one.get("type", ""))
            is_shapeless = "id" not in one or "keypoint" in kind or "vector" in kind or kind == "relation"
            self.found.note("told", NO_SHAPE if is_shapeless else WHOLE_IMAGE, kind="images", at=at)
            others.append(raw)
        return list(regions.values()), others, size

    def _region(self, region: _Region, image: int, size: tuple[int, int]) -> None:
        one = region.result
        own = _size(one) or size
        if not all(own):
            raise RefusalError(
                "original_width", "Is in percent of a size that neither the file nor a photo says."
            )
        turn = one.get("image_rotation") or 0
        turn = turn if isinstance(turn, int | float) else 0
        shape, was = self._shapes.shape(one["value"], own, turn)
        if was:
            self.found.note("told", TOLD[was], at=region.at)
        if turn % 360:
            self.found.note("told", TURNED, at=region.at)
        facts: dict[str, Any] = {}
        for name, usual in (("id", None), ("from_name", "label"), ("to_name", "image")):
            if isinstance(one.get(name), str) and one[name] != usual:
                facts[name] = one[name]
        if was:
            facts["shape"] = was
        if region.kinds:
            facts["kinds"] = region.kinds
        if len(region.labels) > 1:
            facts["labels"] = region.labels
            self.found.note("told", "Has several labels, of which the first is its category.", at=region.at)
        if isinstance(one.get("score"), int | float):
            facts["score"] = one["score"]
        self.found.add(
            image,
            self.found.category(region.labels[0] if region.labels else UNLABELLED),
            shape,
            region.at,
            attributes=region.attributes,
            extra=msgspec.json.encode({KEY: facts}) if facts else b"",
        )


def _kind(one: Mapping[str, Any]) -> str:
    """The type of a result without its ending, as “rectangle”."""
    return str(one.get("type", "")).removesuffix("labels")


def _is_shape(one: Mapping[str, Any]) -> bool:
    """Whether a result has a shape with an area."""
    value = one.get("value")
    if not isinstance(value, dict):
        return False
    kind = _kind(one)
    if "rle" in value:
        return True
    if kind in ("keypoint", "vector"):
        return False
    if kind in _SHAPES or not kind:
        return bool({"points", "width", "radiusX"} & value.keys())
    return bool(value.keys() & {"points", "radiusX"}) or {"x", "y", "width", "height"} <= value.keys()


def _add(region: _Region, one: Mapping[str, Any]) -> None:
    """What a result says of a region: labels, or an attribute."""
    value, kind = one.get("value"), str(one.get("type", ""))
    if not isinstance(value, dict):
        return
    for name, found in value.items():
        if (name == "labels" or name.endswith("labels")) and isinstance(found, list):
            region.labels += [str(label) for label in found if str(label) not in region.labels]
    own = value.get({"textarea": "text"}.get(kind, kind))
    if kind in ("choices", "textarea", "taxonomy", "number", "rating", "datetime") and own is not None:
        name = str(one.get("from_name") or kind)
        is_single = kind in ("choices", "textarea") and isinstance(own, list) and len(own) == 1
        region.attributes[name] = own[0] if is_single else own
        region.kinds[name] = kind


def _size(one: Mapping[str, Any]) -> tuple[int, int] | None:
    """(width, height) as a result says it."""
    width, height = one.get("original_width"), one.get("original_height")
    if isinstance(width, int | float) and isinstance(height, int | float) and 0 < width < 1e6 > height > 0:
        return int(width), int(height)
    return None


def _is_cancelled(fields: Mapping[str, Raw]) -> bool:
    return any(bytes(fields.get(name, b"")) == b"true" for name in ("was_cancelled", "skipped"))


def _age(fields: Mapping[str, Raw]) -> tuple[str, float]:
    """What is larger of a newer annotation: its time as a text, or as a number."""
    for name in ("updated_at", "created_at"):
        if name in fields:
            found = _ANY.decode(fields[name])
            if isinstance(found, str):
                return found, 0.0
            if isinstance(found, int | float):
                return "", float(found)
    return "", 0.0


def _least_results(fields: Mapping[str, Raw]) -> list[Raw]:
    """The results of a task as JSON-MIN has them: values with their sizes, by the name of their tag."""
    found: list[Raw] = []
    for name, raw in fields.items():
        if name == "data" or _first(raw) != b"[":
            continue
        for one in _LIST.decode(raw):
            value = _ANY.decode(one)
            if not isinstance(value, dict) or "original_width" not in value:
                continue
            kind = next((key for key in value if key.endswith("labels")), "")
            sizes = {key: value.pop(key, None) for key in ("original_width", "original_height")}
            whole = {"id": f"{name}-{len(found)}", "from_name": name, "type": kind, "value": value, **sizes}
            found.append(Raw(msgspec.json.encode(whole)))
    return found


def _first(raw: Raw) -> bytes:
    return bytes(memoryview(raw)[:1])


def _image_of(fields: Mapping[str, Raw]) -> str:
    """The address of a task's image; "" where it has none."""
    data = _OBJECT.decode(fields["data"]) if "data" in fields else {}
    if not data:
        data = {name: _ANY.decode(raw) for name, raw in fields.items() if _first(raw) == b'"'}
    texts = {name: text for name, text in data.items() if isinstance(text, str) and text.strip()}
    for name in _IMAGE_KEYS:
        if name in texts:
            return texts[name]
    photos = [text for text in texts.values() if PurePosixPath(plain_name(text)).suffix.lower() in SUFFIXES]
    return photos[0] if photos else next(iter(texts.values()), "") if "data" in fields else ""


def plain_name(url: str) -> str:
    """The name of a photo behind an address: without its server, bucket, upload's mark and coding."""
    address, _, query = url.partition("?")
    name = unquote(address)
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if key == "d" and value:
            name = unquote(value)
    scheme, mark, rest = name.partition("://")
    if mark and scheme.isalnum():
        name = rest.partition("/")[2] or rest
    elif name.startswith("/data/upload/"):
        name = PurePosixPath(name).name
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{_UPLOAD_MARK.sub('', last)}".lstrip("/")
