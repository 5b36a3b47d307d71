"""Labels files into the open project: read and matched beside the thread that saves, then written at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from labeler.core.records import Annotation
from labeler.errors import ImportStoppedError, UnclearIdsError
from labeler.project.keeping.copying import secure, secure_for_import
from labeler.project.portions import Portions
from labeler.project.store import Store

if TYPE_CHECKING:
    from labeler.formats.exchange import ImportPlan
    from labeler.formats.folder_layouts import Layout
    from labeler.formats.report import Report
    from labeler.gui.session.project_link import Ask
    from labeler.gui.session.session import Session

_CHUNK = 100
"""Images whose annotations are asked for at once, so that saving comes in between."""
_TRIES = 3
"""Times that a file is matched anew because edits came meanwhile, before the writer does it itself."""


class LabelsFile(Protocol):
    """A labels file on its way: see `labeler.formats.exchange.Importing`, which is one."""

    labels: Path
    layout: Layout | None
    in_doubt: int

    def look(self, project: Store) -> None: ...
    def read(self, should_stop: Callable[[], bool]) -> None: ...
    def touched(self) -> list[int]: ...
    def plan(self, annotations: Callable[[int], Sequence[Annotation]]) -> ImportPlan: ...
    def carry_out(self, project: Store, plan: ImportPlan) -> Portions[bool]: ...
    def portions(self, project: Store) -> Portions[Report]: ...


class Results(Protocol):
    """A results file on its way: see `labeler.formats.exchange.ImportingResults`, which is one."""

    labels: Path

    def look(self, project: Store) -> None: ...
    def read(self, should_stop: Callable[[], bool]) -> None: ...
    def portions(self, project: Store) -> Portions[Report]: ...


class Few(Struct, frozen=True, eq=False):
    """Few of a file's images were found: what goes on once a person has said what to do."""

    layout: Layout
    go_on: Callable[[], None]


class Doubt(Struct, frozen=True, eq=False):
    """Turned photos of which nothing says in which frame their labels are: what goes on if they are left."""

    photos: int
    go_on: Callable[[], None]


class Importer(QObject):
    """Takes one file after another into the session's project; nothing here waits on the GUI thread."""

    finished = Signal(object)
    """The `Report` of a file that was taken in."""
    failed = Signal(str)
    """One sentence why a file was not."""
    few_found = Signal(object)
    """A `Few`."""
    frame_unclear = Signal(object)
    """A `Doubt`."""
    ids_unclear = Signal(str)
    """One sentence why the ids of results may mean this or that."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._turn = 0
        self._stop = threading.Event()
        self._is_busy = False
        session.project_changed.connect(self.cancel)

    @property
    def is_busy(self) -> bool:
        """Whether a file is on its way; one that was overtaken while it was written is not."""
        return self._is_busy

    def labels(self, source: LabelsFile, *, asking: bool = True) -> None:
        """Take a labels file in; with `asking`, `few_found` comes first where few images are there.

        `frame_unclear` comes before anything is written where that is so.
        """
        turn, stop = self._begin()

        def read(call: Ask) -> None:
            call(source.look)
            source.read(stop.is_set)

        def match() -> None:
            if turn == self._turn:
                self._match(source, turn, stop, _TRIES)

        def go_on() -> None:
            if turn == self._turn and source.in_doubt:
                self.frame_unclear.emit(Doubt(source.in_doubt, match))
            else:
                match()

        def ask(_: object) -> None:
            layout = source.layout
            if turn == self._turn and asking and layout is not None and layout.total and not layout.is_enough:
                self.few_found.emit(Few(layout, go_on))
            else:
                go_on()

        self._session.beside(read, ask, failed=lambda error: self._fail(turn, error))

    def results(self, source: Results) -> None:
        """Take a results file in as the candidates of a model."""
        turn, stop = self._begin()

        project = self._session.project

        def read(call: Ask) -> None:
            call(source.look)
            source.read(stop.is_set)
            _secure(project)

        def write(_: object) -> None:
            if turn == self._turn:
                self._write(turn, source.portions)

        self._session.beside(read, write, failed=lambda error: self._fail(turn, error))

    def cancel(self) -> None:
        """Stop what is being read; nothing of it is written."""
        self._is_busy = False
        self._turn += 1
        self._stop.set()

    def _begin(self) -> tuple[int, threading.Event]:
        self.cancel()
        self._stop = threading.Event()
        self._is_busy = True
        return self._turn, self._stop

    def _match(self, source: LabelsFile, turn: int, stop: threading.Event, tries: int) -> None:
        """Match with what the project has, and have it written, unless edits came in between."""
        project = self._session.project

        def plan(call: Ask) -> ImportPlan:
            # it takes its time with a large project, in which the plan would get old
            _secure(project)
            call(source.look)
            found: dict[int, tuple[Annotation, ...]] = {}
            wanted = source.touched()
            for start in range(0, len(wanted), _CHUNK):
                if stop.is_set():
                    raise ImportStoppedError("Nothing was imported: it was stopped.")
                chunk = wanted[start : start + _CHUNK]
                found |= call(partial(_annotations, ids=chunk))
            return source.plan(lambda image_id: found.get(image_id, ()))

        def write(made: ImportPlan) -> None:
            if turn != self._turn:
                return

            def carry_out(store: Store) -> Portions[Report | None]:
                if (yield from source.carry_out(store, made)):
                    return made.report
                return (yield from source.portions(store)) if tries <= 1 else None

            self._write(turn, carry_out, again=lambda: self._match(source, turn, stop, tries - 1))

        self._session.beside(plan, write, failed=lambda error: self._fail(turn, error))

    def _write(
        self,
        turn: int,
        work: Callable[[Store], Portions[Report] | Portions[Report | None]],
        *,
        again: Callable[[], None] = lambda: None,
    ) -> None:
        def done(report: Report | None) -> None:
            if report is not None:
                self._is_busy &= turn != self._turn
                self.finished.emit(report)
            elif turn == self._turn:
                again()

        self._session.import_file(work, done, secured=True, failed=lambda error: self._fail(turn, error))

    def _fail(self, turn: int, error: Exception) -> None:
        if turn != self._turn or isinstance(error, ImportStoppedError):
            return
        self._is_busy = False
        unclear = isinstance(error, UnclearIdsError)
        (self.ids_unclear if unclear else self.failed).emit(str(error))


def _secure(project: Path | None) -> None:
    """Have the project as it is among the snapshots, beside the thread that saves."""
    if project is not None:
        secure_for_import(project, partial(secure, project))


def _annotations(store: Store, *, ids: Sequence[int]) -> dict[int, tuple[Annotation, ...]]:
    return {image_id: store.annotations(image_id) for image_id in ids}
