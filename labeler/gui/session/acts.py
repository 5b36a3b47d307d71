"""What the window knows of the acts of a person: which are on their way to the disk, which can be undone."""

from collections.abc import Iterator
from typing import NamedTuple

from labeler.core.rebase import net
from labeler.core.records import Change, Edit
from labeler.project.settlement import Tail

_KEPT = 500
"""Acts that can be undone at once; those before are read from the journal when they are asked for."""


class Act:
    """An edit that was done, and its id in the journal once it is there."""

    def __init__(self, edit: Edit, journal_id: int = 0) -> None:
        self.edit = edit
        self.journal_id = journal_id
        """Set on the writer's thread; 0 before, and for what was not written."""


class ShownChanges(NamedTuple):
    """Changes that the screen shows, and the writer has not answered yet."""

    number: int
    changes: tuple[Change, ...]


class Acts:
    """The end of the journal, newest last, and what is shown ahead of the disk.

    What the writer is asked for is numbered (`ProjectLink.asked`), and it answers in that order: what was
    read at some number has all that was shown up to it, and what was shown `after` it has no answer yet.
    """

    def __init__(self) -> None:
        self.turn = 0
        """Another one with every project: what was asked for in an earlier one is of no use any more."""
        self.begin(Tail())

    def begin(self, tail: Tail) -> None:
        """Another project is open, or none; that is the end of its journal."""
        self.turn += 1
        self.learning = False
        """Whether the end of the journal is being read."""
        self.miscounted: set[int] = set()
        """Images on which something else was done than shown: what was counted on them is counted again."""
        self._shown: list[ShownChanges] = []
        self.learn(tail)

    # --- undo and redo ----------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to take back."""
        return bool(self._done) or self._older

    @property
    def can_redo(self) -> bool:
        """Whether there is anything to do again."""
        return bool(self._undone) or self._newer

    @property
    def runs_short(self) -> bool:
        """Whether there is more to undo than is known, and little of what is known is left."""
        return self._older and len(self._done) < 5

    def do(self, edit: Edit) -> Act:
        """An edit is the last one done from now on."""
        act = Act(edit)
        self._done.append(act)
        if len(self._done) > _KEPT:
            del self._done[0]
            self._older = True
        self._undone.clear()
        self._newer = False
        return act

    def undo(self) -> Act | None:
        """The last act, taken back from now on; None where only the journal knows it."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1]

    def redo(self) -> Act | None:
        """The last act taken back, done again from now on; None where only the journal knows it."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]

    def forget(self, *, older: bool | None = None, newer: bool | None = None) -> None:
        """Something happens to the journal that only it knows; until it is learnt, all steps ask it.

        `older` and `newer` say whether there may be something to undo and to redo then, as before if None.
        """
        self._older = self.can_undo if older is None else older
        self._newer = self.can_redo if newer is None else newer
        self._done.clear()
        self._undone.clear()

    def learn(self, tail: Tail) -> None:
        """Take in the end of the journal, when nothing was asked of the writer since it was read."""
        self._done: list[Act] = [Act(edit, journal_id) for journal_id, edit in tail.done]
        self._undone: list[Act] = []
        self._older, self._newer = tail.older, tail.undone

    # --- ahead of the disk ------------------------------------------------------------------------

    def show(self, number: int, changes: tuple[Change, ...]) -> None:
        """These are shown, and are what the writer is asked for under that number."""
        self._shown.append(ShownChanges(number, changes))

    def after(self, number: int) -> Iterator[Change]:
        """What was shown later, in order: to be shown on top of what was read at that number."""
        return (change for shown in self._shown if shown.number > number for change in shown.changes)

    def answered(self, number: int) -> tuple[Change, ...]:
        """The writer has answered; gives what it was asked to do, as it was shown."""
        found = [shown for shown in self._shown if shown.number == number]
        self._shown = [shown for shown in self._shown if shown.number != number]
        return found[0].changes if found else ()

    def corrected(
        self, number: int, shown: tuple[Change, ...], made: tuple[Change, ...]
    ) -> tuple[Change, ...]:
        """The changes that show what was made in place of what was `shown`, under all that came later."""
        later = tuple(self.after(number))
        back = [change.inverse() for change in reversed((*shown, *later))]
        return net((*back, *made, *later))
