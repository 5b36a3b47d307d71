"""What of an evaluation is looked at, on one that fits on a sheet of paper; no window, no child."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from PySide6.QtCore import QObject, Qt

from labeler.core.records import Model
from labeler.evaluation.items import ObjectItem
from labeler.evaluation.operating_points import Rates
from labeler.gui.evaluation.classes_table import FIRST, NumbersModel
from labeler.gui.evaluation.desk import EvaluationOutcome
from labeler.gui.evaluation.results_view import EvaluationView, told_of
from labeler.gui.evaluation.scopes import REVIEWED, EvaluationRequest
from tests.evaluation.on_paper import BACKGROUND, CAT, DOG, on_paper

REQUEST = EvaluationRequest(REVIEWED, 1)


def outcome(*titles: str, **more) -> EvaluationOutcome:
    """The same evaluation for each of one or two models."""
    given = titles or ("detector",)
    made = EvaluationOutcome(
        request=REQUEST,
        scope="Reviewed images",
        models=tuple(Model(number, title, "1") for number, title in enumerate(given, 1)),
        titles=given,
        evaluations=tuple(on_paper() for _ in given),
        candidates=tuple((1, 2, 3, 4, 5, 6) for _ in given),
        uncategorised=tuple(0 for _ in given),
        left_out=(),
        unreviewed=0,
        labels=Path("labels.json"),
    )
    return replace(made, **more)


@pytest.fixture
def view(qapp) -> EvaluationView:
    made = EvaluationView()
    made.show(outcome())
    return made


def listed(view: EvaluationView) -> list[tuple[int | None, int | None]]:
    return [(one.prediction_id, one.truth_id) for one in view.listing.items]


def test_what_is_shown_first_are_the_surest_false_alarms_of_all(view) -> None:
    assert (view.listing.title, view.listing.kind, view.listing.start) == (
        "All categories, from 0.25",
        "false alarms",
        -1,
    )
    assert listed(view) == [(2, None), (4, None)]
    assert view.rates() == Rates(4, 3, 2)
    assert (view.best(), view.category_name()) == (0.5, "All categories")


@pytest.mark.parametrize(
    ("kind", "category", "objects"),
    [
        ("hits", None, [(3, 13), (5, 12), (1, 11)]),  # those that overlap least first
        ("missed", None, [(None, 14)]),
        ("false alarms", DOG, []),
        ("hits", DOG, [(5, 12)]),
        ("missed", CAT, [(None, 14)]),
    ],
)
def test_the_kinds_of_a_category(view, kind, category, objects) -> None:
    view.choose_category(category)
    view.list_kind(kind)
    assert listed(view) == objects
    name = {None: "All categories", CAT: "cat", DOG: "dog"}[category]
    assert view.listing.title == f"{name}, from 0.25"


def test_another_confidence_lists_anew_once_it_stands_still(qtbot, view) -> None:
    moved, settled = [], []
    view.moved.connect(lambda: moved.append(view.confidence))
    view.settled.connect(lambda: settled.append(view.confidence))
    view.list_kind("missed")
    for confidence in (0.4, 0.4, 0.6, 1.7):
        view.set_confidence(confidence)
    assert moved == [0.4, 0.6, 1.0]
    assert listed(view) == [(None, 14)]  # as it was
    qtbot.waitUntil(lambda: settled == [1.0])
    assert listed(view) == [(None, 13), (None, 11), (None, 12), (None, 14)]
    view.set_confidence(-3)
    assert view.confidence == 0.0


@pytest.mark.parametrize(
    ("row", "column", "title", "objects"),
    [
        (CAT, CAT, "cat, found", [(1, 11), (3, 13)]),
        (BACKGROUND, CAT, "cat where nothing is", [(4, None)]),
        (CAT, BACKGROUND, "cat, missed", [(None, 14)]),
        (DOG, CAT, "dog taken for cat", [(2, 12)]),
    ],
)
def test_a_cell_of_the_matrix_says_what_it_counts(view, row, column, title, objects) -> None:
    view.set_confidence(0.6)
    view.list_cell(0, row, column)
    assert (view.listing.title, view.listing.kind, view.listing.start) == (title, None, 0)
    assert listed(view) == objects


def test_the_surroundings_of_a_point_of_a_curve_begin_at_that_point(view) -> None:
    view.list_around(0, 3)
    assert listed(view) == [(1, None), (2, None), (3, None), (4, None), (5, None)]
    assert (view.listing.start, view.listing.title) == (3, "All categories, around 0.60")
    assert view.confidence == 0.6


def test_an_image_lists_what_is_wrong_before_what_is_right(view) -> None:
    view.list_image(102, "b.jpg")
    assert (view.listing.title, listed(view)) == ("b.jpg", [(4, None), (None, 14), (3, 13)])


@pytest.mark.parametrize(
    ("item", "categories"),
    [
        (ObjectItem(101, 1, 11), (7, 7)),
        (ObjectItem(101, 2, 12), (9, 7)),
        (ObjectItem(102, 4), (None, 7)),
        (ObjectItem(102, truth_id=14), (7, None)),
        (ObjectItem(102, 99, 99), (None, None)),
    ],
)
def test_what_an_object_is_and_what_it_was_taken_for(view, item, categories) -> None:
    assert view.categories_of(item) == categories
    assert EvaluationView().categories_of(item) == (None, None)


def test_another_outcome_keeps_the_category_that_is_there_by_its_id(view) -> None:
    heard: list[int | None] = []
    view.choose_category(DOG)
    view.changed.connect(lambda: heard.append(view.category))
    evaluation = on_paper()
    cat, dog = evaluation.summary.categories
    turned = replace(evaluation, summary=replace(evaluation.summary, categories=(dog, cat)))
    other = outcome(evaluations=(turned,))
    view.show(other)
    view.show(other)
    assert heard == [0]
    view.show(
        outcome(
            evaluations=(replace(evaluation, summary=replace(evaluation.summary, categories=(cat, cat))),)
        )
    )
    assert view.category is None
    view.show(None)
    assert (view.listing.items, view.titles, view.categories, view.evaluation) == ((), (), (), None)


def test_the_second_model_is_looked_at_on_its_own(view) -> None:
    view.show(outcome("one", "two"))
    heard: list[int] = []
    view.changed.connect(lambda: heard.append(view.place))
    view.choose_model(1)
    view.choose_model(1)
    view.list_cell(0, CAT, CAT)
    assert heard == [1, 0]
    # a matrix is kept as long as the confidence stays
    assert view.confusion(1) is view.confusion(1)
    before = view.confusion(1)
    view.set_confidence(0.7)
    assert view.confusion(1) is not before


def desk(shown: EvaluationOutcome | None, **more) -> SimpleNamespace:
    return SimpleNamespace(
        **({"outcome": shown, "is_running": False, "is_stale": False, "progress": (0, 0)} | more)
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (desk(None), []),
        (desk(None, is_running=True, progress=(1, 3)), ["Reading the labels…"]),
        (desk(outcome(), is_running=True), ["Comparing…"]),
        (desk(outcome()), []),
        (desk(outcome(), is_stale=True), ["Labels or predictions changed since; evaluate again."]),
        (desk(outcome(request=replace(REQUEST, by="mask"))), ["Shown: detector, reviewed images."]),
        (
            desk(outcome(unreviewed=1, uncategorised=(1,))),
            [
                "1 image not reviewed: what is not labelled there counts as a false alarm.",
                "1 prediction left out, whose class is no category here.",
            ],
        ),
        (
            desk(outcome("a", "b", unreviewed=1200, uncategorised=(2, 3)), is_stale=True),
            [
                "Labels or predictions changed since; evaluate again.",
                "1,200 images not reviewed: what is not labelled there counts as a false alarm.",
                "5 predictions left out, whose class is no category here.",
            ],
        ),
    ],
)
def test_whether_the_numbers_still_hold(given, said) -> None:
    shown = given.outcome
    assert told_of(given, request=REQUEST, titles=shown.titles if shown else ()) == said


# --- the table ------------------------------------------------------------------------------------------


@pytest.fixture
def table(view):
    owner = QObject()
    session = SimpleNamespace(document=SimpleNamespace(categories={}))
    made = NumbersModel(session, view, owner)
    made.refresh()
    yield made
    owner.deleteLater()


def words(table: NumbersModel, row: int, title: str) -> str:
    column = FIRST + [one.title for one in table.columns].index(title)
    return table.data(table.index(row, column))


def test_all_categories_stand_over_each_and_masks_have_columns_of_their_own(table) -> None:
    assert table.order[0] is None
    assert [table.name(key) for key in table.order] == ["All categories", "cat", "dog"]
    titles = [one.title for one in table.columns]
    assert "IoU" not in titles
    assert table.columnCount() == len(titles) + FIRST
    assert words(table, 0, "precision") == "0.600"
    assert words(table, 0, "recall") == "0.750"
    assert (words(table, 1, "F1"), words(table, 2, "F1")) == ("0.571", "1.000")
    assert words(table, 0, "AP") == "–"


def test_it_is_sorted_by_a_column_with_what_is_unknown_last(table) -> None:
    titles = [one.title for one in table.columns]
    place = FIRST + titles.index("precision")
    table.sort(place, Qt.SortOrder.DescendingOrder)
    assert table.order == [None, DOG, CAT]
    header = table.headerData(place, Qt.Orientation.Horizontal)
    assert header == "precision ↓"
    table.sort(place, Qt.SortOrder.AscendingOrder)
    assert table.order == [None, CAT, DOG]
    assert table.headerData(place, Qt.Orientation.Horizontal) == "precision ↑"
    table.sort(0, Qt.SortOrder.DescendingOrder)
    assert table.order == [None, DOG, CAT]
    table.sort(FIRST + titles.index("AP"), Qt.SortOrder.DescendingOrder)
    assert sorted(table.order[1:]) == [CAT, DOG]


def test_another_confidence_changes_the_rates_and_not_the_order(table, view) -> None:
    table.sort(FIRST + [one.title for one in table.columns].index("recall"), Qt.SortOrder.DescendingOrder)
    order = list(table.order)
    assert order == [None, DOG, CAT]
    view.set_confidence(0.6)
    table.refresh_rates()
    assert table.order == order
    assert words(table, 1, "recall") == "0.000"
    assert words(table, 1, "precision") == "–"
    assert table.headerData(1, Qt.Orientation.Horizontal) == "at 0.60"


def test_two_models_stand_against_each_other(table, view) -> None:
    view.show(outcome("one", "two"))
    table.refresh()
    assert words(table, 0, "recall") == "0.750 against 0.750"
    assert words(table, 0, table.columns[0].title).count("against") == 0  # how many there are is the same
