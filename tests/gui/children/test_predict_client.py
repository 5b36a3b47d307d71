"""What is special to the predict client, with real children: each image once, and the one that is to blame.

Its faults are in the table of `test_client_faults`.
"""

import sys
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from labeler.core.records import Box, Mask
from labeler.gui.children.predict_client import PredictClient
from labeler.wire.job_protocol import PredictSpec, unpack_candidates
from tests.child_processes import workers
from tests.gui.children.test_client_faults import AT_WORK

QUICK = replace(PredictClient.LIMITS, load=30.0, image=10.0)

HARMLESS = ["raise ValueError('no luck')", "sys.exit(3)", "raise KeyboardInterrupt"]
NOISE = [
    "print('x' * 100_000, flush=True)",
    "os.write(1, bytes(range(256)) * 1000)",
    "os.system('echo from a program')",
    "assert sys.stdin.read() == ''",
]


class Heard:
    """All that a client says."""

    def __init__(self, client: PredictClient) -> None:
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
    client = PredictClient(limits=QUICK)
    yield Heard(client)
    client.close()


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
    qtbot.waitUntil(lambda: not workers("job"), timeout=5000)


def test_a_job_that_has_done_nothing_yet_has_no_rate_of_the_one_before(qtbot, heard, faults, images) -> None:
    run(qtbot, heard, images)
    heard.client.start(PredictSpec("bright", images))
    assert heard.client.progress.rate is None
    assert heard.client.progress.seconds_left is None
    heard.client.drop()


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
    heard.client._limits = PredictClient.LIMITS
    run(qtbot, heard, ((1, str(photo)),), masks=True)
    (mask,) = heard.predicted[1]
    assert isinstance(mask, Mask)
    assert mask.bits.sum() > 0.4 * 810 * 550


def test_the_job_is_nice_and_keeps_to_its_threads(qtbot, heard, faults, images) -> None:
    (faults / "image-201").write_text(
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
    (faults / "image-202").write_text(noise)
    run(qtbot, heard, images[:3])
    assert set(heard.predicted) == {1, 2, 3}
    assert heard.restarted == []


# --- trouble ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", HARMLESS)
def test_an_error_of_the_model_costs_one_image(qtbot, heard, faults, images, fault, expect_log) -> None:
    expect_log("The model failed")
    (faults / "image-203").write_text(fault)
    run(qtbot, heard, images)
    assert set(heard.missed) == {3}
    assert "could not predict this image" in heard.missed[3]
    assert set(heard.predicted) == {1, 2, 4, 5, 6}
    assert heard.restarted == []


def test_a_model_that_fails_alike_again_and_again_is_stopped(
    qtbot, heard, faults, images, expect_log
) -> None:
    expect_log("The model failed")
    heard.client._limits = replace(PredictClient.LIMITS, alike=3)
    for n in (1, 3, 4, 5, 6):
        (faults / f"image-20{n}").write_text("raise RuntimeError('CUDA error: device-side assert triggered')")
    run(qtbot, heard, images)
    assert set(heard.predicted) == {2}
    assert list(heard.missed) == [1, 3, 4, 5]
    assert heard.failed[0].startswith("Bright failed on 3 images in a row and was stopped")
    assert "CUDA error" in heard.failed[0]
    qtbot.waitUntil(lambda: not workers("job"), timeout=5000)


def test_a_crash_on_the_last_image_ends_the_job(qtbot, heard, faults, images) -> None:
    (faults / "image-206").write_text(AT_WORK["abort"].script)
    run(qtbot, heard, images)
    assert (heard.results[0].predicted, list(heard.missed), heard.restarted) == (5, [6], [])


def test_a_model_that_keeps_crashing_is_given_up(qtbot, heard, faults, images) -> None:
    for n in range(2, 7):
        (faults / f"image-20{n}").write_text(AT_WORK["SIGKILL"].script)
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
        (faults / f"image-20{n}").write_text("time.sleep(0.2)")
    heard.client.start(PredictSpec("bright", images))
    qtbot.waitUntil(lambda: len(heard.predicted) == 2, timeout=30_000)
    (child,) = workers("job")
    child.kill()
    qtbot.waitUntil(lambda: bool(heard.results), timeout=60_000)
    assert set(heard.predicted) | set(heard.missed) == {1, 2, 3, 4, 5, 6}
    assert len(heard.missed) == 1


# --- calling off --------------------------------------------------------------------------------


def test_a_cancelled_job_tells_what_it_had_done(qtbot, heard, faults, images) -> None:
    (faults / "image-202").write_text("(HERE / 'at it').touch()\ntime.sleep(100)")
    heard.client.start(PredictSpec("bright", images))
    qtbot.waitUntil((faults / "at it").exists, timeout=30_000)
    heard.client.drop()
    (result,) = heard.results
    assert result.cancelled
    assert result.predicted <= 1
    qtbot.waitUntil(lambda: not workers("job"), timeout=5000)


def test_another_job_takes_the_place_of_the_first(qtbot, heard, faults, images) -> None:
    (faults / "image-201").write_text("time.sleep(100)")
    heard.client.start(PredictSpec("bright", images[:1]))
    heard.client.start(PredictSpec("bright", images[1:3]))
    qtbot.waitUntil(lambda: len(heard.results) == 2, timeout=30_000)
    assert [result.cancelled for result in heard.results] == [True, False]
    assert set(heard.predicted) == {2, 3}


def test_cancelled_by_whoever_hears_of_the_first_image(qtbot, heard, faults, images) -> None:
    heard.client.predicted.connect(heard.client.drop)
    run(qtbot, heard, images)
    assert len(heard.predicted) == 1
    assert heard.results[0].cancelled
    assert heard.progress == []
