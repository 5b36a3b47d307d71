"""The arithmetic of the simulated person: acts, seconds, ways through predictions, the confidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.core.geometry import from_bits, rasterise, to_bits
from labeler.core.records import Box, Mask, Part, Polygons, Prompt, Proposal
from labeler.evaluation.effort.act_counts import NOTHING, Acts, Pace
from labeler.evaluation.effort.effort_curve import ImageEffort, each, table, told
from labeler.evaluation.effort.prediction_review import Scene, reviewed, without_predictions
from labeler.evaluation.effort.simulated_person import (
    Goal,
    Person,
    by_hand,
    category_acts,
    corrected,
    overlaps,
)
from labeler.evaluation.effort.threshold_habit import Choice, change_acts, chosen
from labeler.models.protocols import Embedding

SIZE = (80, 100)
PACE = Pace()

numbers = st.integers(0, 50)
acts = st.builds(Acts, numbers, numbers, numbers, numbers)
seconds = st.floats(0, 10)
paces = st.builds(Pace, seconds, seconds, seconds, seconds)


@given(acts, acts, acts, paces)
def test_acts_add_up_and_so_do_their_seconds(a, b, c, pace):
    assert a + NOTHING == a
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert (a + b).actions == a.actions + b.actions
    assert np.isclose(pace.seconds(a + b), pace.seconds(a) + pace.seconds(b))


def test_seconds_are_those_of_the_keystroke_level_model():
    assert np.isclose(PACE.seconds(Acts(clicks=1)), 1.1 + 2 * 0.1)
    assert np.isclose(PACE.seconds(Acts(strokes=1)), 2 * 1.1 + 2 * 0.1)
    assert np.isclose(PACE.seconds(Acts(2, 3, 1, 2)), 2 * 1.3 + 3 * 0.28 + 2.4 + 2 * 1.35)


@st.composite
def scenes(draw) -> Scene:
    """Up to 4 objects and 5 predictions of any quality."""
    objects, predictions = draw(st.integers(0, 4)), draw(st.integers(0, 5))
    names = st.sampled_from(["cat", "dog"])
    quality = st.sampled_from([0.0, 0.3, 0.7, 0.9])
    table = [[draw(quality) for _ in range(objects)] for _ in range(predictions)]
    brushed = draw(st.one_of(st.none(), st.builds(Acts, clicks=st.just(1), keys=st.just(2), strokes=numbers)))
    return Scene(
        names=tuple(draw(names) for _ in range(objects)),
        targets=(0.85,) * objects,
        by_sam=tuple(draw(st.builds(Acts, clicks=st.integers(2, 20))) for _ in range(objects)),
        are_boxes=tuple(draw(st.booleans()) for _ in range(objects)),
        overlaps=np.array(table, dtype=np.float64).reshape(predictions, objects),
        confidences=tuple(draw(st.floats(0, 1)) for _ in range(predictions)),
        labels=tuple(draw(names) for _ in range(predictions)),
        correction=lambda *_: brushed,
    )


@given(scenes(), st.floats(0, 1), paces)
def test_predictions_cost_at_most_a_look(scene, least, pace):
    """They may always be left alone, and what is kept, corrected and shown is counted once."""
    alone = without_predictions(scene)
    review = reviewed(scene, least, pace)
    assert pace.seconds(review.acts) <= pace.seconds(alone + Acts(looks=1)) + 1e-9
    assert review.shown == sum(one >= least for one in scene.confidences)
    assert review.unchanged + review.corrected <= min(review.shown, len(scene.names))
    if not review.shown:
        assert review.acts == alone


def scene_of(overlap, labels=None, correction=None, *, is_box=False) -> Scene:
    """Objects of one category that cost five clicks each, and predictions of it."""
    matrix = np.array(overlap, dtype=np.float64)
    return Scene(
        names=("cat",) * matrix.shape[1],
        targets=(0.85,) * matrix.shape[1],
        by_sam=(Acts(clicks=5, looks=1),) * matrix.shape[1],
        are_boxes=(is_box,) * matrix.shape[1],
        overlaps=matrix,
        confidences=(0.9,) * len(matrix),
        labels=labels or ("cat",) * len(matrix),
        correction=lambda *_: correction,
    )


def test_all_that_is_right_is_accepted_by_one_key():
    review = reviewed(scene_of(np.eye(4) * 0.9), 0.5, PACE)
    assert (review.acts, review.way) == (Acts(keys=1, looks=4), "all at once")
    assert (review.shown, review.unchanged, review.corrected) == (4, 4, 0)


def test_few_right_ones_among_wrong_ones_are_picked_out():
    matrix = np.zeros((30, 1))
    matrix[0] = 0.9
    pace = Pace(look=0.0)
    review = reviewed(scene_of(matrix), 0.5, pace)
    # a digit over it, between V and back
    assert (review.acts, review.way) == (Acts(clicks=1, keys=2, looks=30), "picked out")


def test_few_wrong_ones_among_right_ones_are_rejected_by_a_click_each():
    matrix = np.vstack([np.eye(9) * 0.9, np.zeros((1, 9))])
    review = reviewed(scene_of(matrix), 0.5, PACE)
    assert (review.acts, review.way) == (Acts(clicks=1, keys=1, looks=10), "all at once")


def test_wrong_predictions_are_left_alone():
    review = reviewed(scene_of([[0.1], [0.2]]), 0.5, PACE)
    assert (review.acts, review.way) == (Acts(clicks=5, looks=2), "")


def test_a_fair_one_is_corrected_where_that_is_quicker_and_a_wrong_name_costs_a_digit_at_most():
    brushed = Acts(clicks=1, keys=2, strokes=1, looks=1)
    assert reviewed(scene_of([[0.7]], correction=brushed), 0.5, PACE).corrected == 1
    many = Acts(clicks=1, keys=2, strokes=9, looks=1)
    assert reviewed(scene_of([[0.7]], correction=many), 0.5, PACE).corrected == 0
    right = reviewed(scene_of([[0.9]]), 0.5, PACE)
    wrong = reviewed(scene_of([[0.9]], labels=("dog",)), 0.5, PACE)
    assert wrong.unchanged == right.unchanged == 1
    # in the review a digit takes the place of Enter
    assert (wrong.acts, wrong.way) == (Acts(keys=1, looks=1), "one by one")
    assert right.acts == wrong.acts
    many = np.eye(30) * 0.9
    one_wrong = reviewed(scene_of(many, labels=("dog", *["cat"] * 29)), 0.5, PACE)
    assert (one_wrong.acts, one_wrong.way) == (Acts(clicks=1, keys=3, looks=30), "all at once")


def test_a_box_is_corrected_by_its_edge_which_accepts_it_between_select_and_back():
    dragged = Acts(strokes=1, looks=1)
    review = reviewed(scene_of([[0.7]], correction=dragged, is_box=True), 0.5, PACE)
    assert (review.acts, review.corrected) == (Acts(keys=2, strokes=1, looks=2), 1)


def test_the_choice_is_what_saved_most_before_and_stays_where_nothing_is_better():
    now = Choice(0, 0.25)
    assert chosen([], now, [0, 1]) == now
    assert chosen([], Choice(0), [1]) == Choice(1)
    assert chosen([{}], now, []) == now
    better = {Choice(0, 0.25): 2.0, Choice(1, 0.5): 3.0}
    assert chosen([better], now, [0, 1]) == Choice(1, 0.5)
    assert chosen([better], now, [0]) == now, "a model that predicted nothing here cannot be chosen"
    assert chosen([{Choice(0, 0.25): 2.0, Choice(1, 0.5): 2.0}], now, [0, 1]) == now
    assert change_acts(now, Choice(1, 0.5)) == Acts(clicks=2)
    assert change_acts(now, Choice(0, 0.5)) == NOTHING, "the window moves the threshold by itself"
    assert change_acts(now, now) == NOTHING


def square(x: float, y: float, side: float) -> Mask:
    ring = np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], dtype=np.float64)
    return rasterise(Polygons((Part(ring),)), size=SIZE)


def band(x0: float, x1: float) -> Mask:
    """An upright part of `square(10, 10, 40)`."""
    return rasterise(Box(x0, 10, x1, 50), size=SIZE)


def test_by_hand_a_square_has_four_corners_and_an_end_and_a_box_two_clicks():
    assert by_hand(Goal("cat", square(10, 10, 40)), SIZE) == Acts(clicks=5, looks=1)
    assert by_hand(Goal("cat", Box(1, 2, 30, 40)), SIZE) == Acts(clicks=2, looks=1)
    assert category_acts(["cat", "cat", "dog", "cat"]) == Acts(keys=2)


def test_overlaps_are_of_boxes_where_the_truth_is_one():
    mask = square(10, 10, 20)
    found = overlaps([mask, Box(10, 10, 30, 20)], [Goal("cat", Box(10, 10, 30, 30)), Goal("cat", mask)], SIZE)
    assert found.tolist() == [[1.0, 1.0], [0.5, 0.5]]


class Offers:
    """A segmenter that offers masks in turn, one more exact after each click."""

    def __init__(self, *offers: Mask) -> None:
        self._offers = list(offers)

    def embed(self, image, **_):
        raise AssertionError("it is embedded")

    def segment(self, embedding: Embedding, prompt: Prompt, *, threads: int = 0, limit: int = 3):
        mask = self._offers[min(len(prompt.points), len(self._offers) - 1)]
        return (Proposal(mask, 0.9, np.zeros((2, 2), dtype=np.float32)),)


def test_by_sam_each_step_is_counted():
    goal = Goal("cat", square(10, 10, 40))
    at_once = Person(Offers(goal.shape), Embedding({}, SIZE)).by_sam(goal)
    assert at_once == Acts(clicks=2, keys=1, looks=2)
    half = band(20, 40)  # two strokes would be needed
    clicked = Person(Offers(half, goal.shape), Embedding({}, SIZE)).by_sam(goal)
    assert clicked == Acts(clicks=3, keys=1, looks=3)
    box = Person(Offers(half), Embedding({}, SIZE)).by_sam(Goal("cat", Box(1, 1, 9, 9)))
    assert box == Acts(clicks=2, looks=1)


def test_what_clicks_do_not_mend_is_brushed_or_outlined():
    goal = Goal("cat", square(10, 10, 40))
    person = Person(Offers(band(20, 40)), Embedding({}, SIZE))
    # box, three clicks that change nothing, Ctrl, two strokes of which the first accepts
    assert person.by_sam(goal) == Acts(clicks=5, keys=1, strokes=2, looks=6)
    assert person.correction(band(20, 40), goal) == Acts(keys=1, strokes=2, looks=1)
    nothing = Person(Offers(Mask(0, 0, np.zeros((0, 0), dtype=bool))), Embedding({}, SIZE)).by_sam(goal)
    assert PACE.seconds(nothing) <= PACE.seconds(Acts(clicks=10, keys=3, looks=6))


def test_where_one_stroke_mends_it_no_click_is_tried():
    goal = Goal("cat", square(10, 10, 40))
    person = Person(Offers(square(10, 10, 30)), Embedding({}, SIZE))
    assert person.by_sam(goal) == Acts(clicks=2, keys=1, strokes=1, looks=3)


def test_a_part_that_lies_apart_takes_the_brush_for_a_stroke_of_ones_own():
    near, far = square(10, 10, 20), square(10, 40, 20)
    goal = Goal("cat", from_bits(to_bits(near, SIZE) | to_bits(far, SIZE)))
    person = Person(Offers(near), Embedding({}, SIZE))
    # V, a click selects it, Enter, B, W
    assert person.correction(near, goal) == Acts(clicks=1, keys=4, strokes=1, looks=1)
    # three clicks that change nothing; Enter, B, W
    assert person.by_sam(goal) == Acts(clicks=5, keys=3, strokes=1, looks=6)


@pytest.mark.parametrize(
    ("shown", "strokes"),
    [
        ((10, 10, 50, 40), 1),  # an edge is off
        ((14, 14, 50, 50), 1),  # a corner
        ((16, 10, 56, 50), 1),  # two edges across, of which one is enough
        ((20, 20, 60, 60), 2),
    ],
)
def test_a_predicted_box_takes_a_drag_or_two(shown, strokes):
    found = corrected(Box(*shown), Goal("cat", Box(10, 10, 50, 50)), SIZE, box_target=0.8)
    assert found == Acts(strokes=strokes, looks=1)
    assert corrected(square(12, 12, 30), Goal("cat", Box(10, 10, 50, 50)), SIZE) is None, "it has no edges"


def test_numbers_and_table_of_a_curve():
    one = ImageEffort("a.jpg", 2, Acts(clicks=20), Acts(clicks=6), Acts(clicks=2), "YOLO", 0.25, 3, 2, 0)
    none = ImageEffort("b.jpg", 0, NOTHING, NOTHING, NOTHING)
    answer = told([one, none], Pace(click=2.0))
    assert answer["actions_per_object"] == {"polygons": 10.0, "sam": 3.0, "with_predictions": 1.0}
    assert answer["seconds_per_object"] == {"polygons": 20.0, "sam": 6.0, "with_predictions": 2.0}
    assert answer["by_image"][0]["predictions"] == {"shown": 3, "unchanged": 2, "corrected": 0}
    assert answer["by_image"][1]["actions_per_object"] == dict.fromkeys(
        ("polygons", "sam", "with_predictions")
    )
    assert each([], PACE.seconds)["sam"] is None
    lines = table([one, none], Pace(click=2.0)).splitlines()
    assert lines[1].split() == ["by", "hand", "10.0", "20.0"]
    assert lines[-1].split() == ["2", "–", "–", "–"]
