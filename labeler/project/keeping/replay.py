"""Doing again, in a later session or on a copy, what a project did not take: in order, all that fits.

Of an edit each change is taken up that meets what it was made for, whatever became of the rest of the
project meanwhile. What is newer is never overwritten, and nothing is done twice: a change that is there
already is left alone.
"""

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from labeler.core.records import Edit
from labeler.errors import LabelerError
from labeler.project.keeping.rescue_file import RescueFile, Step, covers
from labeler.project.store import Store

logger = logging.getLogger(__name__)


class StepOutcome(Struct, frozen=True):
    """What came of a step."""

    did: bool
    """Whether it is in the journal now, so that an undo would take it back."""
    left: Edit | None = None
    """What of it does not fit."""


class Replay:
    """Which steps were taken up, and which are left out because they, or what they build on, did not fit.

    An undo or redo of an edit that was left out is left out too: it would take back another one.
    """

    def __init__(self) -> None:
        self.dropped: list[Edit] = []
        self.taken = 0
        self._done: list[bool] = []
        """For each step that an undo would take back, the last one last: whether it was taken up."""
        self._undone: list[bool] = []

    def is_void(self, step: Step) -> bool:
        """Whether there is nothing to undo or redo, as the edit it is about was left out."""
        match step:
            case "undo":
                return bool(self._done) and not self._done[-1]
            case "redo":
                return bool(self._undone) and not self._undone[-1]
        return False

    def work(self, step: Step, token: str = "") -> Callable[[Store], StepOutcome]:
        """What does the step, unless the project notes that it has the one of that token."""

        def work(store: Store) -> StepOutcome:
            if token and covers(store.meta("rescued"), token):
                return StepOutcome(did=True)
            return StepOutcome(did=False) if self.is_void(step) else _do(store, step)

        return work

    def note(self, step: Step, outcome: StepOutcome) -> None:
        """A step was taken up, in whole or in part, or refused for good."""
        if step == "undo":
            self._undone.append(self._done.pop() if self._done else outcome.did)
        elif step == "redo":
            self._done.append(self._undone.pop() if self._undone else outcome.did)
        else:
            self._undone.clear()
            self._done.append(outcome.did)
        if outcome.left is not None:
            self.dropped.append(outcome.left)
        self.taken += outcome.did


class TakingUp:
    """What an earlier session could not write is taken up in this one: all that fits.

    `tell` is told, in a sentence, what could not be. `number` says how many steps there are where they are
    of this session: they came between portions of work that was stopped.
    """

    def __init__(
        self, project: Path, rescue: RescueFile, tell: Callable[[str], None], *, number: int = 0
    ) -> None:
        self._project = project
        self._rescue = rescue
        self._tell = tell
        self._left = number
        self._of = (
            "made while labels were taken in that were stopped"
            if number
            else "of an earlier session, not saved then"
        )
        self.replay = Replay()

    def steps(self, store: Store) -> list[tuple[Step, str]]:
        """The steps to do before anything else, each with its token."""
        found: list[tuple[Step, str]] = []
        try:
            found = self._rescue.load(store.meta("rescued"), store.meta("step"))
        except (msgspec.MsgspecError, ValueError):
            self._tell(
                f"Edits of an earlier session that were not saved in {self._project.name} cannot be read. "
                f"They are kept in {self._rescue.put_aside()}."
            )
            return []
        except OSError as error:
            logger.warning("The rescue file %s cannot be read: %s", self._rescue.path, error)
            return []
        if not found:
            self._rescue.discard()
        self._left = len(found)
        return found

    def took(self, step: Step, outcome: StepOutcome) -> None:
        """A step is in the project, as far as it fits."""
        self._settle(step, outcome)

    def refused(self, step: Step, error: Exception) -> None:
        """A step does not fit any more; what does not build on it is taken up all the same."""
        logger.warning("A rescued edit of %s was refused: %s", self._project, error)
        self._settle(step, refusal(step))

    def _settle(self, step: Step, outcome: StepOutcome) -> None:
        self.replay.note(step, outcome)
        self._left -= 1
        dropped = self.replay.dropped
        if self._left or not dropped:
            return
        try:
            self._rescue.keep_aside(dropped)
        except OSError as error:
            logger.warning("Edits of %s could not be put aside: %s", self._project, error)
        number = "1 edit" if len(dropped) == 1 else f"{len(dropped)} edits"
        self._tell(
            f"{number} {self._of}, do not fit {self._project.name} any more; what "
            f"fits was taken up. They are kept: “labeler rescue {self._project}” shows them."
        )


class Since:
    """The steps that no snapshot has yet, each with its revision."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, Step]] = deque()

    def note(self, revision: int, step: Step) -> None:
        """A step was committed as that revision, or as part of it."""
        self._steps.append((revision, step))

    def forget(self, revision: int) -> None:
        """A snapshot has all up to that revision."""
        while self._steps and self._steps[0][0] <= revision:
            self._steps.popleft()

    def do_again(self, store: Store) -> list[Edit]:
        """Bring a snapshot up to what was saved since; gives what did not fit."""
        replay, reached = Replay(), store.revision
        for _, step in [one for one in self._steps if one[0] > reached]:
            try:
                outcome = replay.work(step)(store)
            except LabelerError as error:
                logger.warning("A step after revision %d was refused: %s", reached, error)
                outcome = refusal(step)
            replay.note(step, outcome)
        return replay.dropped


def refusal(step: Step) -> StepOutcome:
    """What comes of a step that was refused as a whole."""
    return StepOutcome(did=False, left=step if isinstance(step, Edit) else None)


def _do(store: Store, step: Step) -> StepOutcome:
    if step == "undo":
        return StepOutcome(did=store.history.undo() is not None)
    if step == "redo":
        return StepOutcome(did=store.history.redo() is not None)
    edit_id, left = store.take_up(step)
    return StepOutcome(did=edit_id != 0, left=left if left.changes else None)
