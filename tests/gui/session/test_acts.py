"""The end of the journal as the window knows it, and what is shown ahead of the disk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from labeler.core.rebase import net, rebased
from labeler.core.records import Annotation, Box, Change, Edit
from labeler.gui.session import acts as module
from labeler.gui.session.acts import Acts
from labeler.project.settlement import Tail

ONE = Annotation(1, 1, 1, Box(0, 0, 9, 9))


def edit(label: str) -> Edit:
    return Edit(label, (Change(None, ONE),))


def labels(acts: Acts) -> tuple[list[str], list[str]]:
    """What can be taken back and done again at once, the next one last."""
    return [act.edit.label for act in acts._done], [act.edit.label for act in acts._undone]


@pytest.fixture
def acts() -> Acts:
    made = Acts()
    for label in "abc":
        made.do(edit(label))
    return made


def test_undo_and_redo_walk_along_what_was_done(acts: Acts) -> None:
    assert acts.undo().edit.label == "c"
    assert acts.undo().edit.label == "b"
    assert labels(acts) == (["a"], ["c", "b"])
    assert acts.redo().edit.label == "b"
    assert (acts.can_undo, acts.can_redo) == (True, True)
    assert acts.redo().edit.label == "c"
    assert acts.redo() is None
    assert (acts.can_undo, acts.can_redo) == (True, False)


def test_a_new_act_ends_what_could_be_done_again(acts: Acts) -> None:
    acts.undo()
    acts.do(edit("d"))
    assert labels(acts) == (["a", "b", "d"], [])
    assert not acts.can_redo


def test_nothing_done_is_nothing_to_undo() -> None:
    acts = Acts()
    assert (acts.can_undo, acts.can_redo, acts.runs_short) == (False, False, False)
    assert acts.undo() is None
    assert acts.redo() is None


def test_what_is_older_than_is_kept_is_left_to_the_journal(monkeypatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 6)
    acts = Acts()
    for number in range(6):
        acts.do(edit(str(number)))
    assert not acts.runs_short
    acts.do(edit("6"))
    assert labels(acts)[0] == list("123456")
    for _ in range(6):
        assert acts.undo() is not None
    assert acts.can_undo, "the journal has more"
    assert acts.undo() is None


@pytest.mark.parametrize(("left", "short"), [(5, False), (4, True), (0, True)])
def test_what_runs_short_is_read_in_time(left: int, short: bool) -> None:
    acts = Acts()
    acts.begin(Tail(done=tuple((n, edit(str(n))) for n in range(5)), older=True))
    for _ in range(5 - left):
        acts.undo()
    assert acts.runs_short is short


@pytest.mark.parametrize(
    ("told", "can"),
    [
        ({}, (True, True)),
        ({"older": False}, (False, True)),
        ({"newer": False}, (True, False)),
        ({"older": True, "newer": True}, (True, True)),
    ],
)
def test_what_only_the_journal_knows_is_asked_of_it(acts: Acts, told, can) -> None:
    acts.undo()
    acts.forget(**told)
    assert (acts.can_undo, acts.can_redo) == can
    assert acts.undo() is None
    assert acts.redo() is None
    acts.learn(Tail(done=((7, edit("x")),)))
    assert labels(acts) == (["x"], [])
    assert acts.undo().journal_id == 7


def test_an_act_after_all_was_forgotten_leaves_nothing_to_be_done_again(acts: Acts) -> None:
    acts.undo()
    acts.forget()
    acts.do(edit("d"))
    assert (acts.can_undo, acts.can_redo) == (True, False)


def test_each_project_is_another_turn(acts: Acts) -> None:
    before = acts.turn
    acts.miscounted.add(3)
    acts.learning = True
    acts.show(1, (Change(None, ONE),))
    acts.begin(Tail())
    assert acts.turn == before + 1
    assert (acts.miscounted, acts.learning, labels(acts), list(acts.after(0))) == (set(), False, ([], []), [])


def test_what_was_shown_later_than_something_was_read_is_laid_on_top_of_it() -> None:
    acts = Acts()
    changes = [Change(None, replace(ONE, id=n)) for n in range(4)]
    for number in range(1, 4):
        acts.show(number, (changes[number],))
    assert list(acts.after(0)) == changes[1:]
    assert list(acts.after(2)) == changes[3:]
    assert acts.answered(2) == (changes[2],)
    assert list(acts.after(0)) == [changes[1], changes[3]]
    assert acts.answered(2) == (), "it was answered already"
    assert list(acts.after(3)) == []


# --- an answer that is another one than was shown -------------------------------------------------

IDS, SIDES = (1, 2, 3), (5.0, 6.0, 7.0)
record = st.builds(
    lambda key, side: replace(ONE, id=key, shape=Box(0, 0, side, side)),
    st.sampled_from(IDS),
    st.sampled_from(SIDES),
)
deeds = st.lists(st.tuples(record, st.booleans()), max_size=4)


def done(state: dict[int, Annotation], wanted: list[tuple[Annotation, bool]]) -> tuple[Change, ...]:
    """Changes that fit the state one after the other; the state has them done."""
    changes = []
    for one, goes in wanted:
        change = Change(state.get(one.id), None if goes and one.id in state else one)
        changes.append(change)
        carry_out(state, [change])
    return tuple(changes)


def carry_out(state: dict[int, Annotation], changes) -> None:
    for change in changes:
        assert state.get(change.record.id) == change.before, "it does not fit what is there"
        if change.after is None:
            state.pop(change.record.id, None)
        else:
            state[change.record.id] = change.after


@given(deeds)
def test_several_changes_come_to_one_a_record(wanted) -> None:
    state: dict[int, Annotation] = {2: replace(ONE, id=2)}
    before = dict(state)
    changes = done(state, wanted)
    found = net(changes)
    assert len({change.record.id for change in found}) == len(found)
    assert all(change.before != change.after for change in found)
    carry_out(before, found)
    assert before == state


@given(deeds)
def test_what_is_taken_back_was_never_done(wanted) -> None:
    state: dict[int, Annotation] = {2: replace(ONE, id=2)}
    changes = done(dict(state), wanted)
    assert net((*changes, *(change.inverse() for change in reversed(changes)))) == ()


@given(deeds, deeds)
def test_the_screen_is_corrected_where_the_writer_did_something_else(shown, made) -> None:
    """What was made takes the place of what was shown."""
    disk: dict[int, Annotation] = {2: replace(ONE, id=2)}
    screen = dict(disk)
    wrong, right = done(screen, shown), done(disk, made)
    acts = Acts()
    acts.show(1, wrong)
    carry_out(screen, acts.corrected(1, acts.answered(1), right))
    assert screen == disk


@given(record, record, st.one_of(st.none(), record))
def test_a_change_meant_for_what_was_is_made_to_what_is(before, after, now) -> None:
    after, now = (
        replace(after, id=before.id),
        None if now is None else replace(now, id=before.id, category_id=9),
    )
    made = rebased(Change(before, after), now)
    assert made.before is now
    assert made.after.shape == after.shape if now is None or before.shape != after.shape else now.shape
    assert now is None or made.after.category_id == 9, "what it does not change is left alone"
    gone = rebased(Change(before, None), now)
    assert gone == (None if now is None else Change(now, None))
    assert rebased(Change(None, after), now) == Change(None, after), "what is new is new"
