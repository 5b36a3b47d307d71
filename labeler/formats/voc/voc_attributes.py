"""An object's attributes as VOC has them: three flags, a pose, and the list that CVAT and Datumaro write."""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias
from xml.etree.ElementTree import Element

from labeler.formats.voc.xml_text import escaped, survives, text_of

FLAGS = ("truncated", "difficult", "occluded")
UNSPECIFIED = "Unspecified"
"""The pose that says none."""
NAMES = frozenset({"pose", *FLAGS, "attributes"})
"""The elements of an object that this reads."""

Said: TypeAlias = tuple[dict[str, str], str, dict[str, str]]
"""The texts of the flags, of the pose, and of the others by name."""


def said_in(element: Element) -> Said:
    """What an `object` says; a flag that it has not is "0"."""
    flags = {name: text_of(element, name).strip().lower() for name in FLAGS}
    others: dict[str, str] = {}
    holder = element.find("attributes")
    for one in holder.findall("attribute") if holder is not None else ():
        others[text_of(one, "name")] = text_of(one, "value")
    return (
        {name: _flag(text) for name, text in flags.items()},
        text_of(element, "pose") or UNSPECIFIED,
        others,
    )


def _flag(text: str) -> str:
    if text in ("1", "true", "yes", "y", "1.0"):
        return "1"
    return "0" if text in ("", "0", "false", "no", "n", "0.0") else text


def said_of(attributes: Mapping[str, Any]) -> Said:
    """What is written of attributes."""
    left = dict(attributes)
    flags = dict.fromkeys(FLAGS, "0")
    for name in FLAGS:
        if left.get(name) in (True, False) or left.get(name) in (0, 1):
            flags[name] = "1" if left.pop(name) else "0"
    pose = left.get("pose")
    pose = left.pop("pose") if isinstance(pose, str) and pose and survives(pose) else UNSPECIFIED
    return flags, pose, {name: _text(value) for name, value in left.items() if survives(name)}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if survives(text) else ascii(text)[1:-1]


def meant_by(said: Said) -> dict[str, Any]:
    """The attributes that such texts amount to: what is set, and nothing of what is left open."""
    flags, pose, others = said
    found: dict[str, Any] = {
        name: True if text == "1" else text for name, text in flags.items() if text != "0"
    }
    if pose != UNSPECIFIED:
        found["pose"] = pose
    return {**found, **others}


def written(said: Said) -> str:
    """The elements of an `object`."""
    flags, pose, others = said
    lines = [f"\t\t<pose>{escaped(pose)}</pose>\n"]
    lines += [f"\t\t<{name}>{escaped(text)}</{name}>\n" for name, text in flags.items()]
    if others:
        rows = (
            f"\t\t\t<attribute>\n\t\t\t\t<name>{escaped(name)}</name>\n"
            f"\t\t\t\t<value>{escaped(text)}</value>\n\t\t\t</attribute>\n"
            for name, text in others.items()
        )
        lines.append(f"\t\t<attributes>\n{''.join(rows)}\t\t</attributes>\n")
    return "".join(lines)
