"""CVAT's and Datumaro's `labelmap.txt`: the categories of a data set with their colours, by their place.

Lines `name:r,g,b:parts:actions`, of which the first is usually the background
(https://docs.cvat.ai/docs/manual/advanced/formats/format-voc/). A name may have colons of its own.
"""

from collections.abc import Sequence

from labeler.core.records import Category
from labeler.formats.masks.palettes import Rgb3, hex_of

NAME = "labelmap.txt"
BACKGROUND = "background"
_HEAD = "# label:color_rgb:parts:actions\n"


def read_label_map(text: str) -> list[tuple[str, Rgb3 | None]]:
    """The names with their colours, None where a line has none; other lines are passed over."""
    found: list[tuple[str, Rgb3 | None]] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.rsplit(":", 3)
        if len(fields) == 4 and fields[0]:
            name = fields[0]
            is_no_remark = name.startswith(" ") and name.lstrip(" ").startswith("#")
            found.append((name[1:] if is_no_remark else name, _color(fields[1])))
    return found


def _color(text: str) -> Rgb3 | None:
    try:
        r, g, b = (int(part) for part in text.split(","))
    except ValueError:
        return None
    return (r, g, b) if all(0 <= one <= 255 for one in (r, g, b)) else None


def write_label_map(names: Sequence[str], colors: Sequence[Rgb3]) -> str:
    """The file's text, the background first; a line for each name, since their places are their numbers.

    Line breaks in a name become spaces, and one that begins as a remark does gets a space before it.
    """
    rows = [f"{BACKGROUND}:0,0,0::\n"]
    for number, (name, (r, g, b)) in enumerate(zip(names, colors, strict=True), 1):
        line = on_one_line(name, number)
        rows.append(f"{' ' if line.lstrip(' ').startswith('#') else ''}{line}:{r},{g},{b}::\n")
    return _HEAD + "".join(rows)


def on_one_line(name: str, number: int) -> str:
    """A name without line breaks; one of nothing else is called as a number without a name is."""
    line = " ".join(name.splitlines())
    return line if line.strip() else f"class {number}"


def categories_of(rows: Sequence[tuple[str, Rgb3 | None]]) -> list[Category]:
    """The categories of a table without its background, with its colours; a name that is there twice once."""
    found: dict[str, Category] = {}
    for name, color in rows:
        if name.strip() and not (name.lower() in _BACKGROUNDS and color in (None, (0, 0, 0))):
            shown = hex_of(color) if color else ""
            found.setdefault(name, Category(len(found) + 1, name, shown))
    return list(found.values())


_BACKGROUNDS = frozenset({BACKGROUND, "_background_", "__background__", "bg"})
