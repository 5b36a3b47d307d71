"""Runs over a real project with real children: what is stored, resumed, shown and never touched."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from labeler.core.records import Box, Change
from labeler.gui.children.predict_client import PredictClient
from labeler.gui.predictions.batch import Batch, RunChoice, identity
from labeler.gui.session.session import Session
from labeler.gui.toolkit.words import duration
from labeler.project.store import Store
from labeler.registry import discover
from tests.child_processes import workers
from tests.patient_bot import slack

T = TypeVar("T")

SLOW = """
import os, signal, sys, time
from pathlib import Path
from labeler.core.records import Box, Candidate
from labeler.models.protocols import ModelSpec
from labeler.api import Plugin

HERE = Path(__file__).parent

class Bright:
    '''One box around what is bright, and a fainter one of class "noise".'''

    def detect(self, image, text=None):
        time.sleep(float((HERE / "seconds").read_text()))
        with (HERE / "seen").open("a") as seen:
            seen.write(f"{image.max()} ")
        if (HERE / f"crash-{image.max()}").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        ys, xs = (image[..., 0] > 100).nonzero()
        box = Box(float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
        return (
            Candidate(0, 0, 0, 0, box, 0.9, text or "person"),
            Candidate(0, 0, 0, 0, Box(0.0, 20.0, 5.0, 25.0), 0.1, "noise"),
        )

specs = (
    ModelSpec(id="bright", title="Bright", task="detector", load=Bright, version="2"),
    ModelSpec(id="reader", title="Reader", task="detector", load=Bright, reads_text=True),
    ModelSpec(id="broken", title="Broken", task="detector", load=lambda: 1 / 0),
)
plugin = Plugin(api=1, name="Bright", version="1", models=specs)
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin's folder; its file `seconds` says how long an image takes, `seen` which were predicted."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "bright.py").write_text(SLOW)
    (folder / "seconds").write_text("0")
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    return folder


@pytest.fixture
def session(qtbot, tmp_path: Path) -> Iterator[Session]:
    """Eight images, ids 1 to 8; image n has a square at (10 n, 5) of brightness 200 + n."""
    folder = tmp_path / "images"
    folder.mkdir()
    for n in range(1, 9):
        pixels = np.zeros((40, 100, 3), dtype=np.uint8)
        pixels[5:15, 10 * n : 10 * n + 10] = 200 + n
        cv2.imwrite(str(folder / f"{n}.png"), pixels)
    made = Session()
    made.open(folder)
    qtbot.waitUntil(lambda: made.place.pixels is not None, timeout=20_000)
    made.edits.add_category("Person", by="test")
    qtbot.waitUntil(lambda: made.saved == "saved")
    yield made
    made.shut_down()


@pytest.fixture
def batch(session: Session, model: Path) -> Iterator[Batch]:
    jobs = PredictClient(limits=replace(PredictClient.LIMITS, load=30, image=10, beat=5))
    yield Batch(session, jobs)
    jobs.close()


def choice(name: str = "bright", **options) -> RunChoice:
    return RunChoice(name, discover().model(name), **options)


def ended(qtbot, batch: Batch, ask: RunChoice) -> str:
    """Run until the end; what was told."""
    with qtbot.waitSignal(batch.ended, timeout=60_000) as told:
        batch.start(ask)
    return told.args[0]


def asked(qtbot, session: Session, work: Callable[[Store], T]) -> T:
    found: list[T] = []
    session.ask(work, found.append)
    qtbot.waitUntil(lambda: bool(found))
    return found[0]


def boxes(qtbot, session: Session, image_id: int) -> list[tuple[float, str]]:
    stored = asked(qtbot, session, lambda store: store.predictions.candidates(image_id))
    return [(c.shape.x0, c.verdict) for c in stored if c.label == "person"]  # type: ignore[union-attr]


def seen(model: Path) -> list[int]:
    path = model / "seen"
    return [int(number) - 200 for number in path.read_text().split()] if path.exists() else []


# --- what a run does ----------------------------------------------------------------------------


def test_a_run_stores_every_image_and_shows_the_open_one(qtbot, session, batch, model) -> None:
    stored = []
    batch.stored.connect(stored.extend)
    told = ended(qtbot, batch, choice())
    assert told.startswith("Bright predicted 8 images in ")
    assert sorted(stored) == list(range(1, 9))
    for n in range(1, 9):
        assert boxes(qtbot, session, n) == [(10 * n, "")]
    found = [("person", 1), ("noise", 0)]
    qtbot.waitUntil(lambda: [(c.label, c.category_id) for c in session.document.candidates.values()] == found)
    assert session.measure.model == batch.model
    assert (session.measure.model.name, session.measure.model.version) == ("Bright", "2")
    assert session.measure.model in session.document.models
    assert session.saved == "saved"
    assert not batch.is_running


def test_the_open_image_comes_first_and_its_selection_stays(qtbot, session, batch, model) -> None:
    session.place.go_to(5)
    qtbot.waitUntil(lambda: session.place.pixels is not None)
    made = session.edits.add(Box(1, 1, 20, 20), by="test")
    (model / "seconds").write_text("0.2")
    batch.start(choice())
    qtbot.waitUntil(lambda: bool(session.document.candidates), timeout=30_000)
    assert seen(model)[:1] == [5]
    assert session.focus.selection == {made.id}
    assert session.document.annotations == {made.id: made}
    batch.cancel()


def test_no_annotation_and_no_undo_step_is_touched(qtbot, session, batch) -> None:
    first = session.edits.add(Box(10, 5, 20, 15), by="test")
    qtbot.waitUntil(lambda: session.saved == "saved")
    before = asked(qtbot, session, lambda store: (list(store.all_annotations()), store.history.entries()))
    ended(qtbot, batch, choice())
    ended(qtbot, batch, choice(again=True))
    after = asked(qtbot, session, lambda store: (list(store.all_annotations()), store.history.entries()))
    assert after == before
    assert session.document.annotations == {first.id: first}
    session.history.undo()
    qtbot.waitUntil(lambda: not session.document.annotations)


def test_labelling_goes_on_while_it_runs(qtbot, session, batch, model) -> None:
    (model / "seconds").write_text("0.05")
    batch.start(choice())
    made = []
    while batch.is_running and len(made) < 40:
        annotation = session.edits.add(Box(1, 1, 9, 9), by="test")
        made.append(annotation)
        qtbot.waitUntil(lambda: session.saved == "saved")
        assert list(session.document.annotations.values()) == made
    qtbot.waitUntil(lambda: not batch.is_running, timeout=30_000)
    assert list(asked(qtbot, session, lambda store: store.annotations(1))) == made
    assert boxes(qtbot, session, 8) == [(80, "")]


@pytest.mark.parametrize(("scope", "expected"), [("image", {3}), ("shown", {2, 3}), ("unreviewed", {1, 3})])
def test_scopes(qtbot, session, batch, scope, expected) -> None:
    for n in (2, 4, 5, 6, 7, 8):
        session.place.go_to(n)
        session.edits.mark_reviewed(True, by="test")
    session.place.set_order([2, 3])
    session.place.go_to(3)
    assert {image.id for image in batch.images(scope)} == expected
    told = ended(qtbot, batch, choice(scope=scope))
    assert told.startswith(f"Bright predicted {len(expected)} image")
    assert batch.model is not None
    key = batch.model.id
    assert asked(qtbot, session, lambda store: store.predictions.predicted_images(key)) == expected


# --- again and on -------------------------------------------------------------------------------


def test_what_was_predicted_is_not_predicted_again_unless_asked(qtbot, session, batch, model) -> None:
    ended(qtbot, batch, choice(scope="image"))
    ended(qtbot, batch, choice())
    assert sorted(seen(model)) == list(range(1, 9))
    with qtbot.waitSignal(batch.exhausted, timeout=20_000):
        batch.start(choice())
    assert not batch.is_running
    ended(qtbot, batch, choice(scope="image", again=True))
    assert sorted(seen(model)) == [1, *range(1, 9)]


def test_verdicts_outlast_a_new_run(qtbot, session, batch) -> None:
    ended(qtbot, batch, choice(scope="image"))
    qtbot.waitUntil(lambda: len(session.document.candidates) == 2)
    person, noise = session.document.candidates.values()
    changes = [
        Change(person, replace(person, verdict="rejected")),
        Change(noise, replace(noise, verdict="accepted")),
    ]
    session.edits.commit("Judge", changes, by="test")
    ended(qtbot, batch, choice(scope="image", again=True))
    stored = asked(qtbot, session, lambda store: store.predictions.candidates(1))
    assert [(c.id, c.verdict) for c in stored] == [(person.id, "rejected"), (noise.id, "accepted")]
    session.history.undo()
    qtbot.waitUntil(lambda: {c.verdict for c in session.document.candidates.values()} == {""})


def test_a_killed_child_costs_one_image_which_the_next_run_makes_up_for(qtbot, session, batch, model) -> None:
    (model / "seconds").write_text("0.1")
    told = []
    session.told.connect(told.append)
    with qtbot.waitSignal(batch.ended, timeout=60_000) as end:
        batch.start(choice())
        qtbot.waitUntil(lambda: batch.progress is not None and batch.progress.done == 3, timeout=30_000)
        (child,) = workers("job")
        child.kill()
    assert "predicted 7 images" in end.args[0]
    assert "1 image could not be predicted" in end.args[0]
    assert len(told) == 1
    assert "Bright crashed at" in told[0]
    ended(qtbot, batch, choice())
    assert all(boxes(qtbot, session, n) == [(10 * n, "")] for n in range(1, 9))
    assert sorted(set(seen(model))) == list(range(1, 9))
    assert len(seen(model)) <= 9


def test_cancelled_and_taken_up_again(qtbot, session, batch, model) -> None:
    (model / "seconds").write_text("0.1")
    batch.start(choice())
    qtbot.waitUntil(lambda: batch.progress is not None and batch.progress.done == 2, timeout=30_000)
    begun = time.monotonic()
    with qtbot.waitSignal(batch.ended, timeout=round(2_000 * slack())) as end:
        batch.cancel()
    assert time.monotonic() - begun < slack()
    assert "was stopped after 2 images" in end.args[0]
    assert asked(qtbot, session, lambda s: s.predictions.predicted_images(batch.model.id)) == {1, 2}
    (model / "seconds").write_text("0")
    assert ended(qtbot, batch, choice()).startswith("Bright predicted 6 images")


# --- what waits -----------------------------------------------------------------------------------


def test_a_run_asked_for_during_another_waits_and_stops_nothing(qtbot, session, batch, model) -> None:
    (model / "seconds").write_text("0.05")
    ends: list[str] = []
    completed: list[RunChoice] = []
    batch.ended.connect(ends.append)
    batch.completed.connect(completed.append)
    first, second = choice(), choice("reader", text="a dog", images=(2, 5))
    batch.start(first)
    qtbot.waitUntil(lambda: batch.progress is not None and batch.progress.done == 2, timeout=30_000)
    with qtbot.waitSignal(batch.queued) as told:
        batch.start(second)
    assert told.args == ["Reader, 2 images: begins when Bright is done."]
    assert [one.choice for one in batch.waiting] == [second]
    qtbot.waitUntil(lambda: len(completed) == 2, timeout=60_000)
    assert [one is other for one, other in zip(completed, (first, second), strict=True)] == [True, True]
    assert ends[0].startswith("Bright predicted 8 images")
    assert ends[1].startswith("Reader predicted 2 images")
    assert not batch.waiting


def test_the_open_image_comes_before_what_waits_and_is_the_one_that_was_open_then(
    qtbot, session, batch, model
) -> None:
    (model / "seconds").write_text("0.05")
    batch.start(choice())
    batch.start(choice("reader", text="a dog"))
    batch.start(choice("reader", text="a cat", scope="image"))
    session.place.step(1)
    assert [one.images for one in batch.waiting] == [(1,), tuple(range(1, 9))]
    batch.start(choice("reader", text="a dog"))
    assert len(batch.waiting) == 2, "asked for twice it is run once"


def test_what_runs_already_is_not_run_once_more(qtbot, session, batch, model) -> None:
    (model / "seconds").write_text("0.1")
    told: list[str] = []
    batch.queued.connect(told.append)
    batch.start(choice())
    qtbot.waitUntil(lambda: batch.progress is not None and batch.progress.done >= 1, timeout=30_000)
    batch.start(choice())
    assert told == ["Bright, 8 images: this runs already."]
    assert not batch.waiting
    batch.cancel()
    batch.start(choice())
    assert batch.waiting or batch.is_running, "what is being stopped is wanted again"
    assert told[1:] in ([], ["Bright, 8 images: begins when Bright is done."])
    qtbot.waitUntil(lambda: batch.is_running and not batch.waiting, timeout=30_000)
    qtbot.waitUntil(lambda: not batch.is_running and not batch.waiting, timeout=60_000)


def test_a_waiting_run_can_be_done_without_and_a_cancelled_one_lets_the_next_begin(
    qtbot, session, batch, model
) -> None:
    (model / "seconds").write_text("0.1")
    ends: list[str] = []
    batch.ended.connect(ends.append)
    batch.start(choice())
    batch.start(choice("reader", text="a dog", images=(3,)))
    batch.start(choice("reader", text="a cat", images=(4,)))
    dog, cat = batch.waiting
    batch.withdraw(dog)
    assert batch.waiting == (cat,)
    qtbot.waitUntil(lambda: batch.progress is not None and batch.progress.done == 1, timeout=30_000)
    batch.cancel()
    qtbot.waitUntil(lambda: len(ends) == 2, timeout=60_000)
    assert "was stopped" in ends[0]
    assert "predicted 1 image" in ends[1]
    assert {m.name for m in session.document.models if m.name.startswith("Reader")} == {"Reader “a cat”"}


def test_nothing_waits_past_the_end_of_its_project(qtbot, session, batch, model) -> None:
    (model / "seconds").write_text("0.1")
    batch.start(choice())
    batch.start(choice("reader", text="a dog"))
    session.close()
    assert not batch.is_running
    assert not batch.waiting


def test_another_text_is_another_version_of_the_model(qtbot, session, batch, model) -> None:
    ended(qtbot, batch, choice("reader", text="a red bus", scope="image"))
    ended(qtbot, batch, choice("reader", text="a dog", scope="image"))
    names = [m.name for m in session.document.models if m.name.startswith("Reader")]
    assert names == ["Reader “a red bus”", "Reader “a dog”"]
    expected = {"a red bus", "a dog", "noise"}
    qtbot.waitUntil(lambda: {c.label for c in session.document.candidates.values()} == expected)


def test_masks_and_weights_are_told_apart() -> None:
    spec = discover(safe_mode=True).model("mobilesam")
    plain, masked = identity(RunChoice("m", spec)), identity(RunChoice("m", spec, masks=True))
    assert plain == (spec.title, spec.fingerprint[:8])
    assert masked == (spec.title, f"{spec.fingerprint[:8]} + masks")


# --- trouble ------------------------------------------------------------------------------------


def test_a_model_that_cannot_be_loaded_ends_the_run_with_its_reason(
    qtbot, session, batch, expect_log
) -> None:
    expect_log("The model failed")
    assert "ZeroDivisionError" in ended(qtbot, batch, choice("broken"))
    assert not batch.is_running


def test_nothing_runs_in_a_read_only_project(qtbot, session, batch, model) -> None:
    folder = session.root
    session.close()
    session.open(folder, read_only=True)
    qtbot.waitUntil(lambda: bool(session.read_only))
    assert "Nothing was run" in ended(qtbot, batch, choice())
    assert seen(model) == []


def test_closing_the_project_ends_the_run(qtbot, session, batch, model) -> None:
    (model / "seconds").write_text("0.2")
    batch.start(choice())
    qtbot.waitUntil(lambda: batch.progress is not None and batch.progress.done == 1, timeout=30_000)
    session.close()
    assert not batch.is_running
    assert batch.model is None
    qtbot.waitUntil(lambda: not workers("job"), timeout=30_000)


# --- what classes mean --------------------------------------------------------------------------


def test_a_new_category_takes_what_was_found_under_its_name(qtbot, session, batch) -> None:
    ended(qtbot, batch, choice("reader", text="dog", scope="image"))
    qtbot.waitUntil(lambda: batch.unmapped == {"dog": 1})
    category = session.edits.add_category("Dog", by="test")
    qtbot.waitUntil(lambda: batch.unmapped == {})
    qtbot.waitUntil(lambda: {c.category_id for c in session.document.candidates.values()} == {category.id, 0})
    session.history.undo()
    qtbot.waitUntil(lambda: "Dog" not in {c.name for c in session.document.categories.values()})
    assert session.saved in ("saved", "saving")


# --- small words --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (89, "89 s"), (100, "2 min"), (5400, "1 h 30 min"), (7260, "2 h 1 min")],
)
def test_durations(seconds, words) -> None:
    assert duration(seconds) == words
