"""SAM 3 (Carion et al. 2025), told in words what to look for: its checkpoint in ultralytics' modules."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler.api import Plugin
from labeler.core.records import Candidate, Mask
from labeler.errors import ModelError
from labeler.models.detections import FLOOR, Letterbox, corners_of, to_candidates, upsampled_whole
from labeler.models.files.opener import guarded, opened
from labeler.models.files.pickles import load_state_dict, tensor_shapes
from labeler.models.protocols import FileSpec, ModelSpec, Rgb, Weights
from labeler.models.sam.concepts import Sam3Sizes, build, sizes_of
from labeler.models.sam.torch_segmenters import running, to_numpy
from labeler.models.text_encoders import phrases_told, tokenizer

_MIDDLE = 127.5
"""Pixels are shifted and scaled by it to -1 to 1."""


class Sam3:
    """Finds every object that a phrase names, each with its mask."""

    def __init__(self, weights: Weights, sizes: Sam3Sizes) -> None:
        self._side = sizes.side
        cut = tokenizer()  # CLIP's, as it was trained with
        name = weights.path.name
        self._model = guarded(name, lambda: build(sizes, load_state_dict(weights.path), cut))

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:
        """Candidates labelled with the phrases of `text`, with masks, as ultralytics has them before its NMS.

        Raises ModelError where there is no phrase.
        """
        phrases = phrases_told(text)
        with running():
            boxes, scores, logits = self._run(image, phrases)
        classes, queries = np.nonzero(scores > FLOOR)
        height, width = image.shape[:2]
        frame = Letterbox((height, width), logits.shape[3] / width, logits.shape[2] / height)
        corners = Letterbox((height, width)).to_image(corners_of(boxes[classes, queries], (height, width)))

        def mask(index: int) -> Mask | None:
            return upsampled_whole(logits[classes[index], queries[index]], frame)

        return to_candidates(corners, scores[classes, queries], classes, phrases, mask=mask)

    def _run(
        self, image: Rgb, phrases: tuple[str, ...]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """For N phrases and Q queries: boxes (N, Q, 4) as parts of the image, confidences, mask logits."""
        import torch  # noqa: PLC0415  # heavy: in a child only

        model = self._model
        device = model.transformer.decoder.query_embed.weight.device
        stretched = cv2.resize(image, (self._side, self._side), interpolation=cv2.INTER_LINEAR)
        pixels = torch.from_numpy(stretched).to(device).permute(2, 0, 1)[None].float()
        seen = model.backbone.forward_image((pixels - _MIDDLE) / _MIDDLE)
        if model.names != list(phrases):
            model.set_classes(list(phrases))
        found = model.forward_grounding(seen, torch.arange(len(phrases), device=device))
        presence = found["presence_logit_dec"].sigmoid().unsqueeze(1)
        scores = (found["pred_logits"].sigmoid() * presence).squeeze(-1)
        return to_numpy(found["pred_boxes"]), to_numpy(scores), to_numpy(found["pred_masks"])


def _sniff(path: Path) -> bool:
    return sizes_of(tensor_shapes(path)) is not None


def _open(path: Path) -> ModelSpec:
    """The model in a checkpoint; nothing of it is loaded before `load` is called."""
    sizes = sizes_of(tensor_shapes(path))
    if sizes is None:
        raise ModelError(f"“{path.name}” is no checkpoint of SAM 3; choose another file.")
    return opened(
        path,
        lambda weights: Sam3(weights, sizes),
        task="detector",
        title=f"SAM 3 ({path.stem})",
        licence="SAM License",
        reads_text=True,
    )


plugin = Plugin(
    api=1,
    name="SAM 3",
    version="1.0",
    files=(FileSpec("sam-3", "SAM 3 checkpoint by Meta", (".pt", ".pth"), _sniff, _open),),
)
