"""What a tool is: the answers to a mouse and a few keys, with one generator for each drag."""

import math

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter

from labeler.gui.canvas.aim import prediction_at
from labeler.gui.canvas.begun import Work
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.stage import Drag, Pointer, Stage
from labeler.gui.canvas.tools.brushwork import Brushwork

SLIP = 3.0
"""Widget pixels that the hand may slip in a click."""


class Tool:
    """Does nothing by itself; each tool answers what it needs to."""

    name = ""
    crosshair = False
    """Whether full-length lines through the pointer help to aim."""
    shows_handles = False
    """Whether the selected annotation shows handles to drag."""
    cursor = Qt.CursorShape.CrossCursor
    rejects = False
    """Whether a right click on a prediction rejects it, while nothing is half done."""

    leaves_right = False
    """Whether a right click that rejects nothing is free for the menu of what is under it."""

    brushwork: Brushwork | None = None
    """The strokes of a tool that paints."""
    makes = "shape"
    """What it has half done is called so: "polygon", "proposal"."""
    in_hand = False
    """Whether it is the tool that the mouse drives; what another one has half done is only shown."""

    def __init__(self, stage: Stage, prompt_desk: PromptDesk) -> None:
        self.stage = stage
        self.prompt_desk = prompt_desk

    @property
    def pending(self) -> bool:
        """Whether something waits for Enter, Backspace or Esc."""
        return False

    def press(self, pointer: Pointer) -> Drag | None:
        """A button goes down on the image or beside it: the drag that this starts, if any."""

    def double(self, pointer: Pointer) -> None:
        """A double click, after its first press and release."""

    def hover(self, pointer: Pointer) -> Qt.CursorShape:
        """The mouse moves with no button down: the cursor to show."""
        del pointer
        return self.cursor

    def aims_at(self, pointer: Pointer) -> int | None:
        """The prediction that a right click or a digit here is for, by its candidate's id; None for none."""
        return prediction_at(self.stage, pointer) if self.rejects and not self.pending else None

    def reject(self, start: Pointer) -> Drag | None:
        """A plain right click on a prediction rejects it; None where it is on none."""
        held = start.shift or start.ctrl or start.alt
        key = self.aims_at(start) if start.button == "right" and not held else None
        return None if key is None else self._rejected(start, key)

    def _rejected(self, start: Pointer, key: int) -> Drag:
        """At the release, unless the hand went away from it."""
        far = False
        while not (pointer := (yield)).released:
            far = far or is_far(start, pointer)
        if not far and not is_far(start, pointer):
            self.stage.reject(key)

    def leave(self) -> None:
        """The mouse leaves the canvas, or another tool is taken."""

    def confirm(self) -> bool:
        """Enter; False where it means nothing now. So with the next ones."""
        return False

    def remove_last(self) -> bool:
        """Backspace, Del or Ctrl+Z with something pending: its last point or click goes."""
        return False

    @property
    def can_bring_back(self) -> bool:
        """Whether `remove_last` has taken something that may come back."""
        return False

    def bring_back(self) -> bool:
        """Ctrl+Shift+Z: what `remove_last` took last comes back."""
        return False

    def forget_taken(self) -> None:
        """Something else was done since: what `remove_last` took stays away."""

    def follows(self, pointer: Pointer) -> bool:
        """Whether something is painted around the pointer, such as a brush."""
        del pointer
        return self.crosshair

    def changes(self) -> frozenset[int]:
        """The annotations that the drag under way changes; none where it makes a new one."""
        return frozenset()

    def outlook(self) -> str:
        """What the next stroke would do, in a few words; "" where that goes without saying."""
        return ""

    def work(self) -> Work | None:
        """What is half done, to be kept while another image is open; None for nothing."""

    def take_up(self, work: Work) -> None:
        """Go on with what `work` gave, on the same image."""

    def delete(self) -> bool:
        """Del, before it deletes the selection."""
        return False

    def drop(self) -> bool:
        """Esc with no drag under way."""
        return False

    def paint(self, painter: QPainter) -> None:
        """Paint what the tool shows, in widget pixels."""


def is_far(start: Pointer, pointer: Pointer) -> bool:
    """Whether the hand has moved since, more than it slips in a click."""
    return math.hypot(pointer.sx - start.sx, pointer.sy - start.sy) >= SLIP
