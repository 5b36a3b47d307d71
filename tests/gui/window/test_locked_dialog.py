from PySide6.QtWidgets import QDialog
from pytestqt.qtbot import QtBot

from labeler.gui.window.dialogs.locked_dialog import LockedDialog
from labeler.project.keeping.lock import Holder

HOLDER = Holder(pid=7, host="attic", user="ada", since=0.0)


def test_taking_over_wants_the_name_of_the_other_computer(qtbot: QtBot) -> None:
    dialog = LockedDialog("It is open on attic.", HOLDER)
    qtbot.addWidget(dialog)
    assert not dialog.take.isEnabled()
    dialog.typed.setText("cellar")
    assert not dialog.take.isEnabled()
    dialog.typed.setText("attic ")
    dialog.take.click()
    assert dialog.result() == QDialog.DialogCode.Accepted
    assert dialog.take_over


def test_looking_on_takes_nothing_over(qtbot: QtBot) -> None:
    dialog = LockedDialog("It is open on attic.", HOLDER)
    qtbot.addWidget(dialog)
    dialog.accept()
    assert not dialog.take_over
