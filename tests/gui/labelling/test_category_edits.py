"""What can be done to categories, as the history and the changes say it."""

import pytest
from msgspec.structs import replace

from labeler.core.records import Category, Change
from labeler.gui.labelling import category_edits as edits

PERSON = Category(1, "person", "#ff0000", key="1")
DOG = Category(2, "Dog", "#00ff00", key="2")
CAR = Category(3, "car", "#0000ff")
ALL = {one.id: one for one in (PERSON, DOG, CAR)}


@pytest.mark.parametrize(
    ("edit", "label", "after"),
    [
        (edits.renamed(PERSON, "  tall   man "), "Rename person to tall man", {"name": "tall man"}),
        (edits.recolored(PERSON, "#123456"), "Change colour of person", {"color": "#123456"}),
        (edits.hidden(PERSON, True), "Hide person", {"hidden": True}),
        (edits.hidden(replace(PERSON, hidden=True), False), "Show person", {"hidden": False}),
        (edits.locked(PERSON, True), "Lock person", {"locked": True}),
        (edits.locked(replace(PERSON, locked=True), False), "Unlock person", {"locked": False}),
        (edits.rekeyed(ALL, PERSON, "9"), "Key 9 for person", {"key": "9"}),
        (edits.rekeyed(ALL, PERSON, ""), "No key for person", {"key": ""}),
        (edits.rekeyed(ALL, PERSON, "1"), "Key 1 for person", {"key": "1"}),  # it does not take its own away
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_edit_changes_one_thing_and_says_so(edit, label, after) -> None:
    assert edit.label == label
    (change,) = edit.changes
    assert change.after == replace(change.before, **after)


def test_a_key_is_of_one_category_only() -> None:
    assert edits.rekeyed(ALL, PERSON, "2").changes == (
        Change(DOG, replace(DOG, key="")),
        Change(PERSON, replace(PERSON, key="2")),
    )


def test_no_key_is_not_taken_from_those_that_have_none() -> None:
    assert edits.rekeyed(ALL, CAR, "").changes == (Change(CAR, CAR),)


@pytest.mark.parametrize(
    ("name", "found"),
    [("person", PERSON), (" DOG ", DOG), ("dog", DOG), ("do g", None), ("", None), ("cars", None)],
)
def test_a_name_is_the_same_in_upper_and_lower_case(name, found) -> None:
    assert edits.named(ALL, name) == found


def test_a_deleted_category_is_gone() -> None:
    edit = edits.deleted(CAR)
    assert (edit.label, edit.changes) == ("Delete category car", (Change(CAR, None),))
