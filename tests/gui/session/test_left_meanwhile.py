"""What was asked of a project is never done to another one that is open by the time the answer comes.

The records of both have the same ids.
"""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import shiboken6
from PySide6.QtWidgets import QWidget

from labeler.core.photos.photo_files import fingerprint
from labeler.core.records import Box, Candidate
from labeler.gui.images.photo_desk import ASIDE, KEEP, SCALE, PhotoDesk
from labeler.gui.labelling.history_panel import HistoryPanel
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.review.decisions import Reviewing
from labeler.gui.review.guarantees import Guarantees, Terms
from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import Notifier
from labeler.project.photos.survey import Stranger
from labeler.project.store import Store

SOON = 20_000


def label(qtbot, session: Session) -> None:
    """An object on the first image, and what a model found on the first two."""
    session.edits.add(Box(1, 2, 30, 20), by="test")
    found = [Candidate(0, 0, 0, 1, Box(5, 5, 25, 25), 0.9, "person")]

    def work(store: Store):
        model = store.predictions.ensure_model("detector", "1")
        for image_id in (1, 2):
            store.predictions.record_run(model.id, image_id, found)
        return model

    done: list = []
    session.ask(work, done.append)
    qtbot.waitUntil(lambda: bool(done) and session.saved == "saved", timeout=SOON)
    session.measure.add_model(done[0])


@pytest.fixture
def other(qtbot, few: Session, tmp_path: Path) -> Path:
    """Another project, which looks the same from outside; the first one is labelled, and open again."""
    folder = tmp_path / "other"
    folder.mkdir()
    for photo in few.root.glob("*.bmp"):
        shutil.copy(photo, folder)
    made = Session()
    made.open(folder)
    qtbot.waitUntil(lambda: made.document.is_read, timeout=SOON)
    for name in ("person", "dog"):
        made.edits.add_category(name, by="test")
    label(qtbot, made)
    made.shut_down()
    label(qtbot, few)
    return folder


@pytest.fixture
def desks(qtbot, few: Session):
    """What acts on a project after it was asked something."""
    window = QWidget()
    predictions = Predictions(few, window)
    reviewing = Reviewing(few, predictions, window)
    made = SimpleNamespace(
        photos=PhotoDesk(few, Notifier(window), window),
        reviewing=reviewing,
        guarantees=Guarantees(few, predictions, reviewing, window),
        predictions=predictions,
    )
    yield made
    few.close()
    shiboken6.delete(window)


def everything(folder: Path) -> tuple:
    with Store.open(folder / "labels.labeler", read_only=True) as store:
        images = store.images()
        return (
            images,
            store.categories(),
            [store.annotations(one.id) for one in images],
            [store.predictions.candidates(one.id) for one in images],
            [(entry.label, entry.state) for entry in store.history.entries()],
        )


def strangers(session: Session) -> list[Stranger]:
    image = session.document.find_image(1)
    return [Stranger(image, fingerprint(session.root / image.path))]


ACTS: dict[str, Callable[[Session, SimpleNamespace], object]] = {
    "remove a photo": lambda session, desks: desks.photos.remove([1]),
    "locate a photo": lambda session, desks: desks.photos.locate(1, session.root / "elsewhere.bmp"),
    KEEP: lambda session, desks: desks.photos.decide(KEEP, strangers(session)),
    SCALE: lambda session, desks: desks.photos.decide(SCALE, strangers(session)),
    ASIDE: lambda session, desks: desks.photos.decide(ASIDE, strangers(session)),
    "accept elsewhere": lambda session, desks: desks.reviewing.accept([2]),
    "reject elsewhere": lambda session, desks: desks.reviewing.reject([2]),
    "accept all": lambda session, desks: desks.reviewing.accept_all_above(0.5, whole_set=True),
    "accept what was offered": lambda session, desks: desks.reviewing.accept_pending(
        list(session.document.candidates.values()), label="Accept", said=""
    ),
    "work out a promise": lambda session, desks: desks.guarantees.look(Terms()),
    "draw by lot": lambda session, desks: desks.guarantees.draw_lot(),
    "merge categories": lambda session, desks: session.edits.merge_categories(1, 2),
    "go back": lambda session, desks: session.history.go_back_to(1),
    "restore an image": lambda session, desks: session.history.restore_image(1),
    "undo": lambda session, desks: session.history.undo(),
    "use another model": lambda session, desks: session.use_segmenter("Another", "7"),
}


@pytest.mark.parametrize("act", ACTS)
def test_another_project_is_left_as_it_is(qtbot, few, other, desks, held, act) -> None:
    before = everything(other)
    told: list[str] = []
    few.told.connect(told.append)
    with held(few):
        ACTS[act](few, desks)
        few.open(other)
        qtbot.waitUntil(lambda: few.root == other and few.document.is_read, timeout=SOON)
        model = few._link.segmenter_id
    qtbot.waitUntil(lambda: not few._link._leaving, timeout=SOON)
    answered: list[bool] = []
    for _ in range(2):  # what an answer has asked for is answered by the second
        few.ask(lambda store: True, answered.append)
        qtbot.waitUntil(lambda: bool(answered), timeout=SOON)
        answered.clear()
    assert few._link.segmenter_id == model
    assert few.saved == "saved"
    assert not told
    shown = dict(few.document.annotations)
    few.shut_down()
    after = everything(other)
    assert after[1:] == before[1:]
    assert [one.path for one in after[0]] == [one.path for one in before[0]]
    assert shown == {one.id: one for one in before[2][0]}


def test_an_export_is_written_although_its_project_was_left(qtbot, few, other, held) -> None:
    """Who asks for the answer all the same gets it."""
    heard: list[Path] = []
    first = few.project
    with held(few):
        few.ask(lambda store: store.path, heard.append, even_if_left=True)
        few.ask(lambda store: store.path, lambda _: pytest.fail("nobody is there any more"))
        few.open(other)
        qtbot.waitUntil(lambda: few.root == other, timeout=SOON)
    qtbot.waitUntil(lambda: heard == [first], timeout=SOON)
    qtbot.waitUntil(lambda: not few._link._leaving, timeout=SOON)


def test_a_photo_found_to_be_another_one_is_no_photo_of_the_next_project(qtbot, few, other, held) -> None:
    image = few.document.find_image(1)
    suspected: list[int] = []
    with held(few):
        few._link.note_image(image, fingerprint(few.root / "2.bmp"), lambda: suspected.append(1))
        few.open(other)
        qtbot.waitUntil(lambda: few.root == other and few.document.is_read, timeout=SOON)
    qtbot.waitUntil(lambda: not few._link._leaving, timeout=SOON)
    assert not suspected
    assert not few.strangers.all


def test_the_history_of_the_project_before_cannot_be_walked_in_the_next(qtbot, few, other, held) -> None:
    window = QWidget()
    panel = HistoryPanel(few, window)
    window.show()
    qtbot.waitUntil(lambda: panel.view.model().rowCount() > 1, timeout=SOON)
    gone = []
    few.project_changed.connect(lambda: gone.append(panel.view.model().rowCount()))
    few.open(other)
    qtbot.waitUntil(lambda: bool(gone), timeout=SOON)
    assert gone == [0], "points of another history stood there to be clicked"
    qtbot.waitUntil(lambda: panel.view.model().rowCount() > 1, timeout=SOON)
    few.close()
    shiboken6.delete(window)


def test_closed_while_the_same_project_opens_again(qtbot, few: Session) -> None:
    """Its writer has ended by then: nothing may be asked of it once more."""
    project, root = few.project, few.root
    assert project is not None
    before = set(threading.enumerate())
    few.open(root)  # what is open already is only read anew
    for thread in set(threading.enumerate()) - before:
        thread._started.wait(SOON / 1000)  # type: ignore[attr-defined] - listed before it can be waited for
        thread.join(SOON / 1000)  # it is read, and nobody has heard of it yet
    few.close()
    ended: list[bool] = []
    few.after_leaving(lambda: True, ended.append, failed=lambda error: pytest.fail(str(error)))
    qtbot.waitUntil(lambda: bool(ended), timeout=SOON)
    few.open(root)
    qtbot.waitUntil(lambda: few.project == project and few.document.is_read, timeout=SOON)
    few.shut_down()
