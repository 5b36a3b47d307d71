"""The picker: a category is found, or made, for what is selected, in progress, finished or comes next."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QRect, QSize
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from labeler.gui.labelling.category_picker import CategoryPicker, placed
from labeler.gui.toolkit.rows import ROW_ROLE
from labeler.gui.toolkit.settings import Settings
from tests.e2e.user import User

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


def picker(user: User) -> CategoryPicker:
    """The one that is open."""
    found = user.window.naming.picker
    user.wait(found.isVisible)
    return found


def is_open(user: User) -> bool:
    """Whether it is, once all that was asked for has happened."""
    QApplication.processEvents()
    return user.window.naming.picker.isVisible()


def typed(user: User, text: str) -> None:
    """Type into its field."""
    for character in text:
        QTest.keyClick(picker(user).field, character)


def rows(user: User) -> list[str]:
    """What it offers, from the top down."""
    model = picker(user).model
    return [
        (row.text or row.quiet) for row in (model.index(at, 0).data(ROW_ROLE) for at in range(len(model.ids)))
    ]


def press(user: User, keys: str) -> None:
    """A key in its field."""
    picker(user)
    user.key(keys)


@pytest.fixture
def named(user: User) -> User:
    """With three categories; person is the current one."""
    for name in ("person", "bus", "tree"):
        user.add_category(name)
    user.key("1")
    return user


def test_c_renames_the_selection_and_one_undo_takes_it_back(named: User) -> None:
    made = named.draw_box(100, 300, 300, 500)
    named.key("V")
    named.key("C")
    assert picker(named).title.text() == "Category of person"
    typed(named, "tr")
    assert rows(named) == ["tree", "New category “tr”"]
    press(named, "Return")
    assert not is_open(named)
    assert named.category_of(named.annotations()[0]) == "tree"
    assert named.said() == "The selected object is tree now."
    assert named.canvas.hasFocus()
    named.undo()
    assert named.annotations() == [made]


def test_a_new_name_is_made_in_it_with_the_renaming_as_one_step(named: User) -> None:
    made = named.draw_box(100, 300, 300, 500)
    named.key("V")
    named.key("C")
    typed(named, "bu")
    press(named, "Ctrl+Return")
    assert named.category_of(named.annotations()[0]) == "bu"
    named.undo()
    assert named.annotations() == [made]
    assert "bu" not in [one.name for one in named.session.document.categories.values()]
    assert named.said() == "Took back: person to bu, a new category"


def test_it_names_what_is_in_progress_and_else_what_comes_next(named: User) -> None:
    named.key("P")
    for corner in ((100.0, 100.0), (200.0, 100.0), (200.0, 200.0)):
        named.click_at(*corner)
    named.key("C")
    assert picker(named).title.text() == "Category of this polygon"
    typed(named, "bus")
    press(named, "Return")
    assert named.said() == "This one: bus."
    named.canvas.setFocus()
    named.key("Return")
    assert named.category_of(named.selected()) == "bus"
    named.key("C")
    assert picker(named).title.text() == "Category of the next object"
    assert rows(named)[:2] == ["bus", "person"]  # the latest first
    press(named, "Down")
    press(named, "Return")
    assert named.said() == "Next object: person."
    assert named.category_of(named.selected()) == "bus"


def test_esc_and_a_press_beside_it_change_nothing(named: User) -> None:
    made = named.draw_box(100, 300, 300, 500)
    named.key("V")
    named.key("C")
    typed(named, "tree")
    press(named, "Esc")
    assert not is_open(named)
    named.key("C")
    picker(named)
    named.key("R")  # is typed
    named.drag((500, 700), (600, 800))
    assert not is_open(named)
    assert named.canvas.hasFocus()
    assert named.canvas.hand.name == "select"
    assert named.annotations() == [made]


def test_the_first_shape_of_a_project_asks_what_it_is(user: User) -> None:
    user.window.settings.ask_category = Settings().ask_category
    user.draw_box(100, 300, 300, 500)
    assert picker(user).title.text() == "What is it? Esc: object"
    typed(user, "cell")
    press(user, "Return")
    assert [one.name for one in user.session.document.categories.values()] == ["cell"]
    assert user.category_of(user.selected()) == "cell"
    user.draw_box(400, 300, 500, 500)
    assert not is_open(user)
    assert [user.category_of(one) for one in user.annotations()] == ["cell", "cell"]
    user.undo()
    user.undo()
    assert user.said() == "Took back: Rename object to cell"


def test_every_finished_shape_asks_where_that_is_wished(named: User) -> None:
    named.window.settings.ask_category = "always"
    named.draw_box(100, 300, 300, 500)
    press(named, "Return")  # stays what it is
    named.draw_box(400, 300, 500, 500)
    typed(named, "tree")
    press(named, "Return")
    named.key("Ctrl+D")  # a copy has its category
    assert not is_open(named)
    assert [named.category_of(one) for one in named.annotations()] == ["person", "tree", "tree"]
    named.draw_box(600, 300, 700, 500)
    press(named, "Esc")
    assert named.category_of(named.selected()) == "tree"
    named.window.settings.ask_category = "never"
    named.draw_box(300, 600, 400, 700)
    assert not is_open(named)


def test_it_closes_with_what_it_was_asked_about(named: User) -> None:
    named.draw_box(100, 300, 300, 500)
    named.key("V")
    named.key("C")
    picker(named)
    named.session.history.undo()
    assert not is_open(named)
    named.draw_box(100, 300, 300, 500)
    named.key("V")
    named.key("C")
    picker(named)
    named.session.place.step(1)
    assert not is_open(named)


def test_in_the_middle_of_a_drag_it_stays_closed(named: User) -> None:
    named.key("R")
    named.press(100, 300)
    named.move_held(200, 400)
    named.key("C")
    assert not is_open(named)
    assert "Let go of the mouse button first" in named.said()
    named.release(200, 400)
    assert len(named.annotations()) == 1


def test_a_category_that_goes_while_it_is_open_is_not_given(named: User) -> None:
    made = named.draw_box(100, 300, 300, 500)
    named.key("V")
    named.key("C")
    typed(named, "tree")
    tree = next(one for one in named.session.document.categories.values() if one.name == "tree")
    named.session.edits.merge_categories(tree.id, made.category_id)
    named.wait(lambda: tree.id not in named.session.document.categories)
    press(named, "Return")
    assert named.category_of(named.annotations()[0]) == "person"


def test_the_window_closes_under_it(start: Callable[..., User], photos: Path) -> None:
    user = start(photos)
    user.add_category("person")
    user.key("C")
    picker(user)
    user.close()
    assert user.session.project is None or user.session.saved == "saved"


@pytest.mark.parametrize(
    ("anchor", "place"),
    [
        (QRect(100, 100, 50, 50), (159, 100)),  # to the right
        (QRect(800, 100, 50, 50), (490, 100)),  # to the left
        (QRect(0, 0, 1000, 300), (0, 309)),  # under it
        (QRect(0, 500, 1000, 200), (0, 90)),  # over it
        (QRect(0, 0, 1000, 700), (700, 0)),  # on it
    ],
)
def test_where_it_stands(anchor: QRect, place: tuple[int, int]) -> None:
    assert placed(anchor, QSize(300, 400), QRect(0, 0, 1000, 720)).toTuple() == place
