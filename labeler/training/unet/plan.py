"""How large a U-Net is made, from the images, the objects on them and the memory at hand; torch-free."""

import math
import statistics
from typing import Literal

from msgspec import Struct

from labeler.training.data import LabelledSet
from labeler.training.unet.label_maps import object_sides

SMALL_TILE, LARGE_TILE = 256, 512
"""Pixels a side, on a CPU and on a GPU."""

_LEAST_SIDE = 8
"""An object of the usual size covers no more pixels than this a side at the lowest level."""
_FOR_BATCH_NORM = 4
"""Tiles from which on a batch is enough to measure means by, since each has many pixels."""
_FLOATS_A_PIXEL = 40
"""Numbers that training holds for each pixel and each channel at full size, over all levels."""
_MUCH_MEMORY = 12 << 30
"""Bytes of a GPU from which on a network of twice the width is trained."""


class UnetPlan(Struct, frozen=True, kw_only=True):
    """How to train, as it was asked for: the trainer's options by their names."""

    epochs: int
    rate: float
    patience: int = 0
    images: Literal["auto", "tiles", "resize"] = "auto"
    batch: int = 0
    """Like size, width and depth 0 for what `planned` chooses."""
    size: int = 0
    """The longest side of a tile, in pixels."""
    width: int = 0
    depth: int = 0
    seams: bool = True
    any_way_up: bool = False
    augment: bool = True
    cross_entropy: float = 1.0
    """How much this loss counts; like the three others 0 to leave it out."""
    dice: float = 1.0
    focal: float = 0.0
    boundary: float = 0.0
    class_weights: bool = False
    mixed_precision: bool = True
    encoder: str = ""
    pretrained: bool = False


class NetworkPlan(Struct, frozen=True):
    """The sizes of a network, and of what it is trained on."""

    tile: int
    """Longest side in pixels of what goes through the network at once."""
    whole: bool
    """Whether each image is scaled to fit into one tile; else tiles are cut from it at its own size."""
    batch: int
    width: int
    depth: int
    norm: str


def planned(data: LabelledSet, asked: UnetPlan, *, memory: int, gpu: bool) -> NetworkPlan:
    """The plan for the training images; what was asked for, but for 0 and "auto", is kept.

    `memory` is what the device has left, in bytes. Depth: deep enough that the lowest level sees the usual
    object as a few pixels. Width: 16 channels on a CPU, 32 on a GPU, 64 on a large one. Batch: as many as a
    third of the memory holds, 4 on a CPU and 16 on a GPU at most. Norm: over the batch from 4 tiles on, which
    learns faster than one over groups (in as many steps IoU 0.79 against 0.77 on tests/benchmarks/cells.py).
    """
    longest = max(max(image.size) for image in data.images)
    sides = [side for image in data.images for side in object_sides(image.annotations)]
    usual = statistics.median(sides) if sides else longest / 4
    tile = asked.size or (LARGE_TILE if gpu else SMALL_TILE)
    fit = asked.images
    # an object that no tile shows whole cannot be told by its form
    whole = fit == "resize" or (fit == "auto" and longest > tile and usual > tile / 2)
    if whole:
        usual *= min(1.0, tile / longest)
    depth = asked.depth or min(5, max(3, round(math.log2(max(usual, 1.0) / _LEAST_SIDE)) + 2))
    tile = _fitting(min(tile, longest), 2**depth)
    width = asked.width or (16 if not gpu else 64 if memory >= _MUCH_MEMORY else 32)
    held = tile * tile * width * _FLOATS_A_PIXEL * 4
    batch = asked.batch or max(1, min(16 if gpu else 4, memory // 3 // held))
    # the last batch may be a single tile: where that is one pixel at the lowest level it has no spread
    norm = "batch" if batch >= _FOR_BATCH_NORM and tile > 2**depth else "group"
    return NetworkPlan(tile=tile, whole=whole, batch=batch, width=width, depth=depth, norm=norm)


def _fitting(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple
