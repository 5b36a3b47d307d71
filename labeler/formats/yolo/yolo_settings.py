"""What the files beside YOLO labels say: class names, keypoints, and where the photos of each part are.

    data.yaml    names (a list or a mapping), path, train, val, test: a folder, folders, or a list of photos
    obj.data     darknet's: names = FILE, train = LIST, valid = LIST
    classes.txt  a name a line; also obj.names, coco.names, _darknet.labels

Described at docs.ultralytics.com/datasets/detect and github.com/AlexeyAB/darknet.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct

from labeler.errors import FormatError
from labeler.formats.json_text import read_text
from labeler.formats.yolo.yolo_lines import KeypointShape

PARTS = ("train", "val", "valid", "validation", "test", "minival", "rest")
"""Keys of a data.yaml that name photos; the last is our own, for parts that it has no key for."""
NAME_FILES = frozenset(("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt"))
MEANS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""What the folders of a part are called."""
_LARGEST_YAML = 1 << 20
_YAML_ENDINGS = (".yaml", ".yml")
_DEEPEST = 3
_IS_SET = re.compile(r"^(?:train|val|valid|validation|test|path)\s*:", re.MULTILINE)
_HAS_NAMES = re.compile(r"^(?:names|nc)\s*:", re.MULTILINE)
_MOST_CLASSES = 100_000


class YoloSettings(Struct, frozen=True):
    """What is said of a data set."""

    names: Mapping[int, str] = {}
    """Of the classes, by number; those without one are not there."""
    parts: Mapping[str, tuple[str, ...]] = {}
    """The folders, lists and photos of each part, as they are written."""
    root: str = ""
    """The folder that these are relative to, as it is written."""
    beside: str = ""
    """The folder of the file that says it, relative to the one that is read."""
    keypoints: KeypointShape | None = None
    point_names: Mapping[int, tuple[str, ...]] = {}
    """Of the keypoints, by class."""
    file: str = ""
    """Its name; "" where there is none."""


def is_yaml_of_a_set(text: str) -> bool:
    """Whether a text looks like the data.yaml of a data set, and not like some other YAML file."""
    return bool(_IS_SET.search(text) and _HAS_NAMES.search(text))


def is_darknet(text: str) -> bool:
    """Whether a text looks like darknet's obj.data."""
    keys = _darknet_keys(text)
    return "names" in keys and bool(keys.keys() & {"train", "valid"})


def settings_in(base: Path, file: str, encoding: str) -> YoloSettings:
    """What a data.yaml or an obj.data below `base` says; FormatError where it cannot be read."""
    path = base / file
    beside = str(PurePosixPath(file).parent).removeprefix(".")
    text = read_text(path, encoding=encoding)[0]
    if path.suffix.lower() in _YAML_ENDINGS:
        return _of_yaml(_yaml(text, path), beside, path.name)
    keys = _darknet_keys(text)
    parts = {name: (keys[name],) for name in ("train", "valid", "test") if keys.get(name)}
    return YoloSettings({}, parts, "", beside, file=path.name)


def darknet_names(base: Path, file: str, encoding: str) -> str:
    """What an obj.data calls the file of the class names; "" for a data.yaml."""
    path = base / file
    if path.suffix.lower() in _YAML_ENDINGS:
        return ""
    return _darknet_keys(read_text(path, encoding=encoding)[0]).get("names", "")


def settings_files(texts: Sequence[str]) -> list[str]:
    """The files that may say what a data set is: the outermost first, data.yaml before others."""
    found = [
        name
        for name in texts
        if name.lower().endswith((*_YAML_ENDINGS, ".data")) and name.count("/") < _DEEPEST
    ]
    usual = ("data.yaml", "data.yml", "dataset.yaml", "obj.data")
    return sorted(found, key=lambda name: (name.count("/"), name.rpartition("/")[2].lower() not in usual))


def names_in(path: Path, encoding: str) -> dict[int, str]:
    """The names of a file with one a line, by number; an empty line is a class without a name."""
    try:
        lines = read_text(path, encoding=encoding)[0].splitlines()
    except FormatError as error:
        if str(error).endswith("is empty."):
            return {}
        raise
    return {number: line.strip() for number, line in enumerate(lines[:_MOST_CLASSES]) if line.strip()}


def _darknet_keys(text: str) -> dict[str, str]:
    rows = (line.partition("=") for line in text.splitlines()[:200] if not line.lstrip().startswith("#"))
    return {key.strip().lower(): value.strip() for key, sign, value in rows if sign}


def _yaml(text: str, path: Path) -> dict[str, Any]:
    """The mapping of a YAML text, every scalar as the text that it is written as: `no` is a name too."""
    import yaml  # noqa: PLC0415 - only few need it, and it takes a while to import

    if len(text) > _LARGEST_YAML:
        raise FormatError(f"“{path}” is larger than 1 MB, which no data.yaml is.")
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        found = yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" in line {mark.line + 1}" if mark else ""
        said = getattr(error, "problem", "") or "it is damaged"
        raise FormatError(f"“{path}” is no YAML{at}: {' '.join(str(said).split())}.") from error
    except RecursionError as error:
        raise FormatError(f"“{path}” cannot be read: its lists are nested too deeply.") from error
    if not isinstance(found, dict):
        raise FormatError(f"“{path}” is no data.yaml: it has no keys such as names and train.")
    return found


def _of_yaml(found: dict[str, Any], beside: str, file: str) -> YoloSettings:
    parts = {name: entries for name in PARTS if (entries := _texts(found.get(name)))}
    root = found.get("path")
    names = _yaml_names(found.get("names"))
    return YoloSettings(
        names,
        parts,
        root if isinstance(root, str) else "",
        beside,
        _keypoint_shape(found.get("kpt_shape")),
        _point_names(found.get("kpt_names"), names),
        file,
    )


def _texts(value: Any) -> tuple[str, ...]:
    """The texts of a value that is one or a list of them."""
    values = value if isinstance(value, list) else [value]
    return tuple(one.strip() for one in values if isinstance(one, str) and one.strip())


def _yaml_names(value: Any) -> dict[int, str]:
    """Names of a list, a mapping of numbers, or one text such as `[cat, dog]` that somebody put in quotes."""
    if isinstance(value, list):
        rows = [(str(number), name) for number, name in enumerate(value)]
    elif isinstance(value, dict):
        rows = list(value.items())
    elif isinstance(value, str) and value.strip():
        rows = [(str(n), name.strip(" '\"")) for n, name in enumerate(value.strip("[] ").split(","))]
    else:
        rows = []
    return {
        int(number): " ".join(name.split())
        for number, name in rows[:_MOST_CLASSES]
        if isinstance(number, str) and number.isdecimal() and len(number) < 8
        if isinstance(name, str) and name.strip()
    }


def _keypoint_shape(value: Any) -> KeypointShape | None:
    try:
        count, each = msgspec.convert(value, tuple[int, int], strict=False)
    except msgspec.ValidationError:
        return None
    return KeypointShape(count, each) if 0 < count <= 10_000 and each in (2, 3) else None


def _point_names(value: Any, names: Mapping[int, str]) -> dict[int, tuple[str, ...]]:
    """The names of an object's keypoints, which a data.yaml has by class, or once for all classes."""
    if isinstance(value, list):
        return dict.fromkeys(names, _texts(value)) if _texts(value) else {}
    rows = value.items() if isinstance(value, dict) else ()
    return {
        int(number): _texts(own)
        for number, own in rows
        if isinstance(number, str) and number.isdecimal() and len(number) < 8 and isinstance(own, list)
        if _texts(own)
    }
