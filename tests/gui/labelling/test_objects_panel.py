from threading import Event

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from PySide6.QtCore import Qt

from labeler.core.records import Box, Change, Mask, Part, Polygons
from labeler.gui.labelling.attributes import parsed
from labeler.gui.labelling.attributes import shown as shown_value
from labeler.gui.labelling.objects_panel import AnnotationsPanel
from labeler.gui.session.measure import OpenAgreement
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.rows import ROW_ROLE


def rows(panel):
    model = panel.view.model()
    return [model.index(row, 0).data(ROW_ROLE) for row in range(model.rowCount())]


def selected_rows(panel):
    return sorted(index.row() for index in panel.view.selectionModel().selectedRows())


def square(x, size=40):
    return Mask(x, 100, np.ones((size, size), dtype=bool))


def action(menu, text):
    return next(one for one in menu.actions() if one.text().startswith(text))


def test_rows_say_what_it_is_who_made_it_and_how_well_it_agrees(qtbot, session, shown):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)))
    session.edits.accept(square(100), 0.9, by="test")
    session.edits.add(Box(1, 1, 20, 20), by="test")
    ring = np.array([[0, 0], [30, 0], [30, 30]], dtype=float)
    session.edits.add(Polygons((Part(ring),)), by="test", source="import")
    qtbot.waitUntil(lambda: len(rows(panel)) == 3)
    assert [(row.text, row.quiet, row.right) for row in rows(panel)] == [
        ("person", "mask · MobileSAM", "1.00"),
        ("person", "box · by hand", ""),
        ("person", "polygon · imported", ""),
    ]
    assert panel.note.text() == "3 OBJECTS"
    assert rows(panel)[0].right_color == theme.colors().good


def test_the_agreement_of_a_row_follows_the_draft_and_the_edit(qtbot, session, shown):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)))
    made = session.edits.accept(square(100), 0.9, by="test")
    qtbot.waitUntil(lambda: len(rows(panel)) == 1)
    half = square(120)
    session.focus.set_draft(replace(made, shape=half))
    # 20 of 40 columns are shared: 800 / 2400
    assert rows(panel)[0].right == "0.33"
    session.focus.set_draft(None)
    assert rows(panel)[0].right == "1.00"
    session.edits.replace(made, half, label="Move person", by="test")
    assert rows(panel)[0].right == "0.33"
    assert rows(panel)[0].right_color == theme.colors().bad


def test_selection_goes_both_ways(qtbot, session, shown, click_row):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)))
    first, second, third = (session.edits.add(Box(x, 1, x + 20, 20), by="test") for x in (1, 50, 99))
    qtbot.waitUntil(lambda: len(rows(panel)) == 3)
    assert selected_rows(panel) == [2]
    click_row(panel.view, 0)
    assert session.focus.selection == {first.id}
    session.focus.select([second.id, third.id])
    assert selected_rows(panel) == [1, 2]
    session.focus.select([first.id, third.id])
    assert selected_rows(panel) == [0, 2]
    session.focus.select([])
    assert selected_rows(panel) == []


def test_shift_click_selects_a_range_and_del_deletes_it_in_one_step(qtbot, session, shown, click_row):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)))
    for x in (1, 50, 99):
        session.edits.add(Box(x, 1, x + 20, 20), by="test")
    qtbot.waitUntil(lambda: len(rows(panel)) == 3)
    click_row(panel.view, 0)
    rect = panel.view.visualRect(panel.view.model().index(1, 0))
    qtbot.mouseClick(
        panel.view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, rect.center()
    )
    assert len(session.focus.selection) == 2
    qtbot.keyClick(panel.view, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: len(rows(panel)) == 1)
    session.history.undo()
    qtbot.waitUntil(lambda: len(rows(panel)) == 3)


def test_deleting_the_list_s_rows_does_not_deselect_what_stays(qtbot, session, shown):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)))
    first, second = (session.edits.add(Box(x, 1, x + 20, 20), by="test") for x in (1, 50))
    session.focus.select([second.id])
    session.edits.delete([first.id], by="test")
    qtbot.waitUntil(lambda: len(rows(panel)) == 1)
    assert session.focus.selection == {second.id}
    assert selected_rows(panel) == [0]


def test_rows_say_what_is_hidden_or_locked_by_itself(qtbot, session, shown):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)))
    first, second = (session.edits.add(Box(x, 1, x + 20, 20), by="test") for x in (1, 50))
    qtbot.waitUntil(lambda: len(rows(panel)) == 2)
    session.veil.hide([first.id])
    session.veil.lock([second.id])
    assert [(row.dimmed, row.mark, row.quiet) for row in rows(panel)] == [
        (True, "outline", "box · by hand"),
        (False, "swatch", "box · by hand · locked"),
    ]


def test_the_menu_hides_and_locks_through_the_category(qtbot, session, shown):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)))
    session.edits.add(Box(1, 1, 20, 20), by="test")
    action(panel.menu(), "Hide every person").trigger()
    action(panel.menu(), "Lock every person").trigger()
    assert session.focus.category.hidden
    assert session.focus.category.locked
    qtbot.waitUntil(lambda: [row.dimmed for row in rows(panel)] == [True])


def test_attributes_are_edited_in_the_table_one_undo_step_each(qtbot, session, shown):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)), 300, 500)
    made = session.edits.add(Box(1, 1, 20, 20), by="test")
    attributes = replace(made, attributes={"occluded": True})
    session.edits.commit("Attributes", [Change(made, attributes)], by="test")
    table = panel.attributes.table
    qtbot.waitUntil(lambda: table.rowCount() == 2)
    panel.attributes.button.click()
    assert table.isVisible()
    assert (table.item(0, 0).text(), table.item(0, 1).text()) == ("occluded", "true")
    table.item(0, 1).setText("false")
    qtbot.waitUntil(lambda: session.document.annotations[made.id].attributes == {"occluded": False})
    table.item(1, 0).setText("note")
    assert session.document.annotations[made.id].attributes == {"occluded": False}
    table.item(1, 1).setText("by the door")
    wanted = {"occluded": False, "note": "by the door"}
    qtbot.waitUntil(lambda: session.document.annotations[made.id].attributes == wanted)
    assert panel.attributes.button.text() == "2 attributes"
    session.history.undo()
    qtbot.waitUntil(lambda: session.document.annotations[made.id].attributes == {"occluded": False})
    qtbot.waitUntil(lambda: table.rowCount() == 2)
    table.item(0, 0).setText("")
    qtbot.waitUntil(lambda: session.document.annotations[made.id].attributes == {})


def test_an_image_without_objects_says_how_to_begin(qtbot, session, shown):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)))
    assert "Draw a box (R)" in panel._empty.text()
    assert panel.attributes.isHidden()
    session.close()
    qtbot.waitUntil(lambda: panel._empty.text() == "No image is open.")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(values)
def test_what_is_shown_of_an_attribute_is_read_back_as_it_was(value):
    assert parsed(shown_value(value)) == value
    assert type(parsed(shown_value(value))) is type(value)


def test_plain_text_is_shown_bare_and_text_that_looks_like_a_number_in_quotes():
    assert shown_value("by the door") == "by the door"
    assert shown_value("3") == '"3"'
    assert parsed("3") == 3


def test_nothing_is_said_of_an_image_whose_labels_are_still_being_read(qtbot, session, shown):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)))
    release = Event()
    session.ask(lambda store: release.wait(30), lambda _: None)  # the writer is busy
    session.place.step(1)
    qtbot.waitUntil(lambda: panel._empty.text() == "Reading…")
    release.set()
    qtbot.waitUntil(lambda: panel._empty.text().startswith("Nothing on this image yet."), timeout=30_000)


def test_it_searches_and_sorts_and_says_how_many_are_left(qtbot, session, shown):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)), 300, 500)
    session.edits.add(Box(1, 1, 20, 20), by="test")
    large = session.edits.accept(square(100, 80), 0.9, by="test")
    session.edits.add_category("bus", by="test")
    session.edits.add(Box(50, 1, 90, 40), by="test")
    qtbot.waitUntil(lambda: len(rows(panel)) == 3)
    panel.find_button.click()
    assert panel.search.hasFocus()
    qtbot.keyClicks(panel.search, "person")
    assert [row.text for row in rows(panel)] == ["person", "person"]
    assert panel.note.text() == "2 OF 3"
    panel.sorting.choose("largest")
    assert [row.quiet for row in rows(panel)] == ["mask · MobileSAM", "box · by hand"]
    session.focus.select([large.id])
    assert selected_rows(panel) == [0]
    qtbot.keyClicks(panel.search, " xyz")
    assert rows(panel) == []
    assert session.focus.selection == {large.id}  # what is not in the list stays selected
    qtbot.keyClick(panel.search, Qt.Key.Key_Escape)
    assert [row.text for row in rows(panel)] == ["person", "person", "bus"]
    assert not panel.finder.isVisible()


def test_what_is_found_can_be_selected_and_deleted_as_one_step(qtbot, session, shown):
    panel = shown(AnnotationsPanel(session, OpenAgreement(session)), 300, 500)
    people = [session.edits.add(Box(x, 1, x + 20, 20), by="test") for x in (1, 50)]
    session.edits.add_category("bus", by="test")
    bus = session.edits.add(Box(99, 1, 120, 20), by="test")
    qtbot.waitUntil(lambda: len(rows(panel)) == 3)
    panel.find_button.click()
    qtbot.keyClicks(panel.search, "person")
    panel.view.setFocus()
    qtbot.keyClick(panel.view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert session.focus.selection == {one.id for one in people}
    qtbot.keyClick(panel.view, Qt.Key.Key_Delete)
    assert list(session.document.annotations) == [bus.id]
    session.history.undo()
    assert len(session.document.annotations) == 3
