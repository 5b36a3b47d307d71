"""The training desk with real projects, real runs' folders and real children."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from labeler.core.records import Annotation, Box, Change
from labeler.gui.session.session import Session
from labeler.gui.training.desk import RESTARTS, TrainingDesk, TrainingRequest, verdict
from labeler.gui.training.learner import NAME, Learner
from labeler.gui.training.planner import FEW, UNEVEN, planned
from labeler.registry import discover
from labeler.training import preparation
from labeler.training.run import Judged, Outcome, RunFolder
from tests.child_processes import workers

LONG = 30_000


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tiny trainer, found by children through the environment."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "tiny_trainer.py", folder)
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    return folder


@pytest.fixture
def label(qtbot, session: Session) -> Callable[..., None]:
    """`label(place, objects=1, reviewed=True)`: boxes on an image of the project."""

    def draw(place: int, *, objects: int = 1, reviewed: bool = True, category: str = "person") -> None:
        image = session.document.images[place]
        known = session.edits.add_category(category, by="test")
        box = Box(1.0, 1.0, 50.0, 60.0)
        made = [
            Annotation(session.edits.new_annotation_id(), image.id, known.id, box) for _ in range(objects)
        ]
        session.edits.commit("Draw", [Change(None, one) for one in made], by="test")
        if reviewed:
            session.edits.commit("Review", [Change(image, replace(image, reviewed=True))], by="test")

    return draw


@pytest.fixture
def labelled(label) -> None:
    for place in range(3):
        label(place)


class Heard:
    def __init__(self, desk: TrainingDesk) -> None:
        self.told: list[str] = []
        self.finished: list[RunFolder] = []
        desk.told.connect(self.told.append)
        desk.finished.connect(self.finished.append)


@pytest.fixture
def make_desk(session, owner, plugins):
    made: list[TrainingDesk] = []

    def make() -> TrainingDesk:
        desk = TrainingDesk(session, owner)
        desk.set_registry(discover())
        made.append(desk)
        return desk

    yield make
    for desk in made:
        desk.close()
        desk.client.close()
    assert not workers(), "a training outlived its desk"


@pytest.fixture
def desk(make_desk) -> TrainingDesk:
    return make_desk()


def training_request(name: str = "First", **options) -> TrainingRequest:
    return TrainingRequest("tiny", name, options=options)


def ended(qtbot, desk: TrainingDesk, state: str) -> None:
    """Wait until the newest run is over, and was read."""
    qtbot.waitUntil(lambda: not desk.is_busy, timeout=LONG)
    assert desk.list.runs[0].state == state
    qtbot.waitUntil(lambda: desk.list.course_of(desk.list.runs[0].id) is not None, timeout=LONG)


def stored(qtbot, session: Session) -> list:
    found: list = []
    session.ask(lambda store: store.runs.list(), found.append)
    qtbot.waitUntil(lambda: bool(found))
    return found[0]


# --- a run ----------------------------------------------------------------------------------------


def test_a_run_from_labels_to_a_model_that_can_be_used(qtbot, session, desk, labelled) -> None:
    heard = Heard(desk)
    desk.start(training_request())
    assert desk.phase == "preparing"
    qtbot.waitUntil(lambda: bool(heard.finished), timeout=LONG)
    (run,) = desk.list.runs
    assert (run.name, run.state, run.images) == ("First", "finished", 3)
    assert stored(qtbot, session) == [run]
    course = desk.course_of(run.id)
    assert [epoch.epoch for epoch in course.epochs] == [1, 2, 3]
    assert course.prepared.training + course.prepared.validation == 3
    assert len(course.steps["loss"].arrays[0]) == 12
    assert sorted(course.samples) == [1, 2, 3]
    assert run.metrics["AP50"] == pytest.approx(desk.list.outcome_of(run.id).metrics["AP50"])
    assert heard.told[-1].startswith("First is ready: AP50 ")
    asked: list[str] = []
    desk.use_asked.connect(asked.append)
    desk.use(run.id)
    assert discover().open_file(Path(asked[0])).title == "First"
    assert desk.next_name("tiny") == "Tiny 2"
    assert desk.predecessor("tiny") == asked[0]


def test_the_validation_images_are_those_that_the_plan_shows(qtbot, session, desk, labelled) -> None:
    desk.planner.watch(True)
    qtbot.waitUntil(lambda: bool(desk.planner.validation), timeout=LONG)
    shown = {Path(session.document.find_image(key).path).name for key in desk.planner.validation}
    desk.start(training_request(epochs=1))
    qtbot.waitUntil(lambda: desk.phase == "running", timeout=LONG)
    ended(qtbot, desk, "finished")
    folder = RunFolder(Path(desk.list.runs[0].folder))
    assert {image.name for image in folder.validation_set().images} == shown
    assert {image.id for image in folder.validation_set().images} == set(desk.planner.validation)


def test_a_stopped_run_goes_on_where_it_was(qtbot, session, desk, labelled) -> None:
    desk.start(training_request(epochs=4, seconds=0.4))
    qtbot.waitUntil(lambda: desk.course is not None and len(desk.course.epochs) == 2, timeout=LONG)
    desk.stop()
    assert desk.phase == "stopping"
    ended(qtbot, desk, "stopped")
    assert not workers()
    run = desk.list.runs[0]
    desk.resume(run.id)
    qtbot.waitUntil(lambda: desk.phase == "running", timeout=LONG)
    ended(qtbot, desk, "finished")
    course = desk.course_of(run.id)
    assert course.started.first_epoch == 3
    assert [epoch.epoch for epoch in course.epochs] == [1, 2, 3, 4]
    assert len(desk.list.runs) == 1


def test_a_run_stopped_while_it_is_written_down_does_not_begin(qtbot, session, desk, labelled) -> None:
    """Its folder is made, and the project is about to keep it, when the person stops it."""
    heard = Heard(desk)
    noted = []
    note = desk._note_new

    def stopped_at_once(turn: int, run: object) -> None:
        note(turn, run)  # its answer comes with the next events, so after the stop
        noted.append(run)
        desk.stop()

    desk._note_new = stopped_at_once
    desk.start(training_request())
    qtbot.waitUntil(lambda: bool(noted), timeout=LONG)
    assert not desk.is_busy
    qtbot.waitUntil(lambda: not Path(noted[0].folder).exists(), timeout=LONG)
    qtbot.waitUntil(lambda: not stored(qtbot, session), timeout=LONG)
    assert not desk.is_busy
    assert not desk.list.runs
    assert not workers()
    assert not heard.told


def test_of_a_run_stopped_and_begun_again_at_once_only_the_second_begins(
    qtbot, session, desk, labelled, held
) -> None:
    begun = []
    begin = desk._begin
    desk._begin = lambda run: (begun.append(run.name), begin(run))
    with held(session):
        desk.start(training_request("First"))
        desk.stop()
        desk.start(training_request("Second"))
    qtbot.waitUntil(lambda: bool(begun), timeout=LONG)
    ended(qtbot, desk, "finished")
    assert begun == ["Second"]
    assert [run.name for run in desk.list.runs] == ["Second"]
    assert [run.name for run in stored(qtbot, session)] == ["Second"]


def test_a_crash_is_gone_on_from_by_itself(qtbot, desk, labelled, plugins) -> None:
    once = "import os, signal\nmark = folder.path / 'crashed'\n"
    once += "if epoch == 2 and not mark.exists():\n    mark.touch()\n    os.kill(os.getpid(), signal.SIGKILL)"
    (plugins / "fault").write_text(once)
    heard = Heard(desk)
    desk.start(training_request())
    qtbot.waitUntil(lambda: bool(heard.finished), timeout=LONG)
    assert heard.told[0] == "First crashed. It goes on from where it was last saved."
    assert [epoch.epoch for epoch in desk.course_of(desk.list.runs[0].id).epochs] == [1, 2, 3]


def test_a_run_that_always_crashes_is_given_up_and_can_be_resumed(qtbot, desk, labelled, plugins) -> None:
    (plugins / "tiny_trainer.py").write_text(
        (plugins / "tiny_trainer.py")
        .read_text()
        .replace("report(Started(", "import os; os.abort() if FAULT.exists() else None\n    report(Started(")
    )
    (plugins / "fault").write_text("")
    heard = Heard(desk)
    desk.start(training_request())
    qtbot.waitUntil(lambda: desk.phase == "running", timeout=LONG)
    ended(qtbot, desk, "interrupted")
    assert len(heard.told) == RESTARTS + 1
    assert heard.told[-1].startswith("First crashed. That was so 4 times in a row")
    (plugins / "fault").unlink()
    desk.resume(desk.list.runs[0].id)
    qtbot.waitUntil(lambda: bool(heard.finished), timeout=LONG)


def test_a_failure_is_told_in_the_trainers_sentence(qtbot, desk, labelled, plugins) -> None:
    (plugins / "fault").write_text(
        "from labeler.errors import LabelerError\nraise LabelerError('Use a smaller batch.')"
    )
    heard = Heard(desk)
    desk.start(training_request())
    qtbot.waitUntil(lambda: bool(heard.told), timeout=LONG)
    ended(qtbot, desk, "failed")
    assert heard.told == ["Use a smaller batch."]


def test_nothing_is_trained_without_labels(qtbot, desk, label) -> None:
    heard = Heard(desk)
    desk.start(training_request())
    assert heard.told == [
        "Nothing was trained. Label at least two images first: one to learn from, and one to be judged on."
    ]
    assert not desk.is_busy


# --- the list -------------------------------------------------------------------------------------


def test_again_trains_with_the_same_settings_under_another_name(qtbot, desk, labelled) -> None:
    heard = Heard(desk)
    desk.start(training_request(epochs=2))
    qtbot.waitUntil(lambda: len(heard.finished) == 1, timeout=LONG)
    desk.again(desk.list.runs[0].id)
    qtbot.waitUntil(lambda: len(heard.finished) == 2, timeout=LONG)
    new, old = (folder.spec for folder in heard.finished[::-1])
    assert (new.options, new.name) == (old.options, "Tiny 2")
    outcome = heard.finished[1].outcome()
    assert outcome.replaced is not None
    assert outcome.replaced.title == "First"
    assert " against " in heard.told[-1]


def test_a_deleted_run_is_gone_with_its_folder_but_not_while_it_runs(qtbot, session, desk, labelled) -> None:
    desk.start(training_request(epochs=50, seconds=0.2))
    qtbot.waitUntil(lambda: desk.phase == "running", timeout=LONG)
    run = desk.list.runs[0]
    desk.list.delete([run.id])
    assert desk.list.runs == [run]
    desk.stop()
    qtbot.waitUntil(lambda: not desk.is_busy, timeout=LONG)
    desk.list.delete([run.id])
    qtbot.waitUntil(lambda: not desk.list.runs, timeout=LONG)
    assert not Path(run.folder).exists()
    assert stored(qtbot, session) == []


def test_a_run_whose_end_is_written_down_while_it_is_deleted_is_gone(qtbot, session, desk, labelled) -> None:
    desk.start(training_request(epochs=1))
    qtbot.waitUntil(lambda: not desk.is_busy and desk.list.runs[0].state == "finished", timeout=LONG)
    run = desk.list.runs[0]
    desk.list.delete([run.id])  # in the pool
    desk.list.update(replace(run, finished=1.0))  # as the end of a child does that is heard of just then
    qtbot.waitUntil(lambda: not desk.list.runs, timeout=LONG)
    assert not Path(run.folder).exists()
    assert stored(qtbot, session) == []


def test_what_was_going_on_when_the_program_ended_is_listed_as_cut_off(
    qtbot, session, desk, make_desk, labelled
) -> None:
    desk.start(training_request(epochs=50, seconds=0.2))
    qtbot.waitUntil(lambda: desk.course is not None and bool(desk.course.epochs), timeout=LONG)
    desk.client.blockSignals(True)  # as if the window had died: nobody notes what becomes of the child
    (child,) = workers()
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    again = make_desk()
    qtbot.waitUntil(lambda: [run.state for run in again.list.runs] == ["interrupted"], timeout=LONG)
    assert [run.state for run in stored(qtbot, session)] == ["interrupted"]


# --- what goes in ---------------------------------------------------------------------------------


def test_a_plan_counts_and_warns(session, label) -> None:
    names = {1: "person", 2: "bus"}
    images = [replace(session.document.images[0], id=key, reviewed=key != 3) for key in range(1, 13)]

    def plan(counts, scope="reviewed"):
        return planned(images, lambda key: counts.get(key, {}), names, scope=scope)

    many = {key: {1: 5, 2: 0} for key in range(1, 13)}
    assert plan(many).objects == {1: 55}
    assert len(plan(many).images) == 11
    assert plan(many).warnings == ()
    assert len(plan(many, "labelled").images) == 12
    assert plan({1: {1: 3}}, "labelled").problem.startswith("Label at least two")
    assert plan({}).problem.startswith("There is no object on these images")
    uneven = many | {1: {1: 250, 2: 10}}
    assert plan(uneven).warnings == ("There is 30 times as much of person as of bus.",)
    assert plan(many | {1: {1: 5, 2: 1}}).warnings == ("Fewer than 10 objects of bus.",)
    assert plan({1: {1: 9}, 2: {1: 9}}, "labelled").warnings[0].startswith("Only 2 images")


def test_the_plan_warns_when_the_run_does() -> None:
    assert (FEW, UNEVEN) == (preparation.FEW, preparation.UNEVEN)


def test_labels_that_nobody_reviewed_are_pointed_to(session, desk, label) -> None:
    for place in range(3):
        label(place, reviewed=False)
    assert desk.planner.plan_of("reviewed").problem.startswith("No image is marked as reviewed")
    assert desk.planner.plan_of("labelled").problem == ""


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (None, "X is ready."),
        (Outcome({"AP50": 0.81}, 3, 12), "X is ready: AP50 0.81 on 12 held-out images."),
        (
            Outcome(
                {"AP50": 0.9}, 3, 1, judged=Judged("X", {"AP50": 0.81}), replaced=Judged("Y", {"AP50": 0.74})
            ),
            "X is ready: AP50 0.81 against 0.74 of Y on 1 held-out image.",
        ),
    ],
)
def test_the_verdict_says_what_a_person_wants_to_know(outcome, sentence) -> None:
    assert verdict("X", outcome, "AP50") == sentence


# --- learn while a person labels ------------------------------------------------------------------


@pytest.fixture
def learner(qtbot, session, desk, owner, plugins, monkeypatch):
    monkeypatch.setattr("labeler.gui.training.learner.TRAINER", "tiny")
    monkeypatch.setattr("labeler.gui.training.learner.LEAST", 2)
    made = Learner(session, desk, None, owner, settle_ms=50)
    yield made
    made.close()


def test_it_learns_only_when_switched_on_and_predicts_what_is_unlabelled(
    qtbot, session, label, learner
) -> None:
    predicted: list[tuple[int, ...]] = []
    learner.predicted.connect(predicted.append)
    doing: list[str] = []
    learner.changed.connect(lambda: doing.append(learner.doing))
    label(0)
    label(1)
    assert doing == []
    learner.set_on(True)
    qtbot.waitUntil(lambda: bool(predicted) and not learner.doing, timeout=LONG)
    assert predicted == [(session.document.images[2].id,)]
    assert [model.name for model in session.document.models][-1] == NAME
    session.place.go_to(session.document.images[2].id)
    qtbot.waitUntil(lambda: len(session.document.candidates) == 1, timeout=LONG)
    assert "learning" in doing
    assert stored(qtbot, session) == [], "a round is no run of the project"
    folder = Path(session.project).parent
    assert folder.exists()
    label(2)
    qtbot.waitUntil(lambda: learner.doing == "learning", timeout=LONG)
    qtbot.waitUntil(lambda: not learner.doing, timeout=LONG)
    qtbot.waitUntil(lambda: not workers(), timeout=LONG)


def test_learning_gives_way_to_what_a_person_starts(qtbot, desk, labelled, learner) -> None:
    heard = Heard(desk)
    learner.set_on(True)
    qtbot.waitUntil(lambda: learner.doing == "learning", timeout=LONG)
    desk.start(training_request())
    assert learner.doing == ""
    qtbot.waitUntil(lambda: bool(heard.finished), timeout=LONG)
    qtbot.waitUntil(lambda: learner.doing == "learning", timeout=LONG)
    learner.set_on(False)
    assert learner.doing == ""
    qtbot.waitUntil(lambda: not workers(), timeout=LONG)
