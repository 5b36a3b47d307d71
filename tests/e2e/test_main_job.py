"""From a folder of photos to COCO masks and back, by mouse and keys."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from labeler.core.geometry import area, contains, rasterise
from labeler.core.records import Mask
from tests.e2e.user import RIGHT, User

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform

Start = Callable[..., User]
BUS = (1080, 810)
PERSON = (132, 560)
"""On the coat of the man at the left of bus.jpg."""


def test_the_main_job(start: Start, photos: Path, tmp_path: Path) -> None:
    """Open, click, step, accept, paint, undo across a restart, export, import elsewhere, compare."""
    user = start(photos, host=True)
    user.add_category("person")
    user.prompt_at(*PERSON)
    assert len(user.canvas.prompt_desk.proposals) == 3
    sizes = [area(proposal.mask) for proposal in user.canvas.prompt_desk.proposals]
    assert sizes == sorted(sizes)
    first = user.canvas.prompt_desk.index
    user.key("Tab")
    assert user.canvas.prompt_desk.index == (first + 1) % 3
    wanted = user.canvas.prompt_desk.proposals[user.canvas.prompt_desk.index].mask
    accepted = user.accept()
    assert accepted.shape == wanted
    assert accepted.source == "model"
    assert contains(accepted.shape, *PERSON)
    assert user.category_of(accepted) == "person"
    user.wait(lambda: user.figures() == {"IoU": "1.00", "Dice": "1.00", "boundary": "1.00"})

    painted = _paint(user)
    user.close()

    again = start(photos)
    again.wait(again.annotations)
    assert again.annotations() == [painted]
    again.undo()
    assert [one.shape for one in again.annotations()] == [accepted.shape]
    again.redo()
    assert [one.shape for one in again.annotations()] == [painted.shape]
    coco = tmp_path / "labels.json"
    again.export(coco)
    again.close()

    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(photos, elsewhere, ignore=shutil.ignore_patterns("labels.labeler*"))
    fresh = start(elsewhere)
    assert not fresh.annotations()
    fresh.drop(coco)
    fresh.wait(fresh.annotations)
    (found,) = fresh.annotations()
    assert fresh.category_of(found) == "person"
    ours, theirs = rasterise(found.shape, size=BUS), rasterise(painted.shape, size=BUS)
    assert (ours.x, ours.y) == (theirs.x, theirs.y)
    assert np.array_equal(ours.bits, theirs.bits)


def _paint(user: User) -> object:
    """A stroke beside the mask; the numbers follow within the drag, before the button is up."""
    before = user.selected()
    user.key("B")
    seen: list[str] = []
    user.drag((60, 300), (200, 300), during=lambda: seen.append(user.figures()["IoU"]))
    assert seen == sorted(seen, reverse=True)
    assert float(seen[-1]) < float(seen[0]) <= 1.0
    after = user.selected()
    assert area(after.shape) > area(before.shape)
    agreement = user.window.bench.predictions.agreement.of(after.id)
    assert agreement is not None
    assert agreement.iou == pytest.approx(area(before.shape) / area(after.shape))
    user.wait(lambda: user.figures()["IoU"] == f"{agreement.iou:.2f}")
    user.wait_saved()
    return after


def test_prompts_refine_one_another_and_can_be_taken_back(sam: User) -> None:
    sam.prompt_at(*PERSON)
    whole = sam.canvas.prompt_desk.proposals[-1].mask
    sam.click_at(120, 760)
    sam.wait(lambda: sam.canvas.prompt_desk.proposals[-1].mask != whole)
    sam.click_at(600, 300, button=RIGHT)
    sam.wait(
        lambda: not contains(sam.canvas.prompt_desk.proposals[sam.canvas.prompt_desk.index].mask, 600, 300)
    )
    sam.key("Backspace")
    sam.key("Backspace")
    sam.wait(lambda: sam.canvas.prompt_desk.proposals and sam.canvas.prompt_desk.proposals[-1].mask == whole)
    sam.key("Backspace")
    assert not sam.canvas.prompt_desk.proposals
    sam.key("Return")
    assert not sam.annotations()


def test_a_box_prompts_the_model_and_esc_drops_its_proposal(sam: User) -> None:
    sam.wait_encoded()
    sam.key("W")
    sam.drag((40, 390), (250, 910))
    sam.wait(lambda: sam.canvas.prompt_desk.proposals)
    assert contains(sam.canvas.prompt_desk.proposals[sam.canvas.prompt_desk.index].mask, *PERSON)
    sam.key("Esc")
    assert not sam.canvas.prompt_desk.proposals
    assert not sam.annotations()


def test_the_mask_under_the_pointer_is_previewed(sam: User) -> None:
    sam.wait_encoded()
    sam.key("Q")
    sam.move_to(*PERSON)
    preview = sam.canvas.prompt_desk
    sam.wait(lambda: preview.preview is not None)
    assert contains(preview.preview.mask, *PERSON)  # type: ignore[union-attr]
    assert not sam.annotations()


def test_a_click_before_the_model_is_there_is_answered_once_it_is(sam: User) -> None:
    sam.key("Q")
    sam.click_at(*PERSON)
    sam.wait(lambda: sam.canvas.prompt_desk.proposals)
    assert isinstance(sam.accept().shape, Mask)


def test_a_proposal_waits_on_its_image_while_another_is_labelled(sam: User) -> None:
    sam.prompt_at(*PERSON)
    sam.key("D")
    assert not sam.canvas.prompt_desk.proposals
    sam.wait_shown()
    sam.key("Return")
    assert not sam.annotations()
    sam.prompt_at(256, 400)
    assert contains(sam.accept().shape, 256, 400)
    sam.come_to_front()
    sam.key("A")
    sam.wait_shown()
    assert contains(sam.accept().shape, *PERSON)
    assert len(sam.annotations()) == 1


def test_a_proposal_is_there_again_after_a_restart(start: Start, photos: Path) -> None:
    user = start(photos, host=True)
    user.prompt_at(*PERSON)
    user.close()
    again = start(photos, host=True)
    again.wait(lambda: again.canvas.prompt_desk.proposals)
    assert contains(again.accept().shape, *PERSON)
