"""The history of an open project: undo, redo, and the way back to an earlier state."""

from collections.abc import Iterator

from labeler.core.records import Edit
from labeler.errors import ProjectError
from labeler.project import journal, settlement
from labeler.project.journal import JournalEntry
from labeler.project.open_file import OpenFile
from labeler.project.past_work import PastChange, past_edits


class History:
    """The edits of an open project; `Store.history` gives it.

    Every method that writes is one transaction, or part of the one that the store's caller has opened.
    """

    def __init__(self, file: OpenFile) -> None:
        self._file = file

    def entries(self, *, limit: int = 500, image_id: int | None = None) -> list[JournalEntry]:
        """The newest edits first, of one image or of all."""
        return journal.entries(self._file.db, limit=limit, image_id=image_id)

    def can_undo(self) -> bool:
        """Whether `undo` would do something."""
        return journal.last_done(self._file.db) != 0

    def can_redo(self) -> bool:
        """Whether `redo` would do something."""
        return journal.first_undone(self._file.db) != 0

    def undo(self, expected: int = 0) -> Edit | None:
        """Take back the last edit done; gives the inverse edit that was applied, None if there is none.

        With `expected`, the id of an edit, nothing is done where another one is the last.
        """
        with self._file.transaction():
            return self._step(journal.last_done(self._file.db), expected, forward=False)

    def redo(self, expected: int = 0) -> Edit | None:
        """Do the last undone edit again; gives the edit that was applied, None if there is none.

        With `expected`, the id of an edit, nothing is done where another one is next.
        """
        with self._file.transaction():
            return self._step(journal.first_undone(self._file.db), expected, forward=True)

    def tail(self) -> settlement.Tail:
        """The end of the journal, by which a window can undo at once."""
        return settlement.tail(self._file.db)

    def go_back_to(self, edit_id: int) -> tuple[Edit, ...]:
        """Undo or redo, in one transaction, until that edit is the last one done; 0 undoes all.

        Gives the edits as applied. An abandoned edit is not on the way: `ProjectError`; `restored` can
        still look at it.
        """
        with self._file.transaction():
            if edit_id and journal.state_of(self._file.db, edit_id) == "abandoned":
                raise ProjectError(
                    "Other edits were made instead of this one, so the project cannot go back to it."
                )
            applied = []
            while (last := journal.last_done(self._file.db)) > edit_id:
                applied.append(self._play(last, forward=False))
            while (following := journal.first_undone(self._file.db)) and following <= edit_id:
                applied.append(self._play(following, forward=True))
            return tuple(applied)

    def past(self) -> Iterator[tuple[PastChange, ...]]:
        """What was done to annotations and candidates, edit by edit; see `past_work.past_edits`."""
        return past_edits(self._file.db)

    def restored(self, image_id: int, edit_id: int) -> Edit:
        """An edit, not yet applied, that takes one image back to what it was right after an edit.

        Without changes where the image is so already.
        """
        return journal.restored(self._file.db, image_id, edit_id)

    def _step(self, edit_id: int, expected: int, *, forward: bool) -> Edit | None:
        return self._play(edit_id, forward=forward) if edit_id and expected in (0, edit_id) else None

    def _play(self, edit_id: int, *, forward: bool) -> Edit:
        self._file.assert_as_saved("change", "WHERE edit_id = ?", edit_id)
        return journal.play(self._file.db, edit_id, forward=forward, midway=self._file.at_mid_action)
