"""What the window's tests share: a session on a real project of real photos."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from labeler.core.records import Candidate
from labeler.gui import app
from labeler.gui.session.session import Session
from labeler.gui.window.main_window import MainWindow


@pytest.fixture
def session(qtbot: QtBot, photos: Path) -> Iterator[Session]:
    """A session with the folder of photos open and its first image decoded."""
    made = Session()
    made.open(photos)
    qtbot.waitUntil(lambda: made.place.pixels is not None, timeout=20_000)
    made.edits.add_category("person", by="test")
    qtbot.waitUntil(lambda: made.saved == "saved")
    yield made
    made.shut_down()


@pytest.fixture
def few(qtbot: QtBot, tmp_path: Path) -> Iterator[Session]:
    """A session on six pictures of 60 x 40, 1.bmp to 6.bmp with the ids 1 to 6; the first is open."""
    folder = tmp_path / "few"
    folder.mkdir()
    for number in range(1, 7):
        pixels = np.full((40, 60, 3), 30 * number, np.uint8)
        pixels[number, number] = 255  # no two are the same file
        cv2.imwrite(str(folder / f"{number}.bmp"), pixels)
    made = Session()
    made.open(folder)
    qtbot.waitUntil(lambda: made.place.pixels is not None and made.document.is_read, timeout=20_000)
    for name in ("person", "dog"):
        made.edits.add_category(name, by="test")
    made.focus.choose_category(1)
    yield made
    made.shut_down()


@pytest.fixture
def held() -> Callable[[Session], AbstractContextManager[None]]:
    """`with held(session):` its writer is at something else, as while a run is being stored."""

    @contextmanager
    def hold(session: Session) -> Iterator[None]:
        gate = threading.Event()
        session.ask(lambda _: gate.wait(60), lambda _: None)
        try:
            yield
        finally:
            gate.set()

    return hold


@pytest.fixture
def owner(session: Session) -> Iterator[QObject]:
    """A parent for what has timers, deleted on this thread before the session: not by a garbage collector."""
    made = QObject()
    yield made
    session.close()
    shiboken6.delete(made)


@pytest.fixture
def predict(qtbot: QtBot, session: Session) -> Callable[..., None]:
    """`predict({image id: candidates})`: a model said so, and its candidates are in the window."""

    def store_them(
        found: dict[int, list[Candidate]], *, model: str = "detector", suppressed: bool = False
    ) -> None:
        def work(store):
            made = store.predictions.ensure_model(model, "1", suppressed=suppressed)
            for image_id, candidates in found.items():
                store.predictions.record_run(made.id, image_id, candidates)
            return made

        done = []
        session.ask(work, done.append)
        qtbot.waitUntil(lambda: bool(done))
        session.reload()
        opened = session.place.image.id
        qtbot.waitUntil(lambda: any(m.name == model for m in session.document.models))
        wanted = len(found.get(opened, []))
        qtbot.waitUntil(
            lambda: sum(c.model_id == done[0].id for c in session.document.candidates.values()) >= wanted
        )
        session.measure.choose_model(done[0])

    return store_them


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    """A window with nothing open."""
    made = app.make_window()
    made.frame.show()
    yield made
    made.frame.close()
    made.frame.deleteLater()


@pytest.fixture
def opened(qtbot: QtBot, window: MainWindow, photos: Path) -> MainWindow:
    """A window on three photos."""
    window.open(photos)
    qtbot.waitUntil(lambda: window.session.place.pixels is not None, timeout=20_000)
    return window
