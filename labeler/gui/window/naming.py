"""Asks for the category of what is selected, in progress, just finished or comes next, beside it."""

from collections.abc import Iterable

from PySide6.QtCore import QObject, QRect, QTimer
from PySide6.QtWidgets import QApplication, QMainWindow

from labeler.core.records import Annotation, Category
from labeler.gui.canvas.stage import BY
from labeler.gui.canvas.view import Canvas
from labeler.gui.labelling import category_edits
from labeler.gui.labelling.category_picker import CategoryPicker
from labeler.gui.session.document import Changed
from labeler.gui.session.session import Session
from labeler.gui.toolkit.settings import Settings
from labeler.gui.window.keys import Keys

_BY = "picker"


class Naming(QObject):
    """Opens the picker, and gives what is chosen in it to what it was opened for."""

    def __init__(
        self, window: QMainWindow, *, session: Session, canvas: Canvas, keys: Keys, settings: Settings
    ) -> None:
        super().__init__(window)
        self._window, self._session, self._canvas = window, session, canvas
        self._keys, self._settings = keys, settings
        self.picker = CategoryPicker(session, window)
        self._ids: frozenset[int] = frozenset()
        """The annotations that are asked about; none where it is about what is in progress or comes next."""
        self._finished = False
        """Whether they were finished just now, so that nothing needs to be told."""
        self._predicted: frozenset[int] = frozenset()
        """The predictions that are asked about, by their candidates' ids."""
        self._all_of = 0
        """The category that all objects of are asked about, on whichever image."""
        self._made_up = 0
        """The category that had to be made up for the first shape, as there was none to give it."""
        self.picker.chosen.connect(self._give)
        self.picker.named.connect(self._give_new)
        for signal in (session.project_changed, session.place.image_changed):
            signal.connect(self.picker.close)
        session.project_changed.connect(self._forget)
        session.document.changed.connect(self._take_changes)

    # --- asking -----------------------------------------------------------------------------------

    def ask(self) -> None:
        """For what is in progress, else for what a digit would be for: see `Keys.give`."""
        selection, predicted = self._session.focus.selection, self._keys.predicted()
        if self._canvas.progress.is_on:
            self._open(f"Category of this {self._canvas.progress.tool.makes}")
        elif predicted:
            self.ask_for_predicted(predicted)
        elif selection and self._canvas.hand.name == "select":
            self.ask_for(selection)
        else:
            self._open("Category of the next object")

    def ask_for(self, ids: Iterable[int]) -> None:
        """For these annotations of the open image."""
        known = self._session.document.annotations
        chosen = [known[key] for key in sorted(ids) if key in known]
        if chosen:
            title = f"Category of {self._session.document.names(chosen)}"
            self._open(title, frozenset(one.id for one in chosen))

    def ask_for_predicted(self, ids: frozenset[int]) -> None:
        """For these predictions of the open image, which are accepted as what is chosen."""
        what = "this prediction" if len(ids) == 1 else f"{len(ids)} predictions"
        self._open(f"Accept {what} as")
        self._predicted = ids

    def ask_for_all(self, category_id: int) -> None:
        """For all objects of a category, on whichever image."""
        category = self._session.document.categories.get(category_id)
        if category is not None:
            count = self._session.document.total(category_id)
            self._open(f"Change all {count:,} {category.name}, on all images, to")
            self._all_of = category_id

    def _open(self, title: str, ids: frozenset[int] = frozenset(), *, start: int | None = None) -> None:
        if self._session.read_only:
            self._session.told.emit(f"Nothing was changed. {self._session.read_only}")
            return
        self._ids, self._finished, self._predicted = ids, start is not None, frozenset()
        self._all_of = 0
        canvas = self._canvas
        spot = canvas.spot_of(ids)
        anchor = QRect(canvas.mapTo(self._window, spot.topLeft()), spot.size())
        self.picker.ask(title, anchor=anchor, room=self._window.rect(), start=start, back=canvas)

    # --- what was chosen --------------------------------------------------------------------------

    def _give(self, category_id: int) -> None:
        category = self._session.document.categories.get(category_id)
        if category is None:
            self._session.told.emit("Nothing was renamed: that category is not there any more.")
        else:
            self._give_known(category)

    def _give_known(self, category: Category) -> None:
        if self._all_of:
            self._session.edits.recategorise_all(self._all_of, category.id)
        elif self._predicted:
            self._keys.accept_as(self._predicted, category)
        elif not self._ids:
            self._keys.give(category)
        elif self._finished:
            self._session.edits.recategorise(self._ids, category.id, by=_BY)
            self._session.focus.choose_category(category.id)
        else:
            self._keys.rename(self._ids, category)

    def _give_new(self, name: str) -> None:
        edits, made_up = self._session.edits, self._session.document.categories.get(self._made_up)
        known = {one.name for one in self._session.document.categories.values()}
        if self._predicted and name.strip() not in known:
            new = edits.new_category(name.strip())
            if new is not None:
                self._keys.accept_as(self._predicted, new, is_new=True)
        elif not self._ids:
            made = edits.add_category(name, by=_BY)
            if made is not None:
                self._give_known(made)
        elif self._finished and made_up is not None and self._is_alone(made_up):
            renamed = category_edits.renamed(made_up, name)
            edits.commit(renamed.label, renamed.changes, by=_BY)
        else:
            edits.recategorise_anew(self._ids, name, by=_BY)

    def _is_alone(self, category: Category) -> bool:
        """Whether no other objects have a category than those that are asked about."""
        return self._session.document.total(category.id) == len(self._ids)

    # --- what is finished -------------------------------------------------------------------------

    def _forget(self) -> None:
        self._made_up = 0

    def _take_changes(self, changed: Changed) -> None:
        if self._ids and not self._ids & self._session.document.annotations.keys():
            self.picker.close()  # what it was asked about is gone
        for change in changed.changes:
            if change.before is None and isinstance(change.after, Category) and changed.by == "session":
                self._made_up = change.after.id
        if changed.by == BY and changed.what == "edit" and len(changed.changes):
            self._ask_if_finished(changed)

    def _ask_if_finished(self, changed: Changed) -> None:
        """A shape was drawn, or a proposal accepted; a prediction that is accepted has its category."""
        if any(change.before is not None for change in changed.changes):
            return
        made = [one.after for one in changed.changes if isinstance(one.after, Annotation)]
        wanted = self._settings.ask_category
        if len(made) == 1 and (wanted == "always" or (wanted == "new" and self._first_of(made[0]))):
            # not in the middle of the gesture that made it
            QTimer.singleShot(0, self, lambda: self._ask_finished(made[0]))

    def _first_of(self, made: Annotation) -> bool:
        return made.category_id == self._made_up and self._session.document.total(made.category_id) == 1

    def _ask_finished(self, made: Annotation) -> None:
        is_busy = QApplication.activePopupWidget() or self.picker.isVisible()
        there = self._session.document.annotations.get(made.id)
        if there is None or is_busy or self._canvas.progress.is_on or self._session.read_only:
            return
        name = self._session.document.names([there])
        self._open(f"What is it? Esc: {name}", frozenset({made.id}), start=there.category_id)
