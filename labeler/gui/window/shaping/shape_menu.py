"""The menu Shape, and the context menus, in which it is too."""

from __future__ import annotations

from labeler.gui.window.action_kinds import LINE, Action, Line, Submenu, has_selection

SHAPE_ENTRIES: tuple[Action | Line, ...] = (
    Action("merge", "Merge", ("M",), lambda w: w.shapes.combine("merge"), enabled=has_selection),
    Action(
        "subtract",
        "Subtract from what was selected first",
        ("Shift+M",),
        lambda w: w.shapes.combine("subtract"),
        enabled=has_selection,
    ),
    Action(
        "intersect", "Intersect", ("Alt+M",), lambda w: w.shapes.combine("intersect"), enabled=has_selection
    ),
    Action(
        "split", "Split parts into objects", ("Shift+X",), lambda w: w.shapes.split(), enabled=has_selection
    ),
    LINE,
    Action(
        "simplify",
        "Simplify to a polygon…",
        ("S",),
        lambda w: w.reshaping.ask("simplify"),
        enabled=has_selection,
    ),
    Action("to-masks", "Turn into masks", ("Shift+G",), lambda w: w.shapes.to_masks(), enabled=has_selection),
    LINE,
    Action(
        "clean",
        "Fill holes, drop specks…",
        ("U",),
        lambda w: w.reshaping.ask("clean"),
        enabled=has_selection,
    ),
    Action("smooth", "Smooth…", ("Shift+U",), lambda w: w.reshaping.ask("smooth"), enabled=has_selection),
    Action("grow", "Grow or shrink…", ("G",), lambda w: w.reshaping.ask("grow"), enabled=has_selection),
)
"""From the top down."""

OBJECT_MENU: tuple[str | Line | Submenu, ...] = (
    "recategorise",
    Submenu("Shape", SHAPE_ENTRIES),
    LINE,
    "hide-objects",
    "lock-objects",
    "alone",
    LINE,
    "copy",
    "copy-to-next",
    "duplicate",
    LINE,
    "delete-objects",
)
"""The context menu of objects, by the ids of its actions."""
PREDICTED_MENU: tuple[str | Line, ...] = (
    "accept-selected",
    "accept-selected-as",
    "reject-selected",
    LINE,
    "select-alike",
)
"""The context menu of predictions."""
PHOTO_MENU: tuple[str | Line, ...] = (
    "paste",
    "paste-in-place",
    "copy-to-next",
    "select-all",
    LINE,
    "show-objects",
    "unlock-objects",
    "hide-annotations",
    LINE,
    "fit",
    "reviewed",
)
"""The context menu of the photo where no object is."""
