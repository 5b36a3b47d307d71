"""Outlines worked on as pixels: on a grid finer than the image's, and back to few corners.

A polygon that goes through pixels of the image's own size comes back as stairs. On a grid of up to eight
steps a pixel it comes back within a quarter of a pixel, and its old corners stay exactly where they were.
One of thousands of pixels across is worked on in whole pixels, and comes back within two.
"""

from collections.abc import Callable, Sequence

import numpy as np

from labeler.core.contours import outline
from labeler.core.geometry import bounds, rasterise, resized, tight
from labeler.core.records import Box, Mask, Part, Points, Polygons, Shape

_FINEST = 8
_ROOM = 1 << 23
"""Cells of the fine grid at most, so that a huge outline costs no more than a huge mask."""
_SNAP = 2.5
"""Cells within which a corner of the result is taken for an old one."""
_PAIRS = 1 << 22
"""Corners compared with old ones at once."""


def grain(shapes: Sequence[Shape]) -> int:
    """Cells along a pixel, 8 at most, of a grid to work on these shapes; 1 where one is a mask."""
    if not shapes or any(isinstance(shape, Mask) for shape in shapes):
        return 1
    boxes = [bounds(shape) for shape in shapes]
    width = max(box.x1 for box in boxes) - min(box.x0 for box in boxes)
    height = max(box.y1 for box in boxes) - min(box.y0 for box in boxes)
    steps = _FINEST
    while steps > 1 and (width * steps + 1) * (height * steps + 1) > _ROOM:
        steps //= 2
    return steps


def fine(shape: Shape, steps: int, *, size: tuple[int, int]) -> Mask:
    """The shape on a grid of `steps` cells a pixel, clipped to an image of size (H, W); `Mask.x` in cells."""
    if steps == 1:
        return rasterise(shape, size=size)
    unit, scaled = Box(0, 0, 1, 1), Box(0, 0, steps, steps)
    return rasterise(resized(shape, unit, scaled), size=(size[0] * steps, size[1] * steps))


def coarse(mask: Mask, steps: int, *, like: Sequence[Shape]) -> Shape | None:
    """A mask of cells as a shape of the image; None where nothing is left.

    A mask where one of `like`, which it was made of, is one; else polygons with the corners of those.
    """
    mask = tight(mask)
    if not mask.bits.size:
        return None
    if any(isinstance(shape, Mask) for shape in like):
        return mask
    # a slanted edge is stairs that leave it by up to a cell and a half
    found = outline(mask, tolerance=1.5)
    old = np.concatenate([np.zeros((0, 2)), *(ring for shape in like for ring in _rings(shape))])

    def placed(ring: Points) -> Points:
        return _snapped(ring / steps, old, steps)

    parts = tuple(Part(placed(part.outer), tuple(map(placed, part.holes))) for part in found.parts)
    return Polygons(parts) if parts else None


def through_cells(
    shape: Shape, change: Callable[[Mask, int], Mask], *, size: tuple[int, int]
) -> Shape | None:
    """The shape with its cells changed by `change`, which is told how many there are along a pixel."""
    steps = grain([shape])
    return coarse(change(fine(shape, steps, size=size), steps), steps, like=[shape])


def _rings(shape: Shape) -> list[Points]:
    if isinstance(shape, Mask):
        return []
    if isinstance(shape, Box):
        return [box_ring(shape)]
    return [ring for part in shape.parts for ring in (part.outer, *part.holes)]


def box_ring(box: Box) -> Points:
    """The four corners (4, 2) of a box, from the upper left on, clockwise as seen."""
    return np.array([(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)])


def _snapped(ring: Points, old: Points, steps: int) -> Points:
    """The ring with each corner on the old one that is nearest to it, where that is within reach."""
    if not len(old) or len(ring) * len(old) > _PAIRS:
        return ring
    far = np.hypot(ring[:, None, 0] - old[None, :, 0], ring[:, None, 1] - old[None, :, 1])
    nearest = far.argmin(axis=1)
    is_near = far[np.arange(len(ring)), nearest] <= _SNAP / steps
    snapped = np.where(is_near[:, None], old[nearest], ring)
    distinct = snapped[np.any(snapped != np.roll(snapped, 1, axis=0), axis=1)]
    return distinct if len(distinct) >= 3 else ring
