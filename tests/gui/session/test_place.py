"""Where the person is: the order, the way through it, and what is read and encoded ahead of it."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMainWindow

from labeler.gui.session.place import Leave
from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import Notifier
from labeler.gui.toolkit.settings import Settings
from labeler.gui.window.workbench import Workbench


def ids(images) -> list[int]:
    return [image.id for image in images]


@pytest.fixture
def walked(few: Session) -> Session:
    """The images 1 to 6 in the order 3 1 5 2 6, so that 4 is filtered out."""
    few.place.set_order([3, 1, 5, 2, 6])
    return few


@pytest.mark.parametrize(
    ("here", "count", "ahead"),
    [
        (5, 0, []),
        (5, 1, [2]),
        (5, 2, [2, 1]),
        (5, 3, [2, 1, 6]),
        (5, 9, [2, 1, 6]),  # what lies further back is not read again
        (3, 3, [1, 5]),  # the first has none before it
        (3, 4, [1, 5, 2]),
        (6, 3, [2]),  # the last has none after it
        (4, 3, []),  # filtered out: nobody knows what comes next
    ],
)
def test_the_next_image_comes_before_the_one_before(walked: Session, here, count, ahead) -> None:
    walked.place.go_to(here)
    assert ids(walked.place.neighbours(count)) == ahead


def test_nothing_comes_next_where_nothing_is_open(qapp) -> None:
    made = Session()
    assert made.place.neighbours(3) == []
    made.shut_down()


def test_an_image_that_went_is_not_among_those_that_come_next(walked: Session) -> None:
    walked.place.go_to(5)
    walked.document.fill([one for one in walked.document.images if one.id != 2], (), {}, ())
    assert ids(walked.place.neighbours(3)) == [1, 6]


@pytest.mark.parametrize(
    ("here", "by", "then"),
    [
        (5, 1, 2),
        (5, -1, 1),
        (5, 2, 6),
        (6, 1, 6),
        (3, -1, 3),
        (5, 100, 6),
        (5, -100, 3),
        (4, 1, 3),  # from an image that is filtered out one gets to the first that is not
        (4, -1, 3),
    ],
)
def test_a_step_goes_along_the_order_and_stays_at_its_ends(walked: Session, here, by, then) -> None:
    walked.place.go_to(here)
    told = []
    walked.place.image_changed.connect(lambda: told.append(walked.document.open_id))
    walked.place.step(by)
    assert walked.place.image.id == then
    assert told == ([] if then == here else [then])


def test_a_step_through_an_empty_order_goes_nowhere(few: Session) -> None:
    few.place.set_order([])
    few.place.step(1)
    assert few.place.image.id == 1
    assert few.place.position(1) is None


def test_nobody_is_taken_away_from_a_drag_nor_to_an_image_that_is_not_there(few: Session) -> None:
    told = []
    few.place.image_changed.connect(lambda: told.append(1))
    few.place.leaving.connect(Leave.refuse, Qt.ConnectionType.SingleShotConnection)
    few.place.go_to(2)
    few.place.go_to(1)
    few.place.go_to(99)
    assert few.place.image.id == 1
    assert not told
    few.place.go_to(2)
    assert told == [1]


@pytest.mark.parametrize(
    ("here", "gone", "then"),
    [
        (5, {1}, 5),  # the open one stays
        (5, {5}, 2),
        (5, {5, 2}, 6),
        (6, {6}, 2),  # nothing after it: the nearest before it
        (6, {6, 2, 5}, 1),
        (4, {4}, 3),  # not in the order: to the first of it
        (5, {1, 2, 3, 5, 6}, None),
    ],
)
def test_when_the_open_image_goes_the_nearest_that_stays_is_opened(walked: Session, here, gone, then) -> None:
    walked.place.go_to(here)
    told = []
    walked.place.image_changed.connect(lambda: told.append(walked.place.image))
    walked.place.leave(gone)
    opened = walked.place.image
    assert (opened.id if opened else None) == then
    assert len(told) == (here in gone)
    if then is None:
        assert walked.place.pixels is None
        assert not walked.focus.selection
        assert walked.place.neighbours(2) == []


@pytest.mark.parametrize("title", ["Wrong · person", ""])
def test_an_order_chosen_elsewhere_is_kept_over_a_reading_anew_and_any_other_is_not(few, title) -> None:
    few.place.set_order([4, 2, 6], title=title)
    few.document.fill([one for one in few.document.images if one.id != 2], (), {}, ())
    few.place.drop_order()
    assert list(few.place.order) == []
    few.place.ensure_order()
    assert list(few.place.order) == ([4, 6] if title else [1, 3, 4, 5, 6])
    assert few.place.order_title == title
    assert few.place.position(6) == (1 if title else 4)


def test_an_order_set_while_it_was_read_anew_stays(few: Session) -> None:
    few.place.set_order([4, 2], title="Wrong")
    few.place.drop_order()
    few.place.set_order([3])
    few.place.ensure_order()
    assert (list(few.place.order), few.place.order_title) == ([3], "")
    few.place.drop_order()
    few.place.ensure_order()
    assert list(few.place.order) == [1, 2, 3, 4, 5, 6], "what was kept once came back later"


def test_both_neighbours_are_decoded_ahead_and_no_other(qtbot, walked: Session) -> None:
    loader = walked.place._loader
    loader.clear()
    walked.place.go_to(5)
    assert walked.place.pixels is None
    qtbot.waitUntil(lambda: all(loader.pixels(key) is not None for key in (5, 2, 1)), timeout=20_000)
    assert walked.place.pixels is not None
    assert all(loader.pixels(key) is None for key in (3, 4, 6))
    told = []
    walked.place.pixels_changed.connect(lambda: told.append(walked.document.open_id))
    walked.place.go_to(2)
    assert walked.place.pixels is not None, "what was decoded ahead is there at once"
    assert told == [2]


def test_what_is_encoded_ahead_are_the_files_that_come_next(qtbot, walked: Session, monkeypatch) -> None:
    """The open image first, then as many as the settings say, nearest first."""
    root = walked.root
    walked.shut_down()
    window = QMainWindow()
    qtbot.addWidget(window)
    bench = Workbench(window, Settings(look_ahead=3), Notifier(window))
    asked = []
    monkeypatch.setattr(bench.host, "open_image", lambda key, path: asked.append(("open", key, path.name)))
    monkeypatch.setattr(
        bench.host, "look_ahead", lambda items: asked.append(["ahead", *(path.name for _, path in items)])
    )
    bench.session.open(root)
    qtbot.waitUntil(lambda: bool(asked), timeout=20_000)
    assert asked[0] == ("open", str(root / "1.bmp"), "1.bmp")
    assert asked[1] == ["ahead", "2.bmp", "3.bmp"]
    asked.clear()
    bench.session.place.go_to(4)
    qtbot.waitUntil(lambda: len(asked) >= 2, timeout=20_000)
    assert asked == [("open", str(root / "4.bmp"), "4.bmp"), ["ahead", "5.bmp", "3.bmp", "6.bmp"]]
    asked.clear()
    bench.session.place.set_order([6, 4, 1])
    bench.look_ahead(2)
    assert asked == [["ahead", "1.bmp", "6.bmp"]]
    bench.close()


def test_an_image_that_cannot_be_read_asks_for_no_embedding(qtbot, few: Session, monkeypatch) -> None:
    (few.root / "2.bmp").write_bytes(b"nothing")
    (few.root / "1.bmp").unlink()
    root = few.root
    few.shut_down()
    window = QMainWindow()
    qtbot.addWidget(window)
    bench = Workbench(window, Settings(), Notifier(window))
    asked = []
    monkeypatch.setattr(bench.host, "open_image", lambda key, path: asked.append(path.name))
    monkeypatch.setattr(bench.host, "look_ahead", lambda items: None)
    bench.session.open(root / "2.bmp")
    qtbot.waitUntil(lambda: bool(bench.session.place.problem), timeout=20_000)
    assert not asked
    bench.session.place.go_to(3)
    qtbot.waitUntil(lambda: set(asked) == {"3.bmp"}, timeout=20_000)
    bench.close()
