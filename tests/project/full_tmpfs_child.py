"""Works with a project on a disk that is really full, and says in JSON what went wrong, by scene.

Arguments: a folder on a small disk of its own, and "apart" where the person's home is on another disk, "too"
where it is on this one. Each problem is a sentence; an empty list is good.
"""

import json
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from msgspec.structs import replace
from project_model import ProjectModel, prepare, state

from labeler.core.records import Annotation
from labeler.errors import LabelerError, ProjectError
from labeler.project.keeping import copying, snapshots
from labeler.project.keeping.snapshots import DamagedProjectError
from labeler.project.store import Store
from labeler.project.writer import Writer
from labeler.training.labels_out import Order, deliver
from labeler.training.run import RunFolder, RunSpec

BEFORE, WHILE = 30, 60
PROMPT = 30.0
"""Seconds after which what does not answer never will."""


class Filler:
    """A file that takes all the room that is left."""

    def __init__(self, disk: Path) -> None:
        self.path = disk / "filler"

    def fill(self) -> None:
        """Not a byte is left after this."""
        with self.path.open("ab", buffering=0) as file:
            for size in (1 << 16, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def go(self) -> None:
        self.path.unlink()


class Exportable(ProjectModel):
    """Its texts are such as a labels file can hold."""

    @staticmethod
    def _changed(annotation: Annotation, rng: random.Random) -> Annotation | None:
        changed = ProjectModel._changed(annotation, rng)
        return None if changed is None else replace(changed, attributes={"n": rng.random()})


class Scenes:
    """One project, and what a person does with it before, while and after its disk is full."""

    def __init__(self, disk: Path, *, home_too: bool) -> None:
        self.filler = Filler(disk)
        self.home_too = home_too
        self.folder = disk / "photos"
        self.folder.mkdir()
        for name in "abc":
            cv2.imwrite(str(self.folder / f"{name}.jpg"), np.full((30, 40, 3), 99, np.uint8))
        self.project = self.folder / "labels.labeler"
        self.other = self.folder / "other.labeler"
        """Another project, which will be damaged."""
        self.out = disk / "out.json"
        self.run = disk / "runs" / "first"
        self.told: list[str] = []
        self.done: list[object] = []
        self.failed: list[str] = []
        self.let_go: Writer | None = None
        """That of an opening while the disk was full, which may still finish."""
        self.model = Exportable(5)
        self.writer = self.open()

    def open(self) -> Writer:
        return Writer.open(self.project, on_trouble=self.told.append, on_told=self.told.append)

    def edit(self, number: int) -> None:
        failed = lambda error: self.failed.append(str(error))  # noqa: E731
        for _ in range(number):
            match self.model.step():
                case "undo":
                    self.writer.undo(self.done.append, failed)
                case "redo":
                    self.writer.redo(self.done.append, failed)
                case edit:
                    self.writer.apply(edit, self.done.append, failed)

    def before(self) -> Iterator[str]:
        """There is room: edits are saved, a snapshot and an export are made."""
        self.writer.call(prepare)
        self.edit(BEFORE)
        snapshot = self.writer.call(lambda store: store.securing.snapshot())
        self.other.write_bytes(snapshot.read_bytes())
        copying.take(self.other)
        deliver(self.project, Order(self.out))
        self.exported = self.out.read_bytes()
        if len(self.done) != BEFORE:
            yield f"{len(self.done)} of {BEFORE} edits are saved"

    def editing(self) -> Iterator[str]:
        """Edits wait, and it is said where they are."""
        self.filler.fill()
        self.edit(WHILE)
        if not answers(lambda: self.told):
            yield "nothing was said"
        kept = "They are only in memory" if self.home_too else "They are safe in"
        if self.told and not ("the disk is full" in self.told[-1] and kept in self.told[-1]):
            yield f"“{self.told[-1]}” was said"
        if self.failed:
            yield f"refused: {self.failed}"
        self.saved = len(self.done)
        if not self.saved < BEFORE + WHILE:
            yield "there was room for all edits"

    def snapshot(self) -> Iterator[str]:
        """No snapshot is made, those there are stay, and none is half there."""
        folder = snapshots.folder_to_write(self.project)
        had = content(folder)
        try:
            copying.secure_for_import(self.project, lambda: copying.take(self.project))
            yield "a snapshot was made, for which there was no room"
        except ProjectError as error:
            yield from unclear(error)
        if content(folder) != had:
            yield "the folder of snapshots is not what it was"

    def export(self) -> Iterator[str]:
        """It is refused in a sentence, and the old file stays."""
        had = names(self.out.parent)
        yield from refused(lambda: deliver(self.project, Order(self.out, over=None)))
        if self.out.read_bytes() != self.exported:
            yield "the old export is not what it was"
        if names(self.out.parent) - had:
            yield f"left over: {names(self.out.parent) - had}"

    def run_folder(self) -> Iterator[str]:
        """It is refused in a sentence, and nothing is left that looks like a run."""
        yield from refused(lambda: RunFolder.create(self.run, RunSpec("small", "First")))
        if self.run.exists():
            yield f"{self.run} is left"

    def closing(self) -> Iterator[str]:
        """What could not be saved is said, edit by edit and as a whole."""
        said = self.writer.close()
        if "the disk is full" not in said:
            yield f"closing said “{said}”"
        if len(self.failed) != BEFORE + WHILE - len(self.done):
            yield f"{len(self.done)} saved, {len(self.failed)} said not to be"

    def opening(self) -> Iterator[str]:
        """It opens, or it is said why not; and it can be looked at."""
        with Store.open(self.project, read_only=True) as store:
            if state(store) != after(len(self.done)):
                yield "read-only it does not show what is saved"
        try:
            writer = self.open()
        except ProjectError as error:
            yield from unclear(error)
            return
        read: list[object] = []
        writer.post(state, read.append)
        if not answers(lambda: read):
            yield "it opened, and then never said what is in it"
        writer.let_go(lambda _: None)
        self.let_go = writer

    def restoring(self) -> Iterator[str]:
        """A damaged project stays, with the offer to restore it, which is taken once there is room."""
        damaged = self.other.read_bytes()
        damaged = damaged[:3000] + random.Random(1).randbytes(9000) + damaged[12_000:]
        with self.other.open("r+b") as file:
            file.write(damaged)
        snapshot = offered(self.other)
        if snapshot is None:
            yield "no snapshot is offered"
            return
        had = self.labels()
        yield from refused(lambda: snapshots.restore(self.other, snapshot))
        if self.other.read_bytes() != damaged or self.labels() != had:
            yield f"restoring left {self.labels() - had}, took {had - self.labels()}"
        self.filler.go()
        snapshots.restore(self.other, snapshot)
        with Store.open(self.other, read_only=True) as store:
            if state(store) != after(BEFORE):
                yield "what was restored is not the snapshot"

    def labels(self) -> set[str]:
        """The files of the folder; locks are none: the writer of the scene before lets its own go in time."""
        return {name for name in names(self.folder) if not name.endswith(".lock")}

    def after(self) -> Iterator[str]:
        """With room again all is there that was saved or said to be safe."""
        if self.let_go is not None:
            self.let_go.close(seconds=PROMPT)  # as the window does: it has the lock until then
        self.told.clear()
        self.writer = self.open()
        found = self.writer.call(state)
        self.writer.close()
        if found != after(len(self.done) if self.home_too else BEFORE + WHILE):
            yield f"{len(self.done)} were saved, but it is not all there, told {self.told}"
        if self.told:
            yield f"told {self.told}"


def after(edits: int) -> dict:
    model = Exportable(5)
    for _ in range(edits):
        model.step()
    return model.records


def answers(condition: Callable[[], object]) -> bool:
    until = time.monotonic() + PROMPT
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return bool(condition())


def refused(work: Callable[[], object]) -> Iterator[str]:
    """What is wrong with how something is refused for want of room."""
    try:
        work()
    except LabelerError as error:
        yield from unclear(error)
    except Exception as error:
        yield f"a raw {error!r}"
    else:
        yield "it was not refused"


def unclear(error: LabelerError) -> Iterator[str]:
    said = str(error).lower()
    if not ("full" in said or "no space left" in said or "make room" in said) or not said.endswith("."):
        yield f"it does not say that the disk is full: “{error}”"


def offered(project: Path) -> Path | None:
    """The snapshot that is offered for a project; None where its damage is not even seen."""
    try:
        Store.open(project).close()
    except DamagedProjectError as error:
        return error.snapshot
    return None


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def main(disk: Path, home: str) -> None:
    logging.getLogger().addHandler(logging.NullHandler())
    Writer.retry_seconds = 0.05
    scenes = Scenes(disk, home_too=home == "too")
    acts = [scenes.before, scenes.editing, scenes.snapshot, scenes.export, scenes.run_folder]
    acts += [scenes.closing, scenes.opening, scenes.restoring, scenes.after]
    print(json.dumps({act.__name__: list(act()) for act in acts}), flush=True)
    # a writer that waits for the disk is no reason to wait for it
    os._exit(0 if threading.active_count() else 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
