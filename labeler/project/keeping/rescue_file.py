"""Edits that could not be written to the project, kept in the user's data folder until they can be."""

import contextlib
import hashlib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from labeler.core.files import atomic_write, sync_folder
from labeler.core.records import Change, Edit, Record
from labeler.paths import data_dir
from labeler.project.table_rows import TABLES, table_of

Step: TypeAlias = Edit | Literal["undo", "redo"]
"""What can be written down and done later: an edit, or a step through the history."""


class _Line(Struct, frozen=True):
    number: int
    step: Literal["edit", "undo", "redo"]
    label: str = ""
    changes: list[tuple[str, bytes | None, bytes | None]] = []
    """Kind, and both sides as msgpack of their rows."""
    token: str = ""
    """What the project has noted if the step is in it, though its commit seemed to fail."""


class RescueFile:
    """The rescue file of one project: JSON lines, each with a number so that none is done twice."""

    def __init__(self, project: Path) -> None:
        self._stem = f"{project.stem}-{_mark(project)}"
        self.path = _folder() / f"{self._stem}.jsonl"
        self._number = 0
        self.name = uuid.uuid4().hex
        self._is_whole = True
        """Whether what is in the file ends with a whole line."""

    def append(self, step: Step, token: str) -> str:
        """Write a step down durably; gives the token that says it is done once it is in the project.

        `token` is what the project notes with the step's first try, whose failure may have come too late.
        """
        self._number += 1
        is_new = not self.path.exists()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                if not self._is_whole:
                    file.write(b"\n")
                if file.tell() == 0:
                    file.write(msgspec.json.encode(self.name) + b"\n")
                self._is_whole = False
                file.write(msgspec.json.encode(_line(self._number, step, token)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self._is_whole = True
        except OSError:
            if is_new:
                # nothing is safe in it, so it must not say to the next session that something is
                self.discard()
            raise
        if is_new:
            sync_folder(self.path.parent)
        return f"{self.name}:{self._number}"

    def discard(self) -> None:
        """All of it is in the project: the file goes, and the next one has another name."""
        # a file that stays does no harm: the project says that all of it is done
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.name, self._number, self._is_whole = uuid.uuid4().hex, 0, True

    def put_aside(self) -> Path:
        """Keep a file that cannot be read under another name for a person to look at; gives its path."""
        aside = self.path.with_name(f"{self._stem}-{uuid.uuid4().hex}.jsonl")
        try:
            self.path.replace(aside)
        except OSError:
            aside = self.path
        self.discard_name()
        return aside

    def discard_name(self) -> None:
        """Go on in a new file, under a new name."""
        self.name, self._number, self._is_whole = uuid.uuid4().hex, 0, True

    def keep_aside(self, edits: Sequence[Edit]) -> Path:
        """Write edits that do not fit to a file for `put_aside_edits`; gives its path."""
        aside = self.path.with_name(f"{self._stem}-{uuid.uuid4().hex}.jsonl")
        aside.parent.mkdir(parents=True, exist_ok=True)
        lines = [_line(number, edit, "") for number, edit in enumerate(edits, start=1)]
        head = msgspec.json.encode(aside.stem)
        atomic_write(aside, b"\n".join((head, *map(msgspec.json.encode, lines), b"")))
        return aside

    def load(self, done: str, last: str) -> list[tuple[Step, str]]:
        """The steps of an earlier session that are not in the project, each with its token.

        `done` is the token of the last step that was taken from this file, `last` that of the last step of
        any. A line that was cut short was never counted as safe and is left out, and so is an empty file.
        Raises `msgspec.MsgspecError` where the file is no rescue file.
        """
        if not self.path.exists():
            return []
        head, lines = _read(self.path)
        if not head:
            return []
        self.name, self._number = head, max((line.number for line in lines), default=0)
        self._is_whole = False
        name, _, number = done.partition(":")
        covered = int(number) if name == head else 0
        covered = max([covered, *(line.number for line in lines if line.token and line.token == last)])
        # a line whose flush failed is there twice
        due = {line.token or line.number: line for line in lines if line.number > covered}
        return [(_step(line), f"{head}:{line.number}") for line in due.values()]


def covers(done: str, token: str) -> bool:
    """Whether a project that notes `done` as the last step from a rescue file has the one of that token."""
    (name, _, number), (other, _, later) = done.partition(":"), token.partition(":")
    return bool(name) and name == other and int(later) <= int(number)


def put_aside_files(project: Path) -> list[Path]:
    """The files of edits that did not fit a project, oldest first."""
    folder, stem = _folder(), f"{project.stem}-{_mark(project)}-"
    found = [path for path in folder.glob("*.jsonl") if path.name.startswith(stem)] if folder.is_dir() else []
    return sorted(found, key=lambda path: path.stat().st_mtime)


def put_aside_edits(file: Path) -> list[Edit]:
    """The edits in such a file; raises `msgspec.MsgspecError`, `ValueError` or `OSError` for another one."""
    return [step for step in map(_step, _read(file)[1]) if isinstance(step, Edit)]


def _folder() -> Path:
    return data_dir() / "rescue"


def _mark(project: Path) -> str:
    return hashlib.sha256(os.fsencode(project.resolve())).hexdigest()[:12]


def _read(file: Path) -> tuple[str, list[_Line]]:
    """The name and the whole lines of a file; ("", []) for one without a whole first line.

    A line that a failed write left unfinished is left out wherever it stands: it was never counted as safe.
    """
    head, *lines = file.read_bytes().split(b"\n")
    if not lines:
        # an intact but unfinished head is a string; anything else is somebody else's file
        if head and not head.startswith(b'"'):
            msgspec.json.decode(head, type=str)
        return "", []
    name = msgspec.json.decode(head, type=str)
    whole = lines[:-1]
    found = []
    for line in whole:
        try:
            found.append(msgspec.json.decode(line, type=_Line))
        except msgspec.DecodeError:
            if not line.startswith(b'{"number":') or line.endswith(b"}"):
                raise
    return name, found


def _line(number: int, step: Step, token: str) -> _Line:
    if not isinstance(step, Edit):
        return _Line(number, step, token=token)
    changes = [
        (table_of(change.record).name, _packed(change.before), _packed(change.after))
        for change in step.changes
    ]
    return _Line(number, "edit", step.label, changes, token)


def _step(line: _Line) -> Step:
    if line.step != "edit":
        return line.step
    changes = (Change(_record(kind, before), _record(kind, after)) for kind, before, after in line.changes)
    return Edit(line.label, tuple(changes))


def _packed(record: Record | None) -> bytes | None:
    return None if record is None else msgspec.msgpack.encode(table_of(record).to_row(record))


def _record(kind: str, data: bytes | None) -> Record | None:
    return None if data is None else TABLES[kind].from_row(msgspec.msgpack.decode(data))
