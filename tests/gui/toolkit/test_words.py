"""Words for times and for how far an image is, at the edges where they change."""

import pytest

from labeler.core.records import Image
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.status_words import STATUSES, name_of, status_mark, status_of
from labeler.gui.toolkit.words import ago, duration
from labeler.project.photos.survey import CHANGED, MISSING


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "now"),
        (44.9, "now"),
        (45, "1 min"),
        (89, "1 min"),
        (91, "2 min"),
        (3500, "58 min"),
        (3600, "1 h"),
        (5500, "2 h"),
        (86_000, "24 h"),
        (86_400, "1 d"),
        (86_400 * 1234, "1,234 d"),
    ],
)
def test_how_long_ago(seconds: float, said: str) -> None:
    assert ago(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "1 s"),
        (1.4, "1 s"),
        (1.6, "2 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (5369, "89 min"),
        (5400, "1 h 30 min"),
    ],
)
def test_how_long_it_takes(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("note", "is_reviewed", "objects", "status"),
    [
        ("", False, 0, "unlabelled"),
        ("", False, 3, "labelled"),
        ("", False, True, "labelled"),
        ("", True, 0, "reviewed"),
        # trouble goes before progress
        ("damaged: cut short", True, 3, "damaged"),
        ("cannot be read: it is a PDF", False, 0, "damaged"),
        (MISSING, True, 3, "missing"),
        (CHANGED, True, 3, "replaced"),
        # what is only told is no trouble
        ("16-bit, shown 8-bit", False, 1, "labelled"),
        ("16-bit, shown 8-bit", True, 1, "reviewed"),
    ],
)
def test_how_far_an_image_is(note: str, is_reviewed: bool, objects: int, status: str) -> None:
    assert status_of(Image(1, "a.jpg", 4, 3, is_reviewed, note=note), objects=objects) == status


def test_each_status_has_a_form_and_a_colour_and_trouble_one_of_its_own() -> None:
    marks = {status: status_mark(status) for status in STATUSES}
    assert [marks[one][0] for one in STATUSES] == ["ring", "dot", "check", "alert", "alert", "alert"]
    assert len({marks[one] for one in ("unlabelled", "labelled", "reviewed", "damaged")}) == 4
    assert marks["missing"] == marks["replaced"] == ("alert", theme.colors().bad)


@pytest.mark.parametrize(("path", "name"), [("a/b/c.jpg", "c.jpg"), ("c.jpg", "c.jpg"), ("a/", "")])
def test_the_name_of_an_image(path: str, name: str) -> None:
    assert name_of(Image(1, path, 4, 3)) == name
