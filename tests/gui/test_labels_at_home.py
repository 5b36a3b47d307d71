"""Labels that are kept in the user's data folder can be moved to their photos, with what was just done."""

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from labeler.core.records import Box
from labeler.gui.main_window import MainWindow
from labeler.gui.notify import Message
from labeler.project import folder
from labeler.project.folder import locate
from labeler.project.store import Store


def test_labels_are_moved_into_their_folder_by_a_button(
    qtbot: QtBot, window: MainWindow, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(folder, "_obstacle", lambda _: "is read-only")
        at_home = locate(photos).project
        with Store.open(at_home) as store:
            store.set_root(photos)
    told: list[Message] = []
    window.notifier.told.connect(told.append)
    window.open(photos)
    session = window.session
    qtbot.waitUntil(lambda: session.pixels is not None, timeout=20_000)
    assert session.project == at_home
    session.add_category("person", by="test")
    made = session.add(Box(10, 20, 110, 220), by="test")
    assert made is not None
    offer = next(one for one in told if one.action == "Move into the folder")
    assert offer.run is not None
    offer.run()
    qtbot.waitUntil(lambda: session.project == photos / "labels.labeler", timeout=20_000)
    qtbot.waitUntil(lambda: made.id in session.annotations, timeout=20_000)
    assert not at_home.exists()
    assert locate(photos).message == ""
