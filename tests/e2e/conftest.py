"""What the end-to-end tests share: real windows, as many as a test starts, all closed at its end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from labeler.gui import app
from tests.e2e.user import User


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all: embeddings of the same photos are computed once, as on a user's machine."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def start(
    qtbot: QtBot, home: Path, warm_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., User]]:
    """`start(path, host=True)`: a new window, on a folder if one is given, with or without its model."""
    monkeypatch.setenv("LABELER_CACHE_DIR", str(warm_cache))
    monkeypatch.setenv("LABELER_THREADS", "2")
    users: list[User] = []

    def begin(path: Path | None = None, *, host: bool = False) -> User:
        window = app.make_window()
        window.settings.ask_category = "never"  # most tests draw before they name
        user = User(qtbot, window)
        users.append(user)
        window.frame.resize(1440, 900)
        window.frame.show()
        window.frame.activateWindow()
        qtbot.waitUntil(window.frame.isActiveWindow)
        if host:
            window.start_host()
        if path is not None:
            user.open(path)
        return user

    yield begin
    for user in users:
        user.window.frame.close()
        user.window.frame.deleteLater()
    left = [child for user in users[:1] for child in user.hosts()]
    assert not left, f"model processes outlived their window: {left}"


@pytest.fixture
def user(start: Callable[..., User], photos: Path) -> User:
    """A window on the folder of photos, without the model process."""
    return start(photos)


@pytest.fixture
def sam(start: Callable[..., User], photos: Path) -> User:
    """A window on the folder of photos, with the model process."""
    return start(photos, host=True)
