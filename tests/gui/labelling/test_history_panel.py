import pytest
from PySide6.QtCore import Qt

from labeler.core.records import Box
from labeler.gui.labelling import history_panel
from labeler.gui.labelling.history_panel import HistoryPanel
from labeler.gui.toolkit.rows import ROW_ROLE
from labeler.gui.toolkit.words import ago


def rows(panel):
    model = panel.view.model()
    return [model.index(row, 0).data(ROW_ROLE) for row in range(model.rowCount())]


def texts(panel):
    return [row.text for row in rows(panel)]


def action(menu, text):
    return next(one for one in menu.actions() if one.text().startswith(text))


def boxes(session, count):
    return [session.edits.add(Box(9 * n, 1, 9 * n + 8, 20), by="test") for n in range(count)]


def test_edits_are_listed_newest_first_with_the_present_marked(qtbot, session, shown):
    panel = shown(HistoryPanel(session))
    boxes(session, 2)
    session.edits.mark_reviewed(True, by="test")
    wanted = ["Reviewed: bus.jpg", "Add person", "Add person", "Add category person", "Beginning"]
    qtbot.waitUntil(lambda: texts(panel) == wanted)
    assert [row.mark for row in rows(panel)] == ["dot", "point", "point", "point", "ring"]
    assert rows(panel)[1].quiet == "bus.jpg"
    assert rows(panel)[1].right == "now"
    session.history.undo()
    qtbot.waitUntil(lambda: [row.dimmed for row in rows(panel)] == [True, False, False, False, False])
    assert rows(panel)[1].mark == "dot"


def test_a_click_goes_back_and_forth_to_that_point(qtbot, session, shown, click_row):
    panel = shown(HistoryPanel(session))
    boxes(session, 3)
    qtbot.waitUntil(lambda: len(texts(panel)) == 5)
    click_row(panel.view, 2)
    qtbot.waitUntil(lambda: len(session.document.annotations) == 1)
    qtbot.waitUntil(lambda: [row.mark for row in rows(panel)][:3] == ["ring", "ring", "dot"])
    click_row(panel.view, 0)
    qtbot.waitUntil(lambda: len(session.document.annotations) == 3)
    qtbot.waitUntil(lambda: rows(panel)[0].mark == "dot")
    click_row(panel.view, 4)
    qtbot.waitUntil(lambda: not session.document.annotations and not session.document.categories)


def test_this_image_shows_only_its_edits_and_a_click_restores_it_alone(qtbot, session, shown, click_row):
    panel = shown(HistoryPanel(session))
    first = session.place.image.id
    boxes(session, 2)
    session.place.step(1)
    boxes(session, 1)
    session.place.go_to(first)
    qtbot.waitUntil(lambda: len(session.document.annotations) == 2)
    panel.only_image.click()
    qtbot.waitUntil(lambda: texts(panel)[:2] == ["Add person", "Add person"] and len(texts(panel)) <= 3)
    click_row(panel.view, 1)
    qtbot.waitUntil(lambda: len(session.document.annotations) == 1)
    assert sum(session.document.counts(session.document.images[1].id).values()) == 1
    qtbot.waitUntil(lambda: texts(panel)[0] == "Go back to “Add person”")


def test_the_menu_restores_the_open_image_as_of_an_edit(qtbot, session, shown):
    panel = shown(HistoryPanel(session))
    boxes(session, 2)
    qtbot.waitUntil(lambda: len(texts(panel)) == 4)
    menu = panel.menu(panel.view.model().ids[1])
    action(menu, "Restore bus.jpg as of here").trigger()
    qtbot.waitUntil(lambda: len(session.document.annotations) == 1)


def test_what_was_undone_and_replaced_can_no_longer_be_gone_to(qtbot, session, shown, click_row):
    panel = shown(HistoryPanel(session))
    boxes(session, 1)
    session.history.undo()
    qtbot.waitUntil(lambda: not session.document.annotations)
    boxes(session, 1)
    qtbot.waitUntil(lambda: len(texts(panel)) == 4)
    assert [row.dimmed for row in rows(panel)] == [False, True, False, False]
    assert not action(panel.menu(panel.view.model().ids[1]), "Go to").isEnabled()
    click_row(panel.view, 1)
    assert len(session.document.annotations) == 1


def test_older_pages_come_when_one_scrolls_down(qtbot, session, shown, monkeypatch):
    monkeypatch.setattr(history_panel, "PAGE", 10)
    panel = shown(HistoryPanel(session), 300, 180)
    boxes(session, 30)
    qtbot.waitUntil(lambda: len(texts(panel)) == 10)
    qtbot.waitUntil(lambda: panel.view.verticalScrollBar().maximum() > 0)

    def scrolled_to_the_end():
        panel.view.verticalScrollBar().setValue(panel.view.verticalScrollBar().maximum())
        return texts(panel)[-1] == "Beginning"

    qtbot.waitUntil(scrolled_to_the_end)
    assert len(texts(panel)) == 32


def test_an_empty_history_says_that_everything_will_be_kept(qtbot, session, shown):
    panel = shown(HistoryPanel(session))
    session.close()
    qtbot.waitUntil(lambda: panel._empty.isVisible() and not panel.view.isVisible())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "now"), (50, "1 min"), (600, "10 min"), (7200, "2 h"), (3 * 86400, "3 d")],
)
def test_times_are_told_short(seconds, words):
    assert ago(seconds) == words


def test_enter_goes_to_the_chosen_point_as_a_click_does(qtbot, session, shown):
    panel = shown(HistoryPanel(session))
    boxes(session, 3)
    qtbot.waitUntil(lambda: len(texts(panel)) == 5)
    panel.view.setFocus()
    panel.view.setCurrentIndex(panel.view.model().index(1, 0))
    qtbot.keyClick(panel.view, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(session.document.annotations) == 2)


def test_a_point_chosen_while_an_edit_is_on_its_way_takes_that_back_too(
    qtbot, session, shown, click_row, held
):
    """The row was clicked as it stood; what was drawn since is later than it."""
    panel = shown(HistoryPanel(session))
    first, _ = boxes(session, 2)
    qtbot.waitUntil(lambda: len(texts(panel)) == 4)
    with held(session):
        late = session.edits.add(Box(99, 9, 120, 40), by="test")
        click_row(panel.view, 1)
        assert late.id in session.document.annotations, "only the writer knows what comes of it"
    qtbot.waitUntil(lambda: list(session.document.annotations) == [first.id])
    qtbot.waitUntil(lambda: session.saved == "saved")
    session.history.redo()
    session.history.redo()
    qtbot.waitUntil(lambda: late.id in session.document.annotations)


def test_an_image_restored_while_it_is_edited_keeps_what_was_not_there_then(
    qtbot, session, shown, click_row, held
):
    panel = shown(HistoryPanel(session))
    first, second = boxes(session, 2)
    session.edits.delete([first.id], by="test")
    panel.only_image.click()
    qtbot.waitUntil(lambda: texts(panel)[:1] == ["Delete person"])
    with held(session):
        click_row(panel.view, 1)
        session.edits.replace(second, Box(200, 9, 220, 40), label="Move", by="test")
    qtbot.waitUntil(lambda: first.id in session.document.annotations and session.saved == "saved")
    assert session.document.annotations[second.id].shape == Box(200, 9, 220, 40)


def test_the_point_one_is_at_cannot_be_gone_to(qtbot, session, shown):
    panel = shown(HistoryPanel(session))
    boxes(session, 2)
    qtbot.waitUntil(lambda: len(texts(panel)) == 4)
    model = panel.view.model()
    enabled = [action(panel.menu(key), "Go to this point").isEnabled() for key in model.ids]
    assert enabled == [False, True, True, True]
    assert [len(panel.menu(key).actions()) for key in model.ids] == [2, 2, 2, 1], (
        "nothing is as of the beginning"
    )
