from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QApplication, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from labeler.gui.toolkit.notify import MOST_SHOWN, Message, Notice, Notifier, Toast, breakable


def shown(qtbot: QtBot) -> tuple[Notifier, Toast]:
    host = QWidget()
    qtbot.addWidget(host)
    host.resize(600, 400)
    host.show()
    notifier, toast = Notifier(host), Toast(host)
    toast.follow(notifier)
    return notifier, toast


def notices(toast: Toast) -> list[Notice]:
    """Those in sight, from the top."""
    found = [one for one in toast.findChildren(Notice) if one.isVisible()]
    return sorted(found, key=lambda one: one.y())


def close(qtbot: QtBot, notice: Notice) -> None:
    """Close a message as a person does."""
    qtbot.mouseClick(notice.findChild(QToolButton), Qt.MouseButton.LeftButton)


def test_neither_of_an_error_and_a_piece_of_information_hides_the_other(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    notifier.error("The disk is full.", key="saved")
    notifier.info("labels.json is written.")
    assert toast.texts == ["The disk is full.", "labels.json is written."]
    notifier.error("0001.jpg is missing.", key="image")
    assert toast.texts[-2:] == ["labels.json is written.", "0001.jpg is missing."]
    upper, middle, lower = notices(toast)
    assert upper.geometry().bottom() < middle.y()
    assert middle.geometry().bottom() < lower.y()
    assert toast.rect().contains(lower.geometry())


def test_what_there_is_no_room_for_waits_for_its_turn(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    told = [f"Number {n} failed." for n in range(MOST_SHOWN + 2)]
    notifier.info("20 of 20 taken.", key="import")
    for text in told:
        notifier.error(text)
    assert toast.texts == told[2:]
    for text in reversed(told):
        assert toast.text == text
        close(qtbot, notices(toast)[-1])
    # its time began only now that it can be seen
    assert toast.texts == ["20 of 20 taken."]


def test_information_goes_by_itself_but_not_under_a_mouse_that_came_to_it(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    notifier.info("Exported.")
    (notice,) = notices(toast)
    assert notice._timer.isActive()
    QCursor.setPos(QCursor.pos() + QPoint(7, 3))
    notice.setAttribute(Qt.WidgetAttribute.WA_UnderMouse)
    notice._timer.stop()
    notice._timer.timeout.emit()
    assert toast.text == "Exported."
    assert notice._timer.isActive()
    notice.setAttribute(Qt.WidgetAttribute.WA_UnderMouse, on=False)
    notice._timer.timeout.emit()
    assert toast.text == ""
    assert not toast.isVisible()


def test_information_that_comes_up_under_the_mouse_goes_too(qtbot: QtBot) -> None:
    """A right click at the foot of the photo, and what it says comes up where the mouse is."""
    notifier, toast = shown(qtbot)
    notifier.info("Rejected.")
    (notice,) = notices(toast)
    notice.setAttribute(Qt.WidgetAttribute.WA_UnderMouse)
    notice._timer.timeout.emit()
    assert toast.text == ""


def test_a_long_message_stays_for_as_long_as_it_takes_to_read(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    notifier.info("Exported.")
    notifier.info("A report of many words. " * 12)
    short, long = notices(toast)
    assert long._timer.interval() > 2 * short._timer.interval()


def test_a_message_with_the_same_key_replaces_an_error(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    notifier.error("The disk is full.", key="saved")
    notifier.info("Saved again.", key="saved")
    assert toast.texts == ["Saved again."]


def test_a_repeated_failure_is_shown_once(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    for _ in range(5):
        notifier.error("Nothing was changed.")
    assert toast.texts == ["Nothing was changed."]


def test_what_was_told_of_a_project_goes_with_it(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    notifier.error("'object' is mapped to no category.", key="session")
    notifier.error("The model process stopped.", key="host", lasting=True)
    notifier.leave_project()
    assert toast.texts == ["The model process stopped."]


def test_the_action_runs_once_and_the_message_goes(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    runs: list[int] = []
    notifier.error("It is open elsewhere.", action="Open read-only", run=lambda: runs.append(1))
    toast.action_button.click()
    assert runs == [1]
    assert toast.text == ""


def test_the_keys_stay_with_what_had_them(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    host = toast.parentWidget()
    assert host is not None
    host.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    host.setFocus()
    qtbot.waitUntil(host.hasFocus)
    notifier.error("It failed.", action="Again", run=lambda: None)
    assert [one for one in QApplication.topLevelWidgets() if one.isVisible()] == [host]
    assert host.hasFocus()
    qtbot.mouseClick(toast.action_button, Qt.MouseButton.LeftButton)
    assert host.hasFocus()
    notifier.error("It failed.", action="Again", run=lambda: None)
    toast.action_button.setFocus()
    qtbot.keyClick(toast.action_button, Qt.Key.Key_Space)
    assert toast.text == ""
    assert host.hasFocus()


def test_it_stays_inside_a_small_parent(qtbot: QtBot) -> None:
    _, toast = shown(qtbot)
    toast.parentWidget().resize(220, 200)  # type: ignore[union-attr]
    for number in range(MOST_SHOWN):
        words = "A rather long sentence that has to be broken into several lines. " * 2
        toast.show_message(Message(f"{number} {words}"))
    parent = toast.parentWidget()
    assert parent is not None
    assert parent.rect().contains(toast.geometry())
    assert toast.text.startswith("2 ")


def test_what_was_said_of_an_object_goes_with_its_image(qtbot, opened) -> None:
    opened.notifier.info("This one: car.", key="category")
    opened.notifier.info("Something else.")
    opened.session.place.step(1)
    assert opened.toast.texts == ["Something else."]


def test_a_long_name_of_a_file_is_not_cut(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    name = "a_file_of_labels_that_came_from_a_service_" * 3 + "2026-11-30.json"
    notifier.error(f"{name}: 2 annotations refused", action="Reasons…")
    (notice,) = notices(toast)
    label = notice._text
    QApplication.processEvents()
    needed = label.fontMetrics().boundingRect(label.rect(), Qt.TextFlag.TextWordWrap, label.text())
    assert needed.width() <= label.width()
    assert needed.height() <= label.height()
    assert toast.text == f"{name}: 2 annotations refused"
    short = "/data/photos/labels.json is open"
    assert breakable(short) == short, "it can be selected, and pasted as it is"
