"""A detector over the folder, its predictions judged one by one or at once, and the numbers that follow."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QSlider

from labeler import paths
from labeler.core.records import Annotation, Box
from labeler.gui.predictions.explorer_panel import ExplorerPanel
from labeler.gui.predictions.panel import PredictionsPanel
from labeler.gui.predictions.run_panel import RunPanel
from labeler.gui.review.panel import ReviewPanel
from labeler.gui.review.set_agreement_panel import SetAgreementPanel
from labeler.gui.toolkit.cards import UNBROKEN
from labeler.gui.toolkit.figures import Figure
from labeler.project.store import Store
from tests.e2e.user import SHIFT, User, near

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform

Start = Callable[..., User]
T = TypeVar("T")

IMAGES = 4
LAMP = (30, 30)
"""On the left third of the lamp of 1.png, which only the lamp's own box and its near copy cover."""

DETECTOR = '''
import time
from pathlib import Path

import cv2

from labeler.core.records import Box, Candidate
from labeler.models.protocols import ModelSpec
from labeler.api import Plugin

HERE = Path(__file__).parent


class Bright:
    """Each bright patch, as sure as it is bright; raw: two copies, 4 px and 16 px to the right of it."""

    def detect(self, image, text=None):
        time.sleep(float((HERE / "seconds").read_text()))
        with (HERE / "seen").open("a") as seen:
            seen.write("x")
        _, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] > 100).astype("uint8"))
        found = []
        for x, y, width, height, _ in stats[1:].tolist():
            sure = image[y, x, 0] / 250
            name = "lamp" if sure > 0.7 else "window"
            for right, share in ((0, 1.0), (4, 0.8), (16, 0.5)):
                box = Box(float(x + right), float(y), float(x + right + width), float(y + height))
                found.append(Candidate(0, 0, 0, 0, box, float(sure * share), name))
        return tuple(sorted(found, key=lambda one: -one.confidence))


spec = ModelSpec(id="bright", title="Bright patches", task="detector", load=Bright, version="1")
plugin = Plugin(api=1, name="Bright", version="1", models=(spec,))
'''


@pytest.fixture
def detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The detector's folder; its file `seconds` says how long an image takes."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "bright.py").write_text(DETECTOR)
    (folder / "seconds").write_text("0")
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    return folder


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    """1.png to 4.png, 240 x 160, each with a lamp of brightness 225 and a window of 150, 40 x 40."""
    folder = tmp_path / "rooms"
    folder.mkdir()
    for n in range(IMAGES):
        pixels = np.zeros((160, 240, 3), dtype=np.uint8)
        pixels[20:60, 20 + 2 * n : 60 + 2 * n] = 225
        pixels[20:60, 140:180] = 150
        cv2.imwrite(str(folder / f"{n + 1}.png"), pixels)
    return folder


@pytest.fixture
def asker(start: Start, rooms: Path, detector: Path) -> User:
    """A window on the rooms with the detector chosen, not run."""
    user = start(rooms)
    user.choose_detector("Bright patches")
    return user


@pytest.fixture
def user(asker: User) -> User:
    """The same after a run over all rooms, with a category for each class."""
    asker.run_detector()
    asker.map_classes()
    return asker


def seen(detector: Path) -> int:
    """How many images the detector was given so far."""
    path = detector / "seen"
    return len(path.read_text()) if path.exists() else 0


def stored(user: User, work: Callable[[Store], T]) -> T:
    """What the project file says."""
    found: list[T] = []
    user.session.ask(work, found.append)
    user.wait(lambda: found)
    return found[0]


def labelled(user: User) -> list[int]:
    """How many annotations each image has, in the project file."""
    user.wait_saved()
    return stored(user, lambda store: [len(store.annotations(n)) for n in range(1, IMAGES + 1)])


def verdicts(user: User) -> list[tuple[str, float, str]]:
    """Class, confidence and verdict of what a person has judged on the open image."""
    found = user.session.document.candidates.values()
    return sorted((one.label, round(one.confidence, 2), one.verdict) for one in found if one.verdict)


def sure(user: User) -> list[float]:
    """The confidences of the predictions of the open image."""
    return [round(one.confidence, 2) for one in user.kept()]


def picture(user: User) -> QImage:
    """The canvas as it is painted now."""
    return user.canvas.grab().toImage()


def slide(user: User, slider: QSlider, value: float) -> None:
    """Move a slider to its value by keys, step by step."""
    slider.setFocus()
    wanted = round(100 * value)
    key = Qt.Key.Key_Right if wanted > slider.value() else Qt.Key.Key_Left
    for _ in range(abs(wanted - slider.value())):
        QTest.keyClick(slider, key)
    assert slider.value() == wanted
    user.canvas.setFocus()


# --- running --------------------------------------------------------------------------------------


def test_a_run_over_the_folder_and_categories_for_its_classes(asker: User) -> None:
    user, window = asker, asker.window
    assert not user.session.document.categories
    user.key("Ctrl+B")
    user.wait(lambda: "predicted 4 images" in user.said())
    user.wait(lambda: "2 classes that are no category here yet" in user.said())
    assert window.panels[RunPanel].classes.text() == "2 new classes…"
    assert not window.panels.docks["Predictions"].isHidden()
    assert not user.annotations()
    user.map_classes()
    assert sorted(one.name for one in user.session.document.categories.values()) == ["lamp", "window"]
    names = {key: one.name for key, one in user.session.document.categories.items()}
    assert all(names[one.category_id] == one.label for one in user.session.document.candidates.values())
    user.key("D")
    user.wait_shown()
    assert sure(user) == [0.9, 0.6, 0.45, 0.3]
    assert not any(labelled(user))


def test_predicting_one_image_leaves_the_others(asker: User, detector: Path) -> None:
    asker.key("I")
    asker.wait(lambda: "predicted 1 image" in asker.said())
    assert seen(detector) == 1
    asker.wait(lambda: sure(asker) == [0.9, 0.6, 0.45, 0.3])
    asker.key("D")
    asker.wait_shown()
    assert not asker.session.document.candidates


def test_a_cancelled_run_keeps_what_it_has_and_goes_on_later(asker: User, detector: Path) -> None:
    user, run = asker, asker.window.panels[RunPanel]
    (detector / "seconds").write_text("0.4")
    user.press_button(run.button)
    user.wait(lambda: user.window.bench.batch.progress and user.window.bench.batch.progress.done)
    assert run.button.text() == "Cancel"
    user.press_button(run.button)
    user.wait(lambda: "was stopped after" in user.said())
    user.wait(lambda: not user.hosts())
    model = user.session.measure.model
    assert model is not None
    done = stored(user, lambda store: store.predictions.predicted_images(model.id))
    assert 0 < len(done) < IMAGES
    (detector / "seconds").write_text("0")
    told = user.run_detector()
    assert f"predicted {IMAGES - len(done)} image" in told
    assert len(stored(user, lambda store: store.predictions.predicted_images(model.id))) == IMAGES


def test_closing_the_window_ends_a_run(asker: User, detector: Path) -> None:
    (detector / "seconds").write_text("60")
    asker.press_button(asker.window.panels[RunPanel].button)
    asker.wait(lambda: asker.window.bench.batch.progress)
    asker.wait(asker.hosts)
    began = time.monotonic()
    asker.close()
    assert time.monotonic() - began < 10
    asker.wait(lambda: not asker.hosts())


def test_labelling_goes_on_during_a_run(asker: User, detector: Path) -> None:
    (detector / "seconds").write_text("0.4")
    asker.add_category("lamp")
    asker.press_button(asker.window.panels[RunPanel].button)
    drawn = asker.draw_box(100, 100, 130, 130)
    asker.wait(lambda: "predicted 4 images" in asker.said())
    assert asker.annotations() == [drawn]
    assert labelled(asker) == [1, 0, 0, 0]


# --- live suppression -----------------------------------------------------------------------------


def test_the_sliders_move_what_is_kept_at_once(user: User) -> None:
    panel = user.window.panels[PredictionsPanel]
    assert sure(user) == [0.9, 0.6, 0.45, 0.3]
    assert "6 candidates → 4 kept, 2 suppressed" in panel.counts.text()
    user.wait(lambda: "set: 24 → 16" in panel.counts.text().replace(UNBROKEN, " "))
    before = picture(user)
    slide(user, panel.iou.slider, 0.3)
    assert sure(user) == [0.9, 0.6]
    assert "6 candidates → 2 kept, 4 suppressed" in panel.counts.text()
    assert picture(user) != before
    slide(user, panel.iou.slider, 0.9)
    assert sure(user) == [0.9, 0.72, 0.6, 0.48, 0.45, 0.3]
    slide(user, panel.confidence.slider, 0.47)
    assert sure(user) == [0.9, 0.72, 0.6, 0.48]
    user.wait(lambda: "set: 16 → 16" in panel.counts.text().replace(UNBROKEN, " "))
    for _ in range(3):
        user.key(".")
    assert panel.confidence.value.text() == "0.62"
    assert sure(user) == [0.9, 0.72]
    for _ in range(8):
        user.key("Shift+,")
    assert panel.iou.value.text() == "0.50"
    assert sure(user) == [0.9]


def test_a_suppressed_box_says_which_box_suppressed_it(user: User) -> None:
    predictions = user.window.bench.predictions
    bare = picture(user)
    user.move_to(63.5, 40)  # at the right edge of the near copy, 4 px beyond the lamp
    hovered = predictions.hovered
    assert hovered is not None
    by = predictions.suppressor(hovered)
    assert by is not None
    assert round(predictions.candidates[hovered].confidence, 2) == 0.72
    assert round(by[0].confidence, 2) == 0.9
    assert by[1] == pytest.approx(36 / 44)
    assert picture(user) != bare
    user.move_to(220, 140)
    assert predictions.hovered is None
    assert picture(user) == bare


def test_the_step_mode_walks_the_suppression(user: User) -> None:
    panel = user.window.panels[PredictionsPanel]
    user.press_button(panel.steps_button)
    assert panel.step_note.text() == "step 0 of 4"
    assert "6 candidates at or over 0.25" in panel.sentence.text()
    start = picture(user)
    user.press_button(panel.forth)
    assert panel.step_note.text() == "step 1 of 4"
    assert "lamp 0.90 is the most confident one left" in panel.sentence.text()
    assert "It drops 1, by IoU: lamp (0.82)." in panel.sentence.text()
    assert picture(user) != start
    for _ in range(3):
        user.press_button(panel.forth)
    assert not panel.forth.isEnabled()
    user.press_button(panel.back)
    assert panel.step_note.text() == "step 3 of 4"
    user.canvas.setFocus()
    user.key("Esc")
    assert not panel.steps_button.isChecked()
    assert not panel.sentence.isVisible()


# --- judging --------------------------------------------------------------------------------------


def test_one_is_accepted_and_one_rejected_and_a_new_run_changes_neither(user: User, detector: Path) -> None:
    user.key("V")
    user.click_at(*LAMP)
    lamp = user.chosen_prediction()
    user.key("Return")
    accepted = user.selected()
    assert accepted.shape == lamp.shape
    assert accepted.prediction_id == lamp.id
    assert user.category_of(accepted) == "lamp"
    user.click_at(150, 30)
    assert user.chosen_prediction().label == "window"
    user.key("Backspace")
    judged = [("lamp", 0.9, "accepted"), ("window", 0.6, "rejected")]
    assert verdicts(user) == judged
    assert sure(user) == [0.45, 0.3]

    user.press_button(user.window.panels[RunPanel].button)
    user.wait(lambda: user.window.panels[RunPanel].button.text() == "Run again")
    assert seen(detector) == IMAGES
    user.run_detector()
    assert seen(detector) == 2 * IMAGES
    assert verdicts(user) == judged
    assert sure(user) == [0.45, 0.3]
    assert user.annotations() == [accepted]

    user.undo()
    user.wait(lambda: verdicts(user) == judged[:1])
    user.undo()
    assert not user.annotations()
    assert sure(user) == [0.9, 0.6, 0.45, 0.3]


def test_all_above_a_confidence_are_accepted_and_undone_as_one_step(user: User) -> None:
    review = user.window.panels[ReviewPanel]
    user.open_panel("Review")
    review.from_box.setValue(0.5)
    user.press_button(review.on_set)
    user.wait(lambda: len(user.annotations()) == 2)
    assert labelled(user) == [2, 2, 2, 2]
    assert sure(user) == [0.45, 0.3]
    user.undo()
    assert labelled(user) == [0, 0, 0, 0]
    assert sure(user) == [0.9, 0.6, 0.45, 0.3]
    user.redo()
    assert labelled(user) == [2, 2, 2, 2]
    user.undo()
    user.press_button(review.on_image)
    user.wait(lambda: len(user.annotations()) == 2)
    assert labelled(user) == [2, 0, 0, 0]


def test_a_review_by_keys(user: User) -> None:
    queue, review = user.window.bench.queue, user.window.panels[ReviewPanel]
    user.open_panel("Review")
    user.press_button(review._start._button)
    user.wait(lambda: queue.current is not None)
    assert queue.remaining == 4 * IMAGES
    # the nearest to 0.5 first: 0.45, then 0.6 of every image
    first = queue.current
    assert first is not None
    user.wait(lambda: user.looks_at(first.candidate_id))
    assert round(first.confidence, 2) == 0.45
    user.canvas.setFocus()
    user.key("Tab")
    second = queue.current
    assert second is not None
    assert second != first
    assert queue.remaining == 4 * IMAGES
    user.wait(lambda: user.looks_at(second.candidate_id))
    user.key("Return")
    third = queue.current
    assert queue.remaining == 4 * IMAGES - 1
    assert third not in (first, second, None)
    user.wait(lambda: user.looks_at(third.candidate_id))
    user.key("Backspace")
    assert queue.remaining == 4 * IMAGES - 2
    user.wait_saved()
    wanted = {second.candidate_id: "accepted", third.candidate_id: "rejected"}
    found = stored(user, lambda store: store.predictions.by_id([*wanted, first.candidate_id]))
    assert {one.id: one.verdict for one in found} == wanted | {first.candidate_id: ""}
    assert sum(labelled(user)) == 1
    user.undo()
    user.wait(lambda: queue.current == third)


def test_reviewed_and_next_goes_where_the_review_goes(user: User) -> None:
    queue = user.window.bench.queue
    user.key("Ctrl+Shift+R")
    user.wait(lambda: queue.current is not None and user.image == "1.png")
    user.wait(lambda: user.window.bench.predictions.selection)
    user.key("Ctrl+Return")
    image = user.session.document.find_image(1)
    assert image is not None
    assert image.reviewed
    assert queue.remaining == 4 * (IMAGES - 1)
    assert queue.current is not None
    user.wait(lambda: user.session.place.image and user.session.place.image.id == queue.current.image_id)  # type: ignore[union-attr]
    user.wait(lambda: user.looks_at(queue.current.candidate_id))  # type: ignore[union-attr]


# --- agreement ------------------------------------------------------------------------------------


def _accept_lamp(user: User) -> Annotation:
    user.key("V")
    user.click_at(*LAMP)
    user.key("Return")
    return user.selected()


def test_the_agreement_of_an_accepted_box_moves_while_it_is_dragged(user: User) -> None:
    _accept_lamp(user)
    user.wait(lambda: user.figures()["IoU"] == "1.00")
    ious: list[str] = []
    user.drag((40, 40), (50, 40), steps=10, during=lambda: ious.append(user.figures()["IoU"]))
    assert ious == [f"{(40 - n) / (40 + n):.2f}" for n in range(1, 11)]
    moved = user.selected()
    assert isinstance(moved.shape, Box)
    assert near(moved.shape, 30, 20, 70, 60)
    user.wait(lambda: user.figures()["IoU"] == "0.60")


def test_the_agreement_of_the_set_follows_an_edit(user: User) -> None:
    panel = user.window.panels[SetAgreementPanel]
    user.open_panel("Set agreement")
    _accept_lamp(user)
    user.wait(lambda: panel.iou.text() == "1.00")
    user.wait(lambda: "1 matched · 0 missed · 3 extra" in _plain(panel.line.text()))
    user.drag((40, 40), (44, 40))
    user.wait(lambda: panel.iou.text() == f"{36 / 44:.2f}")
    assert panel.dice.text() == f"{2 * 36 / 80:.2f}"
    user.draw_box(100, 100, 130, 130)
    user.wait(lambda: "1 matched · 1 missed · 3 extra" in _plain(panel.line.text()))
    user.undo()
    user.undo()
    user.wait(lambda: panel.iou.text() == "1.00")


def _plain(rich: str) -> str:
    return "".join(part.split(">")[-1] for part in rich.split("<"))


def test_the_explorer_measures_two_selected_objects(user: User) -> None:
    panel = user.window.panels[ExplorerPanel]
    user.open_panel("IoU explorer")
    user.wait(panel.isVisible)
    _accept_lamp(user)
    drawn = user.draw_box(40, 20, 80, 60)
    user.key("V")
    user.click_at(30, 40)
    user.click_at(75, 40, held=SHIFT)
    assert len(user.session.focus.selection) == 2

    def shown() -> list[str]:
        figures: tuple[Figure, ...] = (panel.iou, panel.dice, panel.giou)
        return [figure.text() for figure in figures]

    assert shown() == ["0.33", "0.50", "0.33"]
    assert [area.value.text() for area in panel.areas] == ["800 px²", "800 px²", "800 px²", "2,400 px²"]
    user.session.focus.select([drawn.id])
    user.drag((60, 40), (80, 40))
    assert shown() == ["0.00", "0.00", "0.00"]


# --- a real detector ------------------------------------------------------------------------------


def test_yolo_over_photos_from_run_to_annotations(start: Start, photos: Path, shared: Path) -> None:
    weights = shared / "models" / "yolo" / "yolov8n-coco.pt"
    if not weights.is_file():
        pytest.skip("needs yolov8n-coco.pt in the data folder beside the checkout")
    models = paths.data_dir() / "models"
    models.mkdir(parents=True, exist_ok=True)
    shutil.copy(weights, models)
    user = start(photos)
    user.choose_detector("yolov8n-coco")
    told = user.run_detector()
    assert "predicted 3 images" in told
    user.map_classes()
    names = {one.name for one in user.session.document.categories.values()}
    assert {"person", "bus", "tie"} <= names
    found = [(one.label, one.confidence) for one in user.kept()]
    assert sum(label == "person" for label, _ in found) == 4
    assert ("bus", pytest.approx(0.87, abs=0.03)) in found
    assert len(user.window.bench.predictions.filtered.suppressed) > 10
    user.key("Ctrl+Shift+Return")
    user.wait(lambda: len(user.annotations()) == len(found))
    assert sorted(user.category_of(one) for one in user.annotations()) == sorted(label for label, _ in found)
