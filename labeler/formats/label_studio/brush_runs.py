"""The run-length code of Label Studio's brushes.

The format is that of `@thi.ng/rle-pack` by Karsten Schmidt (https://github.com/thi-ng/umbrella), as
label-studio-converter reads and writes it (brush.py, Apache 2.0); this is code of our own. A stream of
bits, the highest of each byte first: 32 bits the number of values; 5 bits the bits of a value less one;
four times 4 bits the bits of a length less one; then pieces, each of 1 bit (a run, or values one by one),
2 bits which of the four sizes its length has, the length less one, and the value or the values. The
values are R, G, B and alpha of each pixel in row order; a pixel is painted where its alpha is above 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labeler.core.geometry import tight
from labeler.core.records import Mask
from labeler.core.rle import MAX_PIXELS

_CHANNELS, _ALPHA = 4, 3
_SIZES = (3, 4, 8, 16)
"""The bits of lengths that we write, as label-studio-converter does."""
_LONGEST = 1 << 16
_PAINTED = 255
_CUT = "Its brush's code ends in the middle."

_Spans = list[tuple[int, int]]


def painted(code: Sequence[int], size: tuple[int, int]) -> Mask:
    """The tight mask that a brush's code says of an image of (height, width).

    Raises ValueError, in one sentence, where it is none or of another size; memory is bounded by the rows
    that are painted.
    """
    height, width = size
    if not 0 < height * width <= MAX_PIXELS:
        raise ValueError(f"Its size {height} by {width} is none that can be.")
    spans = _spans(code, height * width * _CHANNELS)
    # the pixels whose alpha lies in a span of values
    found = [((start - _ALPHA + 3) // _CHANNELS, (end - _ALPHA + 3) // _CHANNELS) for start, end in spans]
    found = [(start, end) for start, end in found if start < end]
    if not found:
        return Mask(0, 0, np.zeros((0, 0), dtype=np.bool_))
    y0, y1 = found[0][0] // width, (found[-1][1] - 1) // width + 1
    toggles = np.zeros((y1 - y0) * width + 1, dtype=np.int8)
    edges = np.array(found, dtype=np.int64) - y0 * width
    np.add.at(toggles, edges[:, 0], 1)
    np.add.at(toggles, edges[:, 1], -1)
    bits = np.cumsum(toggles[:-1], dtype=np.int8).astype(np.bool_).reshape(y1 - y0, width)
    return tight(Mask(0, y0, bits))


def _spans(code: Sequence[int], count: int) -> _Spans:
    """Where the values are above 0: [start, end) in order, of `count` values."""
    try:
        data = bytes(code)
    except (ValueError, TypeError) as error:
        raise ValueError("Its brush's code is no list of bytes.") from error
    stream = _Stream(data)
    values, word = stream.read(32), stream.read(5) + 1
    if values != count:
        raise ValueError(f"Its brush's code has {values} values, its image {count} (4 a pixel).")
    sizes = [stream.read(4) + 1 for _ in range(4)]
    spans: _Spans = []
    place = 0
    while place < count:
        is_run = stream.read(1)
        end = place + 1 + stream.read(sizes[stream.read(2)])
        if end > count:
            raise ValueError("Its brush's code has more values than it says.")
        if not is_run:
            spans += [(place + start, place + stop) for start, stop in stream.above_zero(end - place, word)]
        elif stream.read(word):
            spans.append((place, end))
        place = end
    return spans


class _Stream:
    """Reads bits from the front; ValueError where there are no more."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data) * 8

    def read(self, count: int) -> int:
        """The number that the next `count` bits are."""
        start, end = self._at, self._at + count
        if end > self._end:
            raise ValueError(_CUT)
        self._at = end
        last = (end + 7) >> 3
        return int.from_bytes(self._data[start >> 3 : last], "big") >> (last * 8 - end) & ((1 << count) - 1)

    def above_zero(self, count: int, word: int) -> _Spans:
        """Which of the next `count` values of `word` bits are above 0."""
        start, end = self._at, self._at + count * word
        if end > self._end:
            raise ValueError(_CUT)
        self._at = end
        piece = np.frombuffer(self._data[start >> 3 : (end + 7) >> 3], dtype=np.uint8)
        bits = np.unpackbits(piece)[start & 7 :][: count * word].reshape(count, word)
        above = np.concatenate(([False], bits.any(axis=1), [False]))
        edges = np.flatnonzero(above[1:] != above[:-1])
        return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def packed_brush(mask: Mask, size: tuple[int, int]) -> list[int]:
    """The brush's code, as bytes, of a mask in an image of (height, width)."""
    height, width = size
    pieces = [f"{height * width * _CHANNELS:032b}{7:05b}", *[f"{size - 1:04b}" for size in _SIZES]]
    value = 0
    for length in _runs(mask, size).tolist():
        left = length * _CHANNELS
        while left:
            piece = min(left, _LONGEST)
            place = next(place for place, bits in enumerate(_SIZES) if piece <= 1 << bits)
            pieces.append(f"1{place:02b}{piece - 1:0{_SIZES[place]}b}{value:08b}")
            left -= piece
        value = _PAINTED - value
    text = "".join(pieces)
    text += "0" * (8 - len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _runs(mask: Mask, size: tuple[int, int]) -> NDArray[np.int64]:
    """Lengths of runs in row order of a whole image, background first."""
    height, width = size
    rows = np.zeros((mask.height, width), dtype=np.bool_)
    rows[:, mask.x : mask.x + mask.width] = mask.bits
    flat = np.concatenate(([False], rows.ravel(), [False]))
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + mask.y * width
    runs: NDArray[np.int64] = np.diff(edges, prepend=0, append=height * width)
    return runs
