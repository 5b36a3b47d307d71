"""SAM by the segment-anything package: a small one of random weights, saved in the real checkpoint's form."""

from pathlib import Path

import numpy as np
import pytest

from labeler.core.geometry import to_bits
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Prompt
from labeler.errors import ModelError
from labeler.models.embeddings import EmbeddingCache
from labeler.models.protocols import Embedding, Interrupt, InterruptedWorkError, ModelSpec, Segmenter
from labeler.models.sam.architecture import architecture_of
from labeler.registry import discover


def tiny_sam(side: int = 1024):
    """A Sam of the package's own classes, far smaller than ViT-B: seeded, and with masks that have edges."""
    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    torch.manual_seed(7)
    cells = side // 16
    sam = Sam(
        ImageEncoderViT(
            img_size=side,
            embed_dim=32,
            depth=3,
            num_heads=2,
            out_chans=256,
            use_rel_pos=True,
            window_size=14,
            global_attn_indexes=(1,),
            norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6),
        ),
        PromptEncoder(256, (cells, cells), (side, side), 16),
        MaskDecoder(
            transformer_dim=256,
            transformer=TwoWayTransformer(2, 256, 8, 512),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=128,
        ),
        [123.675, 116.28, 103.53],
        [58.395, 57.12, 57.375],
    )
    torch.nn.init.normal_(sam.image_encoder.pos_embed)
    torch.nn.init.normal_(sam.image_encoder.blocks[1].attn.rel_pos_h)
    return sam.eval()


@pytest.fixture(scope="module")
def sam():
    return tiny_sam()


@pytest.fixture(scope="module")
def checkpoint(sam, tmp_path_factory) -> Path:
    import torch

    path = tmp_path_factory.mktemp("sam") / "sam_vit_tiny.pth"
    torch.save(sam.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def spec(checkpoint) -> ModelSpec:
    return discover(safe_mode=True).open_file(checkpoint)


@pytest.fixture(scope="module")
def model(spec) -> Segmenter:
    loaded = spec.load()
    assert isinstance(loaded, Segmenter)
    return loaded


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    import importlib.util

    found = importlib.util.find_spec("ultralytics")
    assert found is not None
    assert found.origin is not None
    return read_pixels(Path(found.origin).parent / "assets/bus.jpg").rgb


@pytest.fixture(scope="module")
def embedding(model, pixels) -> Embedding:
    return model.embed(pixels)


@pytest.fixture(scope="module")
def reference(sam, pixels):
    """The package's own predictor on the same weights."""
    from segment_anything import SamPredictor

    predictor = SamPredictor(sam)
    predictor.set_image(pixels)
    return predictor


def in_its_pixels(x: float, y: float) -> tuple[float, float]:
    """SAM means pixel indices and adds half a pixel of its own frame; our coordinates are half-open."""
    scale = 1024 / 1080
    return x - 0.5 / scale, y - 0.5 / scale


def test_the_file_is_known_by_what_is_in_it(spec, checkpoint) -> None:
    assert (spec.id, spec.task, spec.licence) == ("sam_vit_tiny", "segmenter", "Apache-2.0")
    assert spec.weights[0].path == checkpoint


@pytest.mark.parametrize(
    ("build", "title"),
    [("vit_b", "SAM ViT-B"), ("vit_l", "SAM ViT-L"), ("vit_h", "SAM ViT-H")],
)
def test_the_published_sizes_are_told_from_their_tensors(build, title) -> None:
    import torch
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        sam = sam_model_registry[build]()
    encoder = sam.image_encoder
    found = architecture_of({name: tuple(tensor.shape) for name, tensor in sam.state_dict().items()})
    assert found is not None
    assert found.title == title
    assert found.heads == encoder.blocks[0].attn.num_heads
    assert found.whole == tuple(n for n, block in enumerate(encoder.blocks) if block.window_size == 0)
    assert (found.window, found.side, found.embedding) == (14, 1024, 256)
    assert (found.mask_channels, found.masks, found.iou_depth, found.iou_width) == (16, 3, 3, 256)
    assert (found.decoder_depth, found.decoder_width) == (2, 2048)


def test_the_embedding_is_the_packages_own(embedding, reference) -> None:
    expected = reference.get_image_embedding().numpy()
    assert embedding.size == (1080, 810)
    assert embedding.arrays["image"].shape == (1, 256, 64, 64)
    assert np.abs(embedding.arrays["image"] - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_lone_point_gives_the_packages_three_masks_best_first(model, embedding, reference) -> None:
    proposals = model.segment(embedding, Prompt(np.array([[400.0, 500.0]]), np.array([True])))
    masks, scores, logits = reference.predict(
        point_coords=np.array([in_its_pixels(400, 500)]), point_labels=np.array([1])
    )
    order = np.argsort(-scores, kind="stable")
    assert len(proposals) == 3
    for proposal, index in zip(proposals, order, strict=True):
        assert proposal.confidence == pytest.approx(np.clip(scores[index], 0, 1), abs=1e-4)
        assert np.abs(proposal.logits - logits[index]).max() < 1e-3 * np.abs(logits).max()
        different = np.count_nonzero(to_bits(proposal.mask, (1080, 810)) != masks[index])
        assert different < 1e-3 * masks[index].size


def test_a_box_with_points_gives_the_packages_single_mask_first(model, embedding, reference) -> None:
    prompt = Prompt(
        np.array([[400.0, 500.0], [150.0, 650.0]]), np.array([True, False]), Box(10, 230, 805, 750)
    )
    (first, *others) = model.segment(embedding, prompt)
    masks, scores, logits = reference.predict(
        point_coords=np.array([in_its_pixels(400, 500), in_its_pixels(150, 650)]),
        point_labels=np.array([1, 0]),
        box=np.array([*in_its_pixels(10, 230), *in_its_pixels(805, 750)]),
        multimask_output=False,
    )
    assert len(others) == 2
    assert first.confidence == pytest.approx(np.clip(scores[0], 0, 1), abs=1e-4)
    assert np.abs(first.logits - logits[0]).max() < 1e-3 * np.abs(logits).max()
    assert np.count_nonzero(to_bits(first.mask, (1080, 810)) != masks[0]) < 1e-3 * masks[0].size
    assert model.segment(embedding, prompt, limit=1, threads=1)[0].confidence == pytest.approx(
        first.confidence
    )


def test_logits_fed_back_are_the_packages_mask_input(model, embedding, reference) -> None:
    (first, *_) = model.segment(embedding, Prompt(box=Box(10, 230, 805, 750)))
    (again, *_) = model.segment(embedding, Prompt(box=Box(10, 230, 805, 750), previous=first.logits))
    box = np.array([*in_its_pixels(10, 230), *in_its_pixels(805, 750)])
    _, _, logits = reference.predict(box=box, mask_input=first.logits[None], multimask_output=False)
    assert np.abs(again.logits - logits[0]).max() < 1e-3 * np.abs(logits).max()
    assert np.abs(again.logits - first.logits).max() > 1e-3 * np.abs(logits).max()


def test_the_embedding_survives_the_cache(model, embedding, spec, tmp_path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.put(spec.fingerprint, "ab" * 20, embedding)
    cached = cache.get(spec.fingerprint, "ab" * 20)
    assert cached is not None
    prompt = Prompt(np.array([[400.0, 500.0]]), np.array([True]))
    fresh, kept = model.segment(embedding, prompt)[0], model.segment(cached, prompt)[0]
    assert kept.confidence == pytest.approx(fresh.confidence, abs=1e-2)
    assert np.abs(kept.logits - fresh.logits).max() < 2e-2 * np.abs(fresh.logits).max()


def test_encoding_can_be_called_off(model, pixels) -> None:
    interrupt = Interrupt()
    interrupt.set()
    with pytest.raises(InterruptedWorkError):
        model.embed(pixels, interrupt=interrupt)


def test_a_sam_of_another_frame_a_changed_and_a_damaged_file_are_one_sentence(tmp_path, checkpoint) -> None:
    import torch

    registry = discover(safe_mode=True)
    small = tmp_path / "small.pth"
    torch.save(tiny_sam(256).state_dict(), small)
    with pytest.raises(ModelError, match=r"small\.pth” is a SAM for images of 256 pixels"):
        registry.open_file(small).load()
    state = torch.load(checkpoint, weights_only=True)
    odd = tmp_path / "odd.pth"
    state["mask_decoder.iou_token.weight"] = torch.zeros(1, 3)
    torch.save(state, odd)
    opened = registry.open_file(odd)
    with pytest.raises(ModelError, match=r"odd\.pth” could not be loaded \(RuntimeError"):
        opened.load()
    odd.write_bytes(checkpoint.read_bytes())
    with pytest.raises(ModelError, match="has changed since it was chosen"):
        opened.load()
    odd.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(ModelError, match="is not a model file that can be opened"):
        registry.open_file(odd)
