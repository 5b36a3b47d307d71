"""Deciding about missing and replaced photos, in the real window."""

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from labeler.core.records import Box, Candidate, Mask
from labeler.gui.images.photo_desk import ASIDE, KEEP, SCALE
from labeler.gui.toolkit.settings import Settings
from labeler.gui.window.frame import Frame
from labeler.gui.window.main_window import MainWindow
from labeler.project.photos.survey import CHANGED
from labeler.project.store import Store


def picture(path: Path, seed: int, size: tuple[int, int] = (200, 160)) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Picture.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(3):
        picture(folder / f"{n}.png", n)
    return folder


@pytest.fixture
def window(qtbot: QtBot, folder: Path) -> Iterator[MainWindow]:
    made = MainWindow(Frame(Settings()))
    qtbot.addWidget(made.frame)
    made.frame.show()
    made.session.open(folder)
    qtbot.waitUntil(lambda: made.session.place.pixels is not None, timeout=30_000)
    session = made.session
    session.edits.add_category("thing", by="test")
    for image in session.document.images:
        session.place.go_to(image.id)
        qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=30_000)
        session.edits.add(Box(20, 40, 60, 80), by="test")
        session.edits.add(Mask(100, 20, np.ones((10, 20), np.bool_)), by="test")
    qtbot.waitUntil(lambda: session.saved == "saved")
    yield made
    made.frame.close()


def boxes(folder: Path) -> dict[str, list[tuple[float, ...]]]:
    with Store.open(folder / "labels.labeler", read_only=True) as store:
        return {
            i.path: [(a.shape.x0, a.shape.x1) for a in store.annotations(i.id) if isinstance(a.shape, Box)]
            for i in store.images()
        }


def lost(qtbot: QtBot, window: MainWindow, folder: Path, name: str) -> Path:
    """Move an image's file out of the folder and have the window notice."""
    away = folder.parent / f"away-{name}"
    (folder / name).rename(away)
    window.session.look_at_folder()
    image = next(one for one in window.session.document.images if one.path == name)
    qtbot.waitUntil(lambda: window.session.document.find_image(image.id).note == "missing", timeout=30_000)
    window.session.place.go_to(image.id)
    return away


def test_a_missing_photo_is_located_and_shown_at_once(qtbot, window, folder) -> None:
    away = lost(qtbot, window, folder, "1.png")
    session = window.session
    qtbot.waitUntil(lambda: "missing" in window.toast.text, timeout=30_000)
    assert window.toast.action_button.text() == "Locate or remove…"
    (folder.parent / "new").mkdir()
    target = away.rename(folder.parent / "new" / "it.png")
    window.bench.photo_desk.locate(session.place.image.id, target)
    qtbot.waitUntil(lambda: session.place.image.path == str(target), timeout=30_000)
    qtbot.waitUntil(lambda: session.place.pixels is not None and not session.place.problem, timeout=30_000)
    assert len(session.document.annotations) == 2
    session.history.undo()
    qtbot.waitUntil(lambda: session.place.image.path == "1.png", timeout=30_000)


def test_a_photo_with_labels_of_its_own_is_not_taken_by_another(qtbot, window, folder) -> None:
    lost(qtbot, window, folder, "1.png")
    window.bench.photo_desk.locate(window.session.place.image.id, folder / "2.png")
    qtbot.waitUntil(lambda: "labels of its own" in window.toast.text, timeout=30_000)
    assert len(boxes(folder)["2.png"]) == 1


def test_removing_a_missing_photo_is_one_undo_step(qtbot, window, folder) -> None:
    lost(qtbot, window, folder, "1.png")
    session, gone = window.session, window.session.place.image.id
    window.bench.photo_desk.remove([gone])
    qtbot.waitUntil(lambda: session.document.find_image(gone) is None, timeout=30_000)
    qtbot.waitUntil(lambda: session.saved == "saved" and "1.png" not in boxes(folder), timeout=30_000)
    assert session.place.image is not None
    assert session.place.image.id != gone
    session.history.undo()
    qtbot.waitUntil(lambda: session.document.find_image(gone) is not None, timeout=30_000)
    qtbot.waitUntil(lambda: boxes(folder).get("1.png") == [(20.0, 60.0)], timeout=30_000)


def test_where_the_open_image_goes_again_the_next_one_is_opened(qtbot, window, folder) -> None:
    lost(qtbot, window, folder, "1.png")
    session, gone = window.session, window.session.place.image.id
    window.bench.photo_desk.remove([gone])
    qtbot.waitUntil(lambda: session.document.find_image(gone) is None, timeout=30_000)
    qtbot.waitUntil(lambda: session.saved == "saved", timeout=30_000)
    session.history.undo()
    session.place.go_to(gone)
    assert session.place.image.path == "1.png"
    session.history.redo()
    assert session.place.image.path == "2.png"
    qtbot.waitUntil(lambda: len(session.document.annotations) == 2, timeout=30_000)
    window.bench.photo_desk.remove([image.id for image in session.document.images])
    qtbot.waitUntil(lambda: not session.document.images, timeout=30_000)
    assert session.place.image is None
    assert session.place.pixels is None
    session.history.undo()
    qtbot.waitUntil(lambda: len(session.document.images) == 2, timeout=30_000)


def test_the_menu_offers_it_for_missing_photos_only(qtbot, window, folder) -> None:
    lost(qtbot, window, folder, "1.png")
    images = {image.path: image for image in window.session.document.images}
    for name, wanted in (("1.png", True), ("2.png", False)):
        menu = window.bench.photo_desk.menu(images[name], window.frame)
        assert [action.isEnabled() for action in menu.actions()] == [wanted, wanted]


def replaced(qtbot: QtBot, window: MainWindow, folder: Path) -> int:
    """1.png is half as large now, and open."""
    session = window.session
    image = next(one for one in session.document.images if one.path == "1.png")
    picture(folder / "1.png", 77, size=(100, 80))
    session.look_at_folder()
    qtbot.waitUntil(lambda: image.id in session.strangers, timeout=30_000)
    session.place.go_to(image.id)
    qtbot.waitUntil(lambda: "another file than the one" in window.toast.text, timeout=30_000)
    return image.id


@pytest.mark.parametrize(("what", "expected"), [(KEEP, (20.0, 60.0)), (SCALE, (10.0, 30.0))])
def test_labels_of_a_replaced_photo_stay_or_are_scaled(qtbot, window, folder, what, expected) -> None:
    image_id = replaced(qtbot, window, folder)
    session = window.session
    window.bench.photo_desk.decide(what, session.strangers.all)
    qtbot.waitUntil(lambda: image_id not in session.strangers, timeout=30_000)
    qtbot.waitUntil(lambda: session.document.find_image(image_id).width == 100, timeout=30_000)
    qtbot.waitUntil(lambda: session.saved == "saved" and boxes(folder)["1.png"] == [expected], timeout=30_000)
    with Store.open(folder / "labels.labeler", read_only=True) as store:
        assert "another photo" not in store.image(image_id).note
        (mask,) = (a.shape for a in store.annotations(image_id) if isinstance(a.shape, Mask))
        assert (mask.x, mask.width) == ((50, 10) if what == SCALE else (100, 20))
    session.look_at_folder()
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=30_000)
    assert image_id not in session.strangers


def test_labels_of_a_replaced_photo_are_set_aside(qtbot, window, folder) -> None:
    image_id = replaced(qtbot, window, folder)
    session = window.session
    window.bench.photo_desk.decide(ASIDE, session.strangers.all)
    qtbot.waitUntil(lambda: session.document.find_image(image_id).note == "missing", timeout=30_000)
    qtbot.waitUntil(lambda: any(i.path == "1.png" for i in session.document.images), timeout=30_000)
    qtbot.waitUntil(lambda: session.saved == "saved" and boxes(folder)["1.png"] == [], timeout=30_000)
    found = boxes(folder)
    assert found[f"unmatched/{image_id}/1.png"] == [(20.0, 60.0)]
    with Store.open(folder / "labels.labeler", read_only=True) as store:
        assert store.history.entries()[0].label == "Set labels of 1.png aside"


def test_setting_aside_is_undone_and_done_again(qtbot, window, folder) -> None:
    image_id = replaced(qtbot, window, folder)
    session = window.session
    window.bench.photo_desk.decide(ASIDE, session.strangers.all)
    qtbot.waitUntil(lambda: len(session.document.images) == 4 and session.saved == "saved", timeout=30_000)
    new = next(one.id for one in session.document.images if one.path == "1.png")
    model = []
    session.keep(
        lambda store: store.predictions.record_run(
            store.predictions.ensure_model("m", "1").id, new, [Candidate(0, new, 0, 0, Box(1, 1, 5, 5), 0.9)]
        ),
        model.append,
        failed=lambda error: pytest.fail(str(error)),
    )
    qtbot.waitUntil(lambda: bool(model), timeout=30_000)
    session.history.undo()
    qtbot.waitUntil(lambda: session.document.find_image(new) is None, timeout=30_000)
    qtbot.waitUntil(lambda: session.document.find_image(image_id).path == "1.png", timeout=30_000)
    qtbot.waitUntil(lambda: boxes(folder) == {f"{n}.png": [(20.0, 60.0)] for n in range(3)}, timeout=30_000)
    qtbot.waitUntil(lambda: image_id in session.strangers, timeout=30_000)  # it is asked about again
    session.history.redo()
    qtbot.waitUntil(lambda: boxes(folder)["1.png"] == [], timeout=30_000)


def test_labels_set_aside_come_back_to_their_photo(qtbot, window, folder) -> None:
    original = (folder / "1.png").read_bytes()
    image_id = replaced(qtbot, window, folder)
    session = window.session
    window.bench.photo_desk.decide(ASIDE, session.strangers.all)
    qtbot.waitUntil(lambda: len(session.document.images) == 4 and session.saved == "saved", timeout=30_000)
    there = folder.parent / "backup" / "1.png"
    there.parent.mkdir()
    there.write_bytes(original)
    session.place.go_to(image_id)
    window.bench.photo_desk.locate(image_id, there)
    qtbot.waitUntil(lambda: session.place.image.path == str(there), timeout=30_000)
    qtbot.waitUntil(lambda: session.place.pixels is not None and not session.place.problem, timeout=30_000)
    assert session.place.pixels.rgb.shape == (160, 200, 3)
    assert len(session.document.annotations) == 2
    assert image_id not in session.strangers
    qtbot.waitUntil(lambda: session.saved == "saved" and boxes(folder)[str(there)] == [(20.0, 60.0)])
    assert boxes(folder)["1.png"] == []


def answer(qtbot: QtBot, button: str, *, tick: bool) -> list[str]:
    """Press a button of the question that is about to be open; gives, later, what stood on its buttons."""
    seen: list[str] = []

    def press() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(10, press)
            return
        gc.collect()
        seen.extend(one.text() for one in box.buttons())
        seen.append(f"default: {box.defaultButton().text()}")
        if tick:
            box.checkBox().click()
        next(one for one in box.buttons() if one.text() == button).click()

    QTimer.singleShot(0, press)
    return seen


@pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform
def test_two_replaced_photos_are_asked_about_at_once(qtbot, window, folder) -> None:
    """The tick of the question is an object of its own, which nothing but the question keeps alive."""
    replaced(qtbot, window, folder)
    session = window.session
    picture(folder / "2.png", 78, size=(100, 80))
    session.look_at_folder()
    qtbot.waitUntil(lambda: len(session.strangers.all) == 2, timeout=30_000)
    notes = [one.note == CHANGED for one in session.document.images]
    assert notes == [False, True, True]  # as the lists mark them
    said = answer(qtbot, "Decide later", tick=True)
    window.bench.photo_desk.ask_about_strangers()
    assert set(said) == {KEEP, SCALE, ASIDE, "Decide later", "default: Decide later"}
    assert len(session.strangers.all) == 2
    assert any("1.png is another file" in text for text in window.toast.texts)  # and can be asked about again
    answer(qtbot, SCALE, tick=True)
    window.bench.photo_desk.ask_about_strangers()
    qtbot.waitUntil(lambda: not session.strangers.all, timeout=30_000)
    qtbot.waitUntil(lambda: session.saved == "saved" and boxes(folder)["2.png"] == [(10.0, 30.0)])
    assert boxes(folder)["1.png"] == [(10.0, 30.0)]
    qtbot.waitUntil(lambda: all(one.note == "" for one in session.document.images), timeout=30_000)


def test_one_line_says_that_the_open_photo_is_missing(qtbot, window, folder) -> None:
    """The model process cannot read it either, and what it says goes with the image."""
    lost(qtbot, window, folder, "1.png")
    qtbot.waitUntil(lambda: "missing" in window.toast.text, timeout=30_000)
    window.bench.host._show(phase="ready", encoded=False)
    window.bench.host.failed.emit(f"{folder / '1.png'} is missing.")
    assert [text for text in window.toast.texts if "missing" in text] == [window.toast.text]
    window.session.place.go_to(window.session.document.images[0].id)
    qtbot.waitUntil(lambda: window.session.place.pixels is not None, timeout=30_000)
    window.bench.host.failed.emit("It cannot be encoded.")
    assert "It cannot be encoded." in window.toast.texts
    window.session.place.go_to(window.session.document.images[2].id)
    qtbot.waitUntil(lambda: "It cannot be encoded." not in window.toast.texts, timeout=30_000)


@pytest.mark.parametrize("what", [KEEP, SCALE])
def test_predictions_of_a_replaced_photo_are_not_shown_on_the_new_one(qtbot, window, folder, what) -> None:
    session = window.session
    old = next(one.id for one in session.document.images if one.path == "1.png")
    done = []
    session.keep(
        lambda store: store.predictions.record_run(
            store.predictions.ensure_model("m", "1").id, old, [Candidate(0, old, 0, 0, Box(1, 1, 5, 5), 0.9)]
        ),
        done.append,
        failed=lambda error: pytest.fail(str(error)),
    )
    qtbot.waitUntil(lambda: bool(done), timeout=30_000)
    session.place.go_to(old)
    session.reload()
    qtbot.waitUntil(lambda: len(session.document.candidates) == 1, timeout=30_000)
    replaced(qtbot, window, folder)
    qtbot.waitUntil(lambda: not window.bench.predictions.candidates, timeout=30_000)
    assert not session.document.candidates
    window.bench.photo_desk.decide(what, session.strangers.all)
    qtbot.waitUntil(lambda: "1 prediction of the photo" in window.toast.text, timeout=30_000)
    with Store.open(folder / "labels.labeler", read_only=True) as store:
        assert store.predictions.candidates(old) == ()
        assert store.predictions.predicted_images(done[0][0].model_id) == set()
