"""Records as Datumaro's JSON, such as datumaro reads and writes it; `datumaro_reading` reads."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec

from labeler.core.colors import rgb
from labeler.core.records import Annotation, Box, Category, Image, Mask, Polygons
from labeler.core.rle import compress, mask_to_rle
from labeler.formats.coco.coco_writing import exported_ids
from labeler.formats.datumaro.datumaro_reading import KEY
from labeler.formats.datumaro.datumaro_shapes import as_upright_ellipse
from labeler.formats.gates import Fields, unpacked
from labeler.formats.report import FieldNote
from labeler.formats.spec import Part, Target

_ENCODE = msgspec.json.Encoder().encode
_OWN = frozenset(
    "id image_id category_id area iscrowd segmentation bbox score labeler labeler_shape keypoints"
    " num_keypoints".split(" ")
)
"""Keys beside an object that its shape says, or that are written as points."""


def write(parts: Sequence[Part], target: Target) -> Iterator[FieldNote]:
    """One JSON file of the images of one part; gives what of the objects is left out."""
    (part,) = parts
    dataset = part.dataset
    writer = _Writer(part)
    notes = [note for index, one in enumerate(dataset.annotations) for note in _left_out(index, one)]
    by_image: dict[int, list[Annotation]] = {}
    for one in dataset.annotations:
        by_image.setdefault(one.image_id, []).append(one)
    with target.path.open("wb") as file:
        head = {"dm_format_version": "1.0", "media_type": 2, "infos": {}}
        file.write(_ENCODE({**head, "categories": _categories(dataset.categories)})[:-1] + b',"items":[')
        for place, image in enumerate(dataset.images):
            name = target.where[image.id]
            if target.photos != "left":
                name = name.removeprefix("images/").removeprefix(f"{part.name}/" if part.name else "")
            file.write((b",\n" if place else b"\n") + writer.item(image, name, by_image.get(image.id, ())))
        file.write(b"\n]}\n")
    return iter(notes)


def _left_out(index: int, one: Annotation) -> list[FieldNote]:
    keys = set(unpacked(one.extra)) - _OWN - {KEY} if one.extra else set()
    if not keys:
        return []
    listed = ", ".join(f"“{key}”" for key in sorted(keys)[:3])
    return [
        FieldNote("told", "annotations", index, "", f"Has more in its file ({listed}), which is left out.")
    ]


def _categories(categories: Sequence[Category]) -> dict[str, Any]:
    labels = [
        {"name": one.name, "parent": one.supercategory, "attributes": _facts(one.extra).get("attributes", [])}
        for one in categories
    ]
    tables: dict[str, Any] = {"label": {"labels": labels, "label_groups": [], "attributes": []}}
    colours = [
        dict(zip(("label_id", "r", "g", "b"), (place, *rgb(one.color)), strict=True))
        for place, one in enumerate(categories)
        if one.color
    ]
    if colours:
        tables["mask"] = {"colormap": colours}
    points = []
    for place, one in enumerate(categories):
        fields = unpacked(one.extra)
        names = _value(fields, "keypoints", list[str])
        if names:
            joints = _value(fields, "skeleton", list[tuple[int, int]]) or []
            points.append({"label_id": place, "labels": names, "joints": joints, "positions": []})
    if points:
        tables["points"] = {"items": points}
    return tables


def _value(fields: Fields, name: str, kind: Any) -> Any:
    """The value of a key where it has that type, else None."""
    try:
        return msgspec.json.decode(fields[name], type=kind)
    except (KeyError, msgspec.MsgspecError):
        return None


def _facts(extra: bytes) -> dict[str, Any]:
    """What stands under Datumaro's key; what another program has put there is not ours."""
    if KEY.encode() not in extra:
        return {}
    found = _value(unpacked(extra), KEY, dict[str, Any])
    return found or {}


class _Writer:
    """Writes items with numbers that are each of one object or group."""

    def __init__(self, part: Part) -> None:
        dataset = part.dataset
        self._places = {one.id: place for place, one in enumerate(dataset.categories)}
        self._ids = exported_ids(dataset.annotations)
        self._taken: set[str] = set()
        kept = [_facts(one.extra).get("group") for one in dataset.annotations]
        self._next_group = max((group for group in kept if isinstance(group, int)), default=0) + 1

    def item(self, image: Image, name: str, annotations: Sequence[Annotation]) -> bytes:
        """The JSON of an image."""
        number = str(PurePosixPath(name).with_suffix("")) if name else str(image.id)
        if number in self._taken:
            number = name
        self._taken.add(number)
        facts = _facts(image.extra)
        about: dict[str, Any] = {"path": name}
        if image.width and image.height:
            about["size"] = [image.height, image.width]
        size = image.height, image.width
        rows: list[Any] = []
        before = 0
        for one in annotations:
            own = _facts(one.extra)
            kept = own.get("z_order", 0)
            first = not rows
            wanted = kept if isinstance(kept, int) else 0
            before = wanted if first else max(before, wanted) if "z_order" in own else before
            rows += self._rows(one, own, before, size)
        others = facts.get("others")
        rows += others if isinstance(others, list) else []
        whole: dict[str, Any] = {"id": number, "annotations": rows}
        if isinstance(facts.get("attr"), dict):
            whole["attr"] = facts["attr"]
        return _ENCODE({**whole, "image": about})

    def _rows(
        self, one: Annotation, facts: Mapping[str, Any], z_order: int, size: tuple[int, int]
    ) -> list[dict[str, Any]]:
        """What an object is written as: one annotation, or a group of several."""
        attributes = {**one.attributes, "is_crowd": True} if one.crowd else one.attributes
        group = facts.get("group", 0)
        head = {
            "id": self._ids[one.id],
            "attributes": attributes,
            "group": group if isinstance(group, int) else 0,
            "label_id": self._places[one.category_id],
            "z_order": z_order,
        }
        if isinstance(facts.get("object_id"), int):
            head["object_id"] = facts["object_id"]
        rows = [{**head, **shape} for shape in _shapes(one, facts, size)]
        flat = _value(unpacked(one.extra), "keypoints", list[float]) if b"keypoints" in one.extra else None
        if flat and len(flat) % 3 == 0:
            points = [n for place in range(0, len(flat), 3) for n in flat[place : place + 2]]
            seen = [min(max(int(n), 0), 2) for n in flat[2::3]]
            rows.append({**head, "type": "points", "points": points, "visibility": seen})
        if len(rows) > 1 and not head["group"]:
            rows = [{**row, "group": self._next_group} for row in rows]
            self._next_group += 1
        return rows


def _shapes(one: Annotation, facts: Mapping[str, Any], size: tuple[int, int]) -> list[dict[str, Any]]:
    shape = one.shape
    if isinstance(shape, Box):
        return [{"type": "bbox", "bbox": [shape.x0, shape.y0, shape.width, shape.height]}]
    if isinstance(shape, Mask):
        counts = compress(mask_to_rle(shape, size)).decode("ascii")
        return [{"type": "mask", "rle": {"counts": counts, "size": list(size)}}]
    assert isinstance(shape, Polygons)
    if facts.get("type") == "ellipse" and (around := as_upright_ellipse(shape)):
        return [{"type": "ellipse", "points": around}]
    return [{"type": "polygon", "points": part.outer.ravel().tolist()} for part in shape.parts]
