"""The check of this machine in the window: beside it, what needs mending first, to be copied."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from labeler.gui.models import checkup_dialog
from labeler.gui.models.checkup_dialog import CheckupDialog
from labeler.gui.window.main_window import MainWindow
from labeler.models.checkup import Finding

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform
LONG = "pip install 'labeler[pretrained-encoders]', and whatever else is said to be needed for that here."
FOUND = [Finding("torch", "good", "2.0"), Finding("GPU", "bad", "no driver", f"Update it. {LONG}")]


def test_the_device_in_the_status_line_opens_it(
    qtbot: QtBot, opened: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup_dialog, "findings", lambda: iter(FOUND))
    opened.status_line._device.setText("CPU · 2 threads")
    QTest.mouseClick(opened.status_line._device, Qt.MouseButton.LeftButton)
    dialog = opened.frame.findChild(CheckupDialog)
    qtbot.waitUntil(lambda: dialog.table.topLevelItemCount() == 2, timeout=20_000)
    assert dialog.table.topLevelItem(0).text(1) == "GPU"
    assert dialog.summary.text() == "1 broken of 2 things."
    assert dialog.told.text() == f"GPU: no driver\nUpdate it. {LONG}"  # whole, as columns may not have it
    QTest.keyClick(dialog.table, Qt.Key.Key_Down)
    assert dialog.told.text() == "torch: 2.0"
    dialog.copy_button.click()
    assert dialog.told.text() == "The list is on the clipboard."
    assert "Broken: GPU: no driver Update it." in QGuiApplication.clipboard().text()
    dialog.close()


def test_closing_it_before_the_answer_harms_nothing(
    qtbot: QtBot, opened: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    go, asked = threading.Event(), threading.Event()

    def slow() -> list[Finding]:
        asked.set()
        go.wait(20)
        return FOUND

    monkeypatch.setattr(checkup_dialog, "findings", slow)
    dialog = CheckupDialog(opened.frame)
    dialog.open()
    qtbot.waitUntil(asked.is_set, timeout=20_000)
    with qtbot.waitSignal(dialog.destroyed, timeout=20_000):
        dialog.close()
    go.set()
    assert opened.session.project is not None
