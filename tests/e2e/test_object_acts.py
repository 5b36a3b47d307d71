"""The context menu of objects, and hiding, locking and showing single ones."""

import pytest
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from labeler.core.records import Annotation
from labeler.gui.labelling import category_edits
from labeler.gui.labelling.categories_panel import CategoriesPanel
from labeler.gui.labelling.objects_panel import AnnotationsPanel
from tests.e2e.user import LEFT, RIGHT, User

# of the off-screen platform
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", "This plugin does not support")


@pytest.fixture
def drawn(user: User) -> tuple[User, Annotation, Annotation]:
    """Two persons side by side; Select is in hand and nothing selected."""
    for name in ("person", "bus"):
        user.add_category(name)
    user.key("1")
    first = user.draw_box(100, 300, 300, 500)
    second = user.draw_box(400, 300, 600, 500)
    user.key("V")
    user.session.focus.select(())
    return user, first, second


def menu(user: User) -> QMenu:
    """The context menu that is open."""
    found = user.window.objects.menu
    assert found is not None
    assert found.isVisible()
    return found


def choose(user: User, text: str) -> None:
    """Click an entry of it."""
    opened = menu(user)
    found = next(one for one in opened.actions() if one.text() == text)
    QTest.mouseClick(opened, LEFT, pos=opened.actionGeometry(found).center())


def offered(user: User) -> list[str]:
    """Its entries that can be chosen."""
    return [one.text() for one in menu(user).actions() if one.isEnabled() and not one.isSeparator()]


def sign(user: User) -> str:
    """What stands on the photo of what is hidden."""
    QApplication.processEvents()
    return user.window.hidden_sign.text() if user.window.hidden_sign.isVisible() else ""


def hit(user: User, x: float, y: float) -> frozenset[int]:
    """What a click with Select selects there."""
    user.session.focus.select(())
    user.click_at(x, y)
    return user.session.focus.selection


def test_a_right_click_selects_what_is_under_it_and_offers_its_acts(drawn) -> None:
    user, first, second = drawn
    user.click_at(200, 400, button=RIGHT)
    assert user.session.focus.selection == {first.id}
    assert offered(user)[0] == "Change category…"
    choose(user, "Change category…")
    picker = user.window.naming.picker
    user.wait(picker.isVisible)
    QTest.keyClicks(picker.field, "bus")
    user.key("Return")
    assert [user.category_of(one) for one in user.annotations()] == ["bus", "person"]
    user.click_at(500, 400, button=RIGHT)
    choose(user, "Delete the selected objects")
    assert [one.id for one in user.annotations()] == [first.id]
    user.undo()
    assert [one.id for one in user.annotations()] == [first.id, second.id]


def test_a_right_click_on_the_selection_is_for_all_of_it(drawn) -> None:
    user, first, second = drawn
    user.session.focus.select([first.id, second.id])
    user.click_at(200, 400, button=RIGHT)
    choose(user, "Duplicate")
    assert len(user.annotations()) == 4
    user.undo()
    assert user.annotations() == [first, second]


def test_beside_objects_it_is_the_photo_s(drawn) -> None:
    user, first, second = drawn
    user.click_at(700, 900, button=RIGHT)
    assert offered(user) == [
        "Paste",
        "Paste in place",
        "Copy to the next image",
        "Select all",
        "Hide annotations",
        "Fit image",
        "Reviewed",
    ]
    choose(user, "Select all")
    assert user.session.focus.selection == {first.id, second.id}


def test_in_other_tools_it_acts_on_the_object_too_and_not_on_what_comes_next(drawn) -> None:
    user, first, _ = drawn
    user.key("R")
    user.click_at(200, 400, button=RIGHT)
    choose(user, "Change category…")
    assert user.window.naming.picker.title.text() == "Category of person"
    user.key("Esc")
    user.key("P")
    user.click_at(100, 100)
    user.click_at(200, 400, button=RIGHT)  # takes the corner back
    assert not user.window.objects.menu.isVisible()
    assert user.session.focus.selection == {first.id}


def test_the_menu_key_is_for_the_selection(drawn) -> None:
    user, first, _ = drawn
    user.session.focus.select([first.id])
    middle = user.canvas.rect().center()
    asked = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, middle, user.canvas.mapToGlobal(middle))
    QApplication.sendEvent(user.canvas, asked)
    assert "Change category…" in offered(user)
    user.session.place.step(1)
    assert user.window.objects.menu is None  # it was of the image before


def test_what_is_hidden_is_not_hit_and_a_sign_brings_it_back(drawn) -> None:
    user, first, second = drawn
    user.session.focus.select([first.id])
    user.key("Shift+H")
    assert sign(user) == "1 object is hidden: show all (Ctrl+Shift+H)"
    assert user.session.focus.selection == frozenset()
    assert hit(user, 200, 400) == frozenset()
    user.key("Ctrl+A")
    assert user.session.focus.selection == {second.id}
    user.drag((50, 200), (700, 700))
    assert user.session.focus.selection == {second.id}
    QTest.mouseClick(user.window.hidden_sign, LEFT)
    assert sign(user) == ""
    assert hit(user, 200, 400) == {first.id}
    assert user.annotations() == [first, second]


def test_what_is_locked_is_seen_and_clicks_go_through_it(drawn) -> None:
    user, first, second = drawn
    user.session.focus.select([first.id])
    user.key("L")
    assert user.said() == "Locked: person. Clicks go through, until the project is closed."
    user.key("Del")
    assert user.said() == "Nothing was deleted: person is locked."
    user.key("Right")
    user.key("2")
    assert user.annotations() == [first, second]
    user.session.edits.delete([first.id, second.id], by="test")
    assert user.said() == "Not all was deleted: person is locked."
    assert user.annotations() == [first]
    user.undo()
    user.session.focus.select([first.id])
    assert hit(user, 200, 400) == frozenset()
    assert sign(user) == ""
    user.click_at(200, 400, button=RIGHT)
    assert "Unlock all objects" in offered(user)
    choose(user, "Unlock all objects")
    assert hit(user, 200, 400) == {first.id}


def test_alone_is_of_this_image_and_what_is_drawn_is_seen(drawn) -> None:
    user, first, second = drawn
    user.session.focus.select([first.id])
    user.key("Shift+S")
    assert sign(user) == "1 object is hidden: show all (Ctrl+Shift+H)"
    assert hit(user, 500, 400) == frozenset()
    made = user.draw_box(400, 600, 600, 800)
    user.key("V")
    assert hit(user, 500, 700) == {made.id}
    assert user.session.veil.hidden_here() == {second.id}
    user.session.place.step(1)
    user.session.place.step(-1)
    user.wait_shown()
    assert sign(user) == ""
    assert hit(user, 500, 400) == {second.id}


def test_hiding_holds_on_other_images_and_ends_with_the_project(drawn) -> None:
    user, first, _ = drawn
    user.session.focus.select([first.id])
    user.key("Shift+H")
    user.session.place.step(1)
    user.wait_shown()
    assert sign(user) == ""
    user.session.place.step(-1)
    user.wait_shown()
    assert hit(user, 200, 400) == frozenset()
    root = user.session.root
    user.wait_saved()
    user.session.close()
    user.open(root)
    assert hit(user, 200, 400) == {first.id}


def test_what_undo_brings_back_is_seen(drawn) -> None:
    user, first, second = drawn
    user.session.veil.hide([first.id])
    user.session.edits.delete([first.id], by="test")
    user.undo()
    assert user.annotations() == [first, second]
    assert not user.session.veil.hidden


def test_hidden_in_the_middle_of_a_drag_it_waits_for_the_button(drawn) -> None:
    user, first, _ = drawn
    user.session.focus.select([first.id])
    user.press(200, 400)
    user.move_held(230, 400)
    user.key("Shift+H")
    assert "Let go of the mouse button first" in user.said()
    assert not user.session.veil.hidden
    user.release(230, 400)


def test_drawing_what_is_hidden_by_its_category_says_so(drawn) -> None:
    user, _, _ = drawn
    person = next(one for one in user.session.document.categories.values() if one.name == "person")
    done = category_edits.hidden(person, True)
    user.session.edits.commit(done.label, done.changes, by="test")
    user.draw_box(400, 600, 600, 800)
    assert user.said() == "person is hidden, and so is what was just made."
    user.window.toast.action_button.click()
    user.wait(lambda: not user.session.document.categories[person.id].hidden)


def test_the_list_offers_the_same_and_shows_hidden_ones(drawn) -> None:
    user, first, _ = drawn
    user.session.focus.select([first.id])
    texts = [one.text() for one in user.window.panels[AnnotationsPanel].menu().actions()]
    assert texts[:6] == [
        "Change category…",
        "Shape",
        "",
        "Hide the selected objects",
        "Lock the selected objects",
        "Show the selected objects alone",
    ]
    assert "Delete the selected objects" in texts
    user.key("Shift+H")
    user.session.focus.select([first.id])  # as by a click on its row
    assert user.window.actions["hide-objects"].isChecked()
    user.key("Shift+H")
    assert not user.session.veil.hidden


def entry(user: User, text: str) -> None:
    """Trigger an entry of the menu of the category person."""
    panel = user.window.panels[CategoriesPanel]
    person = next(one for one in user.session.document.categories.values() if one.name == "person")
    next(one for one in panel.menu(person).actions() if one.text().startswith(text)).trigger()


def on_next(user: User) -> Annotation:
    """A person on the next image too; the first one is open again."""
    user.window.bench.clipboard.copy_to_next([user.annotations()[0].id])
    user.wait_shown()
    (made,) = user.annotations()
    user.session.place.step(-1)
    user.wait_shown()
    return made


def test_all_of_a_category_change_on_all_images_as_one_step(drawn) -> None:
    user, first, second = drawn
    on_next(user)
    entry(user, "Select on this image")
    assert user.session.focus.selection == {first.id, second.id}
    user.session.veil.lock([second.id])
    entry(user, "Change 3 objects on all images to…")
    picker = user.window.naming.picker
    user.wait(picker.isVisible)
    assert picker.title.text() == "Change all 3 person, on all images, to"
    QTest.keyClicks(picker.field, "bus")
    user.key("Return")
    user.wait(lambda: [user.category_of(one) for one in user.annotations()] == ["bus", "person"])
    bus = next(one.id for one in user.session.document.categories.values() if one.name == "bus")
    assert user.session.document.total(bus) == 2
    user.wait_saved()
    user.undo()
    assert user.session.document.total(bus) == 0
    assert user.annotations() == [first, second]


def test_all_of_a_category_go_on_all_images_and_come_back(drawn) -> None:
    user, first, second = drawn
    on_next(user)
    entry(user, "Delete 3 objects on all images")
    assert user.said() == "All 3 person are deleted, on all images."
    user.wait(lambda: not user.annotations())
    assert user.session.document.total(first.category_id) == 0
    user.wait_saved()
    user.undo()
    user.wait(lambda: user.annotations() == [first, second])
    assert user.session.document.total(first.category_id) == 3


def test_in_the_list_ctrl_a_is_for_what_it_shows(drawn) -> None:
    user, _, _ = drawn
    user.key("2")
    bus = user.draw_box(100, 600, 300, 800)
    panel = user.window.panels[AnnotationsPanel]
    user.press_button(panel.find_button)
    QTest.keyClicks(panel.search, "bus")
    assert user.canvas.hand.name == "box"  # they are typed
    panel.view.setFocus()
    user.session.focus.select(())
    user.key("Ctrl+A")
    assert user.session.focus.selection == {bus.id}
