"""The history of the project: what is shown at once and written behind it, and the way back and forth.

An edit, an undo and a redo are shown at once and written by the project's writer thread, which answers in
order. Where it had to do something else than was shown, since a run, an import or another step of the history
came first, the screen is corrected when the answer comes: what stands under "saved" is what is on disk.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from labeler.core.records import Annotation, Change, Edit, Image
from labeler.gui.session.acts import Act, Acts
from labeler.gui.session.document import Changed, Document, What
from labeler.gui.session.focus import Focus
from labeler.gui.session.label_reader import LabelReader
from labeler.gui.session.place import Place
from labeler.gui.session.project_link import ProjectLink
from labeler.project.journal import JournalEntry
from labeler.project.keeping.rescue_file import Step
from labeler.project.portions import Portions
from labeler.project.settlement import Tail
from labeler.project.store import Store

T = TypeVar("T")
_log = logging.getLogger(__name__)
_LEARN_AGAIN_MS = 2000


class History(QObject):
    """Does edits and walks through them. All methods are called on the GUI thread and return at once."""

    changed = Signal()
    """Something was done, undone, done again or written, so that other steps may be open."""
    stepped = Signal(str, bool)
    """What an undo took back (True), or what a redo did again (False): the label of the edit."""

    def __init__(
        self,
        document: Document,
        focus: Focus,
        place: Place,
        *,
        link: ProjectLink,
        labels: LabelReader,
        acts: Acts,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._focus = focus
        self._place = place
        self._link = link
        self._labels = labels
        self._acts = acts

    def do(self, label: str, meant: Sequence[Change], made: tuple[Change, ...], *, by: str) -> None:
        """Show an edit, and have it written: what was `meant`, `made` to what is shown now."""
        self._tell_kept(meant, made)
        act = self._acts.do(Edit(label, made))
        self._write(_settling(act), act.edit.changes, by=by, what="edit", step=act.edit)

    # --- steps ------------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would do something."""
        return self._acts.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether `redo` would do something."""
        return self._acts.can_redo

    def undo(self) -> None:
        """Take back the last edit, of whatever image, from before a restart too."""
        if self._link.read_only or not self._acts.can_undo:
            return
        act = self._acts.undo()
        if act is None:
            self._acts.forget(newer=True)
            self._have_done(lambda store: store.history.undo(), told=True, step="undo")
            return
        back = (change.inverse() for change in reversed(act.edit.changes))
        self._step(act, back, lambda store: store.history.undo(act.journal_id), is_undo=True)

    def redo(self) -> None:
        """Do again what was undone last."""
        if self._link.read_only or not self._acts.can_redo:
            return
        act = self._acts.redo()
        if act is None:
            self._acts.forget(older=True)
            self._have_done(lambda store: store.history.redo(), told=False, step="redo")
            return
        self._step(act, act.edit.changes, lambda store: store.history.redo(act.journal_id), is_undo=False)

    def go_back_to(self, edit_id: int) -> None:
        """Undo or redo until that edit is the last one done; 0 undoes everything."""

        def go(store: Store) -> Edit:
            edits = store.history.go_back_to(edit_id)
            return Edit("", tuple(change for edit in edits for change in edit.changes))

        if not self._link.read_only:
            self._acts.forget(older=True, newer=True)
            self._have_done(go)

    def restore_image(self, edit_id: int) -> None:
        """Take the open image back to what it was right after an edit, as one new edit."""
        image_id = self._document.open_id
        if image_id is not None:
            self.have_made(lambda store: store.history.restored(image_id, edit_id))

    def journal(
        self, done: Callable[[list[JournalEntry]], None], *, limit: int = 500, image_id: int | None = None
    ) -> None:
        """Read the journal, newest first, and hand it to `done` soon."""
        self._link.read(lambda store: store.history.entries(limit=limit, image_id=image_id), done)

    # --- what the writer does ---------------------------------------------------------------------

    def have_made(self, make: Callable[[Store], Edit]) -> None:
        """Have the writer make an edit from all that is saved, and apply it before anything else comes."""

        def work(store: Store) -> Edit:
            edit = make(store)
            if edit.changes:
                store.apply(edit)
            return edit

        if self._link.read_only:
            self._link.told.emit(f"Nothing was changed. {self._link.read_only}")
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
        here, number = self._document.open_id, self._link.asked + 1

        def follow(edit: Edit | None) -> None:
            if edit is not None and told is not None:
                self.stepped.emit(edit.label, told)
            stayed = (self._document.open_id, self._link.asked) == (here, number)
            if edit is not None and follows and stayed:
                self._follow(edit.changes)

        self._write(work, (), by="history", what="history", step=step, done=follow)

    def _step(
        self, act: Act, changes: Iterable[Change], work: Callable[[Store], Edit | None], *, is_undo: bool
    ) -> None:
        """Show a step through the history at once, and have it written."""
        shown = tuple(change for one in changes if (change := self._document.now(one)) is not None)

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
        turn = acts.turn
        acts.show(number, shown)
        self._show(shown, by, what)
        self.changed.emit()

        def compared(store: Store) -> tuple[bool, Edit | None]:
            made = work(store)
            return (made.changes if made is not None else ()) == shown, made

        def take(answer: tuple[bool, Edit | None]) -> None:
            if turn == acts.turn:
                self._take_answer(number, *answer, by)
                done(answer[1])

        def refuse(error: Exception) -> None:
            acts.answered(number)
            self._refused(error, is_open=turn == acts.turn)

        self._link.write(compared, take, failed=refuse, step=step)

    def write_unseen(
        self,
        work: Callable[[Store], T | Portions[T]],
        done: Callable[[T], None],
        *,
        failed: Callable[[Exception], None],
    ) -> None:
        """Have something written after which everything is read anew, such as an import; not after None."""
        self._acts.forget(older=True, newer=False)

        def show(value: T) -> None:
            if value is not None:
                self._link.reload()
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
            self._labels.read()
        if not same or acts.runs_short:
            self._learn()
        self.changed.emit()

    def _learn(self) -> None:
        """Read the end of the journal again, until nothing is asked of the writer meanwhile.

        Also the counts of images on which the writer did something else than was shown.
        Where it cannot be read, as on a disk that is away, it is tried again later; until then undo and redo
        are left to the writer.
        """
        acts, number = self._acts, self._link.asked
        if acts.learning:
            return
        acts.learning, turn = True, acts.turn
        images = frozenset(acts.miscounted)

        def take(found: tuple[Tail, dict[int, dict[int, int]]]) -> None:
            if turn != acts.turn:
                return
            acts.learning = False
            tail, counts = found
            if number == self._link.asked and images == acts.miscounted:
                acts.learn(tail)
                acts.miscounted.clear()
                if others := self._document.recount(images, counts):
                    self._document.images_changed.emit(others)
                self.changed.emit()
            else:
                self._learn()

        def later(error: Exception) -> None:
            _log.warning("The end of the journal cannot be read: %s", error)
            if turn == acts.turn:
                acts.learning = False
            QTimer.singleShot(_LEARN_AGAIN_MS, self, lambda: self._learn() if turn == acts.turn else None)

        self._link.keep(
            lambda store: (store.history.tail(), store.annotation_counts(images)), take, failed=later
        )

    def _show(self, changes: tuple[Change, ...], by: str, what: What) -> None:
        if not changes:
            return
        self._place.leave({c.record.id for c in changes if isinstance(c.record, Image) and c.after is None})
        touched = self._document.absorb(changes)
        self._focus.follow(changes)
        self._document.changed.emit(Changed.of(changes, by, what))
        self._focus.selection_changed.emit()
        if touched:
            self._document.images_changed.emit(touched)

    def _follow(self, changes: Sequence[Change]) -> None:
        """Go to where the person's step through the history happened, if nothing of it can be seen here."""
        images = {c.record.image_id for c in changes if isinstance(c.record, Annotation)}
        if len(images) == 1 and self._document.open_id not in images:
            self._place.go_to(images.pop())

    def _tell_kept(self, meant: Sequence[Change], made: Sequence[Change]) -> None:
        """Say so where what a person has changed was taken away meanwhile, and is kept all the same."""
        before = {c.record.id for c in meant if c.before is not None and isinstance(c.record, Annotation)}
        after = [c.after for c in made if c.before is None and c.record.id in before]
        kept = [one for one in after if isinstance(one, Annotation)]
        if kept:
            self._link.told.emit(
                f"{self._document.names(kept)} was taken away meanwhile; what you made of it is kept."
            )

    def _refused(self, error: Exception, *, is_open: bool) -> None:
        """An edit could not be written for a reason that waiting will not mend: show what is on disk."""
        self._link.told.emit(f"The last change was taken back: {error}")
        if is_open:
            self._acts.forget()
            self._link.reload()


def _settling(act: Act) -> Callable[[Store], Edit]:
    """What writes an act, and notes on it where in the journal it is."""

    def work(store: Store) -> Edit:
        act.journal_id, made = store.settle(act.edit)
        return made

    return work
