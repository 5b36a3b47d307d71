"""A person at a real X server: keys and mouse come from outside of the program, as from a keyboard."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.exceptions import TimeoutError as QtTimeout
from pytestqt.qtbot import QtBot

from tests.e2e.user import User

NAMES = {
    "PgDown": "Next",
    "PgUp": "Prior",
    "Del": "Delete",
    "Enter": "KP_Enter",
    "Esc": "Escape",
    ",": "comma",
    ".": "period",
    "[": "bracketleft",
    "]": "bracketright",
    "-": "minus",
    "=": "equal",
    "+": "plus",
    "Ctrl": "ctrl",
    "Shift": "shift",
    "Alt": "alt",
}
"""Keys as Qt writes them, and as X does."""
LEFT, RIGHT = "1", "3"


def xdotool(*words: object) -> None:
    """Have the X server believe in keys and a mouse."""
    subprocess.run(["xdotool", *map(str, words)], check=True, timeout=30)


def keysym(keys: str) -> str:
    """ "Ctrl+Shift+Z" in xdotool's words."""
    *held, key = keys.replace("++", "+\0").split("+")
    parts = [*held, key.replace("\0", "+")]
    return "+".join(NAMES.get(part, part.lower() if len(part) == 1 else part) for part in parts)


class Outsider(User):
    """Does it all by the X server; what happens is looked at in the window, as by `User`."""

    def __init__(self, qtbot: QtBot, window: QWidget) -> None:
        super().__init__(qtbot, window)  # type: ignore[arg-type]
        self.settle()

    def settle(self) -> None:
        """Every event that the server has sent so far is heard."""
        QApplication.processEvents()
        QGuiApplication.sync()
        QApplication.processEvents()

    def key(self, keys: str) -> None:
        """Press and release keys wherever the X server has the focus."""
        xdotool("key", keysym(keys))
        self.settle()

    def wait_or_not(self, condition: Callable[[], object]) -> None:
        """Give the server a moment for what may not come at all."""
        with contextlib.suppress(QtTimeout):
            self.wait(condition, timeout=2_000)

    def type_text(self, text: str) -> None:
        """Type letter by letter."""
        xdotool("type", "--delay", "15", text)
        self.settle()

    def _mouse_to(self, x: float, y: float) -> None:
        spot = self.canvas.mapToGlobal(QPoint(*map(round, self.canvas.sight.view.point_on_screen(x, y))))
        xdotool("mousemove", spot.x(), spot.y())
        self.settle()

    def move_to(
        self, x: float, y: float, *, held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    ) -> None:
        """Move the mouse to a place of the image, one pixel beside it first."""
        self._mouse_to(x + 3, y + 3)
        self._mouse_to(x, y)

    def click_at(self, x: float, y: float, *, button: object = LEFT, held: object = None) -> None:
        """One click on the image."""
        self.move_to(x, y)
        xdotool("click", button)
        self.settle()

    def press(self, x: float, y: float, **_: object) -> None:
        """The left button goes down."""
        self.move_to(x, y)
        xdotool("mousedown", LEFT)
        self.settle()

    def move_held(self, x: float, y: float, **_: object) -> None:
        """Move with the button down."""
        self._mouse_to(x, y)

    def release(self, x: float, y: float, **_: object) -> None:
        """The left button comes up."""
        self._mouse_to(x, y)
        xdotool("mouseup", LEFT)
        self.settle()

    def click_on(self, widget: QWidget) -> None:
        """A click in the middle of a widget."""
        middle = widget.mapToGlobal(widget.rect().center())
        xdotool("mousemove", middle.x(), middle.y(), "click", LEFT)
        self.settle()


@pytest.fixture(autouse=True)
def real_server() -> None:
    """Skips where there is no X server that may be driven: a desktop in use is none."""
    if os.environ.get("LABELER_X11_TESTS") != "1" or shutil.which("xdotool") is None:
        pytest.skip("needs an X server of its own with real keys: .ci/x11 uv run pytest tests/e2e/x11")
    assert QGuiApplication.platformName() == "xcb"


@pytest.fixture
def sit_down(
    real_server: None, start: Callable[..., User], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Outsider]]:
    """`sit_down(path, host=True)`: a window in front of a person who has the keyboard."""
    made: list[Outsider] = []

    def begin(path: Path | None = None, *, host: bool = False) -> Outsider:
        user = Outsider(qtbot, start(path, host=host).window)
        made.append(user)
        user.wait(user.window.frame.isActiveWindow)
        return user

    yield begin
    xdotool("mouseup", LEFT)  # whatever a failed test holds down


@pytest.fixture
def person(sit_down: Callable[..., Outsider], photos: Path) -> Outsider:
    """A person at a window on the folder of photos, with two categories."""
    user = sit_down(photos)
    user.session.edits.add_category("broccoli", by="test")
    user.session.edits.add_category("almond", by="test")
    user.session.focus.choose_category(next(iter(user.session.document.categories)))
    user.wait_saved()
    return user
