"""Clicks are learnt while a person labels: real projects and children, and a trainer that takes no time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from labeler.core.records import Annotation, Change, Part, Polygons
from labeler.gui.session.session import Session
from labeler.gui.training import click_learner
from labeler.gui.training.click_learner import ClickLearner
from labeler.models.files import weights
from labeler.project.runs import runs_folder
from tests.child_processes import workers

LONG = 30_000
TEACHER = """
from labeler.api import Plugin
from labeler.models.protocols import FileSpec, ModelSpec
from labeler.training.events import Epoch
from labeler.training.specs import TrainerSpec
from pathlib import Path


def train(folder, report, should_stop):
    objects = sum(len(image.annotations) for image in folder.train_set().images)
    gain = float((Path(__file__).parent / "gain").read_text())
    metrics = {"IoU 1 click": 0.6 + gain, "MobileSAM IoU 1 click": 0.6}
    report(Epoch(1, {"loss": 1.0}, metrics, best=True, seconds=0.1))
    path = folder.path / "weights.teach"
    path.write_text(str(objects))
    return path


def opened(path):
    return ModelSpec(id="taught", title=path.stem, task="segmenter", load=dict, note="learnt")


plugin = Plugin(
    api=1,
    name="Teacher",
    version="1",
    trainers=(TrainerSpec(id="teacher", title="Teacher", task="segmenter", train=train, needs_masks=True),),
    files=(FileSpec("teach", "Taught", (".teach",), lambda path: path.suffix == ".teach", opened),),
)
"""


class Rests(QObject):
    """The other half of "Learn while I label", which has nothing to do."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.is_on, self.doing = True, ""

    def learnable(self):
        counts = self._session.document.counts
        return [image for image in self._session.document.images if any(counts(image.id).values())]


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "teacher.py").write_text(TEACHER)
    (folder / "gain").write_text("0.1")
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    monkeypatch.setattr(click_learner, "TRAINER", "teacher")
    return folder


@pytest.fixture
def outline(session: Session) -> Callable[[int, int], None]:
    """`outline(place, objects)`: polygons on an image of the project."""

    def draw(place: int, objects: int) -> None:
        image = session.document.images[place]
        known = session.edits.add_category("person", by="test")
        shape = Polygons((Part(np.array([(1.0, 1.0), (50.0, 1.0), (50.0, 60.0)])),))
        made = [
            Annotation(session.edits.new_annotation_id(), image.id, known.id, shape) for _ in range(objects)
        ]
        session.edits.commit("Draw", [Change(None, one) for one in made], by="test")
        session.edits.commit("Review", [Change(image, replace(image, reviewed=True))], by="test")

    return draw


@pytest.fixture
def half(session, owner, plugins):
    other = Rests(session)
    made = ClickLearner(session, other, owner)  # type: ignore[arg-type]
    yield made, other
    made.close()


def at_rest(made: ClickLearner) -> bool:
    return not made.is_busy and not workers() and not list(runs_folder().glob("learning-*"))


def test_what_is_better_is_offered_when_the_next_image_is_opened(qtbot, session, outline, half) -> None:
    made, other = half
    learnt: list[str] = []
    made.learnt.connect(learnt.append)
    outline(0, click_learner.LEAST - 1)
    other.changed.emit()
    assert not made.is_busy, "too few"
    outline(1, 1)
    other.changed.emit()
    assert made.is_busy
    qtbot.waitUntil(lambda: at_rest(made) and bool(weights.installed()), timeout=LONG)
    assert learnt == []
    session.place.go_to(session.document.images[2].id)
    qtbot.waitUntil(lambda: bool(learnt), timeout=LONG)
    assert Path(learnt[0]).read_text() == str(click_learner.LEAST)
    other.changed.emit()
    assert not made.is_busy, "nothing new was outlined"


def test_what_is_not_better_is_neither_offered_nor_kept(qtbot, session, outline, half, plugins) -> None:
    (plugins / "gain").write_text("0.0")
    made, other = half
    learnt: list[str] = []
    made.learnt.connect(learnt.append)
    outline(0, 6)
    outline(1, 6)
    other.changed.emit()
    qtbot.waitUntil(lambda: at_rest(made), timeout=LONG)
    qtbot.waitUntil(lambda: not [one for one in weights.installed() if not one.is_shipped], timeout=LONG)
    session.place.go_to(session.document.images[2].id)
    assert learnt == []


def test_switched_off_or_with_the_project_closed_nothing_is_left(qtbot, session, outline, half) -> None:
    made, other = half
    outline(0, 6)
    outline(1, 6)
    other.changed.emit()
    assert made.is_busy
    other.is_on = False
    other.changed.emit()
    qtbot.waitUntil(lambda: at_rest(made), timeout=LONG)
    other.is_on = True
    other.changed.emit()
    session.close()
    qtbot.waitUntil(lambda: at_rest(made), timeout=LONG)
