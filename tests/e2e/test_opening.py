"""Folders, images, projects and COCO files: dropped, opened again, shared, refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtGui import QDragLeaveEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from labeler.core.records import Box
from tests.e2e.user import LEFT, User

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform

Start = Callable[..., User]


def coco_of_the_bus(path: Path) -> Path:
    document = {
        "images": [{"id": 7, "file_name": "bus.jpg", "width": 810, "height": 1080}],
        "categories": [{"id": 3, "name": "bus"}],
        "annotations": [
            {"id": 11, "image_id": 7, "category_id": 3, "bbox": [20, 230, 780, 520], "area": 405600}
        ],
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_folder_is_dropped_on_the_welcome_page(start: Start, photos: Path) -> None:
    user = start()
    assert user.window.frame.welcome.isVisible()
    user.drop(photos)
    user.wait_shown()
    assert not user.window.frame.welcome.isVisible()
    assert user.image == "bus.jpg"
    assert (photos / "labels.labeler").is_file()


def test_an_image_is_dropped_and_is_the_one_shown(start: Start, photos: Path) -> None:
    user = start()
    user.drop(photos / "zidane.jpg")
    user.wait_shown()
    assert user.image == "zidane.jpg"
    assert len(user.session.place.order) == 3


def test_several_labels_dropped_at_once_all_come_in(user: User, tmp_path: Path) -> None:
    user.drop(coco_of_the_bus(tmp_path / "one.json"), coco_of_the_bus(tmp_path / "two.json"))
    user.wait(lambda: user.said().startswith("two.json (COCO JSON)"))
    assert any("one.json" in text for text in user.window.toast.texts)


def test_of_other_things_dropped_at_once_the_first_is_opened_and_that_is_told(
    start: Start, photos: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    user = start()
    user.drop(photos, other)
    user.wait_shown()
    user.wait(lambda: any("other left alone" in text for text in user.window.toast.texts))


def test_a_drag_that_goes_on_elsewhere_leaves_no_sign(start: Start, photos: Path) -> None:
    user = start()
    user.drag_over(photos)
    assert user.window.drop_sign.isVisible()
    QApplication.sendEvent(user.window.frame, QDragLeaveEvent())
    assert not user.window.drop_sign.isVisible()


def test_a_coco_file_is_dropped_on_an_open_project(user: User, tmp_path: Path) -> None:
    user.drop(coco_of_the_bus(tmp_path / "labels.json"))
    user.wait(user.annotations)
    (found,) = user.annotations()
    assert found.shape == Box(20, 230, 800, 750, origin=found.shape.origin)
    assert user.category_of(found) == "bus"
    user.wait(lambda: user.said().startswith("labels.json (COCO JSON): 1 object on 1 image came in, "))
    user.undo()
    user.wait(lambda: not user.annotations())
    assert not user.session.document.categories


def test_a_coco_file_among_its_images_opens_their_folder(start: Start, photos: Path) -> None:
    coco_of_the_bus(photos / "labels.json")
    user = start()
    user.drop(photos / "labels.json")
    user.wait(user.annotations)
    assert user.image == "bus.jpg"


def test_a_file_of_another_kind_is_refused_in_a_sentence(start: Start, tmp_path: Path) -> None:
    user = start()
    (tmp_path / "notes.txt").write_text("nothing to see")
    user.drop(tmp_path / "notes.txt")
    user.wait(user.said)
    assert "notes.txt” holds no labels in a format that is known." in user.said()
    assert user.window.frame.welcome.isVisible()


def test_a_broken_coco_file_changes_nothing(user: User, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"images": [')
    user.drop(tmp_path / "broken.json")
    user.wait(lambda: "broken.json" in user.said() and "Importing" not in user.said())
    assert not user.annotations()
    assert user.session.saved == "saved"


def test_recent_projects_are_offered_on_the_welcome_page(start: Start, photos: Path) -> None:
    first = start(photos)
    first.draw_box(100, 300, 300, 500)
    first.close()
    user = start()
    (row,) = user.window.frame.welcome.rows
    assert row.path == photos
    QTest.mouseClick(row, LEFT)
    user.wait(user.annotations)
    user.key("Ctrl+Shift+W")
    assert user.window.frame.welcome.isVisible()
    assert [row.path for row in user.window.frame.welcome.rows] == [photos]


def test_a_recent_project_that_is_gone_says_so(start: Start, photos: Path) -> None:
    first = start(photos)
    first.close()
    shutil.rmtree(photos)
    user = start()
    (row,) = user.window.frame.welcome.rows
    user.wait(lambda: not row.is_there())
    QTest.mouseClick(row.remove_button, LEFT)
    assert not user.window.frame.welcome.rows
    assert not start().window.frame.welcome.rows


def test_a_second_window_is_refused_and_may_look(start: Start, photos: Path) -> None:
    first = start(photos)
    made = first.draw_box(100, 300, 300, 500)
    first.wait_saved()
    second = start()
    second.window.open(photos)
    second.wait(lambda: "is open on this computer" in second.said())
    assert second.session.project is None
    button = second.window.frame.welcome_toast.action_button
    assert button.text() == "Open read-only"
    QTest.mouseClick(button, LEFT)
    second.wait(second.annotations)
    assert second.annotations() == [made]
    assert second.window.saved.text().endswith("Read-only")
    second.wait_shown()
    second.key("R")
    second.drag((400, 300), (500, 500))
    assert second.annotations() == [made]
    assert second.said().startswith("Nothing was changed.")


def test_a_read_only_project_refuses_every_edit_in_a_sentence(start: Start, photos: Path) -> None:
    first = start(photos)
    made = first.draw_box(100, 300, 300, 500)
    first.close()
    user = start()
    user.window.open(photos, read_only=True)
    user.wait(user.annotations)
    user.session.focus.select([made.id])
    for keys in ("Del", "Ctrl+D", "Ctrl+R", "Right"):
        user.window.toast.hide()
        user.canvas.setFocus()
        user.key(keys)
        user.wait(lambda: user.said().startswith("Nothing was changed."))
        assert user.annotations() == [made]
    assert not user.session.document.images[0].reviewed
    assert not user.window.actions["reviewed"].isChecked()


def test_an_empty_folder_opens_and_says_so(start: Start, tmp_path: Path) -> None:
    user = start()
    empty = tmp_path / "empty"
    empty.mkdir()
    user.drop(empty)
    user.wait(lambda: user.session.project is not None)
    assert "no images" in user.window.frame.top.where.text()
    for keys in ("Q", "R", "D", "Return", "Ctrl+Return", "Del", "F", "Tab"):
        user.key(keys)
