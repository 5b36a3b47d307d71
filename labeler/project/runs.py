"""The trainings that a project's labels were used for: a row each, whose folder has all the rest."""

from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from labeler import paths
from labeler.errors import LabelerError, ProjectError
from labeler.project.open_file import OpenFile

RunState: TypeAlias = Literal["running", "stopped", "interrupted", "failed", "finished"]

_COLUMNS = "id, folder, name, trainer, images, started, state, finished, metrics, before"


class Run(Struct, frozen=True):
    """What the project remembers of a training, also after its folder is gone."""

    id: int
    """0 until it is stored."""
    folder: str
    """Where it is on this machine, as an absolute path."""
    name: str
    trainer: str
    """The trainer's id."""
    images: int
    """Labelled images that it was started with."""
    started: float
    """Seconds since 1970, UTC."""
    state: RunState = "running"
    """As last heard of: one whose process was killed is still "running" until somebody looks."""
    finished: float | None = None
    """When it came to its end, whichever; None while it has not."""
    metrics: dict[str, float] = {}
    """On its validation images."""
    before: dict[str, float] = {}
    """Those of the model that it would replace, on the same images."""


class Runs:
    """The table of trainings of an open project."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file

    def list(self) -> list[Run]:
        """All of them, newest first."""
        query = f"SELECT {_COLUMNS} FROM run ORDER BY started DESC, id DESC"
        return [_run(row) for row in self._file.db.execute(query)]

    def add(self, run: Run) -> Run:
        """Note a training down; gives it with its id. `ProjectError` where its folder is known already."""
        with self._file.transaction():
            cursor = self._file.db.execute(
                "INSERT INTO run (folder, name, trainer, images, started, state, finished, metrics, before) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                _values(run),
            )
        return msgspec.structs.replace(run, id=int(cursor.lastrowid or 0))

    def update(self, run: Run) -> None:
        """Keep what has become of a training. `ProjectError` where it is not there."""
        with self._file.transaction():
            cursor = self._file.db.execute(
                "UPDATE run SET folder = ?, name = ?, trainer = ?, images = ?, started = ?, state = ?, "
                "finished = ?, metrics = ?, before = ? WHERE id = ?",
                (*_values(run), run.id),
            )
            if not cursor.rowcount:
                raise ProjectError(f"The project has no training {run.id}; it was deleted meanwhile.")

    def remove(self, run_id: int) -> None:
        """Forget a training; its folder is its caller's. Nothing happens where it is not there."""
        with self._file.transaction():
            self._file.db.execute("DELETE FROM run WHERE id = ?", (run_id,))


def _values(run: Run) -> tuple[str | int | float | None, ...]:
    metrics, before = (msgspec.json.encode(one).decode() for one in (run.metrics, run.before))
    return (
        *(run.folder, run.name, run.trainer, run.images, run.started),
        *(run.state, run.finished, metrics, before),
    )


def _run(row: tuple[object, ...]) -> Run:
    """A row as its record; a text of figures that cannot be read counts as none."""
    *plain, metrics, before = row
    fields = dict(zip(_COLUMNS.split(", "), plain, strict=False))
    return msgspec.convert(fields | {"metrics": _figures(metrics), "before": _figures(before)}, Run)


def _figures(text: object) -> dict[str, float]:
    try:
        return msgspec.json.decode(str(text), type=dict[str, float])
    except msgspec.DecodeError:
        return {}


def runs_folder() -> Path:
    """Where the window puts runs."""
    return paths.data_dir() / "runs"


def is_ours(path: Path) -> bool:
    """Whether a folder is one that a run of this window has, whatever a project file says of it."""
    return path.resolve().parent == runs_folder().resolve()


def own_folder(run: Run) -> Path:
    """Where a run is; LabelerError where the project names a folder that is not below our own."""
    path = Path(run.folder)
    if not is_ours(path):
        raise LabelerError(
            f"The project names {path} as the folder of “{run.name}”, which is not below {runs_folder()}, so "
            "it is not read."
        )
    return path
