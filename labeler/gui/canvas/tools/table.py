"""The tools of the canvas, in their order: what each is called, its key and its icon."""

from msgspec import Struct


class ToolSpec(Struct, frozen=True):
    """A tool as a person meets it."""

    name: str
    """What the canvas knows it by."""
    title: str
    key: str
    icon: str


TOOLS = (
    ToolSpec("select", "Select and edit", "V", "cursor-default-outline"),
    ToolSpec("box", "Box", "R", "vector-square"),
    ToolSpec("polygon", "Polygon", "P", "vector-polygon"),
    ToolSpec("brush", "Brush", "B", "brush"),
    ToolSpec("eraser", "Eraser", "E", "eraser"),
    ToolSpec("sam-point", "SAM points", "Q", "crosshairs"),
    ToolSpec("sam-box", "SAM box", "W", "select-drag"),
)
