"""An export in another format from the real window: chosen, its losses said before, written, told."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from labeler.core.records import Box
from labeler.formats.spec import formats
from labeler.gui.exchange import exporter
from labeler.gui.exchange.export_dialog import ExportDialog
from labeler.gui.toolkit.notify import Message
from labeler.gui.toolkit.settings import load_settings
from labeler.gui.window.main_window import MainWindow
from tests.gui.exchange.test_exporter import export, last

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


@pytest.fixture(autouse=True)
def _known(qtbot: QtBot, opened: MainWindow) -> None:
    """Plugins were looked up."""
    assert opened.session.project is not None
    qtbot.waitUntil(lambda: bool(formats()), timeout=30_000)


def as_yolo(dialog: ExportDialog, out: Path | None = None) -> None:
    dialog.target.format.choose("yolo")
    dialog.target.photos.choose("copied")
    if out is not None:
        dialog.path.setText(str(out))


def test_a_yolo_data_set_is_written_with_its_photos(
    qtbot: QtBot,
    opened: MainWindow,
    told: list[Message],
    photos: Path,
) -> None:
    export(opened, as_yolo)
    message = last(qtbot, told)
    assert message.text.startswith(f"{photos.name}-yolo: 1 object on 3 images.")
    out = photos.parent / f"{photos.name}-yolo"
    assert (out / "data.yaml").is_file()
    assert len(list((out / "images" / "train").iterdir())) == 3
    assert load_settings().export.format == "yolo"
    assert load_settings().export.photos == "copied"


def test_what_is_lost_is_said_before_it_is_written(
    qtbot: QtBot,
    opened: MainWindow,
    told: list[Message],
) -> None:
    dialog = ExportDialog(opened.session, opened.frame)
    qtbot.addWidget(dialog)
    assert dialog.losses.text() == ""
    dialog.target.format.choose("yolo-seg")
    assert "Looking at what YOLO segmentation can hold" in dialog.losses.text()
    qtbot.waitUntil(
        lambda: "1 object: Is a box, written as the outline" in dialog.losses.text(), timeout=20_000
    )
    dialog.target.format.choose("yolo")
    qtbot.waitUntil(lambda: dialog.losses.text() == "YOLO holds all of it.", timeout=20_000)
    dialog.target.photos.choose("left")
    qtbot.waitUntil(lambda: "The photos are not in the folder" in dialog.losses.text(), timeout=20_000)
    dialog.target.format.choose("coco")
    assert dialog.losses.text() == ""
    assert dialog.path.text().endswith("-coco.json")


def test_the_name_follows_the_format(opened: MainWindow, qtbot: QtBot, photos: Path) -> None:
    dialog = ExportDialog(opened.session, opened.frame)
    qtbot.addWidget(dialog)
    dialog.target.format.choose("yolo")
    assert Path(dialog.path.text()) == photos.parent / f"{photos.name}-yolo"
    dialog.path.setText(str(photos.parent / "mine"))
    dialog.target.format.choose("coco")
    assert Path(dialog.path.text()) == photos.parent / "mine.json"
    dialog.target.photos.choose("copied")
    dialog.path.setText(str(photos / "in"))
    assert not dialog.export_button.isEnabled()
    assert "outside" in dialog.summary.text()


def test_photos_come_along_where_the_set_is_of_no_use_without(opened: MainWindow, qtbot: QtBot) -> None:
    dialog = ExportDialog(opened.session, opened.frame)
    qtbot.addWidget(dialog)
    target = dialog.target
    target.format.choose("yolo")
    assert target.photos.currentData() == "copied"
    target.format.choose("cvat")
    assert target.photos.currentData() == "left"
    target.photos.setFocus()
    target.photos.choose("copied")
    target.photos.activated.emit(target.photos.currentIndex())  # as a person's choice does
    for name in ("yolo", "coco"):
        target.format.choose(name)
        assert target.photos.currentData() == "copied"


def test_every_row_has_a_letter_of_its_own_and_tab_goes_as_the_eye_does(
    opened: MainWindow, qtbot: QtBot
) -> None:
    dialog = ExportDialog(opened.session, opened.frame)
    qtbot.addWidget(dialog)
    letters = [
        text[text.index("&") + 1].lower()
        for label in dialog.findChildren(QLabel)
        if "&" in (text := label.text()) and label.buddy() is not None
    ]
    assert len(letters) == len(set(letters)) >= 10
    dialog.show()
    qtbot.waitUntil(dialog.isVisible)
    dialog.open_choices()
    dialog.target.format.setFocus()
    seen = [dialog.target.format.mapTo(dialog, QPoint()).y()]
    while (stop := dialog.focusWidget()) is not dialog.export_button:
        seen.append(stop.mapTo(dialog, QPoint()).y())
        assert len(seen) < 30
        QTest.keyClick(stop, Qt.Key.Key_Tab)
    assert all(after > before - 8 for before, after in pairwise(seen))  # a button is lower than its line
    assert len(set(seen)) >= 9


@pytest.mark.qt_log_ignore("This plugin does not support")  # as above
@pytest.mark.qt_log_ignore("This plugin does not support")  # as above
def test_categories_are_ticked_by_keys_and_the_list_stays(opened: MainWindow, qtbot: QtBot) -> None:
    opened.session.edits.add_category("R&D", by="test")
    opened.session.edits.add_category("a name that is as long as some people make them", by="test")
    dialog = ExportDialog(opened.session, opened.frame)
    qtbot.addWidget(dialog)
    dialog.show()
    field = dialog.target.categories
    field.showPopup()
    assert field.list.ticks[0].text() == "R&D"
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Space):  # none of them
        QTest.keyClick(field.list, key)
    assert field.currentText() == "0 of 2 categories"
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Space):
        QTest.keyClick(field.list, key)
    assert field.currentText() == "1 of 2 categories"
    assert field.list.isVisible()
    QTest.keyClick(field.list, Qt.Key.Key_Escape)
    assert not field.list.isVisible()
    assert dialog.isVisible()
    wanted = next(one.id for one in opened.session.document.categories.values() if one.name == "R&D")
    assert dialog.order().categories == {wanted}


def test_no_category_is_no_export(opened: MainWindow, qtbot: QtBot, told: list[Message]) -> None:
    dialog = ExportDialog(opened.session, opened.frame)
    qtbot.addWidget(dialog)
    ticks = dialog.target.categories.list
    (only,) = ticks.ticks
    ticks.act(only)
    assert dialog.summary.text() == "Choose at least one category."
    assert dialog.target.categories.currentText() == "0 of 1 categories"
    ticks.act(only)
    assert dialog.order().categories is None
    assert dialog.export_button.isEnabled()


def test_edits_go_on_while_it_is_written_and_it_can_be_stopped(
    qtbot: QtBot,
    opened: MainWindow,
    told: list[Message],
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from labeler.training import labels_out

    real = labels_out.write_data_set

    def until_stopped(spec: object, wanted: object) -> object:
        while not wanted.should_stop():  # type: ignore[attr-defined]
            pass
        return real(spec, wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(labels_out, "write_data_set", until_stopped)
    export(opened, as_yolo)
    opened.session.edits.add(Box(5, 5, 30, 30), by="test")
    qtbot.waitUntil(lambda: opened.session.saved == "saved", timeout=20_000)
    next(message for message in told if message.action == "Cancel").run()
    assert last(qtbot, told).text == "Nothing was exported: it was stopped."
    assert not (photos.parent / f"{photos.name}-yolo").exists()


def test_photos_that_are_gone_are_told_and_labels_are_written(
    qtbot: QtBot,
    opened: MainWindow,
    told: list[Message],
    photos: Path,
) -> None:
    for path in photos.glob("*.jpg"):
        path.unlink()
    export(opened, as_yolo)
    message = last(qtbot, told)
    assert "cannot be read" in message.text or "no such file" in message.text
    assert (photos.parent / f"{photos.name}-yolo" / "data.yaml").is_file()


def test_a_full_disk_is_one_sentence(
    qtbot: QtBot,
    opened: MainWindow,
    told: list[Message],
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    export(opened, as_yolo)
    assert "is full" in last(qtbot, told).text
    assert [path for path in photos.parent.iterdir() if path.name.startswith(".labeler-")] == []


def test_the_window_closed_in_the_middle_leaves_no_half(
    qtbot: QtBot,
    opened: MainWindow,
    told: list[Message],
    photos: Path,
) -> None:
    assert exporter.KEY == "export"
    export(opened, as_yolo)
    opened.frame.close()
    out = photos.parent / f"{photos.name}-yolo"
    qtbot.waitUntil(lambda: not list(photos.parent.glob(".labeler-*")), timeout=20_000)
    assert not out.exists() or (out / "data.yaml").is_file()
