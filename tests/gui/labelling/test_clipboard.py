from msgspec.structs import replace
from pytestqt.qtbot import QtBot

from labeler.core.geometry import translated
from labeler.core.records import Box, Change
from labeler.gui.labelling.clipboard import OFFSET, Clipboard
from labeler.gui.session.session import Session


def test_a_copy_on_the_same_image_stands_beside_its_original(session: Session) -> None:
    clipboard = Clipboard(session)
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    assert made is not None
    assert clipboard.copy([made.id, 999]) == 1
    assert clipboard.paste() == 1
    (chosen,) = session.focus.selection
    assert session.document.annotations[chosen].shape == Box(
        10 + OFFSET, 20 + OFFSET, 110 + OFFSET, 220 + OFFSET
    )


def test_on_another_image_it_stands_in_the_same_place(session: Session) -> None:
    clipboard = Clipboard(session)
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    assert made is not None
    clipboard.copy([made.id])
    session.place.step(1)
    assert clipboard.paste() == 1
    (pasted,) = session.document.annotations.values()
    assert pasted.shape == made.shape
    assert pasted.image_id != made.image_id
    assert (pasted.source, pasted.prediction_id, pasted.file_id) == ("human", None, None)


def test_a_copy_ends_at_the_edge_of_the_image_and_none_lies_beyond_it(session: Session) -> None:
    image = session.place.image
    assert image is not None
    clipboard = Clipboard(session)
    corner = Box(image.width - 30, image.height - 30, image.width, image.height)
    speck = Box(image.width - 5, image.height - 5, image.width, image.height)
    made = [session.edits.add(box, by="test") for box in (corner, speck)]
    assert clipboard.duplicate(one.id for one in made if one is not None) == 1
    (chosen,) = session.focus.selection
    assert session.document.annotations[chosen].shape == Box(
        image.width - 30 + OFFSET, image.height - 30 + OFFSET, image.width, image.height
    )


def test_duplicating_leaves_what_was_copied(session: Session) -> None:
    clipboard = Clipboard(session)
    first, second = (session.edits.add(Box(x, 20, x + 50, 220), by="test") for x in (10, 300))
    assert first is not None
    assert second is not None
    clipboard.copy([first.id])
    clipboard.duplicate([second.id])
    clipboard.copy([])
    session.place.step(1)
    clipboard.paste()
    assert [one.shape for one in session.document.annotations.values()] == [first.shape]


def test_nothing_copied_pastes_nothing(session: Session) -> None:
    assert Clipboard(session).paste() == 0
    assert not session.document.annotations


def test_pasting_several_is_one_undo(qtbot: QtBot, session: Session) -> None:
    clipboard = Clipboard(session)
    made = [session.edits.add(Box(x, 20, x + 50, 220), by="test") for x in (10, 300, 500)]
    clipboard.copy(one.id for one in made if one is not None)
    assert clipboard.paste() == 3
    session.history.undo()
    qtbot.waitUntil(lambda: len(session.document.annotations) == 3)


def test_what_lost_its_category_is_not_pasted(session: Session) -> None:
    clipboard = Clipboard(session)
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    category = session.focus.category
    assert made is not None
    assert category is not None
    clipboard.copy([made.id])
    session.edits.commit("Delete", [Change(made, None), Change(replace(category), None)], by="test")
    assert clipboard.paste() == 0


def test_a_moved_object_takes_its_keypoints_and_a_pasted_one_has_none(qtbot: QtBot, session: Session) -> None:
    made = session.edits.add(Box(20, 20, 60, 60), by="test")
    assert made is not None
    extra = b'{"keypoints":[25,30,2],"num_keypoints":1,"track_id":4,"score":0.5,"who":"me"}'
    known = replace(made, extra=extra)
    session.edits.commit("Know", [Change(made, known)], by="test")
    session.edits.replace(known, translated(known.shape, 100, 0), label="Move", by="test")
    moved = session.document.annotations[made.id]
    assert b'"keypoints":[125,30,2]' in moved.extra
    clipboard = Clipboard(session)
    clipboard.copy([made.id])
    clipboard.paste()
    (pasted,) = [one for one in session.document.annotations.values() if one.id != made.id]
    assert pasted.extra == b'{"who":"me"}'
    session.history.undo()
    session.history.undo()
    qtbot.waitUntil(lambda: session.document.annotations.get(made.id) == known, timeout=20_000)


def test_the_history_says_how_many_were_pasted(qtbot: QtBot, session: Session) -> None:
    clipboard = Clipboard(session)
    made = [session.edits.add(Box(n, 20, n + 40, 220), by="test") for n in (10, 60)]
    clipboard.copy([made[0].id])
    clipboard.paste()
    clipboard.duplicate(one.id for one in made)
    labels: list[str] = []
    session.history.journal(lambda entries: labels.extend(one.label for one in entries), limit=2)
    qtbot.waitUntil(lambda: bool(labels))
    assert labels == ["Duplicate 2 objects", "Paste an object"]


def test_what_is_pasted_while_a_run_stores_is_on_the_disk_with_it(
    qtbot: QtBot, session: Session, predict, held
) -> None:
    clipboard = Clipboard(session)
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    clipboard.copy([made.id])
    with held(session):
        session.refresh_candidates(made.image_id)
        assert clipboard.paste() == 1
        session.history.undo()
        assert clipboard.paste() == 1
    qtbot.waitUntil(lambda: session.saved == "saved")
    kept: list = []
    session.ask(lambda store: store.annotations(made.image_id), kept.extend)
    qtbot.waitUntil(lambda: bool(kept))
    assert {one.id: one for one in kept} == dict(session.document.annotations)
    assert len(kept) == 2


def test_in_place_it_lies_on_its_original(session: Session) -> None:
    clipboard = Clipboard(session)
    made = session.edits.add(Box(10, 20, 110, 220), by="test")
    assert made is not None
    clipboard.copy([made.id])
    assert clipboard.paste(in_place=True) == 1
    (chosen,) = session.focus.selection
    assert chosen != made.id
    assert session.document.annotations[chosen].shape == made.shape


def test_everything_goes_to_the_next_image_as_one_step(qtbot: QtBot, session: Session) -> None:
    clipboard, told = Clipboard(session), list[str]()
    clipboard.told.connect(told.append)
    here = session.place.image
    assert here is not None
    made = [session.edits.add(Box(x, 20, x + 50, 220), by="test") for x in (10, 300)]
    clipboard.copy_to_next([])
    there = session.place.image
    assert there is not None
    assert there.id != here.id
    qtbot.waitUntil(lambda: told == [f"Copied 2 objects to {there.path}."])
    assert [one.shape for one in session.document.annotations.values()] == [one.shape for one in made if one]
    assert session.focus.selection == session.document.annotations.keys()
    qtbot.waitUntil(lambda: session.document.is_read and session.saved == "saved")
    assert len(session.document.annotations) == 2
    session.history.undo()
    assert not session.document.annotations
    assert session.place.image == there


def test_the_selection_alone_goes_and_what_lies_beyond_the_edge_stays(qtbot: QtBot, few: Session) -> None:
    clipboard, told = Clipboard(few), list[str]()
    clipboard.told.connect(told.append)
    first = few.edits.add(Box(1, 1, 20, 20), by="test")
    few.edits.add(Box(30, 1, 50, 20), by="test")
    assert first is not None
    clipboard.copy_to_next([first.id])
    qtbot.waitUntil(lambda: told == ["Copied 1 object to 2.bmp."])
    assert [one.shape for one in few.document.annotations.values()] == [first.shape]


def test_one_who_goes_on_before_the_image_is_read_gets_nothing_there(few: Session) -> None:
    clipboard, told = Clipboard(few), list[str]()
    clipboard.told.connect(told.append)
    few.edits.add(Box(1, 1, 20, 20), by="test")
    second = few.document.find_image(2)
    assert second is not None
    few.document.note(replace(second, width=0, height=0))
    clipboard.copy_to_next([])
    few.place.step(1)
    assert told == ["Nothing was copied: the image was left before it could be read."]
    assert [few.document.counts(key) for key in (2, 3)] == [{}, {}]


def test_at_the_end_and_with_nothing_there_it_is_said(few: Session) -> None:
    clipboard, told = Clipboard(few), list[str]()
    clipboard.told.connect(told.append)
    clipboard.copy_to_next([])
    few.edits.add(Box(1, 1, 20, 20), by="test")
    few.place.set_order([1])
    clipboard.copy_to_next([])
    assert told == [
        "Nothing was copied: there is nothing on this image.",
        "Nothing was copied: this is the last image.",
    ]


def test_another_project_has_nothing_to_paste(few: Session) -> None:
    clipboard = Clipboard(few)
    made = few.edits.add(Box(1, 1, 20, 20), by="test")
    assert made is not None
    clipboard.copy([made.id])
    few.close()
    assert clipboard.paste() == 0
