import re

from labeler.core.colors import CATEGORY_COLORS, next_color, next_key, rgb


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
