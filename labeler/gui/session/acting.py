"""The part of the session by which labels change: one door for edits, and the way back through history.

An edit, an undo and a redo are shown at once and written by the project's writer thread, which answers in
order. Where it had to do something else than was shown, since a run, an import or another step of the history
came first, the screen is corrected when the answer comes: what stands under "saved" is what is on disk.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from PySide6.QtCore import QTimer, Signal

from labeler.core import companions
from labeler.core.records import Annotation, Change, Edit, Image
from labeler.gui.session.acts import Act
from labeler.gui.session.browsing import Browsing
from labeler.gui.session.document import Changed, What
from labeler.project.journal import JournalEntry
from labeler.project.keeping.rescue_file import Step
from labeler.project.settlement import Tail
from labeler.project.store import Store

T = TypeVar("T")
_log = logging.getLogger(__name__)
_LEARN_AGAIN_MS = 2000


class Acting(Browsing):
    """Commits edits and walks through the history. All methods are called on the GUI thread."""

    stepped = Signal(str, bool)
    """What an undo took back (True), or what a redo did again (False): the label of the edit."""

    # --- edits ------------------------------------------------------------------------------------

    def commit(self, label: str, changes: Iterable[Change], *, by: str) -> bool:
        """Show an edit, and have it written: the only way to change anything. Says whether it was taken.

        What it changes is changed as it is now, not as the caller remembers it; see `core.rebasing`.
        """
        meant = tuple(changes)
        if self.read_only:
            self.told.emit(f"Nothing was changed. {self.read_only}")
            self.document.changed.emit(Changed((), "refused", "refused"))
            return False
        made = self._carried(change for one in meant if (change := self.document.now(one)) is not None)
        if self._opened is None or not made:
            return False
        self._tell_kept(meant, made)
        act = self._acts.do(Edit(label, made))
        self._write(_settling(act), act.edit.changes, by=by, what="edit", step=act.edit)
        return True

    # --- history ----------------------------------------------------------------------------------

    def undo(self) -> None:
        """Take back the last edit, of whatever image, from before a restart too."""
        if self.read_only or not self._acts.can_undo:
            return
        act = self._acts.undo()
        if act is None:
            self._acts.forget(newer=True)
            self._have_done(lambda store: store.undo(), told=True, step="undo")
            return
        back = (change.inverse() for change in reversed(act.edit.changes))
        self._step(act, back, lambda store: store.undo(act.journal_id), is_undo=True)

    def redo(self) -> None:
        """Do again what was undone last."""
        if self.read_only or not self._acts.can_redo:
            return
        act = self._acts.redo()
        if act is None:
            self._acts.forget(older=True)
            self._have_done(lambda store: store.redo(), told=False, step="redo")
            return
        self._step(act, act.edit.changes, lambda store: store.redo(act.journal_id), is_undo=False)

    def go_back_to(self, edit_id: int) -> None:
        """Undo or redo until that edit is the last one done; 0 undoes everything."""

        def go(store: Store) -> Edit:
            edits = store.go_back_to(edit_id)
            return Edit("", tuple(change for edit in edits for change in edit.changes))

        if not self.read_only:
            self._acts.forget(older=True, newer=True)
            self._have_done(go)

    def restore_image(self, edit_id: int) -> None:
        """Take the open image back to what it was right after an edit, as one new edit."""
        image_id = self.document.open_id
        if image_id is not None:
            self._have_made(lambda store: store.restored(image_id, edit_id))

    def journal(
        self, done: Callable[[list[JournalEntry]], None], *, limit: int = 500, image_id: int | None = None
    ) -> None:
        """Read the journal, newest first, and hand it to `done` soon."""
        self.ask(lambda store: store.journal(limit=limit, image_id=image_id), done)

    def ask(self, work: Callable[[Store], T], done: Callable[[T], None]) -> None:
        """Have something worked out from all that is saved, on the writer's thread, and hand it to `done`."""
        self._link.read(work, done)

    def keep(
        self, work: Callable[[Store], T], done: Callable[[T], None], *, failed: Callable[[Exception], None]
    ) -> None:
        """Have what a model found kept, on the writer's thread; no edit, and nothing for undo."""
        self._link.keep(work, done, failed=failed)

    # --- what the writer does ---------------------------------------------------------------------

    def _have_made(self, make: Callable[[Store], Edit]) -> None:
        """Have the writer make an edit from all that is saved, and apply it before anything else comes."""

        def work(store: Store) -> Edit:
            edit = make(store)
            if edit.changes:
                store.apply(edit)
            return edit

        if self.read_only:
            self.told.emit(f"Nothing was changed. {self.read_only}")
        else:
            self._acts.forget(older=True, newer=False)
            self._have_done(work, follows=False)

    def _have_done(
        self,
        work: Callable[[Store], Edit | None],
        *,
        told: bool | None = None,
        step: Step | None = None,
        follows: bool = True,
    ) -> None:
        """Have something done of which only the writer knows what it changes; it is shown when it is there.

        With `told` it is a step through the history: an undo (True) or a redo. Where it `follows`, the image
        on which it happened is opened, unless the person did something else meanwhile.
        """
        here, number = self.document.open_id, self._link.asked + 1

        def follow(edit: Edit | None) -> None:
            if edit is not None and told is not None:
                self.stepped.emit(edit.label, told)
            stayed = (self.document.open_id, self._link.asked) == (here, number)
            if edit is not None and follows and stayed:
                self._follow(edit.changes)

        self._write(work, (), by="history", what="history", step=step, done=follow)

    def _step(
        self, act: Act, changes: Iterable[Change], work: Callable[[Store], Edit | None], *, is_undo: bool
    ) -> None:
        """Show a step through the history at once, and have it written."""
        shown = tuple(change for one in changes if (change := self.document.now(one)) is not None)

        def step(store: Store) -> Edit | None:
            return work(store) if act.journal_id else None

        kind: Step = "undo" if is_undo else "redo"
        self._write(step, shown, by="history", what="history", step=kind)
        self.stepped.emit(act.edit.label, is_undo)
        self._follow(shown)

    def _write(
        self,
        work: Callable[[Store], Edit | None],
        shown: tuple[Change, ...],
        *,
        by: str,
        what: What,
        step: Step | None,
        done: Callable[[Edit | None], None] = lambda _: None,
    ) -> None:
        """Show changes at once, and ask the writer for them; `work` gives what it did."""
        acts, number = self._acts, self._link.asked + 1
        acts.show(number, shown)
        self._show(shown, by, what)
        self.history_changed.emit()

        def compared(store: Store) -> tuple[bool, Edit | None]:
            made = work(store)
            return (made.changes if made is not None else ()) == shown, made

        def take(answer: tuple[bool, Edit | None]) -> None:
            if acts is self._acts:
                self._take_answer(number, *answer, by)
                done(answer[1])

        def refuse(error: Exception) -> None:
            acts.answered(number)
            self._refused(error, is_open=acts is self._acts)

        self._link.write(compared, take, failed=refuse, step=step)

    def _carried(self, changes: Iterable[Change]) -> tuple[Change, ...]:
        """The changes with what is not shown of an object (keypoints and the like) taken along."""
        found = [companions.carried(change) for change in changes]
        gone = ", ".join(dict.fromkeys(name for _, names in found for name in names))
        if gone:
            self.told.emit(f"{gone} did not fit the new shape and went; undo brings it back.")
        return tuple(change for change, _ in found)

    def _write_unseen(
        self, work: Callable[[Store], T], done: Callable[[T], None], *, failed: Callable[[Exception], None]
    ) -> None:
        """Have something written after which everything is read anew, such as an import; not after None."""
        self._acts.forget(older=True, newer=False)

        def show(value: T) -> None:
            if value is not None:
                self.reload()
            else:
                self._learn()
            done(value)

        self._link.write(work, show, failed=failed)

    def _take_answer(self, number: int, same: bool, made: Edit | None, by: str) -> None:
        acts = self._acts
        shown = acts.answered(number)
        if not same:
            changes = made.changes if made is not None else ()
            self._tell_kept(shown, changes)
            self._show(acts.corrected(number, shown, changes), by, "history")
            acts.forget()
            acts.miscounted |= {
                c.record.image_id for c in (*shown, *changes) if isinstance(c.record, Annotation)
            }
            # what was done on top of it may have met another record than was shown; classes follow categories
            self._read_open_image()
        if not same or acts.runs_short:
            self._learn()
        self.history_changed.emit()

    def _learn(self) -> None:
        """Read the end of the journal again, until nothing is asked of the writer meanwhile.

        Also the counts of images on which the writer did something else than was shown.
        Where it cannot be read, as on a disk that is away, it is tried again later; until then undo and redo
        are left to the writer.
        """
        acts, number = self._acts, self._link.asked
        if acts.learning:
            return
        acts.learning = True
        images = frozenset(acts.miscounted)

        def take(found: tuple[Tail, dict[int, dict[int, int]]]) -> None:
            acts.learning = False
            if acts is not self._acts:
                return
            tail, counts = found
            if number == self._link.asked and images == acts.miscounted:
                acts.learn(tail)
                acts.miscounted.clear()
                if others := self.document.recount(images, counts):
                    self.document.images_changed.emit(others)
                self.history_changed.emit()
            else:
                self._learn()

        def later(error: Exception) -> None:
            acts.learning = False
            _log.warning("The end of the journal cannot be read: %s", error)
            QTimer.singleShot(_LEARN_AGAIN_MS, self, lambda: self._learn() if acts is self._acts else None)

        self._link.keep(lambda store: (store.tail(), store.annotation_counts(images)), take, failed=later)

    def _show(self, changes: tuple[Change, ...], by: str, what: What) -> None:
        if not changes:
            return
        self._leave_gone(changes)
        touched = self.document.absorb(changes)
        self.focus.follow(changes)
        self.document.changed.emit(Changed.of(changes, by, what))
        self.focus.selection_changed.emit()
        if touched:
            self.document.images_changed.emit(touched)

    def _leave_gone(self, changes: Iterable[Change]) -> None:
        """Go to the next image that stays, or the one before, where the open one goes out of the project."""
        gone = {c.record.id for c in changes if isinstance(c.record, Image) and c.after is None}
        here = self.document.open_id
        order = list(self.order) or [image.id for image in self.document.images]
        if here is None or here not in gone:
            return
        at = order.index(here) if here in order else 0
        staying = [one for one in (*order[at:], *reversed(order[:at])) if one not in gone]
        if staying:
            self._open(staying[0])
        else:
            self.document.open(None)
            self.focus.clear()
            self.pixels, self.problem = None, ""
            self.image_changed.emit()

    def _follow(self, changes: Sequence[Change]) -> None:
        """Go to where the person's step through the history happened, if nothing of it can be seen here."""
        images = {c.record.image_id for c in changes if isinstance(c.record, Annotation)}
        if len(images) == 1 and self.document.open_id not in images:
            self.go_to(images.pop())

    def _tell_kept(self, meant: Sequence[Change], made: Sequence[Change]) -> None:
        """Say so where what a person has changed was taken away meanwhile, and is kept all the same."""
        before = {c.record.id for c in meant if c.before is not None and isinstance(c.record, Annotation)}
        after = [c.after for c in made if c.before is None and c.record.id in before]
        kept = [one for one in after if isinstance(one, Annotation)]
        if kept:
            self.told.emit(f"{self._names(kept)} was taken away meanwhile; what you made of it is kept.")

    def _refused(self, error: Exception, *, is_open: bool) -> None:
        """An edit could not be written for a reason that waiting will not mend: show what is on disk."""
        self.told.emit(f"The last change was taken back: {error}")
        if is_open:
            self._acts.forget()
            self.reload()

    def _name(self, annotation: Annotation) -> str:
        category = self.document.categories.get(annotation.category_id)
        return category.name if category else "object"

    def _names(self, annotations: Sequence[Annotation]) -> str:
        """What a history line is about: one's name, else how many of which ("3 person", "4 objects")."""
        names = {self._name(annotation) for annotation in annotations}
        if len(annotations) == 1:
            return names.pop()
        return f"{len(annotations)} {names.pop() if len(names) == 1 else 'objects'}"


def _settling(act: Act) -> Callable[[Store], Edit]:
    """What writes an act, and notes on it where in the journal it is."""

    def work(store: Store) -> Edit:
        act.journal_id, made = store.settle(act.edit)
        return made

    return work
