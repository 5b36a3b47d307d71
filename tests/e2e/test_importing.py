"""Labels dropped on the window while a person, a run or the history is at something else."""

import json
from pathlib import Path

import pytest

from labeler.core.records import Box, Candidate
from tests.e2e.user import User

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform

COUNT = 3


@pytest.fixture
def dropped(user: User, tmp_path: Path) -> Path:
    """A COCO file with a box on the open image, and two on others."""
    names = [user.image, *(i.path for i in user.session.document.images if i.path != user.image)][:COUNT]
    box = {"category_id": 1, "bbox": [5, 5, 20, 20], "area": 400}
    document = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names, 1)],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [box | {"id": n, "image_id": n} for n in range(1, COUNT + 1)],
    }
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(document))
    return path


def _imported(user: User) -> int:
    """How many objects of the file are in the project, by the window's own counts."""
    things = [key for key, one in user.session.document.categories.items() if one.name == "thing"]
    counts = (user.session.document.counts(image.id) for image in user.session.document.images)
    return sum(by.get(key, 0) for by in counts for key in things)


def _drop(user: User, path: Path) -> None:
    user.drop(path)
    user.wait(lambda: _imported(user) == COUNT)


def test_a_drag_goes_on_while_labels_come_in(user: User, dropped: Path) -> None:
    user.add_category("cat")
    user.key("R")
    user.press(100, 300)
    user.move_held(250, 450)
    _drop(user, dropped)
    assert user.canvas.progress.is_dragging, "an import ends no drag"
    user.move_held(300, 500)
    user.release(300, 500)
    user.wait_saved()
    assert sorted(user.category_of(one) for one in user.annotations()) == ["cat", "thing"]


def test_a_polygon_in_progress_stays_and_the_image_too(user: User, dropped: Path) -> None:
    user.add_category("cat")
    image = user.image
    user.key("P")
    for corner in ((400, 300), (700, 300), (700, 600)):
        user.click_at(*corner)
    _drop(user, dropped)
    assert user.image == image
    user.key("Return")
    user.wait_saved()
    assert sorted(user.category_of(one) for one in user.annotations()) == ["cat", "thing"]


def test_labels_and_what_a_run_stores_meanwhile_are_both_there(user: User, dropped: Path) -> None:
    session = user.session
    assert session.place.image is not None
    image_id = session.place.image.id
    found = [Candidate(0, image_id, 0, 0, Box(1, 2, 30, 40), 0.9, "person")]
    stored: list[object] = []
    user.drop(dropped)
    for version in "123":
        session.keep(
            lambda store, version=version: store.predictions.record_run(
                store.predictions.ensure_model("detector", version).id, image_id, found
            ),
            stored.append,
            failed=stored.append,
        )
    user.wait(lambda: _imported(user) == COUNT and len(stored) == 3)
    assert not [one for one in stored if isinstance(one, Exception)]
    session.refresh_candidates(image_id)
    user.wait(lambda: len(session.document.candidates) == 3)
    user.wait_saved()


def test_an_undo_right_after_takes_the_labels_back_and_nothing_else(user: User, dropped: Path) -> None:
    user.add_category("cat")
    made = user.draw_box(100, 300, 300, 500)
    _drop(user, dropped)
    user.key("Ctrl+Z")
    user.wait(lambda: _imported(user) == 0)
    assert user.annotations() == [made]
    user.key("Ctrl+Shift+Z")
    user.wait(lambda: _imported(user) == COUNT)
    user.wait_saved()
    user.read_all()
    assert _imported(user) == COUNT, "what was counted while the open image was read anew"
    assert made in user.annotations()


def test_the_same_file_twice_adds_nothing(user: User, dropped: Path) -> None:
    _drop(user, dropped)
    user.drop(dropped)
    user.wait(lambda: "already" in user.said())
    user.read_all()
    assert _imported(user) == COUNT
