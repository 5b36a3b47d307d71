"""Forks processes that write to a project until they are killed, and report what was acknowledged.

One JSON line in starts one process; lines out are "pid N", "ready", "ack REVISION" and "gone".
"""

import itertools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from project_model import ProjectModel

from labeler.project.keeping import upkeep
from labeler.project.writer import Writer


def say(line: str) -> None:
    """In the kernel's hands when this returns, whatever happens to the process then."""
    os.write(1, f"{line}\n".encode())


class Worker:
    """Writes edits for ever. A broken one acknowledges an edit before it is committed."""

    def __init__(self, *, seed: int, point: str, count: int, broken: bool) -> None:
        self.seed = seed
        self.point = point
        self.count = count
        self.broken = broken
        self.revision = 0
        self.ready = False

    def probe(self, point: str) -> None:
        if not self.ready:
            return
        if self.broken and point == "before commit":
            self.acknowledge()
        if point == self.point:
            self.count -= 1
            if self.count < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def acknowledge(self, _: object = None) -> None:
        self.revision += 1
        say(f"ack {self.revision}")

    def work(self, project: Path) -> None:
        writer = Writer.open(project, probe=self.probe)
        self.revision = writer.call(lambda store: store.revision)
        model = ProjectModel(self.seed)
        while model.revision < self.revision:
            model.step()
        self.ready = True
        say("ready")
        done = (lambda _: None) if self.broken else self.acknowledge
        rng = random.Random()
        for number in itertools.count():
            step = model.step()
            post = {"undo": writer.undo, "redo": writer.redo}.get(step) if isinstance(step, str) else None
            if post is not None:
                post(done, fail)
            else:
                writer.apply(step, done, fail)
            while writer.pending > 4:
                time.sleep(0.0003)
            if number % 6 == 5:
                time.sleep(rng.random() * 0.02)


def fail(error: Exception) -> None:
    say(f"failed {error!r}")


def main() -> None:
    upkeep.IDLE_SECONDS = 0.002
    upkeep.SNAPSHOT_SECONDS = 0.01
    for line in sys.stdin:
        request = json.loads(line)
        project = Path(request.pop("project"))
        pid = os.fork()
        if pid == 0:
            Worker(**request).work(project)
        say(f"pid {pid}")
        os.waitpid(pid, 0)
        say("gone")


if __name__ == "__main__":
    main()
