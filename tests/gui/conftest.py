"""What the window's tests share: a session on a real project of real photos."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from labeler.gui.session import Session


@pytest.fixture
def session(qtbot: QtBot, photos: Path) -> Iterator[Session]:
    """A session with the folder of photos open and its first image decoded."""
    made = Session()
    made.open(photos)
    qtbot.waitUntil(lambda: made.pixels is not None, timeout=20_000)
    made.add_category("person", by="test")
    qtbot.waitUntil(lambda: made.saved == "saved")
    yield made
    made.shut_down()
