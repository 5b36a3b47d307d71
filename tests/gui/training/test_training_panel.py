"""The training panel on a real project, with runs whose folders are real and a trainer that is tiny."""

import shutil
import time
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QMessageBox,
    QWidget,
)

from labeler.core.records import Annotation, Box, Change
from labeler.gui.toolkit import theme
from labeler.gui.training.course import MOST_POINTS, Course, Series
from labeler.gui.training.desk import TrainingDesk
from labeler.gui.training.option_fields import OptionFields
from labeler.gui.training.panel import TrainingPanel
from labeler.gui.training.setup import split_words
from labeler.gui.window.panel_docks import BENCH_LEAST
from labeler.project.runs import Run, runs_folder
from labeler.registry import discover
from labeler.training import events
from labeler.training.run import Judged, Outcome, RunFolder, RunSpec
from labeler.training.specs import Option
from labeler.training.unet.network import Architecture, build
from labeler.training.unet.pixel_model import PixelModel, Recipe, save

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

LONG = 30_000


@pytest.fixture
def desk(session, owner, tmp_path, monkeypatch):
    folder = tmp_path / "plugins"
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "tiny_trainer.py", folder)
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    made = TrainingDesk(session, owner)
    made.set_registry(_Only(discover().trainer("tiny")))
    yield made
    made.close()


class _Only:
    """A registry with one trainer, so that the tests do not depend on which are shipped."""

    def __init__(self, trainer) -> None:
        self.trainers = (trainer,)


@pytest.fixture
def panel(session, desk, shown):
    return shown(TrainingPanel(session, desk), width=1200, height=340)


@pytest.fixture
def labelled(qtbot, session):
    person, bus = (session.edits.add_category(name, by="test") for name in ("person", "bus"))
    for number, image in enumerate(session.document.images, start=1):
        boxes = [(person, Box(1, 1, 50 + n, 60)) for n in range(number)] + [(bus, Box(5, 5, 9, 9))]
        made = [Annotation(session.edits.new_annotation_id(), image.id, one.id, box) for one, box in boxes]
        session.edits.commit("Draw", [Change(None, one) for one in made], by="test")
        session.edits.commit("Review", [Change(image, replace(image, reviewed=True))], by="test")


def written(folder: Path, name: str, *, end: events.Event | None, best: float = 0.6) -> Run:
    """A run of three epochs with two samples each, as a child would have left it."""
    spec = RunSpec(trainer="tiny", name=name)
    run = RunFolder.create(folder / f"run-{spec.id}", spec)
    run.record(events.Prepared(8, 2, {"person": 10}))
    run.record(events.Started("CPU, 2 threads", 4, 1, 2))
    run.samples.mkdir()
    for epoch in range(1, 4):
        for step in range(1, 6):
            losses = {"loss": 1 / (epoch + step / 5), "boxes": 0.3, "classes": 0.2}
            run.record(events.Step(epoch, step, 5, losses, 12.0, 200 << 20))
        for image in ("a.png", "b.png"):
            cv2.imwrite(str(run.samples / f"{epoch}-{image}"), np.full((20, 30, 3), 60 * epoch, np.uint8))
            run.record(events.Sample(epoch, image, f"samples/{epoch}-{image}"))
        metrics = {"AP": best / 2, "AP50": best * epoch / 3}
        run.record(events.Epoch(epoch, {"loss": 1.0}, metrics, best=True, seconds=2.0))
    state = "stopped"
    if end is not None:
        run.record(end)
        state = "failed" if isinstance(end, events.Failed) else "finished"
    metrics = {}
    if state == "finished":
        metrics = {"AP50": best}
        outcome = Outcome(
            metrics,
            3,
            2,
            model="/m.tiny",
            judged=Judged(name, metrics),
            replaced=Judged("Old", {"AP50": 0.5}),
        )
        run.metrics.write_bytes(msgspec.json.encode(outcome))
    else:
        run.record(events.Stopped(3))
    return Run(0, str(run.path), name, "tiny", 10, time.time(), state, None, metrics)


DONE = events.Finished("weights.tiny", {"AP50": 0.6}, 3, 6.0)


@pytest.fixture
def add_runs(qtbot, session, desk):
    """`add_runs((name, end), ...)`: runs in the list of the desk, the first the newest."""

    def add(*wanted, **options) -> list[Run]:
        runs = [written(runs_folder(), name, end=end, **options) for name, end in wanted]

        def work(store) -> None:
            for number, run in enumerate(runs):
                store.runs.add(replace(run, started=run.started - number))

        done: list[None] = []
        session.keep(work, done.append, failed=pytest.fail)
        qtbot.waitUntil(lambda: bool(done))
        desk.list.load()
        qtbot.waitUntil(lambda: len(desk.list.runs) == len(wanted))
        return desk.list.runs

    return add


def choose(qtbot, panel, desk, *places: int) -> None:
    ids = [desk.list.runs[place].id for place in places]
    panel.runs.choose(ids)
    qtbot.waitUntil(lambda: all(desk.list.course_of(key) for key in ids), timeout=LONG)
    qtbot.waitUntil(lambda: bool(panel.curves.loss.curves), timeout=LONG)


def click(qtbot, button: QAbstractButton) -> None:
    assert button.isEnabled()
    assert button.isVisible()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


# --- a model leaves -------------------------------------------------------------------------------


def test_a_run_s_model_leaves_by_a_button(qtbot, panel, desk, add_runs, tmp_path) -> None:
    """A real network in a real run's folder, written by a real child."""
    ended = events.Finished("weights.safetensors", {"AP50": 0.6}, 3, 6.0)
    run, _ = add_runs(("Cells / 1", ended), ("Cut off", None))
    architecture = Architecture(classes=2, width=8, depth=2)
    model = PixelModel(build(architecture), Recipe(architecture, 64), ("cell",))
    save(Path(run.folder) / "weights.safetensors", model, "Cells")
    told: list[str] = []
    desk.told.connect(told.append)
    for folder in ("Cells - 1 ONNX", "Cells - 1 ONNX 2"):
        qtbot.waitUntil(panel.runs.export.isEnabled, timeout=LONG)
        panel.runs.ask_to_export("onnx")
        (dialog,) = [one for one in panel.runs.findChildren(QFileDialog) if one.isVisible()]
        dialog.fileSelected.emit(str(tmp_path))
        dialog.close()
        dialog.deleteLater()
        assert not panel.runs.export.isEnabled(), "one at a time"
        out = tmp_path / folder
        qtbot.waitUntil(lambda out=out: told[-1:] == [f"The model is in {out}."], timeout=100_000)
        assert sorted(path.name for path in out.iterdir()) == ["labels.json", "model.onnx", "run.py"]
    assert [action.text() for action in panel.runs.export.menu().actions()] == [
        "ONNX…",
        "TorchScript…",
        "OpenVINO…",
    ]
    panel.runs.choose([desk.list.runs[1].id])
    assert not panel.runs.export.isEnabled(), "it has no model"


def test_an_export_that_fails_or_is_given_up_says_so_and_leaves_nothing(
    qtbot, panel, desk, add_runs, tmp_path
) -> None:
    (run,) = add_runs(("Gone", events.Finished("weights.safetensors", {"AP50": 0.6}, 3, 6.0)))
    told: list[str] = []
    desk.told.connect(told.append)
    desk.exports.start(run, "onnx", tmp_path)
    qtbot.waitUntil(lambda: "has no model, for its weights are gone" in told[-1], timeout=100_000)
    desk.exports.start(run, "onnx", tmp_path)
    desk.exports.close()
    assert not desk.exports.is_busy
    assert not list(tmp_path.glob("Gone*"))


# --- what goes in ---------------------------------------------------------------------------------


def test_without_labels_it_says_what_to_do_and_cannot_train(qtbot, panel) -> None:
    qtbot.waitUntil(lambda: panel.setup.warnings.text().startswith("Label at least two images"))
    assert not panel.setup.button.isEnabled()
    assert panel.runs._empty.isVisible()
    assert not panel.setup._split_row.isVisible()


def test_what_goes_in_is_shown_with_the_split_and_a_click_opens_it(qtbot, session, panel, labelled) -> None:
    setup = panel.setup
    qtbot.waitUntil(lambda: setup.split.text() == "2 to learn from, 1 held out", timeout=LONG)
    assert setup.scope.currentText() == "Reviewed images (3)"
    assert [(bar.name, bar.right) for bar in setup.bars.bars] == [("person", "6"), ("bus", "3")]
    assert setup.warnings.text().splitlines() == [
        "Only 3 images; more, and more varied ones, help most.",
        "Fewer than 10 objects of person and bus.",
    ]
    assert setup.button.isEnabled()
    click(qtbot, setup.show_validation)
    assert set(session.place.order) == panel._desk.planner.validation
    setup.bars.clicked.emit(setup.bars.bars[0].key)
    assert len(session.place.order) == 3


def test_the_split_follows_its_settings(qtbot, panel, labelled) -> None:
    setup = panel.setup
    qtbot.waitUntil(lambda: "1 held out" in setup.split.text(), timeout=LONG)
    click(qtbot, setup.more)
    assert setup.seed.isVisible()
    setup.share.setValue(50)
    setup.seed.setValue(3)
    qtbot.waitUntil(lambda: panel._desk.planner.validation is not None, timeout=LONG)
    request = setup.request()
    assert (request.validation_share, request.seed, request.name) == (0.5, 3, "Tiny 1")


def test_options_are_fields_of_their_kind_and_wrong_ones_stop_the_button(qtbot, panel, labelled) -> None:
    setup = panel.setup
    qtbot.waitUntil(setup.button.isEnabled, timeout=LONG)
    assert list(setup.options.fields) == ["epochs"]
    assert list(setup.advanced.fields) == ["seconds", "mirror", "order"]
    field = setup.options.fields["epochs"]
    assert isinstance(field, QLineEdit)
    field.setText("")
    qtbot.keyClicks(field, "0")
    assert setup.warnings.text() == "Epochs must be at least 1, but is 0."
    assert not setup.button.isEnabled()
    assert setup.request() is None or setup.problem()
    field.clear()
    qtbot.keyClicks(field, "7")
    assert setup.button.isEnabled()
    assert setup.request().options == {"epochs": 7, "seconds": 0.0, "mirror": True, "order": "random"}


def test_a_file_option_can_be_left_empty(qtbot, shown) -> None:
    fields = shown(OptionFields())
    fields.show_options((Option("weights", "Start from", "", is_file=True), Option("rate", "Rate", 1e-4)))
    assert fields.values() == {"weights": "", "rate": 1e-4}
    assert fields.problem() == ""
    assert fields.fields["rate"].text() == "0.0001"


# --- a run that goes on ---------------------------------------------------------------------------


def test_train_shows_its_course_and_stop_stops_it(qtbot, desk, panel, labelled) -> None:
    setup = panel.setup
    qtbot.waitUntil(setup.button.isEnabled, timeout=LONG)
    setup.options.fields["epochs"].setText("50")
    setup.advanced.fields["seconds"].setText("0.2")
    click(qtbot, setup.button)
    qtbot.waitUntil(lambda: panel.state.text().startswith("Epoch "), timeout=LONG)
    qtbot.waitUntil(lambda: desk.course is not None and len(desk.course.epochs) >= 2, timeout=LONG)
    qtbot.waitUntil(lambda: "left" in panel.state.text(), timeout=LONG)
    assert "CPU, 1 thread" in panel.state.text()
    assert "MB" in panel.state.text()
    assert panel.bar.isVisible()
    assert panel.note.text().startswith("TINY 1 · ")
    qtbot.waitUntil(lambda: bool(panel.curves.score.curves), timeout=LONG)
    assert panel.samples.words.text().startswith("Epoch ")
    assert setup.button.text() == "Stop"
    click(qtbot, setup.button)
    qtbot.waitUntil(lambda: setup.button.text() == "Train", timeout=LONG)
    qtbot.waitUntil(panel.runs.resume.isVisible, timeout=LONG)
    assert desk.list.runs[0].state == "stopped"


# --- runs that are over ---------------------------------------------------------------------------


def test_a_finished_run_says_its_verdict_and_offers_what_comes_next(qtbot, desk, panel, add_runs) -> None:
    add_runs(("New", DONE))
    choose(qtbot, panel, desk, 0)
    qtbot.waitUntil(panel.use.isEnabled, timeout=LONG)
    assert panel.words.text() == "New is ready: AP50 0.60 against 0.50 of Old on 2 held-out images."
    used: list[str] = []
    judged: list[RunFolder] = []
    desk.use_asked.connect(used.append)
    desk.evaluate_asked.connect(judged.append)
    click(qtbot, panel.use)
    click(qtbot, panel.judge)
    assert used == ["/m.tiny"]
    assert [folder.spec.name for folder in judged] == ["New"]
    assert [curve.name for curve in panel.curves.loss.curves] == ["loss", "boxes", "classes"]
    assert [curve.name for curve in panel.curves.score.curves] == ["AP50", "AP"]
    panel.curves.metric_choice.choose("AP")
    assert [curve.name for curve in panel.curves.score.curves] == ["AP"]


def test_a_failed_run_says_why_and_can_be_resumed(qtbot, desk, panel, add_runs) -> None:
    add_runs(("New", events.Failed("Use a smaller batch.")))
    choose(qtbot, panel, desk, 0)
    qtbot.waitUntil(lambda: panel.words.text() == "Use a smaller batch.")
    assert panel.runs.resume.isVisible()
    assert not panel.use.isVisible()


def test_two_runs_are_compared_over_each_other(qtbot, desk, panel, add_runs) -> None:
    add_runs(("New", DONE), ("Old", DONE))
    choose(qtbot, panel, desk, 0)
    qtbot.waitUntil(panel.runs.compare.isVisible)
    click(qtbot, panel.runs.compare)
    assert len(panel.runs.ids) == 2
    qtbot.waitUntil(lambda: len(panel.curves.loss.curves) == 2, timeout=LONG)
    assert [curve.name for curve in panel.curves.score.curves] == ["New", "Old"]
    table = panel.table
    assert table.isVisible()
    assert not panel.samples.isVisible()
    cells = [[table.item(row, column).text() for column in range(2)] for row in range(table.rowCount())]
    assert cells[0] == ["0.600", "0.600"]
    assert cells[-1] == ["3", "3"]


def test_samples_follow_the_newest_epoch_until_another_is_looked_at(qtbot, desk, panel, add_runs) -> None:
    add_runs(("New", DONE))
    choose(qtbot, panel, desk, 0)
    samples = panel.samples
    qtbot.waitUntil(lambda: samples.words.text() == "Epoch 3 · a.png")
    qtbot.waitUntil(lambda: not samples.picture._pixmap.isNull(), timeout=LONG)
    click(qtbot, samples.forth)
    assert samples.words.text() == "Epoch 3 · b.png"
    qtbot.keyClick(samples.slider, Qt.Key.Key_Left)
    assert samples.words.text() == "Epoch 2 · b.png"
    course = Course(RunFolder(Path(desk.list.runs[0].folder)).events())
    course.samples[4] = [events.Sample(4, "b.png", "samples/3-b.png")]
    samples.show_course(Path(desk.list.runs[0].folder), course)
    assert samples.words.text() == "Epoch 2 · b.png"


def test_deleting_asks_first(qtbot, desk, panel, add_runs) -> None:
    (run,) = add_runs(("New", DONE))
    choose(qtbot, panel, desk, 0)
    click(qtbot, panel.runs.delete)
    (box,) = panel.findChildren(QMessageBox)
    assert "“New”" in box.text()
    assert Path(run.folder).exists()
    next(one for one in box.buttons() if one.text() == "Delete").click()
    qtbot.waitUntil(lambda: not desk.list.runs, timeout=LONG)
    assert not Path(run.folder).exists()


# --- the look -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "columns"), [(1400, 4), (980, 4), (760, 2), (360, 1)])
def test_nothing_is_cut_off_at_any_width(qtbot, desk, panel, add_runs, width: int, columns: int) -> None:
    add_runs(("A name that is much too long for any list, and goes on " * 3, DONE))
    choose(qtbot, panel, desk, 0)
    panel.window().resize(width, 340)
    panel.resize(width, 340)
    qtbot.waitUntil(lambda: panel._columns == columns)
    qtbot.waitUntil(lambda: panel._holder.width() <= panel._scroll.viewport().width())
    for widget in panel._holder.findChildren(QWidget):
        if widget.isVisible() and isinstance(widget, QAbstractButton | QComboBox | QLineEdit):
            right = widget.mapTo(panel, QPoint(widget.width(), 0)).x()
            assert right <= width, f"{widget.accessibleName() or widget} ends at {right}"


def test_every_field_has_a_name_and_is_reached_by_keys(panel, labelled) -> None:
    panel.setup.fold(True)
    for widget in panel.findChildren(QWidget):
        if isinstance(widget, QAbstractButton | QComboBox | QLineEdit) and widget.isVisible():
            if widget.objectName() == "qt_spinbox_lineedit":
                continue
            text = widget.text() if isinstance(widget, QAbstractButton) else ""
            assert widget.accessibleName() or text, widget
            assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, widget


def test_it_looks_well_in_either_theme(qtbot, desk, panel, add_runs) -> None:
    add_runs(("New", DONE))
    choose(qtbot, panel, desk, 0)
    dark = panel.curves.loss.curves[0].color
    theme.apply(QApplication.instance(), "light")
    qtbot.waitUntil(lambda: panel.curves.loss.curves[0].color != dark)


# --- the course -----------------------------------------------------------------------------------


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    series = Series()
    for number in range(10 * MOST_POINTS):
        series.add(number / 100, float(number))
    x, y = series.arrays
    assert len(x) <= MOST_POINTS
    assert y[-1] >= 9.8 * MOST_POINTS
    assert (np.diff(x) > 0).all()
    series.cut(50.0)
    assert series.arrays[0].max() <= 50.0


def test_time_left_goes_by_the_last_epochs() -> None:
    course = Course([events.Started("CPU", 10)])
    assert course.seconds_left(0.0) is None
    course.add(events.Step(1, 1, 4, {"loss": 1.0}), at=10.0)
    assert course.seconds_left(10.0) is None
    course.add(events.Step(1, 2, 4, {"loss": 1.0}), at=12.0)
    assert course.seconds_left(12.0) == pytest.approx(9.5 * 8)
    course.add(events.Epoch(1, {}, {}, best=True, seconds=4.0))
    assert course.seconds_left(14.0) == pytest.approx(36.0)


def test_a_model_that_is_measured_before_it_learns_has_an_epoch_0() -> None:
    course = Course([events.Started("CPU", 2), events.Epoch(0, {}, {"AP": 0.5}, best=True, seconds=1.0)])
    assert (course.done, course.now.epoch, course.share) == (0, 1, 0.0)
    for epoch in (1, 2):
        course.add(events.Epoch(epoch, {}, {"AP": 0.4}, best=False, seconds=1.0))
    assert (course.done, course.share, course.best.epoch) == (2, 1.0, 0)
    assert list(course.metric("AP")[0]) == [0, 1, 2]


def test_a_resumed_course_forgets_what_is_done_again() -> None:
    course = Course([events.Started("CPU", 3)])
    for epoch in (1, 2):
        course.add(events.Step(epoch, 1, 1, {"loss": 1.0}))
        course.add(events.Epoch(epoch, {}, {"AP": 0.1 * epoch}, best=True, seconds=1.0))
    course.add(events.Step(3, 1, 2, {"loss": 1.0}))
    course.add(events.Stopped(2))
    assert course.end == "stopped"
    course.add(events.Started("CPU", 3, 2))
    assert (course.end, course.now.epoch) == ("", 2)
    assert [epoch.epoch for epoch in course.epochs] == [1]
    assert list(course.steps["loss"].arrays[0]) == [1.0]


# --- what stays, and what is gone to --------------------------------------------------------------


def test_settings_stay_when_the_models_are_looked_up_anew(panel, desk) -> None:
    setup = panel.setup
    setup.options.fields["epochs"].setText("7")
    setup.advanced.fields["order"].choose("sorted")
    # as after each run: the plugins are imported again, so the trainers are other objects
    desk.set_registry(_Only(discover().trainer("tiny")))
    setup.refresh()
    assert setup.request().options == {"epochs": 7, "seconds": 0.0, "mirror": True, "order": "sorted"}


def test_a_run_that_was_begun_is_the_one_that_is_shown(
    qtbot, session, labelled, add_runs, panel, desk
) -> None:
    (old,) = add_runs(("Old", DONE))
    qtbot.waitUntil(lambda: panel.runs.ids == [old.id])
    qtbot.waitUntil(panel.setup.button.isEnabled, timeout=LONG)
    panel.setup.advanced.fields["seconds"].setText("0.5")
    panel.setup.run()
    qtbot.waitUntil(lambda: desk.live is not None, timeout=LONG)
    qtbot.waitUntil(lambda: panel.runs.ids == [desk.live.id])
    desk.stop()
    qtbot.waitUntil(lambda: not desk.is_busy, timeout=LONG)


def test_figures_in_the_list_say_what_they_measure(add_runs, panel) -> None:
    (run,) = add_runs(("Old", DONE))
    row = panel.runs._model.row(run.id)
    assert row.right == "AP50 0.60"
    assert not row.right_color, "measures of different kinds are not weighed by one colour"


def test_work_that_is_counted_moves_the_bar(qtbot, add_runs, panel, desk) -> None:
    (run,) = add_runs(("Now", None))
    desk.live, desk.course, desk.phase = run, Course(), "running"
    for event, words in (
        (events.Doing("looking", 3, 40), "Preparing: looking at the images · 3 of 40"),
        (events.Doing("copying", 7, 40), "Preparing: copying the images · 7 of 40"),
        (events.Prepared(32, 8, {}), "Preparing the images"),
        (events.Started("CPU", 1, 1, 1), "Epoch 1 of 1 · CPU"),
        (events.Epoch(1, {}, {}, True, 1.0), "Finishing"),
        (events.Doing("judging", 2, 16), "Finishing: the model is judged on the held-out images · 2 of 16"),
    ):
        desk.course.add(event)
        panel.refresh()
        assert words in panel.state.text() or panel.state.text().startswith(words)
        if isinstance(event, events.Doing):
            assert (panel.bar.value(), panel.bar.maximum()) == (event.done, event.total)
        elif words == "Finishing":
            assert panel.bar.maximum() == 0, "a full bar would say that it is over"
    desk.live, desk.course, desk.phase = None, None, ""


@pytest.mark.parametrize(
    ("total", "validation", "words"),
    [
        (40, 8, "32 to learn from, 8 held out"),
        (40, 10, "30 to learn from, 10 held out: about 20 %, since alike images stay together"),
        (7, 1, "6 to learn from, 1 held out"),
    ],
)
def test_a_share_that_is_not_met_says_why(total: int, validation: int, words: str) -> None:
    said = split_words(total, validation, 0.2)
    assert said.startswith(words)
    assert ("since" in said) == ("since" in words)


LONG_WORDS = "It finds 0.89 of what is there, and the model before it found 0.71 of it; see the report. " * 2


@pytest.mark.parametrize("width", [1424, 1350, 1008])
@pytest.mark.parametrize("words", ["", LONG_WORDS])
def test_at_its_least_height_the_button_and_all_axes_are_in_sight(
    qtbot, panel, labelled, add_runs, desk, monkeypatch, width: int, words: str
) -> None:
    add_runs(("U-Net 2", DONE), ("U-Net 1", DONE))
    if words:
        monkeypatch.setattr(desk, "verdict", lambda _: words)
    panel.resize(width, BENCH_LEAST)
    choose(qtbot, panel, desk, 0)
    qtbot.waitUntil(panel.use.isVisible)
    QApplication.processEvents()
    assert panel.height() == BENCH_LEAST
    sight = panel._scroll.viewport()
    parts = (panel.setup.button, panel.curves.loss, panel.curves.score, panel.use, panel.words, panel.runs)
    for part in parts:
        place = part.rect().translated(part.mapTo(sight, QPoint(0, 0)))
        assert part.isVisible()
        assert sight.rect().contains(place), part
    assert not panel._scroll.verticalScrollBar().isVisible()
