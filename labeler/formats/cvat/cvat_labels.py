"""The labels in CVAT's `meta`: names, colours, attributes with their types, points of skeletons."""

import re
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

import msgspec
from msgspec import Struct

from labeler.core.records import Annotation, Category
from labeler.formats.gates import packed, unpacked
from labeler.formats.voc.xml_text import text_of as element_text

KEY = "cvat"
"""The key in `extra` under which stands what only CVAT's XML says."""
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_TAG = re.compile(r"<(line|circle)\b([^>]*)>")
_GIVEN = re.compile(r"""([\w-]+)\s*=\s*["']([^"']*)["']""")
_WHOLE = re.compile(r"[+-]?\d{1,15}")


class AttributeSpec(Struct, omit_defaults=True):
    """An attribute that objects of a label may have."""

    name: str = ""
    input_type: str = "text"
    default_value: str = ""
    values: str = ""
    """As they stand in the file, one a line."""
    mutable: str = "False"


class LabelSpec(Struct, omit_defaults=True):
    """A label as CVAT has it, or a point of a skeleton."""

    name: str = ""
    color: str = ""
    type: str = ""
    parent: str = ""
    svg: str = ""
    attributes: list[AttributeSpec] = []
    sublabels: list["LabelSpec"] = []


class LabelTable:
    """The labels of a file as categories, in the file's order; one that nothing declares is added."""

    def __init__(self) -> None:
        self.specs: list[LabelSpec] = []
        self._places: dict[str, int] = {}
        self._types: dict[tuple[str, str], str] = {}
        self.points: dict[str, list[str]] = {}
        """The names of the points of each skeleton, by its label."""
        self.undeclared: set[str] = set()

    def declare(self, meta: Element) -> None:
        """Take the labels of a `meta`, of a task, a project or a job."""
        found = [_label(element) for element in meta.iter("label") if element.find("name") is not None]
        for spec in found:
            if not spec.parent:
                self._add(spec)
        for spec in found:
            if spec.parent:
                self.specs[self._place(spec.parent)].sublabels.append(spec)
                names = self.points.setdefault(spec.parent, [])
                names += [spec.name] if spec.name not in names else []

    def _add(self, spec: LabelSpec) -> None:
        if spec.name in self._places:
            return
        self._places[spec.name] = len(self.specs)
        self.specs.append(spec)
        for one in spec.attributes:
            self._types[spec.name, one.name] = one.input_type

    def _place(self, name: str) -> int:
        if name not in self._places:
            self._add(LabelSpec(name))
            self.undeclared.add(name)
        return self._places[name]

    def id_of(self, name: str) -> int:
        """The category's id of a label."""
        return self._place(name) + 1

    def typed(self, label: str, name: str, text: str) -> object:
        """An attribute's value: numbers and checkboxes where they are declared such, else its text."""
        kind = self._types.get((label, name), "")
        if kind == "checkbox" and text.strip().lower() in ("true", "false"):
            return text.strip().lower() == "true"
        if kind == "number":
            return _number(text)
        return text

    def categories(self) -> tuple[Category, ...]:
        """The categories, with what else CVAT says of them in `extra`."""
        return tuple(self._category(number, spec) for number, spec in enumerate(self.specs, 1))

    def _category(self, number: int, spec: LabelSpec) -> Category:
        extra: dict[str, bytes] = {}
        if _COLOR.fullmatch(spec.color):
            # as our own files say it, which the gates understand
            extra["labeler"] = msgspec.json.encode({"color": spec.color.lower()})
        if names := self.points.get(spec.name):
            extra["keypoints"] = msgspec.json.encode(names)
            if lines := _skeleton(spec.svg, names):
                extra["skeleton"] = msgspec.json.encode(lines)
        kept = msgspec.json.encode(msgspec.structs.replace(spec, name="", color=""))
        if kept != b"{}":
            extra[KEY] = kept
        return Category(
            number, spec.name, spec.color.lower() if "labeler" in extra else "", extra=packed(extra)
        )


def _skeleton(svg: str, names: Sequence[str]) -> list[list[int]]:
    """The lines between the points of these names as COCO has them, counted from 1, of CVAT's picture."""
    tags = [(tag, dict(_GIVEN.findall(given))) for tag, given in _TAG.findall(svg)]
    nodes = {
        given["data-node-id"]: names.index(given["data-label-name"]) + 1
        for tag, given in tags
        if tag == "circle" and "data-node-id" in given and given.get("data-label-name") in names
    }
    lines = (
        (nodes.get(given.get("data-node-from", "")), nodes.get(given.get("data-node-to", "")))
        for tag, given in tags
        if tag == "line"
    )
    return [[start, end] for start, end in lines if start and end]


def _label(element: Element) -> LabelSpec:
    attributes = [
        AttributeSpec(
            name=element_text(one, "name"),
            input_type=element_text(one, "input_type") or "text",
            default_value=element_text(one, "default_value"),
            values=element_text(one, "values"),
            mutable=element_text(one, "mutable") or "False",
        )
        for one in element.iterfind("attributes/attribute")
        if one.find("name") is not None
    ]
    name, color, kind, parent, svg = (
        element_text(element, one) for one in ("name", "color", "type", "parent", "svg")
    )
    return LabelSpec(name, color, kind, parent, svg, attributes)


def _number(text: str) -> object:
    if _WHOLE.fullmatch(text.strip()):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        return text
    return value if abs(value) < float("inf") else text


# --- out ----------------------------------------------------------------------------------------------
def text_of(value: object) -> str:
    """The text of an attribute's value, as CVAT writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    return msgspec.json.encode(value).decode()


def specs_of(categories: Sequence[Category], annotations: Iterable[Annotation]) -> dict[int, LabelSpec]:
    """What to declare of each category, by id: what its file said, and what its objects have besides."""
    specs = {category.id: _kept(category) for category in categories}
    types: dict[tuple[int, str], str] = {}
    for one in annotations:
        for name, value in one.attributes.items():
            kind = _type_of(value)
            if types.setdefault((one.category_id, name), kind) != kind:
                types[one.category_id, name] = "text"
    declared = {(number, one.name) for number, spec in specs.items() for one in spec.attributes}
    for (number, name), kind in types.items():
        if (number, name) not in declared and number in specs:
            values = {"checkbox": "false", "number": "0\n1000000\n1"}.get(kind, "")
            default = {"checkbox": "false", "number": "0"}.get(kind, "")
            specs[number].attributes.append(AttributeSpec(name, kind, default, values))
    return specs


def _type_of(value: object) -> str:
    return "checkbox" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "text"


def has_svg(category: Category) -> bool:
    """Whether the picture of a skeleton came with a category, and is written with it."""
    return bool(_kept(category).svg)


def _kept(category: Category) -> LabelSpec:
    try:
        spec = msgspec.json.decode(bytes(unpacked(category.extra)[KEY]), type=LabelSpec)
    except (KeyError, msgspec.MsgspecError):
        spec = LabelSpec()
    spec.name, spec.color = category.name, category.color
    return spec
