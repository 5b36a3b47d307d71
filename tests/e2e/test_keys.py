"""Keys: categories by digits, images by letters, and none of them while someone types."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit

from labeler.gui.images.panel import ImagesPanel
from labeler.gui.labelling.categories_panel import CategoriesPanel
from labeler.gui.window.dialogs.shortcuts_dialog import ShortcutsDialog
from tests.e2e.user import LEFT, User

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


def test_digits_pick_the_next_category_and_in_select_rename(user: User) -> None:
    for name in ("person", "bus", "tree"):
        user.add_category(name)
    assert user.session.focus.category is not None
    user.key("2")
    assert user.session.focus.category.name == "bus"
    made = user.draw_box(100, 300, 300, 500)
    assert user.category_of(made) == "bus"
    user.key("3")
    assert user.category_of(user.selected()) == "bus"
    assert user.said() == "Next object: tree."
    user.key("V")
    user.key("3")
    assert user.category_of(user.selected()) == "tree"
    assert user.said() == "The selected object is tree now."
    user.key("9")
    assert user.category_of(user.selected()) == "tree"
    user.undo()
    assert user.category_of(user.selected()) == "bus"


def test_letters_go_through_the_images(user: User) -> None:
    assert user.image == "bus.jpg"
    user.key("D")
    assert user.image == "grace_hopper.jpg"
    user.key("D")
    user.key("D")
    assert user.image == "zidane.jpg"
    user.key("A")
    assert user.image == "grace_hopper.jpg"
    user.go_to("bus.jpg")


def test_ctrl_enter_marks_reviewed_and_goes_on(user: User) -> None:
    user.key("Ctrl+Return")
    assert user.image == "grace_hopper.jpg"
    assert [one.reviewed for one in user.session.document.images] == [True, False, False]
    user.key("Ctrl+Shift+D")
    assert user.image == "zidane.jpg"
    user.key("A")
    user.key("A")
    assert user.image == "bus.jpg"
    user.key("Ctrl+R")
    assert not user.session.document.images[0].reviewed
    user.undo()
    assert user.session.document.images[0].reviewed


def _typed_everything(user: User, field: QLineEdit) -> None:
    """Type every letter and digit, and find nothing changed but the text."""
    tool, image, category = user.canvas.hand.name, user.image, user.session.focus.category
    text = "abcdefghijklmnopqrstuvwxyz1234567890"
    user.type(text, field)
    assert text in field.text()
    assert (user.canvas.hand.name, user.image, user.session.focus.category) == (tool, image, category)


def test_letters_and_digits_are_text_where_one_types(user: User) -> None:
    for name in ("person", "bus"):
        user.add_category(name)
    made = user.draw_box(100, 300, 300, 500)
    user.window.panels.docks["Images"].toggleViewAction().trigger()
    panel = user.window.panels[CategoriesPanel]
    user.wait(user.window.panels[ImagesPanel].search.isVisible)
    _typed_everything(user, user.window.panels[ImagesPanel].search)
    user.window.panels[ImagesPanel].clear_filter()
    QTest.mouseClick(panel.add_button, LEFT)
    _typed_everything(user, panel.name_field)
    assert user.annotations() == [made]


def test_a_category_is_renamed_in_place(user: User) -> None:
    for name in ("person", "bus"):
        user.add_category(name)
    made = user.draw_box(100, 300, 300, 500)
    panel = user.window.panels[CategoriesPanel]
    user.double_click_row(panel.view, 0)
    editor = panel.view.findChild(QLineEdit)
    assert editor is not None
    tool, image = user.canvas.hand.name, user.image
    for character in "rabbit 12":
        QTest.keyClick(editor, character)
    assert (user.canvas.hand.name, user.image) == (tool, image)
    user.key("Return")
    user.wait(lambda: [one.name for one in user.session.document.categories.values()] == ["rabbit 12", "bus"])
    assert user.annotations() == [made]
    user.canvas.setFocus()
    user.undo()
    assert [one.name for one in user.session.document.categories.values()] == ["person", "bus"]


def test_merging_two_categories_is_one_undo(user: User) -> None:
    for name in ("person", "rider"):
        user.add_category(name)
    user.key("1")
    made = user.draw_box(100, 300, 300, 500)
    panel = user.window.panels[CategoriesPanel]
    panel.ask_merge(*user.session.document.categories)
    assert panel.question is not None
    user.wait(panel.question.isActiveWindow)
    user.key("Return")
    user.wait(lambda: len(user.session.document.categories) == 1)
    assert user.category_of(user.annotations()[0]) == "rider"
    user.canvas.setFocus()
    user.undo()
    assert sorted(one.name for one in user.session.document.categories.values()) == ["person", "rider"]
    assert user.annotations() == [made]


def test_f1_shows_every_key(user: User) -> None:
    seen: list[bool] = []

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        seen.append(isinstance(dialog, ShortcutsDialog))
        assert dialog is not None
        QTest.keyClick(dialog, "\x1b")

    QTimer.singleShot(0, user.window, look)
    user.key("F1")
    assert seen == [True]


def test_a_drawn_history_line_can_be_gone_back_to(start: Callable[..., User], photos: Path) -> None:
    user = start(photos)
    first = user.draw_box(100, 300, 300, 500)
    user.draw_box(350, 300, 400, 500)
    user.wait_saved()
    entries: list[object] = []
    user.session.history.journal(entries.extend)
    user.wait(lambda: entries)
    labels = [entry.label for entry in entries]  # type: ignore[attr-defined]
    assert labels == ["Add object", "Add object", "Add category object"]
    user.session.history.go_back_to(entries[1].id)  # type: ignore[attr-defined]
    user.wait(lambda: user.annotations() == [first])
