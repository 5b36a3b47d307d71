"""What the keys of the canvas do: to what is in progress where there is something, else to the objects."""

from collections.abc import Callable

from msgspec import structs
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent

from labeler.core.geometry import translated
from labeler.core.records import Change
from labeler.gui.canvas.gestures import Gestures
from labeler.gui.canvas.in_progress import InProgress
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.stage import BY, Stage

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
_TABS = {Qt.Key.Key_Tab: 1, Qt.Key.Key_Backtab: -1}

SIGNS = "[]"
"""On some keyboards these are AltGr and a digit, and Qt would take the digit's shortcut for meant."""


class KeyActs(QObject):
    """Knows what each key means now. Keys that are held to see or move otherwise are the canvas's own."""

    sign_typed = Signal(str)
    """One of `SIGNS`, by whatever keys it was typed."""

    def __init__(
        self,
        stage: Stage,
        prompt_desk: PromptDesk,
        *,
        gestures: Gestures,
        progress: InProgress,
        step_elsewhere: Callable[[int], bool],
        leave_elsewhere: Callable[[], bool],
        parent: QObject | None = None,
    ) -> None:
        """With nothing pending, Tab does first what `step_elsewhere` does by +1 or -1, unless it gives False.

        So does Esc what `leave_elsewhere` does, where no object is selected.
        """
        super().__init__(parent)
        self._stage, self._prompt_desk = stage, prompt_desk
        self._gestures, self._progress = gestures, progress
        self._step_elsewhere, self._leave_elsewhere = step_elsewhere, leave_elsewhere

    # --- keys -------------------------------------------------------------------------------------

    def comes_first(self, event: QKeyEvent) -> bool:
        """Whether the canvas takes a key before any shortcut of the window does."""
        key = event.key()
        if event.text() and event.text() in SIGNS:
            return True
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Backspace):
            return self._progress.is_on and not event.modifiers() & _COMMANDS
        return key in (Qt.Key.Key_Escape, Qt.Key.Key_Space, Qt.Key.Key_QuoteLeft)

    def press(self, event: QKeyEvent) -> bool:
        """Do what a key means on the canvas; False where it means nothing here."""
        if event.text() and event.text() in SIGNS:
            self.sign_typed.emit(event.text())
            return True
        if self.press_in_progress(event):
            return True
        key = Qt.Key(event.key())
        match key:
            case Qt.Key.Key_Escape:
                self.drop()
                return True
            case Qt.Key.Key_Delete:
                return self.delete_under_pointer()
            case Qt.Key.Key_Left | Qt.Key.Key_Right | Qt.Key.Key_Up | Qt.Key.Key_Down:
                dx, dy = _ARROWS[key]
                far = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
                return self.nudge(dx * far, dy * far)
            case _:
                return False

    def press_in_progress(self, event: QKeyEvent) -> bool:
        """Enter, Backspace or Esc for what is in progress, wherever the focus is; False without any."""
        progress = self._progress
        if not progress.is_on or event.modifiers() & _COMMANDS:
            return False
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                # a drag ends by the mouse, and one press finishes one thing
                taken = progress.is_dragging or event.isAutoRepeat() or progress.tool.confirm()
            case Qt.Key.Key_Backspace:
                taken = progress.take_back()
            case Qt.Key.Key_Escape:
                self.drop()
                taken = True
            case _:
                taken = False
        self._stage.repaint.emit()
        return taken

    def press_tab(self, event: QKeyEvent) -> bool:
        """Tab and its way back: another proposal, the next thing elsewhere, or the next object.

        False for every other key.
        """
        by = _TABS.get(Qt.Key(event.key()))
        if by is None:
            return False
        if self._progress.is_on:
            if self._progress.tool.pending and not self._progress.is_dragging:
                self._prompt_desk.step(by)
        elif not self._step_elsewhere(by):
            self.step_object(by)
        return True

    # --- acts -------------------------------------------------------------------------------------

    def drop(self) -> None:
        """Take back what is half done: the drag, else what the tool holds, else the selection."""
        session, predictions = self._stage.session, self._stage.predictions
        if not self._gestures.cancel() and not self._progress.tool.drop():
            if predictions.walk is not None:
                predictions.stop_walk()
            elif session.focus.selection or not self._leave_elsewhere():
                session.focus.select(())
                predictions.select(())
        self._stage.repaint.emit()

    def delete_under_pointer(self) -> bool:
        """Delete the polygon's vertex under the pointer; False where there is none."""
        return self._progress.tool.delete()

    def step_object(self, by: int) -> None:
        """Select the next object that can be edited, from left to right as they were made."""
        document, focus = self._stage.session.document, self._stage.session.focus
        ids = [key for key in document.annotations if self._stage.editable(key)]
        if ids:
            here = next((at for at, key in enumerate(ids) if key in focus.selection), None)
            at = (0 if by > 0 else -1) if here is None else (here + by) % len(ids)
            focus.select([ids[at]])

    def nudge(self, dx: float, dy: float) -> bool:
        """Move the selection by image pixels; False where nothing is selected."""
        ids = sorted(self._stage.session.focus.selection)
        found = [annotation for key in ids if (annotation := self._stage.editable(key))]
        if not found or self._gestures.dragging:
            return False
        moved = [structs.replace(one, shape=translated(one.shape, dx, dy)) for one in found]
        what = self._stage.name_of(found[0]) if len(found) == 1 else f"{len(found)} objects"
        changes = [Change(old, new) for old, new in zip(found, moved, strict=True)]
        self._stage.session.edits.commit(f"Move {what}", changes, by=BY)
        return True
