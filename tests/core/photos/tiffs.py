"""TIFF files of any kind, written by hand: what other libraries refuse to write."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_TYPES = {"u": 1, "i": 2, "f": 3}


def tiff(
    values: NDArray[np.generic],
    *,
    planar: bool = False,
    photometric: int | None = None,
    deflate: bool = False,
    extra: Sequence[tuple[int, int, bytes]] = (),
    big_endian: bool = False,
) -> bytes:
    """One page of (H, W) or (H, W, bands) values; `extra` is (tag, type, packed values of 4 bytes)."""
    order = ">" if big_endian else "<"
    pixels = values if values.ndim == 3 else values[:, :, None]
    height, width, bands = pixels.shape
    stored = pixels.astype(pixels.dtype.newbyteorder(order))
    planes = [stored[:, :, band].tobytes() for band in range(bands)] if planar else [stored.tobytes()]
    planes = [zlib.compress(plane) for plane in planes] if deflate else planes
    photometric = (2 if bands >= 3 else 1) if photometric is None else photometric
    tags: list[tuple[int, int, list[int]]] = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [pixels.dtype.itemsize * 8] * bands),
        (259, 3, [8 if deflate else 1]),
        (262, 3, [photometric]),
        (273, 4, []),
        (277, 3, [bands]),
        (278, 4, [height]),
        (279, 4, [len(plane) for plane in planes]),
        (284, 3, [2 if planar else 1]),
        (339, 3, [_TYPES[pixels.dtype.kind]] * bands),
    ]
    usual = 3 if photometric == 2 else 1
    if bands > usual:
        tags.insert(-1, (338, 3, [0] * (bands - usual)))
    tags.sort()
    at = 8 + 2 + 12 * (len(tags) + len(extra)) + 4
    blob, offsets, place = b"", [], at
    for tag, kind, numbers in tags:
        count = len(planes) if tag == 273 else len(numbers)
        size = count * (2 if kind == 3 else 4)
        if size > 4:
            place += size
    for plane in planes:
        offsets.append(place)
        place += len(plane)
    entries = b""
    here = at
    for tag, kind, numbers in tags:
        stored_numbers = offsets if tag == 273 else numbers
        packed = struct.pack(f"{order}{len(stored_numbers)}{'H' if kind == 3 else 'I'}", *stored_numbers)
        head = struct.pack(f"{order}HHI", tag, kind, len(stored_numbers))
        if len(packed) <= 4:
            entries += head + packed.ljust(4, b"\0")
        else:
            entries += head + struct.pack(f"{order}I", here)
            blob += packed
            here += len(packed)
    for tag, kind, packed in extra:
        entries += struct.pack(f"{order}HHI", tag, kind, 1) + packed
    magic = b"MM\0*" if big_endian else b"II*\0"
    count = len(tags) + len(extra)
    head = magic + struct.pack(f"{order}IH", 8, count)
    return head + entries + struct.pack(f"{order}I", 0) + blob + b"".join(planes)
