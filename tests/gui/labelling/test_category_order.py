from collections import Counter

import pytest

from labeler.core.records import Category
from labeler.gui.labelling.category_order import Section, matching, sections

NAMES = {
    1: ("person", "people"),
    2: ("pedestrian", "people"),
    3: ("car", "vehicle"),
    4: ("carrot", "food"),
    5: ("traffic light", "outdoor"),
    6: ("sidecar", "vehicle"),
    7: ("hot-dog", "food"),
    8: ("street_lamp", "outdoor"),
    9: ("tree", ""),
    10: ("cloud", ""),
    11: ("sky", ""),
}
KNOWN = {
    key: Category(key, name, "#ffffff", supercategory=above, key="2" if name == "tree" else "")
    for key, (name, above) in NAMES.items()
}


def uses(**named):
    counted = Counter({key: named.get(name.replace(" ", "_"), 0) for key, (name, _) in NAMES.items()})
    return lambda key: counted[key]


def test_few_categories_are_one_list_the_latest_first_and_then_the_most_used():
    few = {key: KNOWN[key] for key in (1, 3, 4, 9)}
    found = sections(few, uses=uses(car=3, tree=9), recent=(4,))
    assert found == [Section("", (4, 9, 3, 1))]


def test_many_are_grouped_the_latest_before_and_those_without_a_group_last():
    found = sections(KNOWN, uses=uses(carrot=5, hot_dog=1, car=3, sidecar=4, sky=99), recent=(1, 77, 3))
    assert found == [
        Section("Latest", (1, 3)),
        Section("food", (4, 7)),
        Section("vehicle", (6,)),
        Section("outdoor", (8, 5)),
        Section("people", (2,)),
        Section("Others", (11, 10, 9)),
    ]


def test_many_without_supercategories_are_all():
    plain = {key: Category(key, f"class {key:02}", "#ffffff") for key in range(1, 13)}
    found = sections(plain, uses=lambda _: 0, recent=())
    assert [(one.title, len(one.ids)) for one in found] == [("All", 12)]


@pytest.mark.parametrize(
    ("text", "recent", "names"),
    [
        ("car", (), ["car", "carrot", "sidecar"]),  # the name itself, its beginning, a part of it
        ("CAR ", (), ["car", "carrot", "sidecar"]),
        ("light", (), ["traffic light"]),  # a later word
        ("lamp", (), ["street_lamp"]),
        ("dog", (), ["hot-dog"]),
        ("2", (), ["tree"]),  # its key
        ("pe", (), ["pedestrian", "person"]),  # by name among equals
        ("pe", (1,), ["person", "pedestrian"]),  # the latest before the others
        ("food", (), ["carrot", "hot-dog"]),  # only above them
        ("xyz", (), []),
    ],
)
def test_what_a_text_finds(text, recent, names):
    found = matching(KNOWN, text, uses=uses(), recent=recent)
    assert [KNOWN[key].name for key in found] == names


def test_the_most_used_of_equals_comes_first():
    found = matching(KNOWN, "pe", uses=uses(person=2), recent=())
    assert found[:2] == [1, 2]
