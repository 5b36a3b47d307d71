import pytest

from labeler.core.records import Annotation, Box
from labeler.gui.labelling.object_order import SORTINGS, arranged

NAMES = {1: "dog", 2: "Ant", 3: "dog", 4: "cat"}
SIDES = {1: 10, 2: 40, 3: 20, 4: 30}
CONFIDENCE = {2: 0.9, 4: 0.3}
AGREEMENT = {1: 0.0, 3: 0.8}
OBJECTS = [Annotation(key, 1, 1, Box(0, 0, side, side)) for key, side in SIDES.items()]


def found(text, sorting):
    return arranged(
        OBJECTS,
        text=text,
        sorting=sorting,
        words=lambda one: f"{NAMES[one.id]} · box {one.id}",
        category=lambda one: NAMES[one.id],
        confidence=lambda one: CONFIDENCE.get(one.id),
        agreement=lambda one: AGREEMENT.get(one.id),
    )


@pytest.mark.parametrize(
    ("sorting", "ids"),
    [
        ("made", [1, 2, 3, 4]),
        ("category", [2, 4, 1, 3]),
        ("largest", [2, 4, 3, 1]),
        ("smallest", [1, 3, 4, 2]),
        ("confidence", [4, 2, 1, 3]),
        ("agreement", [1, 3, 2, 4]),
    ],
)
def test_the_order(sorting, ids):
    assert found("", sorting) == ids
    assert sorting in [one for _, one in SORTINGS]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("dog", [1, 3]),
        ("DOG 3", [3]),
        ("ant", [2]),
        ("box", [1, 2, 3, 4]),
        ("dog cat", []),
        ("  ", [1, 2, 3, 4]),
    ],
)
def test_every_word_is_to_be_in_it(text, ids):
    assert found(text, "made") == ids
