"""Uses the panel, the action and the tool of docs/adding.md; test_adding.py runs it on a copy of the house.

Prints the house that it runs in, the rows of the panel, and what each of the three has done.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from labeler.gui.labelling.largest_panel import LargestPanel
from PySide6.QtCore import QDeadlineTimer, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

import labeler
from labeler.core.records import Box
from labeler.gui import app


def wait(met: Callable[[], object]) -> None:
    """Until that is so; 30 seconds at most."""
    deadline = QDeadlineTimer(30_000)
    while not met():
        if deadline.hasExpired():
            raise TimeoutError
        QApplication.processEvents()


def main(folder: Path) -> None:
    """Open the folder, label, and use each."""
    window = app.make_window()
    window.frame.show()
    window.open(folder)
    session = window.session
    wait(lambda: session.place.pixels is not None)
    session.edits.add_category("cell", by="test")
    for side in range(1, 13):
        session.edits.add(Box(0, 0, side, side), by="test")
    window.panels.open("Largest")
    panel = window.panels[LargestPanel]
    wait(lambda: panel.list.count() == 10 and "144" in panel.list.item(0).text())
    print(labeler.__file__, panel.list.count())
    session.focus.select([])
    row = panel.list.visualItemRect(panel.list.item(0))
    QTest.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=row.center())
    wait(lambda: len(session.focus.selection) == 1)
    print("selected")
    window.actions["select-nothing"].trigger()
    print("none" if not session.focus.selection else "some")
    before = len(session.document.annotations)
    window.actions["stamp"].trigger()
    canvas = window.canvas
    spot = canvas.rect().center()
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(spot))
    wait(lambda: len(session.document.annotations) == before + 1)
    (made,) = [one for one in session.document.annotations.values() if one.id in session.focus.selection]
    assert isinstance(made.shape, Box)
    assert made.shape.width == made.shape.height == 32
    print("stamped")
    wait(lambda: session.saved == "saved")
    window.frame.close()


application = QApplication.instance() or app.make_application()
main(Path(sys.argv[1]))
