"""Shapes as bytes, the way the project file keeps them.

All numbers are little-endian. One byte says what follows:
  B  box: 4 float64 x0, y0, x1, y1
  P  polygons: uint32 parts; per part uint32 rings (outer first); per ring uint32 points; all points
     of all rings as float64 x, y
  r, R  mask as run lengths of its crop in row order, background first, as uint16 (r) or uint32 (R)
  z  mask as zlib of its packed bits in row order; taken where runs would need more bytes
Masks begin with int32 x, y and uint32 height, width. `origin` is kept in a column of its own.
"""

import struct
import zlib

import numpy as np

from labeler.core.records import Bits, Box, Mask, Part, Points, Polygons, Shape
from labeler.errors import ProjectError

_BOX = struct.Struct("<c4d")
_MASK = struct.Struct("<c2i2I")
_FLOAT = np.dtype("<f8")
_MAX_PIXELS = 1 << 30


def encode(shape: Shape) -> bytes:
    """The bytes of a shape, without its `origin`."""
    match shape:
        case Box():
            return _BOX.pack(b"B", shape.x0, shape.y0, shape.x1, shape.y1)
        case Polygons():
            return _encode_polygons(shape)
        case Mask():
            return _encode_mask(shape)


def decode(data: bytes, origin: bytes = b"") -> Shape:
    """The shape of `encode`'s bytes; `ProjectError` where the bytes are none."""
    try:
        match data[:1]:
            case b"B":
                _, x0, y0, x1, y1 = _BOX.unpack(data)
                return Box(x0, y0, x1, y1, origin)
            case b"P":
                return _decode_polygons(data, origin)
            case b"r" | b"R" | b"z":
                return _decode_mask(data, origin)
    except (struct.error, ValueError, zlib.error) as error:
        raise ProjectError(f"A shape in the project file cannot be read ({error}).") from error
    raise ProjectError("A shape in the project file is of no kind that this version knows.")


def _encode_polygons(shape: Polygons) -> bytes:
    rings = [(part.outer, *part.holes) for part in shape.parts]
    head = [len(rings)]
    for part in rings:
        head += [len(part), *map(len, part)]
    points = [np.asarray(ring, dtype=_FLOAT).tobytes() for part in rings for ring in part]
    return b"".join((b"P", struct.pack(f"<{len(head)}I", *head), *points))


def _decode_polygons(data: bytes, origin: bytes) -> Polygons:
    at = 1

    def number() -> int:
        nonlocal at
        at += 4
        return int.from_bytes(data[at - 4 : at], "little") if at <= len(data) else _cut()

    lengths = [[number() for _ in range(number())] for _ in range(number())]
    flat = np.frombuffer(data, dtype=_FLOAT, offset=at).astype(np.float64).reshape(-1, 2)
    if len(flat) != sum(map(sum, lengths)):
        _cut()
    parts, start = [], 0
    for part in lengths:
        rings: list[Points] = []
        for length in part:
            rings.append(flat[start : start + length])
            start += length
        parts.append(Part(rings[0], tuple(rings[1:])))
    return Polygons(tuple(parts), origin)


def _cut() -> int:
    raise ValueError("it is cut short")


def _encode_mask(mask: Mask) -> bytes:
    flat = np.ascontiguousarray(mask.bits).reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first = [0] if flat.size and flat[0] else []
    counts = np.diff(np.concatenate((first, [0], edges, [flat.size])))
    wide = counts.max(initial=0) > 0xFFFF
    kind, body = (b"R", counts.astype("<u4")) if wide else (b"r", counts.astype("<u2"))
    payload = body.tobytes()
    if len(payload) > flat.size // 8:
        packed = zlib.compress(np.packbits(flat).tobytes(), 1)
        if len(packed) < len(payload):
            kind, payload = b"z", packed
    return _MASK.pack(kind, mask.x, mask.y, mask.height, mask.width) + payload


def _decode_mask(data: bytes, origin: bytes) -> Mask:
    kind, x, y, height, width = _MASK.unpack_from(data)
    size = height * width
    if size > _MAX_PIXELS:
        raise ValueError(f"a mask of {width} × {height} pixels is too large")
    flat = _inflate(data[_MASK.size :], size) if kind == b"z" else _expand(data, kind, size)
    bits = flat.reshape(height, width)
    bits.flags.writeable = False
    return Mask(x, y, bits, origin)


def _inflate(data: bytes, size: int) -> Bits:
    packed = zlib.decompressobj().decompress(data, (size + 7) // 8)
    if len(packed) != (size + 7) // 8:
        _cut()
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=size).astype(bool)


def _expand(data: bytes, kind: bytes, size: int) -> Bits:
    counts = np.frombuffer(data, dtype="<u2" if kind == b"r" else "<u4", offset=_MASK.size)
    if int(counts.sum(dtype=np.uint64)) != size:
        raise ValueError("its run lengths do not add up to its size")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts)
