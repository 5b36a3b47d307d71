"""The table of panels: what a person had is there again, what they have not met is as the table says."""

import pytest
from PySide6.QtCore import QByteArray
from pytestqt.qtbot import QtBot

from labeler.gui.toolkit.settings import Settings, load_settings
from labeler.gui.window.frame import Frame
from labeler.gui.window.main_window import MainWindow
from labeler.gui.window.panels import PANELS

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform

NAMES = (
    "categories objects agreement pre-annotate predictions review images history training evaluation".split()
)
OLD = ["Objects", "History", "IoU explorer", "Training"]
"""As an older version kept it, which knew no `known_docks`."""


def closed(qtbot: QtBot, settings: Settings) -> list[str]:
    """What a window with these settings does not show."""
    frame = Frame(settings)
    qtbot.addWidget(frame)
    window = MainWindow(frame)
    found = window.panels.closed()
    frame.close()
    return found


def test_docks_have_the_names_that_layouts_were_saved_by(window: MainWindow) -> None:
    names = {dock.objectName() for dock in window.panels.docks.values()}
    assert {f"dock-{name}" for name in NAMES} < names
    assert {"dock-set agreement", "dock-iou explorer", "dock-film strip"} < names
    assert window.frame.restoreState(QByteArray(window.frame.saveState()))


def test_each_panel_can_be_had_by_its_kind(window: MainWindow) -> None:
    for panel in PANELS:
        assert isinstance(window.panels[panel.kind], panel.kind)


def test_at_first_panels_are_closed_as_the_table_says(qtbot: QtBot) -> None:
    assert closed(qtbot, Settings()) == [panel.title for panel in PANELS if panel.closed]


def test_what_an_older_version_kept_still_holds(qtbot: QtBot) -> None:
    assert closed(qtbot, Settings(closed_docks=list(OLD))) == OLD


def test_a_panel_that_a_person_has_not_met_is_as_the_table_says(qtbot: QtBot) -> None:
    met = [panel.title for panel in PANELS if panel.title not in ("Review", "Categories")]
    found = closed(qtbot, Settings(closed_docks=list(OLD), known_docks=met))
    assert found == ["Objects", "Review", *OLD[1:]]


def test_opening_one_is_kept(opened: MainWindow) -> None:
    opened.panels.open("History")
    opened.panels.toggle("Categories")
    opened.frame.close()
    kept = load_settings()
    assert "History" not in kept.closed_docks
    assert "Categories" in kept.closed_docks
    assert kept.known_docks == [panel.title for panel in PANELS]
