"""The card that runs a detector, with a real batch, a real child and a plugin of this test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton, QToolButton

from labeler import paths
from labeler.gui.children.predict_client import PredictClient
from labeler.gui.predictions.batch import Batch
from labeler.gui.predictions.mapping_dialog import MappingDialog
from labeler.gui.predictions.run_panel import RunPanel, _pace
from labeler.gui.session.session import Session
from labeler.registry import Registry, discover

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

PLUGIN = """
import time
from pathlib import Path
from labeler.core.records import Box, Candidate
from labeler.models.protocols import ModelSpec
from labeler.api import Plugin

class Fixed:
    def detect(self, image, text=None):
        time.sleep(float((Path(__file__).parent / "seconds").read_text()))
        return (Candidate(0, 0, 0, 0, Box(1.0, 1.0, 50.0, 50.0), 0.9, text or "thing"),)

plugin = Plugin(api=1, name="Fixed", version="1", models=(
    ModelSpec(id="fixed", title="Fixed", task="detector", load=Fixed, licence="MIT"),
    ModelSpec(id="reader", title="Reader", task="detector", load=Fixed, reads_text=True),
))
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "fixed.py").write_text(PLUGIN)
    (folder / "seconds").write_text("0")
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    return folder


@pytest.fixture
def batch(session: Session, model: Path) -> Iterator[Batch]:
    jobs = PredictClient()
    yield Batch(session, jobs)
    jobs.close()


@pytest.fixture
def panel(qtbot, session: Session, batch: Batch) -> RunPanel:
    made = RunPanel(session, batch, discover())
    qtbot.addWidget(made)
    made.resize(300, 300)
    made.show()
    qtbot.waitUntil(lambda: made.model.findData("fixed") >= 0)
    made.model.choose("fixed")
    return made


def click(qtbot, button: QPushButton) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_without_a_detector_there_is_one_line_and_a_way_to_get_one(qtbot, session, batch) -> None:
    empty = RunPanel(session, batch, Registry())
    qtbot.addWidget(empty)
    empty.show()
    assert not empty.button.isVisible()
    assert not [b for b in empty.findChildren(QPushButton) if b.isVisible()]  # it is still looking
    qtbot.waitUntil(lambda: any(b.isVisible() for b in empty.findChildren(QPushButton)))
    (button,) = [b for b in empty.findChildren(QPushButton) if b.isVisible()]
    with qtbot.waitSignal(empty.wants_models):
        click(qtbot, button)


def test_only_detectors_are_offered(panel) -> None:
    names = [panel.model.itemData(row) for row in range(panel.model.count())]
    assert {"fixed", "reader"} <= set(names)
    assert "mobilesam" not in names


def test_where_none_was_chosen_it_is_the_detector_that_comes_along(qtbot, session, batch) -> None:
    fresh = RunPanel(session, batch, discover())
    qtbot.addWidget(fresh)
    fresh.show()
    qtbot.waitUntil(lambda: fresh.model.count() > 0, timeout=20_000)
    assert fresh.choice().spec.id == "yolo11n"
    assert fresh.choice().spec.weights[0].path.parent == paths.resources() / "models" / "yolo11n"
    click(qtbot, fresh.button)
    qtbot.waitUntil(lambda: fresh.status.text().startswith("YOLO11n predicted 3 images"), timeout=60_000)
    qtbot.waitUntil(lambda: "bus" in {one.label for one in session.document.candidates.values()})


def test_one_click_runs_it_and_the_progress_is_told(qtbot, panel, batch, session, model) -> None:
    (model / "seconds").write_text("0.15")
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: panel.button.text() == "Cancel")
    assert panel.bar.isVisible()
    assert panel.model.isEnabled(), "what comes next can be chosen meanwhile"
    assert panel.running_line.text() == "Now: Fixed, 3 images"
    assert not panel.next.isVisible(), "this very run is under way"
    qtbot.waitUntil(lambda: panel.progress_line.text().startswith("2 of 3 · "), timeout=30_000)
    qtbot.waitUntil(lambda: panel.button.text() == "Run", timeout=30_000)
    assert panel.status.text().startswith("Fixed predicted 3 images in ")
    assert panel.status.isVisible()
    assert not panel.bar.isVisible()
    assert panel.model.isEnabled()
    qtbot.waitUntil(lambda: len(session.document.candidates) == 1)


def test_what_waits_is_listed_and_a_cross_does_without_it(qtbot, panel, batch, model) -> None:
    (model / "seconds").write_text("20")
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: batch.progress is not None and not batch.loading, timeout=30_000)
    for scope in ("image", "all"):
        batch.start(structs.replace(panel.choice(), scope=scope, again=True))

    def crosses() -> dict[str, QToolButton]:
        """Those that can be seen, by what a screen reader says of them."""
        return {
            one.accessibleName(): one
            for one in panel.findChildren(QToolButton)
            if one.isVisible() and one.accessibleName().startswith("Do without")
        }

    qtbot.waitUntil(lambda: len(crosses()) == 2)
    assert list(crosses()) == ["Do without Fixed, 1 image", "Do without Fixed, 3 images"]
    click(qtbot, crosses()["Do without Fixed, 3 images"])
    qtbot.waitUntil(lambda: list(crosses()) == ["Do without Fixed, 1 image"])
    assert [len(one.images) for one in batch.waiting] == [1]
    # cancelling what runs lets the next one begin, whose line goes
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: batch.is_running and not crosses(), timeout=30_000)
    batch.cancel()


def test_another_model_is_chosen_and_queued_while_one_runs(qtbot, panel, batch, model) -> None:
    (model / "seconds").write_text("20")
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: batch.progress is not None and not batch.loading, timeout=30_000)
    panel.model.choose("reader")
    panel.text.setText("dog")
    panel.text.textEdited.emit("dog")
    qtbot.waitUntil(panel.next.isVisible)
    assert panel.button.text() == "Cancel"
    assert panel.running_line.text() == "Now: Fixed, 3 images"
    click(qtbot, panel.next)
    assert [(one.choice.name, one.choice.text) for one in batch.waiting] == [("reader", "dog")]
    (model / "seconds").write_text("0")
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: panel.status.text().startswith("Reader predicted 3 images"), timeout=60_000)


def test_the_detector_chosen_last_is_remembered_by_project(qtbot, session, batch, model) -> None:
    kept: dict[str, str] = {str(session.project): "reader", "/elsewhere/labels.labeler": "fixed"}
    made = RunPanel(session, batch, remembered=kept)
    qtbot.addWidget(made)
    made.set_registry(discover())
    qtbot.waitUntil(lambda: made.model.currentData() == "reader", timeout=30_000)
    row = made.model.findData("fixed")
    made.model.setCurrentIndex(row)
    made.model.activated.emit(row)
    assert kept == {str(session.project): "fixed", "/elsewhere/labels.labeler": "fixed"}


def test_a_click_stops_it(qtbot, panel, batch, model) -> None:
    (model / "seconds").write_text("20")
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: batch.progress is not None and not batch.loading, timeout=30_000)
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: panel.button.text() == "Run")
    assert panel.status.text() == "Fixed was stopped after 0 images; run it again to go on."


def test_what_is_done_is_offered_again(qtbot, panel, batch) -> None:
    with qtbot.waitSignal(batch.ended, timeout=30_000):
        click(qtbot, panel.button)
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: panel.button.text() == "Run again")
    assert "already" in panel.status.text()
    panel.scope.choose("image")
    qtbot.waitUntil(lambda: panel.button.text() == "Run")
    panel.scope.choose("all")
    click(qtbot, panel.button)
    qtbot.waitUntil(lambda: panel.button.text() == "Run again")
    with qtbot.waitSignal(batch.ended, timeout=30_000) as told:
        click(qtbot, panel.button)
    assert told.args[0].startswith("Fixed predicted 3 images")


def test_a_model_that_reads_wants_a_text(qtbot, panel, batch, session) -> None:
    assert not panel.text.isVisible()
    panel.model.choose("reader")
    qtbot.waitUntil(panel.text.isVisible)
    assert not panel.button.isEnabled()
    qtbot.keyClicks(panel.text, "  a red   bus ")
    assert panel.button.isEnabled()
    panel.scope.choose("image")
    with qtbot.waitSignal(batch.ended, timeout=30_000):
        qtbot.keyClick(panel.text, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: [c.label for c in session.document.candidates.values()] == ["a red bus"])


def test_scopes_say_how_many_images_they_have(qtbot, panel, session) -> None:
    session.edits.mark_reviewed(True, by="test")
    session.place.set_order([1])
    texts = ["All images (3)", "Not reviewed (2)", "In the list (1)", "This image"]
    qtbot.waitUntil(lambda: [panel.scope.itemText(row) for row in range(panel.scope.count())] == texts)


def test_classes_that_mean_nothing_yet_are_counted_and_can_be_mapped(qtbot, panel, batch, session) -> None:
    assert not panel.classes.isVisible()
    with qtbot.waitSignal(batch.ended, timeout=30_000):
        click(qtbot, panel.button)
    qtbot.waitUntil(lambda: panel.classes.text() == "1 new class…")
    click(qtbot, panel.classes)
    dialog = panel.findChild(MappingDialog)
    qtbot.waitUntil(lambda: dialog.meanings() == {"thing": "open"})
    dialog.create_all()
    with qtbot.waitSignal(panel.mapped):
        dialog.save_button.click()
    qtbot.waitUntil(lambda: panel.classes.text() == "Classes…")
    made = next(c.id for c in session.document.categories.values() if c.name == "thing")
    qtbot.waitUntil(lambda: [c.category_id for c in session.document.candidates.values()] == [made])


def test_it_fits_a_narrow_dock(panel) -> None:
    QApplication.processEvents()
    assert panel.minimumSizeHint().width() <= 260


@pytest.mark.parametrize(
    ("rate", "words"),
    [(42.4, "42 images/s"), (3.21, "3.2 images/s"), (0.5, "30 images/min"), (0.05, "3.0 images/min")],
)
def test_paces(rate, words) -> None:
    assert _pace(rate) == words


def test_a_model_picked_elsewhere_is_the_one_that_runs(qtbot, session, batch) -> None:
    registry = discover()
    made = RunPanel(session, batch)
    qtbot.addWidget(made)
    made.choose(registry.model("reader"))
    made.set_registry(registry)
    qtbot.waitUntil(lambda: made.model.currentData() == "reader")
    made.choose(registry.model("fixed"))
    assert made.model.currentData() == "fixed"


def test_a_run_over_all_says_that_it_begins(qtbot, panel, batch) -> None:
    told: list[str] = []
    panel.told.connect(lambda sentence, _: told.append(sentence))
    panel.predict("all")
    assert told == ["Fixed begins on all images: Pre-annotate shows how far it is."]
    qtbot.waitUntil(lambda: not batch.is_running, timeout=60_000)
    told.clear()
    panel.predict("image")
    assert told == [], "one image is soon done"
    qtbot.waitUntil(lambda: not batch.is_running, timeout=60_000)
