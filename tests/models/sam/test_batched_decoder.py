"""Many prompts at once give what each gives alone, with what was learnt too, and draw only what is wanted."""

import numpy as np
import pytest

from labeler.core.measures.overlap import mask_overlap
from labeler.core.records import Box, Mask, Prompt
from labeler.models.protocols import BatchSegmenter, Embedding
from labeler.models.sam.mobile_sam import DECODER, MobileSam
from labeler.models.sam.onnx_decoder import LEARNT, MASKS, read_decoder

SIZE = (480, 640)
YES = np.array([True, False])


@pytest.fixture(scope="module")
def embedding() -> Embedding:
    image = np.random.default_rng(0).normal(size=(1, 256, 64, 64)).astype(np.float32)
    return Embedding({"image": image}, SIZE)


def prompts() -> list[Prompt]:
    points = np.random.default_rng(1).uniform(40, 440, (3, 2))
    return [
        Prompt(points[:1], YES[:1]),
        Prompt(box=Box(10, 20, 300, 200)),
        Prompt(points[:2], YES),
        Prompt(points[1:2], YES[:1]),
        Prompt(points[2:], YES[:1], Box(60, 20, 500, 400)),
        Prompt(box=Box(200, 100, 600, 470)),
    ]


def taught(kinds) -> MobileSam:
    random = np.random.default_rng(2)
    learnt = {
        name.removeprefix(MASKS): values + random.normal(0, 0.02, values.shape).astype(np.float32)
        for name, values in read_decoder(DECODER.path).items()
        if name.removeprefix(MASKS).startswith(LEARNT)
    }
    return MobileSam(learnt, kinds)


@pytest.mark.parametrize(
    "model", [MobileSam(), taught(["box"]), taught(["point"])], ids=["plain", "box", "point"]
)
def test_each_prompt_gets_what_it_gets_alone(model, embedding) -> None:
    assert isinstance(model, BatchSegmenter)
    asked = prompts()
    answers = model.segment_all(embedding, asked, threads=2)
    assert len(answers) == len(asked)
    for prompt, found in zip(asked, answers, strict=True):
        alone = model.segment(embedding, prompt, threads=1)
        assert len(found) == len(alone) == 3
        for one, other in zip(found, alone, strict=True):
            assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
            assert np.abs(one.logits - other.logits).max() < 2e-3 * max(1, np.abs(other.logits).max())
            assert mask_overlap(one.mask, other.mask).iou > 0.999
    assert model.segment_all(embedding, []) == ()


def test_what_is_not_wanted_is_left_out(embedding) -> None:
    model = MobileSam()
    asked = prompts()
    every = model.segment_all(embedding, asked)
    least = sorted(one.confidence for found in every for one in found)[8]
    better = model.segment_all(embedding, asked, least=least)
    assert [len(found) for found in better] == [sum(one.confidence >= least for one in f) for f in every]
    assert [len(found) for found in model.segment_all(embedding, asked, limit=1)] == [1] * len(asked)
    looked_at = []

    def refuse(logits: np.ndarray) -> bool:
        looked_at.append(logits.shape)
        return False

    assert model.segment_all(embedding, asked, keep=refuse, threads=1) == ((),) * len(asked)
    assert looked_at == [(256, 256)] * 3 * len(asked)


def test_a_click_after_another_is_refined_one_by_one(embedding) -> None:
    model = MobileSam()
    prompt = prompts()[0]
    first = model.segment(embedding, prompt)[0]
    assert isinstance(first.mask, Mask)
    refined = Prompt(prompt.points, prompt.positive, previous=first.logits)
    (found,) = model.segment_all(embedding, [refined])
    assert [one.mask for one in found] == [one.mask for one in model.segment(embedding, refined)]
