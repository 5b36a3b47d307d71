from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from labeler.gui.notify import Message, Notifier, Toast


def shown(qtbot: QtBot) -> tuple[Notifier, Toast]:
    host = QWidget()
    qtbot.addWidget(host)
    host.resize(600, 400)
    host.show()
    notifier, toast = Notifier(host), Toast(host)
    notifier.told.connect(toast.show_message)
    return notifier, toast


def test_information_does_not_push_an_error_away(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    notifier.error("The disk is full.", key="saved")
    notifier.info("Exported.")
    assert toast.text == "The disk is full."


def test_a_message_with_the_same_key_replaces_an_error(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    notifier.error("The disk is full.", key="saved")
    notifier.info("Saved again.", key="saved")
    assert toast.text == "Saved again."


def test_the_action_runs_once_and_the_message_goes(qtbot: QtBot) -> None:
    notifier, toast = shown(qtbot)
    runs: list[int] = []
    notifier.error("It is open elsewhere.", action="Open read-only", run=lambda: runs.append(1))
    toast.action_button.click()
    assert runs == [1]
    assert toast.text == ""


def test_it_stays_inside_a_small_parent(qtbot: QtBot) -> None:
    _, toast = shown(qtbot)
    toast.parentWidget().resize(220, 200)  # type: ignore[union-attr]
    toast.show_message(Message("A rather long sentence that has to be broken into several lines. " * 2))
    parent = toast.parentWidget()
    assert parent is not None
    assert parent.rect().contains(toast.geometry())
