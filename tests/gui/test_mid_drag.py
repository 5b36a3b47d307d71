"""Whatever else goes on in the window, what the hand is drawing goes on, and is there in the end."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from labeler.core.records import Box, Candidate, Change
from labeler.gui.labelling import category_edits
from labeler.gui.toolkit.settings import Settings
from labeler.gui.window.frame import Frame
from labeler.gui.window.main_window import MainWindow
from labeler.project.store import Store

SOON = 20_000

# the off-screen platform says this of every window that has a smallest size
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    """A window on three photos; two categories; an object on the open one, and one on the next."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (150, 200, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    made = MainWindow(Frame(Settings()))
    made.frame.resize(1000, 700)
    made.frame.show()
    session = made.session
    session.open(folder)
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=SOON)
    for name in ("person", "dog"):
        session.edits.add_category(name, by="test")
    for number in (1, 0):
        session.place.go_to(session.document.images[number].id)
        qtbot.waitUntil(lambda: session.document.is_read, timeout=SOON)
        session.edits.add(Box(5, 5, 20, 20), by="test")
    qtbot.waitUntil(lambda: session.saved == "saved" and session.place.pixels is not None, timeout=SOON)
    yield made
    made.frame.close()
    made.frame.deleteLater()


def at(window: MainWindow, x: float, y: float) -> QPoint:
    return QPointF(*window.canvas.sight.view.point_on_screen(x, y)).toPoint()


def found(window: MainWindow, image_id: int) -> None:
    """A model has found something on an image, and all that show predictions hear of it."""
    session = window.session

    def work(store: Store):
        model = store.predictions.ensure_model("detector", "1")
        store.predictions.record_run(
            model.id, image_id, [Candidate(0, 0, 0, 1, Box(60, 60, 90, 90), 0.9, "person")]
        )
        return model

    def take(model) -> None:
        session.measure.add_model(model)
        session.refresh_candidates(image_id)
        window.bench.take_stored((image_id,))

    session.keep(work, take, failed=pytest.fail)


def labels_file(window: MainWindow) -> Path:
    file = window.session.root.parent / "given.json"
    shape = {"bbox": [1, 1, 6, 6], "area": 36, "iscrowd": 0}
    data = {
        "images": [{"id": 1, "file_name": "2.png", "width": 200, "height": 150}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"id": 900, "image_id": 1, "category_id": 1, **shape}],
    }
    file.write_text(json.dumps(data))
    return file


def change_category(window: MainWindow, edit: Callable, *arguments) -> None:
    made = edit(window.session.document.categories[2], *arguments)
    window.session.edits.commit(made.label, made.changes, by="categories")


def other(window: MainWindow, which: int = 1) -> int:
    return window.session.document.images[which].id


def measure_agreement(window: MainWindow) -> None:
    found(window, other(window))
    window.bench.agreements.measure_anew()


def accept_offered(window: MainWindow) -> None:
    """What waits on all images, as a person has asked for before the drag."""
    found(window, window.session.place.image.id)
    session, reviewing = window.session, window.bench.reviewing
    session.ask(
        lambda store: store.predictions.candidates(window.session.document.images[0].id),
        lambda known: reviewing.accept_pending(known, label="Accept", said=""),
    )


MEANWHILE: dict[str, Callable[[MainWindow], object]] = {
    "a run stores here": lambda w: found(w, w.session.place.image.id),
    "a run stores elsewhere": lambda w: found(w, other(w)),
    "a file is taken in": lambda w: w.bench.labels_desk.take(labels_file(w)),
    "a photo is removed": lambda w: w.bench.photo_desk.remove([other(w)]),
    "a photo is located": lambda w: w.bench.photo_desk.locate(other(w, 2), w.session.root.parent / "x.png"),
    "a category is renamed": lambda w: change_category(w, category_edits.renamed, "cat"),
    "a category is hidden": lambda w: change_category(w, category_edits.hidden, True),
    "a category is deleted": lambda w: change_category(w, category_edits.deleted),
    "categories are merged": lambda w: w.session.edits.merge_categories(2, 1),
    "the project is read anew": lambda w: w.session.reload(),
    "the folder is looked at": lambda w: w.session.look_at_folder(),
    "agreement is measured": measure_agreement,
    "what was offered is accepted": accept_offered,
    "a candidate is pointed at": lambda w: w.bench.predictions.hover(1),
    "the filter is another one": lambda w: w.bench.predictions.set_filter(confidence=0.6),
    "a snapshot is made": lambda w: w.commands.snapshot(),
    "an image is marked": lambda w: w.session.edits.commit(
        "Reviewed",
        [Change(w.session.place.image, replace(w.session.place.image, reviewed=True))],
        by="test",
    ),
}


ANSWERED = (
    "a run stores here",
    "a file is taken in",
    "a photo is removed",
    "a photo is located",
    "categories are merged",
    "agreement is measured",
    "what was offered is accepted",
)
"""What waits for an answer of the writer."""


@pytest.mark.parametrize(("act", "tool"), [(act, ("box", "brush")[n % 2]) for n, act in enumerate(MEANWHILE)])
def test_a_drag_goes_on_and_what_it_draws_is_kept(qtbot, window, held, act, tool) -> None:
    session, canvas = window.session, window.canvas
    canvas.hand.take(tool)
    session.focus.select(())  # else the brush goes on with what was drawn last
    before, image = set(session.document.annotations), session.place.image.id
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=at(window, 100, 100))
    qtbot.mouseMove(canvas, at(window, 130, 115))
    assert canvas.progress.is_dragging
    with held(session):
        MEANWHILE[act](window)
        qtbot.mouseMove(canvas, at(window, 140, 120))
    # all that the act has asked for is answered, and what comes of the answers too
    answered: list[bool] = []
    for _ in range(3):
        session.ask(lambda store: True, answered.append)
        qtbot.waitUntil(lambda: bool(answered), timeout=SOON)
        answered.clear()
    assert canvas.progress.is_dragging, "the drag was ended by somebody else"
    assert session.place.image.id == image
    qtbot.mouseMove(canvas, at(window, 160, 130))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=at(window, 160, 130))
    fresh = set(session.document.annotations) - before
    (made,) = (key for key in fresh if session.document.annotations[key].source == "human")
    if tool == "box":
        box = session.document.annotations[made].shape
        assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((100, 100, 160, 130), abs=1.5)
    qtbot.waitUntil(
        lambda: session.saved == "saved" and not window.bench.labels_desk.importer.is_busy, timeout=SOON
    )
    disk: list = []
    session.ask(lambda store: store.annotations(image), disk.append)
    qtbot.waitUntil(lambda: bool(disk), timeout=SOON)
    assert {one.id: one for one in disk[0]} == dict(session.document.annotations)


@pytest.mark.parametrize("act", ANSWERED)
def test_a_window_closed_before_the_answer_comes_closes_and_keeps_what_was_drawn(
    qtbot, window, held, act
) -> None:
    session = window.session
    project, image = session.project, session.place.image.id
    with held(session):
        MEANWHILE[act](window)
        made = session.edits.add(Box(100, 100, 160, 130), by="test")
        session.close()  # what the window does first; it does not wait for the writer
        assert session.project is None
    window.frame.close()
    with Store.open(project, read_only=True) as store:
        assert made.shape in [one.shape for one in store.annotations(image)]


@pytest.mark.parametrize("tool", ["select", "box", "brush"])
def test_all_that_was_accepted_comes_in_the_middle_of_a_drag(qtbot, window, tool) -> None:
    """It was asked for before; what the hand moves or draws goes on."""
    session, canvas = window.session, window.canvas
    image = session.place.image.id
    found(window, image)
    qtbot.waitUntil(lambda: len(window.bench.predictions.candidates) == 1, timeout=SOON)
    (own,) = session.document.annotations.values()
    canvas.hand.take(tool)
    session.focus.select([own.id] if tool == "select" else ())
    start = (12, 12) if tool == "select" else (100, 100)
    window.actions["accept-image"].trigger()
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=at(window, *start))
    qtbot.mouseMove(canvas, at(window, start[0] + 20, start[1] + 15))
    assert canvas.progress.is_dragging
    qtbot.waitUntil(
        lambda: any(one.prediction_id for one in session.document.annotations.values()), timeout=SOON
    )
    assert canvas.progress.is_dragging, "the drag was ended by somebody else"
    qtbot.mouseMove(canvas, at(window, start[0] + 40, start[1] + 30))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=at(window, start[0] + 40, start[1] + 30))
    now = session.document.annotations
    if tool == "select":
        box = now[own.id].shape
        assert (box.x0, box.y0) == pytest.approx((45, 35), abs=1.5)
        assert len(now) == 2
    else:
        assert now[own.id] == own
        assert len(now) == 3
    accepted = [one.shape for one in now.values() if one.prediction_id]
    assert accepted == [Box(60, 60, 90, 90)]
    qtbot.waitUntil(lambda: session.saved == "saved", timeout=SOON)
