"""Every action of the window with its keys, in one table: menus, buttons and help are made from it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct
from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence

from labeler.gui.canvas.tools import table
from labeler.gui.toolkit import theme


class Spec(Struct, frozen=True):
    """One action: an id ("undo"), the group it is shown under, its text and keys; the first key is shown."""

    id: str
    group: str
    text: str
    keys: tuple[str, ...] = ()
    icon: str = ""
    checkable: bool = False


TOOLS = tuple(
    Spec(tool.name, "Tools", tool.title, (tool.key,), tool.icon, checkable=True) for tool in table.TOOLS
)
"""The tools by the names that the canvas knows them by."""

ACTIONS = (
    Spec("open-folder", "Project", "Open folder…", ("Ctrl+O",), "folder-open-outline"),
    Spec("open-project", "Project", "Open project or image…", ("Ctrl+Shift+O",)),
    Spec("import-labels", "Project", "Import COCO labels…", ("Ctrl+I",)),
    Spec("import-results", "Project", "Import COCO results of a model…"),
    Spec("export", "Project", "Export COCO…", ("Ctrl+E",)),
    Spec("snapshot", "Project", "Make a snapshot now", ("Ctrl+S",)),
    Spec("close-project", "Project", "Close project", ("Ctrl+Shift+W",)),
    Spec("quit", "Project", "Quit", ("Ctrl+Q",)),
    Spec("undo", "Edit", "Undo", ("Ctrl+Z",)),
    Spec("redo", "Edit", "Redo", ("Ctrl+Shift+Z", "Ctrl+Y")),
    Spec("delete", "Edit", "Delete", ("Del",)),
    Spec("copy", "Edit", "Copy", ("Ctrl+C",)),
    Spec("paste", "Edit", "Paste", ("Ctrl+V",)),
    Spec("duplicate", "Edit", "Duplicate", ("Ctrl+D",)),
    Spec("select-all", "Edit", "Select all", ("Ctrl+A",)),
    Spec("settings", "Edit", "Settings…", ("Ctrl+,",)),
    Spec("next", "Images", "Next image", ("D", "PgDown")),
    Spec("previous", "Images", "Previous image", ("A", "PgUp")),
    Spec("reviewed-next", "Images", "Reviewed, and next", ("Ctrl+Return", "Ctrl+Enter")),
    Spec("reviewed", "Images", "Reviewed", ("Ctrl+R",), checkable=True),
    Spec("next-open", "Images", "Next image not reviewed", ("Ctrl+Shift+D",)),
    Spec("previous-open", "Images", "Previous image not reviewed", ("Ctrl+Shift+A",)),
    Spec("go-to", "Images", "Go to image…", ("Ctrl+G",)),
    Spec("fit", "View", "Fit image", ("F",)),
    Spec("actual-size", "View", "100 %", ("Ctrl+0",)),
    Spec("zoom-in", "View", "Zoom in", ("Ctrl++", "Ctrl+=")),
    Spec("zoom-out", "View", "Zoom out", ("Ctrl+-",)),
    Spec("hide-annotations", "View", "Hide annotations", ("H",), checkable=True),
    Spec("display", "View", "Brightness and contrast", ("Ctrl+Shift+B",), checkable=True),
    Spec("brush-smaller", "Tools", "Smaller brush", ("[",)),
    Spec("brush-larger", "Tools", "Larger brush", ("]",)),
    Spec("models", "Model", "Models…", ("Ctrl+M",)),
    Spec("predict-image", "Model", "Predict this image", ("I",)),
    Spec("predict-all", "Model", "Predict all images", ("Ctrl+B",)),
    # with Alt too: where a full stop needs Shift itself, as in France, Shift and it are one press
    Spec("confidence-down", "Predictions", "Lower confidence threshold", (",",)),
    Spec("confidence-up", "Predictions", "Higher confidence threshold", (".",)),
    Spec("iou-down", "Predictions", "Lower NMS IoU", ("Shift+,", "Alt+,")),
    Spec("iou-up", "Predictions", "Higher NMS IoU", ("Shift+.", "Alt+.")),
    Spec("accept-image", "Predictions", "Accept all on this image", ("Ctrl+Shift+Return",)),
    Spec("accept-set", "Predictions", "Accept all on all images"),
    Spec("review", "Predictions", "Review one by one", ("Ctrl+Shift+R",), checkable=True),
    Spec("train", "Training", "Train a model", ("Ctrl+T",)),
    Spec("learn", "Training", "Learn while I label", ("Ctrl+Shift+L",), checkable=True),
    Spec("evaluate", "Training", "Evaluate a model", ("Ctrl+Shift+E",)),
    Spec("restart-model", "Model", "Restart the model process"),
    Spec("encode-all", "Model", "Encode all images ahead"),
    Spec("keys", "Help", "All keys", ("F1",)),
    Spec("about", "Help", "About Labeler"),
)

REPEATED = frozenset(
    "next previous next-open previous-open zoom-in zoom-out brush-smaller brush-larger "
    "confidence-down confidence-up iou-down iou-up".split()
)
"""What goes on while its key is held down. All else is done once a press: a held Ctrl+Z that takes back the
corners of a polygon does not go on with the work before it, a held Ctrl+Enter calls one image reviewed."""

CANVAS_KEYS = (
    ("Canvas", "Zoom at the pointer", "Wheel"),
    ("Canvas", "Pan", "Space-drag, middle-drag, Shift+Wheel"),
    ("Canvas", "Show the bare image while held", "`"),
    ("Canvas", "Accept the proposal, close the polygon", "Enter"),
    ("Canvas", "Drop the proposal, the polygon or the drag", "Esc"),
    ("Canvas", "Take back the last click or corner in progress", "Backspace, Ctrl+Z"),
    ("Canvas", "Bring it back", "Ctrl+Shift+Z"),
    ("Canvas", "Next mask of the proposal; without one, next object", "Tab"),
    ("Canvas", "Positive point, negative point", "Click, right click or Shift+click"),
    ("Canvas", "Prompt with a box (SAM points)", "Drag"),
    ("Canvas", "Brush erases, eraser paints", "Ctrl+drag"),
    ("Canvas", "A hole in the selected polygon", "Ctrl while drawing a polygon"),
    ("Canvas", "Insert a corner", "Double click or Alt+click on an edge"),
    ("Canvas", "Delete a corner", "Alt+Shift+click on it"),
    ("Canvas", "Move the selection by 1 px, 10 px", "Arrows, Shift+arrows"),
    ("Predictions", "Accept, reject the selected ones", "Enter, Backspace"),
    ("Predictions", "Next, last one before in a review; end it", "Tab, Shift+Tab, Esc"),
    ("Categories", "The category of what is drawn, or comes next", "1 … 9, 0"),
    ("Categories", "The category of the selection (Select)", "1 … 9, 0"),
)
"""What the canvas does by itself: group, text, keys."""


def make_actions(
    specs: Sequence[Spec], handlers: Mapping[str, Callable[..., object]], parent: QObject
) -> dict[str, QAction]:
    """A QAction for each spec, calling the handler of its id. Raises KeyError where one has none.

    Handlers of checkable actions are told whether the action is checked; the others take nothing.
    """
    actions = {}
    for spec in specs:
        action = QAction(spec.text, parent)
        action.setObjectName(spec.id)
        action.setCheckable(spec.checkable)
        action.setAutoRepeat(spec.id in REPEATED)
        action.setShortcuts([QKeySequence(key) for key in spec.keys])
        if spec.icon:
            action.setIcon(theme.icon(spec.icon))
        if spec.keys:
            shown = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            action.setToolTip(f"{spec.text} ({shown})")
        handler = handlers[spec.id]
        action.triggered.connect(handler if spec.checkable else partial(_unchecked, handler))
        actions[spec.id] = action
    return actions


def _unchecked(handler: Callable[[], object], *_: object) -> None:
    handler()


def key_table() -> list[tuple[str, str, str]]:
    """All keys for the help page: (group, what it does, keys)."""
    keyed = [spec for spec in (*TOOLS, *ACTIONS) if spec.keys]
    specs = [(spec.group, spec.text.rstrip("…"), ", ".join(spec.keys)) for spec in keyed]
    groups = (
        "Tools",
        "Canvas",
        "Categories",
        "Predictions",
        "Training",
        "Images",
        "Edit",
        "View",
        "Model",
        "Project",
        "Help",
    )
    return sorted([*specs, *CANVAS_KEYS], key=lambda row: groups.index(row[0]))
