"""What is done to objects from their context menu: hide, lock and show alone; and that menu itself."""

from functools import partial

from PySide6.QtCore import QObject, QPoint
from PySide6.QtWidgets import QMainWindow, QMenu

from labeler.core.records import Annotation, Category
from labeler.gui.canvas.view import Canvas
from labeler.gui.labelling import category_edits
from labeler.gui.session.document import Changed
from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import Notifier
from labeler.gui.window.action_set import ActionSet
from labeler.gui.window.shaping.shape_menu import OBJECT_MENU, PHOTO_MENU, PREDICTED_MENU


class ObjectActs(QObject):
    """Acts on the selection of the open image; how objects are looked at is the session's `Veil` to keep."""

    def __init__(self, window: QMainWindow, *, session: Session, canvas: Canvas, notifier: Notifier) -> None:
        super().__init__(window)
        self._session, self._canvas, self._notifier = session, canvas, notifier
        self.menu: QMenu | None = None
        """The context menu that is open, or was open last."""
        session.document.changed.connect(self._take_changes)
        session.place.image_changed.connect(self._close_menu)

    # --- hide, lock, show alone -------------------------------------------------------------------

    @property
    def are_hidden(self) -> bool:
        """Whether all that is selected is hidden by itself."""
        selection = self._session.focus.selection
        return bool(selection) and selection <= self._session.veil.hidden

    @property
    def are_locked(self) -> bool:
        """Whether all that is selected is locked by itself."""
        selection = self._session.focus.selection
        return bool(selection) and selection <= self._session.veil.locked

    def hide(self, hide: bool) -> None:
        """Hide what is selected, and let go of it; or show it again."""
        session, chosen = self._session, self._session.focus.selection
        session.veil.hide(chosen, hide)
        if hide:
            session.focus.select(())

    def lock(self, lock: bool) -> None:
        """Lock what is selected, so that clicks go through it; or unlock it again."""
        session, chosen = self._session, self._session.focus.selection
        if not chosen:
            return
        session.veil.lock(chosen, lock)
        what = session.document.names([session.document.annotations[key] for key in sorted(chosen)])
        if lock:
            text = f"Locked: {what}. Clicks go through, until the project is closed."
            self._notifier.info(
                text, action="Unlock", run=partial(session.veil.lock, chosen, False), key="veil"
            )
        else:
            self._notifier.info(f"Unlocked: {what}.", key="veil")

    def leave_alone(self, alone: bool) -> None:
        """Show what is selected and nothing else; or all again."""
        self._session.veil.leave_alone(self._session.focus.selection if alone else None)

    def select_all(self) -> None:
        """Select every object of the open image that is neither hidden nor locked."""
        session = self._session
        found = session.document.annotations.items()
        session.focus.select(key for key, one in found if not session.veil.holds_back(one))

    def delete_all(self, category_id: int) -> None:
        """Delete all objects of a category, on whichever image; a line offers the way back."""
        session = self._session
        category = session.document.categories.get(category_id)
        count = session.document.total(category_id)
        session.edits.delete_all(category_id)
        if category is not None and not (session.read_only or category.locked):  # else it was said why not
            text = f"All {count:,} {category.name} are deleted, on all images."
            self._notifier.info(text, action="Undo", run=session.history.undo, key="emptied")

    def unlock_all(self) -> None:
        """Unlock the objects of the open image that are locked by themselves."""
        self._session.veil.lock(self._session.veil.locked_here(), False)

    def _take_changes(self, changed: Changed) -> None:
        """A person who draws what is hidden is told why it is not seen."""
        if changed.what != "edit":
            return
        self._notifier.take_back("emptied")  # what it offers to undo is the last edit no longer
        categories = self._session.document.categories
        for change in changed.changes:
            made = change.after if change.before is None else None
            category = categories.get(made.category_id) if isinstance(made, Annotation) else None
            if category is not None and category.hidden:
                self._tell_unseen(category)
                return

    def _tell_unseen(self, category: Category) -> None:
        shown = category_edits.hidden(category, False)

        def show() -> None:
            self._session.edits.commit(shown.label, shown.changes, by="veil")

        text = f"{category.name} is hidden, and so is what was just made."
        self._notifier.info(text, action=shown.label, run=show, key="veil")

    # --- the menu ---------------------------------------------------------------------------------

    def offer(self, actions: ActionSet, at: QPoint, on_object: bool) -> None:
        """Open the context menu of what is selected, or of the photo, at a place of the screen."""
        self._close_menu()
        self.menu = menu = QMenu(self._canvas)
        actions.put(menu, OBJECT_MENU if on_object else PHOTO_MENU)
        menu.popup(at)

    def offer_predicted(self, actions: ActionSet, at: QPoint) -> None:
        """Open the context menu of the selected predictions, at a place of the screen."""
        self._close_menu()
        self.menu = menu = QMenu(self._canvas)
        actions.put(menu, PREDICTED_MENU)
        menu.popup(at)

    def _close_menu(self) -> None:
        if self.menu is not None:
            self.menu.close()
            self.menu.deleteLater()
            self.menu = None
