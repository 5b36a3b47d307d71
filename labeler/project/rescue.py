"""Edits that could not be written to the project, kept in the user's data folder until they can be."""

import contextlib
import hashlib
import os
import uuid
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from labeler.core.records import Change, Edit, Record
from labeler.paths import data_dir
from labeler.project import snapshots
from labeler.project.rows import TABLES, table_of

Step: TypeAlias = Edit | Literal["undo", "redo"]
"""What can be written down and done later: an edit, or a step through the history."""


class _Line(Struct, frozen=True):
    number: int
    step: Literal["edit", "undo", "redo"]
    label: str = ""
    changes: list[tuple[str, bytes | None, bytes | None]] = []
    """Kind, and both sides as msgpack of their rows."""


class RescueFile:
    """The rescue file of one project: JSON lines, each with a number so that none is done twice."""

    def __init__(self, project: Path) -> None:
        mark = hashlib.sha256(os.fsencode(project.resolve())).hexdigest()[:12]
        self.path = data_dir() / "rescue" / f"{project.stem}-{mark}.jsonl"
        self._number = 0
        self.name = uuid.uuid4().hex

    def append(self, step: Step) -> str:
        """Write a step down durably; gives the token that says it is done once it is in the project."""
        self._number += 1
        is_new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            if is_new:
                file.write(msgspec.json.encode(self.name) + b"\n")
            file.write(msgspec.json.encode(_line(self._number, step)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            snapshots.sync_folder(self.path.parent)
        return f"{self.name}:{self._number}"

    def discard(self) -> None:
        """All of it is in the project: the file goes, and the next one has another name."""
        # a file that stays does no harm: the project says that all of it is done
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.name, self._number = uuid.uuid4().hex, 0

    def put_aside(self) -> Path:
        """Keep the file under another name for a person to look at; gives its path."""
        aside = self.path.with_name(f"{self.path.stem}-{self.name}.jsonl")
        try:
            self.path.replace(aside)
        except OSError:
            aside = self.path
        self.name, self._number = uuid.uuid4().hex, 0
        return aside

    def load(self, done: str) -> list[tuple[Step, str]]:
        """The steps of an earlier session that the token `done` does not cover, each with its token.

        A last line that was cut short was never counted as safe and is left out. Raises
        `msgspec.MsgspecError` where the file is no rescue file.
        """
        if not self.path.exists():
            return []
        head, *lines = self.path.read_bytes().split(b"\n")
        self.name = msgspec.json.decode(head, type=str)
        whole = [msgspec.json.decode(line, type=_Line) for line in lines[:-1]]
        self._number = max((line.number for line in whole), default=0)
        name, _, number = done.partition(":")
        covered = int(number) if name == self.name else 0
        return [(_step(line), f"{self.name}:{line.number}") for line in whole if line.number > covered]


def _line(number: int, step: Step) -> _Line:
    if not isinstance(step, Edit):
        return _Line(number, step)
    changes = [
        (table_of(change.record).name, _packed(change.before), _packed(change.after))
        for change in step.changes
    ]
    return _Line(number, "edit", step.label, changes)


def _step(line: _Line) -> Step:
    if line.step != "edit":
        return line.step
    changes = (Change(_record(kind, before), _record(kind, after)) for kind, before, after in line.changes)
    return Edit(line.label, tuple(changes))


def _packed(record: Record | None) -> bytes | None:
    return None if record is None else msgspec.msgpack.encode(table_of(record).to_row(record))


def _record(kind: str, data: bytes | None) -> Record | None:
    return None if data is None else TABLES[kind].from_row(msgspec.msgpack.decode(data))
