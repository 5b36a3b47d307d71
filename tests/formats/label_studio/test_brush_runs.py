"""The brush's code of Label Studio: what it says is what was painted, and bad code is one sentence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labeler.core.geometry import tight, to_bits
from labeler.core.records import Mask
from labeler.formats.label_studio.brush_runs import packed_brush, painted

CODE = [0, 0, 0, 80, 57, 27, 254, 23, 0, 183, 255, 108, 2, 63, 252, 54, 0]
"""What label-studio-converter 0.0.59's mask2rle gives for PAINTED."""
PAINTED = [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]


def test_what_the_converter_writes_is_read_and_written() -> None:
    mask = painted(CODE, (4, 5))
    assert to_bits(mask, (4, 5)).tolist() == np.array(PAINTED, bool).tolist()
    assert (mask.x, mask.y) == (1, 1)
    assert packed_brush(mask, (4, 5)) == CODE


@given(st.data())
@settings(deadline=None)
def test_any_mask_comes_back(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
    bits = data.draw(arrays(np.bool_, (height, width)))
    back = painted(packed_brush(Mask(0, 0, bits), (height, width)), (height, width))
    assert np.array_equal(to_bits(back, (height, width)), bits)


def literal(values: list[int], *, word: int = 8) -> list[int]:
    """A code whose values stand one by one, as that of a brush with soft edges."""
    text = f"{len(values):032b}{word - 1:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    for start in range(0, len(values), 8):
        piece = values[start : start + 8]
        text += f"000{len(piece) - 1:03b}" + "".join(f"{value:0{word}b}" for value in piece)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


@pytest.mark.parametrize("word", [8, 9, 16])
def test_values_one_by_one_count_by_their_alpha(word: int) -> None:
    pixels = [(9, 9, 9, 0), (0, 0, 0, 1), (0, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 3), (0, 0, 0, 0)]
    mask = painted(literal([value for pixel in pixels for value in pixel], word=word), (2, 3))
    assert to_bits(mask, (2, 3)).tolist() == [[False, True, True], [False, True, False]]


def test_a_large_image_takes_no_more_than_its_painted_rows() -> None:
    size = (12_000, 16_000)
    bits = np.ones((3, 5), bool)
    code = packed_brush(Mask(7_000, 9_000, bits), size)
    mask = painted(code, size)
    assert (mask.x, mask.y, mask.width, mask.height) == (7_000, 9_000, 5, 3)
    assert tight(mask).bits.all()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ([], "ends in the middle"),
        (CODE[:9], "ends in the middle"),
        ([256], "no list of bytes"),
        (["x"], "no list of bytes"),
        ([0, 0, 0, 81, *CODE[4:]], "81 values"),
        ([255] * 40, "values"),
    ],
)
def test_bad_code_is_one_sentence(code: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        painted(code, (4, 5))


def test_a_size_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="none that can be"):
        painted(CODE, (1 << 20, 1 << 20))


def test_values_one_by_one_may_end_with_the_last_bit_and_not_after_it() -> None:
    """One pixel of four values of a bit each: 56 bits before, 4 for their number, 4 of them."""
    head = f"{4:032b}{0:05b}" + "0011" * 4 + "000" + "0011"
    whole = int(head + "1001", 2).to_bytes(8, "big")
    assert to_bits(painted(list(whole), (1, 1)), (1, 1)).tolist() == [[True]]
    with pytest.raises(ValueError, match="ends"):
        painted(list(whole[:-1]), (1, 1))
