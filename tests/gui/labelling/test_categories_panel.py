import pytest
from msgspec.structs import replace
from PySide6.QtCore import QRectF, Qt
from PySide6.QtWidgets import QLineEdit, QToolButton

from labeler.core.colors import CATEGORY_COLORS
from labeler.core.records import Box, Change
from labeler.gui.labelling.categories_panel import CategoriesPanel, icon_rect
from labeler.gui.toolkit.rows import ROW_ROLE

# the off-screen platform says this of every window that has a smallest size
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


def rows(panel):
    model = panel.view.model()
    return [model.index(row, 0).data(ROW_ROLE) for row in range(model.rowCount())]


def action(menu, text):
    return next(one for one in menu.actions() if one.text().startswith(text))


def newest_label(qtbot, session):
    found = []
    session.history.journal(found.append, limit=1)
    qtbot.waitUntil(lambda: bool(found))
    return found[0][0].label


def test_plus_and_a_name_add_a_category_with_the_next_colour_and_key(qtbot, session, shown):
    panel = shown(CategoriesPanel(session))
    qtbot.mouseClick(panel.add_button, Qt.MouseButton.LeftButton)
    assert panel.name_field.hasFocus()
    qtbot.keyClicks(panel.name_field, "  traffic   light ")
    qtbot.keyClick(panel.name_field, Qt.Key.Key_Return)
    made = session.focus.category
    assert (made.name, made.color, made.key) == ("traffic light", CATEGORY_COLORS[1], "2")
    assert [row.text for row in rows(panel)] == ["person", "traffic light"]
    qtbot.keyClick(panel.name_field, Qt.Key.Key_Escape)
    assert not panel.name_field.isVisible()


def test_adding_a_name_that_exists_chooses_it(qtbot, session, shown):
    panel = shown(CategoriesPanel(session))
    session.edits.add_category("bus", by="test")
    qtbot.mouseClick(panel.add_button, Qt.MouseButton.LeftButton)
    qtbot.keyClicks(panel.name_field, "PERSON")
    qtbot.keyClick(panel.name_field, Qt.Key.Key_Return)
    assert session.focus.category.name == "person"
    assert len(session.document.categories) == 2


def test_a_click_chooses_the_current_category(session, shown, click_row):
    panel = shown(CategoriesPanel(session))
    session.edits.add_category("bus", by="test")
    click_row(panel.view, 0)
    assert session.focus.category.name == "person"
    assert [row.strong for row in rows(panel)] == [True, False]


def test_counts_are_of_the_image_and_of_the_project_and_follow_undo(qtbot, session, shown):
    panel = shown(CategoriesPanel(session))
    assert rows(panel)[0].right == ""
    session.edits.add(Box(1, 1, 20, 20), by="test")
    session.place.step(1)
    session.edits.add(Box(1, 1, 20, 20), by="test")
    session.edits.add(Box(5, 5, 20, 20), by="test")
    assert rows(panel)[0].right == "2 / 3"
    session.history.undo()
    qtbot.waitUntil(lambda: rows(panel)[0].right == "1 / 2")


def test_f2_renames_in_place_as_one_undo_step(qtbot, session, shown, click_row):
    panel = shown(CategoriesPanel(session))
    click_row(panel.view, 0)
    panel.view.setFocus()
    qtbot.keyClick(panel.view, Qt.Key.Key_F2)
    editor = panel.view.findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, "pedestrian")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: session.focus.category.name == "pedestrian")
    assert newest_label(qtbot, session) == "Rename person to pedestrian"
    session.history.undo()
    qtbot.waitUntil(lambda: session.focus.category.name == "person")


def test_a_double_click_renames_too_and_an_empty_name_changes_nothing(qtbot, session, shown, click_row):
    panel = shown(CategoriesPanel(session))
    click_row(panel.view, 0)
    click_row(panel.view, 0, double=True)
    editor = panel.view.findChild(QLineEdit)
    editor.clear()
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: panel.view.findChild(QLineEdit) is None)
    assert session.focus.category.name == "person"


def test_renaming_to_a_name_that_exists_offers_to_merge(qtbot, session, shown):
    panel = shown(CategoriesPanel(session))
    session.edits.add(Box(1, 1, 20, 20), by="test")
    person = session.focus.category
    bus = session.edits.add_category("bus", by="test")
    panel._rename(person.id, "Bus")
    assert "1 object become" in panel.question.informativeText()
    merge = next(one for one in panel.question.buttons() if one.text() == "Merge")
    qtbot.mouseClick(merge, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: set(session.document.categories) == {bus.id})
    assert {one.category_id for one in session.document.annotations.values()} == {bus.id}
    qtbot.waitUntil(lambda: rows(panel)[0].right == "1 / 1")
    session.history.undo()
    qtbot.waitUntil(lambda: set(session.document.categories) == {person.id, bus.id})


def test_cancelling_the_merge_changes_nothing(qtbot, session, shown):
    panel = shown(CategoriesPanel(session))
    person = session.focus.category
    bus = session.edits.add_category("bus", by="test")
    panel.menu(person).merge_asked.emit(person.id, bus.id)
    qtbot.keyClick(panel.question, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: panel.question is None)
    assert [one.name for one in session.document.categories.values()] == ["person", "bus"]


def test_the_eye_and_the_lock_are_clicked_without_choosing_the_row(qtbot, session, shown):
    panel = shown(CategoriesPanel(session))
    session.edits.add_category("bus", by="test")
    for which in ("eye", "lock"):
        row = QRectF(panel.view.visualRect(panel.view.model().index(0, 0))).adjusted(0.5, 1.5, -0.5, -1.5)
        spot = icon_rect(row, which).center().toPoint()
        qtbot.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    person = next(iter(session.document.categories.values()))
    assert (person.hidden, person.locked) == (True, True)
    assert session.focus.category.name == "bus"
    assert rows(panel)[0].mark == "outline"


def test_a_colour_of_the_menu_recolours(qtbot, session, shown):
    panel = shown(CategoriesPanel(session))
    menu = panel.menu(session.focus.category)
    grid = action(menu, "Colour").menu().actions()[0].defaultWidget()
    button = next(
        one
        for one in grid.findChildren(QToolButton)
        if one.accessibleName() == f"Colour {CATEGORY_COLORS[7]}"
    )
    button.click()
    assert session.focus.category.color == CATEGORY_COLORS[7]
    assert len(grid.findChildren(QToolButton)) == 20


def test_a_key_is_taken_from_the_category_that_had_it_in_one_step(qtbot, session, shown):
    panel = shown(CategoriesPanel(session))
    bus = session.edits.add_category("bus", by="test")
    keys = action(panel.menu(bus), "Key").menu()
    taken = action(keys, "1")
    assert taken.text() == "1  (now person)"
    taken.trigger()
    assert {one.name: one.key for one in session.document.categories.values()} == {"person": "", "bus": "1"}
    session.history.undo()
    qtbot.waitUntil(lambda: [one.key for one in session.document.categories.values()] == ["1", "2"])


def test_only_an_unused_category_can_be_deleted_and_the_menu_says_why(qtbot, session, shown):
    panel = shown(CategoriesPanel(session))
    session.edits.add(Box(1, 1, 20, 20), by="test")
    delete = panel.menu(session.focus.category).actions()[-1]
    assert not delete.isEnabled()
    assert delete.text() == "Delete (1 object uses it: merge it instead)"
    bus = session.edits.add_category("bus", by="test")
    panel.menu(bus).actions()[-1].trigger()
    assert bus.id not in session.document.categories


def test_an_empty_project_says_what_a_category_is(session, shown):
    panel = shown(CategoriesPanel(session))
    action(panel.menu(session.focus.category), "Delete").trigger()
    assert panel._empty.isVisible()
    assert not panel.view.isVisible()


# --- while something else happens -----------------------------------------------------------------


@pytest.fixture
def asked(session, shown):
    """A panel that asks whether to merge person into bus."""
    panel = shown(CategoriesPanel(session))
    person = session.focus.category
    bus = session.edits.add_category("bus", by="test")
    panel.ask_merge(person.id, bus.id)
    return panel, person, bus


@pytest.mark.parametrize("gone", ["source", "target"])
def test_a_category_that_goes_before_the_answer_is_not_merged(qtbot, session, asked, gone):
    """An undo or a run of the history takes it away while the question stands."""
    panel, person, bus = asked
    left = bus if gone == "source" else person
    session.edits.commit("Gone", [Change(person if gone == "source" else bus, None)], by="test")
    told = []
    session.told.connect(told.append)
    panel.question.accept()
    assert told == ["Nothing was merged: one of the two categories is not there any more."]
    assert list(session.document.categories) == [left.id]
    assert newest_label(qtbot, session) == "Gone"


def test_what_is_drawn_between_the_question_and_the_answer_is_merged_too(qtbot, session, asked, held):
    panel, person, bus = asked
    with held(session):
        session.focus.choose_category(person.id)
        made = session.edits.add(Box(1, 1, 20, 20), by="test")
        panel.question.accept()
        late = session.edits.add(Box(30, 1, 50, 20), by="test")
    qtbot.waitUntil(
        lambda: session.document.annotations[made.id].category_id == bus.id and session.saved == "saved"
    )
    # drawn in a category that was about to go: it comes back with it, as the sentence of an edit is kept
    assert session.document.annotations[late.id].category_id in session.document.categories
    kept = []
    session.ask(lambda store: (store.annotations(made.image_id), store.categories()), kept.append)
    qtbot.waitUntil(lambda: bool(kept))
    assert {one.id: one for one in kept[0][0]} == dict(session.document.annotations)
    assert {one.id: one for one in kept[0][1]} == dict(session.document.categories)


def test_the_question_goes_with_its_project(qtbot, session, asked):
    panel, _, _ = asked
    question = panel.question
    closed = []
    question.finished.connect(closed.append)
    session.close()
    assert closed == [0]
    assert panel.question is None


def test_a_category_that_goes_while_its_name_is_typed_is_let_go_of(qtbot, session, shown, click_row):
    panel = shown(CategoriesPanel(session))
    bus = session.edits.add_category("bus", by="test")
    session.history.undo()
    panel._rename(bus.id, "lorry")
    panel._edit_name(bus.id)
    panel.ask_merge(bus.id, session.focus.category.id)
    assert panel.question is None
    assert [row.text for row in rows(panel)] == ["person"]
    assert session.history.can_redo, "nothing was done"


def test_a_category_is_not_offered_to_be_merged_with_itself(session, shown):
    panel = shown(CategoriesPanel(session))
    person = session.focus.category
    menu = panel.menu(person)
    assert not action(menu, "Merge").menu().isEnabled()
    for name in ("zebra", "Ant"):
        session.edits.add_category(name, by="test")
    menu = panel.menu(person)
    assert [one.text() for one in action(menu, "Merge").menu().actions()] == ["Ant", "zebra"]


def test_a_name_that_was_added_leaves_the_field_empty_for_the_next(qtbot, session, shown):
    panel = shown(CategoriesPanel(session))
    qtbot.mouseClick(panel.add_button, Qt.MouseButton.LeftButton)
    for name in ("bus", "tram"):
        qtbot.keyClicks(panel.name_field, name)
        qtbot.keyClick(panel.name_field, Qt.Key.Key_Return)
    assert [row.text for row in rows(panel)] == ["person", "bus", "tram"]


def test_a_hidden_category_says_so_in_its_row(session, shown):
    panel = shown(CategoriesPanel(session))
    before = rows(panel)[0]
    session.edits.commit(
        "Hide", [Change(session.focus.category, replace(session.focus.category, hidden=True))], by="test"
    )
    after = rows(panel)[0]
    assert "hidden" in str(after)
    assert "hidden" not in str(before.tooltip) + before.text + before.quiet
