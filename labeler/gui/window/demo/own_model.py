"""The demo's last steps: a model learns from the labels, is judged, and predicts the next photo."""

from pathlib import Path

from msgspec import structs

from labeler.errors import LabelerError
from labeler.gui.evaluation.panel import EvaluationPanel
from labeler.gui.toolkit.words import counted
from labeler.gui.training.panel import TrainingPanel
from labeler.gui.window.demo.by_hand import LABELS
from labeler.gui.window.demo.demo_photos import NEXT
from labeler.gui.window.demo.person import Acts, DemoStep, Person, Until, heard
from labeler.project.runs import Run

TRAINER = "instant"
STEPS = 80
"""Of the training: a third of what is usual, since two photos are learnt in less."""
REPORT = "report.html"
_SHOWN = 4
"""Predictions that are named; more are counted."""
_ENOUGH = 5
"""Labelled photos from which the model is of use."""


# --- training -----------------------------------------------------------------------------------------
def _train(person: Person) -> Acts:
    desk, window = person.bench.training, person.window
    labels = _exported(person)
    window.panels.open("Training")
    panel = window.panels[TrainingPanel]
    yield Until(lambda: desk.trainer(TRAINER) is not None, "the trainers")
    panel.setup.model.choose(TRAINER)
    yield Until(lambda: desk.planner.validation is not None, "the photos that are held out")
    yield Until(panel.setup.button.isEnabled, "the photos that are learnt from")
    request = panel.setup.request()
    if request is None:
        raise LabelerError(f"Nothing was trained. {panel.setup.problem()}".strip())
    desk.start(structs.replace(request, options=request.options | {"steps": STEPS}, labels=labels))
    yield Until(lambda: not desk.is_busy, "the training")
    if not _is_trained(person):
        raise LabelerError(person.told("training") or "The training did not come to its end; try it again.")
    yield from _read(person)


def _exported(person: Person) -> Path:
    """The COCO file that was exported last. Raises LabelerError where there is none."""
    files = (*person.bench.exporter.delivered, person.results / LABELS)
    found = next((file for file in files if file.suffix == ".json" and file.is_file()), None)
    if found is None:
        raise LabelerError("There is no COCO file to learn from: export it first (Ctrl+E).")
    return found


def _last(person: Person) -> Run | None:
    """The last run that has come to its end."""
    return next((run for run in person.bench.training.list.runs if run.state == "finished"), None)


def _is_trained(person: Person) -> bool:
    return not person.bench.training.is_busy and _last(person) is not None


def _read(person: Person) -> Acts:
    """What the folder of the last run says is known. Raises LabelerError where there is no run."""
    run, runs = _last(person), person.bench.training.list
    if run is None:
        raise LabelerError("There is no trained model yet: train one first (Ctrl+T).")
    runs.look_at([run.id])
    yield Until(lambda: runs.outcome_of(run.id) is not None, "the trained model")


def _said_trained(person: Person) -> str:
    run = _last(person)
    assert run is not None, "it is asked once it is done"
    took = f" It took {run.finished - run.started:.0f} s." if run.finished else ""
    return f"{person.bench.training.verdict(run)}{took}"


TRAIN = DemoStep(
    "Train on what was exported",
    "Press Ctrl+T, choose the instant model and press Train: one photo is learnt from, one is held out.",
    _train,
    _is_trained,
    _said_trained,
    picture="training",
    learns=True,
)


# --- evaluation ---------------------------------------------------------------------------------------
def _judge(person: Person) -> Acts:
    yield from _read(person)
    run, desk = _last(person), person.bench.evaluation
    assert run is not None, "its folder is read"
    with heard(desk.failed) as failed:
        person.bench.training.evaluate(run.id)
        yield Until(lambda: _is_judged(person) or bool(failed), "the evaluation")
    if failed:
        raise LabelerError(failed[-1])
    panel = person.window.panels[EvaluationPanel]
    yield Until(lambda: panel.view.evaluation is not None, "the figures")
    person.results.mkdir(parents=True, exist_ok=True)
    written: list[str] = []
    desk.write_report(person.results / REPORT, confidence=panel.view.confidence, done=written.append)
    yield Until(lambda: bool(written), "the report")


def _is_judged(person: Person) -> bool:
    return person.bench.evaluation.outcome is not None


def _said_judged(person: Person) -> str:
    outcome = person.bench.evaluation.outcome
    assert outcome is not None, "it is asked once it is done"
    summary = outcome.evaluations[0].summary
    figures = summary.figures
    return (
        f"{outcome.titles[0]} on {counted(summary.images, 'photo')} that it never saw, with "
        f"{counted(summary.truths, 'object')}: AP50 {_figure(figures.ap50)}, AP {_figure(figures.ap)}, "
        f"recall {_figure(figures.ar100)}.{_remark(person)}"
    )


def _remark(person: Person) -> str:
    """What is to be thought of the figures."""
    run = _last(person)
    return (
        f" Label {_ENOUGH} photos and more for a model that is of use."
        if run and run.images < _ENOUGH
        else ""
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


JUDGE = DemoStep(
    "Judge it",
    "Press Evaluate in the Training card: precision, recall and errors on the photo that it never saw.",
    _judge,
    _is_judged,
    _said_judged,
    picture="evaluation",
    learns=True,
)


# --- and on -------------------------------------------------------------------------------------------
def _predict_next(person: Person) -> Acts:
    yield from _read(person)
    run, batch = _last(person), person.bench.batch
    assert run is not None, "its folder is read"
    with heard(batch.completed) as completed, heard(batch.ended) as ended:
        person.bench.training.use(run.id)
        yield Until(lambda: not batch.is_running and bool(completed or ended), "the new model's predictions")
    yield from person.at(NEXT)
    if not _is_used(person):
        raise LabelerError(ended[-1] if ended else f"{NEXT} was not predicted.")


def _is_used(person: Person) -> bool:
    run, image, model = _last(person), person.session.place.image, person.session.measure.model
    at_next = image is not None and image.path == NEXT
    return at_next and run is not None and model is not None and model.name == run.name


def _said_used(person: Person) -> str:
    predictions, model = person.bench.predictions, person.session.measure.model
    assert model is not None, "it is asked once it is done"
    found = [predictions.candidates[key] for key in predictions.kept]
    shown = [f"{predictions.name_of(one)} {one.confidence:.2f}" for one in found[:_SHOWN]]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{model.name} predicts {NEXT}: {', '.join(shown) or 'nothing over the threshold'}{more}."


USE = DemoStep(
    "Let it predict the next photo",
    "In the Training card: Use it on the unlabelled images. A review asks about the most uncertain first.",
    _predict_next,
    _is_used,
    _said_used,
    picture="next-photo",
    learns=True,
)
