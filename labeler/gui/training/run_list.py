"""The runs of the open project as the window knows them: rows of its table, and what their folders say."""

import logging
import time
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from labeler.errors import LabelerError
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.training import files
from labeler.gui.training.course import Course
from labeler.gui.training.files import ReadRun
from labeler.project.runs import Run, is_ours
from labeler.training.run import Outcome, RunFolder

_log = logging.getLogger(__name__)


class RunList(QObject):
    """Lists runs, reads them on threads, and keeps what becomes of them. All methods return at once."""

    changed = Signal()
    """Another list, or another state of a run."""
    read = Signal(int)
    """The id of a run whose course and figures are known now, or again."""
    told = Signal(str)
    """What did not work, in a sentence."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._courier = Courier(self)
        self._read: dict[int, ReadRun] = {}
        self._reading: set[int] = set()
        self.runs: list[Run] = []
        """Newest first."""
        self.live_folder = ""
        """Of the run that goes on in this window."""
        session.project_changed.connect(self.load)
        self.load()

    def find(self, run_id: int) -> Run | None:
        """A run of the list."""
        return next((run for run in self.runs if run.id == run_id), None)

    def course_of(self, run_id: int) -> Course | None:
        """The course of a run as its folder had it; `look_at` has it read."""
        known = self._read.get(run_id)
        return known.course if known is not None else None

    def outcome_of(self, run_id: int) -> Outcome | None:
        """The final figures of a run, if they are known."""
        known = self._read.get(run_id)
        return known.outcome if known is not None else None

    def folder_of(self, run_id: int) -> RunFolder | None:
        """The folder of a run, if it was read."""
        known = self._read.get(run_id)
        return known.folder if known is not None else None

    def look_at(self, run_ids: Iterable[int]) -> None:
        """Read the courses of runs that were not read yet; `read` follows for each that can be."""
        for run in [run for run in map(self.find, run_ids) if run is not None]:
            if run.id not in self._read.keys() | self._reading and run.folder != self.live_folder:
                self._reading.add(run.id)
                run_in_pool(
                    lambda run=run: files.read_run(run),  # type: ignore[misc]
                    courier=self._courier,
                    done=self.take,
                    failed=lambda error, run=run: self._cannot_read(run, error),  # type: ignore[misc]
                )

    def take(self, found: ReadRun) -> None:
        """What a run's folder says is known now."""
        self._reading.discard(found.run.id)
        known = self.find(found.run.id)
        if known is not None and known.folder == found.run.folder:
            self._read[found.run.id] = found
            self.read.emit(found.run.id)

    def _cannot_read(self, run: Run, error: Exception) -> None:
        self._reading.discard(run.id)
        _log.info("%s cannot be read: %s", run.folder, error)
        if not is_ours(Path(run.folder)):
            self.tell(error)

    def add(self, run: Run) -> None:
        """Show a run that was stored just now."""
        self.runs.insert(0, run)
        self.changed.emit()

    def update(self, run: Run) -> None:
        """Show a run as it is now, and have the project keep that.

        One of a project that was open before is left alone: what became of it is found out when that is
        opened again.
        """
        known = self.find(run.id)
        if known is None or known.folder != run.folder:
            return
        self.runs = [run if one.id == run.id else one for one in self.runs]
        self.changed.emit()
        if not self._session.read_only:
            self._session.keep(
                lambda store: store.runs.update(run),
                lambda _: None,
                failed=lambda error: _log.info("%s", error),
            )

    def forget_read(self, run_id: int) -> None:
        """What its folder said holds no longer."""
        self._read.pop(run_id, None)

    def delete(self, run_ids: Iterable[int]) -> None:
        """Delete runs with their folders; one that is going on stays. Models made by them stay too."""
        for run in [run for run in map(self.find, run_ids) if run is not None]:
            if run.folder != self.live_folder:
                run_in_pool(
                    lambda run=run: files.delete_run(run),  # type: ignore[misc]
                    courier=self._courier,
                    done=lambda left, run=run: self._forget(run, left),  # type: ignore[misc]
                    failed=self.tell,
                )

    def _forget(self, run: Run, left: str) -> None:
        if left:
            self.told.emit(left)
        known = self.find(run.id)
        if known is None or known.folder != run.folder:  # of a project that was open before
            return
        self.runs = [one for one in self.runs if one.id != run.id]
        self._read.pop(run.id, None)
        self._session.keep(lambda store: store.runs.remove(run.id), lambda _: None, failed=self.tell)
        self.changed.emit()

    def tell(self, error: Exception) -> None:
        """Say what did not work."""
        self.told.emit(sentence_of(error))

    # --- another project --------------------------------------------------------------------------

    def load(self) -> None:
        """List the runs of the project that is open."""
        self.runs, self._read, self._reading = [], {}, set()
        self.changed.emit()
        project = self._session.project
        if project is not None:
            self._session.ask(lambda store: store.runs.list(), lambda listed: self._show(project, listed))

    def _show(self, project: Path, listed: list[Run]) -> None:
        """Show the runs, and find out what became of those that were going on when the program ended."""
        if project != self._session.project:
            return
        self.runs = listed
        self.changed.emit()
        for run in listed:
            if run.state == "running" and run.folder != self.live_folder:
                run_in_pool(
                    lambda run=run: files.looked_after(run),  # type: ignore[misc]
                    courier=self._courier,
                    done=self._take_end,
                    failed=self.tell,
                )
        self.look_at(run.id for run in listed if run.state == "finished")

    def _take_end(self, run: Run) -> None:
        if run.state != "running":  # else another program trains there
            self.update(replace(run, finished=run.finished or time.time()))


def sentence_of(error: Exception) -> str:
    """An exception as a person is told of it."""
    return str(error) if isinstance(error, LabelerError) else f"{type(error).__name__}: {error}"
