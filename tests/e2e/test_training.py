"""From labels to a model that labels: trained, judged and used in the window, with real children."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QWidget

from labeler.core.geometry import bounds
from labeler.core.measures.overlap import box_overlap
from labeler.core.records import Annotation, Box
from labeler.gui.evaluation.panel import EvaluationPanel
from labeler.gui.images.panel import ImagesPanel
from labeler.gui.labelling.category_edits import renamed
from labeler.gui.training.learner import NAME
from labeler.gui.training.panel import TrainingPanel
from labeler.project.runs import Run
from labeler.project.store import Store
from tests.e2e.user import LEFT, NONE, User

pytestmark = [
    pytest.mark.qt_log_ignore("propagateSizeHints"),  # of the off-screen platform
]

Start = Callable[..., User]
T = TypeVar("T")
Corners = tuple[float, float, float, float]

HEIGHT, WIDTH = 160, 224
IMAGES, LABELLED = 7, 5
LONG = 120_000
"""Milliseconds for a training on a machine that has other things to do."""


def balls(number: int) -> list[Corners]:
    """The boxes (x0, y0, x1, y1) of the two balls of a scene, one in each half."""
    rng = np.random.default_rng(number)
    made = []
    for half in (0, 1):
        radius = int(rng.integers(18, 27))
        x = half * WIDTH // 2 + int(rng.integers(radius + 6, WIDTH // 2 - radius - 6))
        y = int(rng.integers(radius + 6, HEIGHT - radius - 6))
        made.append((float(x - radius), float(y - radius), float(x + radius), float(y + radius)))
    return made


def write_scene(path: Path, number: int) -> None:
    """Two orange balls on a blotchy ground, 224 x 160; no two scenes are near-duplicates."""
    rng = np.random.default_rng(100 + number)
    ground = rng.integers(20, 150, (6, 8, 3)).astype(np.uint8)
    pixels = cv2.resize(ground, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for x0, y0, x1, y1 in balls(number):
        middle, radius = (int(x0 + x1) // 2, int(y0 + y1) // 2), int(x1 - x0) // 2
        cv2.circle(pixels, middle, radius, (40, 140, 250), -1, cv2.LINE_AA)
    cv2.imwrite(str(path), pixels)


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """1.png to 7.png, 224 x 160, each with two balls."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    for number in range(1, IMAGES + 1):
        write_scene(folder / f"{number}.png", number)
    return folder


def octagon(corners: Corners) -> list[tuple[float, float]]:
    """A ball as a person outlines it."""
    x0, y0, x1, y1 = corners
    turns = np.arange(8) * np.pi / 4
    radius = (x1 - x0) / 2
    return [((x0 + x1) / 2 + radius * np.cos(t), (y0 + y1) / 2 + radius * np.sin(t)) for t in turns.tolist()]


def label(user: User, images: int, *, outlines: bool = False) -> None:
    """Draw every ball of the first images, and tick each image off with Ctrl+Enter."""
    user.add_category("ball")
    for number in range(1, images + 1):
        assert user.image == f"{number}.png"
        for corners in balls(number):
            if outlines:
                user.draw_polygon(*octagon(corners))
            else:
                user.draw_box(*corners)
            user.key("Esc")
        user.key("Ctrl+Return")
        user.wait_shown()
    user.key("V")
    user.wait_saved()


def open_training(user: User, trainer: str, **options: str) -> TrainingPanel:
    """Ctrl+T, the trainer, and what is typed into its fields."""
    user.window.model_menu.look_up()
    user.wait(lambda: user.window.bench.training.trainers)
    user.key("Ctrl+T")
    panel = user.window.panels[TrainingPanel]
    user.wait(panel.isVisible)
    setup = panel.setup
    setup.model.choose(trainer)
    setup.fold(True)
    for name, text in options.items():
        field = (setup.options.fields | setup.advanced.fields)[name]
        assert isinstance(field, QLineEdit)
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, text)
    setup.fold(False)
    user.wait(lambda: user.window.bench.training.planner.validation is not None)
    return panel


def train(user: User, panel: TrainingPanel) -> Run:
    """The Train button, and wait until the model is there."""
    user.press_button(panel.setup.button)
    user.wait(lambda: "is ready" in user.said(), LONG)
    (run, *_) = user.window.bench.training.list.runs
    assert run.state == "finished"
    user.wait(lambda: panel.use.isVisible() and panel.use.isEnabled())
    return run


def click_on(user: User, widget: QWidget, spot: QPointF) -> None:
    """A click at a place of a widget."""
    user.wait(widget.isVisible)
    QTest.mouseMove(widget, spot.toPoint())
    QTest.mouseClick(widget, LEFT, NONE, spot.toPoint())


def stored(user: User, work: Callable[[Store], T]) -> T:
    """What the project file says."""
    found: list[T] = []
    user.session.ask(work, found.append)
    user.wait(lambda: found)
    return found[0]


def predicted(user: User, model_id: int) -> set[int]:
    """Ids of the images that a model has run on."""
    return set(stored(user, lambda store: store.predictions.predicted_images(model_id)))


def unlabelled(user: User) -> set[int]:
    """Ids of the images that nothing was drawn on."""
    return {
        image.id
        for image in user.session.document.images
        if not any(user.session.document.counts(image.id).values())
    }


@pytest.fixture
def trained(start: Start, scenes: Path) -> User:
    """A window whose instant model has learnt from the boxes of five scenes."""
    user = start(scenes)
    label(user, LABELLED)
    train(user, open_training(user, "instant", steps="40"))
    return user


def test_label_train_predict_accept_and_judge(trained: User) -> None:
    user, window = trained, trained.window
    panel, queue = window.panels[TrainingPanel], window.bench.queue
    validation = window.bench.training.planner.validation
    assert validation
    assert window.panels[ImagesPanel]._model.validation == validation
    waiting = unlabelled(user)
    assert len(waiting) == IMAGES - LABELLED

    user.press_button(panel.use)
    user.wait(lambda: queue.active and queue.current is not None, LONG)
    model = user.session.measure.model
    assert model is not None
    assert model.name == "Instant 1"
    assert predicted(user, model.id) == waiting
    _accept_the_most_uncertain(user)

    _judge_the_validation_images(user, validation)


def _accept_the_most_uncertain(user: User) -> None:
    queue = user.window.bench.queue
    assert queue.remaining >= 2
    first, left = queue.current, queue.remaining
    assert first is not None
    user.wait(lambda: user.looks_at(first.candidate_id))
    assert first.image_id in unlabelled(user)
    user.canvas.setFocus()
    user.key("Return")
    user.wait_saved()
    assert queue.remaining == left - 1
    second = queue.current
    assert second is not None
    assert abs(first.confidence - 0.5) <= abs(second.confidence - 0.5)

    def kept(store: Store) -> tuple[Annotation, ...]:
        return store.annotations(first.image_id)

    (accepted,) = stored(user, kept)
    assert accepted.prediction_id == first.candidate_id
    assert accepted.source == "model"
    assert user.category_of(accepted) == "ball"
    user.undo()
    assert not stored(user, kept)
    user.wait(lambda: queue.current == first)
    user.key("Ctrl+Shift+R")
    assert not queue.active


def _judge_the_validation_images(user: User, validation: frozenset[int]) -> None:
    loop = user.window.bench
    if not user.window.panels[TrainingPanel].isVisible():
        user.key("Ctrl+T")
    user.press_button(user.window.panels[TrainingPanel].judge)
    user.wait(lambda: loop.evaluation.outcome is not None, LONG)
    page = user.window.panels[EvaluationPanel]
    user.wait(lambda: page.isVisible() and page.view.evaluation is not None)
    evaluation = page.view.evaluation
    assert evaluation is not None
    assert set(evaluation.images.ids.tolist()) == validation
    assert evaluation.summary.truths == 2 * len(validation)
    user.wait(page.numbers.isVisible)

    page.tabs.choose("Confusion")
    page._arrange()
    matrix = page.confusion.matrices[0]
    user.wait(matrix.isVisible)
    counts = page.view.confusion(0).counts
    assert counts[0, 0] + counts[0, 1] == 2 * len(validation), "each ball was found or missed"
    cell = (0, 0) if counts[0, 0] else (0, 1)
    click_on(user, matrix, matrix.rect_of(cell).center())
    item = page.view.listing.items[0]
    user.wait(lambda: user.session.place.image is not None and user.session.place.image.id == item.image_id)
    user.wait(lambda: user.session.focus.selection == {item.truth_id})
    assert len(page.view.listing.items) == counts[cell]
    assert user.session.place.image is not None
    assert user.session.place.image.id in validation


# --- a run that takes longer ----------------------------------------------------------------------


def test_a_unet_is_stopped_and_resumed_and_then_offered(start: Start, scenes: Path) -> None:
    user = start(scenes)
    label(user, 4, outlines=True)
    desk = user.window.bench.training
    panel = open_training(user, "unet", epochs="4", width="8", depth="2", size="64", batch="4")
    user.press_button(panel.setup.button)
    user.wait(lambda: desk.course is not None and len(desk.course.epochs) >= 1, LONG)
    assert panel.setup.button.text() == "Stop"
    user.press_button(panel.setup.button)
    user.wait(lambda: not desk.is_busy and not user.hosts(), LONG)
    (run,) = desk.list.runs
    assert run.state == "stopped"
    user.wait(lambda: desk.course_of(run.id) is not None)
    before = desk.course_of(run.id)
    assert before is not None
    assert 1 <= before.done < 4

    user.press_button(panel.runs.resume)
    user.wait(lambda: "is ready" in user.said(), LONG)
    user.wait(lambda: (course := desk.course_of(run.id)) is not None and course.end == "finished")
    course = desk.course_of(run.id)
    assert course is not None
    assert [one.epoch for one in course.epochs] == [1, 2, 3, 4]
    assert course.epochs[: before.done] == before.epochs
    for plot in (panel.curves.loss, panel.curves.score):
        user.wait(lambda plot=plot: plot.is_drawn and plot.surface.isVisible())
    user.choose_detector("U-Net 1")


# --- learn while I label --------------------------------------------------------------------------


def test_one_object_has_its_look_alikes_proposed_and_its_undo_takes_them_back(
    start: Start, scenes: Path
) -> None:
    user = start(scenes)
    learner = user.window.bench.learner
    user.window.model_menu.look_up()
    user.wait(lambda: learner.is_available)
    user.key("Ctrl+Shift+L")
    user.wait(lambda: learner.words == "It begins with the first object")
    user.add_category("ball")
    first, second = balls(1)
    user.draw_box(*first)
    user.key("Esc")
    user.wait(lambda: "a right click rejects one" in user.said(), LONG)
    user.wait(lambda: "predicted" in learner.words and not learner.doing, LONG)
    assert learner.why == "By look-alikes, for there are few examples: ball (1)."
    document = user.session.document
    user.wait(lambda: document.candidates)
    found = max(document.candidates.values(), key=lambda one: one.confidence)
    assert box_overlap(bounds(found.shape), Box(*second)).iou > 0.5
    assert all(box_overlap(bounds(one.shape), Box(*first)).iou < 0.5 for one in document.candidates.values())
    assert document.categories[found.category_id].name == "ball"

    user.key("Ctrl+Z")
    user.wait(lambda: not document.candidates)
    assert learner.words == "It begins with the first object"
    user.key("Ctrl+Shift+Z")
    user.wait(lambda: learner.doing == "learning", LONG)
    user.key("Ctrl+Z")
    assert not learner.doing, "a round that looks for what is gone ends"
    user.wait(lambda: learner.words == "It begins with the first object", LONG)
    assert not document.candidates


def test_look_alikes_follow_to_the_next_image_and_take_the_name_that_is_given_meanwhile(
    start: Start, scenes: Path
) -> None:
    user = start(scenes)
    learner, document = user.window.bench.learner, user.session.document
    user.window.model_menu.look_up()
    user.wait(lambda: learner.is_available)
    user.key("Ctrl+Shift+L")
    user.add_category("ball")
    user.draw_box(*balls(1)[0])
    user.key("Esc")
    user.wait(lambda: learner.doing == "learning", LONG)
    (category,) = document.categories.values()
    user.session.edits.commit("Rename", renamed(category, "orange").changes, by="test")
    user.key("D")
    user.wait(lambda: user.session.place.pixels is not None)
    user.wait(lambda: "predicted" in learner.words and not learner.doing, LONG)
    user.wait(lambda: document.candidates)
    assert learner.why == "By look-alikes, for there are few examples: orange (1)."
    found = max(document.candidates.values(), key=lambda one: one.confidence)
    assert max(box_overlap(bounds(found.shape), Box(*ball)).iou for ball in balls(2)) > 0.5
    assert document.categories[found.category_id].name == "orange"
    user.draw_box(*balls(2)[0])
    user.wait(lambda: bool(learner.doing), LONG)
    user.window.frame.close()
    assert not learner.doing, "a window that goes leaves nothing to go on"


def test_it_learns_while_a_person_labels(start: Start, scenes: Path) -> None:
    user = start(scenes)
    label(user, 3)
    user.window.model_menu.look_up()
    learner = user.window.bench.learner
    user.wait(lambda: learner.is_available)
    user.key("Ctrl+Shift+L")
    assert learner.is_on
    user.wait(lambda: "predicted" in learner.words and not learner.doing, LONG)
    assert learner.why.startswith("On images held out (3 in 3 parts): AP50 ")
    assert learner.why in user.window.panels[TrainingPanel].learning.toolTip()
    assert user.window.status_line.learning.text() == f"Learns while you label · {learner.words}"
    model = user.session.measure.model
    assert model is not None
    assert model.name == NAME
    assert user.image == "4.png"
    assert predicted(user, model.id) == unlabelled(user)
    user.wait(lambda: user.session.document.candidates)

    user.draw_box(*balls(4)[0])
    user.key("D")
    user.wait(lambda: learner.doing == "learning")
    assert len(learner.learnable()) == 4
    user.wait(user.hosts)
    user.key("Ctrl+Shift+L")
    user.wait(lambda: not learner.is_on and not user.hosts())
    user.draw_box(*balls(5)[0])
    user.key("D")
    user.wait_saved()
    assert not learner.doing
    assert not learner._settle.isActive()


# --- closing --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_trainer")
def test_closing_the_window_ends_a_training_that_can_be_resumed(start: Start, scenes: Path) -> None:
    user = start(scenes)
    label(user, 3)
    desk = user.window.bench.training
    panel = open_training(user, "small", epochs="500", pause="0.1")
    user.press_button(panel.setup.button)
    user.wait(lambda: desk.course is not None and desk.course.done >= 1, LONG)
    began = time.monotonic()
    user.close()
    assert time.monotonic() - began < 10
    assert not user.hosts()

    again = start(scenes)
    runs = again.window.bench.training.list
    again.wait(lambda: runs.runs and runs.runs[0].state == "interrupted")
    if not again.window.panels[TrainingPanel].isVisible():  # it may be open as it was left
        again.key("Ctrl+T")
    shown = again.window.panels[TrainingPanel].runs
    again.wait(lambda: shown.resume.isVisible() and shown.resume.isEnabled() and shown.ids)
    again.wait(lambda: (course := again.window.bench.training.course_of(shown.ids[0])) and course.done >= 1)
