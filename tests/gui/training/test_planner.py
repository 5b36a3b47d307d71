"""The held-out images that a person is shown are those that the run holds out, whatever is trained."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from labeler.core.records import Annotation, Box, Change, Part, Polygons
from labeler.gui.session.session import Session
from labeler.gui.training import files
from labeler.gui.training import planner as planner_module
from labeler.gui.training.planner import Planner
from labeler.training.preparation import prepare
from labeler.training.run import RunFolder, RunSpec

IMAGES = 20
RING = np.array([(5.0, 5.0), (40.0, 5.0), (40.0, 30.0)])


@pytest.fixture
def session(qtbot, tmp_path: Path) -> Iterator[Session]:
    """Twenty reviewed images: every second one has an outline, the others only boxes, one nothing."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(IMAGES):
        small = np.random.default_rng(number).integers(0, 255, (8, 8, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:02d}.jpg"), cv2.resize(small, (320, 240)))
    made = Session()
    made.open(folder)
    qtbot.waitUntil(lambda: made.place.pixels is not None, timeout=20_000)
    person = made.edits.add_category("person", by="test")
    assert person is not None
    for number, image in enumerate(made.document.images):
        shape = Polygons((Part(RING),)) if number % 2 else Box(5, 5, 40, 30)
        one = Annotation(made.edits.new_annotation_id(), image.id, person.id, shape)
        changes = [Change(image, replace(image, reviewed=True)), Change(None, one)]
        made.edits.commit("Label", changes[: 1 if number == 4 else 2], by="test")
    qtbot.waitUntil(lambda: made.saved == "saved")
    yield made
    made.shut_down()


def used(qtbot, session: Session, path: Path, seed: int, *, needs_masks: bool) -> set[str]:
    """The names of the images that a run holds out."""
    found: list[tuple[Annotation, ...]] = []
    session.ask(lambda store: tuple(store.all_annotations()), found.append)
    qtbot.waitUntil(lambda: bool(found))
    labels = files.RunLabels(
        tuple(session.document.images), tuple(session.document.categories.values()), found[0]
    )
    folder: RunFolder = files.make_run(path, RunSpec("any", "Any", seed=seed), labels, root=session.root)
    prepare(folder, folder.record, lambda: False, needs_masks=needs_masks)
    return {image.name for image in folder.validation_set().images}


@pytest.mark.parametrize("needs_masks", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_shown_is_what_is_used(qtbot, session, owner, tmp_path, seed: int, needs_masks: bool) -> None:
    planner = Planner(session, owner)
    planner.use(seed=seed, needs_masks=needs_masks)
    qtbot.waitUntil(lambda: planner.validation is not None, timeout=20_000)
    shown = {session.document.find_image(key).path for key in planner.validation}
    assert shown == used(qtbot, session, tmp_path / "run", seed, needs_masks=needs_masks)
    assert len(planner.only_boxes) == (9 if needs_masks else 0)


def test_a_damaged_photo_moves_no_other_to_the_other_side(qtbot, session, owner, tmp_path) -> None:
    planner = Planner(session, owner)
    planner.use(seed=1)
    qtbot.waitUntil(lambda: planner.validation is not None, timeout=20_000)
    shown = {session.document.find_image(key).path for key in planner.validation}
    broken = session.root / sorted(shown)[0]
    broken.write_bytes(broken.read_bytes()[:-200])
    left = used(qtbot, session, tmp_path / "run", 1, needs_masks=False)
    assert left <= shown
    assert shown - left <= {broken.name}


def test_prints_of_photos_that_are_gone_are_not_kept(qtbot, session, owner) -> None:
    planner = Planner(session, owner)
    planner.use(seed=1)
    qtbot.waitUntil(lambda: planner.validation is not None, timeout=20_000)
    first = session.document.images[0]
    session.edits.commit("Open again", [Change(first, replace(first, reviewed=False))], by="test")
    planner.use(seed=2)
    qtbot.waitUntil(lambda: planner.validation is not None, timeout=20_000)
    assert len(planner._prints) == IMAGES - 1


def test_an_edit_that_changes_no_photo_compares_none(qtbot, session, owner, monkeypatch) -> None:
    asked = []
    real = planner_module.parted
    monkeypatch.setattr(planner_module, "parted", lambda *a, **k: asked.append(1) or real(*a, **k))
    planner = Planner(session, owner)
    planner.use(scope="labelled")
    planner.watch(on=True)
    qtbot.waitUntil(lambda: planner.validation is not None, timeout=20_000)
    before, told = len(asked), []
    planner.changed.connect(lambda: told.append(1))
    planner._plan_anew()
    qtbot.waitUntil(lambda: len(told) >= 2, timeout=20_000)
    assert len(asked) == before
    planner.use(seed=planner.seed + 1)
    qtbot.waitUntil(lambda: len(asked) == before + 1, timeout=20_000)
