"""Forks processes that edit a project while its disk fails, and say what they are told.

One JSON line in starts one process. Lines out: "pid N", "begun N" and "ack N" for the N-th edit, "safe N"
when the first N are promised to be saved or rescued, "told SENTENCE", "failed SENTENCE", "fired", "settled"
when nothing more comes by itself, "closed SENTENCE", and "gone".
"""

import json
import logging
import os
import random
import sys
import time
from pathlib import Path

from failing_disk import Disk
from project_model import ProjectModel

from labeler.project.keeping import noted, rescue_file, upkeep
from labeler.project.writer import Writer

BEFORE, SINCE, MOST = 6, 6, 60
"""Edits before the disk is told to fail, since it did, and after which it will not any more."""


def say(word: str, value: object = "") -> None:
    os.write(1, f"{word} {json.dumps(value)}\n".encode())


class Watched(Writer):
    """Says aloud what it promises: all that is written down when it says that it is safe."""

    written_down = 0
    acknowledged = 0

    def _rescue_steps(self, first) -> bool:
        done = super()._rescue_steps(first)
        if done:
            steps = [job for job in (first, *self._waiting) if job.step is not None]
            self.written_down = self.acknowledged + len(steps)
        return done

    def _say(self, sentence: str) -> None:
        super()._say(sentence)
        if "They are safe in" in self.trouble:
            say("safe", self.written_down)


class Person:
    """Makes edits, and says what becomes of them."""

    def __init__(self, project: Path, seed: int) -> None:
        self.writer = Watched.open(project, on_trouble=lambda sentence: say("told", sentence))
        self.model = ProjectModel(seed)
        self.begun = 0

    def edit(self) -> None:
        self.begun += 1
        say("begun", self.begun)
        step = self.model.step()
        match step:
            case "undo":
                self.writer.undo(self.done, self.failed)
            case "redo":
                self.writer.redo(self.done, self.failed)
            case _:
                self.writer.apply(step, self.done, self.failed)

    def done(self, _: object) -> None:
        self.writer.acknowledged += 1
        say("ack", self.writer.acknowledged)

    @staticmethod
    def failed(error: Exception) -> None:
        say("failed", str(error))

    def wait(self, *, while_ill: bool) -> None:
        """Until all is saved or, while the disk fails, until all that is not is at least spoken of."""
        until = time.monotonic() + 60
        while self.writer.pending:
            spoken_of = self.writer.trouble and self.writer.pending <= 1 + len(self.writer._waiting)
            if while_ill and spoken_of:
                return
            assert time.monotonic() < until
            time.sleep(0.001)


def files_of(project: Path, names: list[str]) -> list[Path]:
    known = {
        "project": project,
        "wal": project.with_name(project.name + "-wal"),
        "rescue": rescue_file.RescueFile(project).path,
        "note": noted._note_of(project),
    }
    return [known[name] for name in names]


def live(project: Path, *, seed: int, files: list[str], fault: dict, then: str, broken: bool) -> None:
    """A session on a disk that fails; `broken` is a build that says that edits are safe which are not."""
    if broken:
        rescue_file.RescueFile.append = lambda *_: "nowhere:1"
    rng, disk = random.Random(seed), Disk()
    person = Person(project, seed)
    for _ in range(BEFORE):
        person.edit()
    person.wait(while_ill=False)
    disk.fail(files_of(project, files), **fault)
    since = 0
    while since < SINCE and person.begun < MOST:
        person.edit()
        if person.begun % 3 == 0:
            # which is where the main file is written to
            person.writer.post(lambda store: store.file.checkpoint())
        time.sleep(rng.random() * 0.004)
        if disk.failures:
            since += 1
            if since == 1:
                say("fired")
    person.wait(while_ill=True)
    if disk.failures and not since:  # the writer was that far behind
        say("fired")
    say("settled")
    if then == "recover":
        disk.mend()
        for _ in range(3):
            person.edit()
        person.wait(while_ill=False)
    while then == "kill":
        time.sleep(1)
    say("closed", person.writer.close())


def main() -> None:
    upkeep.IDLE_SECONDS = 0.002
    Writer.retry_seconds = 0.03
    logging.getLogger().addHandler(logging.NullHandler())
    for line in sys.stdin:
        request = json.loads(line)
        project = Path(request.pop("project"))
        pid = os.fork()
        if pid == 0:
            live(project, **request)
            os._exit(0)
        say("pid", pid)
        os.waitpid(pid, 0)
        say("gone")


if __name__ == "__main__":
    main()
