"""A window that says what it does, with one box drawn."""

import pytest
from pytestqt.qtbot import QtBot

from labeler.core.records import Box
from labeler.gui.exchange.exporter import Exporter
from labeler.gui.toolkit.notify import Message
from labeler.gui.window.main_window import MainWindow


@pytest.fixture
def told(qtbot: QtBot, opened: MainWindow) -> list[Message]:
    """What the window says, one box being drawn."""
    messages: list[Message] = []
    opened.frame.findChild(Exporter)._notifier.told.connect(messages.append)
    opened.session.edits.add_category("person", by="test")
    opened.session.edits.add(Box(1, 1, 20, 20), by="test")
    qtbot.waitUntil(lambda: opened.session.saved == "saved", timeout=20_000)
    return messages
