"""The last layers of a decoder taught by lessons, on the CPU. In a child only: it imports torch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from labeler.models.sam.onnx_decoder import LEARNT, MASKS, Tensors, mask_decoder
from labeler.training.clicks.lessons import Lesson

BATCH = 4
"""Prompts a step."""
_RATE = 2e-4
_FOCAL, _DICE, _IOU = 20.0, 1.0, 0.2
"""Weights of the losses; the first two are SAM's (Kirillov et al. 2023, appendix A)."""
_FOCUS, _ALPHA = 2.0, 0.5
_FINE = 4
_WAY = 0.5
_OTHERS = 0.5
"""Weight of the candidates after a second click: Tab steps to them."""


class Teaching:
    """The layers that learn, as segment-anything has them."""

    def __init__(self, tensors: Tensors, *, seed: int, threads: int = 1, rate: float = _RATE) -> None:
        torch.set_num_threads(threads)
        self._begun = tensors
        self._module = mask_decoder(tensors)
        self._learning = [
            values.requires_grad_()
            for name, values in self._module.named_parameters()
            if name.startswith(LEARNT)
        ]
        self._optimizer = torch.optim.AdamW(self._learning, lr=rate)
        self._generator = np.random.default_rng(seed)
        self._rate = rate

    @property
    def parameters(self) -> int:
        """How many numbers are learnt."""
        return sum(values.numel() for values in self._learning)

    def run(
        self, lessons: Sequence[Lesson], steps: int, progress: Callable[[int, dict[str, float]], None]
    ) -> None:
        """Learn from all lessons in turns; `progress` hears of each step, and may raise to end it."""
        order: list[int] = []
        for step in range(1, steps + 1):
            while len(order) < BATCH:
                order += self._generator.permutation(len(lessons)).tolist()
            batch, order = [lessons[place] for place in order[:BATCH]], order[BATCH:]
            for group in self._optimizer.param_groups:
                group["lr"] = self._rate * min(1.0, step / 8) * (1.0 if step < steps * 0.6 else 0.3)
            losses = self._losses(batch)
            self._optimizer.zero_grad(set_to_none=True)
            losses["loss"].backward()
            torch.nn.utils.clip_grad_norm_(self._learning, 1.0)
            self._optimizer.step()
            progress(step, {name: float(value.detach()) for name, value in losses.items()})

    def learnt(self) -> dict[str, NDArray[np.float32]]:
        """The tensors of what learns, by the package's names in its MaskDecoder: halfway to where they came.

        All the way, clicks after the third, which no lesson has, got worse (Wortsman et al. 2022, WiSE-FT).
        """
        ends = {
            name: values.detach().numpy()
            for name, values in self._module.state_dict().items()
            if name.startswith(LEARNT)
        }
        return {
            name: (_WAY * values + (1 - _WAY) * self._begun[MASKS + name]).astype(np.float32)
            for name, values in ends.items()
        }

    def _losses(self, batch: Sequence[Lesson]) -> dict[str, Tensor]:
        cells = torch.from_numpy(np.concatenate([one.cells for one in batch]).astype(np.float32))
        # (1, 256, 1, N): cells in a row, which know nothing of each other
        fine = self._module.output_upscaling(cells.T[None, :, None])[0]
        fine = fine.unflatten(2, (len(cells), _FINE)).permute(2, 0, 1, 3).flatten(2)  # (N, 32, 16)
        tokens = torch.from_numpy(np.stack([one.tokens for one in batch]))
        heads: Any = self._module.output_hypernetworks_mlps
        hyper = torch.stack([head(tokens[:, place]) for place, head in enumerate(heads)], 1)
        predicted = self._module.iou_prediction_head(tokens[:, -1])
        counts = [len(one.cells) for one in batch]
        totals: dict[str, list[Tensor]] = {"loss": [], "Dice": [], "focal": [], "IoU": []}
        for place, (lesson, own) in enumerate(zip(batch, fine.split(counts), strict=True)):
            logits = torch.einsum("mc,ncp->mnp", hyper[place], own)
            dice, focal, iou = _compared(logits, lesson)
            wrong = functional.mse_loss(predicted[place], iou)
            each = _DICE * dice + _FOCAL * focal
            best = 1 + int(each[1:].argmin()) if lesson.lone else 0
            others = _OTHERS * each[1:].min() if lesson.kind == "point" and not lesson.lone else 0.0
            totals["Dice"].append(dice[best])
            totals["focal"].append(focal[best])
            totals["IoU"].append(wrong)
            totals["loss"].append(each[best] + _IOU * wrong + others)
        return {name: torch.stack(values).mean() for name, values in totals.items()}


def _compared(logits: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor, Tensor]:
    """Dice loss, focal loss (Lin et al. 2017) and true IoU, each (4,), of logits (4, N, 16)."""
    truth = torch.from_numpy(lesson.truth)
    weights = torch.from_numpy(lesson.weights)[:, None]
    chance = logits.sigmoid()
    shared = (chance * truth * weights).sum((1, 2))
    dice = 1 - (2 * shared + 1) / ((chance * weights).sum((1, 2)) + (truth * weights).sum() + 1)
    crossed = functional.binary_cross_entropy_with_logits(logits, truth.expand_as(logits), reduction="none")
    missed = (chance - truth).abs()
    focal = (_ALPHA * missed**_FOCUS * crossed * weights).sum((1, 2)) / (weights.sum() * truth.shape[1])
    with torch.no_grad():
        shown, known = logits > 0, truth > 0.5
        both = ((shown & known) * weights).sum((1, 2))
        either = ((shown | known) * weights).sum((1, 2))
        iou = both / either.clamp(min=1)
    return dice, focal, iou
