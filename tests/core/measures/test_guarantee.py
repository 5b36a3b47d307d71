"""What may be accepted unseen: the arithmetic, and that the promise is kept."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.core.measures.binomial import beta_share, clopper_pearson, few_drawn
from labeler.core.measures.guarantee import Looked, Promise, TooLittle, judged, likeness, promises
from labeler.core.records import Annotation, Box, Candidate, Mask, Part, Polygons


@given(st.integers(1, 120), st.data())
def test_the_tails_are_those_of_counting(trials, data):
    hits = data.draw(st.integers(0, trials - 1))
    rate = data.draw(st.floats(0.01, 0.99))
    counted = sum(math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(hits + 1))
    assert 1 - beta_share(rate, hits + 1, trials - hits) == pytest.approx(counted, abs=1e-9)


@given(st.integers(1, 60), st.data())
def test_drawing_without_replacement(total, data):
    drawn, marked = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    hits = data.draw(st.integers(0, drawn))
    ways = sum(
        math.comb(marked, k) * math.comb(total - marked, drawn - k)
        for k in range(min(hits, marked) + 1)
        if drawn - k >= 0
    )
    assert few_drawn(hits, drawn, total, marked) == pytest.approx(ways / math.comb(total, drawn), abs=1e-9)
    assert few_drawn(0, drawn, total, total + 1) == 0.0


def test_clopper_and_pearson_as_in_the_tables():
    # 59 right ones in a row are what 5 % with 95 % confidence takes
    assert clopper_pearson(0, 59, 0.05) == (0.0, pytest.approx(1 - 0.05 ** (1 / 59), abs=1e-9))
    # Newcombe, Statistics in Medicine 17, 1998: 81 of 263, 95 % two-sided
    assert clopper_pearson(81, 263, 0.025) == pytest.approx((0.2527, 0.3676), abs=1e-4)
    assert clopper_pearson(0, 0, 0.05) == (0.0, 1.0)
    assert clopper_pearson(5, 5, 0.05)[1] == 1.0


def looked(number, *, right=True, confidence=0.9, category=1, image=None):
    """So many, each on an image of its own."""
    images = range(number) if image is None else [image] * number
    return [Looked(one, category, confidence, right) for one in images]


def waiting(number, *, confidence=0.9, category=1):
    return [Looked(10_000 + one, category, confidence) for one in range(number)]


def test_sixty_right_ones_let_a_large_set_in_and_fifty_do_not():
    (some,) = promises(looked(61), waiting(100_000))
    assert (type(some), some.accepted, some.looked, some.wrong) == (Promise, 100_000, 61, 0)
    assert some.low == 0.0 < some.high <= 0.05
    (none,) = promises(looked(50), waiting(100_000))
    assert isinstance(none, TooLittle)
    assert 9 <= none.more <= 11
    (some,) = promises(looked(50 + none.more), waiting(100_000))
    assert isinstance(some, Promise)


def test_nothing_looked_at_says_how_much_that_takes():
    (none,) = promises([], waiting(100_000))
    assert (none.looked, none.more, none.is_hopeless) == (0, 59, False)
    # so few wait that looking at all of them is as quick
    assert promises([], waiting(15))[0].more is None
    assert promises([], []) == [TooLittle(0, 0, 0, 0, None)]


def test_the_threshold_lies_where_wrong_ones_begin():
    sure = [*looked(200, confidence=0.9), *looked(40, confidence=0.4, right=False)]
    (some,) = promises(sure, [*waiting(500, confidence=0.95), *waiting(300, confidence=0.5)])
    assert (some.accepted, some.waiting, some.confidence) == (500, 800, 0.9)


def test_a_model_that_is_wrong_everywhere_is_hopeless():
    bad = [Looked(one, 1, 0.5 + one / 1000, one % 4 != 0) for one in range(300)]
    (none,) = promises(bad, waiting(1000))
    assert (none.more, none.is_hopeless) == (None, True)


def test_predictions_of_one_image_count_for_less_where_they_are_wrong_together():
    # 10 on each of 30 images; in one scene all are wrong
    alone = [Looked(n % 30, 1, 0.9, n >= 4) for n in range(300)]
    together = [Looked(n // 10, 1, 0.9, n >= 4) for n in range(300)]
    assert isinstance(promises(alone, waiting(10_000))[0], Promise)
    assert isinstance(promises(together, waiting(10_000))[0], TooLittle)


def test_each_category_has_a_promise_of_its_own():
    seen = [*looked(100, category=1), *looked(20, category=2)]
    found = promises(seen, [*waiting(50, category=2), *waiting(5000, category=1)], by_category=True)
    assert [(type(one), one.category_id, one.waiting) for one in found] == [
        (Promise, 1, 5000),
        (TooLittle, 2, 50),
    ]


def test_equal_confidences_go_together():
    """A threshold takes all that have its confidence, so all of them are looked at together."""
    seen = [*looked(100, confidence=0.9), *looked(100, confidence=0.9, right=False)]
    assert isinstance(promises(seen, waiting(1000))[0], TooLittle)


def test_the_most_uncertain_images_first_are_no_fair_sample():
    rng = np.random.default_rng(1)
    all_ones = [Looked(n // 4, 1, float(c), True) for n, c in enumerate(rng.uniform(0.3, 1, 400))]
    by_lot = set(rng.permutation(100)[:30].tolist())
    mean = {
        image: np.mean([one.confidence for one in all_ones if one.image_id == image]) for image in range(100)
    }
    least_sure = set(sorted(mean, key=mean.get)[:30])

    def sides(chosen):
        return [one for one in all_ones if one.image_id in chosen], [
            one for one in all_ones if one.image_id not in chosen
        ]

    assert likeness(*sides(by_lot)) > 0.01
    assert likeness(*sides(least_sure)) < 1e-6
    assert likeness(*sides({1, 2})) == 1.0
    assert likeness(looked(5), waiting(5)) == 1.0


def test_right_is_what_stands_for_an_object_of_its_category():
    def box(x):
        return Box(x, 0, x + 20, 20)

    found = [Candidate(n, 1, 1, 1, box(40 * n), 0.9, "a") for n in range(5)]
    labels = [
        Annotation(1, 1, 1, box(0), prediction_id=0),  # accepted
        Annotation(2, 1, 1, box(45)),  # drawn anew, IoU 0.6
        Annotation(3, 1, 2, box(80), prediction_id=2),  # renamed
        Annotation(4, 1, 1, Box(120, 0, 126, 20), prediction_id=3),  # cut to a third
    ]
    seen = judged(1, labels, found, size=(100, 300))
    assert [one.is_right for one in seen] == [True, True, False, False, False]
    strict = judged(1, labels, found, size=(100, 300), least=0.75)
    assert [one.is_right for one in strict] == [True, False, False, False, False]


def test_a_box_is_right_by_the_box_of_an_outline():
    corner = Polygons((Part(np.array([(0.0, 0.0), (20.0, 0.0), (0.0, 20.0)])),))  # half of its box
    found = [Candidate(7, 1, 1, 1, Box(0, 0, 18, 18), 0.9, "a")]
    assert judged(1, [Annotation(1, 1, 1, corner)], found, size=(30, 30))[0].is_right
    bits = np.ones((18, 18), bool)
    masks = [Candidate(7, 1, 1, 1, Mask(0, 0, bits), 0.9, "a")]
    assert judged(1, [Annotation(1, 1, 1, corner)], masks, size=(30, 30), least=0.7)[0].is_right is False


@pytest.mark.parametrize(("spread", "each"), [(0.0, 6), (1.5, 14)])
def test_the_promise_is_kept_in_nineteen_of_twenty_draws(spread, each):
    """Worlds in which images differ (`spread`, of the logit of being wrong), a third of each looked at.

    In the second one it is broken in one of eight draws if the images are not minded.
    """
    rng = np.random.default_rng(5)
    broken = offered = 0
    for _ in range(100):
        image = np.repeat(np.arange(120), rng.poisson(each, 120) + 1)
        confidence = 0.25 + 0.75 * rng.beta(3, 1, len(image))
        logit = 1.5 - 8 * (confidence - 0.25) + rng.normal(0, spread, 120)[image]
        wrong = rng.random(len(image)) < 1 / (1 + np.exp(-logit))
        every = [Looked(int(i), 1, float(c), not w) for i, c, w in zip(image, confidence, wrong, strict=True)]
        chosen = set(rng.permutation(120)[:40].tolist())
        rest = [one for one in every if one.image_id not in chosen]
        (found,) = promises([one for one in every if one.image_id in chosen], rest, allowed=0.1)
        if isinstance(found, Promise):
            offered += 1
            taken = [one for one in rest if one.confidence >= found.confidence]
            broken += sum(not one.is_right for one in taken) > 0.1 * len(taken)
    assert offered >= 30
    assert broken <= 5
