"""Records as Label Studio's tasks, such as it imports them; `task_reading` reads.

A photo is named as Label Studio serves it from a local folder (`/data/local-files/?d=`), or by the address
that it came with. All regions are of the tags “label” and “image”, or of those that they came with.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from labeler.core.records import Annotation, Category, Image
from labeler.formats.gates import unpacked
from labeler.formats.label_studio.region_shapes import value_of
from labeler.formats.label_studio.task_reading import KEY, plain_name
from labeler.formats.report import FieldNote
from labeler.formats.spec import Part, PhotosAre, Target

LOCAL = "/data/local-files/?d="
NO_SIZE = "Its image's size is not known, of which Label Studio's numbers are percent; left out."
_OWN = frozenset(
    "id image_id category_id area iscrowd segmentation bbox score labeler labeler_shape".split(" ")
)
_ENCODE = msgspec.json.Encoder().encode


def write(parts: Sequence[Part], target: Target) -> Iterator[FieldNote]:
    """One JSON file, a task for each image of one part; gives what is left out."""
    (part,) = parts
    dataset = part.dataset
    categories = {one.id: one for one in dataset.categories}
    sizes = {image.id: (image.width, image.height) for image in dataset.images}
    notes: list[FieldNote] = []
    results: dict[int, list[dict[str, Any]]] = {}
    taken: set[tuple[int, str]] = set()
    for index, one in enumerate(dataset.annotations):
        if not all(sizes[one.image_id]):
            notes.append(FieldNote("refused", "annotations", index, "", NO_SIZE))
            continue
        notes += _left_out(index, one)
        name = str(_facts(one.extra).get("id") or f"object{index + 1}")
        while (one.image_id, name) in taken:  # of a copy: two of one id would be one region
            name += "-2"
        taken.add((one.image_id, name))
        found = _results(one, categories[one.category_id], sizes[one.image_id], name)
        results.setdefault(one.image_id, []).extend(found)
    with target.path.open("wb") as file:
        file.write(b"[")
        for number, image in enumerate(dataset.images, 1):
            facts = _facts(image.extra)
            others = facts.get("results")
            whole = [*results.get(image.id, ()), *(others if isinstance(others, list) else ())]
            task = {
                "id": number,
                "data": {"image": _address(image, target.where[image.id], facts, target.photos)},
                "annotations": [{"result": whole, "was_cancelled": False, "ground_truth": False}]
                if whole
                else [],
                "predictions": [],
            }
            file.write((b",\n" if number > 1 else b"\n") + _ENCODE(task))
        file.write(b"\n]\n")
    return iter(notes)


def _facts(extra: bytes) -> dict[str, Any]:
    """What stands under Label Studio's key; what another program has put there is not ours."""
    if KEY.encode() not in extra:
        return {}
    try:
        found: dict[str, Any] = msgspec.json.decode(unpacked(extra)[KEY], type=dict[str, Any])
    except (KeyError, msgspec.MsgspecError):
        return {}
    return found


def _left_out(index: int, one: Annotation) -> list[FieldNote]:
    keys = set(unpacked(one.extra)) - _OWN - {KEY} if one.extra else set()
    if not keys:
        return []
    listed = ", ".join(f"“{key}”" for key in sorted(keys)[:3])
    said = f"Has more in its file ({listed}), which is left out."
    return [FieldNote("told", "annotations", index, "", said)]


def _address(image: Image, name: str, facts: Mapping[str, Any], photos: PhotosAre) -> str:
    """How Label Studio finds the photo."""
    kept = facts.get("image")
    if photos == "left" and isinstance(kept, str) and (name == kept or name.endswith(plain_name(kept))):
        return kept
    return LOCAL + quote(name or image.path)


def _results(one: Annotation, category: Category, size: tuple[int, int], name: str) -> list[dict[str, Any]]:
    """The results of an object: its region with its label, and its attributes."""
    facts = _facts(one.extra)
    kind, value = value_of(one.shape, size, facts.get("shape"))
    kept = facts.get("labels")
    labels = kept if isinstance(kept, list) and kept[:1] == [category.name] else [category.name]
    to_name = str(facts.get("to_name", "image"))
    head = {
        "id": name,
        "to_name": to_name,
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
    }
    region: dict[str, Any] = {
        **head,
        "from_name": str(facts.get("from_name", "label")),
        "type": f"{kind}labels",
        "origin": "manual",
        "value": {**value, f"{kind}labels": labels},
    }
    if isinstance(facts.get("score"), int | float):
        region["score"] = facts["score"]
    kinds = facts.get("kinds")
    kinds = kinds if isinstance(kinds, dict) else {}
    return [region, *(_said(head, key, own, kinds.get(key)) for key, own in one.attributes.items())]


def _said(head: Mapping[str, Any], name: str, own: object, kind: object) -> dict[str, Any]:
    """An attribute as a result of its region; of the type that it came as, else by its value."""
    if not isinstance(kind, str):
        is_number = isinstance(own, int | float) and not isinstance(own, bool)
        kind = "number" if is_number else "textarea"
    value: object = own
    if kind in ("choices", "textarea"):
        texts = own if isinstance(own, list) else [own]
        value = [one if isinstance(one, str) else _ENCODE(one).decode() for one in texts]
    key = "text" if kind == "textarea" else kind
    return {**head, "from_name": name, "type": kind, "value": {key: value}}
