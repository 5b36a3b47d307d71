"""Downloads in the background, against a server on this computer."""

import random
import time
from collections.abc import Iterator

import pytest

from labeler.gui.models.downloads import Downloads, Pace
from labeler.models.files import catalog, fetch, weights
from tests.file_server import FileServer, serving
from tests.patient_bot import slack

CONTENT = random.Random(6).randbytes(1_500_000)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.0)
    with serving(CONTENT) as server:
        yield server


@pytest.fixture
def downloads(qapp) -> Iterator[Downloads]:
    made = Downloads()
    yield made
    made.stop()


def test_a_file_comes_with_what_it_needs_and_progress_is_of_both(
    qtbot, server, downloads, monkeypatch
) -> None:
    words = server.entry(id="words", title="Words", url=server.url.replace("model", "words"))
    monkeypatch.setattr(catalog, "entries", lambda: (words,))
    entry = server.entry(needs=("words",))
    server.stalls = 1_000_000
    paces: list[Pace | None] = []
    downloads.progressed.connect(lambda name: paces.append(downloads.pace(name)))
    downloads.start(entry)
    qtbot.waitUntil(lambda: bool(paces) and paces[-1].done == 1_000_000)
    downloads.cancel("tiny")
    qtbot.waitUntil(lambda: not downloads.running)
    server.stalls, server.asked = None, []
    with qtbot.waitSignal(downloads.finished) as told:
        downloads.start(entry)
        downloads.start(entry)
        assert downloads.running == ("tiny",)
    assert told.args == ["tiny", weights.path_of(entry)]
    assert weights.path_of(words).read_bytes() == weights.path_of(entry).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000000-", ""]
    assert {pace.total for pace in paces if pace is not None} == {2 * len(CONTENT)}
    assert downloads.running == ()


def test_a_download_that_is_called_off_says_nothing(qtbot, server, downloads) -> None:
    server.stalls = 600_000
    downloads.start(server.entry())
    qtbot.waitUntil(lambda: downloads.pace("tiny") is not None and downloads.pace("tiny").done == 600_000)
    with qtbot.waitSignal(downloads.failed, timeout=3000) as told:
        downloads.cancel("tiny")
    assert told.args == ["tiny", ""]
    assert downloads.running == ()


def test_a_failure_is_one_sentence_with_the_address(qtbot, server, downloads) -> None:
    server.status = 404
    with qtbot.waitSignal(downloads.failed) as told:
        downloads.start(server.entry())
    assert told.args[0] == "tiny"
    assert server.url in told.args[1]


def test_the_end_waits_for_no_server(server, downloads) -> None:
    server.stalls = 0
    downloads.start(server.entry())
    begun = time.monotonic()
    downloads.stop()
    assert time.monotonic() - begun < slack()
    assert not weights.path_of(server.entry()).exists()


def test_the_time_left_follows_the_rate() -> None:
    assert Pace(1_000_000, 3_000_000, 500_000).seconds_left == 4
    assert Pace(0, 3_000_000).seconds_left is None
