import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.core.colors import CATEGORY_COLORS, Palette, next_color, next_key, rgb


def test_twenty_different_colours() -> None:
    assert len(set(CATEGORY_COLORS)) == 20
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in CATEGORY_COLORS)


def test_the_next_colour_is_the_first_that_is_used_least() -> None:
    assert next_color([]) == CATEGORY_COLORS[0]
    assert next_color(CATEGORY_COLORS[:3]) == CATEGORY_COLORS[3]
    assert next_color([CATEGORY_COLORS[0].upper(), "#123456"]) == CATEGORY_COLORS[1]
    assert next_color([*CATEGORY_COLORS, CATEGORY_COLORS[0]]) == CATEGORY_COLORS[1]


def test_keys_run_from_one_to_nine_then_zero_then_none() -> None:
    used: list[str] = []
    for _ in range(10):
        used.append(next_key(used))
    assert "".join(used) == "1234567890"
    assert next_key(used) == ""
    assert next_key(["1", "3", ""]) == "2"


def test_rgb_of_a_colour() -> None:
    assert rgb("#ff8001") == (255, 128, 1)


@given(st.lists(st.sampled_from([*CATEGORY_COLORS[:4], CATEGORY_COLORS[0].upper(), "#123456"]), max_size=60))
def test_a_palette_gives_what_counting_anew_would(used: list[str]) -> None:
    palette, seen = Palette(used), list(used)
    for _ in range(30):
        seen.append(palette.next())
        assert seen[-1] == next_color(seen[:-1])


@pytest.mark.parametrize("color", [CATEGORY_COLORS[3], "#123456"])
def test_a_colour_is_taken_once_in_upper_or_lower_case(color: str) -> None:
    palette = Palette()
    assert palette.take(color.upper())
    assert not palette.take(color)
    assert not Palette([color.upper()]).take(color)
    given = [palette.next() for _ in range(2 * len(CATEGORY_COLORS) - 1)]
    assert Counter(given)[color] == (1 if color in CATEGORY_COLORS else 0), "it is used once already"
    assert not palette.take(given[0]), "what was given out is taken too"
