"""What a segmentation is trained to make small: cross-entropy, focal, Dice, boundary, and their sums.

All take logits (N, C, H, W) and the true classes (N, H, W) as int64, 0 the background, and give one number.
Pixels whose true class is `UNKNOWN` count for nothing. p is softmax(logits), t the truth as 0 and 1 of each
class, and sums run over the pixels that count.

Imports torch, so it is for a training process only.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that everyone knows it by

from labeler.training.unet.label_maps import UNKNOWN


class LossWeights(Struct, frozen=True):
    """How much each loss counts in the sum; 0 leaves it out."""

    cross_entropy: float = 1.0
    dice: float = 1.0
    focal: float = 0.0
    boundary: float = 0.0


def cross_entropy(logits: Tensor, target: Tensor, *, class_weights: Tensor | None = None) -> Tensor:
    """-sum(w[y] log p[y]) / sum(w[y]) over the pixels, y a pixel's true class; w (C,) is 1 unless given.

    0 where no pixel counts. Two pixels with p[y] = 0.5 and 0.25 give (0.693 + 1.386) / 2 = 1.040.
    """
    losses = F.cross_entropy(logits, target, class_weights, ignore_index=UNKNOWN, reduction="none")
    known = target != UNKNOWN
    counted = known.to(losses.dtype) if class_weights is None else class_weights[target * known] * known
    return losses.sum() / counted.sum().clamp_min(1e-6)


def class_weights(pixels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weights (C,) of the classes from how many pixels (C,) each has, for `cross_entropy`.

    1 / sqrt(share), scaled so that those of the classes at hand have the mean 1; 0 for a class without any
    pixel. The root, since the plain inverse gives one stray pixel of a rare class the say over thousands.
    Pixels 16 and 1 give 0.4 and 1.6.
    """
    there = pixels > 0
    weights = np.zeros(len(pixels), dtype=np.float32)
    weights[there] = 1.0 / np.sqrt(pixels[there])
    return weights / weights[there].mean() if there.any() else weights


def focal(logits: Tensor, target: Tensor, *, gamma: float = 2.0) -> Tensor:
    """The mean of -(1 - p[y])^gamma log p[y] (Lin et al., ICCV 2017, equation 4): easy pixels count little.

    A pixel with p[y] = 0.5 gives 0.25 * 0.693 = 0.173 at gamma 2, one with p[y] = 0.9 gives 0.00105.
    """
    losses = F.cross_entropy(logits, target, ignore_index=UNKNOWN, reduction="none")
    known = (target != UNKNOWN).to(losses.dtype)
    easy = torch.exp(-losses)
    return (known * (1.0 - easy) ** gamma * losses).sum() / known.sum().clamp_min(1.0)


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """The mean over the classes that are there of `soft_dice_loss(p, t)`, the background among them.

    A class that no pixel of the batch has is left out: there the loss would be 1 whatever the network says.
    """
    known = (target != UNKNOWN).unsqueeze(1)
    truth = F.one_hot(target * known[:, 0], logits.shape[1]).movedim(-1, 1) * known
    probabilities = logits.softmax(dim=1) * known
    losses = soft_dice_loss(probabilities.transpose(0, 1).flatten(1), truth.transpose(0, 1).flatten(1))
    there = truth.sum(dim=(0, 2, 3)) > 0
    return (losses * there).sum() / there.sum().clamp_min(1)


def soft_dice_loss(probabilities: Tensor, truth: Tensor) -> Tensor:
    """1 - 2 sum(p t) / (sum(p) + sum(t)) of each row of (C, P): (C,).

    The denominator sums the values themselves (as Sudre et al., 2017), not their squares (Milletari et al.'s
    V-Net, 2016). p = (0.9, 0.2, 0.1, 0.3) and t = (1, 0, 0, 0), a picture of 2 x 2, give
    1 - 2 * 0.9 / (1.5 + 1) = 0.28.
    """
    shared = (probabilities * truth).sum(dim=1)
    total = probabilities.sum(dim=1) + truth.sum(dim=1)
    return 1.0 - 2.0 * shared / total.clamp_min(1e-6)


def boundary(logits: Tensor, target: Tensor) -> Tensor:
    """The mean of p D over pixels and classes but the background (Kervadec et al., MIDL 2019, equation 5).

    D is the signed distance to the class's true edge in pixels, negative inside (`signed_distance`), divided
    here by the image's longer side so that it weighs the same at any size. Below 0 where all is right; it is
    no loss on its own, since an empty prediction of it is a hollow in which training stays: add it to one
    that counts regions. Two pixels beside each other, the first of the class, with p = 0.8 and 0.4 give
    (0.8 * -1 + 0.4 * 1) / 2 / 2 = -0.1.
    """
    distances = torch.from_numpy(_distances(target.cpu().numpy(), logits.shape[1])).to(logits.device)
    known = (target != UNKNOWN).unsqueeze(1)
    products = logits.softmax(dim=1)[:, 1:] * distances * known
    counted = known.sum() * (logits.shape[1] - 1)
    return products.sum() / counted.clamp_min(1) / max(target.shape[-2:])


def signed_distance(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance (H, W) in pixels to the nearest pixel of the other kind, negative inside.

    0 everywhere where all pixels are of one kind.
    """
    if inside.all() or not inside.any():
        return np.zeros(inside.shape, dtype=np.float32)
    bits = inside.astype(np.uint8)
    outer = cv2.distanceTransform(1 - bits, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    inner = cv2.distanceTransform(bits, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(outer - inner, dtype=np.float32)


def _distances(target: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Signed distances (N, C - 1, H, W) to the classes' edges, without the background's."""
    return np.stack([[signed_distance(one == index) for index in range(1, classes)] for one in target])


def weighted_sum(
    logits: Tensor, target: Tensor, weights: LossWeights, *, by_class: Tensor | None = None
) -> dict[str, Tensor]:
    """Each loss that counts, by its name, and "loss", their sum by `weights`.

    `by_class` (C,) weighs the classes in the cross-entropy. Logits of half precision are made whole first:
    sums over an image's pixels need more digits than they have.
    """
    logits = logits.float()
    parts: dict[str, tuple[float, Callable[[], Tensor]]] = {
        "cross-entropy": (
            weights.cross_entropy,
            lambda: cross_entropy(logits, target, class_weights=by_class),
        ),
        "Dice": (weights.dice, lambda: dice(logits, target)),
        "focal": (weights.focal, lambda: focal(logits, target)),
        "boundary": (weights.boundary, lambda: boundary(logits, target)),
    }
    losses = {name: compute() for name, (weight, compute) in parts.items() if weight > 0}
    total = torch.stack([parts[name][0] * loss for name, loss in losses.items()]).sum()
    return losses | {"loss": total}
