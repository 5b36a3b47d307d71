"""The shipped decoder is the same in torch and on ONNX Runtime, and takes what was learnt."""

import numpy as np
import pytest

from labeler.core.records import Box, Prompt
from labeler.errors import ModelError
from labeler.models.sam.input_frame import prompt_arrays
from labeler.models.sam.mobile_sam import DECODER, MobileSam
from labeler.models.sam.onnx_decoder import (
    LEARNT,
    MASKS,
    PROMPTS,
    Decoder,
    OpenDecoder,
    mask_decoder,
    read_decoder,
)

SIZE = (480, 640)


@pytest.fixture(scope="module")
def tensors():
    return read_decoder(DECODER.path)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).normal(size=(1, 256, 64, 64)).astype(np.float32)


def prompts():
    random = np.random.default_rng(1)
    previous = random.normal(size=(256, 256)).astype(np.float32)
    points = random.uniform(0, 480, (2, 2))
    yes = np.array([True, False])
    return (
        Prompt(points[:1], yes[:1]),
        Prompt(points, yes, previous=previous),
        Prompt(box=Box(10, 20, 300, 200)),
        Prompt(points, yes, Box(10, 20, 300, 200), previous),
    )


def by_torch(tensors, image, prompt):
    """Logits and predicted IoU by segment-anything's own modules with the file's weights."""
    import torch
    from segment_anything.modeling import PromptEncoder

    encoder = PromptEncoder(
        embed_dim=256, image_embedding_size=(64, 64), input_image_size=(1024, 1024), mask_in_chans=16
    )
    own = {
        name.removeprefix(PROMPTS): torch.from_numpy(values)
        for name, values in tensors.items()
        if name.startswith(PROMPTS)
    }
    encoder.load_state_dict(own)
    coordinates, labels = map(torch.from_numpy, prompt_arrays(prompt, SIZE))
    count = len(prompt.points)
    previous = prompt.previous
    with torch.inference_mode():
        sparse, dense = encoder(
            (coordinates[:, :count], labels[:, :count]) if count else None,
            coordinates[:, count:].reshape(1, 4) if prompt.box is not None else None,
            None if previous is None else torch.from_numpy(previous[None, None]),
        )
        logits, predicted = mask_decoder(tensors).predict_masks(
            torch.from_numpy(image), encoder.get_dense_pe(), sparse, dense
        )
    return logits[0].numpy(), predicted[0].numpy()


@pytest.mark.parametrize("number", range(4))
def test_the_packages_modules_say_what_the_file_says(number, tensors, image) -> None:
    prompt = prompts()[number]
    logits, predicted = Decoder(DECODER.path, 1)(image, prompt, SIZE)
    torch_logits, torch_predicted = by_torch(tensors, image, prompt)
    np.testing.assert_allclose(torch_logits, logits, atol=1e-3)
    np.testing.assert_allclose(torch_predicted, predicted, atol=1e-3)


def test_what_was_learnt_takes_the_place_of_the_files_own(tensors, image) -> None:
    own = {name.removeprefix(MASKS): values for name, values in tensors.items()}
    learnt = {name: values * 1.05 for name, values in own.items() if name.startswith(LEARNT)}
    assert len(learnt) == 2 * 3 * 4 + 6 + 6
    prompt = prompts()[0]
    logits, predicted = Decoder(DECODER.path, 1, learnt)(image, prompt, SIZE)
    changed = tensors | {MASKS + name: values for name, values in learnt.items()}
    torch_logits, torch_predicted = by_torch(changed, image, prompt)
    np.testing.assert_allclose(torch_logits, logits, atol=1e-3)
    np.testing.assert_allclose(torch_predicted, predicted, atol=1e-3)
    assert np.abs(Decoder(DECODER.path, 1)(image, prompt, SIZE)[0] - logits).max() > 0.1


def test_the_last_layers_make_the_masks_of_what_they_read_cell_by_cell(tensors, image) -> None:
    import torch

    module = mask_decoder(tensors)
    inner = OpenDecoder(DECODER.path, 1)(image, prompts()[0], SIZE)
    places = [5, 77, 4000]
    cells = torch.from_numpy(inner.cells.reshape(256, -1)[:, places])
    tokens = torch.from_numpy(inner.tokens)
    with torch.inference_mode():
        fine = module.output_upscaling(cells[None, :, None])[0]
        hyper = torch.stack(
            [head(tokens[place]) for place, head in enumerate(module.output_hypernetworks_mlps)]
        )
        logits = torch.einsum("mc,chw->mhw", hyper, fine).numpy()
        predicted = module.iou_prediction_head(tokens[4]).numpy()
    np.testing.assert_allclose(predicted, inner.predicted, atol=1e-4)
    for number, place in enumerate(places):
        row, column = divmod(place, 64)
        block = inner.logits[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        np.testing.assert_allclose(logits[:, :, 4 * number : 4 * number + 4], block, atol=1e-3)


def test_only_prompts_of_the_kinds_that_were_learnt_are_answered_by_it(tensors, image) -> None:
    from labeler.models.protocols import Embedding

    own = {name.removeprefix(MASKS): values for name, values in tensors.items()}
    learnt = {name: values * 1.05 for name, values in own.items() if name.startswith(LEARNT)}
    plain, taught = MobileSam(), MobileSam(learnt, ("point",))
    embedding = Embedding({"image": image}, SIZE)
    point, _, box, _ = prompts()
    before, after = (model.segment(embedding, box, threads=1)[0].logits for model in (plain, taught))
    np.testing.assert_array_equal(before, after)
    before, after = (model.segment(embedding, point, threads=1)[0].logits for model in (plain, taught))
    assert np.abs(before - after).max() > 0.1


def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path) -> None:
    with pytest.raises(ModelError, match="does not fit the decoder; train it again"):
        Decoder(DECODER.path, 1, {"output_upscaling.0.bias": np.zeros(3, dtype=np.float32)})
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read as an ONNX file"):
        read_decoder(tmp_path / "a.onnx")
