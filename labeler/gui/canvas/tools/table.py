"""The tools of the canvas, in their order: an entry makes the tool, its button, its key and its hint."""

from typing import Literal

from msgspec import Struct

from labeler.gui.canvas.tools.base import Tool
from labeler.gui.canvas.tools.box import BoxTool
from labeler.gui.canvas.tools.brush import BrushTool, EraserTool
from labeler.gui.canvas.tools.polygon import PolygonTool
from labeler.gui.canvas.tools.prompt import PromptBoxTool, PromptTool
from labeler.gui.canvas.tools.select import SelectTool


class ToolSpec(Struct, frozen=True):
    """A tool as a person meets it."""

    kind: type[Tool]
    title: str
    key: str
    icon: str
    hint: str = ""
    """What its mouse and keys do, in the bar over the photo; "" where the tool says it itself."""
    predicted: str = ""
    """The same while predictions are shown and no object is selected; "" where that changes nothing."""
    options: Literal["", "size", "sign"] = ""
    """What can be set beside its name: how wide it paints, or whether a click means "this" or "not this"."""

    @property
    def name(self) -> str:
        """What the canvas knows it by."""
        return self.kind.name


TOOLS = (
    ToolSpec(
        SelectTool,
        "Select and edit",
        "V",
        "cursor-default-outline",
        "drag moves · handles resize · double click an edge: a corner · Del over it: gone · Ctrl+drag cuts",
        "predictions: drag an edge to correct it · right click rejects · a digit accepts as that category",
    ),
    ToolSpec(
        BoxTool,
        "Box",
        "R",
        "vector-square",
        "drag from corner to corner",
        "drag from corner to corner · right click rejects a prediction",
    ),
    ToolSpec(
        PolygonTool,
        "Polygon",
        "P",
        "vector-polygon",
        "click corners or drag freely · Enter or double click ends · Backspace: one back · Ctrl: hole",
    ),
    ToolSpec(BrushTool, "Brush", "B", "brush", options="size"),
    ToolSpec(EraserTool, "Eraser", "E", "eraser", options="size"),
    ToolSpec(
        PromptTool,
        "SAM points",
        "Q",
        "crosshairs",
        "click the object, then right click what is not it · drag a box · Ctrl+drag paints",
        "click the object or drag a box · Ctrl+drag mends a prediction · right click rejects it",
        options="sign",
    ),
    ToolSpec(
        PromptBoxTool,
        "SAM box",
        "W",
        "select-drag",
        "drag a box around the object · Ctrl+drag paints, Ctrl+right drag rubs out",
        "drag a box around the object · Ctrl+drag mends a prediction · right click rejects it",
    ),
)
