"""What the screen and the counts say where the writer does something else than was shown."""

import threading

from pytestqt.qtbot import QtBot

from labeler.core.records import Box, Change, Edit
from labeler.gui.session.session import Session


def test_what_is_counted_is_the_disk_after_the_writer_did_otherwise(qtbot: QtBot, session: Session) -> None:
    made = session.edits.add(Box(1, 2, 30, 40), by="test")
    qtbot.waitUntil(lambda: session.saved == "saved")
    let_go = threading.Event()
    session.ask(lambda _: let_go.wait(20), lambda _: None)
    session.history.have_made(lambda _: Edit("Gone", (Change(made, None),)))  # only the writer knows of it
    session.edits.delete([made.id], by="test")
    let_go.set()
    qtbot.waitUntil(lambda: session.saved == "saved" and not session.history._acts.learning)
    disk = []
    session.ask(lambda store: store.annotations(made.image_id), disk.append)
    qtbot.waitUntil(lambda: bool(disk))
    assert [list(one) for one in disk] == [[]]
    assert session.document.annotations == {}
    assert sum(session.document.counts(made.image_id).values()) == 0
