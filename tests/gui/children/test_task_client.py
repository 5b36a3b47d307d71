"""The task client with real children: tasks that end, cannot begin, crash, freeze and are called off."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from labeler.gui.children.task_client import TaskClient, TaskLimits
from labeler.wire.job_protocol import PredictSpec

TRAINEE = """
import os, signal, time
from pathlib import Path
from labeler.models.protocols import ModelSpec
from labeler.api import Plugin

class Faulty:
    def detect(self, image, text=None):
        exec((Path(__file__).parent / "fault").read_text(), globals())
        return ()

plugin = Plugin(api=1, name="Faulty", version="1", models=(
    ModelSpec(id="faulty", title="Faulty", task="detector", load=Faulty),
))
"""

FREEZES = "(Path(__file__).parent / 'at').touch()\nos.kill(os.getpid(), signal.SIGSTOP)"


@pytest.fixture(autouse=True)
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin folder with a model that does what its file `fault` says."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "faulty.py").write_text(TRAINEE)
    (folder / "fault").write_text("")
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    return folder


@pytest.fixture
def spec(tmp_path: Path) -> PredictSpec:
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), np.zeros((8, 8), dtype=np.uint8))
    return PredictSpec("faulty", ((1, str(path)),))


@pytest.fixture
def client(qtbot) -> Iterator[TaskClient]:
    made = TaskClient(limits=TaskLimits(start=30.0, beat=3.0, stop=1.0, end=0.5))
    yield made
    made.close()
    assert not _children()


def _children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "labeler.worker" in child.cmdline()
    ]


def endings(client: TaskClient) -> list[str]:
    """What the client says from now on, a word for each signal."""
    heard: list[str] = []
    client.done.connect(lambda: heard.append("done"))
    client.stopped.connect(lambda: heard.append("stopped"))
    client.failed.connect(heard.append)
    client.lost.connect(heard.append)
    return heard


def test_a_task_that_is_done_says_so_once(client, spec, qtbot) -> None:
    heard = endings(client)
    client.start(spec, title="The task")
    assert client.is_running
    qtbot.waitUntil(lambda: not client.is_running, timeout=30_000)
    qtbot.waitUntil(lambda: not _children())
    assert heard == ["done"]


def test_a_task_that_cannot_begin_says_why_in_the_childs_own_sentence(client, qtbot) -> None:
    heard = endings(client)
    client.start(PredictSpec("no-such-model", ()), title="The task")
    qtbot.waitUntil(lambda: bool(heard), timeout=30_000)
    assert len(heard) == 1
    assert "no-such-model" in heard[0]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "The task crashed."),
        ("os._exit(0)", "The task ended unexpectedly."),
        ("os.kill(os.getpid(), signal.SIGSTOP)", "The task froze."),
    ],
)
def test_a_task_that_is_lost_is_told_with_what_happened(
    client, spec, plugins, qtbot, fault: str, sentence: str
) -> None:
    (plugins / "fault").write_text(fault)
    heard = endings(client)
    client.start(spec, title="The task")
    qtbot.waitUntil(lambda: bool(heard), timeout=30_000)
    qtbot.waitUntil(lambda: not _children())
    assert heard == [sentence]


def test_a_task_that_does_not_stop_in_time_is_ended(client, spec, plugins, qtbot) -> None:
    (plugins / "fault").write_text(FREEZES)
    heard = endings(client)
    client.start(spec, title="The task")
    qtbot.waitUntil((plugins / "at").exists, timeout=30_000)
    client.stop()
    assert client.is_stopping
    qtbot.waitUntil(lambda: not _children(), timeout=10_000)
    assert heard == ["stopped"]


def test_a_client_takes_another_task_after_the_first(client, spec, plugins, qtbot) -> None:
    heard = endings(client)
    (plugins / "fault").write_text("os._exit(0)")
    client.start(spec, title="One")
    qtbot.waitUntil(lambda: len(heard) == 1, timeout=30_000)
    (plugins / "fault").write_text("")
    client.start(spec, title="Two")
    with pytest.raises(RuntimeError):
        client.start(spec, title="Three")
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=30_000)
    assert heard == ["One ended unexpectedly.", "done"]


def test_closing_leaves_no_process_and_says_so(client, spec, plugins, qtbot) -> None:
    (plugins / "fault").write_text("time.sleep(60)")
    heard = endings(client)
    client.start(spec, title="The task")
    qtbot.waitUntil(lambda: bool(_children()), timeout=30_000)
    client.close()
    assert not _children()
    assert heard == ["stopped"]
    assert not client.is_running
