"""A window, off-screen, in which a person labels while the disk fails; says what it shows.

Arguments: the folder of photos, and JSON with the fault and what comes then. Lines as those of
`tests/project/failing_disk_child.py`, and "shown" with what the window says of it.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QApplication

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "project"))
from failing_disk import Disk

from labeler.core.records import Box
from labeler.gui import app
from labeler.project.keeping import rescue_file
from labeler.project.writer import Writer

BEFORE, SINCE, MOST = 5, 4, 40


def say(word: str, value: object = "") -> None:
    os.write(1, f"{word} {json.dumps(value)}\n".encode())


class Hand:
    """Labels in a real window, and watches what it says."""

    def __init__(self, folder: Path) -> None:
        self.window = app.make_window()
        self.window.frame.show()
        self.window.open(folder)
        self.session = self.window.session
        self.until(lambda: self.session.place.pixels is not None)
        self.session.edits.add_category("person", by="test")
        self.until(lambda: self.session.saved == "saved")
        self.begun = 0

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 100
        while not condition():
            assert time.monotonic() < end, f"never came; it shows {self.session.saved}"
            QApplication.processEvents()
            time.sleep(0.002)

    def act(self) -> None:
        """The next thing: a box, and each fourth time it is taken back."""
        self.begun += 1
        say("begun", self.begun)
        if self.begun % 4 == 0:
            self.session.history.undo()
        else:
            self.session.edits.add(Box(self.begun, 1, self.begun + 50, 60), by="test")
        for _ in range(5):
            QApplication.processEvents()
            time.sleep(0.002)
        self.look()

    def look(self) -> None:
        """Say what the window promises."""
        if self.session.saved == "saved":
            say("ack", self.begun)
        elif "They are safe in" in self.session.saved and self.is_quiet():
            say("safe", self.begun)

    def is_quiet(self) -> bool:
        """Whether all that is not saved has been seen by the writer."""
        writer = self.session._link._writer
        return writer.pending == 0 or bool(writer.trouble and writer.pending <= 1 + len(writer._waiting))


def live(folder: Path, *, files: list[str], fault: dict, then: str) -> None:
    disk, hand = Disk(), Hand(folder)
    for _ in range(BEFORE):
        hand.act()
    project = hand.session.project
    known = {"wal": project.with_name(project.name + "-wal"), "rescue": rescue_file.RescueFile(project).path}
    disk.fail([{"project": project, **known}[name] for name in files], **fault)
    since = 0
    while since < SINCE and hand.begun < MOST:
        hand.act()
        since += disk.failures > 0
    if disk.failures:
        say("fired")
    hand.until(lambda: hand.is_quiet() and hand.session.saved != "saving")
    hand.look()
    say("shown", [hand.session.saved, hand.window.saved.text(), hand.window.toast.texts])
    say("settled")
    if then == "recover":
        disk.mend()
        hand.until(lambda: hand.session.saved == "saved")
        hand.act()
        hand.until(lambda: hand.session.saved == "saved")
        hand.look()
    while then == "kill":
        time.sleep(1)
    hand.window.frame.close()
    say("closed")


def main() -> None:
    logging.getLogger().addHandler(logging.NullHandler())
    Writer.retry_seconds = 0.2
    live(Path(sys.argv[1]), **json.loads(sys.argv[2]))
    os._exit(0)


if __name__ == "__main__":
    main()
