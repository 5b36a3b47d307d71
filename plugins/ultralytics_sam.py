"""SAM 2, SAM 2.1 (Ravi et al. 2024) and MobileSAM from their checkpoints, by ultralytics' own models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.api import Plugin
from labeler.core.records import Mask, Prompt, Proposal
from labeler.errors import ModelError
from labeler.models import devices
from labeler.models.detections import Letterbox, upsampled_whole
from labeler.models.files.opener import guarded, opened
from labeler.models.files.pickles import load_state_dict, tensor_shapes
from labeler.models.protocols import Embedding, FileSpec, Interrupt, ModelSpec, Rgb, Weights
from labeler.models.sam.input_frame import FRAME, prompt_arrays
from labeler.models.sam.torch_segmenters import (
    is_lone,
    order_of,
    proposals_of,
    running,
    to_numpy,
)
from labeler.models.ultralytics_home import import_ultralytics

_OF_MEMORY = ("no_obj_embed_spatial", "obj_ptr_tpos_proj.weight", "obj_ptr_tpos_proj.bias")
"""What 2.1 has more than 2, for videos only; the builder leaves room for it by the file's name alone."""

_TRUNK = "image_encoder.trunk.blocks."
_MEMORY = "memory_attention.layers.0.norm1.weight"
_TINY_VIT = "image_encoder.patch_embed.seq.0.c.weight"
_HIGH_RES = "high_res_"


class Kind(Struct, frozen=True):
    """One of the models whose checkpoints are opened."""

    title: str
    build: str
    """The function of ultralytics.models.sam.build that makes it."""


_MOBILE = Kind("MobileSAM", "build_mobile_sam")
_BY_BLOCKS = {
    12: Kind("SAM 2 tiny", "build_sam2_t"),
    16: Kind("SAM 2 small", "build_sam2_s"),
    24: Kind("SAM 2 base+", "build_sam2_b"),
    48: Kind("SAM 2 large", "build_sam2_l"),
}
"""SAM 2 and 2.1, by the number of the encoder's blocks."""


def kind_of(shapes: Mapping[str, tuple[int, ...]]) -> Kind | None:
    """Which model a state dict with tensors of these names is of; None for another one."""
    if _TINY_VIT in shapes and "mask_decoder.mask_tokens.weight" in shapes:
        return _MOBILE
    if _MEMORY not in shapes:
        return None
    blocks = {name.removeprefix(_TRUNK).partition(".")[0] for name in shapes if name.startswith(_TRUNK)}
    kind = _BY_BLOCKS.get(len(blocks))
    if kind is not None and _OF_MEMORY[0] in shapes:
        return Kind(kind.title.replace("SAM 2", "SAM 2.1"), kind.build)
    return kind


class UltralyticsSam:
    """A model of ultralytics; its own predictor prepares images, and masks are scaled as there."""

    def __init__(self, weights: Weights, kind: Kind) -> None:
        state = load_state_dict(weights.path)
        self._is_2 = kind is not _MOBILE
        self._predictor = guarded(weights.path.name, lambda: _predictor(kind, state, is_2=self._is_2))
        self.device = str(self._predictor.device)
        self._model = self._predictor.model

    def embed(self, image: Rgb, *, threads: int = 0, interrupt: Interrupt | None = None) -> Embedding:
        """The image's embedding: `image` (1, 256, 64, 64), and of SAM 2 two finer levels."""
        encoder = self._model.image_encoder
        layers = encoder.trunk.blocks if self._is_2 else encoder.layers
        with running(threads, layers=layers, interrupt=interrupt):
            frame = self._predictor.preprocess([np.ascontiguousarray(image[..., ::-1])])
            features = self._predictor.get_im_features(frame)
        if not self._is_2:
            return Embedding({"image": to_numpy(features)}, (image.shape[0], image.shape[1]))
        finer = {f"{_HIGH_RES}{n}": to_numpy(level) for n, level in enumerate(features["high_res_feats"])}
        arrays = {"image": to_numpy(features["image_embed"]), **finer}
        return Embedding(arrays, (image.shape[0], image.shape[1]))

    def segment(
        self, embedding: Embedding, prompt: Prompt, *, threads: int = 0, limit: int = 3
    ) -> tuple[Proposal, ...]:
        """Three masks; for a lone point the candidates, else the single mask before the two best of them."""
        decode = self._decode_2 if self._is_2 else self._decode_1
        with running(threads):
            found, scores = decode(embedding, prompt)
            logits, predicted = to_numpy(found), to_numpy(scores)
        order = order_of(predicted, lone=is_lone(prompt))[:limit]
        return proposals_of(logits, predicted, order, lambda index: _mask(logits[index], embedding.size))

    def _decode_1(self, embedding: Embedding, prompt: Prompt) -> tuple[Any, Any]:
        """Logits (4, 256, 256) and predicted IoUs (4,) of MobileSAM, the single mask first."""
        (points, labels), (corners, _), masks = self._prompts(embedding, prompt)
        sparse, dense = self._model.prompt_encoder(
            points=(points, labels) if points.shape[1] else None,
            boxes=corners.reshape(-1, 4) if prompt.box is not None else None,
            masks=masks,
        )
        found, scores = self._model.mask_decoder.predict_masks(
            image_embeddings=self._tensor(embedding.arrays["image"]),
            image_pe=self._model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
        return found[0], scores[0]

    def _decode_2(self, embedding: Embedding, prompt: Prompt) -> tuple[Any, Any]:
        """The same of SAM 2, whose decoder gives the single mask and the candidates one after the other."""
        import torch  # noqa: PLC0415  # heavy: in a child only

        points, box, masks = self._prompts(embedding, prompt)
        both = [box, points] if prompt.box is not None else [points]  # in its order: the box first
        coordinates, labels = (torch.cat([part[n] for part in both], dim=1) for n in (0, 1))
        sparse, dense = self._model.sam_prompt_encoder(
            points=(coordinates, labels) if coordinates.shape[1] else None, boxes=None, masks=masks
        )
        finer = [self._tensor(array) for name, array in embedding.arrays.items() if name != "image"]
        answers = [
            self._model.sam_mask_decoder(
                image_embeddings=self._tensor(embedding.arrays["image"]),
                image_pe=self._model.sam_prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=many,
                repeat_image=False,
                high_res_features=finer,
            )
            for many in (False, True)
        ]
        return tuple(torch.cat([answer[part][0] for answer in answers]) for part in (0, 1))

    def _prompts(self, embedding: Embedding, prompt: Prompt) -> tuple[Any, Any, Any]:
        """(coordinates (1, N, 2), labels (1, N)) of points, the same of the box's corners, earlier logits."""
        coordinates, labels = map(self._tensor, prompt_arrays(prompt, embedding.size))
        count = len(prompt.points)
        labels = labels.int()
        previous = None if prompt.previous is None else self._tensor(prompt.previous[None, None])
        points = coordinates[:, :count], labels[:, :count]
        return points, (coordinates[:, count:], labels[:, count:]), previous

    def _tensor(self, array: NDArray[np.float32]) -> Any:
        import torch  # noqa: PLC0415  # heavy: in a child only

        return torch.from_numpy(np.ascontiguousarray(array)).to(self._predictor.device)


def _mask(logits: NDArray[np.float32], size: tuple[int, int]) -> Mask:
    """Where `logits` (h, w) are above 0, in an image of size (H, W): one bilinear step, as ultralytics has.

    It samples the part of the frame that the image fills, rounded to whole pixels of the frame.
    """
    gain = FRAME / max(size)
    height, width = (round(length * gain) * logits.shape[0] / FRAME for length in size)
    if height.is_integer() and width.is_integer():  # else it looks into the padding too
        logits = logits[: int(height), : int(width)]
    scale_y, scale_x = height / size[0], width / size[1]
    found = upsampled_whole(logits, Letterbox(size, scale_x, scale_y))
    return found or Mask(0, 0, np.zeros((0, 0), dtype=np.bool_))


def _predictor(kind: Kind, state: Mapping[str, Any], *, is_2: bool) -> Any:
    """Ultralytics' predictor with the model in it, on the best device."""
    import_ultralytics()
    from ultralytics.models.sam import Predictor, SAM2Predictor, build  # noqa: PLC0415

    model = getattr(build, kind.build)()
    model.load_state_dict({name: value for name, value in state.items() if name not in _OF_MEMORY})
    options = {"imgsz": FRAME, "device": devices.chosen().type, "save": False, "verbose": False}
    predictor = (SAM2Predictor if is_2 else Predictor)(overrides=options)
    predictor.setup_model(model.requires_grad_(requires_grad=False), verbose=False)
    predictor.imgsz = [FRAME, FRAME]
    model.set_imgsz(predictor.imgsz)
    return predictor


def _sniff(path: Path) -> bool:
    return kind_of(tensor_shapes(path)) is not None


def _open(path: Path) -> ModelSpec:
    """The model in a checkpoint; nothing of it is loaded before `load` is called."""
    kind = kind_of(tensor_shapes(path))
    if kind is None:
        raise ModelError(f"“{path.name}” is no checkpoint of SAM 2 or MobileSAM; choose another file.")
    return opened(
        path,
        lambda weights: UltralyticsSam(weights, kind),
        task="segmenter",
        title=f"{kind.title} ({path.stem})",
        licence="Apache-2.0",
    )


plugin = Plugin(
    api=1,
    name="SAM by Ultralytics",
    version="1.0",
    files=(
        FileSpec("ultralytics-sam", "SAM 2, SAM 2.1 or MobileSAM checkpoint", (".pt", ".pth"), _sniff, _open),
    ),
)
