"""A run in a real child goes on beside the hand: what a person does meanwhile is done, what is gone left."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from labeler.core.records import Box
from labeler.gui.predictions.batch import RunChoice
from labeler.gui.toolkit.settings import Settings
from labeler.gui.window.frame import Frame
from labeler.gui.window.main_window import MainWindow
from labeler.project.store import Store
from labeler.registry import discover
from tests.child_processes import workers

LONG = 60_000

# the off-screen platform says this of every window that has a smallest size
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

LET = """
import time
from pathlib import Path
from labeler.api import Plugin
from labeler.core.records import Box, Candidate
from labeler.models.protocols import ModelSpec

HERE = Path(__file__).parent

class Patient:
    '''Finds the same two things on every image, each time that it is let.'''

    def detect(self, image, text=None):
        with (HERE / "begun").open("a") as begun:
            begun.write("x")
        number = (HERE / "begun").stat().st_size
        while not (HERE / f"go{number}").exists():
            time.sleep(0.005)
        return tuple(
            Candidate(0, 0, 0, 0, Box(x, 10.0, x + 30, 40.0), 0.9, "person") for x in (10.0, 90.0)
        )

plugin = Plugin(
    api=1,
    name="Patient",
    version="1",
    models=(ModelSpec(id="patient", title="Patient", task="detector", load=Patient, version="1"),),
)
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "patient.py").write_text(LET)
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    return folder


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, plugin: Path) -> Iterator[MainWindow]:
    """A window on four photos with one category."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 255, (150, 200, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    made = MainWindow(Frame(Settings()))
    made.frame.resize(1000, 700)
    made.frame.show()
    made.session.open(folder)
    qtbot.waitUntil(lambda: made.session.place.pixels is not None, timeout=LONG)
    made.session.edits.add_category("person", by="test")
    yield made
    made.frame.close()
    made.frame.deleteLater()


class Child:
    """The child under the test's hand: what it has begun, and what it may end."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self._qtbot, self._folder, self.ended = qtbot, folder, 0

    def is_at_work(self) -> None:
        begun = self._folder / "begun"
        self._qtbot.waitUntil(lambda: begun.exists() and begun.stat().st_size == self.ended + 1, timeout=LONG)

    def may_end(self) -> None:
        """The image that it is at; the next one is begun then."""
        self.ended += 1
        (self._folder / f"go{self.ended}").touch()


def at(window: MainWindow, x: float, y: float) -> QPoint:
    return QPointF(*window.canvas.sight.view.point_on_screen(x, y)).toPoint()


def disk(qtbot: QtBot, window: MainWindow, work):
    found: list = []
    window.session.ask(work, found.append)
    qtbot.waitUntil(lambda: bool(found), timeout=LONG)
    return found[0]


def test_a_person_drags_accepts_undoes_leaves_and_removes_while_a_child_predicts(
    qtbot, window, plugin
) -> None:
    session, canvas, bench, child = window.session, window.canvas, window.bench, Child(qtbot, plugin)
    first, second, third, fourth = (image.id for image in session.document.images)
    choice = RunChoice("patient", discover().model("patient"))
    ends: list[str] = []
    bench.batch.ended.connect(ends.append)
    bench.batch.start(choice)
    child.is_at_work()
    # what it finds on the open image comes in the middle of a drag
    canvas.hand.take("box")
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=at(window, 50, 60))
    qtbot.mouseMove(canvas, at(window, 70, 80))
    child.may_end()
    qtbot.waitUntil(lambda: len(bench.predictions.candidates) == 2, timeout=LONG)
    assert canvas.progress.is_dragging
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=at(window, 80, 100))
    (drawn,) = session.document.annotations.values()
    assert (drawn.shape.x0, drawn.shape.y1) == pytest.approx((50, 100), abs=1.5)
    # the hand accepts and takes back while the child is at the next image
    child.is_at_work()
    left, right = sorted(session.document.candidates)
    bench.reviewing.accept([left])
    bench.reviewing.accept([right])
    window.keys.undo()
    child.may_end()
    qtbot.waitUntil(lambda: bench.batch.progress is not None and bench.batch.progress.done == 2, timeout=LONG)
    child.is_at_work()
    assert {one.prediction_id for one in session.document.annotations.values()} == {None, left}
    assert [session.document.candidates[key].verdict for key in (left, right)] == ["accepted", ""]
    # the open image is another one now, and the image that the child is at goes out of the project
    session.place.go_to(second)
    qtbot.waitUntil(lambda: len(bench.predictions.candidates) == 2, timeout=LONG)
    session.place.image_path(session.document.find_image(third)).unlink()
    bench.photo_desk.remove([third])
    qtbot.waitUntil(lambda: session.document.find_image(third) is None, timeout=LONG)
    child.may_end()
    child.is_at_work()
    session.place.go_to(fourth)
    child.may_end()
    qtbot.waitUntil(lambda: bool(ends), timeout=LONG)
    qtbot.waitUntil(lambda: len(bench.predictions.candidates) == 2, timeout=LONG)
    assert ends[0].startswith("Patient predicted 3 images")
    assert ends[0].endswith(" 1 image was removed meanwhile.")
    kept = disk(
        qtbot, window, lambda store: [len(store.predictions.candidates(one.id)) for one in store.images()]
    )
    assert kept == [2, 2, 2]
    # the removal is taken back: nothing of the run is on the image, and the next run makes up for it
    window.keys.undo()
    qtbot.waitUntil(lambda: session.document.find_image(third) is not None, timeout=LONG)
    seen = disk(qtbot, window, lambda store: store.predictions.predicted_images(bench.batch.model.id))
    assert seen == {first, second, fourth}


def test_the_plugin_goes_the_window_closes_and_no_child_is_left(qtbot, window, plugin) -> None:
    session, bench, child = window.session, window.bench, Child(qtbot, plugin)
    project, image = session.project, session.place.image.id
    choice = RunChoice("patient", discover().model("patient"), scope="image")
    ends: list[str] = []
    bench.batch.ended.connect(ends.append)
    # a review is on while the same image is predicted once more: what was asked about has another number then
    bench.batch.start(choice)
    child.is_at_work()
    child.may_end()
    qtbot.waitUntil(lambda: len(ends) == 1 and len(bench.predictions.candidates) == 2, timeout=LONG)
    bench.queue.set_active(True)
    qtbot.waitUntil(lambda: bench.queue.is_shown, timeout=LONG)
    asked = bench.queue.current.candidate_id
    bench.batch.start(RunChoice("patient", choice.spec, scope="image", again=True))
    child.is_at_work()
    child.may_end()
    qtbot.waitUntil(lambda: len(ends) == 2, timeout=LONG)
    qtbot.waitUntil(lambda: bench.queue.is_shown and bench.queue.current.candidate_id != asked, timeout=LONG)
    assert bench.queue.total == bench.queue.remaining == 2
    bench.queue.accept_current()
    assert [one.shape.x1 - one.shape.x0 for one in session.document.annotations.values()] == [30]
    # the model's plugin is deleted under the child's feet, which is at work all the same
    bench.batch.start(RunChoice("patient", choice.spec, again=True))
    child.is_at_work()
    (plugin / "patient.py").unlink()
    child.may_end()
    child.is_at_work()
    drawn = session.edits.add(Box(100, 100, 160, 130), by="test")
    window.frame.close()
    assert not workers()
    with Store.open(project, read_only=True) as store:
        shapes = [one.shape for one in store.annotations(image)]
        assert len(shapes) == 2
        assert drawn.shape in shapes
        # the accepted one, and the one that was found once more
        assert sorted(one.verdict for one in store.predictions.candidates(image)) == ["", "accepted"]
    shutil.rmtree(plugin)
