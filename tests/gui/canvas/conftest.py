"""A canvas on a real session, and a hand that works in image coordinates."""

from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QObject, QPoint, QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from labeler.core.records import Mask, Prompt, Proposal
from labeler.gui.canvas.view import Canvas
from labeler.gui.children.host_client import Answer
from labeler.gui.session.session import Session

NONE = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


def _disc(x: float, y: float, radius: int, confidence: float) -> Proposal:
    ys, xs = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    mask = Mask(round(x) - radius, round(y) - radius, xs**2 + ys**2 <= radius**2)
    return Proposal(mask, confidence, np.zeros((0, 0), dtype=np.float32))


class Host(QObject):
    """Answers with three discs around the first point or in the middle of the box, the middle one best."""

    proposed = Signal(object)
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Prompt, tuple[int, int] | None]] = []
        self.hovered: list[tuple[float, float]] = []
        self.answers = True

    def segment(self, prompt: Prompt, *, refine: tuple[int, int] | None = None) -> int:
        self.asked.append((prompt, refine))
        request = len(self.asked)
        if self.answers:
            QTimer.singleShot(0, self, lambda: self.answer(request))
        return request

    def answer(self, request: int) -> None:
        prompt = self.asked[request - 1][0]
        box = prompt.box
        x, y = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) if box else prompt.points[0].tolist()
        discs = tuple(_disc(x, y, radius, c) for radius, c in ((40, 0.94), (20, 0.71), (80, 0.88)))
        self.proposed.emit(Answer(request, "image", False, discs, 20.0))

    def hover(self, x: float, y: float) -> None:
        self.hovered.append((x, y))
        self.proposed.emit(Answer(0, "image", True, (_disc(x, y, 30, 0.9),), 20.0))

    def cancel_hover(self) -> None:
        pass


class Hand:
    """Mouse and keyboard on a canvas; places are image coordinates."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas

    def at(self, x: float, y: float) -> QPoint:
        """The widget's pixel for a place of the image."""
        sx, sy = self.canvas.sight.view.point_on_screen(x, y)
        return QPoint(round(sx), round(sy))

    def move(self, x: float, y: float) -> None:
        QTest.mouseMove(self.canvas, self.at(x, y))
        QApplication.processEvents()

    def click(self, x, y, *, button=LEFT, held=NONE) -> None:
        QTest.mouseClick(self.canvas, button, held, self.at(x, y))

    def double_click(self, x, y) -> None:
        self.click(x, y)
        QTest.mouseDClick(self.canvas, LEFT, NONE, self.at(x, y))

    def press(self, x, y, *, button=LEFT, held=NONE) -> None:
        QTest.mousePress(self.canvas, button, held, self.at(x, y))

    def release(self, x, y, *, button=LEFT, held=NONE) -> None:
        QTest.mouseRelease(self.canvas, button, held, self.at(x, y))

    def drag(self, start, end, *, button=LEFT, held=NONE, steps: int = 4) -> None:
        places = [self.at(*(np.array(start) + (np.array(end) - start) * k / steps)) for k in range(steps + 1)]
        QTest.mousePress(self.canvas, button, held, places[0])
        for place in places[1:]:
            QTest.mouseMove(self.canvas, place)
            QApplication.processEvents()
        QTest.mouseRelease(self.canvas, button, held, places[-1])

    def key(self, key: Qt.Key, held=NONE) -> None:
        QTest.keyClick(self.canvas, key, held)

    def wheel(self, x: float, y: float, turns: float, held=NONE) -> None:
        place = QPointF(self.at(x, y))
        up, no_buttons = QPoint(0, round(120 * turns)), Qt.MouseButton.NoButton
        phase = Qt.ScrollPhase.NoScrollPhase
        event = QWheelEvent(place, place, QPoint(), up, no_buttons, held, phase, False)
        QApplication.sendEvent(self.canvas, event)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def canvas(qtbot: QtBot, session: Session, host: Host) -> Iterator[Canvas]:
    """A shown canvas of 1000 x 700 on bus.jpg, 810 x 1080."""
    made = Canvas(session, host)
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show()
    qtbot.waitExposed(made)
    made.sight.fit()
    yield made
    made.hide()


@pytest.fixture
def hand(canvas: Canvas) -> Hand:
    return Hand(canvas)
