import os
import threading
from pathlib import Path
from unittest.mock import Mock

import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QScrollArea, QWidget

from labeler import paths
from labeler.core.records import Box
from labeler.errors import ImageError
from labeler.formats.report import Ledger
from labeler.formats.write_options import Writing
from labeler.gui.exchange.export_dialog import ExportDialog
from labeler.gui.exchange.report_dialog import ImportReportDialog
from labeler.gui.exchange.undecided import ReplacedDialog
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.settings import ExportHabits, Settings, load_settings
from labeler.gui.window import dialogs
from labeler.gui.window.dialogs.about_dialog import AboutDialog
from labeler.gui.window.dialogs.settings_dialog import SettingsDialog
from labeler.gui.window.dialogs.shortcuts_dialog import KeyCaps, ShortcutsDialog, _parts
from labeler.gui.window.dialogs.welcome import WelcomePage, look_at
from labeler.gui.window.key_table import key_table
from labeler.training.labels_out import Order

# the off-screen platform says this of every window that has a smallest size
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@pytest.fixture(scope="session")
def _fonts(qapp: QApplication) -> None:
    """The shipped typeface, registered once, as the app does it."""
    theme.load_fonts()


@pytest.fixture(autouse=True)
def _dark(qapp: QApplication, _fonts: None):
    theme.apply(qapp, "dark")
    yield
    qapp.setStyleSheet("")


@pytest.fixture
def welcome(qtbot, tmp_path):
    """The welcome page with a folder that is there and one that is not."""
    page = WelcomePage([str(tmp_path), "/nowhere/street"])
    qtbot.addWidget(page)
    page.resize(900, 700)
    page.show()
    qtbot.waitUntil(lambda: not page.rows[1].is_there())
    return page


def test_the_three_ways_to_begin(qtbot, welcome):
    for button, signal in (
        (welcome.folder_button, welcome.open_folder),
        (welcome.project_button, welcome.open_project),
        (welcome.demo_button, welcome.demo),
    ):
        with qtbot.waitSignal(signal):
            qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_recent_folder_on_a_silent_disk_holds_up_neither_the_others_nor_the_end(
    qtbot, tmp_path, monkeypatch
):
    answers = threading.Event()
    silent = tmp_path / "silent"

    def look(path):
        if path == silent:
            answers.wait(60)
        return look_at(path)

    monkeypatch.setattr(dialogs.welcome, "look_at", look)
    page = WelcomePage([str(silent), "/nowhere/street"])
    qtbot.waitUntil(lambda: not page.rows[1].is_there())
    shiboken6.delete(page)
    answers.set()


def test_a_disk_that_gives_no_answer_is_told_so(qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(dialogs.welcome, "patiently", Mock(side_effect=ImageError("no answer")))
    page = WelcomePage([str(tmp_path)])
    qtbot.addWidget(page)
    qtbot.waitUntil(lambda: not page.rows[0].is_there())
    assert "no answer" in {label.text() for label in page.rows[0].findChildren(QLabel)}


def test_a_recent_folder_opens_by_click_and_by_enter(qtbot, welcome, tmp_path):
    row = welcome.rows[0]
    with qtbot.waitSignal(welcome.open_path) as told:
        qtbot.mouseClick(row, Qt.MouseButton.LeftButton)
    assert told.args == [tmp_path]
    with qtbot.waitSignal(welcome.open_path):
        qtbot.keyClick(row, Qt.Key.Key_Return)


def test_a_missing_one_cannot_be_opened_but_removed(qtbot, welcome):
    gone = welcome.rows[1]
    with qtbot.assertNotEmitted(welcome.open_path):
        qtbot.mouseClick(gone, Qt.MouseButton.LeftButton)
    assert gone.remove_button.isVisible()
    assert not welcome.rows[0].remove_button.isVisible()
    with qtbot.waitSignal(welcome.forgotten) as told:
        qtbot.mouseClick(gone.remove_button, Qt.MouseButton.LeftButton)
    assert told.args == [Path("/nowhere/street")]
    assert len(welcome.rows) == 1


def test_without_recent_projects_the_heading_is_gone(qtbot):
    page = WelcomePage()
    qtbot.addWidget(page)
    page.show()
    assert not page._heading.isVisible()


def test_every_key_of_the_app_is_shown_in_its_group(qtbot):
    dialog = ShortcutsDialog(key_table())
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.shown() == [text for _, text, _ in key_table()]
    assert {caps.accessibleName() for caps in dialog.findChildren(KeyCaps)} == {
        key for *_, key in key_table()
    }


def test_typing_finds_keys_by_what_they_do_or_are(qtbot):
    dialog = ShortcutsDialog(
        [
            ("Tools", "Brush", "B"),
            ("Tools", "Eraser", "E"),
            ("Edit", "Undo", "Ctrl+Z"),
            ("Edit", "Redo", "Ctrl+Y"),
        ]
    )
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.keyClicks(dialog.search, "ctrl+z")
    assert dialog.shown() == ["Undo"]
    assert [name for name, label in dialog._headings.items() if label.isVisible()] == ["Edit"]
    dialog.search.setText("brush tools")
    assert dialog.shown() == ["Brush"]
    dialog.search.setText("nothing has this")
    assert dialog.shown() == []
    assert dialog._none.isVisible()


@pytest.mark.parametrize(
    ("keys", "caps"),
    [
        ("V", ["V"]),
        ("Ctrl+Shift+Z, Ctrl+Y", ["Ctrl", "Shift", "Z", "or", "Ctrl", "Y"]),
        ("Ctrl++", ["Ctrl", "+"]),
        ("PgDown", ["Page down"]),
        ("Alt+Shift+click on it", ["Alt+Shift+click on it"]),
    ],
)
def test_keys_are_drawn_one_cap_a_part(qapp, keys, caps):
    assert [text for text, _ in _parts(keys)] == caps


def test_the_export_says_in_numbers_what_it_writes(qtbot, session, photos):
    session.edits.add(Box(1, 1, 20, 20), by="test")
    session.edits.mark_reviewed(True, by="test")
    session.place.step(1)
    session.edits.add(Box(1, 1, 20, 20), by="test")
    dialog = ExportDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.summary.text().startswith("Writes 3 images, 2 objects, 1 category.")
    dialog.images.choose(True)
    assert dialog.summary.text().startswith("Writes 1 image, 1 object, 1 category.")
    dialog.masks.choose("rle")
    assert dialog.order() == Order(
        photos / "photos-coco.json", Writing(masks="rle"), reviewed_only=True, share=0.2, format="coco"
    )


def test_an_export_says_why_it_cannot_and_asks_once_before_it_replaces(qtbot, session, photos):
    dialog = ExportDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.export_button.isEnabled()
    dialog.path.setText(str(photos / "no folder" / "out.json"))
    assert not dialog.export_button.isEnabled()
    assert "does not exist" in dialog.summary.text()
    assert dialog.export_button.toolTip() == dialog.summary.text()
    dialog.path.setText("")
    assert dialog.summary.text() == "Choose a file to write to."
    dialog.path.setText(str(photos / "old.json"))
    dialog.images.choose(True)
    assert "No image is marked as reviewed" in dialog.summary.text()
    dialog.images.choose(False)
    (photos / "old.json").write_text("{}")
    dialog.path.setText(str(photos / "other.json"))
    dialog.path.setText(str(photos / "old.json"))
    qtbot.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    assert dialog.isVisible()
    assert "old.json is there already" in dialog.summary.text()
    assert dialog.export_button.text() == "Replace"
    qtbot.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    assert dialog.result() == ExportDialog.DialogCode.Accepted


def test_a_file_that_was_asked_about_already_is_not_asked_about_again(qtbot, session, photos):
    (photos / "old.json").write_text("{}")
    dialog = ExportDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.take_file(str(photos / "old.json"))
    qtbot.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    assert dialog.result() == ExportDialog.DialogCode.Accepted


def test_parts_of_an_export_ask_for_what_they_need(qtbot, session, photos):
    dialog = ExportDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.share.isVisible()
    dialog.parts.choose("share")
    assert dialog.share.isVisible()
    (photos / "photos-coco-val.json").write_text("{}")
    qtbot.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    assert "photos-coco-val.json is there already" in dialog.summary.text()
    dialog.parts.choose("run")
    assert not dialog.export_button.isEnabled()
    assert "run.json" in dialog.summary.text()
    run = photos / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    dialog.run.setText(str(run))
    assert dialog.export_button.isEnabled()
    assert dialog.order().run == run


def test_how_one_last_exported_is_shown_again(qtbot, session):
    habits = ExportHabits(Writing(holes="fill", tolerance=1.5, clip=False), parts="share", share=0.3)
    dialog = ExportDialog(session, habits=habits)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.habits() == habits
    assert dialog.standard_button.isVisible()
    qtbot.mouseClick(dialog.standard_button, Qt.MouseButton.LeftButton)
    assert dialog.habits().writing == Writing()
    assert not dialog.standard_button.isVisible()


@pytest.mark.parametrize(("parts", "there"), [("folders", "rest"), ("run", "rest"), ("share", "train")])
def test_every_way_of_splitting_asks_before_it_replaces(qtbot, session, photos, parts, there):
    (photos / "run").mkdir()
    (photos / "run" / "run.json").write_text("{}")
    old = photos / f"photos-coco-{there}.json"
    old.write_text("{}")
    dialog = ExportDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.parts.choose(parts)
    dialog.run.setText(str(photos / "run"))
    qtbot.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    assert dialog.isVisible()
    assert f"{old.name} is there already" in dialog.summary.text()
    # another choice is another question
    dialog.clip.toggle()
    assert dialog.export_button.text() == "Export"
    for text in ("Export", "Replace"):
        assert dialog.export_button.text() == text
        qtbot.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    assert dialog.result() == ExportDialog.DialogCode.Accepted
    assert dialog.order().over == {old}


def test_a_project_is_no_file_for_labels(qtbot, session, photos):
    dialog = ExportDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.path.setText(str(session.project))
    assert not dialog.export_button.isEnabled()
    assert "end it in .json" in dialog.summary.text()


def test_the_choices_of_shapes_open_when_they_are_asked_for_and_say_what_they_cost(qtbot, session):
    dialog = ExportDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()
    assert "takes it back exactly" in dialog.effects.text()
    assert not dialog.holes.isVisible()
    qtbot.mouseClick(dialog.change_button, Qt.MouseButton.LeftButton)
    assert dialog.holes.isVisible()
    assert not dialog.change_button.isVisible()
    dialog.holes.choose("fill")
    assert "do not get the holes" in dialog.effects.text()
    dialog.tolerance.setValue(2.5)
    assert "up to 2.5 px" in dialog.effects.text()
    assert "stay here" in dialog.summary.text()
    again = ExportDialog(session, habits=dialog.habits())
    qtbot.addWidget(again)
    again.show()
    assert again.holes.isVisible(), "what is not the default is never hidden"


def test_very_long_names_make_the_dialog_no_wider(qtbot, session, photos):
    dialog = ExportDialog(session)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.open_choices()
    width = dialog.width()
    dialog.path.setText(str(photos / ("a" * 200) / "b.json"))
    assert "does not exist" in dialog.summary.text()
    assert dialog.width() == width
    assert dialog.minimumSizeHint().width() <= width
    assert dialog.height() <= 660, "it fits a window of 1024 by 700"


def test_the_export_dialog_scrolls_where_its_window_is_small(qtbot, session):
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(1024, 560)
    window.show()
    dialog = ExportDialog(session, window)
    dialog.show()
    bar = dialog.findChild(QScrollArea).verticalScrollBar()
    assert not bar.isVisible(), "what fits does not scroll"
    assert dialog.height() < window.height()
    dialog.parts.choose("share")
    dialog.open_choices()
    assert dialog.height() < window.height()
    assert bar.isVisible()
    dialog.clip.setFocus()
    qtbot.keyClick(dialog.clip, Qt.Key.Key_Tab)
    top = dialog.as_read.mapTo(dialog, dialog.as_read.rect().topLeft()).y()
    assert top < dialog.summary.y(), "what has the keys is brought into sight"
    assert dialog.export_button.mapTo(dialog, dialog.export_button.rect().bottomLeft()).y() < dialog.height()


def test_a_long_reason_of_a_report_is_shown_whole(qtbot):
    ledger = Ledger()
    ledger.note("told", "annotations", 1, "", "Short.")
    ledger.note("refused", "annotations", 2, "bbox", "It is told at length why this one is not taken. " * 6)
    dialog = ImportReportDialog(ledger.report("a.json", {"annotations": 3}))
    qtbot.addWidget(dialog)
    dialog.show()
    rows = [dialog.reasons.topLevelItem(place) for place in (0, 1)]
    long, short = (dialog.reasons.visualItemRect(row).height() for row in rows)
    assert long >= 2 * short
    dialog.resize(600, 480)
    qtbot.waitUntil(lambda: dialog.reasons.visualItemRect(rows[0]).height() > long)


def test_the_choice_between_two_projects_is_no_wider_for_a_long_name(qtbot, tmp_path):
    name = f"{'a long name of a project ' * 6}.labeler"
    dialog = ReplacedDialog("Another file is there.", tmp_path / name, tmp_path / "mine.labeler")
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.width() <= 500
    assert "…" in dialog.mine.text()


def test_settings_show_what_is_set_and_keep_what_is_chosen(qtbot):
    settings = Settings(theme="light", threads=3, cache_gb=7.5)
    dialog = SettingsDialog(settings)
    dialog.show()
    texts = [box.currentText() for box in (dialog.theme, dialog.wheel, dialog.threads, dialog.cache)]
    assert texts == ["Light", "Zooms at the pointer", "3", "7.5"]
    with qtbot.waitSignals([dialog.changed] * 2):
        dialog.theme.choose("dark")
        dialog.wheel.choose(False)
    dialog.close()
    assert (settings.theme, settings.wheel_zoom) == ("dark", False)
    assert load_settings().theme == "dark"
    assert load_settings().wheel_zoom is False


def test_the_embedding_cache_is_measured_and_cleared(qtbot):
    folder = paths.cache_dir() / "embeddings" / "ab"
    folder.mkdir(parents=True)
    (folder / "one").write_bytes(os.urandom(2_500_000))
    dialog = SettingsDialog(Settings())
    dialog.show()
    qtbot.waitUntil(lambda: dialog.used.text() == "2.5 MB in use")
    qtbot.mouseClick(dialog.clear_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.used.text() == "0.0 MB in use")
    assert not folder.exists()
    assert not dialog.clear_button.isEnabled()
    dialog.close()


def test_about_names_the_version_the_licence_and_the_parts(qtbot):
    dialog = AboutDialog()
    dialog.show()
    told = " ".join(label.text() for label in dialog.findChildren(QLabel))
    for word in ("Version 0.1.0", "GNU Affero General Public License", "MobileSAM", "Qt for Python"):
        assert word in told
    dialog.close()
