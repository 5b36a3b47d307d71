"""What an action is, as the table of them has it: its name, its keys, and what it does to a window."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from labeler.gui.window.main_window import MainWindow

Heading: TypeAlias = Literal[
    "Tools",
    "Canvas",
    "Categories",
    "Predictions",
    "Training",
    "Images",
    "Edit",
    "Objects",
    "Shape",
    "View",
    "Model",
    "Project",
    "Help",
]
"""Of the help page, in its order."""


def is_open(window: MainWindow) -> bool:
    """Whether there is a project to act on."""
    return window.session.project is not None


def has_selection(window: MainWindow) -> bool:
    """Whether there are objects to act on."""
    return bool(window.session.focus.selection)


def has_predicted(window: MainWindow) -> bool:
    """Whether there are predictions to decide on."""
    return bool(window.bench.predictions.selection)


def always(_: MainWindow) -> bool:
    """Whatever is open."""
    return True


class Action(Struct, frozen=True):
    """One action: either `do` or, where it is switched on and off, `switch` and `ticked`."""

    id: str
    title: str
    keys: tuple[str, ...] = ()
    """The first one is shown at its entry and its button."""
    do: Callable[[MainWindow], object] | None = None
    icon: str = ""
    switch: Callable[[MainWindow, bool], object] | None = None
    ticked: Callable[[MainWindow], bool] | None = None
    """Whether it is on now."""
    enabled: Callable[[MainWindow], bool] = is_open
    while_dragging: bool = False
    """Whether it looks itself at what is under the hand, or only changes how the photo is shown.

    Any other waits until the mouse button is up.
    """
    repeats: bool = False
    """Whether it goes on while its key is held down.

    All else is done once a press: a held Ctrl+Z that takes back the corners of a polygon does not go on with
    the work before it, a held Ctrl+Enter calls one image reviewed.
    """
    heading: Heading | None = None
    """Where the help page has it; under the name of its menu by default."""


class Line(Struct, frozen=True):
    """A line in a menu."""


LINE = Line()


class Submenu(Struct, frozen=True):
    """A menu within a context menu, with entries of the table."""

    title: str
    entries: tuple[Action | Line, ...]
