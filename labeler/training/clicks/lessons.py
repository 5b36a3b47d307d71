"""Labelled objects as lessons: prompts as a person gives them, and what the decoder's last layers read then.

The layers before stay as they are, so what they make of a prompt is worked out once, by the frozen decoder
that also says where the next click goes. Each cell of the image becomes logits by itself, so a lesson holds
only the cells where the object is or is taken to be, and a few of the others for all of them.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from labeler.core.records import Bits, Box, Prompt
from labeler.models.sam.input_frame import FRAME, LOGITS, frame_size
from labeler.models.sam.onnx_decoder import CELLS, Inner, OpenDecoder
from labeler.models.sam.torch_segmenters import PromptKind, is_lone, order_of
from labeler.models.simulated import next_click

CLICKS = 3
"""In the longest of a lesson's prompts."""
_FINE = LOGITS // CELLS
_AROUND = 2
"""Cells around the object that are learnt from as well."""
_OTHERS = 160
"""Cells of the rest of the photo that stand for all of it."""
_JITTER = 0.06
"""Of a box's sides, how far a hand is off."""


class Target(Struct, frozen=True, eq=False):
    """A labelled object, with its image's embedding."""

    image: NDArray[np.float32]
    """(1, 256, 64, 64)"""
    size: tuple[int, int]
    """(H, W) of the image, in pixels."""
    box: Box
    """In image pixels."""
    truth: NDArray[np.float32]
    """(256, 256) The share of each of the model's pixels that the object covers."""


class Lesson(Struct, frozen=True, eq=False):
    """One prompt on one object."""

    kind: PromptKind
    lone: bool
    """Whether it is one click alone, to which the best of three masks is the answer."""
    tokens: NDArray[np.float32]
    """(5, 256): of the four masks, and of the IoU."""
    cells: NDArray[np.float16]
    """(N, 256)"""
    truth: NDArray[np.float32]
    """(N, 16): what is covered of the 4 x 4 pixels of each cell, row by row."""
    weights: NDArray[np.float32]
    """(N,) How many cells each stands for."""


def covered(bits: Bits) -> NDArray[np.float32]:
    """(256, 256) The share of each of the model's pixels that is set in a mask (H, W) of the whole image."""
    height, width = (max(1, round(side * LOGITS / FRAME)) for side in frame_size(bits.shape))
    frame = np.zeros((LOGITS, LOGITS), dtype=np.float32)
    frame[:height, :width] = cv2.resize(
        bits.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA
    )
    return frame


def lessons(target: Target, decoder: OpenDecoder, generator: np.random.Generator) -> Iterator[Lesson]:
    """One to `CLICKS` clicks, and a box, as a hand might give them this time.

    Nothing for an object that no pixel of the model's is mostly covered by.
    """
    known = target.truth > 0.5
    if not known.any():
        return
    prompt = Prompt()
    step = max(target.size) / LOGITS
    inner: Inner | None = None
    for _ in range(CLICKS):
        if inner is None:
            x, y = _inside(known, generator)
            positive = True
        else:
            first = order_of(inner.predicted, lone=is_lone(prompt))[0]
            click = next_click(known, inner.logits[first] > 0)
            if click is None:
                break
            x, y, positive = click.x, click.y, click.positive
            prompt = structs.replace(prompt, previous=inner.logits[first])
        prompt = structs.replace(
            prompt,
            points=np.vstack([prompt.points, (x * step, y * step)]),
            positive=np.append(prompt.positive, positive),
        )
        inner = decoder(target.image, prompt, target.size)
        yield _lesson("point", target, inner, generator, lone=is_lone(prompt))
    inner = decoder(target.image, Prompt(box=_drawn(target.box, generator)), target.size)
    yield _lesson("box", target, inner, generator, lone=False)


def _inside(known: Bits, generator: np.random.Generator) -> tuple[float, float]:
    """x, y of a pixel's middle, by chance, well inside rather than near the outline."""
    depth = cv2.distanceTransform(np.pad(known.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    rows, columns = np.nonzero(depth >= 0.5 * depth.max())
    place = int(generator.integers(len(rows)))
    return float(columns[place]) + 0.5, float(rows[place]) + 0.5


def _drawn(box: Box, generator: np.random.Generator) -> Box:
    width, height = box.x1 - box.x0, box.y1 - box.y0
    off = generator.uniform(-_JITTER, _JITTER, 4) * (width, height, width, height)
    return Box(box.x0 + off[0], box.y0 + off[1], box.x1 + off[2], box.y1 + off[3])


def _lesson(
    kind: PromptKind, target: Target, inner: Inner, generator: np.random.Generator, *, lone: bool
) -> Lesson:
    shown = (inner.logits > 0).any(axis=0) | (target.truth > 0)
    blocks = shown.reshape(CELLS, _FINE, CELLS, _FINE).any(axis=(1, 3))
    brush = np.ones((2 * _AROUND + 1, 2 * _AROUND + 1), np.uint8)
    near = cv2.dilate(blocks.astype(np.uint8), brush).astype(np.bool_).reshape(-1)
    inside, outside = np.flatnonzero(near), np.flatnonzero(~near)
    others = generator.choice(outside, min(_OTHERS, len(outside)), replace=False)
    places = np.concatenate([inside, others])
    weights = np.ones(len(places), dtype=np.float32)
    weights[len(inside) :] = len(outside) / max(len(others), 1)
    truth = target.truth.reshape(CELLS, _FINE, CELLS, _FINE).swapaxes(1, 2).reshape(CELLS * CELLS, -1)
    cells = inner.cells.reshape(inner.cells.shape[0], -1)[:, places].T
    return Lesson(kind, lone, inner.tokens, cells.astype(np.float16), truth[places], weights)
