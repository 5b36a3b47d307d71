"""Doing again, in a later session or on a copy, what a project did not take: in order, all that fits."""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from labeler.core.records import Edit
from labeler.project.rescue import RescueFile, Step
from labeler.project.store import Store

logger = logging.getLogger(__name__)


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

    def work(self, step: Step) -> Callable[[Store], object]:
        """What does the step."""

        def do(store: Store) -> object:
            return None if self.is_void(step) else work_of(step)(store)

        return do

    def note(self, step: Step, *, took: bool) -> None:
        """A step was taken up, or refused for good."""
        if step == "undo":
            self._undone.append(self._done.pop() if self._done else took)
        elif step == "redo":
            self._done.append(self._undone.pop() if self._undone else took)
        else:
            self._undone.clear()
            self._done.append(took)
            if not took:
                self.dropped.append(step)
        self.taken += took


class TakingUp:
    """What an earlier session could not write is taken up in this one: all that fits.

    `tell` is told, in a sentence, what could not be.
    """

    def __init__(self, project: Path, rescue: RescueFile, tell: Callable[[str], None]) -> None:
        self._project = project
        self._rescue = rescue
        self._tell = tell
        self._left = 0
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

    def took(self, step: Step, _: object) -> None:
        """A step is in the project."""
        self._settle(step, took=not self.replay.is_void(step))

    def refused(self, step: Step, error: Exception) -> None:
        """A step does not fit any more; what does not build on it is taken up all the same."""
        logger.warning("A rescued edit of %s was refused: %s", self._project, error)
        self._settle(step, took=False)

    def _settle(self, step: Step, *, took: bool) -> None:
        self.replay.note(step, took=took)
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
            f"{number} of an earlier session, not saved then, do not fit {self._project.name} any more; what "
            f"fits was taken up. They are kept: “labeler rescue {self._project}” shows them."
        )


def work_of(step: Step) -> Callable[[Store], object]:
    """What does a step in an open project."""
    if step == "undo":
        return Store.undo
    if step == "redo":
        return Store.redo
    edit = step
    return lambda store: store.apply(edit)
