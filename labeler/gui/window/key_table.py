"""Every key there is, as the help page lists them."""

from typing import get_args

from labeler.gui.window.action_kinds import Action, Heading
from labeler.gui.window.actions import MENUS, TOOL_ACTIONS

CANVAS_KEYS: tuple[tuple[Heading, str, str], ...] = (
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
    ("Canvas", "Paint on the proposal or object, rub out of it (SAM)", "Ctrl+drag, Ctrl+right drag"),
    ("Canvas", "A hole in the selected polygon", "Ctrl while drawing a polygon"),
    ("Canvas", "Insert a corner", "Double click or Alt+click on an edge"),
    ("Canvas", "Delete a corner", "Alt+Shift+click on it"),
    ("Canvas", "Move the selection by 1 px, 10 px", "Arrows, Shift+arrows"),
    ("Canvas", "Cut the selection, or what the line crosses (Select)", "Ctrl+drag"),
    ("Predictions", "Accept, reject the selected ones", "Enter, Backspace"),
    ("Predictions", "Reject the one under the mouse (Select, Box, SAM)", "Right click"),
    ("Predictions", "Accept as that category: selected or under the mouse (Select, review)", "1 … 9, 0"),
    ("Predictions", "Menu of the one under the mouse (Select, Box)", "Ctrl+right click"),
    ("Predictions", "Correct and accept a box (Select)", "Drag its edge or corner"),
    ("Predictions", "Next, last one before in a review; end it", "Tab, Shift+Tab, Esc"),
    ("Categories", "The category of what is drawn, or comes next", "1 … 9, 0"),
    ("Categories", "The category of the selection (Select)", "1 … 9, 0"),
)
"""What the canvas does by itself: group, text, keys."""


def key_table() -> list[tuple[str, str, str]]:
    """All keys for the help page: (heading, what it does, keys)."""
    placed = [("Tools", action) for action in TOOL_ACTIONS]
    placed += [
        (menu, entry) for menu, entries in MENUS.items() for entry in entries if isinstance(entry, Action)
    ]
    rows = [
        (action.heading or menu, action.title.rstrip("…"), ", ".join(action.keys))
        for menu, action in placed
        if action.keys
    ]
    return sorted([*rows, *CANVAS_KEYS], key=lambda row: get_args(Heading).index(row[0]))
