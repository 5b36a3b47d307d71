"""Photos that change on the disk while the window is open: noticed without being asked, and asked about."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from labeler.core.records import Box
from labeler.gui.canvas.view import Canvas
from labeler.gui.session import open_photo
from labeler.gui.toolkit.settings import Settings
from labeler.gui.window.frame import Frame
from labeler.gui.window.main_window import MainWindow

SOON = 30_000


def picture(path: Path, seed: int, size: tuple[int, int] = (200, 160)) -> None:
    pixels = np.full((size[1], size[0], 3), 40 * seed + 20, np.uint8)
    pixels[:8] = np.random.default_rng(seed).integers(0, 255, (8, size[0], 3), np.uint8)
    Picture.fromarray(pixels).save(path)


def shade(window: MainWindow) -> int:
    """What the middle of the photo on the screen is."""
    pixels = window.session.place.pixels
    return -1 if pixels is None else int(pixels.rgb[pixels.rgb.shape[0] // 2, 5, 0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(3):
        picture(folder / f"{n}.bmp", n)
    return folder


@pytest.fixture
def window(qtbot: QtBot, folder: Path) -> Iterator[MainWindow]:
    """1.bmp is open and has a box; 0.bmp and 2.bmp were open and have none."""
    made = MainWindow(Frame(Settings()))
    qtbot.addWidget(made.frame)
    made.frame.show()
    session = made.session
    session.open(folder)
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=SOON)
    session.edits.add_category("thing", by="test")
    for name in ("0.bmp", "2.bmp", "1.bmp"):
        session.place.go_to(next(one.id for one in session.document.images if one.path == name))
        qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=SOON)
    session.edits.add(Box(20, 40, 60, 80), by="test")
    qtbot.waitUntil(lambda: session.saved == "saved", timeout=SOON)
    yield made
    made.frame.close()


def test_a_labelled_photo_replaced_while_open_is_shown_and_asked_about(qtbot, window, folder) -> None:
    opened = window.session.place.image.id
    picture(folder / "1.bmp", 5, (100, 80))
    qtbot.waitUntil(lambda: shade(window) == 220, timeout=SOON)
    qtbot.waitUntil(lambda: "another file than the one" in window.toast.text, timeout=SOON)
    assert opened in window.session.strangers
    assert window.session.place.pixels.rgb.shape == (80, 100, 3)
    assert len(window.session.document.annotations) == 1
    assert window.session.document.find_image(opened).width == 200, "its record waits for the person"


def test_another_file_of_the_same_size_and_time_is_noticed(qtbot, window, folder) -> None:
    status = (folder / "1.bmp").stat()
    picture(folder.parent / "other.bmp", 5)
    os.utime(folder.parent / "other.bmp", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder.parent / "other.bmp").replace(folder / "1.bmp")
    assert (folder / "1.bmp").stat().st_size == status.st_size
    qtbot.waitUntil(lambda: shade(window) == 220, timeout=SOON)
    qtbot.waitUntil(lambda: "another file than the one" in window.toast.text, timeout=SOON)


def test_a_photo_kept_in_memory_is_compared_when_it_is_shown_again(
    qtbot, window, folder, monkeypatch
) -> None:
    session, zero = (
        window.session,
        next(one.id for one in window.session.document.images if one.path == "0.bmp"),
    )
    monkeypatch.setattr(window.session._link, "look_at_folder", lambda: None)
    for one in window.frame.findChildren(open_photo.OpenPhoto):
        one._timer.setInterval(3_600_000)  # only that it is shown again is left
    picture(folder / "0.bmp", 4)
    session.place.go_to(zero)
    qtbot.waitUntil(lambda: shade(window) == 180, timeout=SOON)
    assert zero not in session.strangers, "nothing was labelled on it: nothing to ask"


def test_a_photo_that_goes_is_said_and_shown_again_once_it_is_back(qtbot, window, folder) -> None:
    session = window.session
    (folder / "1.bmp").rename(folder.parent / "away.bmp")
    qtbot.waitUntil(lambda: "missing" in window.toast.text, timeout=SOON)
    assert session.place.image.note == "missing"
    (folder.parent / "away.bmp").rename(folder / "1.bmp")
    qtbot.waitUntil(lambda: session.place.image.note == "", timeout=SOON)
    qtbot.waitUntil(lambda: "missing" not in window.toast.text, timeout=SOON)
    assert shade(window) == 60
    assert len(session.document.annotations) == 1


def test_a_photo_missing_when_it_was_opened_is_shown_once_it_is_back(qtbot, window, folder) -> None:
    session, two = (
        window.session,
        next(one.id for one in window.session.document.images if one.path == "2.bmp"),
    )
    (folder / "2.bmp").rename(folder.parent / "away.bmp")
    session.place._loader.forget(two)
    session.place.go_to(two)
    qtbot.waitUntil(
        lambda: "missing" in session.place.problem and session.place.image.note == "missing", timeout=SOON
    )
    (folder.parent / "away.bmp").rename(folder / "2.bmp")
    qtbot.waitUntil(lambda: shade(window) == 100 and not session.place.problem, timeout=SOON)


def test_a_photo_renamed_while_open_is_followed_with_its_labels(qtbot, window, folder) -> None:
    (folder / "1.bmp").rename(folder / "renamed.bmp")
    qtbot.waitUntil(lambda: window.session.place.image.path == "renamed.bmp", timeout=SOON)
    qtbot.waitUntil(
        lambda: window.session.place.pixels is not None and not window.session.place.problem, timeout=SOON
    )
    assert len(window.session.document.annotations) == 1


def test_a_photo_renamed_in_the_middle_of_a_drag_ends_nothing(qtbot, window, folder) -> None:
    canvas = window.canvas
    canvas.hand.take("polygon")
    for corner in ((10, 10), (60, 10)):
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at(canvas, *corner))
    canvas.hand.take("box")
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=at(canvas, 100, 100))
    qtbot.mouseMove(canvas, at(canvas, 140, 130))
    assert canvas.progress.is_dragging
    sight = canvas.sight.view
    canvas.look_at(Box(0, 0, 10, 10))
    assert canvas.sight.view == sight
    (folder / "1.bmp").rename(folder / "renamed.bmp")
    window.session.look_at_folder()
    qtbot.waitUntil(lambda: window.session.place.image.path == "renamed.bmp", timeout=SOON)
    assert canvas.progress.is_dragging
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=at(canvas, 140, 130))
    assert len(window.session.document.annotations) == 2
    assert canvas.hand.name == "box"
    assert canvas.progress.sentence().startswith("A polygon is not finished here")


def at(canvas: Canvas, x: float, y: float) -> QPoint:
    """Where a point of the image is in the canvas."""
    return QPointF(*canvas.sight.view.point_on_screen(x, y)).toPoint()


def test_coming_back_to_the_window_looks_at_the_folder(qtbot, window, folder) -> None:
    (folder / "0.bmp").rename(folder / "elsewhere.bmp")
    picture(folder / "new.bmp", 3)
    QGuiApplication.instance().applicationStateChanged.emit(Qt.ApplicationState.ApplicationActive)
    qtbot.waitUntil(
        lambda: {"elsewhere.bmp", "new.bmp"} <= {one.path for one in window.session.document.images},
        timeout=SOON,
    )


def test_nothing_is_read_while_nothing_changes_and_never_on_the_windows_thread(
    qtbot, window, monkeypatch
) -> None:
    looked, anew, real = [], [], open_photo.stamp_of

    def noted(path: Path):
        looked.append(threading.current_thread())
        return real(path)

    monkeypatch.setattr(open_photo, "stamp_of", noted)
    monkeypatch.setattr(window.session.place, "show_anew", lambda: anew.append(1))
    qtbot.waitUntil(lambda: len(looked) >= 2, timeout=SOON)
    assert threading.main_thread() not in looked
    assert not anew
