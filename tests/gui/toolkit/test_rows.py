"""The words of a row."""

import pytest

from labeler.gui.toolkit.rows import text_room


@pytest.mark.parametrize(
    ("width", "quiet", "room"),
    [(100, 0, 100), (100, 60, 100), (200, 60, 142), (200, 20, 172), (100, 20, 72)],
)
def test_quiet_words_give_way_where_too_little_could_be_read_of_them(
    width: float, quiet: float, room: float
) -> None:
    """A run is "Instant 3" and not "In… 3" beside a few pixels of when it was."""
    assert text_room(width, quiet) == room
