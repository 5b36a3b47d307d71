"""The canvas: the open image, what is on it, and the tools that change that."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import structs
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from labeler.core.geometry import translated
from labeler.core.records import Annotation, Change, Proposal
from labeler.gui.canvas.photo_view import PhotoView
from labeler.gui.canvas.stage import BY, AcceptToEdit, accepts_nothing
from labeler.gui.canvas.tools.brush import BrushTool
from labeler.gui.children.host_client import HostClient
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.session.session import Session

_COMMANDS = (
    Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
)
"""With one of these held Enter and Backspace are another key, such as Ctrl+Enter."""
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}

_RELEASE_UNHEARD = (QEvent.Type.WindowBlocked, QEvent.Type.Hide, QEvent.Type.TouchCancel)
"""After these the mouse button comes up unheard: under a dialog, on a hidden canvas, off the touchscreen."""

SIGNS = "[]"
"""On some keyboards these are AltGr and a digit, and Qt would take the digit's shortcut for meant."""


class Canvas(PhotoView):
    """Edits the annotations of the open image with mouse and keys."""

    sign_typed = Signal(str)
    """One of `SIGNS`, by whatever keys it was typed."""

    def __init__(
        self,
        session: Session,
        host: HostClient | None,
        predictions: Predictions | None = None,
        parent: QWidget | None = None,
        *,
        accept_to_edit: AcceptToEdit = accepts_nothing,
        step_elsewhere: Callable[[int], bool] = lambda _: False,
        leave_elsewhere: Callable[[], bool] = lambda: False,
    ) -> None:
        """With nothing pending, Tab does first what `step_elsewhere` does by +1 or -1, unless it gives False.

        So does Esc what `leave_elsewhere` does, where no object is selected.
        """
        super().__init__(session, host, predictions, parent, accept_to_edit=accept_to_edit)
        self._step_elsewhere, self._leave_elsewhere = step_elsewhere, leave_elsewhere

    # --- tools and options ------------------------------------------------------------------------

    @property
    def tool(self) -> str:
        """The name of the tool in hand."""
        return self._tool.name

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The names of all tools."""
        return tuple(self._tools)

    def set_tool(self, name: str) -> None:
        """Take a tool; what the last one has half done stays. Raises KeyError for an unknown name.

        In the middle of a drag the tool stays in hand, and a line says so.
        """
        tool = self._tools[name]
        if tool is not self._tool and self._progress.may_take(tool):
            self._gestures.cancel()
            self._tool.leave()
            self._take_in_hand(name)
        else:
            self.tool_changed.emit(self.tool)

    def set_options(self, **values: Any) -> None:
        """Change some of the options, by name."""
        before = self.options
        self._stage.options = structs.replace(before, **values)
        if self.options == before:
            return
        self._image.set_tone(self.options.brightness, self.options.contrast)
        if self.options.predictions != before.predictions:
            self._take_predictions()
        self.options_changed.emit()
        self.update()

    # --- what is in progress ----------------------------------------------------------------------

    @property
    def in_progress(self) -> bool:
        """Whether something is dragged, or half done with the tool in hand."""
        return self._progress.is_on

    @property
    def can_take_back(self) -> bool:
        """Whether undo means something in progress."""
        return self._progress.can_take_back

    @property
    def can_bring_back(self) -> bool:
        """Whether redo means a point or click that was taken back."""
        return self._progress.can_bring_back

    @property
    def dragging(self) -> bool:
        """Whether a tool's drag is under way."""
        return self._gestures.working

    def take_back(self) -> bool:
        """Undo what is in progress: the drag, else the last point or click; False where nothing is."""
        taken = self._progress.take_back()
        self._after_key()
        return taken

    def bring_back(self) -> bool:
        """Redo a point or click that was taken back; False where nothing is in progress either."""
        brought = self._progress.bring_back()
        self._after_key()
        return brought

    def name_in_progress(self, category_id: int) -> bool:
        """Give what is in progress its category; False where nothing is."""
        return self._progress.name(category_id)

    def unfinished(self) -> str:
        """What has to be finished before the open image can be called done, in a sentence; "" for nothing."""
        return self._progress.sentence()

    def keep_begun(self) -> str:
        """Have what is half done, here and on other images, outlive the window; why not, where it cannot."""
        return self._progress.keep()

    def ask_again(self) -> None:
        """The model has the open image: ask what was begun here in an earlier session."""
        self._prompt_desk.ask_again()

    def outlook(self) -> str:
        """What the next stroke of the tool in hand would do, in a few words; "" where that is plain."""
        return self._tool.outlook()

    def _after_key(self) -> None:
        self._progress.look()
        self.update()

    # --- proposals --------------------------------------------------------------------------------

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """What the model offers for the prompts, from small to large."""
        return self._prompt_desk.proposals

    @property
    def proposal_index(self) -> int:
        """Which of them is shown."""
        return self._prompt_desk.index

    def step_proposal(self, by: int) -> None:
        """Look at another candidate."""
        self._prompt_desk.step(by)

    def accept_proposal(self) -> Annotation | None:
        """Make the proposal looked at an annotation."""
        return self._prompt_desk.accept()

    def drop(self) -> None:
        """Take back what is half done: the drag, else what the tool holds, else the selection."""
        if not self._gestures.cancel() and not self._tool.drop():
            if self.predictions.walk is not None:
                self.predictions.stop_walk()
            elif self._session.focus.selection or not self._leave_elsewhere():
                self._session.focus.select(())
                self.predictions.select(())
        self._after_key()

    def delete_under_pointer(self) -> bool:
        """Delete the polygon's vertex under the pointer; False where there is none."""
        return self._tool.delete()

    def step_object(self, by: int) -> None:
        """Select the next object that can be edited, from left to right as they were made."""
        ids = [key for key in self._session.document.annotations if self._stage.editable(key)]
        if ids:
            here = next((at for at, key in enumerate(ids) if key in self._session.focus.selection), None)
            at = (0 if by > 0 else -1) if here is None else (here + by) % len(ids)
            self._session.focus.select([ids[at]])

    def nudge(self, dx: float, dy: float) -> bool:
        """Move the selection by image pixels; False where nothing is selected."""
        ids = sorted(self._session.focus.selection)
        found = [annotation for key in ids if (annotation := self._stage.editable(key))]
        if not found or self._gestures.dragging:
            return False
        moved = [structs.replace(one, shape=translated(one.shape, dx, dy)) for one in found]
        what = self._stage.name_of(found[0]) if len(found) == 1 else f"{len(found)} objects"
        changes = [Change(old, new) for old, new in zip(found, moved, strict=True)]
        self._session.edits.commit(f"Move {what}", changes, by=BY)
        return True

    # --- mouse and keys ---------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._can_see(event):
            self._gestures.press(event, self._tool)
        self._progress.look()
        self._show_cursor(None)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        left = event.button() == Qt.MouseButton.LeftButton and not self._gestures.space_held
        if left and self._can_see(event):
            self._tool.double(self._gestures.pointer(event.position(), event.modifiers(), "left"))
            self._progress.look()

    def _can_see(self, event: QMouseEvent) -> bool:
        """Whether the open photo is on the screen, so that a person sees what is drawn on; tells why not.

        Until it is there the one before it stays in sight. To look around is always free.
        """
        session = self._session
        looks_around = event.button() == Qt.MouseButton.MiddleButton or self._gestures.space_held
        if session.place.image is None or session.place.pixels is not None or looks_around:
            return True
        name = Path(session.place.image.path).name
        self.told.emit(
            f"Nothing was drawn: {name} cannot be shown."
            if session.place.problem
            else f"Nothing was drawn: {name} is still being read."
        )
        return False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._show_cursor(self._gestures.move(event, self._tool))
        pointer = self._stage.pointer
        if pointer is not None:
            color = self._image.color_at(math.floor(pointer.x), math.floor(pointer.y))
            self.pointer_moved.emit(pointer.x, pointer.y, color)
        if self._tool.crosshair or isinstance(self._tool, BrushTool):
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._gestures.release(event)
        self._progress.look()
        self._show_cursor(None)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._stage.pointer = None
        self._tool.leave()
        self.update()

    def _show_cursor(self, wanted: Qt.CursorShape | None) -> None:
        if self._gestures.panning:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self._gestures.space_held:
            self.setCursor(Qt.CursorShape.OpenHandCursor)
        elif not self._gestures.dragging:
            self.setCursor(wanted if wanted is not None else self._tool.cursor)

    def wheelEvent(self, event: QWheelEvent) -> None:
        turn, held = event.angleDelta(), event.modifiers()
        shift = bool(held & Qt.KeyboardModifier.ShiftModifier)
        zooms = self.options.wheel_zoom or bool(held & Qt.KeyboardModifier.ControlModifier)
        if zooms and not shift:
            self.zoom_by(1.2 ** (turn.y() / 120), event.position())
        else:
            # a plain wheel goes sideways with Shift, a touchpad both ways
            moved = turn if event.pixelDelta().isNull() else event.pixelDelta()
            moved = QPoint(moved.y(), 0) if shift and moved.x() == 0 else moved
            self.pan(moved.x(), moved.y())
        event.accept()

    def event(self, event: QEvent) -> bool:
        if event.type() in _RELEASE_UNHEARD:
            self._gestures.finish()
            self._progress.look()
        # Tab would move the focus, and a shortcut of the window would come before the tool's own keys
        if isinstance(event, QKeyEvent):
            if event.type() == QEvent.Type.KeyPress and event.key() in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
                self._step(-1 if event.key() == Qt.Key.Key_Backtab else 1)
                return True
            if event.type() == QEvent.Type.ShortcutOverride and self._wants(event):
                event.accept()
                return True
        return super().event(event)

    def _wants(self, event: QKeyEvent) -> bool:
        """Whether the canvas takes a key before any shortcut does."""
        key = event.key()
        if event.text() and event.text() in SIGNS:
            return True
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Backspace):
            return self.in_progress and not event.modifiers() & _COMMANDS
        return key in (Qt.Key.Key_Escape, Qt.Key.Key_Space, Qt.Key.Key_QuoteLeft)

    def _step(self, by: int) -> None:
        if self.in_progress:
            if self._tool.pending and not self.dragging:
                self.step_proposal(by)
        elif not self._step_elsewhere(by):
            self.step_object(by)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if event.text() and event.text() in SIGNS:
            self.sign_typed.emit(event.text())
        elif not self.key_in_progress(event) and not self._press_key(key, event):
            super().keyPressEvent(event)

    def key_in_progress(self, event: QKeyEvent) -> bool:
        """Enter, Backspace or Esc for what is in progress, wherever the focus is; False without any."""
        if not self.in_progress or event.modifiers() & _COMMANDS:
            return False
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                # a drag ends by the mouse, and one press finishes one thing
                taken = self.dragging or event.isAutoRepeat() or self._tool.confirm()
            case Qt.Key.Key_Backspace:
                taken = self.take_back()
            case Qt.Key.Key_Escape:
                self.drop()
                taken = True
            case _:
                taken = False
        self._after_key()
        return taken

    def _press_key(self, key: Qt.Key, event: QKeyEvent) -> bool:
        """Do what a key means here with nothing in progress; False where it means nothing."""
        match key:
            case Qt.Key.Key_Escape:
                self.drop()
            case Qt.Key.Key_Delete:
                return self.delete_under_pointer()
            case Qt.Key.Key_Space:
                self._gestures.space_held = True
                self._show_cursor(None)
            case Qt.Key.Key_QuoteLeft:
                self._peek(True)
            case Qt.Key.Key_Control | Qt.Key.Key_Shift | Qt.Key.Key_Alt:
                self._take_modifiers(event)
            case Qt.Key.Key_Left | Qt.Key.Key_Right | Qt.Key.Key_Up | Qt.Key.Key_Down:
                dx, dy = _ARROWS[key]
                far = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
                return self.nudge(dx * far, dy * far)
            case _:
                return False
        return True

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.isAutoRepeat():
            return
        if event.key() == Qt.Key.Key_Space:
            self._gestures.space_held = False
            self._show_cursor(None)
        elif event.key() == Qt.Key.Key_QuoteLeft:
            self._peek(False)
        else:
            self._take_modifiers(event)
            super().keyReleaseEvent(event)

    def _take_modifiers(self, event: QKeyEvent) -> None:
        """Show at once what a modifier changes, such as a brush that erases."""
        pointer = self._stage.pointer
        if pointer is not None:
            place = QPointF(pointer.sx, pointer.sy)
            self._stage.pointer = self._gestures.pointer(place, event.modifiers())
            self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._gestures.space_held = False
        self._peek(False)

    def _peek(self, on: bool) -> None:
        if on != self._peeks:
            self._peeks = on
            self.update()
