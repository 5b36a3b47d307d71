"""What arrives while a hand is at work ends no drag, and takes nothing away from the person."""

import pytest
from msgspec.structs import replace

from labeler.core.records import Box, Candidate, Change
from labeler.gui.session.document import Changed


def candidate(n: int = 0) -> Candidate:
    return Candidate(0, 0, 0, 0, Box(1 + n, 2, 30 + n, 40), 0.9, "x")


@pytest.fixture
def run_stores(qtbot, session):
    """A job stores what a model found on the open image, and the window shows it."""

    def store_it() -> None:
        image, before = session.place.image.id, set(session.document.candidates)
        session.keep(
            lambda s: s.predictions.record_run(s.predictions.ensure_model("d", "1").id, image, [candidate()]),
            lambda _: session.refresh_candidates(image),
            failed=pytest.fail,
        )
        qtbot.waitUntil(lambda: bool(set(session.document.candidates) - before), timeout=20_000)

    return store_it


@pytest.fixture
def reload(qtbot, session):
    """The project is read anew, as after an import, a folder sync, or a refused edit."""

    def read_it() -> None:
        with qtbot.waitSignal(
            session.document.changed, timeout=20_000, check_params_cb=lambda one: one.what == "labels read"
        ):
            session.reload()

    return read_it


ARRIVALS = ("run_stores", "reload")


@pytest.mark.parametrize("arrival", ARRIVALS)
@pytest.mark.parametrize("tool", ["box", "brush", "polygon"])
def test_a_new_shape_is_made(canvas, hand, session, request, arrival, tool) -> None:
    arrives = request.getfixturevalue(arrival)
    canvas.hand.take(tool)
    hand.press(100, 200)
    hand.move(200, 300)
    arrives()
    hand.move(250, 500)
    arrives()
    hand.release(300, 500)
    canvas.hand.tool.confirm()
    assert len(session.document.annotations) == 1


@pytest.mark.parametrize("arrival", ARRIVALS)
def test_a_move_goes_on_and_the_selection_stays(canvas, hand, session, request, arrival) -> None:
    arrives = request.getfixturevalue(arrival)
    made = session.edits.add(Box(100, 200, 300, 400), by="test")
    hand.press(200, 300)
    hand.move(220, 330)
    drawn = session.focus.draft
    arrives()
    assert canvas._gestures.dragging
    assert session.focus.draft == drawn
    assert session.focus.selection == {made.id}
    hand.move(240, 360)
    hand.release(240, 360)
    shape = session.document.annotations[made.id].shape
    assert (shape.x0, shape.y0) == pytest.approx((140, 260), abs=1.5)


def test_a_record_changed_under_the_hand_keeps_what_the_hand_does_not_touch(canvas, hand, session) -> None:
    made = session.edits.add(Box(100, 200, 300, 400), by="test")
    other = session.edits.add_category("dog", by="test")
    session.focus.select([made.id])
    hand.press(200, 300)
    hand.move(220, 330)
    session.edits.commit(
        "Elsewhere", [Change(made, replace(made, category_id=other.id, attributes={"a": 1}))], by="elsewhere"
    )
    hand.move(300, 400)
    hand.release(300, 400)
    after = session.document.annotations[made.id]
    assert after.category_id == other.id
    assert after.attributes == {"a": 1}
    assert after.shape.x0 == pytest.approx(200, abs=1.5)


def test_a_record_deleted_under_the_hand_is_kept_and_told(qtbot, canvas, hand, session) -> None:
    made = session.edits.add(Box(100, 200, 300, 400), by="test")
    told: list[str] = []
    session.told.connect(told.append)
    hand.press(200, 300)
    hand.move(220, 330)
    session.edits.delete([made.id], by="elsewhere")
    assert not session.document.annotations
    hand.move(300, 400)
    hand.release(300, 400)
    assert session.document.annotations[made.id].shape.x0 == pytest.approx(200, abs=1.5)
    assert len(told) == 1
    assert "person" in told[0]
    qtbot.waitUntil(lambda: session.saved == "saved")
    read = []
    session.ask(lambda store: store.annotations(session.place.image.id), read.append)
    qtbot.waitUntil(lambda: bool(read))
    assert read[0] == tuple(session.document.annotations.values())


def test_a_change_says_what_it_touched(qtbot, session, run_stores, reload) -> None:
    seen: list[Changed] = []
    session.document.changed.connect(seen.append)
    made = session.edits.add(Box(1, 2, 30, 40), by="test")
    assert (seen[-1].what, seen[-1].annotations) == ("edit", {made.id})
    run_stores()
    assert (seen[-1].what, seen[-1].candidates) == ("candidates read", set(session.document.candidates))
    reload()
    assert (seen[-1].what, seen[-1].annotations, seen[-1].candidates) == ("labels read", set(), set())
    session.ask(lambda store: store.history.undo(), lambda _: None)
    reload()
    assert (seen[-1].what, seen[-1].annotations) == ("labels read", {made.id})
