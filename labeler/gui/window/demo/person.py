"""A person's mouse and keys on a real window, for the demo that does the job by itself.

Where things are is said in pixels of the photo. Nothing here waits: what has to be waited for is yielded as
an `Until`, and whoever drives the acts lets the window work meanwhile.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct
from PySide6.QtCore import QEvent, QPointF, Qt, SignalInstance
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication

from labeler.core.records import Image
from labeler.errors import LabelerError
from labeler.gui.toolkit.notify import Message
from labeler.gui.window.main_window import MainWindow

_LEFT, _NO_BUTTON = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
_NONE = Qt.KeyboardModifier.NoModifier
_MOVES = 12
"""Positions of the mouse on the way of a drag."""


class Until(Struct, frozen=True):
    """What has to hold before the next act."""

    holds: Callable[[], bool]
    what: str
    """What is waited for, in words: "the model"."""


Acts: TypeAlias = Generator[Until, None, None]
"""What a person does, one after the other; between two of them the window works."""

PAINTED = Until(lambda: True, "the window")
"""The window has had its turn."""


class DemoStep(Struct, frozen=True):
    """One thing that a person does with the window."""

    title: str
    todo: str
    """What to do, for somebody who has never seen the window."""
    do: "Callable[[Person], Acts]"
    """Does it. Raises LabelerError with a sentence where it cannot be done."""
    is_done: "Callable[[Person], bool]"
    """Whether it is done, by whomever."""
    said: "Callable[[Person], str]"
    """What came of it, in figures; asked once it is done."""
    picture: str = ""
    """The name of the picture of the window after it; "" for none."""
    learns: bool = False
    """Whether a model is trained in it, or one that was is needed."""


@contextmanager
def heard(signal: SignalInstance) -> Iterator[list[Any]]:
    """What a signal with one argument says meanwhile, the last at the end."""
    said: list[Any] = []

    def hear(value: Any) -> None:
        said.append(value)

    signal.connect(hear)
    try:
        yield said
    finally:
        signal.disconnect(hear)


class Person:
    """Does to a window what a person does, and remembers what it told."""

    def __init__(self, window: MainWindow, results: Path) -> None:
        """Files that a person would save go into the folder `results`."""
        self.window, self.results = window, results
        self.session, self.canvas, self.bench = window.session, window.canvas, window.bench
        self._told: dict[str, str] = {}
        self._at = ""
        """The name of the photo that is worked on."""
        window.notifier.told.connect(self._hear)

    def _hear(self, message: Message) -> None:
        self._told[message.key] = message.text

    def told(self, key: str) -> str:
        """The last sentence that the window said under this key, since there is this person; "" for none."""
        return self._told.get(key, "")

    # --- where one is -----------------------------------------------------------------------------

    def photo(self, name: str) -> Image:
        """The project's image of that name. Raises LabelerError where it has none."""
        found = next((image for image in self.session.document.images if image.path == name), None)
        if found is None:
            raise LabelerError(f"The demo needs the photo {name}, which is not in {self.session.root}.")
        return found

    def labelled(self, name: str) -> int:
        """How many objects are on the photo of that name; 0 where there is no such photo."""
        images = (image for image in self.session.document.images if image.path == name)
        return sum(sum(self.session.document.counts(image.id).values()) for image in images)

    def at(self, name: str) -> Acts:
        """Open a photo, and wait until it and all that is known of it are on the screen."""
        place = self.session.place
        place.go_to(self.photo(name).id)
        self._at = name
        yield Until(lambda: place.pixels is not None, name)
        yield from self.answered()

    def answered(self) -> Acts:
        """Whatever the project was asked and told so far is read and saved."""
        answers: list[bool] = []
        self.session.ask(lambda _: True, answers.append)
        yield Until(lambda: bool(answers), "the project")

    # --- mouse and keys ---------------------------------------------------------------------------

    def move(self, x: float, y: float) -> None:
        """The mouse goes there, with no button down."""
        self._mouse(QEvent.Type.MouseMove, x, y, _NO_BUTTON, _NO_BUTTON)

    def check(self) -> None:
        """Raises LabelerError where another photo is open than the one that is worked on."""
        image = self.session.place.image
        if self._at and (image is None or image.path != self._at):
            raise LabelerError(f"{self._at} is not open any more, so nothing was done on it.")

    def click(self, x: float, y: float) -> None:
        """One click of the left button. Raises LabelerError as `check`."""
        self.check()
        self.move(x, y)
        self._mouse(QEvent.Type.MouseButtonPress, x, y, _LEFT, _LEFT)
        self._mouse(QEvent.Type.MouseButtonRelease, x, y, _LEFT, _NO_BUTTON)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> Acts:
        """Press, move in steps that can be seen, release; given up half way, nothing was done.

        Raises LabelerError as `check`.
        """
        self.check()
        self.move(*start)
        self._mouse(QEvent.Type.MouseButtonPress, *start, _LEFT, _LEFT)
        spot = start
        try:
            for step in range(1, _MOVES + 1):
                part = step / _MOVES
                spot = start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part
                self._mouse(QEvent.Type.MouseMove, *spot, _NO_BUTTON, _LEFT)
                yield PAINTED
                self.check()
        except BaseException:
            if self.canvas.progress.is_dragging:
                self.canvas.progress.take_back()
            raise
        finally:
            self._mouse(QEvent.Type.MouseButtonRelease, *spot, _LEFT, _NO_BUTTON)

    def press(self, key: Qt.Key) -> None:
        """A key goes down and up on the canvas. Raises LabelerError as `check`."""
        self.check()
        for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            QApplication.sendEvent(self.canvas, QKeyEvent(kind, key, _NONE))

    def do(self, action: str) -> None:
        """What an entry of the menus does, as by its key. Raises KeyError for an unknown one."""
        self.window.actions[action].trigger()

    def _mouse(
        self, kind: QEvent.Type, x: float, y: float, button: Qt.MouseButton, held: Qt.MouseButton
    ) -> None:
        spot = QPointF(*self.canvas.sight.view.point_on_screen(x, y))
        event = QMouseEvent(kind, spot, self.canvas.mapToGlobal(spot), button, held, _NONE)
        QApplication.sendEvent(self.canvas, event)
