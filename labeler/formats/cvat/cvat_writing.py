"""Records as CVAT's XML 1.1 for images, which CVAT and its neighbours import; `cvat_reading` reads.

The order in which objects are painted is theirs in the file: `z_order` never falls from one to the next.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

import msgspec

from labeler.core.records import Annotation, Box, Image
from labeler.formats.cvat.cvat_labels import KEY, AttributeSpec, LabelSpec, specs_of, text_of
from labeler.formats.cvat.cvat_shapes import attributes_of, plain
from labeler.formats.gates import unpacked
from labeler.formats.report import FieldNote
from labeler.formats.spec import Dataset, Part, Target
from labeler.formats.voc.xml_text import escaped

OWN = frozenset(
    "id image_id category_id area iscrowd segmentation bbox score labeler labeler_shape keypoints"
    " num_keypoints".split(" ")
)
"""Keys beside an object that its shape says, or that are written with a skeleton."""


def write(parts: Sequence[Part], target: Target) -> Iterator[FieldNote]:
    """One XML file of the images of one part; gives what of the objects is left out."""
    (part,) = parts
    dataset = part.dataset
    specs = specs_of(dataset.categories, dataset.annotations)
    objects: dict[int, list[tuple[int, Annotation]]] = {}
    for index, one in enumerate(dataset.annotations):
        objects.setdefault(one.image_id, []).append((index, one))
    numbers = _numbers(dataset.images)
    notes: list[FieldNote] = []
    with target.path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
        _write_meta(file, dataset, [specs[category.id] for category in dataset.categories])
        points = {
            category.id: _names(unpacked(category.extra).get("keypoints")) for category in dataset.categories
        }
        for image in dataset.images:
            name = target.where[image.id]
            if target.photos != "left":
                name = name.removeprefix("images/")
            facts = _facts(image.extra)
            _open_image(file, image, name, numbers[image.id], {**facts, **_subset(part)})
            lowest = None
            for index, one in objects.get(image.id, ()):
                own = _facts(one.extra)
                lowest = _z_order(own, lowest)
                notes += _left_out(index, one, own)
                element = _element(one, own, points[one.category_id])
                file.write(_object(specs[one.category_id].name, one, own, lowest, element))
            _write_others(file, facts)
            file.write("  </image>\n")
        file.write("</annotations>\n")
    return iter(notes)


def _subset(part: Part) -> dict[str, str]:
    return {"subset": part.name} if part.name else {}


def _facts(extra: bytes) -> dict[str, Any]:
    """What stands under CVAT's key; what another program has put there is not ours."""
    if KEY.encode() not in extra:
        return {}
    try:
        return msgspec.json.decode(bytes(unpacked(extra).get(KEY, b"{}")), type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _numbers(images: Sequence[Image]) -> Mapping[int, str]:
    """The number of each image: the file's where all have different ones, else their place from 0."""
    kept = [str(_facts(image.extra).get("id", "")) for image in images]
    if not all(number.isdigit() for number in kept) or len(set(kept)) < len(kept):
        kept = [str(place) for place in range(len(images))]
    return {image.id: number for image, number in zip(images, kept, strict=True)}


def _z_order(facts: dict[str, Any], before: int | None) -> int:
    kept = facts.get("z_order", 0)
    own = kept if isinstance(kept, int) else 0
    return own if before is None else max(own, before) if "z_order" in facts else before


def _left_out(index: int, one: Annotation, facts: Mapping[str, Any]) -> list[FieldNote]:
    if not one.extra:
        return []
    keys = set(unpacked(one.extra)) - OWN - {KEY}
    if facts.get("shape") != "skeleton":
        keys |= {"keypoints"} & set(unpacked(one.extra))
    if not keys:
        return []
    listed = ", ".join(f"“{key}”" for key in sorted(keys)[:3])
    return [
        FieldNote("told", "annotations", index, "", f"Has more in its file ({listed}), which is left out.")
    ]


def _names(raw: msgspec.Raw | None) -> list[str]:
    try:
        return [] if raw is None else msgspec.json.decode(bytes(raw), type=list[str])
    except msgspec.MsgspecError:
        return []


# --- the meta -----------------------------------------------------------------------------------------
def _write_meta(file: TextIO, dataset: Dataset, specs: Sequence[LabelSpec]) -> None:
    file.write(
        "  <meta>\n    <task>\n      <name>labels</name>\n"
        f"      <size>{len(dataset.images)}</size>\n      <mode>annotation</mode>\n      <labels>\n"
    )
    for spec in specs:
        _write_label(file, spec)
        for point in spec.sublabels:
            point.parent = spec.name
            _write_label(file, point)
    file.write("      </labels>\n    </task>\n  </meta>\n")


def _write_label(file: TextIO, spec: LabelSpec) -> None:
    file.write("        <label>\n")
    for name in ("name", "color", "type"):
        value = getattr(spec, name) or ("any" if name == "type" else "")
        if value:
            file.write(f"          <{name}>{escaped(value)}</{name}>\n")
    file.write("          <attributes>\n")
    for one in spec.attributes:
        _write_attribute(file, one)
    file.write("          </attributes>\n")
    for name in ("svg", "parent"):
        if value := getattr(spec, name):
            file.write(f"          <{name}>{escaped(value)}</{name}>\n")
    file.write("        </label>\n")


def _write_attribute(file: TextIO, spec: AttributeSpec) -> None:
    file.write("            <attribute>\n")
    for name in ("name", "mutable", "input_type", "default_value", "values"):
        file.write(f"              <{name}>{escaped(getattr(spec, name))}</{name}>\n")
    file.write("            </attribute>\n")


# --- images and objects -------------------------------------------------------------------------------
def _open_image(file: TextIO, image: Image, name: str, number: str, facts: Mapping[str, Any]) -> None:
    given = {"id": number, "name": name}
    given |= {key: str(facts[key]) for key in ("subset", "task_id") if key in facts}
    given |= {"width": str(image.width), "height": str(image.height)}
    file.write(f"  <image{_given(given)}>\n")


def _element(
    one: Annotation, facts: Mapping[str, Any], names: Sequence[str]
) -> tuple[str, dict[str, str], str]:
    """An object's element: its name, the attributes of its shape, and what stands inside."""
    if facts.get("shape") == "skeleton" and isinstance(one.shape, Box):
        flat = _numbers_of(unpacked(one.extra).get("keypoints"))
        if flat and len(flat) % 3 == 0:
            return "skeleton", {}, _points(flat, names, facts.get("of_points"))
    return *attributes_of(one.shape, facts), ""


def _numbers_of(raw: msgspec.Raw | None) -> list[float]:
    try:
        return [] if raw is None else msgspec.json.decode(bytes(raw), type=list[float])
    except msgspec.MsgspecError:
        return []


def _points(flat: Sequence[float], names: Sequence[str], attributes: object) -> str:
    """The points of a skeleton."""
    lines = []
    of_points = attributes if isinstance(attributes, dict) else {}
    for place in range(len(flat) // 3):
        x, y, seen = flat[3 * place : 3 * place + 3]
        name = names[place] if place < len(names) else str(place + 1)
        given = {
            "label": name,
            "outside": str(int(seen == 0)),
            "occluded": str(int(seen == 1)),
            "points": f"{plain(x)},{plain(y)}",
        }
        own = of_points.get(name)
        lines.append(
            f"      <points{_given(given)}>{_attributes(own if isinstance(own, dict) else {})}</points>\n"
        )
    return "".join(lines)


def _object(
    label: str,
    one: Annotation,
    facts: Mapping[str, Any],
    z_order: int,
    element: tuple[str, dict[str, str], str],
) -> str:
    tag, shape, inside = element
    given = {
        "label": label,
        "source": str(facts.get("source", "manual")),
        "occluded": str(int(facts.get("occluded") is True)),
        **shape,
        "z_order": str(z_order),
    }
    more = {
        name: value for name, value in facts.items() if name not in _WRITTEN and isinstance(value, str | int)
    }
    given |= {name: text_of(value) for name, value in more.items() if name not in given and _is_name(name)}
    if one.attributes or inside:
        return f"    <{tag}{_given(given)}>\n{inside}{_attributes(one.attributes)}    </{tag}>\n"
    return f"    <{tag}{_given(given)}>\n    </{tag}>\n"


_WRITTEN = frozenset(("source", "occluded", "z_order", "shape", "corners", "of_points"))


def _is_name(name: str) -> bool:
    return name.isascii() and name.replace("_", "").replace("-", "").isalnum() and name[0].isalpha()


def _attributes(attributes: Mapping[str, object]) -> str:
    return "".join(
        f"      <attribute name={_quoted(name)}>{escaped(text_of(value))}</attribute>\n"
        for name, value in attributes.items()
    )


def _given(given: Mapping[str, str]) -> str:
    return "".join([f" {name}={_quoted(value)}" for name, value in given.items()])


def _quoted(value: str) -> str:
    if value.isascii() and value.isprintable() and not _SPECIAL.intersection(value):
        return f'"{value}"'
    text = escaped(value).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
    return f'"{text}"'


_SPECIAL = frozenset('&<>"')


def _write_others(file: TextIO, facts: Mapping[str, Any]) -> None:
    """Tags, points and lines, as they were read."""
    others = facts.get("others")
    for one in others if isinstance(others, list) else ():
        if not isinstance(one, dict) or one.get("tag") not in ("tag", "points", "polyline"):
            continue
        given = {
            name: str(value)
            for name, value in one.items()
            if name not in ("tag", "attributes") and isinstance(value, str) and _is_name(name)
        }
        pairs = one.get("attributes")
        own = {
            str(pair[0]): pair[1]
            for pair in (pairs if isinstance(pairs, list) else ())
            if isinstance(pair, list) and len(pair) == 2
        }
        file.write(f"    <{one['tag']}{_given(given)}>\n{_attributes(own)}    </{one['tag']}>\n")
