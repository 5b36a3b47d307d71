"""What every test shares: an isolated home, real photos, and no log line that nobody expected."""

import gc
import importlib.util
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

# What a developer's shell may hold that would change a test, here or in the children that tests start.
for _name in ("PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONHASHSEED", "QT_SCALE_FACTOR", "QT_STYLE_OVERRIDE"):
    os.environ.pop(_name, None)
# Some containers forbid compiled files: each of some hundred children would compile all that it imports anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


GARBAGE = 50_000
"""Objects made since the last collection after which a test's end is worth another one."""


LONG = (
    "tests/models/test_portable.py",
    "tests/gui/children/test_client_faults.py",
    "tests/gui/test_two_at_once.py",
    "tests/e2e/test_training.py",
    "tests/models/test_yolo_detectors.py",
    "tests/training/instant/test_instant_trainer.py",
    "tests/e2e/test_predictions.py",
    "tests/training/test_no_validation_images.py",
    "tests/worker/test_training_job.py",
    "tests/cli/test_effort_verb.py",
    "tests/cli/test_replay_verb.py",
    "tests/training/clicks/test_clicks_trainer.py",
    "tests/models/test_open_vocabulary.py",
    "tests/models/sam/test_ultralytics_sam.py",
    "tests/cli/test_dead_disk.py",
    "tests/cli/test_predict.py",
    "tests/cli/test_segment.py",
    "tests/cli/test_lecture.py",
    "tests/e2e/test_demo_tour.py",
    "tests/models/sam/test_concepts.py",
    "tests/models/sam/test_segment_anything.py",
    "tests/models/test_torchvision_detectors.py",
    "tests/training/yolo/test_yolo_trainer.py",
    "tests/core/photos/test_bombs.py",
    "tests/gui/training/test_training_kills.py",
    "tests/cli/test_train.py",
    "tests/training/test_detection.py",
    "tests/models/files/test_weights.py",
)
"""Files that start children and load models again and again, the longest first.

They have the marker "long": `.ci/run` runs them with all others, `uv run pytest` leaves them out where it is
not given them by name.
"""
FIRST = (*LONG, "tests/test_house.py")
"""Begun at the end, one of these would run while other processes are idle."""


def pytest_configure(config: pytest.Config) -> None:
    """Collect garbage between tests, on this thread: a Qt object dies on its own thread or crashes Qt.

    Libraries that are tested in this process put Python's own collection on for all tests after theirs, as
    Ultralytics does where it reads a data set: without a threshold it does nothing all the same.
    """
    gc.disable()
    gc.set_threshold(0)
    config.option.loadscopereorder = False  # xdist's own order is by the number of tests


@pytest.hookimpl(tryfirst=True)  # before what is not asked for is left out by its markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the long files that were not asked for by name; in a process among several, have them first."""
    named = {Path(one.partition("::")[0]).name for one in config.args}
    long = {one for one in LONG if Path(one).name not in named}
    for item in items:
        if item.nodeid.partition("::")[0] in long:
            item.add_marker("long")
    if hasattr(config, "workerinput"):
        places = {name: place for place, name in enumerate(FIRST)}
        items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


def pytest_runtest_teardown() -> None:
    """See `pytest_configure`."""
    if gc.get_count()[0] > GARBAGE:
        gc.collect()


@pytest.fixture
def shared() -> Path:
    """The folder of models and data beside the checkout, which not every machine has."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs the data folder `shared` beside the checkout")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home for data, cache, settings and logs, so that no test sees another's or the user's."""
    folder = tmp_path_factory.mktemp("home")
    for kind in ("DATA", "CACHE", "CONFIG", "LOG"):
        monkeypatch.setenv(f"LABELER_{kind}_DIR", str(folder / kind.lower()))
    return folder


@pytest.fixture
def qtbot(qapp: object, request: pytest.FixtureRequest) -> object:
    """In place of pytest-qt's."""
    from tests.patient_bot import PatientBot  # Qt, for those who ask

    return PatientBot(request)


def _installed(package: str, *inside: str) -> Path:
    """A file of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is not installed"
    assert spec.origin is not None
    return Path(spec.origin).parent.joinpath(*inside)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A copy of a real photo, 810 x 1080: a bus and four people, as bus.jpg in a folder of its own."""
    folder = tmp_path / "photo"
    folder.mkdir()
    return Path(shutil.copy(_installed("ultralytics", "assets", "bus.jpg"), folder))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with copies of three real photos: bus.jpg, grace_hopper.jpg and zidane.jpg."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("bus.jpg", "zidane.jpg"):
        shutil.copy(_installed("ultralytics", "assets", name), folder)
    shutil.copy(_installed("matplotlib", "mpl-data", "sample_data", "grace_hopper.jpg"), folder)
    return folder


@pytest.fixture
def small_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of plugins, which this test uses, with the one-file trainer "small"."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "training" / "small_trainer.py", folder)
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    return folder


@pytest.fixture
def two_colours(tmp_path: Path) -> Path:
    """labels.json and a folder `images` with 20 noisy pictures, one object each: red or green (ids 7, 8)."""
    folder = tmp_path / "two colours"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(1, 21):
        kind = number % 2
        pixels = rng.integers(0, 140, (24, 32, 3)).astype(np.uint8)
        pixels[..., 2 - kind] += 100  # OpenCV's order is blue, green, red
        cv2.imwrite(str(folder / "images" / f"{number:03d}.png"), pixels)
        images.append({"id": number * 10, "file_name": f"{number:03d}.png", "width": 32, "height": 24})
        shape = {"bbox": [0, 0, 32, 24], "area": 768, "iscrowd": 0}
        annotations.append({"id": number, "image_id": number * 10, "category_id": 7 + kind, **shape})
    categories = [{"id": 7, "name": "red"}, {"id": 8, "name": "green"}]
    data = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(data))
    return folder


class _LogGuard(logging.Handler):
    """Keeps the records from WARNING on, and the patterns of those that a test expects."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.expected: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")

    def problems(self) -> list[str]:
        """Lines that no pattern expects, and patterns that no line met."""
        unexpected = [line for line in self.lines if not any(re.search(one, line) for one in self.expected)]
        missing = [one for one in self.expected if not any(re.search(one, line) for line in self.lines)]
        return [f"unexpected log line: {line}" for line in unexpected] + [
            f"no log line matches {one!r}" for one in missing
        ]


@pytest.fixture(autouse=True)
def _log_guard() -> Iterator[_LogGuard]:
    """Fails a test that logs at WARNING or above without having said so by `expect_log`."""
    guard = _LogGuard()
    logging.getLogger().addHandler(guard)
    yield guard
    logging.getLogger().removeHandler(guard)
    if problems := guard.problems():
        pytest.fail("\n".join(problems), pytrace=False)


@pytest.fixture
def expect_log(_log_guard: _LogGuard) -> Callable[[str], None]:
    """`expect_log(pattern)`: a log line from WARNING on that matches must come, and is no failure."""
    return _log_guard.expected.append


@pytest.fixture
def shipped_formats() -> Iterator[None]:
    """The formats of labels that come with the app, known as they are when a program has started."""
    from labeler.formats import spec
    from plugins.label_formats import plugin

    spec.come_from(lambda: plugin.formats)
    yield
    spec.come_from(tuple)
