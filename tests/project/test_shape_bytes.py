"""The bytes of shapes as they are written down: a project of any version of before must be read."""

import struct
import zlib

import numpy as np
import pytest

from labeler.core.records import Box, Mask, Part, Polygons, Shape
from labeler.errors import ProjectError
from labeler.project import shape_bytes

SQUARE = [(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)]
HOLE = [(2.0, 2.0), (4.0, 2.0), (4.0, 4.0)]
BAR = [(20.5, 1.25), (30.0, 1.0), (30.0, 2.0)]


def floats(*points: tuple[float, float]) -> bytes:
    return b"".join(struct.pack("<2d", *point) for point in points)


def whole_numbers(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def mask(kind: bytes, corner: tuple[int, int], size: tuple[int, int], payload: bytes) -> bytes:
    """A mask of (height, width) whose crop begins at (x, y)."""
    return kind + struct.pack("<2i2I", *corner, *size) + payload


CHEQUERED = np.indices((40, 40)).sum(0) % 2 == 0
WRITTEN: list[tuple[Shape, bytes]] = [
    (Box(1.5, -2.0, 3.25, 4.0), b"B" + struct.pack("<4d", 1.5, -2.0, 3.25, 4.0)),
    (Polygons((Part(np.array(BAR)),)), b"P" + whole_numbers(1, 1, 3) + floats(*BAR)),
    (
        Polygons((Part(np.array(SQUARE), (np.array(HOLE),)), Part(np.array(BAR)))),
        b"P" + whole_numbers(2, 2, 4, 3, 1, 3) + floats(*SQUARE, *HOLE, *BAR),
    ),
    (Polygons(()), b"P" + whole_numbers(0)),
    # background first, though there be none of it
    (
        Mask(-3, 5, np.array([[1, 1, 0], [0, 1, 1]], bool)),
        mask(b"r", (-3, 5), (2, 3), struct.pack("<4H", 0, 2, 2, 2)),
    ),
    (Mask(7, 8, np.array([[0, 1]], bool)), mask(b"r", (7, 8), (1, 2), struct.pack("<2H", 1, 1))),
    (Mask(0, 0, np.ones((2, 40_000), bool)), mask(b"R", (0, 0), (2, 40_000), struct.pack("<2I", 0, 80_000))),
]


@pytest.mark.parametrize(("shape", "data"), WRITTEN)
def test_the_bytes_of_a_shape(shape: Shape, data: bytes) -> None:
    assert shape_bytes.encode(shape) == data
    assert shape_bytes.decode(data) == shape
    assert shape_bytes.decode(data, b"drawn").origin == b"drawn"


def test_a_mask_of_many_short_runs_is_packed() -> None:
    data = shape_bytes.encode(Mask(1, 2, CHEQUERED))
    head = mask(b"z", (1, 2), (40, 40), b"")
    assert data[: len(head)] == head
    assert zlib.decompress(data[len(head) :]) == np.packbits(CHEQUERED).tobytes()
    assert shape_bytes.decode(data) == Mask(1, 2, CHEQUERED)
    assert len(data) < len(head) + 2 * 40 * 40  # as runs


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "of no kind"),
        (b"X" + bytes(40), "of no kind"),
        (WRITTEN[0][1][:-1], "unpack requires"),
        (WRITTEN[2][1][:-16], "it is cut short"),
        (WRITTEN[2][1] + floats((1, 1)), "it is cut short"),
        (b"P" + whole_numbers(1, 1, 2**31), "it is cut short"),
        (b"P" + whole_numbers(2**32 - 1), "it is cut short"),
        (mask(b"r", (0, 0), (2, 3), struct.pack("<2H", 1, 4)), "do not add up"),
        (mask(b"r", (0, 0), (2, 3), struct.pack("<2H", 1, 6)), "do not add up"),
        (mask(b"R", (0, 0), (1, 2), struct.pack("<3I", 1, 2**31, 2**31)), "do not add up"),
        (mask(b"r", (0, 0), (40_000, 40_000), b""), "is too large"),
        (mask(b"z", (0, 0), (40, 40), zlib.compress(bytes(199))), "it is cut short"),
        (mask(b"z", (0, 0), (40, 40), b"no zlib"), "incorrect header"),
        (b"r" + bytes(9), "unpack_from requires"),
    ],
)
def test_what_is_no_shape_is_one_sentence(data: bytes, why: str) -> None:
    with pytest.raises(ProjectError, match=why) as error:
        shape_bytes.decode(data)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("A shape in the project file")


def test_a_mask_that_was_read_cannot_be_drawn_on() -> None:
    found = shape_bytes.decode(WRITTEN[4][1])
    assert isinstance(found, Mask)
    with pytest.raises(ValueError, match="read-only"):
        found.bits[0, 0] = False
