"""The whole job, done by itself off the screen: the steps of the demo, each with its figures.

It drives the real window by mouse and keys, in image coordinates, and waits on what the window shows.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from PySide6.QtCore import QEventLoop
from PySide6.QtWidgets import QApplication

from labeler.errors import LabelerError
from labeler.gui.window.demo.by_hand import ADD, CORRECT, EXPORT, LABELS, REVIEW
from labeler.gui.window.demo.detector_first import ACCEPT, PREDICT, WHY
from labeler.gui.window.demo.own_model import JUDGE, REPORT, TRAIN, USE
from labeler.gui.window.demo.person import DemoStep, Person, Until
from labeler.gui.window.main_window import MainWindow

DEMO_STEPS = (PREDICT, WHY, ACCEPT, ADD, CORRECT, REVIEW, EXPORT, TRAIN, JUDGE, USE)
"""The job, for the tour off the screen and for the card that shows it in a window."""

PATIENCE = 300.0
"""Seconds to wait for a model on a slow and busy machine."""


class Souvenirs(Struct, frozen=True):
    """What a tour leaves behind."""

    said: tuple[str, ...]
    """What came of each step, in figures."""
    pictures: tuple[Path, ...]
    """Of the window after the main steps."""
    coco: Path
    """The labels."""
    report: Path | None
    """How the trained model was judged; None where none was trained."""


class Tour:
    """Does the steps in a window."""

    def __init__(self, window: MainWindow, tell: Callable[[str], None]) -> None:
        """`tell` gets a line for each step that is done."""
        self._window = window
        self._tell = tell

    def run(self, photos: Path, results: Path, steps: Sequence[DemoStep] = DEMO_STEPS) -> Souvenirs:
        """Do the steps on the photos of a folder; pictures, labels and report go into the folder `results`.

        Raises LabelerError where something does not answer, or a step comes to nothing.
        """
        window, session = self._window, self._window.session
        person = Person(window, results)
        window.open(photos)
        self._wait(Until(lambda: session.place.pixels is not None, "the photos"))
        said: list[str] = []
        pictures: list[Path] = []
        for number, step in enumerate(steps, 1):
            for until in step.do(person):
                self._wait(until)
            if not step.is_done(person):
                raise LabelerError(f"“{step.title}” came to nothing. {window.toast.text}".strip())
            said.append(step.said(person))
            self._tell(f"{number:2}. {step.title}: {said[-1]}")
            if step.picture:
                pictures.append(self._photograph(results / f"{number:02}-{step.picture}.png"))
        self._wait(Until(lambda: session.saved == "saved", "the disk"))
        report = results / REPORT
        return Souvenirs(tuple(said), tuple(pictures), results / LABELS, report if report.is_file() else None)

    def _photograph(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._settle()
        if not self._window.frame.grab().save(str(path)):
            raise LabelerError(f"The picture of the window could not be written to {path}.")
        return path

    def _wait(self, until: Until) -> None:
        """Let the window work until something holds."""
        deadline = time.monotonic() + PATIENCE
        self._settle()
        while not until.holds():
            if time.monotonic() > deadline:
                raise LabelerError(
                    f"The demo waited {PATIENCE:.0f} s for {until.what} in vain. {self._window.toast.text}"
                )
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
            time.sleep(0.005)
        self._settle()

    def _settle(self) -> None:
        QApplication.processEvents()
