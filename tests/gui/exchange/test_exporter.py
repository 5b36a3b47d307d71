"""An export from the real window: asked for, written aside, told, and shown in its folder."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image as PilImage
from PySide6.QtCore import QObject, Qt, QTimer, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from labeler.core.records import Box
from labeler.gui.exchange.export_dialog import ExportDialog
from labeler.gui.exchange.exporter import KEY, Exporter
from labeler.gui.exchange.report_dialog import ImportReportDialog
from labeler.gui.toolkit.notify import Message
from labeler.gui.toolkit.settings import load_settings
from labeler.gui.window.main_window import MainWindow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


class Shown(QObject):
    """What the system was asked to show."""

    def __init__(self) -> None:
        super().__init__()
        self.folders: list[Path] = []

    @Slot(QUrl)
    def take(self, url: QUrl) -> None:
        self.folders.append(Path(url.toLocalFile()))


@pytest.fixture
def shown(qapp: QApplication) -> Iterator[list[Path]]:
    taken = Shown()
    QDesktopServices.setUrlHandler("file", taken, "take")
    yield taken.folders
    QDesktopServices.unsetUrlHandler("file")


def export(opened: MainWindow, fill: Callable[[ExportDialog], None]) -> None:
    """Export as a person does: the dialog is filled in, and its button pressed until it is gone."""

    def act() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, ExportDialog):
            QTimer.singleShot(0, act)
            return
        fill(dialog)
        for _ in range(2):
            if dialog.isVisible():
                dialog.export_button.click()
        if dialog.isVisible():
            dialog.reject()

    QTimer.singleShot(0, act)
    opened.frame.findChild(Exporter).ask()


def last(qtbot: QtBot, told: list[Message]) -> Message:
    """What is said once it is over."""
    qtbot.waitUntil(lambda: told[-1].key == KEY and not told[-1].text.startswith("Exporting"), timeout=60_000)
    return told[-1]


def press(message: Message) -> None:
    assert message.run is not None
    message.run()


def test_what_was_written_is_shown_in_its_folder(
    qtbot: QtBot, opened: MainWindow, told: list[Message], shown: list[Path], photos: Path
) -> None:
    export(opened, lambda dialog: None)
    message = last(qtbot, told)
    assert message.text == "photos-coco.json: 1 object on 3 images."
    assert (message.level, message.action) == ("info", "Show in folder")
    press(message)
    assert shown == [photos]


def test_what_there_is_to_know_is_told_with_its_photo_and_opens_in_full(
    qtbot: QtBot, opened: MainWindow, told: list[Message], shown: list[Path], photos: Path
) -> None:
    exif = PilImage.Exif()
    exif[0x0112] = 6
    opened.session.edits.add(Box(-40, 1, 20, 20), by="test")
    last_image = opened.session.document.images[-1]
    with PilImage.open(photos / last_image.path) as picture:
        picture.copy().save(photos / last_image.path, exif=exif)
    export(opened, lambda dialog: None)
    message = last(qtbot, told)
    assert "other thing" in message.text
    assert message.action == "Reasons…"
    press(message)
    dialog = opened.frame.findChild(ImportReportDialog)
    assert dialog.windowTitle() == "Export to photos-coco.json"
    assert any("Is turned by its EXIF data" in sentence for sentence in dialog.shown())
    rows = [dialog.reasons.topLevelItem(n) for n in range(dialog.reasons.topLevelItemCount())]
    assert {row.text(1) for row in rows} == {"written as it is"}
    assert {last_image.path, f"{opened.session.place.image.path}, object 2"} <= {row.text(3) for row in rows}
    (button,) = [one for one in dialog.findChildren(QPushButton) if one.text() == "Show in folder"]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert shown == [photos]
    assert dialog.isVisible()
    dialog.close()


def test_an_object_that_cannot_be_written_is_an_error_that_says_so(
    qtbot: QtBot, opened: MainWindow, told: list[Message], photos: Path
) -> None:
    opened.session.edits.add(Box(-90, -90, -20, -20), by="test")
    export(opened, lambda dialog: None)
    message = last(qtbot, told)
    assert message.level == "error"
    assert "1 object on 3 images. Not written: 1 object" in message.text
    assert opened.session.place.image.path in message.text


def test_a_folder_that_cannot_be_written_to_is_one_sentence(
    qtbot: QtBot, opened: MainWindow, told: list[Message], tmp_path: Path
) -> None:
    target = tmp_path / "out"
    target.mkdir()

    def fill(dialog: ExportDialog) -> None:
        dialog.path.setText(str(target / ("n" * 300 + ".json")))

    export(opened, fill)
    message = last(qtbot, told)
    assert (message.level, message.action) == ("error", "")
    assert message.text.startswith("Nothing was exported: ")
    assert "cannot be written" in message.text
    assert not list(target.iterdir())


def test_a_file_that_comes_after_the_question_is_asked_about(
    qtbot: QtBot, opened: MainWindow, told: list[Message], photos: Path
) -> None:
    out = photos / "photos-coco.json"
    # the button was pressed while it was not there yet
    export(opened, lambda dialog: dialog.accepted.connect(lambda: out.write_text("another's")))
    message = last(qtbot, told)
    assert message.action == "Replace"
    assert message.text == "Nothing was exported: photos-coco.json is there already."
    assert out.read_text() == "another's"
    told.clear()
    press(message)
    qtbot.waitUntil(lambda: bool(told), timeout=60_000)
    assert told[-1].action == "Show in folder"
    assert len(json.loads(out.read_bytes())["annotations"]) == 1


def test_the_choices_are_there_the_next_time(qtbot: QtBot, opened: MainWindow, told: list[Message]) -> None:
    def choose(dialog: ExportDialog) -> None:
        dialog.open_choices()
        dialog.holes.choose("fill")
        dialog.parts.choose("share")
        dialog.share.setValue(35)

    export(opened, choose)
    last(qtbot, told)
    saved = load_settings().export
    assert (saved.writing.holes, saved.parts, saved.share) == ("fill", "share", 0.35)
    seen = []
    told.clear()
    export(opened, lambda dialog: seen.append(dialog.habits()))
    assert seen == [saved]
    last(qtbot, told)
