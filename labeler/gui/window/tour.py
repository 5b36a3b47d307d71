"""The main job done by itself, for machines without a screen: click, accept a mask, correct it, export.

It drives the real window by mouse and keys, in image coordinates, and waits on what the window shows.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from PySide6.QtCore import QEventLoop, QPoint, Qt
from PySide6.QtGui import QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from labeler.core.files import atomic_write
from labeler.core.measures.overlap import Agreement
from labeler.errors import LabelerError
from labeler.formats.export import export_coco
from labeler.gui.window.main_window import MainWindow

PATIENCE = 60.0
"""Seconds to wait for the model on a slow machine."""

CLICKS = {
    "bus.jpg": (("person", (132, 560)), ("person", (290, 540)), ("bus", (520, 640))),
    "zidane.jpg": (("person", (880, 420)),),
    "grace_hopper.jpg": (("person", (256, 400)),),
}
"""Photo to category and click, in pixels of the photo."""


class Souvenirs(Struct, frozen=True):
    """What a tour leaves behind."""

    screenshot: Path
    coco: Path
    objects: int
    corrected: Agreement
    """Of the mask that was corrected with the eraser, with what the model had proposed."""


class Tour:
    """Labels the demo photos in a window."""

    def __init__(self, window: MainWindow, tell: Callable[[str], None]) -> None:
        self._window = window
        self._session = window.session
        self._canvas = window.canvas
        self._tell = tell

    def run(self, photos: Path, souvenirs: Path) -> Souvenirs:
        """Label the photos in a folder; the screenshot and the COCO file go into another.

        Raises LabelerError where the model does not answer.
        """
        window, session = self._window, self._session
        window.open(photos)
        self._wait(lambda: session.place.pixels is not None, "the photos")
        for name in ("person", "bus"):
            session.edits.add_category(name, by="tour")
        for image in session.document.images:
            if image.path in CLICKS:
                session.place.go_to(image.id)
                self._label(image.path, CLICKS[image.path])
        street = next(image for image in session.document.images if image.path == "bus.jpg")
        session.place.go_to(street.id)
        self._wait(lambda: len(session.document.annotations) == len(CLICKS["bus.jpg"]), "the labels")
        corrected = self._correct(next(iter(session.document.annotations)))
        self._wait(lambda: session.saved == "saved", "the disk")
        return Souvenirs(
            screenshot=self._photograph(souvenirs / "labeler-demo.png"),
            coco=self._export(souvenirs / "labeler-demo.json"),
            objects=sum(sum(session.document.counts(image.id).values()) for image in session.document.images),
            corrected=corrected,
        )

    def _label(self, name: str, clicks: Sequence[tuple[str, tuple[int, int]]]) -> None:
        session, host = self._session, self._window.bench.host
        self._wait(lambda: session.place.pixels is not None and host.state.encoded, "the model")
        for category, (x, y) in clicks:
            chosen = next(c for c in session.document.categories.values() if c.name == category)
            session.focus.select(())
            session.focus.choose_category(chosen.id)
            self._canvas.hand.take("sam-point")
            self._click(x, y)
            self._wait(lambda: bool(self._canvas.prompt_desk.proposals), "a proposal")
            self._key(Qt.Key.Key_Return)
            self._tell(f"{name}: clicked a {category} at {x}, {y} and accepted its mask")

    def _correct(self, annotation_id: int) -> Agreement:
        """Cut a strip off a mask with the eraser, as a person does, and read the agreement."""
        session, canvas = self._session, self._canvas
        session.focus.select([annotation_id])
        canvas.hand.take("eraser")
        canvas.set_options(brush_size=40.0)
        x, y = CLICKS["bus.jpg"][0][1]
        self._drag((x - 60, y + 300), (x + 60, y + 340))
        canvas.hand.take("select")
        agreement = self._window.bench.predictions.agreement.of(annotation_id)
        if agreement is None:
            raise LabelerError("The corrected mask has no prediction to be measured against.")
        self._tell(f"bus.jpg: erased a part; IoU {agreement.iou:.3f}, Dice {agreement.dice:.3f}")
        return agreement

    def _photograph(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._settle()
        shot: QPixmap = self._window.frame.grab()
        if not shot.save(str(path)):
            raise LabelerError(f"The screenshot could not be written to {path}.")
        return path

    def _export(self, path: Path) -> Path:
        written: list[bytes] = []
        self._session.ask(lambda store: export_coco(store)[0], written.append)
        self._wait(lambda: bool(written), "the export")
        msgspec.json.decode(written[0])
        atomic_write(path, written[0])
        return path

    # --- hands and patience -----------------------------------------------------------------------

    def _click(self, x: float, y: float) -> None:
        QTest.mouseClick(
            self._canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, self._spot(x, y)
        )

    def _drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        button, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        QTest.mousePress(self._canvas, button, none, self._spot(*start))
        for step in range(1, 11):
            x = start[0] + (end[0] - start[0]) * step / 10
            y = start[1] + (end[1] - start[1]) * step / 10
            QTest.mouseMove(self._canvas, self._spot(x, y))
            self._settle()
        QTest.mouseRelease(self._canvas, button, none, self._spot(*end))
        self._settle()

    def _key(self, key: Qt.Key) -> None:
        QTest.keyClick(self._canvas, key)
        self._settle()

    def _spot(self, x: float, y: float) -> QPoint:
        sx, sy = self._canvas.sight.view.point_on_screen(x, y)
        return QPoint(round(sx), round(sy))

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        """Let the window work until a condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise LabelerError(
                    f"The demo waited {PATIENCE:.0f} s for {what} in vain. {self._window.toast.text}"
                )
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
            time.sleep(0.005)
        self._settle()

    def _settle(self) -> None:
        QApplication.processEvents()
