"""The host client with real children: MobileSAM itself, and models that crash, hang, lie and eat memory."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PySide6.QtCore import QTimer

from labeler.core.records import Box, Prompt
from labeler.gui.children import host_client
from labeler.gui.children.host_client import HostClient, Limits

QUICK = Limits(click=2.0, load=30.0, beat=3.0)

FAULTY = """
import ctypes, os, re, signal, sys, time
from pathlib import Path
import numpy as np
from labeler.core.records import Mask, Proposal
from labeler.models.protocols import Embedding, ModelSpec
from labeler.api import Plugin

HERE = Path(__file__).parent

def fault_once():
    flag = HERE / "fault"
    if flag.exists():
        fault = flag.read_text()
        flag.unlink()
        exec(fault, globals())

class Faulty:
    def embed(self, image, *, threads=0, interrupt=None):
        return Embedding({"a": np.zeros(3, dtype=np.float32)}, image.shape[:2])

    def segment(self, embedding, prompt, *, threads=0, limit=3):
        fault_once()
        x, y = (int(value) for value in prompt.points[-1])
        previous = prompt.previous is not None
        mask = Mask(x, y, np.ones((2, 3 + previous), dtype=bool))
        return (Proposal(mask, 0.9, np.zeros((4, 4), dtype=np.float32)),) * limit

def load():
    exec((HERE / "load").read_text(), globals()) if (HERE / "load").exists() else None
    return Faulty()

plugin = Plugin(api=1, name="Faulty", version="1",
                models=(ModelSpec(id="faulty", title="Faulty", task="segmenter", load=load),))
"""

CRASHES = {
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGSEGV": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "quiet end": "os._exit(0)",
    "memory": "eaten = []\nwhile True: eaten.append(np.empty(1 << 28, dtype=np.uint8))",
    "endless loop": "while True: time.sleep(0.01)",
    "hung with the GIL": "ctypes.PyDLL(None).sleep(100)",
    "SIGSTOP": "os.kill(os.getpid(), signal.SIGSTOP)",
}
SENTENCES = {
    "memory": "ran out of memory",
    "endless loop": "hung",
    "hung with the GIL": "hung",
    "SIGSTOP": "hung",
}
HARMLESS = ["raise ValueError('no luck')", "sys.exit(3)", "raise KeyboardInterrupt"]
NOISE = [
    "print('x' * 100_000, flush=True)",
    "os.write(1, bytes(range(256)) * 1000)",
    "os.system('echo from a program')",
    "assert sys.stdin.read() == ''",
    "print('line\\n' * 100_000, file=sys.stderr)",
]


def click(x: float, y: float) -> Prompt:
    return Prompt(points=np.array([[x, y]]), positive=np.array([True]))


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the faulty plugin, found by children through the environment."""
    folder = tmp_path / "faulty plugins"
    folder.mkdir()
    (folder / "faulty.py").write_text(FAULTY)
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    return folder


@pytest.fixture
def clients(qtbot):
    """Makes clients, and closes them when the test is over."""
    made = []

    def make(**options) -> HostClient:
        client = HostClient(**options)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
    assert not hosts(), "a host outlived its client"


def hosts() -> list[psutil.Process]:
    """The host children of this process that still run."""
    children = psutil.Process().children(recursive=True)
    return [
        child
        for child in children
        if child.status() != psutil.STATUS_ZOMBIE and "labeler.worker" in child.cmdline()
    ]


def started(qtbot, client: HostClient, photo: Path) -> None:
    client.start()
    client.open_image("bus", photo)
    qtbot.waitUntil(lambda: client.state.encoded, timeout=30_000)


def answer(qtbot, client: HostClient, prompt: Prompt, **options):
    """The answer to a click, which must be the next one that comes."""
    with qtbot.waitSignal(client.proposed, timeout=30_000) as signal:
        request = client.segment(prompt, **options)
    assert signal.args[0].request_id == request
    return signal.args[0]


# --- MobileSAM itself ---------------------------------------------------------------------------


def test_clicks_refine_and_previews_with_mobilesam(qtbot, clients, photos) -> None:
    client = clients()
    bus, zidane = photos / "bus.jpg", photos / "zidane.jpg"
    client.start()
    client.open_image("bus", bus)
    client.look_ahead([("zidane", zidane)])
    first = answer(qtbot, client, click(400, 500))  # asked before anything is ready
    assert client.state.title == "MobileSAM"
    assert client.state.device.startswith("CPU")
    assert len(first.proposals) == 3
    confidences = [proposal.confidence for proposal in first.proposals]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0 <= confidence <= 1 for confidence in confidences)

    box = answer(qtbot, client, Prompt(box=Box(20, 230, 800, 750)))
    mask = box.proposals[0].mask
    assert 200_000 < mask.bits.sum() < 400_000  # most of a bus
    assert 0 <= mask.x < mask.x + mask.width <= 810

    points = Prompt(points=np.array([[400.0, 500.0], [100.0, 1000.0]]), positive=np.array([True, False]))
    refined = answer(qtbot, client, points, refine=(first.request_id, 0))
    plain = answer(qtbot, client, points)
    assert refined.proposals[0].mask != plain.proposals[0].mask

    with qtbot.waitSignal(client.proposed, timeout=30_000) as hovered:
        client.hover(400, 500)
    assert hovered.args[0].hover
    assert hovered.args[0].proposals[0].mask == first.proposals[0].mask

    qtbot.waitUntil(lambda: client.state.ahead == 1, timeout=30_000)
    began = time.perf_counter()
    client.open_image("zidane", zidane)
    qtbot.waitUntil(lambda: client.state.encoded, timeout=30_000)
    assert time.perf_counter() - began < 5
    assert answer(qtbot, client, click(400, 300)).image_key == "zidane"


# --- what is shown and asked --------------------------------------------------------------------


def test_states_go_from_starting_to_ready(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=QUICK)
    phases = []
    client.state_changed.connect(lambda state: phases.append(state.phase))
    assert client.state.phase == "stopped"
    with qtbot.waitSignal(client.ready, timeout=30_000):
        started(qtbot, client, photo)
    assert [phase for i, phase in enumerate(phases) if i == 0 or phases[i - 1] != phase] == [
        "starting",
        "encoding",
        "ready",
    ]
    client.stop()
    assert client.state.phase == "stopped"
    assert not client.state.encoded
    qtbot.waitUntil(lambda: not hosts(), timeout=3_000)


def test_hovers_never_queue_and_the_newest_is_answered(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=QUICK)
    started(qtbot, client, photo)
    answers = []
    client.proposed.connect(answers.append)
    for x in range(100):
        client.hover(x, 5)
    qtbot.waitUntil(lambda: bool(answers) and answers[-1].proposals[0].mask.x == 99, timeout=10_000)
    assert len(answers) == 2  # the first, and the newest of those that came while it was away
    assert all(answer.hover and len(answer.proposals) == 1 for answer in answers)


def test_a_cancelled_hover_is_not_answered(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=QUICK)
    started(qtbot, client, photo)
    answers = []
    client.proposed.connect(answers.append)
    client.hover(1, 1)
    client.hover(2, 2)
    client.cancel_hover()
    answer(qtbot, client, click(7, 7))
    assert [one.hover for one in answers] == [False]
    with qtbot.waitSignal(client.proposed, timeout=10_000):
        client.hover(3, 3)
    assert answers[-1].proposals[0].mask.x == 3


def test_answers_for_an_image_that_was_left_are_dropped(qtbot, clients, faults, photos) -> None:
    client = clients(model="faulty", limits=QUICK)
    started(qtbot, client, photos / "bus.jpg")
    answers = []
    client.proposed.connect(answers.append)
    for number in range(30):
        client.segment(click(number, 1))
        client.hover(number, 2)
        client.open_image(f"image {number}", photos / ["bus.jpg", "zidane.jpg"][number % 2])
    last = client.segment(click(50, 1))
    qtbot.waitUntil(lambda: any(one.request_id == last for one in answers), timeout=30_000)
    assert [one.image_key for one in answers] == ["image 29"]


def test_a_refinement_gets_the_logits_of_the_answer_it_names(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=QUICK)
    started(qtbot, client, photo)
    first = answer(qtbot, client, click(1, 1))
    assert first.proposals[0].mask.width == 3
    assert answer(qtbot, client, click(1, 1), refine=(first.request_id, 2)).proposals[0].mask.width == 4
    assert answer(qtbot, client, click(1, 1), refine=(999, 0)).proposals[0].mask.width == 3


def test_without_an_image_or_a_host_a_click_says_so(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=QUICK)
    client.hover(1, 1)
    with qtbot.waitSignal(client.failed, timeout=1_000) as signal:
        client.segment(click(1, 1))
    assert signal.args[0] == "Open an image first, then click in it."
    client.open_image("bus", photo)
    with qtbot.waitSignal(client.failed, timeout=1_000) as signal:
        client.segment(click(1, 1))
    assert "The model is off" in signal.args[0]


def test_an_unreadable_image_is_one_sentence_and_the_next_one_works(qtbot, clients, faults, photo) -> None:
    bad = photo.with_name("bad.jpg")
    bad.write_bytes(b"no image")
    client = clients(model="faulty", limits=QUICK)
    client.start()
    with qtbot.waitSignal(client.failed, timeout=30_000) as signal:
        client.open_image("bad", bad)
    assert "bad.jpg" in signal.args[0]
    assert "\n" not in signal.args[0]
    with qtbot.waitSignal(client.failed, timeout=10_000):
        client.segment(click(1, 1))
    client.open_image("bus", photo)
    assert answer(qtbot, client, click(4, 4)).proposals[0].mask.x == 4
    assert client.state.message == ""


# --- trouble ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", CRASHES)
def test_a_lost_host_is_one_sentence_and_the_next_click_works(
    qtbot, clients, faults, photo, fault, expect_log
) -> None:
    client = clients(model="faulty", limits=QUICK)
    started(qtbot, client, photo)
    (before,) = hosts()
    (faults / "fault").write_text(CRASHES[fault])
    sentences = []
    client.failed.connect(sentences.append)
    with qtbot.waitSignal(client.failed, timeout=30_000):
        client.segment(click(1, 1))
    assert client.state.phase == "restarting"
    assert client.state.message == sentences[0]
    assert answer(qtbot, client, click(9, 9)).proposals[0].mask.x == 9
    assert client.state.message == ""
    assert len(sentences) == 1
    assert sentences[0].startswith("Faulty ")
    assert SENTENCES.get(fault, "") in sentences[0]
    assert "\n" not in sentences[0]
    (after,) = hosts()
    assert after.pid != before.pid


def test_an_exception_is_one_sentence_and_keeps_the_host(qtbot, clients, faults, photo, expect_log) -> None:
    expect_log("The model failed")
    client = clients(model="faulty", limits=QUICK)
    started(qtbot, client, photo)
    before = hosts()
    for fault in HARMLESS:
        (faults / "fault").write_text(fault)
        with qtbot.waitSignal(client.failed, timeout=30_000) as signal:
            client.segment(click(1, 1))
        assert signal.args[0].startswith("The model could not answer")
        assert answer(qtbot, client, click(9, 9)).proposals[0].mask.x == 9
    assert hosts() == before


def test_a_model_that_prints_or_reads_does_not_disturb(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=QUICK)
    started(qtbot, client, photo)
    for noise in NOISE:
        (faults / "fault").write_text(noise)
        assert answer(qtbot, client, click(5, 5)).proposals[0].mask.x == 5


def test_a_host_killed_from_outside_comes_back_by_itself(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=QUICK)
    started(qtbot, client, photo)
    with qtbot.waitSignal(client.failed, timeout=10_000):
        hosts()[0].kill()
    qtbot.waitUntil(lambda: client.state.encoded, timeout=30_000)
    assert client.state.phase == "ready"


def test_after_the_budget_it_stays_off_until_a_person_asks(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=Limits(restarts=1))
    sentences = []
    client.failed.connect(sentences.append)
    for _ in range(2):
        started(qtbot, client, photo)
        (faults / "fault").write_text(CRASHES["SIGKILL"])
        count = len(sentences)
        client.segment(click(1, 1))
        qtbot.waitUntil(lambda count=count: len(sentences) > count, timeout=30_000)
    assert client.state.phase == "stopped"
    assert "stays off" in client.state.message
    assert not hosts()
    client.restart()
    assert answer(qtbot, client, click(9, 9)).proposals[0].mask.x == 9


@pytest.mark.parametrize(
    ("load", "sentence"),
    [
        ("raise ValueError('no weights')", "no weights"),
        ("sys.exit(1)", "SystemExit"),
        (
            "from labeler.errors import ModelError; raise ModelError('Put the file there.')",
            "Put the file there.",
        ),
    ],
    ids=["exception", "sys.exit", "sentence"],
)
def test_a_model_that_cannot_be_loaded_stays_off_with_its_reason(
    qtbot, clients, faults, photo, load, sentence, expect_log
) -> None:
    expect_log(sentence)
    (faults / "load").write_text(load)
    client = clients(model="faulty", limits=QUICK)
    with qtbot.waitSignal(client.failed, timeout=30_000) as signal:
        client.start()
    assert sentence in signal.args[0]
    assert client.state.phase == "stopped"
    assert client.state.message == signal.args[0]
    (faults / "load").unlink()
    client.restart()
    client.open_image("bus", photo)
    assert answer(qtbot, client, click(9, 9)).proposals[0].mask.x == 9


def test_a_model_that_hangs_while_loading_is_given_up(qtbot, clients, faults) -> None:
    (faults / "load").write_text("time.sleep(100)")
    client = clients(model="faulty", limits=Limits(load=2.0, restarts=0))
    with qtbot.waitSignal(client.failed, timeout=30_000):
        client.start()
    assert client.state.phase == "stopped"
    qtbot.waitUntil(lambda: not hosts(), timeout=5_000)


def test_an_unknown_model_is_named(qtbot, clients, expect_log) -> None:
    expect_log("no model named")
    client = clients(model="nothing")
    with qtbot.waitSignal(client.failed, timeout=30_000) as signal:
        client.start()
    assert "“nothing”" in signal.args[0]
    assert "mobilesam" in signal.args[0]


# --- the window's thread and the end -------------------------------------------------------------


def test_the_window_never_waits_for_a_hung_host(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=QUICK)
    started(qtbot, client, photo)
    ticks = [time.perf_counter()]
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start(10)
    (faults / "fault").write_text(CRASHES["SIGSTOP"])
    with qtbot.waitSignal(client.failed, timeout=30_000):
        client.segment(click(1, 1))
        for number in range(200):
            client.hover(number, 1)
            client.look_ahead([(str(number), photo)])
    qtbot.waitUntil(lambda: client.state.encoded, timeout=30_000)
    timer.stop()
    gaps = np.diff(ticks)
    assert np.quantile(gaps, 0.99) < 0.1
    assert gaps.max() < 1.0


def test_stopping_a_stopped_process_returns_at_once_and_ends_it(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=Limits(stop=0.5))
    started(qtbot, client, photo)
    (child,) = hosts()
    os.kill(child.pid, signal.SIGSTOP)
    began = time.perf_counter()
    client.stop()
    assert time.perf_counter() - began < 0.2
    qtbot.waitUntil(lambda: not hosts(), timeout=5_000)


def test_a_host_does_not_outlive_a_killed_window(faults, photo) -> None:
    script = (
        "from pathlib import Path\n"
        "from PySide6.QtCore import QCoreApplication\n"
        "from labeler.gui.children.host_client import HostClient\n"
        "app = QCoreApplication([])\n"
        "client = HostClient(model='faulty')\n"
        "client.ready.connect(lambda: print('ready', flush=True))\n"
        "client.start()\n"
        "app.exec()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as window:
        assert window.stdout is not None
        assert window.stdout.readline() == "ready\n"
        (host,) = hosts()
        window.kill()
    _, alive = psutil.wait_procs([host], timeout=5)
    assert not alive


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_faults_in_a_row(qtbot, clients, faults, photo, expect_log) -> None:
    """Every fault 25 times in one window."""
    expect_log("The model failed")
    client = clients(model="faulty", limits=Limits(click=2.0, load=30.0, beat=3.0, restarts=1000))
    started(qtbot, client, photo)
    for _ in range(25):
        for fault in [*CRASHES.values(), *HARMLESS]:
            (faults / "fault").write_text(fault)
            with qtbot.waitSignal(client.failed, timeout=30_000):
                client.segment(click(1, 1))
            assert answer(qtbot, client, click(9, 9)).proposals[0].mask.x == 9
    assert len(hosts()) == 1


def test_a_host_of_another_version_is_not_spoken_with(qtbot, clients, faults, monkeypatch) -> None:
    monkeypatch.setattr(host_client, "VERSION", 99)
    client = clients(model="faulty", limits=QUICK)
    said: list[str] = []
    phases: list[str] = []
    client.failed.connect(said.append)
    client.state_changed.connect(lambda state: phases.append(state.phase))
    client.start()
    qtbot.waitUntil(lambda: bool(said), timeout=30_000)
    qtbot.waitUntil(lambda: not hosts(), timeout=30_000)
    assert client.state.phase == "stopped"
    assert "ready" not in phases
    (sentence,) = said
    assert "version" in sentence
    assert "start it again" in sentence
    assert client.state.message == sentence
