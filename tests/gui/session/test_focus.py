"""The draft, the selection and the current category, as records come, change and go."""

import pytest
from msgspec.structs import replace

from labeler.core.measures.overlap import Overlap
from labeler.core.records import Annotation, Box, Candidate, Category, Change, Image
from labeler.gui.session.document import Document
from labeler.gui.session.focus import Focus
from labeler.gui.session.session import Session
from labeler.gui.session.strangers import Strangers

PERSON, DOG = Category(1, "person", "#ff0000"), Category(2, "dog", "#00ff00")
IMAGE = Image(1, "a.jpg", 100, 100)
FIRST, SECOND = (Annotation(key, 1, 1, Box(0, 0, 10, 10)) for key in (1, 2))
SEEN = Candidate(1, 1, 1, 1, Box(0, 0, 5, 5), 0.5)


@pytest.fixture
def document() -> Document:
    made = Document(Strangers())
    made.fill([IMAGE], [PERSON, DOG], {}, ())
    made.open(1)
    made.read([FIRST, SECOND], [SEEN], ())
    return made


@pytest.fixture
def focus(document: Document) -> Focus:
    made = Focus(document)
    made.sync_category()
    return made


def follow(document: Document, focus: Focus, *changes: Change) -> None:
    document.absorb(changes)
    focus.follow(changes)


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        (Change(FIRST, replace(FIRST, shape=Box(5, 5, 9, 9))), False),
        (Change(FIRST, None), False),
        (Change(SECOND, None), True),
        # each kind counts its own ids, so that these have the draft's
        (Change(PERSON, replace(PERSON, color="#0000ff")), True),
        (Change(IMAGE, replace(IMAGE, reviewed=True)), True),
        (Change(SEEN, replace(SEEN, verdict="rejected")), True),
    ],
    ids=lambda value: type(value.record).__name__ if isinstance(value, Change) else "",
)
def test_a_draft_ends_with_its_own_record_and_with_no_other(document, focus, change, stays) -> None:
    draft, overlap = replace(FIRST, shape=Box(1, 1, 8, 8)), Overlap(1, 2, 3)
    focus.set_draft(draft, overlap)
    follow(document, focus, change)
    assert (focus.draft, focus.draft_overlap) == ((draft, overlap) if stays else (None, None))


def test_only_what_is_there_can_be_selected_and_it_is_told_once(focus: Focus) -> None:
    told = []
    focus.selection_changed.connect(lambda: told.append(set(focus.selection)))
    focus.select([1, 2, 99])
    focus.select([2, 1])
    focus.select([99])
    focus.select([])
    assert told == [{1, 2}, set()]


def test_the_selection_loses_what_goes_and_nothing_else(document, focus) -> None:
    focus.select([1, 2])
    follow(document, focus, Change(FIRST, None))
    assert focus.selection == {2}
    follow(document, focus, Change(None, FIRST))
    assert focus.selection == {2}


def test_the_current_category_is_always_one_that_exists(document, focus) -> None:
    told = []
    focus.category_changed.connect(lambda: told.append(focus.category))
    assert focus.category == PERSON
    renamed = replace(PERSON, name="rider")
    follow(document, focus, Change(DOG, replace(DOG, name="cat")))
    assert not told
    follow(document, focus, Change(PERSON, renamed))
    follow(document, focus, Change(renamed, None))
    cat = document.categories[2]
    follow(document, focus, Change(cat, None))
    assert told == [renamed, cat, None]
    follow(document, focus, Change(None, cat))
    assert focus.category == cat


def test_a_category_that_is_not_there_is_none(focus: Focus) -> None:
    focus.choose_category(99)
    assert focus.category is None
    focus.choose_category(2)
    assert focus.category == DOG


def test_leaving_an_image_keeps_the_category_and_leaving_a_project_does_not(focus: Focus) -> None:
    focus.select([1])
    focus.set_draft(FIRST, Overlap(1, 2, 3))
    focus.clear()
    assert (focus.selection, focus.draft, focus.draft_overlap) == (frozenset(), None, None)
    assert focus.category == PERSON
    focus.leave()
    assert focus.category is None


def test_an_object_drawn_without_any_category_makes_one(qtbot, few: Session) -> None:
    for category in list(few.document.categories.values()):
        few.edits.commit("Gone", [Change(category, None)], by="test")
    assert few.focus.category is None
    made = few.edits.add(Box(1, 2, 30, 20), by="test")
    assert few.document.categories[made.category_id].name == "object"
    assert few.focus.category.id == made.category_id
    few.history.undo()
    few.history.undo()
    assert few.focus.category is None
    assert not few.document.annotations
