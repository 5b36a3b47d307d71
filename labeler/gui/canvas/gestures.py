"""From Qt's mouse events to tools: pointers in image coordinates, and one drag at a time."""

from collections.abc import Callable
from inspect import GEN_RUNNING, getgeneratorstate
from typing import Literal

from msgspec import structs
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QMouseEvent

from labeler.gui.canvas.stage import Drag, Pointer, Stage
from labeler.gui.canvas.tools.base import Tool

_BUTTONS: dict[Qt.MouseButton, Literal["left", "right"]] = {
    Qt.MouseButton.LeftButton: "left",
    Qt.MouseButton.RightButton: "right",
}


class Gestures:
    """Runs the drag that a press starts. Esc takes it back with `cancel`."""

    def __init__(self, stage: Stage, pan: Callable[[float, float], None]) -> None:
        self._stage, self._pan = stage, pan
        self._drag: Drag | None = None
        self._button = Qt.MouseButton.NoButton
        self._last: Pointer | None = None
        """Where the drag was last."""
        self._afterwards: Callable[[], None] | None = None
        self.space_held = False
        self.panning = False

    @property
    def dragging(self) -> bool:
        """Whether a button is down and something follows the mouse."""
        return self._drag is not None

    @property
    def working(self) -> bool:
        """Whether a tool's drag is under way; a pan is none."""
        return self._drag is not None and not self.panning

    def afterwards(self, act: Callable[[], None]) -> None:
        """Do this once the drag has ended; not at all where it is taken back. The newest act stands."""
        self._afterwards = act

    def pointer(
        self,
        position: QPointF,
        modifiers: Qt.KeyboardModifier,
        button: Literal["", "left", "right"] = "",
        *,
        released: bool = False,
    ) -> Pointer:
        """A place of the widget as tools see it."""
        x, y = self._stage.view.point_in_image(position.x(), position.y())
        return Pointer(
            x=round(x, 2),
            y=round(y, 2),
            sx=position.x(),
            sy=position.y(),
            button=button,
            shift=bool(modifiers & Qt.KeyboardModifier.ShiftModifier),
            ctrl=bool(modifiers & Qt.KeyboardModifier.ControlModifier),
            alt=bool(modifiers & Qt.KeyboardModifier.AltModifier),
            released=released,
        )

    def press(self, event: QMouseEvent, tool: Tool) -> None:
        """A button goes down: pan, or whatever the tool makes of it."""
        if event.button() == self._button:
            self.finish()  # it cannot go down twice: nobody told when it came up
        if self._drag is not None:
            return
        left = event.button() == Qt.MouseButton.LeftButton
        if event.button() == Qt.MouseButton.MiddleButton or (left and self.space_held):
            self.panning = True
            self._last = self.pointer(event.position(), event.modifiers())
            self._begin(self._pan_along(event.position()), event.button())
        elif event.button() in _BUTTONS:
            pointer = self.pointer(event.position(), event.modifiers(), _BUTTONS[event.button()])
            self._stage.pointer = self._last = pointer
            drag = tool.press(pointer)
            if drag is not None:
                self._begin(drag, event.button())

    def move(self, event: QMouseEvent, tool: Tool) -> Qt.CursorShape | None:
        """The mouse moved; gives the cursor to show where no button is down.

        Where the button of the drag came up unseen, as under a menu or a dialog that opened meanwhile, the
        drag ends where it was last.
        """
        if self._drag is not None and not event.buttons() & self._button:
            self.finish()
        pointer = self.pointer(event.position(), event.modifiers())
        self._stage.pointer = pointer
        if self._drag is None:
            self._stage.aim(tool.aims_at(pointer))
            return tool.hover(pointer)
        self._send(pointer)
        return None

    def release(self, event: QMouseEvent) -> None:
        """A button comes up: the end of the drag that it started."""
        if self._drag is not None and event.button() == self._button:
            self._end(self.pointer(event.position(), event.modifiers(), released=True))

    def finish(self) -> None:
        """End the drag or pan where it was last, as if the button came up: it will not be heard of here."""
        if self._drag is not None and self._last is not None and not self._is_running():
            self._end(structs.replace(self._last, released=True))

    def _end(self, pointer: Pointer) -> None:
        act, self._afterwards = self._afterwards, None
        self._send(pointer)
        self.cancel()
        if act is not None:
            act()

    def cancel(self) -> bool:
        """Take the drag back; False where there is none, or where it is itself making an edit just now."""
        if self._drag is None or self._is_running():
            return False  # a drag whose own edit is refused ends by itself
        drag, self._drag = self._drag, None
        self._afterwards = None
        self.panning = False
        drag.close()
        return True

    def _is_running(self) -> bool:
        return self._drag is not None and getgeneratorstate(self._drag) == GEN_RUNNING

    def _begin(self, drag: Drag, button: Qt.MouseButton) -> None:
        self._drag, self._button, self._afterwards = drag, button, None
        try:
            next(drag)
        except StopIteration:
            self._drag = None

    def _send(self, pointer: Pointer) -> None:
        assert self._drag is not None
        self._last = pointer
        try:
            self._drag.send(pointer)
        except StopIteration:
            self._drag = None
            self.panning = False

    def _pan_along(self, start: QPointF) -> Drag:
        x, y = start.x(), start.y()
        while not (pointer := (yield)).released:
            self._pan(pointer.sx - x, pointer.sy - y)
            x, y = pointer.sx, pointer.sy
