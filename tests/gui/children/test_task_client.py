"""What is special to the task client, with real children: one end for each task, and time to save.

Its faults are in the table of `test_client_faults`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from labeler.gui.children.task_client import TaskClient
from labeler.wire.job_protocol import PredictSpec
from tests.child_processes import workers
from tests.gui.children.test_client_faults import STOPS


@pytest.fixture
def spec(faults: Path, images) -> PredictSpec:
    return PredictSpec("bright", images[:1])


@pytest.fixture
def client(qtbot) -> Iterator[TaskClient]:
    made = TaskClient(limits=replace(TaskClient.LIMITS, load=30.0, beat=10.0, save=1.0, end=0.5))
    yield made
    made.close()


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
    qtbot.waitUntil(lambda: not workers())
    assert heard == ["done"]


def test_a_task_that_cannot_begin_says_why_in_the_childs_own_sentence(client, qtbot) -> None:
    heard = endings(client)
    client.start(PredictSpec("no-such-model", ()), title="The task")
    qtbot.waitUntil(lambda: bool(heard), timeout=30_000)
    assert len(heard) == 1
    assert "no-such-model" in heard[0]


def test_a_task_that_does_not_stop_in_time_is_ended(client, spec, faults, qtbot) -> None:
    (faults / "image-201").write_text(f"(HERE / 'at').touch()\n{STOPS}")
    heard = endings(client)
    client.start(spec, title="The task")
    qtbot.waitUntil((faults / "at").exists, timeout=30_000)
    client.stop()
    assert client.is_running
    qtbot.waitUntil(lambda: not workers(), timeout=10_000)
    assert heard == ["stopped"]


def test_a_client_takes_another_task_after_the_first(client, spec, faults, qtbot) -> None:
    heard = endings(client)
    (faults / "image-201").write_text("os._exit(0)")
    client.start(spec, title="One")
    qtbot.waitUntil(lambda: len(heard) == 1, timeout=30_000)
    (faults / "image-201").unlink()
    client.start(spec, title="Two")
    with pytest.raises(RuntimeError):
        client.start(spec, title="Three")
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=30_000)
    assert heard == ["One ended unexpectedly.", "done"]


def test_closing_leaves_no_process_and_says_so(client, spec, faults, qtbot) -> None:
    (faults / "image-201").write_text("time.sleep(60)")
    heard = endings(client)
    client.start(spec, title="The task")
    qtbot.waitUntil(lambda: bool(workers()), timeout=30_000)
    client.close()
    assert not workers()
    assert heard == ["stopped"]
    assert not client.is_running
