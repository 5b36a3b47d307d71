from labeler.core.records import Annotation, Box, Candidate, Category, Change, Image
from labeler.gui.session.document import Document
from labeler.gui.session.strangers import Strangers


def document() -> Document:
    made = Document(Strangers())
    images = (Image(1, "a.jpg", 100, 100), Image(2, "b.jpg", 100, 100))
    made.fill(images, [Category(1, "person", "#ff0000")], {}, ())
    made.open(1)
    return made


def annotation(at: int, *, image: int = 1, category: int = 1) -> Annotation:
    return Annotation(at, image, category, Box(0, 0, 10, 10))


def test_a_new_annotation_is_kept_and_counted() -> None:
    made = document()
    assert made.absorb([Change(None, annotation(5))]) == (1,)
    assert list(made.annotations) == [5]
    assert made.counts(1)[1] == 1


def test_one_of_another_image_is_only_counted() -> None:
    made = document()
    assert made.absorb([Change(None, annotation(5, image=2))]) == (2,)
    assert not made.annotations
    assert made.counts(2)[1] == 1


def test_a_change_of_category_moves_the_count() -> None:
    made = document()
    made.absorb([Change(None, annotation(5))])
    made.absorb([Change(annotation(5), annotation(5, category=2))])
    assert made.counts(1) == {1: 0, 2: 1}


def test_an_undone_deletion_comes_back_to_its_place() -> None:
    made = document()
    made.absorb([Change(None, annotation(at)) for at in (1, 2, 3)])
    gone = Change(annotation(2), None)
    made.absorb([gone])
    assert list(made.annotations) == [1, 3]
    made.absorb([gone.inverse()])
    assert list(made.annotations) == [1, 2, 3]
    assert made.counts(1)[1] == 3


def test_candidates_categories_and_images_go_to_their_tables() -> None:
    made = document()
    candidate = Candidate(9, 1, 1, 1, Box(0, 0, 5, 5), 0.5)
    renamed, seen = Category(1, "rider", "#ff0000"), Image(2, "b.jpg", 100, 100, reviewed=True)
    touched = made.absorb(
        [Change(None, candidate), Change(made.categories[1], renamed), Change(made.find_image(2), seen)]
    )
    assert touched == (2,)
    assert made.candidates == {9: candidate}
    assert made.categories == {1: renamed}
    assert made.find_image(2).reviewed
    made.absorb([Change(candidate, None)])
    assert not made.candidates
