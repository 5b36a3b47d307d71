"""The Model menu and the list of plugins, on real plugin files."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMenu, QWidget
from pytestqt.qtbot import QtBot

from labeler.gui.models.menu import ModelMenu
from labeler.gui.models.plugins_dialog import PluginsDialog
from labeler.gui.window.bars.status_line import StatusLine
from labeler.registry import discover

FLOOD = """
from labeler.models.protocols import ModelSpec
from labeler.api import Plugin

plugin = Plugin(api=1, name="Flood", version="2", models=(ModelSpec("flood", "Flood", "segmenter", dict),))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "flood.py").write_text(FLOOD)
    (tmp_path / "broken.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.setenv("LABELER_PLUGINS", str(tmp_path))
    return tmp_path


def test_the_menu_offers_every_promptable_model_and_tells_the_choice(
    qtbot: QtBot, folder: Path, expect_log
) -> None:
    expect_log("a_module_that_is_not_there")
    window = QWidget()
    qtbot.addWidget(window)
    menu = QMenu("Model", window)
    models = ModelMenu(menu, window, current="mobilesam")
    with qtbot.waitSignal(models.found):
        models.look_up()
    use = next(action.menu() for action in menu.actions() if action.text() == "Model of the SAM tools")
    entries = {action.text(): action for action in use.actions()}
    assert next(iter(entries)) == "MobileSAM"
    assert entries["MobileSAM"].isChecked()
    with qtbot.waitSignal(models.chosen) as chosen:
        entries["Flood"].trigger()
    assert chosen.args[0] == "flood"
    assert chosen.args[1].title == "Flood"


def test_a_plugin_that_was_left_out_shows_why(qtbot: QtBot, folder: Path, expect_log) -> None:
    expect_log("a_module_that_is_not_there")
    dialog = PluginsDialog(discover())
    qtbot.addWidget(dialog)
    items = [dialog.tree.topLevelItem(at) for at in range(dialog.tree.topLevelItemCount())]
    rows = {item.text(0): item for item in items}
    assert rows["Flood"].text(1) == "2"
    assert rows["Flood"].text(2) == "flood"
    assert rows["broken.py"].text(2).startswith("left out: ")
    dialog.tree.setCurrentItem(rows["broken.py"])
    assert "ModuleNotFoundError" in dialog.details.toPlainText()
    dialog.tree.setCurrentItem(rows["Flood"])
    assert dialog.details.toPlainText() == ""


LEARNT = """
from labeler.models.protocols import ModelSpec
from labeler.api import Plugin

spec = ModelSpec("mine", "Mine", "segmenter", dict, note="learnt: a click IoU 0.50 → 0.60")
plugin = Plugin(api=1, name="Mine", version="2", models=(spec,))
"""


def test_one_click_goes_back_to_what_nothing_was_learnt_by_and_forth(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(LEARNT)
    monkeypatch.setenv("LABELER_PLUGINS", str(tmp_path))
    window = QWidget()
    qtbot.addWidget(window)
    menu = QMenu("Model", window)
    models = ModelMenu(menu, window, current="mine")
    line = StatusLine(window)
    models.learnt_changed.connect(lambda gain, used: line.show_learnt(gain, is_used=used))
    line.switch_wanted.connect(models.switch_learnt)
    chosen: list[str] = []
    models.chosen.connect(lambda name, _: chosen.append(name))
    with qtbot.waitSignal(models.found):
        models.look_up()
    label = next(one for one in line.findChildren(QLabel) if "0.60" in one.text())
    assert label.text() == "learnt: a click IoU 0.50 → 0.60"
    assert not label.isHidden()
    qtbot.mouseClick(label, Qt.MouseButton.LeftButton)
    assert (chosen, label.text()) == (["mobilesam"], "learnt clicks are off")
    use = next(action.menu() for action in menu.actions() if action.text() == "Model of the SAM tools")
    assert [action.text() for action in use.actions() if action.isChecked()] == ["MobileSAM"]
    qtbot.mouseClick(label, Qt.MouseButton.LeftButton)
    assert (chosen[1:], label.text()) == (["mine"], "learnt: a click IoU 0.50 → 0.60")
    assert [action.text() for action in use.actions() if action.isChecked()] == ["Mine"]


def test_nothing_is_said_of_learning_where_nothing_was_learnt(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    models = ModelMenu(QMenu("Model", window), window, current="mobilesam")
    told: list[tuple[str, bool]] = []
    models.learnt_changed.connect(lambda *words: told.append(words))
    with qtbot.waitSignal(models.found):
        models.look_up()
    models.switch_learnt()
    assert told == [("", False)]
