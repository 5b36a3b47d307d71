from collections.abc import Callable
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from pytestqt.qtbot import QtBot

from labeler.core.records import Annotation, Box, Candidate, Change, Mask
from labeler.gui.session.measure import OpenAgreement
from labeler.gui.session.session import Session
from labeler.project.keeping.snapshots import folders


def saved(qtbot: QtBot, session: Session) -> None:
    qtbot.waitUntil(lambda: session.saved == "saved")


def test_an_added_object_is_there_at_once_and_after_a_restart(
    qtbot: QtBot, session: Session, photos: Path
) -> None:
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    assert made is not None
    assert list(session.document.annotations) == [made.id]
    assert session.focus.selection == {made.id}
    session.shut_down()
    again = Session()
    again.open(photos)
    qtbot.waitUntil(lambda: bool(again.document.annotations), timeout=20_000)
    assert again.document.annotations[made.id] == made
    again.shut_down()


def test_undo_reaches_over_a_restart_and_redo_brings_it_back(
    qtbot: QtBot, session: Session, photos: Path
) -> None:
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    assert made is not None
    session.shut_down()
    again = Session()
    again.open(photos)
    qtbot.waitUntil(lambda: bool(again.document.annotations) and again.history.can_undo, timeout=20_000)
    again.history.undo()
    qtbot.waitUntil(lambda: not again.document.annotations)
    qtbot.waitUntil(lambda: again.history.can_redo)
    again.history.redo()
    qtbot.waitUntil(lambda: made.id in again.document.annotations)
    again.shut_down()


def test_undo_goes_to_the_image_it_happened_on(qtbot: QtBot, session: Session) -> None:
    first = session.place.image
    session.edits.add(Box(10, 20, 110, 220), by="test")
    session.place.step(1)
    assert session.place.image != first
    session.history.undo()
    qtbot.waitUntil(
        lambda: session.place.image is not None and first is not None and session.place.image.id == first.id
    )


def test_an_accepted_proposal_is_measured_against_itself_while_it_is_changed(
    qtbot: QtBot, session: Session
) -> None:
    bits = np.ones((40, 50), dtype=bool)
    made = session.edits.accept(Mask(100, 100, bits), 0.9, by="test")
    assert made is not None
    agreed = OpenAgreement(session)
    agreement = agreed.of(made.id)
    assert agreement is not None
    assert (agreement.iou, agreement.dice, agreement.boundary) == (1.0, 1.0, 1.0)
    half = bits.copy()
    half[20:] = False
    session.focus.set_draft(replace(made, shape=Mask(100, 100, half)))
    drafted = agreed.of(made.id)
    assert drafted is not None
    assert drafted.iou == 0.5
    assert drafted.dice == 2 / 3
    session.focus.set_draft(None)
    assert agreed.of(made.id) == agreement


def test_matched_missed_and_extra_of_a_model(qtbot: QtBot, session: Session) -> None:
    kept = session.edits.add(Box(10, 10, 110, 110), by="test")
    lost = session.edits.add(Box(300, 300, 400, 400), by="test")
    assert kept is not None
    assert lost is not None
    boxes = [Box(10, 10, 110, 120), Box(500, 500, 600, 600)]
    candidates = [Candidate(0, kept.image_id, 0, kept.category_id, box, 0.9) for box in boxes]
    told: list[object] = []
    session.import_file(
        lambda store: store.predictions.add(store.predictions.ensure_model("detector", "1").id, candidates),  # type: ignore[arg-type, return-value]
        told.append,
    )
    qtbot.waitUntil(lambda: len(session.document.candidates) == 2)
    session.measure.choose_model(next(model for model in session.document.models if model.name == "detector"))
    compared = OpenAgreement(session).of_image()
    assert list(compared.pairs) == [kept.id]
    assert compared.pairs[kept.id][1].iou == 10_000 / 11_000
    assert compared.missed == (lost.id,)
    assert [c.shape for c in compared.extra] == [boxes[1]]


def test_an_import_that_no_snapshot_can_precede_does_not_begin(
    qtbot: QtBot, session: Session, expect_log: Callable[[str], None]
) -> None:
    expect_log("No snapshot of .* could be made")  # at the close
    assert session.project is not None
    for folder in folders(session.project):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.write_text("in the way")
    begun: list[object] = []
    with qtbot.waitSignal(session.told) as told:
        session.import_file(begun.append, begun.append)  # type: ignore[arg-type]
    assert told.args[0].startswith("Nothing was imported: no snapshot of labels.labeler could be made")
    assert not begun
    session.shut_down()


def test_merging_categories_is_one_step_back_and_forth(qtbot: QtBot, session: Session) -> None:
    person = session.focus.category
    made = session.edits.add(Box(10, 10, 110, 110), by="test")
    rider = session.edits.add_category("rider", by="test")
    assert person is not None
    assert rider is not None
    assert made is not None
    session.edits.merge_categories(person.id, rider.id)
    qtbot.waitUntil(lambda: person.id not in session.document.categories)
    assert session.document.annotations[made.id].category_id == rider.id
    session.history.undo()
    qtbot.waitUntil(lambda: person.id in session.document.categories)
    assert session.document.annotations[made.id].category_id == person.id


def test_locked_categories_are_left_alone(qtbot: QtBot, session: Session) -> None:
    made = session.edits.add(Box(10, 10, 110, 110), by="test")
    category = session.focus.category
    assert made is not None
    assert category is not None
    session.edits.commit("Lock", [Change(category, replace(category, locked=True))], by="test")
    session.edits.delete([made.id], by="test")
    assert made.id in session.document.annotations


def test_a_second_session_is_refused_and_can_look(qtbot: QtBot, session: Session, photos: Path) -> None:
    made = session.edits.add(Box(10, 10, 110, 110), by="test")
    saved(qtbot, session)
    other = Session()
    with qtbot.waitSignal(other.refused) as refused:
        other.open(photos)
    assert "labels.labeler is open on this computer by" in str(refused.args[0])
    other.open(photos, read_only=True)
    qtbot.waitUntil(lambda: bool(other.document.annotations), timeout=20_000)
    assert made is not None
    with qtbot.waitSignal(other.told) as told:
        other.edits.delete([made.id], by="test")
    assert told.args[0].startswith("Nothing was changed.")
    assert made.id in other.document.annotations
    other.shut_down()


def test_an_image_that_cannot_be_read_says_why(qtbot: QtBot, session: Session, photos: Path) -> None:
    (photos / "a-broken.jpg").write_bytes(b"no image at all")
    session.shut_down()
    again = Session()
    again.open(photos / "a-broken.jpg")
    qtbot.waitUntil(lambda: bool(again.place.problem), timeout=20_000)
    assert "a-broken.jpg" in again.place.problem
    again.shut_down()


def test_restoring_an_image_is_a_new_edit(qtbot: QtBot, session: Session) -> None:
    made = session.edits.add(Box(10, 10, 110, 110), by="test")
    assert isinstance(made, Annotation)
    entries: list[object] = []
    session.history.journal(entries.extend, limit=10)
    qtbot.waitUntil(lambda: bool(entries))
    newest = entries[0].id  # type: ignore[attr-defined]
    session.edits.delete([made.id], by="test")
    assert not session.document.annotations
    session.history.restore_image(newest)
    qtbot.waitUntil(lambda: made.id in session.document.annotations)


def test_edits_while_the_project_is_read_anew_are_kept(qtbot: QtBot, session: Session) -> None:
    session.reload()
    boxes = [session.edits.add(Box(x, 10, x + 20, 110), by="test") for x in (10, 40)]
    later = session.edits.add_category("later", by="test")
    saved(qtbot, session)
    answered: list[bool] = []
    for _ in range(2):
        session.ask(lambda store: True, answered.append)
        qtbot.waitUntil(lambda: bool(answered))
        answered.clear()
    more = session.edits.add(Box(70, 10, 90, 110), by="test")
    saved(qtbot, session)
    assert more is not None
    assert later is not None
    assert list(session.document.annotations.values()) == [*boxes, more]
    assert later.id in session.document.categories
    assert sum(session.document.counts(more.image_id).values()) == 3
