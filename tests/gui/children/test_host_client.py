"""What is special to the host client, with real children: MobileSAM itself, clicks, hovers and images.

Its faults are in the table of `test_client_faults`.
"""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from labeler.core.records import Box, Prompt
from labeler.gui.children.host_client import HostClient
from tests.child_processes import workers
from tests.gui.children.clients import click
from tests.gui.children.test_client_faults import AT_WORK
from tests.patient_bot import slack

QUICK = replace(HostClient.LIMITS, click=3.0, load=30.0, image=30.0, beat=10.0)

HARMLESS = ["raise ValueError('no luck')", "sys.exit(3)", "raise KeyboardInterrupt"]
NOISE = [
    "print('x' * 100_000, flush=True)",
    "os.write(1, bytes(range(256)) * 1000)",
    "os.system('echo from a program')",
    "assert sys.stdin.read() == ''",
    "print('line\\n' * 100_000, file=sys.stderr)",
]


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


@pytest.mark.slow
def test_a_click_on_270_megapixels_is_answered_by_the_same_process(qtbot, clients, photos, tmp_path) -> None:
    photo = tmp_path / "huge.jpg"
    small = cv2.imread(str(photos / "bus.jpg"))
    assert cv2.imwrite(str(photo), cv2.resize(small, (13_500, 20_000), interpolation=cv2.INTER_LINEAR))
    client = clients()
    client.start()
    client.open_image("huge", photo)
    qtbot.waitUntil(lambda: client.state.encoded, timeout=120_000)
    process = workers("host")[0]
    found = answer(qtbot, client, Prompt(box=Box(0, 0, 13_500, 20_000)))
    assert 1 <= len(found.proposals) <= 2, "more would be half a gigabyte in the window"
    assert found.proposals[0].mask.bits.size > 100_000_000
    person = answer(qtbot, client, click(2500, 12_000))
    assert len(person.proposals) >= 1
    assert process.is_running()
    assert workers("host")[0].pid == process.pid


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
    assert time.perf_counter() - began < 5 * slack()
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
    client.drop()
    assert client.state.phase == "stopped"
    assert not client.state.encoded
    qtbot.waitUntil(lambda: not workers("host"), timeout=3_000)


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


def test_an_exception_is_one_sentence_and_keeps_the_host(qtbot, clients, faults, photo, expect_log) -> None:
    expect_log("The model failed")
    client = clients(model="faulty", limits=QUICK)
    started(qtbot, client, photo)
    before = workers("host")
    for fault in HARMLESS:
        (faults / "click").write_text(fault)
        with qtbot.waitSignal(client.failed, timeout=30_000) as signal:
            client.segment(click(1, 1))
        assert signal.args[0].startswith("The model could not answer")
        assert answer(qtbot, client, click(9, 9)).proposals[0].mask.x == 9
    assert workers("host") == before


def test_a_model_that_prints_or_reads_does_not_disturb(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=QUICK)
    started(qtbot, client, photo)
    for noise in NOISE:
        (faults / "click").write_text(noise)
        assert answer(qtbot, client, click(5, 5)).proposals[0].mask.x == 5


def test_after_the_budget_it_stays_off_until_a_person_asks(qtbot, clients, faults, photo) -> None:
    client = clients(model="faulty", limits=replace(QUICK, restarts=1))
    sentences = []
    client.failed.connect(sentences.append)
    for _ in range(2):
        started(qtbot, client, photo)
        (faults / "click").write_text(AT_WORK["SIGKILL"].script)
        count = len(sentences)
        client.segment(click(1, 1))
        qtbot.waitUntil(lambda count=count: len(sentences) > count, timeout=30_000)
    assert client.state.phase == "stopped"
    assert "stays off" in client.state.message
    assert not workers("host")
    client.restart()
    assert answer(qtbot, client, click(9, 9)).proposals[0].mask.x == 9


def test_an_unknown_model_is_named(qtbot, clients, expect_log) -> None:
    expect_log("no model named")
    client = clients(model="nothing")
    with qtbot.waitSignal(client.failed, timeout=30_000) as signal:
        client.start()
    assert "“nothing”" in signal.args[0]
    assert "mobilesam" in signal.args[0]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_faults_in_a_row(qtbot, clients, faults, photo, expect_log) -> None:
    """Every fault 25 times in one window."""
    expect_log("The model failed")
    client = clients(model="faulty", limits=replace(QUICK, beat=3.0, restarts=1000))
    started(qtbot, client, photo)
    for _ in range(25):
        for fault in [*(one.script for one in AT_WORK.values()), *HARMLESS]:
            (faults / "click").write_text(fault)
            with qtbot.waitSignal(client.failed, timeout=30_000):
                client.segment(click(1, 1))
            assert answer(qtbot, client, click(9, 9)).proposals[0].mask.x == 9
    assert len(workers("host")) == 1
