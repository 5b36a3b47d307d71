"""SAM ViT-B, L and H (Kirillov et al. 2023) from their checkpoints, by the segment-anything package."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from labeler.api import Plugin
from labeler.core.records import Prompt, Proposal
from labeler.errors import ModelError
from labeler.models import devices
from labeler.models.files.opener import guarded, opened
from labeler.models.files.pickles import load_state_dict, tensor_shapes
from labeler.models.protocols import Embedding, FileSpec, Interrupt, ModelSpec, Rgb, Weights
from labeler.models.sam.architecture import SamArchitecture, architecture_of
from labeler.models.sam.input_frame import FRAME, mask_of, prompt_arrays
from labeler.models.sam.torch_segmenters import (
    is_lone,
    order_of,
    proposals_of,
    running,
    to_numpy,
)

_MEAN = [123.675, 116.28, 103.53]
_DEVIATION = [58.395, 57.12, 57.375]
_DECODER_HEADS = 8
"""The one size that no tensor tells; the same in all published checkpoints."""


class SegmentAnything:
    """A SAM of the segment-anything package, with its own way of preparing an image."""

    def __init__(self, weights: Weights, architecture: SamArchitecture) -> None:
        name = weights.path.name
        if architecture.side != FRAME:
            raise ModelError(
                f"“{name}” is a SAM for images of {architecture.side} pixels, not of {FRAME}; "
                "choose another file."
            )
        state = load_state_dict(weights.path)
        self._name = name
        self._sam = guarded(name, lambda: _built(architecture, state))
        self.device = str(self._sam.device)

    def embed(self, image: Rgb, *, threads: int = 0, interrupt: Interrupt | None = None) -> Embedding:
        """The image's embedding: one array `image`, (1, 256, 64, 64)."""
        from segment_anything.predictor import SamPredictor  # noqa: PLC0415  # heavy: in a child only

        predictor = SamPredictor(self._sam)
        with running(threads, layers=self._sam.image_encoder.blocks, interrupt=interrupt):
            predictor.set_image(image)
            features = to_numpy(predictor.get_image_embedding())
        return Embedding({"image": features}, (image.shape[0], image.shape[1]))

    def segment(
        self, embedding: Embedding, prompt: Prompt, *, threads: int = 0, limit: int = 3
    ) -> tuple[Proposal, ...]:
        """Three masks; for a lone point the candidates, else the single mask before the two best of them."""
        import torch  # noqa: PLC0415  # heavy: in a child only

        with running(threads):
            features = torch.from_numpy(embedding.arrays["image"]).to(self._sam.device)
            sparse, dense = self._sam.prompt_encoder(**_prompts(prompt, embedding.size, self._sam.device))
            found, scores = self._sam.mask_decoder.predict_masks(
                image_embeddings=features,
                image_pe=self._sam.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
            )
            logits, predicted = to_numpy(found[0]), to_numpy(scores[0])
        order = order_of(predicted, lone=is_lone(prompt))[:limit]
        return proposals_of(logits, predicted, order, lambda index: mask_of(logits[index], embedding.size))


def _prompts(prompt: Prompt, size: tuple[int, int], device: Any) -> dict[str, Any]:
    """What the package's prompt encoder takes: points with labels, boxes and masks, each None for none."""
    import torch  # noqa: PLC0415  # heavy: in a child only

    coordinates, labels = prompt_arrays(prompt, size)
    count = len(prompt.points)
    points = (
        torch.from_numpy(coordinates[:, :count]).to(device),
        torch.from_numpy(labels[:, :count].astype(np.int32)).to(device),
    )
    corners = torch.from_numpy(coordinates[:, count:].reshape(1, -1)).to(device)
    previous = prompt.previous
    return {
        "points": points if count else None,
        "boxes": corners if prompt.box is not None else None,
        "masks": None if previous is None else torch.from_numpy(previous[None, None]).to(device),
    }


def _built(sizes: SamArchitecture, state: Mapping[str, Any]) -> Any:
    """A Sam of the package with these weights, on the best device."""
    import torch  # noqa: PLC0415  # heavy: in a child only
    from segment_anything.modeling import (  # noqa: PLC0415
        ImageEncoderViT,
        MaskDecoder,
        PromptEncoder,
        Sam,
        TwoWayTransformer,
    )

    cells = sizes.side // sizes.patch
    with torch.device("meta"):  # no time is lost on weights that are replaced at once
        encoder = ImageEncoderViT(
            img_size=sizes.side,
            patch_size=sizes.patch,
            embed_dim=sizes.width,
            depth=sizes.depth,
            num_heads=sizes.heads,
            out_chans=sizes.embedding,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=sizes.window,
            global_attn_indexes=sizes.whole,
        )
        prompts = PromptEncoder(
            embed_dim=sizes.embedding,
            image_embedding_size=(cells, cells),
            input_image_size=(sizes.side, sizes.side),
            mask_in_chans=sizes.mask_channels,
        )
        transformer = TwoWayTransformer(
            depth=sizes.decoder_depth,
            embedding_dim=sizes.embedding,
            num_heads=_DECODER_HEADS,
            mlp_dim=sizes.decoder_width,
        )
        decoder = MaskDecoder(
            transformer_dim=sizes.embedding,
            transformer=transformer,
            num_multimask_outputs=sizes.masks,
            iou_head_depth=sizes.iou_depth,
            iou_head_hidden_dim=sizes.iou_width,
        )
    sam = Sam(encoder, prompts, decoder, pixel_mean=_MEAN, pixel_std=_DEVIATION)
    sam.load_state_dict(dict(state), assign=True)
    return sam.float().eval().requires_grad_(requires_grad=False).to(devices.chosen())


def _sniff(path: Path) -> bool:
    return architecture_of(tensor_shapes(path)) is not None


def _open(path: Path) -> ModelSpec:
    """The model in a checkpoint; nothing of it is loaded before `load` is called."""
    architecture = architecture_of(tensor_shapes(path))
    if architecture is None:
        raise ModelError(f"“{path.name}” is no SAM checkpoint; choose another file.")
    return opened(
        path,
        lambda weights: SegmentAnything(weights, architecture),
        task="segmenter",
        title=f"{architecture.title} ({path.stem})",
        licence="Apache-2.0",
    )


plugin = Plugin(
    api=1,
    name="Segment Anything",
    version="1.0",
    files=(FileSpec("segment-anything", "SAM checkpoint by Meta", (".pth", ".pt"), _sniff, _open),),
)
