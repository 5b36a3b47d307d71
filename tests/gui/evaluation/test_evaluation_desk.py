"""Evaluations of a project's models, on a real project of three photos and in a real child."""

from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
from msgspec.structs import replace

from labeler.core.records import Annotation, Box, Candidate, Change, Mask
from labeler.evaluation.items import ObjectItem
from labeler.evaluation.operating_points import at
from labeler.gui.evaluation.desk import EvaluationDesk
from labeler.gui.evaluation.scopes import HISTORY, REVIEWED, SHOWN, EvaluationRequest
from labeler.gui.predictions.predictions import Predictions
from labeler.project.photos import photo_edits
from labeler.project.runs import Run, runs_folder
from tests.child_processes import workers

LONG = 30_000


def candidate(x, confidence=0.9, label="person", shape=None):
    return Candidate(0, 0, 0, 0, shape or Box(x, 0, x + 100, 100), confidence, label)


@pytest.fixture
def predictions(session, owner):
    return Predictions(session, owner)


@pytest.fixture
def desk(session, owner, predictions):
    made = EvaluationDesk(session, predictions, owner)
    yield made
    made.close()


def draw(session, image_id, shape, category=1):
    made = Annotation(session.edits.new_annotation_id(), image_id, category, shape)
    session.edits.commit("Draw", [Change(None, made)], by="test")
    return made.id


def review(session, image_ids):
    images = [session.document.find_image(image_id) for image_id in image_ids]
    session.edits.commit("Reviewed", [Change(i, replace(i, reviewed=True)) for i in images], by="test")


def model_named(session, name):
    return next(model.id for model in session.document.models if model.name == name)


@pytest.fixture
def labelled(qtbot, session, predict, desk):
    """Two of three images reviewed, each with a person; the detector saw the first and the third."""
    images = [image.id for image in session.document.images]
    truths = [draw(session, image_id, Box(0, 0, 100, 100)) for image_id in images[:2]]
    predict({images[0]: [candidate(0), candidate(300, 0.6)], images[2]: [candidate(0)]}, suppressed=True)
    review(session, images[:2])
    detector = model_named(session, "detector")
    qtbot.waitUntil(lambda: desk.plan.seen(detector) == {images[0], images[2]})
    return images, truths, detector


def evaluated(qtbot, desk, request):
    desk.start(request)
    with qtbot.waitSignal(
        desk.changed, timeout=LONG, check_params_cb=lambda: not desk.is_running and desk.outcome is not None
    ):
        pass
    return desk.outcome


def test_only_what_the_model_has_seen_is_judged(labelled, desk):
    images, _, detector = labelled
    request = EvaluationRequest(REVIEWED, detector)
    assert desk.plan.judged(request) == ((images[0],), (images[1],))
    assert desk.plan.judged(replace(request, count_empty=True)) == (tuple(images[:2]), ())
    assert desk.plan.judged(replace(request, scope=SHOWN)) == ((images[0], images[2]), (images[1],))


def test_a_child_evaluates_and_the_ids_are_the_projects(qtbot, session, labelled, desk):
    images, truths, detector = labelled
    outcome = evaluated(qtbot, desk, EvaluationRequest(REVIEWED, detector))
    (evaluation,) = outcome.evaluations
    assert evaluation.summary.figures.ap50 == pytest.approx(1.0)
    assert evaluation.images.ids.tolist() == [images[0]]
    assert evaluation.truths.ids.tolist() == [truths[0]]
    total = at(evaluation, 0.5).total
    assert (total.truths, total.hits, total.false_alarms) == (1, 1, 1)
    assert outcome.left_out == (images[1],)
    assert outcome.unreviewed == 0
    sure = int(evaluation.predictions.ids[0])
    first = max(session.document.candidates.values(), key=lambda one: one.confidence)
    assert outcome.candidates[0][sure - 1] == first.id
    assert [one.ap50 for one in desk.plan.history] == [pytest.approx(1.0)]
    kept = []
    session.ask(lambda store: store.meta(HISTORY), kept.append)
    qtbot.waitUntil(lambda: bool(kept))
    assert msgspec.json.decode(kept[0])[0]["title"] == "detector"


def test_two_models_on_the_images_that_both_have_seen(qtbot, session, labelled, predict, desk):
    images, _, detector = labelled
    predict({image_id: [candidate(50)] for image_id in images}, model="other", suppressed=True)
    other = model_named(session, "other")
    qtbot.waitUntil(lambda: len(desk.plan.seen(other)) == 3)
    outcome = evaluated(qtbot, desk, EvaluationRequest(SHOWN, detector, against=other))
    assert [len(e.images.ids) for e in outcome.evaluations] == [2, 2]
    # the third image has a prediction and no label
    assert outcome.unreviewed == 1
    assert outcome.evaluations[0].summary.title == "detector"
    assert outcome.evaluations[1].summary.figures.ap50 == 0.0


def test_masks_are_compared_as_masks(qtbot, session, predict, desk):
    image = session.document.images[0]
    bits = np.ones((50, 50), dtype=bool)
    draw(session, image.id, Mask(10, 10, bits))
    half = bits.copy()
    half[:, 40:] = False
    predict({image.id: [candidate(0, shape=Mask(10, 10, half))]}, suppressed=True)
    review(session, [image.id])
    detector = model_named(session, "detector")
    qtbot.waitUntil(lambda: desk.plan.has_masks(detector))
    outcome = evaluated(qtbot, desk, EvaluationRequest(REVIEWED, detector, by="mask"))
    summary = outcome.evaluations[0].summary
    assert summary.by == "mask"
    person = next(one for one in summary.categories if one.name == "person")
    assert person.pixel_iou == pytest.approx(0.8)
    assert person.pixel_dice == pytest.approx(8 / 9)


def test_classes_that_are_no_category_are_left_out_and_counted(qtbot, session, predict, desk):
    image_id = session.place.image.id
    draw(session, image_id, Box(0, 0, 100, 100))
    predict({image_id: [candidate(0), candidate(300, label="zebra")]}, suppressed=True)
    review(session, [image_id])
    detector = model_named(session, "detector")
    qtbot.waitUntil(lambda: bool(desk.plan.seen(detector)))
    outcome = evaluated(qtbot, desk, EvaluationRequest(REVIEWED, detector))
    assert outcome.uncategorised == (1,)
    assert outcome.evaluations[0].summary.predictions == 1


def test_an_item_is_opened_and_selected(qtbot, session, predictions, labelled, desk):
    images, truths, detector = labelled
    outcome = evaluated(qtbot, desk, EvaluationRequest(REVIEWED, detector, count_empty=True))
    seen = []
    desk.look_at.connect(seen.append)
    # a miss on another image: its annotation, as soon as it is read
    desk.open(ObjectItem(images[1], truth_id=truths[1]), place=0)
    qtbot.waitUntil(lambda: session.focus.selection == {truths[1]})
    assert session.place.image.id == images[1]
    # a hit: both
    evaluation = outcome.evaluations[0]
    hit = int(evaluation.predictions.ids[0])
    desk.open(ObjectItem(images[0], prediction_id=hit, truth_id=truths[0]), place=0)
    qtbot.waitUntil(lambda: session.focus.selection == {truths[0]})
    assert predictions.selection == {outcome.candidates[0][hit - 1]}
    assert seen[-1] == Box(0, 0, 100, 100)
    # a false alarm
    alarm = int(evaluation.predictions.ids[1])
    desk.open(ObjectItem(images[0], prediction_id=alarm), place=0)
    assert not session.focus.selection
    assert predictions.selection == {outcome.candidates[0][alarm - 1]}
    assert seen[-1] == Box(300, 0, 400, 100)


def test_an_edit_makes_it_old(qtbot, session, labelled, desk):
    images, _, detector = labelled
    evaluated(qtbot, desk, EvaluationRequest(REVIEWED, detector))
    assert not desk.is_stale
    draw(session, images[0], Box(300, 0, 400, 100))
    assert desk.is_stale
    outcome = evaluated(qtbot, desk, EvaluationRequest(REVIEWED, detector))
    assert not desk.is_stale
    assert at(outcome.evaluations[0], 0.5).total.hits == 2


def test_it_can_be_stopped_and_started_again(qtbot, labelled, desk):
    _, _, detector = labelled
    desk.start(EvaluationRequest(REVIEWED, detector))
    qtbot.waitUntil(lambda: desk.task.is_running, timeout=LONG)
    desk.stop()
    assert not desk.is_running
    assert desk.outcome is None
    assert evaluated(qtbot, desk, EvaluationRequest(REVIEWED, detector)).evaluations


def test_another_one_begins_without_waiting_for_the_process_of_the_first(qtbot, labelled, desk):
    _, _, detector = labelled
    desk.start(EvaluationRequest(REVIEWED, detector))
    qtbot.waitUntil(lambda: bool(workers()), timeout=LONG)
    (first,) = workers()
    first.suspend()  # it cannot end until it is killed, which whoever waited for it would have seen
    desk.start(EvaluationRequest(REVIEWED, detector))
    assert first.is_running()
    assert first.status() != psutil.STATUS_ZOMBIE
    qtbot.waitUntil(lambda: desk.outcome is not None, timeout=LONG)
    qtbot.waitUntil(lambda: not workers(), timeout=LONG)


def remove(qtbot, session, image_id):
    """Take an image out of the project whose photo is gone."""
    session.place.image_path(session.document.find_image(image_id)).unlink()
    edits = []
    session.ask(lambda store: photo_edits.removal(store, [image_id]), edits.append)
    qtbot.waitUntil(lambda: bool(edits))
    session.edits.commit(edits[0].label, edits[0].changes, by="photos")
    session.reload()
    qtbot.waitUntil(lambda: session.document.find_image(image_id) is None)


def test_an_edit_and_a_removed_image_while_it_runs(qtbot, session, predictions, labelled, desk, tmp_path):
    """It judges what there was when it began, says that it is old, and opens nothing that is gone."""
    images, truths, detector = labelled
    desk.start(EvaluationRequest(SHOWN, detector))
    qtbot.waitUntil(lambda: desk.task.is_running, timeout=LONG)
    drawn = draw(session, images[0], Box(300, 0, 400, 100))
    remove(qtbot, session, images[2])
    qtbot.waitUntil(lambda: desk.outcome is not None, timeout=LONG)
    assert desk.is_stale
    (evaluation,) = desk.outcome.evaluations
    assert evaluation.images.ids.tolist() == [images[0], images[2]]
    assert evaluation.truths.ids.tolist() == [truths[0]]
    session.focus.select([drawn])
    gone = int(evaluation.predictions.ids[evaluation.predictions.images.tolist().index(1)])
    desk.open(ObjectItem(images[2], prediction_id=gone), place=0)
    assert (session.place.image.id, session.focus.selection) == (images[0], {drawn})
    # what was asked for and did not come is not selected when the person goes there much later
    session.history.undo()
    session.reload()
    qtbot.waitUntil(lambda: session.document.find_image(images[2]) is not None)
    for image_id in (images[1], images[2]):
        session.place.go_to(image_id)
        qtbot.waitUntil(lambda: session.document.is_read)
    qtbot.waitUntil(lambda: bool(session.document.candidates))
    assert not predictions.selection
    said = []
    desk.write_report(tmp_path / "report.html", confidence=0.5, done=said.append)
    qtbot.waitUntil(lambda: bool(said), timeout=LONG)
    assert "report is written" in said[0]


def test_a_project_closed_while_it_runs_leaves_nothing(qtbot, session, labelled, desk):
    _, _, detector = labelled
    said = []
    desk.failed.connect(said.append)
    desk.start(EvaluationRequest(REVIEWED, detector))
    qtbot.waitUntil(lambda: desk.task.is_running, timeout=LONG)
    folder = Path(desk._work.folder.name)
    assert folder.exists()
    session.close()
    assert not desk.is_running
    assert desk.outcome is None
    assert not folder.exists()
    qtbot.waitUntil(lambda: not workers(), timeout=LONG)
    assert said == []


def test_nothing_to_judge_is_said(qtbot, session, labelled, desk):
    images, _, detector = labelled
    session.place.set_order([images[1]])
    with qtbot.waitSignal(desk.failed) as told:
        desk.start(EvaluationRequest(SHOWN, detector))
    assert told.args == ["There is nothing to judge: the model has seen none of these images."]


def test_another_project_forgets_the_outcome(qtbot, session, labelled, desk):
    _, _, detector = labelled
    outcome = evaluated(qtbot, desk, EvaluationRequest(REVIEWED, detector))
    assert outcome.labels.exists()
    session.close()
    assert desk.outcome is None
    assert not outcome.labels.exists()
    assert not desk.plan.models


def test_the_validation_images_of_a_run_can_be_judged_on(qtbot, session, labelled, desk):
    images, _, _ = labelled
    folder = runs_folder() / "run"
    folder.mkdir(parents=True)
    coco = {"images": [{"id": images[0]}, {"id": 4711}], "annotations": [], "categories": []}
    (folder / "held_out.json").write_bytes(msgspec.json.encode(coco))
    run = Run(0, str(folder), "small unet", "unet", 2, 1.0, state="finished")
    done = []
    session.ask(lambda store: store.runs.add(run), done.append)
    qtbot.waitUntil(lambda: bool(done))
    desk.plan.look()
    qtbot.waitUntil(lambda: len(desk.plan.scopes()) == 3)
    validation = desk.plan.scopes()[2]
    assert validation.title == "Held out by small unet"
    assert validation.images == (images[0],)


def test_a_confidence_is_taken_over_into_the_filter(qtbot, session, predictions, labelled, desk):
    _, _, detector = labelled
    evaluated(qtbot, desk, EvaluationRequest(REVIEWED, detector))
    desk.use_confidence(0.617, place=0)
    assert predictions.filter.confidence == 0.62
    assert session.measure.model.id == detector
