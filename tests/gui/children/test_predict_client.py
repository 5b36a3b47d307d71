"""The job client with real children: detectors that work, crash, hang, print and eat memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from PySide6.QtCore import QTimer

from labeler.core.records import Box, Mask
from labeler.gui.children.predict_client import JobClient, JobLimits
from labeler.wire.job_protocol import PredictSpec, unpack_candidates

QUICK = JobLimits(load=30.0, image=2.0, beat=3.0)

BRIGHT = """
import ctypes, os, signal, sys, time
from pathlib import Path
import cv2
import numpy as np
from labeler.core.records import Box, Candidate
from labeler.models.protocols import ModelSpec
from labeler.api import Plugin

HERE = Path(__file__).parent

class Bright:
    '''Finds bright rectangles; the file fault-N, where there is one, is run at the image of brightness N.'''

    def detect(self, image, text=None):
        gray = image[..., 0]
        fault = HERE / f"fault-{gray.max()}"
        if fault.exists():
            exec(fault.read_text(), globals())
        count, _, statistics, _ = cv2.connectedComponentsWithStats((gray > 100).astype(np.uint8))
        return tuple(
            Candidate(0, 0, 0, 0, Box(float(x), float(y), float(x + w), float(y + h)), 0.9, text or "bright")
            for x, y, w, h, _ in statistics[1:count].tolist()
        )

def load():
    exec((HERE / "load").read_text(), globals()) if (HERE / "load").exists() else None
    return Bright()

plugin = Plugin(api=1, name="Bright", version="1", models=(
    ModelSpec(id="bright", title="Bright", task="detector", load=load),
    ModelSpec(id="reader", title="Reader", task="detector", load=load, reads_text=True),
))
"""

CRASHES = {
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGSEGV": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "quiet end": "os._exit(0)",
    "memory": "eaten = []\nwhile True: eaten.append(np.empty(1 << 28, dtype=np.uint8))",
    "endless loop": "while True: time.sleep(0.01)",
    "hung with the GIL": "ctypes.PyDLL(None).sleep(100)",
    "SIGSTOP": "os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(1)",
}
REASONS = {
    "memory": "ran out of memory",
    "endless loop": "hung",
    "hung with the GIL": "hung",
    "SIGSTOP": "hung",
    "quiet end": "ended unexpectedly",
}
HARMLESS = ["raise ValueError('no luck')", "sys.exit(3)", "raise KeyboardInterrupt"]
NOISE = [
    "print('x' * 100_000, flush=True)",
    "os.write(1, bytes(range(256)) * 1000)",
    "os.system('echo from a program')",
    "assert sys.stdin.read() == ''",
]


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the plugin, found by children through the environment, and its faults."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "bright.py").write_text(BRIGHT)
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    return folder


@pytest.fixture
def images(tmp_path: Path) -> tuple[tuple[int, str], ...]:
    """Six images of (id, path): image n has a square at (10 n, 5) of brightness 200 + n."""
    made = []
    for n in range(1, 7):
        pixels = np.zeros((40, 100, 3), dtype=np.uint8)
        pixels[5:15, 10 * n : 10 * n + 10] = 200 + n
        path = tmp_path / f"image {n}.png"
        cv2.imwrite(str(path), pixels)
        made.append((n, str(path)))
    return tuple(made)


class Heard:
    """All that a client says."""

    def __init__(self, client: JobClient) -> None:
        self.client = client
        self.predicted: dict[int, list[Box | Mask]] = {}
        self.missed: dict[int, str] = {}
        self.progress = []
        self.restarted: list[str] = []
        self.failed: list[str] = []
        self.results = []
        client.predicted.connect(self._predicted)
        client.missed.connect(self.missed.__setitem__)
        client.progressed.connect(self.progress.append)
        client.restarted.connect(self.restarted.append)
        client.failed.connect(self.failed.append)
        client.finished.connect(self.results.append)

    def _predicted(self, message) -> None:
        assert message.image_id not in self.predicted, "an image came twice"
        self.predicted[message.image_id] = [c.shape for c in unpack_candidates(message.found)]


@pytest.fixture
def heard(qtbot) -> Iterator[Heard]:
    client = JobClient(limits=QUICK)
    yield Heard(client)
    client.close()
    assert not jobs(), "a job outlived its client"


def jobs() -> list[psutil.Process]:
    """The job children of this process that still run."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "labeler.worker" in child.cmdline()
    ]


def run(qtbot, heard: Heard, images, *, model: str = "bright", **options) -> None:
    heard.client.start(PredictSpec(model, images, **options))
    qtbot.waitUntil(lambda: bool(heard.results or heard.failed), timeout=60_000)


def square(n: int) -> list[Box]:
    return [Box(10 * n, 5, 10 * n + 10, 15)]


# --- when all is well ---------------------------------------------------------------------------


def test_every_image_is_predicted_once_with_its_progress(qtbot, heard, faults, images) -> None:
    titles = []
    heard.client.started.connect(titles.append)
    run(qtbot, heard, images)
    assert heard.predicted == {n: square(n) for n, _ in images}
    assert titles == ["Bright"]
    assert [(p.done, p.total) for p in heard.progress] == [(n, 6) for n in range(1, 7)]
    assert all(p.rate > 0 and p.seconds_left is not None for p in heard.progress)
    (result,) = heard.results
    assert (result.predicted, result.missed, result.cancelled) == (6, (), False)
    assert not heard.client.is_running
    qtbot.waitUntil(lambda: not jobs(), timeout=5000)


def test_a_job_that_has_done_nothing_yet_has_no_rate_of_the_one_before(qtbot, heard, faults, images) -> None:
    run(qtbot, heard, images)
    heard.client.start(PredictSpec("bright", images))
    assert heard.client.progress.rate is None
    assert heard.client.progress.seconds_left is None
    heard.client.cancel()


def test_nothing_to_do_is_done_at_once(qtbot, heard) -> None:
    run(qtbot, heard, ())
    assert heard.results[0].predicted == 0


def test_images_that_cannot_be_read_are_told(qtbot, heard, faults, images, tmp_path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    bad = (50, str(tmp_path / "text.jpg")), (51, str(tmp_path / "gone.jpg"))
    run(qtbot, heard, (images[0], *bad, images[1]))
    assert set(heard.predicted) == {1, 2}
    assert set(heard.missed) == {50, 51}
    assert "text.jpg" in heard.missed[50]
    assert heard.results[0].predicted == 2
    assert [image_id for image_id, _ in heard.results[0].missed] == [50, 51]


def test_the_text_reaches_a_model_that_reads(qtbot, heard, faults, images) -> None:
    labels = []
    heard.client.predicted.connect(lambda message: labels.extend(message.found.labels))
    for model in ("reader", "bright"):
        run(qtbot, heard, images[:1], model=model, text="a red bus")
        heard.predicted.clear()
        heard.results.clear()
    assert labels == ["a red bus", "bright"]


def test_boxes_become_masks_by_the_embedded_segmenter(qtbot, heard, faults, photo) -> None:
    (faults / "load").write_text(
        "Bright.detect = lambda self, image, text=None: "
        "(Candidate(0, 0, 0, 0, Box(0.0, 220.0, 810.0, 770.0), 0.9, 'bus'),)"
    )
    heard.client._limits = JobLimits()
    run(qtbot, heard, ((1, str(photo)),), masks=True)
    (mask,) = heard.predicted[1]
    assert isinstance(mask, Mask)
    assert mask.bits.sum() > 0.4 * 810 * 550


def test_the_job_is_nice_and_keeps_to_its_threads(qtbot, heard, faults, images) -> None:
    (faults / "fault-201").write_text(
        "(HERE / 'seen').write_text(f'{os.getpriority(os.PRIO_PROCESS, 0)} {cv2.getNumThreads()} "
        '{os.environ["OMP_NUM_THREADS"]} {os.environ["LABELER_THREADS"]}\')'
    )
    run(qtbot, heard, images[:1], threads=1)
    assert heard.missed == {}
    nice, *threads = map(int, (faults / "seen").read_text().split())
    assert threads == [1, 1, 1]
    assert nice == 10 or sys.platform != "linux"


@pytest.mark.parametrize("noise", NOISE)
def test_noise_of_a_model_harms_nothing(qtbot, heard, faults, images, noise) -> None:
    (faults / "fault-202").write_text(noise)
    run(qtbot, heard, images[:3])
    assert set(heard.predicted) == {1, 2, 3}
    assert heard.restarted == []


# --- trouble ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", HARMLESS)
def test_an_error_of_the_model_costs_one_image(qtbot, heard, faults, images, fault, expect_log) -> None:
    expect_log("The model failed")
    (faults / "fault-203").write_text(fault)
    run(qtbot, heard, images)
    assert set(heard.missed) == {3}
    assert "could not predict this image" in heard.missed[3]
    assert set(heard.predicted) == {1, 2, 4, 5, 6}
    assert heard.restarted == []


def test_a_model_that_fails_alike_again_and_again_is_stopped(
    qtbot, heard, faults, images, expect_log
) -> None:
    expect_log("The model failed")
    heard.client._limits = JobLimits(alike=3)
    for n in (1, 3, 4, 5, 6):
        (faults / f"fault-20{n}").write_text("raise RuntimeError('CUDA error: device-side assert triggered')")
    run(qtbot, heard, images)
    assert set(heard.predicted) == {2}
    assert list(heard.missed) == [1, 3, 4, 5]
    assert heard.failed[0].startswith("Bright failed on 3 images in a row and was stopped")
    assert "CUDA error" in heard.failed[0]
    qtbot.waitUntil(lambda: not jobs(), timeout=5000)


@pytest.mark.parametrize("crash", CRASHES)
def test_a_lost_child_costs_the_image_it_was_at(qtbot, heard, faults, images, crash) -> None:
    (faults / "fault-203").write_text(CRASHES[crash])
    run(qtbot, heard, images)
    reason = REASONS.get(crash, "crashed")
    assert list(heard.missed) == [3]
    if crash != "SIGSTOP":
        assert reason in heard.missed[3]
    assert set(heard.predicted) == {1, 2, 4, 5, 6}
    assert len(heard.restarted) == 1
    assert "image 3.png" in heard.restarted[0]
    assert heard.results[0].predicted == 5
    assert heard.failed == []


def test_a_crash_on_the_last_image_ends_the_job(qtbot, heard, faults, images) -> None:
    (faults / "fault-206").write_text(CRASHES["abort"])
    run(qtbot, heard, images)
    assert (heard.results[0].predicted, list(heard.missed), heard.restarted) == (5, [6], [])


def test_a_model_that_keeps_crashing_is_given_up(qtbot, heard, faults, images) -> None:
    for n in range(2, 7):
        (faults / f"fault-20{n}").write_text(CRASHES["SIGKILL"])
    run(qtbot, heard, images)
    assert set(heard.predicted) == {1}
    assert list(heard.missed) == [2, 3, 4, 5]
    assert len(heard.restarted) == 3
    (sentence,) = heard.failed
    assert sentence.startswith("Bright crashed at image 5.png")
    assert heard.results == []
    assert not heard.client.is_running


def test_a_model_that_cannot_be_loaded_says_why(qtbot, heard, faults, images, expect_log) -> None:
    expect_log("The model failed")
    (faults / "load").write_text("raise OSError('the disk is on fire')")
    run(qtbot, heard, images)
    assert heard.failed == ["The model could not be loaded (OSError: the disk is on fire)."]
    assert heard.predicted == heard.missed == {}


def test_a_crash_while_loading_blames_no_image(qtbot, heard, faults, images) -> None:
    (faults / "load").write_text("os.abort()")
    run(qtbot, heard, images)
    assert heard.missed == {}
    assert heard.failed[0].startswith("bright crashed, for the fourth")


@pytest.mark.parametrize("name", ["no such model", "mobilesam", "/no/such/model.pt"])
def test_what_is_no_detector_is_refused_in_a_sentence(qtbot, heard, faults, images, name) -> None:
    heard.client.start(PredictSpec(name, images))
    qtbot.waitUntil(lambda: bool(heard.failed), timeout=30_000)
    assert heard.failed[0].endswith((".", ": mobilesam.")) or "bright" in heard.failed[0]
    assert heard.predicted == {}


def test_a_killed_job_goes_on_and_does_no_image_twice(qtbot, heard, faults, images) -> None:
    for n in range(1, 7):
        (faults / f"fault-20{n}").write_text("time.sleep(0.2)")
    heard.client.start(PredictSpec("bright", images))
    qtbot.waitUntil(lambda: len(heard.predicted) == 2, timeout=30_000)
    (child,) = jobs()
    child.kill()
    qtbot.waitUntil(lambda: bool(heard.results), timeout=60_000)
    assert set(heard.predicted) | set(heard.missed) == {1, 2, 3, 4, 5, 6}
    assert len(heard.missed) == 1


# --- calling off --------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["time.sleep(100)", "ctypes.PyDLL(None).sleep(100)", CRASHES["SIGSTOP"]])
def test_cancelled_within_two_seconds_whatever_the_model_does(qtbot, heard, faults, images, fault) -> None:
    heard.client._limits = JobLimits()
    (faults / "fault-202").write_text(f"(HERE / 'at it').touch()\n{fault}")
    heard.client.start(PredictSpec("bright", images))
    qtbot.waitUntil((faults / "at it").exists, timeout=30_000)
    begun = time.monotonic()
    heard.client.cancel()
    assert time.monotonic() - begun < 0.1
    (result,) = heard.results
    assert result.cancelled
    assert result.predicted <= 1
    qtbot.waitUntil(lambda: not jobs(), timeout=3000)
    assert time.monotonic() - begun < 2.5


def test_another_job_takes_the_place_of_the_first(qtbot, heard, faults, images) -> None:
    (faults / "fault-201").write_text("time.sleep(100)")
    heard.client.start(PredictSpec("bright", images[:1]))
    heard.client.start(PredictSpec("bright", images[1:3]))
    qtbot.waitUntil(lambda: len(heard.results) == 2, timeout=30_000)
    assert [result.cancelled for result in heard.results] == [True, False]
    assert set(heard.predicted) == {2, 3}


def test_cancelled_by_whoever_hears_of_the_first_image(qtbot, heard, faults, images) -> None:
    heard.client.predicted.connect(heard.client.cancel)
    run(qtbot, heard, images)
    assert len(heard.predicted) == 1
    assert heard.results[0].cancelled
    assert heard.progress == []


def test_the_window_ticks_on_while_a_job_starts_fails_and_ends(qtbot, heard, faults, images) -> None:
    ticks = []
    timer = QTimer(interval=10)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start()
    (faults / "fault-203").write_text(CRASHES["abort"])
    run(qtbot, heard, images)
    timer.stop()
    assert np.percentile(np.diff(ticks), 99) < 0.1


PARENT = """
import sys
from PySide6.QtCore import QCoreApplication
from labeler.gui.children.predict_client import JobClient
from labeler.wire.job_protocol import PredictSpec
app = QCoreApplication([])
client = JobClient()
client.start(PredictSpec("bright", ((1, sys.argv[1]),)))
client.started.connect(lambda title: print("started", flush=True))
app.exec()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_no_job_outlives_a_killed_window(faults, images) -> None:
    (faults / "fault-201").write_text("time.sleep(100)")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, images[0][1]], stdout=subprocess.PIPE, env=dict(os.environ)
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        (child,) = psutil.Process(parent.pid).children()
        parent.send_signal(signal.SIGKILL)
        assert psutil.wait_procs([child], timeout=5)[1] == []
