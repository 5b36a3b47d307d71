"""Run-length encoding of masks as COCO writes it, with bounds checks of its own.

Counts are lengths of alternating runs of background and foreground in column-major order (down each
column, then the next), the first run being background and possibly 0 long. The compressed form is a
string of 5-bit groups with a sign bit, the counts from the fourth on as the difference to the count two
places before (format: cocodataset/cocoapi, common/maskApi.c, rleToString).

Nothing here trusts its input: what does not describe exactly `height * width` pixels raises ValueError.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labeler.core.records import Bits, Mask

MAX_PIXELS = 1 << 28
"""The largest image that is decoded, in pixels."""

_GROUP_BITS = 5
_MORE = 0x20
_SIGN = 0x10
_FIRST_CHARACTER = 48
_MAX_GROUPS = 7
"""Groups of one number: 35 bits hold every difference of two counts of MAX_PIXELS."""


def encode(bits: Bits) -> list[int]:
    """Counts of a whole (H, W) bool image, column-major, as pycocotools gives them.

    An image without pixels is [0].
    """
    height, width = bits.shape
    return mask_to_rle(Mask(0, 0, bits), (height, width))


def mask_to_rle(mask: Mask, size: tuple[int, int]) -> list[int]:
    """Counts of `mask` in an image of size (H, W), worked out from its crop alone.

    Parts of the crop outside the image are left out.
    """
    height, width = size
    x0, y0 = max(mask.x, 0), max(mask.y, 0)
    x1, y1 = min(mask.x + mask.width, width), min(mask.y + mask.height, height)
    pixels = height * width
    if x0 >= x1 or y0 >= y1:
        return [pixels]
    bits = mask.bits[y0 - mask.y : y1 - mask.y, x0 - mask.x : x1 - mask.x]
    toggles = _toggles(bits, x0, y0, height)
    runs: list[int] = np.diff(toggles, prepend=0, append=pixels).tolist()
    if len(runs) > 1 and runs[-1] == 0:
        runs.pop()  # the foreground reaches the last pixel
    return runs


def _toggles(bits: Bits, x: int, y: int, height: int) -> NDArray[np.int64]:
    """Ascending column-major positions, in the whole image, where the mask's value changes."""
    rows, columns = bits.shape
    changes = np.empty((rows + 1, columns), dtype=np.bool_)
    changes[0] = bits[0]
    changes[rows] = bits[rows - 1]
    np.not_equal(bits[1:], bits[:-1], out=changes[1:rows])
    row, column = np.divmod(np.flatnonzero(changes), columns)
    positions: NDArray[np.int64] = (column + x) * height + (row + y)
    positions.sort()
    if rows == height:
        # foreground that runs from one column's foot into the next one's head is one run
        same = positions[1:] == positions[:-1]
        keep = np.ones(len(positions), dtype=np.bool_)
        keep[1:] &= ~same
        keep[:-1] &= ~same
        positions = positions[keep]
    return positions


def decode(counts: Sequence[int], size: tuple[int, int]) -> Bits:
    """The bool image (H, W), C-contiguous, that `counts` describe.

    Raises ValueError, in one sentence, unless the counts are whole numbers of at least 0 that sum up to
    exactly H * W, no more of them than H * W + 1, and H * W at most `MAX_PIXELS`.
    """
    height, width = size
    runs = _checked(counts, size)
    return np.ascontiguousarray(_unrolled(runs).reshape(width, height).T)


def rle_to_mask(counts: Sequence[int], size: tuple[int, int]) -> Mask:
    """The tight mask that `counts` describe in an image of size (H, W); checked as `decode` does.

    Only the columns that hold foreground are unrolled.
    """
    height, _ = size
    runs = _checked(counts, size)
    edges = np.cumsum(runs)
    starts, lengths = edges[:-1:2], runs[1::2]
    filled = lengths > 0
    if not filled.any():
        return Mask(0, 0, np.zeros((0, 0), dtype=np.bool_))
    starts, ends = starts[filled], starts[filled] + lengths[filled]
    x0, x1 = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    window = np.clip(edges, x0 * height, x1 * height) - x0 * height
    columns = _unrolled(np.diff(window, prepend=0, append=(x1 - x0) * height)).reshape(x1 - x0, height)
    y0, y1 = 0, height
    if np.array_equal(starts // height, (ends - 1) // height):
        y0, y1 = int((starts % height).min()), int(((ends - 1) % height).max()) + 1
    return Mask(x0, y0, np.ascontiguousarray(columns[:, y0:y1].T))


def _checked(counts: Sequence[int], size: tuple[int, int]) -> NDArray[np.int64]:
    height, width = size
    if height < 0 or width < 0:
        raise ValueError(f"The mask's size {height} by {width} is negative.")
    pixels = height * width
    if pixels > MAX_PIXELS:
        raise ValueError(f"The mask's size {height} by {width} is over the limit of {MAX_PIXELS} pixels.")
    if len(counts) > pixels + 1:
        raise ValueError(f"The mask has {len(counts)} runs, more than its {pixels} pixels allow.")
    # the first question is answered without a line of Python a run, and is nearly always enough
    is_whole = set(map(type, counts)) <= {int} or all(isinstance(count, int | np.integer) for count in counts)
    if not is_whole or (len(counts) and not 0 <= min(counts) <= max(counts) <= pixels):
        raise ValueError(f"The mask's run lengths are not all whole numbers from 0 to {pixels}.")
    runs = np.array(counts, dtype=np.int64)
    total = int(runs.sum())
    if total != pixels:
        raise ValueError(f"The mask's runs cover {total} pixels, its size {height} by {width} has {pixels}.")
    return runs


def _unrolled(runs: NDArray[np.int64]) -> Bits:
    """The flat bits of runs that alternate, background first."""
    values = np.zeros(len(runs), dtype=np.bool_)
    values[1::2] = True
    return np.repeat(values, runs)


def compress(counts: Sequence[int]) -> bytes:
    """The compressed string (ASCII) of `counts`, byte-identical to what pycocotools writes."""
    numbers = np.array(counts, dtype=np.int64)
    deltas = numbers.copy()
    deltas[3:] -= numbers[1:-2]
    groups = np.ones(len(deltas), dtype=np.int64)
    for count in range(1, _MAX_GROUPS):
        limit = 1 << (_GROUP_BITS * count - 1)
        groups += (deltas < -limit) | (deltas >= limit)
    places = np.arange(_MAX_GROUPS)
    values = (deltas[:, None] >> (_GROUP_BITS * places)) & 0x1F
    values |= np.where(places < groups[:, None] - 1, _MORE, 0)
    text: bytes = (values[places < groups[:, None]] + _FIRST_CHARACTER).astype(np.uint8).tobytes()
    return text


def decompress(text: bytes | str) -> list[int]:
    """The counts that a compressed string holds; b"" gives [].

    Raises ValueError, in one sentence, for characters outside the code, a number that is cut off or too
    long, and a negative count.
    """
    if isinstance(text, str):
        text = text.encode("utf-8", "replace")
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - _FIRST_CHARACTER
    if not len(codes):
        return []
    outside = np.flatnonzero((codes < 0) | (codes > 0x3F))
    if len(outside):
        raise ValueError(f"The mask's run-length text has a character outside its code at {outside[0]}.")
    if codes[-1] & _MORE:
        raise ValueError("The mask's run-length text ends in the middle of a number.")
    ends = np.flatnonzero((codes & _MORE) == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _MAX_GROUPS:
        raise ValueError("The mask's run-length text has a number that is too long for any image.")
    places = np.arange(len(codes)) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((codes & 0x1F) << (_GROUP_BITS * places), starts)
    numbers -= np.where(codes[ends] & _SIGN, np.int64(1) << (_GROUP_BITS * lengths), 0)
    # each count from the fourth on is stored as the difference to the one two places before
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    if numbers.min() < 0:
        raise ValueError("The mask's run-length text has a negative run.")
    counts: list[int] = numbers.tolist()
    return counts
