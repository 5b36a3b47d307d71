"""Keys with something in progress: it is what they mean, and nothing made earlier is touched."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit

from labeler.core.records import Annotation, Polygons
from labeler.gui.labelling.categories_panel import CategoriesPanel
from labeler.gui.labelling.objects_panel import AnnotationsPanel
from tests.e2e.user import LEFT, User

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform

CORNERS = ((400, 300), (700, 300), (700, 600), (400, 600))


@pytest.fixture
def earlier(user: User) -> Annotation:
    """Work done before: two categories, and a box of the first of them that is still selected."""
    for name in ("broccoli", "almond"):
        user.add_category(name)
    user.key("1")
    made = user.draw_box(100, 300, 300, 500)
    user.wait_saved()
    return made


def _begin_polygon(user: User, corners: int = 4) -> None:
    user.key("P")
    for corner in CORNERS[:corners]:
        user.click_at(*corner)


def _points(user: User) -> int:
    return len(user.canvas.progress._tools["polygon"].points)  # type: ignore[attr-defined]


def test_undo_takes_back_points_and_never_the_box_before(user: User, earlier: Annotation) -> None:
    _begin_polygon(user)
    for left in (3, 2, 1, 0):
        user.key("Ctrl+Z")
        assert _points(user) == left
    user.read_all()
    assert user.annotations() == [earlier]
    for back in (1, 2, 3):
        user.key("Ctrl+Shift+Z" if back % 2 else "Ctrl+Y")
        assert _points(user) == back
    user.key("Return")
    assert [type(one.shape) for one in user.annotations()][1:] == [Polygons]
    user.undo()
    assert user.annotations() == [earlier]
    user.redo()
    assert len(user.annotations()) == 2


def test_redo_does_not_reach_below_what_is_in_progress(user: User, earlier: Annotation) -> None:
    user.undo()
    assert user.annotations() == []
    _begin_polygon(user)
    assert not user.window.actions["redo"].isEnabled()
    user.key("Ctrl+Shift+Z")
    user.read_all()
    assert user.annotations() == []
    user.key("Esc")
    user.redo()
    assert user.annotations() == [earlier]


def test_what_changes_labels_is_done_once_a_press(user: User) -> None:
    repeated = {name for name, action in user.window.actions.by_id.items() if action.autoRepeat()}
    assert {"next", "previous", "zoom-in", "brush-larger"} <= repeated
    assert not repeated & {"undo", "redo", "delete", "reviewed-next", "accept-image", "duplicate", "paste"}


def test_undo_is_there_for_a_polygon_where_nothing_was_ever_done(user: User) -> None:
    assert not user.window.actions["undo"].isEnabled()
    _begin_polygon(user, 2)
    user.key("Ctrl+Z")
    assert _points(user) == 1
    user.key("Ctrl+Z")
    assert not user.window.actions["undo"].isEnabled()


def test_delete_takes_a_point_back_and_leaves_the_selected_box(user: User, earlier: Annotation) -> None:
    _begin_polygon(user)
    assert user.selected() == earlier
    user.key("Del")
    assert _points(user) == 3
    assert user.annotations() == [earlier]


def test_a_digit_names_what_is_drawn_and_not_what_was_drawn_before(user: User, earlier: Annotation) -> None:
    _begin_polygon(user)
    user.key("2")
    assert user.said() == "This one: almond."
    user.key("Return")
    assert user.annotations()[0] == earlier
    assert user.category_of(user.selected()) == "almond"
    user.key("1")
    assert user.category_of(user.selected()) == "almond"


def test_a_click_on_a_category_does_the_same_and_enter_still_closes(user: User, earlier: Annotation) -> None:
    _begin_polygon(user)
    view = user.window.panels[CategoriesPanel].view
    QTest.mouseClick(view.viewport(), LEFT, pos=view.visualRect(view.model().index(1, 0)).center())
    user.key("Return")
    assert user.annotations()[0] == earlier
    assert user.category_of(user.selected()) == "almond"


def test_a_category_chosen_with_the_brush_begins_another_object(user: User, earlier: Annotation) -> None:
    user.key("B")
    user.key("2")
    assert user.canvas.hand.outlook() == "new almond"
    user.drag((400, 300), (500, 300))
    assert user.annotations()[0] == earlier
    assert user.category_of(user.selected()) == "almond"


def test_renaming_is_told_and_its_undo_is_gone_with_the_next_edit(user: User, earlier: Annotation) -> None:
    user.key("V")
    user.key("2")
    assert user.category_of(user.selected()) == "almond"
    assert user.said() == "The selected object is almond now."
    user.draw_box(400, 300, 500, 400)
    assert "almond now" not in user.said()


@pytest.mark.parametrize("key", ["D", "PgDown", "Ctrl+Shift+D"])
def test_a_polygon_is_kept_on_its_image_whichever_way_one_leaves(user: User, key: str) -> None:
    _begin_polygon(user)
    user.key(key)
    assert user.image == "grace_hopper.jpg"
    assert user.said() == "The polygon begun on bus.jpg is kept there."
    user.go_to("bus.jpg")
    assert _points(user) == 4
    user.key("Return")
    assert len(user.annotations()) == 1


def test_no_image_is_called_reviewed_with_something_half_done(user: User) -> None:
    _begin_polygon(user)
    user.key("Ctrl+Return")
    assert user.image == "bus.jpg"
    assert user.said().startswith("Not marked as reviewed. A polygon is not finished here")
    assert not user.session.document.images[0].reviewed
    user.key("Return")
    user.key("Ctrl+Return")
    assert user.session.document.images[0].reviewed


def test_in_the_middle_of_a_drag_keys_wait_and_undo_takes_the_drag(user: User, earlier: Annotation) -> None:
    user.key("V")
    user.press(200, 400)
    user.move_held(260, 460)
    for key in ("D", "Ctrl+A", "Ctrl+D", "Ctrl+V", "Ctrl+R", "P", "Ctrl+Return", "Ctrl+W"):
        user.key(key)
    assert (user.image, user.canvas.hand.name, user.canvas.progress.is_dragging) == (
        "bus.jpg",
        "select",
        True,
    )
    assert not user.window.actions["reviewed"].isChecked()
    assert user.window.actions["select"].isChecked()
    assert user.said().startswith("Let go of the mouse button first")
    user.key("Ctrl+Z")
    user.wait(lambda: not user.said().startswith("Let go"))
    user.release(260, 460)
    user.read_all()
    assert user.annotations() == [earlier]


def test_enter_in_a_text_field_is_the_fields(user: User) -> None:
    _begin_polygon(user)
    panel = user.window.panels[CategoriesPanel]
    QTest.mouseClick(panel.add_button, LEFT)
    user.type("pear", panel.name_field)
    user.key("Return")
    assert [one.name for one in user.session.document.categories.values()] == ["pear"]
    assert _points(user) == 4
    assert isinstance(user.window.frame.focusWidget(), QLineEdit)
    user.canvas.setFocus()
    user.key("Return")
    assert user.category_of(user.selected()) == "pear"


def test_enter_closes_the_polygon_wherever_the_focus_is(user: User) -> None:
    _begin_polygon(user)
    user.window.panels[AnnotationsPanel].view.setFocus()
    user.key("Backspace")
    assert _points(user) == 3
    user.key("Return")
    assert len(user.annotations()) == 1


def test_a_polygon_is_there_again_when_the_window_is(start: Callable[..., User], photos: Path) -> None:
    user = start(photos)
    _begin_polygon(user)
    user.close()
    again = start(photos)
    assert _points(again) == 4
    assert again.canvas.hand.name == "polygon"
    again.key("Ctrl+Shift+W")
    again.wait(lambda: again.session.project is None)
    again.open(photos)
    again.key("Return")
    assert len(again.annotations()) == 1


def test_the_window_stays_where_what_is_half_done_cannot_be_kept(user: User, home: Path) -> None:
    _begin_polygon(user)
    (home / "data" / "begun").write_text("no folder")
    user.close()
    assert user.window.frame.isVisible()
    assert "cannot be kept" in user.said()
    (home / "data" / "begun").unlink()
    user.close()
    assert not user.window.frame.isVisible()
