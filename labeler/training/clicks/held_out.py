"""Whether what was learnt is better than the frozen decoder, on objects that it did not learn from."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from labeler.core.records import Bits, Prompt
from labeler.models.sam.clicks_file import Gate
from labeler.models.sam.input_frame import LOGITS
from labeler.models.sam.onnx_decoder import Decoder
from labeler.models.sam.torch_segmenters import PromptKind, is_lone, order_of
from labeler.models.simulated import innermost_point, next_click
from labeler.training.clicks.lessons import CLICKS, Target

Measured: TypeAlias = dict[PromptKind, tuple[float, ...]]
"""IoU after one click, two and so on; by a box after the box alone."""

LEAST = 10
"""Objects below which nothing can be told."""
_SURE = 1.0
"""Standard errors that the mean gain must be above 0."""


def measured(decoder: Decoder, target: Target) -> Measured:
    """IoU of the mask that comes first, after each of `CLICKS` clicks, and by the box."""
    known = target.truth > 0.5
    by_clicks = tuple(_by_clicks(decoder, target, known))
    prompt = Prompt(box=target.box)
    logits, predicted = decoder(target.image, prompt, target.size)
    by_box = _iou(logits[order_of(predicted, lone=False)[0]] > 0, known)
    return {"point": by_clicks, "box": (by_box,)}


def _by_clicks(decoder: Decoder, target: Target, known: Bits) -> Iterator[float]:
    """Where nothing is wrong any more, the IoU stays."""
    step = max(target.size) / LOGITS
    prompt, shown, iou = Prompt(), None, 0.0
    for _ in range(CLICKS):
        if shown is None:
            x, y = innermost_point(known)
            positive = True
        else:
            click = next_click(known, shown > 0)
            if click is None:
                yield iou
                continue
            x, y, positive = click.x, click.y, click.positive
            prompt = structs.replace(prompt, previous=shown)
        prompt = structs.replace(
            prompt,
            points=np.vstack([prompt.points, (x * step, y * step)]),
            positive=np.append(prompt.positive, positive),
        )
        logits, predicted = decoder(target.image, prompt, target.size)
        shown = logits[order_of(predicted, lone=is_lone(prompt))[0]]
        iou = _iou(shown > 0, known)
        yield iou


def gates(frozen: Sequence[Measured], learnt: Sequence[Measured]) -> tuple[Gate, ...]:
    """For each kind of prompt what `measured` gave for the same objects by both, and which is to be used.

    What was learnt is, where its mean gain (over the clicks) is more than one standard error above none.
    """
    found = []
    kinds: tuple[PromptKind, ...] = ("point", "box")
    for kind in kinds:
        before = np.array([one[kind] for one in frozen], dtype=np.float64)
        after = np.array([one[kind] for one in learnt], dtype=np.float64)
        means: list[tuple[float, ...]] = [tuple(values.mean(axis=0).tolist()) for values in (before, after)]
        opens = is_better(after.mean(axis=1) - before.mean(axis=1))
        found.append(Gate(kind, len(before), means[0], means[1], is_open=opens))
    return tuple(found)


def is_better(gains: NDArray[np.float64]) -> bool:
    """Whether gains (N,) are surely enough above 0."""
    if len(gains) < LEAST:
        return False
    error = float(gains.std(ddof=1)) / len(gains) ** 0.5
    return bool(gains.mean() > _SURE * error and gains.mean() > 0)


def _iou(shown: Bits, known: Bits) -> float:
    union = int(np.count_nonzero(shown | known))
    return int(np.count_nonzero(shown & known)) / union if union else 1.0
