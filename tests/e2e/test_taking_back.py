"""What an undo says and offers, and how long a window that closes waits for its work to be written."""

import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from labeler.gui.toolkit.notify import Notice
from labeler.project.writer import Writer
from tests.e2e.user import User

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


def _notice(user: User, text: str) -> Notice:
    """The message in sight with that text."""

    def found() -> list[Notice]:
        shown = [one for one in user.window.toast.findChildren(Notice) if one.isVisible()]
        return [one for one in shown if one.message.text == text]

    user.wait(found)
    return found()[0]


def _press(notice: Notice, action: str) -> None:
    (button,) = [one for one in notice.findChildren(QPushButton) if one.text() == action]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_an_undo_says_what_it_took_back_and_offers_to_do_it_again(user: User) -> None:
    user.add_category("broccoli")
    made = user.draw_box(100, 300, 300, 500)
    user.key("Ctrl+Z")
    assert user.annotations() == []
    _press(_notice(user, "Took back: Add broccoli"), "Redo")
    assert user.annotations() == [made]
    _press(_notice(user, "Done again: Add broccoli"), "Undo")
    assert user.annotations() == []
    user.wait_saved()
    _notice(user, "Took back: Add broccoli")


def test_closing_waits_for_the_writer_but_not_for_ever(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, waited = threading.Event(), []
    close = Writer.close

    def noting(writer: Writer, *, seconds: float | None = None) -> str:
        waited.append(seconds)
        return close(writer, seconds=min(seconds or 0.0, 0.1))

    user.session.ask(lambda _: gate.wait(120), lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "close", noting)
        assert user.window.frame.close()
        assert not gate.is_set()
    gate.set()
    longest = [seconds for seconds in waited if seconds]
    assert longest, "nobody waited for the work to be written"
    assert None not in waited
    assert 10 < max(longest) <= 20
