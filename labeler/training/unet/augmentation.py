"""Tiles that look a little different each time they are learnt from, by torchvision's transforms v2.

What is drawn by chance comes from a generator that is handed in, not from torch's own, so tiles can be made
on several threads and a resumed run draws the same ones.

Imports torch and torchvision, so it is for a training process only.
"""

import cv2
import numpy as np
import torch
from msgspec import Struct
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F  # noqa: N812 - the name that everyone knows it by

from labeler.models.protocols import Rgb
from labeler.training.unet.label_maps import UNKNOWN, LabelMap


class Augmentation(Struct, frozen=True):
    """How much tiles are changed; all 0 for not at all."""

    turn: float = 15.0
    """Degrees, either way."""
    scale: float = 0.2
    """Largest change of size, as a share."""
    colour: float = 0.25
    """Largest change of brightness, contrast and saturation, as a share."""
    any_way_up: bool = False
    """Whether tiles are turned by quarters and upside down too, as of a microscope or from the air."""

    @property
    def reach(self) -> float:
        """How many times a tile's side must be at hand for it to be turned and shrunk without a gap."""
        angle = np.deg2rad(self.turn)
        return float((np.cos(angle) + np.sin(angle)) * (1.0 + self.scale))


NONE = Augmentation(turn=0.0, scale=0.0, colour=0.0)


def window(image: Rgb, labels: LabelMap, centre: tuple[float, float], side: int) -> tuple[Tensor, Tensor]:
    """The square of `side` pixels around (x, y) of an image and its label map, uint8 (3, s, s), int16 (s, s).

    Beyond the image's edges it is mirrored, and nothing is known of the classes.
    """
    height, width = labels.shape
    x0, y0 = round(centre[0] - side / 2), round(centre[1] - side / 2)
    left, top = max(0, -x0), max(0, -y0)
    right, below = max(0, x0 + side - width), max(0, y0 + side - height)
    inside = slice(max(y0, 0), min(y0 + side, height)), slice(max(x0, 0), min(x0 + side, width))
    pixels = cv2.copyMakeBorder(image[inside], top, below, left, right, cv2.BORDER_REFLECT)
    classes = cv2.copyMakeBorder(labels[inside], top, below, left, right, cv2.BORDER_CONSTANT, value=UNKNOWN)
    return torch.from_numpy(pixels).permute(2, 0, 1), torch.from_numpy(classes.reshape(side, side))


def augmented_tile(
    image: Tensor, labels: Tensor, side: int, how: Augmentation, chance: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A tile of `side` pixels from the middle of a larger window, turned, scaled, mirrored and recoloured.

    Takes and gives uint8 (3, s, s) and int16 (s, s).
    """
    pixels, classes = tv_tensors.Image(image), tv_tensors.Mask(labels)
    if (how.turn or how.scale) and chance.random() < 0.7:
        angle, scale = chance.uniform(-how.turn, how.turn), 1.0 + chance.uniform(-how.scale, how.scale)
        placed = {"angle": angle, "translate": [0, 0], "scale": scale, "shear": [0.0, 0.0]}
        pixels = F.affine(pixels, **placed, interpolation=InterpolationMode.BILINEAR)
        classes = F.affine(classes, **placed, fill=[UNKNOWN])
    pixels, classes = F.center_crop(pixels, [side, side]), F.center_crop(classes, [side, side])
    if chance.random() < 0.5:
        pixels, classes = F.horizontal_flip(pixels), F.horizontal_flip(classes)
    if how.any_way_up:
        quarters = int(chance.integers(4))
        pixels, classes = torch.rot90(pixels, quarters, (1, 2)), torch.rot90(classes, quarters, (0, 1))
    if how.colour:
        pixels = _recoloured(pixels, how.colour, chance)
    return pixels.as_subclass(Tensor).contiguous(), classes.as_subclass(Tensor).contiguous()


def _recoloured(pixels: Tensor, most: float, chance: np.random.Generator) -> Tensor:
    brighter, richer, gaudier = (1.0 + chance.uniform(-most, most) for _ in range(3))
    pixels = F.adjust_brightness(pixels, brighter)
    pixels = F.adjust_contrast(pixels, richer)
    return F.adjust_saturation(pixels, gaudier)
