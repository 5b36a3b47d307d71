"""Labels that are kept in the user's data folder can be moved to their photos, with what was just done."""

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from labeler.core.records import Annotation, Box, Category, Change, Edit
from labeler.gui.toolkit.notify import Message
from labeler.gui.toolkit.settings import flush_settings, load_settings
from labeler.gui.window.main_window import MainWindow
from labeler.project.keeping import homes
from labeler.project.photos import folder
from labeler.project.photos.folder import locate
from labeler.project.store import Store
from tests.in_one_go import sync_images


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
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=20_000)
    assert session.project == at_home
    session.edits.add_category("person", by="test")
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    assert made is not None
    offer = next(one for one in told if one.action == "Move into the folder")
    assert offer.run is not None
    offer.run()
    qtbot.waitUntil(lambda: session.project == photos / "labels.labeler", timeout=20_000)
    qtbot.waitUntil(lambda: made.id in session.document.annotations, timeout=20_000)
    assert not at_home.exists()
    assert told[-1].text == f"The labels are in {session.project} now."
    assert locate(photos).message == ""


def test_two_projects_of_a_folder_are_named_once_until_the_other_changes(
    qtbot: QtBot, window: MainWindow, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, at_home = photos / "labels.labeler", homes.new_home(photos)
    for project in (inside, at_home):
        _label(project, photos, objects=1)
    told: list[Message] = []
    window.notifier.told.connect(told.append)
    session = window.session

    def said_at_opening() -> list[str]:
        told.clear()
        window.open(photos)
        qtbot.waitUntil(lambda: session.place.pixels is not None and session.document.is_read, timeout=20_000)
        assert session.project == inside
        session.edits.add(
            Box(1, 2, 30, 40), by="test"
        )  # what is done in the open one changes nothing about it
        session.close()
        return [one.action for one in told if "two projects" in one.text]

    assert said_at_opening() == ["Open the other"]
    assert said_at_opening() == []
    assert flush_settings()
    window.settings.others_told = load_settings().others_told  # as the next start does
    assert said_at_opening() == []
    _label(at_home, photos, objects=2)
    assert said_at_opening() == ["Open the other"]


def _label(project: Path, photos: Path, *, objects: int) -> None:
    with Store.open(project) as store:
        sync_images(store, photos)
        made = Category(1, "cat", "#ff0000", "")
        fresh = [] if store.categories() else [Change(None, made)]
        image = store.images()[0].id
        boxes = [
            Annotation(store.ids.take("annotation"), image, 1, Box(1, 1, 9 + n, 9)) for n in range(objects)
        ]
        store.apply(Edit("Add", (*fresh, *(Change(None, one) for one in boxes))))
