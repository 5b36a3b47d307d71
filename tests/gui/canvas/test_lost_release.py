"""The mouse button comes up where nobody hears it: a drag ends where it was last, and never sticks."""

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QDialog

from labeler.core.records import Box

NO_KEY = Qt.KeyboardModifier.NoModifier
NO_BUTTON = Qt.MouseButton.NoButton


@pytest.fixture
def dragging(canvas, hand):
    """A box is being drawn from (100, 100) to (300, 400)."""
    canvas.hand.take("box")
    hand.press(100, 100)
    hand.move(200, 200)
    hand.move(300, 400)
    assert canvas.progress.is_dragging
    return canvas


def is_drawn(session) -> bool:
    found = [one.shape for one in session.document.annotations.values()]
    return len(found) == 1 and isinstance(found[0], Box) and abs(found[0].x1 - 300) < 3


def test_a_move_without_the_button_ends_it_where_it_was(dragging, hand, session):
    at = QPointF(hand.at(600, 900))
    move = QMouseEvent(QEvent.Type.MouseMove, at, dragging.mapToGlobal(at), NO_BUTTON, NO_BUTTON, NO_KEY)
    QApplication.sendEvent(dragging, move)
    assert not dragging.progress.is_dragging
    assert is_drawn(session)


def test_another_press_ends_it_and_begins_the_next(dragging, hand, session):
    hand.press(500, 500)
    assert is_drawn(session)
    assert dragging.progress.is_dragging
    hand.move(600, 600)
    hand.release(600, 600)
    assert len(session.document.annotations) == 2


def test_a_dialog_that_opens_ends_it(qtbot, dragging, session):
    dialog = QDialog(dragging)
    dialog.open()
    qtbot.waitUntil(lambda: not dragging.progress.is_dragging)
    assert is_drawn(session)
    dialog.close()


@pytest.mark.parametrize("kind", [QEvent.Type.TouchCancel, QEvent.Type.Hide])
def test_a_touch_taken_away_or_a_hidden_canvas_ends_it(dragging, session, kind):
    if kind == QEvent.Type.Hide:
        dragging.hide()
    else:
        QApplication.sendEvent(dragging, QEvent(kind))
    assert not dragging.progress.is_dragging
    assert is_drawn(session)


def test_what_only_takes_the_focus_ends_nothing(qtbot, dragging, session):
    dragging.clearFocus()
    QApplication.processEvents()
    assert dragging.progress.is_dragging
    assert not session.document.annotations


def test_it_is_kept_in_its_project_when_another_one_has_opened(qtbot, dragging, session, photos, tmp_path):
    other = tmp_path / "others"
    other.mkdir()
    (other / "one.jpg").write_bytes((photos / "bus.jpg").read_bytes())
    session.open(other)
    qtbot.waitUntil(lambda: session.root == other.resolve(), timeout=20_000)
    assert not dragging.progress.is_dragging
    assert not session.document.annotations
    session.open(photos)
    qtbot.waitUntil(lambda: session.root == photos.resolve() and is_drawn(session), timeout=20_000)
