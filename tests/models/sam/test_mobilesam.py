"""The shipped model itself, from its shipped files."""

import hashlib
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from labeler import paths
from labeler.core.geometry import contains
from labeler.core.measures.overlap import mask_overlap
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Prompt
from labeler.errors import ModelError
from labeler.models.protocols import Interrupt, InterruptedWorkError, Segmenter, Weights, verify
from labeler.registry import discover


@pytest.fixture(scope="module")
def spec():
    return discover(safe_mode=True).model("mobilesam")


@pytest.fixture(scope="module")
def model(spec) -> Segmenter:
    return spec.load()


@pytest.fixture(scope="module")
def bus(model, tmp_path_factory):
    """The embedding of a real photo, made once."""
    import importlib.util

    found = importlib.util.find_spec("ultralytics")
    assert found is not None
    assert found.origin is not None
    pixels = read_pixels(Path(found.origin).parent / "assets/bus.jpg").rgb
    return pixels, model.embed(pixels)


def points(*values: tuple[float, float, bool]) -> Prompt:
    return Prompt(
        points=np.array([value[:2] for value in values], dtype=np.float64),
        positive=np.array([value[2] for value in values]),
    )


def test_it_is_a_segmenter_with_a_licence_and_weights(spec, model) -> None:
    assert isinstance(model, Segmenter)
    assert spec.licence == "Apache-2.0"
    assert len(spec.fingerprint) == 16
    listed = (paths.resources() / "models/mobilesam/SHA256SUMS").read_text()
    assert listed.split() == [
        text for weights in spec.weights for text in (weights.sha256, weights.path.name)
    ]


def test_one_point_gives_three_candidates_best_first(model, bus) -> None:
    _, embedding = bus
    assert embedding.size == (1080, 810)
    proposals = model.segment(embedding, points((400, 500, True)))
    confidences = [proposal.confidence for proposal in proposals]
    assert len(proposals) == 3
    assert confidences == sorted(confidences, reverse=True)
    assert len({proposal.mask.bits.sum() for proposal in proposals}) == 3
    for proposal in proposals:
        assert proposal.logits.shape == (256, 256)
        assert proposal.logits.dtype == np.float32


def test_a_box_gives_the_object_in_it(model, bus) -> None:
    _, embedding = bus
    (best, *others) = model.segment(embedding, Prompt(box=Box(48, 398, 248, 905)))
    assert len(others) == 2
    mask = best.mask  # the person at the left
    assert mask.x == pytest.approx(48, abs=15)
    assert mask.y == pytest.approx(398, abs=15)
    assert mask.y + mask.height == pytest.approx(905, abs=15)
    backwards = model.segment(embedding, Prompt(box=Box(248, 905, 48, 398)))
    assert backwards[0].mask == mask


def test_a_negative_point_takes_away(model, bus) -> None:
    _, embedding = bus
    (whole, *_) = model.segment(embedding, Prompt(box=Box(10, 230, 805, 750)))
    assert contains(whole.mask, 400, 640)
    without = Prompt(np.array([[400.0, 640.0]]), np.array([False]), Box(10, 230, 805, 750))
    (less, *_) = model.segment(embedding, without)
    assert not contains(less.mask, 400, 640)


def test_logits_fed_back_change_the_answer(model, bus) -> None:
    _, embedding = bus
    prompt = points((400, 500, True), (150, 650, False))
    (first, *_) = model.segment(embedding, points((400, 500, True)))
    (plain, *_) = model.segment(embedding, prompt)
    (fed, *_) = model.segment(embedding, Prompt(prompt.points, prompt.positive, None, first.logits))
    assert fed.mask != plain.mask


def test_threads_and_limit_do_not_change_the_best(model, bus) -> None:
    pixels, embedding = bus
    prompt = points((400, 500, True))
    expected = model.segment(embedding, prompt)[0]
    (alone,) = model.segment(embedding, prompt, threads=1, limit=1)
    assert mask_overlap(alone.mask, expected.mask).iou > 0.9999
    again = model.embed(pixels, threads=1)
    assert np.allclose(again.arrays["image"], embedding.arrays["image"], atol=1e-3)


def test_encoding_can_be_called_off_in_the_middle(model, bus) -> None:
    pixels, _ = bus
    model.embed(pixels, threads=1)  # the session is there
    interrupt = Interrupt()
    outcome = []

    def encode() -> None:
        try:
            outcome.append(model.embed(pixels, threads=1, interrupt=interrupt))
        except InterruptedWorkError as error:
            outcome.append(error)

    thread = threading.Thread(target=encode)
    thread.start()
    time.sleep(0.05)  # it is in the middle; called off before it begins it ends as well
    interrupt.set()
    thread.join(10)
    assert isinstance(outcome[0], InterruptedWorkError)
    assert model.embed(pixels, threads=1).size == (1080, 810)


def test_weights_that_are_missing_or_changed_are_one_sentence(tmp_path) -> None:
    path = tmp_path / "model.onnx"
    sha256 = hashlib.sha256(b"right").hexdigest()
    with pytest.raises(ModelError, match=r"model\.onnx cannot be read \(No such file"):
        verify(Weights(path, sha256))
    path.write_bytes(b"wrong")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        verify(Weights(path, sha256))
    path.write_bytes(b"right")
    verify(Weights(path, sha256))


def test_interrupts_set_before_are_heard_after() -> None:
    interrupt = Interrupt()
    heard = []
    interrupt.watch(lambda: heard.append("first"))
    interrupt.set()
    interrupt.set()
    interrupt.watch(lambda: heard.append("second"))
    assert heard == ["first", "second"]
