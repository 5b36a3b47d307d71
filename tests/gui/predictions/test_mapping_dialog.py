"""The table of what a model's classes mean, on a real project."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from labeler.core.filtering import Filter
from labeler.core.records import Box, Candidate, Model
from labeler.gui.predictions.mapping_dialog import MappingDialog
from labeler.gui.session.session import Session
from labeler.project.store import Store

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

T = TypeVar("T")
FOUND = {"dog": 3, "person": 2, "cat": 1}


def asked(qtbot, session: Session, work: Callable[[Store], T]) -> T:
    found: list[T] = []
    session.ask(work, found.append)
    qtbot.waitUntil(lambda: bool(found))
    return found[0]


@pytest.fixture
def model(qtbot, session: Session) -> Model:
    """A model that found three dogs, two persons, a cat, and a bird too faint to count."""

    def run(store: Store) -> Model:
        made = store.predictions.ensure_model("YOLO", "1")
        found = [
            Candidate(0, 0, 0, 0, Box(10.0 * n, 0, 10.0 * n + 5, 5), 0.9, label)
            for label, number in FOUND.items()
            for n in range(number)
        ]
        found.append(Candidate(0, 0, 0, 0, Box(0, 0, 9, 9), 0.01, "bird"))
        store.predictions.record_run(made.id, session.place.image.id, found)
        return made

    made = asked(qtbot, session, run)
    session.measure.add_model(made)
    session.refresh_candidates(session.place.image.id)
    qtbot.waitUntil(lambda: len(session.document.candidates) == 7)
    return made


@pytest.fixture
def opened(qtbot, session: Session, model: Model) -> Callable[[], MappingDialog]:
    """Opens the dialog, and waits for what it reads."""

    kept = []

    def make() -> MappingDialog:
        dialog = MappingDialog(session, model)
        qtbot.addWidget(dialog)
        dialog.show()
        qtbot.waitUntil(lambda: bool(dialog.meanings()))
        kept.append(dialog)
        return dialog

    return make


def choose(dialog: MappingDialog, label: str, meaning: object) -> None:
    choice = dialog._choices[label]
    assert choice.findData(meaning) >= 0
    choice.choose(meaning)


def saved(qtbot, dialog: MappingDialog) -> None:
    with qtbot.waitSignal(dialog.mapped):
        dialog.save_button.click()


def categories(session: Session) -> dict[str, set[int]]:
    """The category ids of each label's candidates on the open image."""
    found: dict[str, set[int]] = {}
    for candidate in session.document.candidates.values():
        found.setdefault(candidate.label, set()).add(candidate.category_id)
    return found


def test_classes_with_their_numbers_and_what_they_mean(qtbot, opened, session) -> None:
    dialog = opened()
    rows = range(dialog.table.rowCount())
    qtbot.waitUntil(lambda: dialog.table.item(0, 1).text() != "…")
    shown = {dialog.table.item(row, 0).text(): dialog.table.item(row, 1).text() for row in rows}
    assert shown == {"dog": "3", "person": "2", "cat": "1", "bird": "0"}
    assert next(iter(shown)) == "dog"
    assert [dialog.table.isRowHidden(row) for row in rows] == [False, False, False, True]
    assert dialog.all_button.text() == "Show all 4 classes"
    dialog.all_button.click()
    assert not any(dialog.table.isRowHidden(row) for row in rows)
    assert not dialog.all_button.isVisible()
    assert dialog.meanings() == {"dog": "open", "person": 1, "cat": "open", "bird": "open"}
    assert dialog.note.text().startswith("2 still open")


def test_map_create_and_ignore_are_kept_and_remembered(qtbot, opened, session, model) -> None:
    dialog = opened()
    choose(dialog, "dog", 1)
    choose(dialog, "cat", "create")
    choose(dialog, "person", "ignore")
    saved(qtbot, dialog)
    session.refresh_candidates(session.place.image.id)
    cat = next(c.id for c in session.document.categories.values() if c.name == "cat")
    qtbot.waitUntil(lambda: categories(session) == {"dog": {1}, "cat": {cat}, "person": {0}, "bird": {0}})
    mapping = asked(qtbot, session, lambda store: store.predictions.mappings(model.id))
    assert mapping == {"dog": 1, "cat": cat, "person": None}
    assert opened().meanings() == {"dog": 1, "cat": cat, "person": "ignore", "bird": "open"}


def test_creating_all_is_one_undo_step_and_leaves_the_current_category(qtbot, opened, session) -> None:
    current, colors = session.focus.category, {c.color for c in session.document.categories.values()}
    dialog = opened()
    dialog.create_button.click()
    assert dialog.meanings() == {"dog": "create", "person": 1, "cat": "create", "bird": "open"}
    assert not dialog.create_button.isEnabled()
    saved(qtbot, dialog)
    assert [c.name for c in session.document.categories.values()] == ["person", "dog", "cat"]
    assert len(colors | {c.color for c in session.document.categories.values()}) == 3
    assert session.focus.category == current
    session.history.undo()
    qtbot.waitUntil(lambda: [c.name for c in session.document.categories.values()] == ["person"])
    qtbot.waitUntil(lambda: session.saved == "saved")
    session.refresh_candidates(session.place.image.id)
    qtbot.waitUntil(lambda: categories(session)["dog"] == {0})


def test_created_is_what_has_predictions_by_the_filter_that_is_in_force(qtbot, session, model) -> None:
    """The bird is under what counts by default; from a lower threshold it has a prediction."""
    dialog = MappingDialog(session, model, wanted=Filter(confidence=0.01))
    qtbot.addWidget(dialog)
    dialog.show()
    rows = range(4)
    qtbot.waitUntil(lambda: bool(dialog.meanings()) and dialog.table.item(0, 1).text() != "…")
    shown = {dialog.table.item(row, 0).text(): dialog.table.item(row, 1).text() for row in rows}
    assert shown["bird"] == "1"
    assert not any(dialog.table.isRowHidden(row) for row in rows)
    dialog.create_button.click()
    assert dialog.meanings()["bird"] == "create"
    strict = MappingDialog(session, model, wanted=Filter(confidence=0.95))
    qtbot.addWidget(strict)
    strict.show()
    qtbot.waitUntil(lambda: bool(strict.meanings()) and strict.table.item(0, 1).text() != "…")
    assert not strict.create_button.isEnabled(), "nothing has predictions"
    strict.create_all()
    assert "create" not in strict.meanings().values()


def test_a_decision_can_be_taken_back(qtbot, opened, session, model) -> None:
    dialog = opened()
    choose(dialog, "person", "ignore")
    saved(qtbot, dialog)
    dialog = opened()
    choose(dialog, "person", "open")
    saved(qtbot, dialog)
    assert asked(qtbot, session, lambda store: store.predictions.mappings(model.id)) == {}
    assert opened().meanings()["person"] == 1


def test_saving_without_a_change_decides_nothing(qtbot, opened, session, model) -> None:
    opened().save_button.click()
    assert asked(qtbot, session, lambda store: store.predictions.mappings(model.id)) == {}


def test_cancel_changes_nothing(qtbot, opened, session, model) -> None:
    dialog = opened()
    dialog.create_all()
    dialog.reject()
    assert asked(qtbot, session, lambda store: store.predictions.mappings(model.id)) == {}
    assert len(session.document.categories) == 1


def test_a_model_that_found_nothing_says_so(qtbot, session) -> None:
    made = asked(qtbot, session, lambda store: store.predictions.ensure_model("new", "1"))
    dialog = MappingDialog(session, made)
    qtbot.addWidget(dialog)
    qtbot.waitUntil(lambda: "run it first" in dialog.note.text())


def test_what_suppression_leaves_is_counted_and_not_every_candidate(qtbot, opened, session, model) -> None:
    def again(store: Store) -> None:
        near = [Candidate(0, 0, 0, 0, Box(0.1 * n, 0, 5, 5), 0.8, "dog") for n in range(20)]
        far = [Candidate(0, 0, 0, 0, Box(50, 0, 55, 5), 0.8, "cat")]
        store.predictions.record_run(model.id, session.document.images[1].id, near + far)
        return True

    asked(qtbot, session, again)
    dialog = opened()
    rows = range(dialog.table.rowCount())
    qtbot.waitUntil(lambda: dialog.table.item(0, 1).text() != "…")
    shown = {dialog.table.item(row, 0).text(): dialog.table.item(row, 1).text() for row in rows}
    # three dogs on the first image, twenty copies of one on the second
    assert (shown["dog"], shown["cat"]) == ("4", "2")
    assert dialog.table.horizontalHeaderItem(1).text() == "Predictions"
