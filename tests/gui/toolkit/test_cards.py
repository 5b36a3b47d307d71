from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from labeler.gui.images.panel import ImagesPanel
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import Card, ElidedLabel, Yields
from labeler.gui.toolkit.words import counted


def test_numbers_come_with_their_noun():
    assert [counted(n, "object") for n in (0, 1, 2, 1204)] == [
        "0 objects",
        "1 object",
        "2 objects",
        "1,204 objects",
    ]
    assert counted(2, "category", "categories") == "2 categories"


def test_a_card_folds_by_click_and_by_key(qtbot, shown):
    card = Card("Objects")
    inside = QLabel("inside")
    card.body.addWidget(inside)
    shown(card)
    assert inside.isVisible()
    with qtbot.waitSignal(card.folded):
        qtbot.mouseClick(card._heading, Qt.MouseButton.LeftButton)
    assert card.is_folded()
    assert not inside.isVisible()
    card._heading.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(card._heading, Qt.Key.Key_Space)
    assert inside.isVisible()


def test_a_label_is_cut_where_it_must_and_whole_where_it_can(shown):
    label = shown(ElidedLabel("a name much longer than its place"), 80, 24)
    assert label.shown_text().endswith("…")
    label.resize(600, 24)
    assert label.shown_text() == label.text()


def test_what_yields_is_shown_whole_or_not_at_all(shown):
    host = QWidget()
    column = QVBoxLayout(host)
    column.setContentsMargins(0, 0, 0, 0)
    content = QWidget()
    content.setMinimumHeight(40)
    inner = QVBoxLayout(content)
    inner.addWidget(QLabel("sparkline"))
    column.addWidget(Yields(content))
    shown(host, 200, 100)
    assert content.isVisible()
    host.resize(200, 30)
    assert not content.isVisible()


def test_nothing_of_a_panel_of_260_pixels_reaches_out_of_it(session, shown):
    panel = shown(ImagesPanel(session), 260, 420)
    inside = panel.rect()
    for widget in (panel.search, panel.status, panel.category, panel.sorting, panel.view, panel.note):
        corner = widget.mapTo(panel, widget.rect().bottomRight())
        assert inside.contains(corner), widget.accessibleName()


def test_every_control_of_a_panel_has_a_name(session, shown):
    panel = shown(ImagesPanel(session))
    for control in (panel.search, panel.status, panel.category, panel.sorting, panel.view):
        assert control.accessibleName()


def test_panels_follow_a_change_of_theme(qapp, session, shown):
    panel = shown(ImagesPanel(session))
    dark = panel.grab().toImage().pixelColor(8, 60).lightness()
    theme.apply(qapp, "light")
    assert panel.grab().toImage().pixelColor(8, 60).lightness() > dark + 100


def test_the_mouse_is_told_what_is_cut_off_and_what_more_there_is(shown):
    card = Card("Predictions")
    card.set_note("a model with a name that has no room here", more="version 8d6d3")
    shown(card, 200, 60)
    assert card.note.told() == "A MODEL WITH A NAME THAT HAS NO ROOM HERE\nversion 8d6d3"
    card.set_note("short", more="version 8d6d3")
    assert card.note.told() == "version 8d6d3"
    card.set_note("short")
    assert card.note.told() == ""
