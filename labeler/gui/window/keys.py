"""What keys do first: undo, redo, delete, Enter and digits belong to what is in progress."""

from collections.abc import Iterable
from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QMainWindow

from labeler.core.records import Category
from labeler.gui.canvas.view import Canvas
from labeler.gui.session.document import Changed
from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import Notifier
from labeler.gui.window.verdicts import Verdicts


class Keys(QObject):
    """Stands between the window's keys and the session: the canvas is asked first."""

    def __init__(
        self,
        window: QMainWindow,
        *,
        session: Session,
        canvas: Canvas,
        notifier: Notifier,
        verdicts: Verdicts,
    ) -> None:
        super().__init__(window)
        self._window, self._session, self._canvas, self._notifier = window, session, canvas, notifier
        self._verdicts = verdicts
        self._loses_begun = False
        for digit in "1234567890":
            QShortcut(QKeySequence(digit), window, partial(self.pick_category, digit))
        canvas.told.connect(self._tell)
        canvas.progress.kept.connect(self._tell_kept)
        canvas.progress.changed.connect(self._take_progress)
        session.document.changed.connect(self._take_back_offer)
        verdicts.decided.connect(self._tell_decided)
        # it was said of an object of the image before
        session.place.image_changed.connect(lambda: notifier.take_back("category"))

    def holds_back(self) -> bool:
        """Whether something is under the hand, which is told: what would change it waits."""
        if self._canvas.progress.is_dragging:
            self._tell(self._canvas.progress.sentence())
        return self._canvas.progress.is_dragging

    def _tell(self, text: str) -> None:
        progress = self._canvas.progress
        waits = progress.is_dragging and text == progress.sentence()
        self._notifier.info(text, key="dragging" if waits else "progress")

    def _take_progress(self) -> None:
        if not self._canvas.progress.is_dragging:
            self._notifier.take_back("dragging")  # the mouse button is up, as was asked for

    # --- what they do -----------------------------------------------------------------------------

    def undo(self) -> None:
        """Take back a bit of what is in progress, else the last edit."""
        if not self._canvas.progress.take_back():
            self._session.history.undo()

    def redo(self) -> None:
        """Bring back what was taken of what is in progress, else the last undone edit."""
        if not self._canvas.progress.bring_back():
            self._session.history.redo()

    def delete(self) -> None:
        """Take back a bit of what is in progress; else delete the hovered corner, or the selection."""
        canvas, session = self._canvas, self._session
        if canvas.progress.is_on:
            canvas.progress.take_back()
        elif not canvas.keys.delete_under_pointer():
            session.edits.delete(session.focus.selection, by="window")

    def pick_category(self, digit: str) -> None:
        """A digit: the category with that key is given, if there is one."""
        found = next((c for c in self._session.document.categories.values() if c.key == digit), None)
        if found is not None:
            self.give(found)

    def give(self, found: Category) -> None:
        """That category for what is in progress, else for the selection or for what comes next.

        With Select in hand a category renames what is selected. With a tool that draws it never does: there
        it is chosen for the next object, while the last one is still selected. A prediction that is selected
        in a review or with Select, or that Select is over, is accepted as that category. A line says which
        it was.
        """
        session, canvas = self._session, self._canvas
        if canvas.progress.name(found.id):
            self._notifier.info(f"This one: {found.name}.", key="category")
        elif predicted := self.predicted():
            self.accept_as(predicted, found)
        elif session.focus.selection and canvas.hand.name == "select":
            self.rename(session.focus.selection, found)
        else:
            if canvas.hand.name == "brush":
                session.focus.select(())  # the next stroke would go on with the object before
            session.focus.choose_category(found.id)
            self._notifier.info(f"Next object: {found.name}.", key="category")

    def predicted(self) -> frozenset[int]:
        """The predictions that a digit, or a category that is picked, is for now."""
        with_select = self._canvas.hand.name == "select"
        asked = self._verdicts.asked() if with_select or self._verdicts.is_reviewing else frozenset()
        aimed = self._canvas.aimed if with_select else None
        return asked or (frozenset() if aimed is None else frozenset({aimed}))

    def accept_as(self, predicted: frozenset[int], category: Category, *, is_new: bool = False) -> None:
        """Accept predictions as that category, which is the current one then; those that are there still.

        One that `is_new` is made by the same edit.
        """
        known = predicted & self._session.document.candidates.keys()
        if known:
            self._verdicts.accept_as(known, category, is_new=is_new)
            self._session.focus.choose_category(category.id)
        else:
            self._notifier.info("Nothing was accepted: the model has predicted anew.", key="decided")

    def _tell_decided(self, sentence: str) -> None:
        self._notifier.info(sentence, action="Undo", run=self._session.history.undo, key="decided")

    def rename(self, ids: Iterable[int], category: Category) -> None:
        """Give annotations of the open image a category, which is the current one then; a line says so."""
        session = self._session
        known = session.document.annotations
        chosen = [known[key] for key in ids if key in known]
        others = [one.id for one in chosen if one.category_id != category.id]
        session.edits.recategorise(others, category.id, by="keys")
        session.focus.choose_category(category.id)
        renamed = sum(session.document.annotations[key].category_id == category.id for key in others)
        if renamed:
            what = "The selected object is" if renamed == 1 else f"{renamed} selected objects are"
            text = f"{what} {category.name} now."
            self._notifier.info(text, action="Undo", run=session.history.undo, key="category")
        elif others and not session.read_only:
            text = "Nothing was renamed: the category of what is selected is locked."
            self._notifier.info(text, key="category")

    def go_on(self) -> None:
        """Something was clicked elsewhere for what is in progress: the keys go on with that."""
        if self._canvas.progress.is_on:
            self._canvas.setFocus()

    # --- keys that come to the window -------------------------------------------------------------

    def press_first(self, event: QKeyEvent) -> bool:
        """Whether a key that came to the window has its meaning already.

        Enter and Esc of a text field come here too, and mean the text. Elsewhere Enter, Backspace and Esc
        are for what is in progress on the canvas, wherever the focus is.
        """
        if isinstance(QApplication.focusWidget(), QLineEdit | QAbstractSpinBox):
            return True
        if event.isAutoRepeat():
            return True  # what it was pressed for is done; it decides on nothing else
        return self._canvas.keys.press_in_progress(event)

    def _take_back_offer(self, changed: Changed) -> None:
        """What it offers to undo is the last edit no longer."""
        if changed.changes:
            for key in ("category", "decided"):
                self._notifier.take_back(key)

    # --- leaving ----------------------------------------------------------------------------------

    def close_project(self) -> None:
        """Let go of the project; what is half done in it is there again when it is opened again."""
        trouble = self._canvas.progress.keep()
        if trouble:
            self._notifier.error(trouble, action="Close anyway", run=self._session.close, key="begun")
        else:
            self._session.close()

    def may_close(self) -> bool:
        """Whether the window may go: what is half done is kept for the next time, or was given up."""
        trouble = "" if self._loses_begun else self._canvas.progress.keep()
        if trouble:
            self._notifier.error(trouble, action="Close anyway", run=self._close_anyway, key="begun")
        return not trouble

    def _close_anyway(self) -> None:
        self._loses_begun = True
        self._window.close()

    def _tell_kept(self, sentence: str, image_id: int) -> None:
        back = partial(self._session.place.go_to, image_id)
        self._notifier.info(sentence, action="Go back", run=back, key="progress")
