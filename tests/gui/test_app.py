"""The start: first the frame, then what stands in it, then what was asked for."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from labeler.gui import app
from labeler.gui.toolkit.settings import Settings
from labeler.gui.window.frame import Frame
from labeler.gui.window.main_window import MainWindow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


@pytest.mark.parametrize(
    ("make", "late"),
    [
        ("_make_frame", {"numpy", "cv2", "PIL", "labeler.project"}),
        ("make_window", {"torch", "onnxruntime", "urllib.request", "importlib.metadata", "labeler.registry"}),
    ],
)
def test_what_a_window_imports_later(make: str, late: set[str]) -> None:
    program = (
        "import sys; from labeler.gui import app\n"
        f"window = app.{make}()\n"
        f"print(*sorted({late!r} & set(sys.modules)))"
    )
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_a_frame_can_be_seen_resized_and_closed(qtbot: QtBot) -> None:
    app.make_application()
    frame = Frame(Settings())
    with qtbot.waitSignal(frame.appeared):
        frame.show()
    assert frame.welcome.isVisible()
    frame.resize(900, 600)
    frame.notifier.error("The disk is gone.")
    assert frame.welcome_toast.isVisible()
    assert frame.close()
    frame.deleteLater()


def test_nothing_moves_when_the_frame_is_furnished(qtbot: QtBot, tmp_path: Path) -> None:
    app.make_application()
    frame = Frame(Settings(recent=[str(tmp_path)]))
    with qtbot.waitSignal(frame.appeared):
        frame.show()
    row = frame.welcome.rows[0]
    qtbot.waitUntil(lambda: row._when.text() != "")
    before = frame.grab().toImage()
    app.furnish(frame)
    QApplication.processEvents()
    assert frame.grab().toImage() == before
    frame.close()
    frame.deleteLater()


def test_a_folder_is_opened_once_the_window_is_furnished(
    qtbot: QtBot, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    frames: list[Frame] = []
    monkeypatch.setattr(app, "_catch_crashes", frames.append)
    monkeypatch.setattr(MainWindow, "start_host", lambda _: None)

    def wait() -> int:
        frame = frames[0]
        assert frame.findChild(MainWindow) is None
        with qtbot.waitSignal(frame.appeared):
            pass
        window = frame.findChild(MainWindow)
        qtbot.waitUntil(lambda: window.session.place.pixels is not None, timeout=20_000)
        frame.close()
        return 7

    monkeypatch.setattr(QApplication, "exec", wait)
    assert app.run(photos) == 7
    assert frames[0].windowTitle() == "Labeler"
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    gc.unfreeze()
    frames[0].deleteLater()


STUCK = """
import sys, threading
from PySide6.QtCore import QTimer
from labeler.gui import app
from labeler.gui.toolkit.courier import Courier, run_in_pool

app._LAST_MS = 100
started = threading.Event()

def hang():
    started.set()
    threading.Event().wait()

def close():
    run_in_pool(hang, courier=Courier(), done=print, failed=print)
    started.wait()
    app.QApplication.closeAllWindows()

app.make_application()
QTimer.singleShot(200, close)
sys.exit(app.run(None))
"""


def test_a_job_that_never_comes_back_does_not_hold_up_the_end() -> None:
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    ended = subprocess.run([sys.executable, "-c", STUCK], env=environment, timeout=120, check=False)
    assert ended.returncode == 0
