"""Each kind of line that a YOLO label file may have."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.core.records import Box, Part, Polygons
from labeler.formats.yolo import shares, yolo_lines, yolo_settings
from labeler.formats.yolo.label_texts import some_files
from labeler.formats.yolo.shares import CUT_OFF, BadLineError
from labeler.formats.yolo.yolo_lines import (
    CONFIDENCE,
    InShares,
    KeypointShape,
    keypoints_on,
    label_line,
    pose_lengths,
    shape_on,
    split_line,
    understood,
)


def said(text: str, known: KeypointShape | None = None) -> InShares:
    line = split_line(text, {"cat": 4})
    return understood(line, pose_lengths([line], known), known)


def test_a_box_is_its_centre_and_size() -> None:
    one = said("3 0.5 0.25 0.5 0.25")
    assert (one.category, one.kind, one.told, one.repaired) == (3, "box", (), ())
    assert shape_on(one, (80, 40)) == Box(20, 5, 60, 15)


@pytest.mark.parametrize("text", ["3.0 .5 .5 .5 .5", "3,0.5,0.5,0.5,0.5", "3\t0.5 0.5  5e-1 0.5 "])
def test_other_ways_to_write_a_line(text: str) -> None:
    assert said(text) == said("3 0.5 0.5 0.5 0.5")


def test_a_class_may_be_a_name_that_is_known() -> None:
    assert said("cat 0.5 0.5 0.5 0.5").category == 4


@pytest.mark.parametrize("count", [3, 4, 7])
def test_an_outline_and_its_confidence(count: int) -> None:
    numbers = " ".join(f"{(n * 37 % 100) / 100}" for n in range(1, 2 * count + 1))
    one = said(f"0 {numbers}")
    assert one.kind == "outline"
    assert len(one.values) == 2 * count
    assert said(f"0 {numbers} 0.75") == InShares(0, "outline", one.values, told=(CONFIDENCE,))


def test_a_sixth_number_is_a_confidence() -> None:
    one = said("0 0.5 0.5 0.5 0.5 0.87")
    assert (one.kind, one.told) == ("box", (CONFIDENCE,))


def test_keypoints_are_known_by_a_data_yaml_or_by_their_twos() -> None:
    seen = said("0 0.5 0.5 0.5 0.5 0.4 0.5 2 0.6 0.5 1 0 0 0")
    assert seen.kind == "pose"
    assert keypoints_on(seen, (100, 10)) == [40, 5, 2, 60, 5, 1, 0, 0, 0]
    two = said("0 0.5 0.5 0.5 0.5 0.4 0.5 0 0 0.6 0.5", KeypointShape(3, 2))
    assert keypoints_on(two, (100, 10)) == [40, 5, 2, 0, 0, 0, 60, 5, 2]
    scored = said("0 0.5 0.5 0.5 0.5 0.4 0.5 0.91 0.2 0.5 0.1 0.8", KeypointShape(2, 3))
    assert keypoints_on(scored, (10, 10)) == [4, 5, 2, 2, 5, 0]
    assert scored.told == (CONFIDENCE,)
    assert said("0 0.5 0.5 0.5 0.5 0.4 0.5 1 0.6 0.5 1 0.1 0.2 0.3").kind == "outline"


def test_what_reaches_over_the_border_is_cut_off_and_told() -> None:
    over = said("0 0.9 0.5 0.4 0.5")
    assert over.repaired == (CUT_OFF,)
    assert shape_on(over, (10, 10)) == Box(7, 2.5, 10, 7.5)
    rounded = said("0 0.9 0.5 0.200002 0.5")
    assert rounded.repaired == ()
    assert max(rounded.values) <= 1
    assert said("0 -0.1 0 0.5 1.2 1 0").repaired == (CUT_OFF,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0", "Has 0 numbers; a box has 4, an outline 6 or more."),
        ("0 0.5 0.5", "Has 2 numbers; a box has 4, an outline 6 or more."),
        ("dog 0.5 0.5 0.5 0.5", yolo_lines.NO_CLASS),
        ("-1 0.5 0.5 0.5 0.5", yolo_lines.NO_CLASS),
        ("1.5 0.5 0.5 0.5 0.5", yolo_lines.NO_CLASS),
        ("1e300 0.5 0.5 0.5 0.5", yolo_lines.NO_CLASS),
        ("10000000 0.5 0.5 0.5 0.5", yolo_lines.NO_CLASS),
        ("nan 0.5 0.5 0.5 0.5", yolo_lines.NO_CLASS),
        ("9" * 5000 + " 0.5 0.5 0.5 0.5", yolo_lines.NO_CLASS),
        ("0 0.5 half 0.5 0.5", yolo_lines.NO_NUMBERS),
        ("0 0.5 nan 0.5 0.5", "Has a number that is not finite."),
        ("0 0.5 1e999 0.5 0.5", "Has a number that is not finite."),
        ("0 320 240 64 48", shares.NOT_SHARES),
        ("0 10 10 200 10 200 100", shares.NOT_SHARES),
        ("0 0.5 0.5 0 0.5", yolo_lines.NO_EXTENT),
        ("0 0.5 0.5 -0.5 0.5", yolo_lines.NO_EXTENT),
        ("0 1.5 0.5 0.5 0.5", yolo_lines.NO_EXTENT),
        ("0 0.5 0.5 0.5 0.5 0.5 0.5", yolo_lines.NO_EXTENT),
    ],
)
def test_a_line_that_cannot_be_taken_says_why(text: str, why: str) -> None:
    with pytest.raises(BadLineError) as error:
        said(text)
    assert str(error.value) == why


def test_lines_are_written_as_ultralytics_reads_them() -> None:
    assert label_line(2, Box(0, 0, 100, 50), (100, 100)) == "2 0.5 0.25 1 0.5"
    ring = Polygons((Part(yolo_lines.np.array([(-0.0, 0), (50, 0), (100 / 3, 100)])),))
    assert label_line(0, ring, (100, 100)) == "0 0 0 0.5 0 0.333333333 1"


WORDS = st.sampled_from(["0", "-1", "0.5", "2", "1e9", "nan", "x", "", ",", "1e-400", "٣", "0.1", "7" * 400])


@given(text=st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=20).map(" ".join)))
def test_any_line_is_an_object_inside_the_photo_or_a_sentence(text: str) -> None:
    try:
        one = said(text)
    except BadLineError:
        return
    assert all(0 <= value <= 1 for value in one.values)
    assert 0 <= one.category <= 10_000_000


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ([17, 3], KeypointShape(17, 3)),
        (["5", "2"], KeypointShape(5, 2)),
        ([1, 2], KeypointShape(1, 2)),
        ([10_000, 2], KeypointShape(10_000, 2)),
        ([10_001, 2], None),
        ([0, 3], None),
        ([17, 1], None),
        ([17, 4], None),
        ([17], None),
        ("17, 3", None),
        (None, None),
    ],
)
def test_a_shape_of_keypoints_is_believed_where_it_is_one(given: object, known: KeypointShape | None) -> None:
    assert yolo_settings._keypoint_shape(given) == known


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["cat", " big  dog "], {0: "cat", 1: "big dog"}),
        (
            {"3": "cat", "x": "dog", "-1": "cow", "1234567": "far", "12345678": "too far"},
            {3: "cat", 1234567: "far"},
        ),
        ("['cat', dog]", {0: "cat", 1: "dog"}),
        (["cat", 7, "", "dog"], {0: "cat", 3: "dog"}),
        ("  ", {}),
        (5, {}),
    ],
)
def test_names_in_each_way_that_they_are_written(given: object, names: dict[int, str]) -> None:
    assert yolo_settings._yaml_names(given) == names


@pytest.mark.parametrize("text", ["0 0.5 0.5 1 0.000001", "0 0 0.5 1e-12 0.5", "0 0.5 1 0.5 1e-12"])
def test_a_box_needs_an_extent_on_the_photo(text: str) -> None:
    one = said(text)
    x0, y0, x1, y1 = one.values
    assert x0 < x1
    assert y0 < y1


@pytest.mark.parametrize(
    "text", ["0 0.5 0 0.5 0", "0 0.5 1.25 0.5 0.5", "0 1.25 0.5 0.5 0.5", "0 -0.25 0.5 0.5 1"]
)
def test_a_box_that_only_touches_the_photo_is_none(text: str) -> None:
    with pytest.raises(BadLineError, match=yolo_lines.NO_EXTENT):
        said(text)


@pytest.mark.parametrize(
    ("word", "category"), [("1234567", 1234567), ("9999999", 9_999_999), ("1e3", 1000), ("7.0", 7)]
)
def test_how_large_the_number_of_a_class_may_be(word: str, category: int) -> None:
    assert said(f"{word} 0.5 0.5 0.5 0.5").category == category


@pytest.mark.parametrize(("most", "looks", "found"), [(2, 99, 2), (3, 99, 3), (9, 99, 5), (1, 99, 1)])
def test_some_files_are_looked_for_and_no_more(tmp_path: Path, most: int, looks: int, found: int) -> None:
    for name in ("a.txt", "b.TXT", "c.txt", "photo.jpg", "below/d.txt", "below/e.txt", ".hidden.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.name for path in some_files(tmp_path, ".txt", most=most, looks=looks)]
    assert names == ["a.txt", "b.TXT", "c.txt", "d.txt", "e.txt"][:found]
