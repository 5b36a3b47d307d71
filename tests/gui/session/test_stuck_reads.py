"""A file that never answers holds up no other, no edit, and not the closing of the window."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from pytestqt.qtbot import QtBot

from labeler.core.photos import images
from labeler.core.records import Box
from labeler.gui.images import thumbnails
from labeler.gui.session import loader, photo_watch
from labeler.gui.toolkit import aside
from labeler.gui.toolkit.settings import Settings
from labeler.gui.window.frame import Frame
from labeler.gui.window.main_window import MainWindow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(4):
        pixels = np.random.default_rng(n).integers(0, 255, (60, 80, 3), np.uint8)
        Picture.fromarray(pixels).save(folder / f"{n}.png")
    return folder


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """1.png lies on a disk that does not answer, whoever reads it, until the event is set."""
    answers = threading.Event()

    def waiting(read):
        def wait(path: Path, *arguments: object, **options: object) -> object:
            if path.name == "1.png":
                answers.wait(60)
            return read(path, *arguments, **options)

        return wait

    for module, name in (
        (loader, "read_pixels"),
        (loader, "fingerprint"),
        (thumbnails, "read_thumbnail"),
        (photo_watch, "fingerprint"),
        (images, "is_dangerous"),
    ):
        monkeypatch.setattr(module, name, waiting(getattr(module, name)))
    monkeypatch.setattr(aside, "PATIENCE_MS", 300)
    yield answers
    answers.set()


@pytest.fixture
def window(qtbot: QtBot, folder: Path, stuck: threading.Event) -> Iterator[MainWindow]:
    made = MainWindow(Frame(Settings()))
    qtbot.addWidget(made.frame)
    made.frame.show()
    made.session.open(folder)
    qtbot.waitUntil(lambda: made.session.place.pixels is not None, timeout=30_000)
    yield made
    made.frame.close()


def test_other_photos_are_shown_and_labelled_while_one_is_stuck(qtbot, window, stuck) -> None:
    session = window.session
    session.place.go_to(session.document.images[1].id)
    qtbot.waitUntil(
        lambda: "has not been read after 5 seconds and is still being read" in session.place.problem,
        timeout=30_000,
    )
    for n in (2, 3):
        session.place.go_to(session.document.images[n].id)
        qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=30_000)
    session.edits.add_category("thing", by="test")
    session.edits.add(Box(1, 2, 30, 40), by="test")
    qtbot.waitUntil(lambda: session.saved == "saved", timeout=30_000)


def test_a_photo_that_answers_late_is_shown_then(qtbot, window, stuck) -> None:
    session = window.session
    session.place.go_to(session.document.images[1].id)
    qtbot.waitUntil(lambda: bool(session.place.problem), timeout=30_000)
    stuck.set()
    qtbot.waitUntil(lambda: session.place.pixels is not None and not session.place.problem, timeout=30_000)


def test_closing_does_not_wait_for_a_stuck_read(qtbot, window, stuck) -> None:
    window.session.place.go_to(window.session.document.images[1].id)
    qtbot.waitUntil(lambda: bool(window.session.place.problem), timeout=30_000)
    begun = time.monotonic()
    window.session.shut_down()
    assert time.monotonic() - begun < 20, "the read would have taken 60 seconds"
    assert not stuck.is_set()
    assert any(thread.name == "decoding" for thread in threading.enumerate())
