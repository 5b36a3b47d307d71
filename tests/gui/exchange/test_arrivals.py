"""What is dropped on the window goes where it belongs: labels of any format, folders of them, zips."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from labeler.core.records import Annotation, Box, Category, Image
from labeler.formats.spec import Dataset, FormatSpec, Reading, Source, come_from, formats
from labeler.gui.toolkit.notify import Message
from labeler.gui.window.main_window import MainWindow
from tests.gui.exchange.test_labels_desk import all_annotations, labels

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


def read(source: Source) -> Reading:
    images = tuple(
        Image(n, name, *(source.size(name) or (0, 0))) for n, name in enumerate(source.photos(), 1)
    )
    boxes = tuple(Annotation(n, n, 1, Box(5, 5, 25, 25)) for n in range(1, len(images) + 1))
    return Reading(Dataset(images, (Category(1, "thing", ""),), boxes))


TOY = FormatSpec("toy", "Toy", (".toy",), lambda path: (path / "is.toy").is_file(), read, folder=True)


@pytest.fixture
def toy(qtbot: QtBot, window: MainWindow) -> Iterator[FormatSpec]:
    """A format of folders beside those that there are, once the window has looked these up."""
    qtbot.waitUntil(lambda: bool(formats()), timeout=30_000)
    known = formats()
    come_from(lambda: (*known, TOY))
    yield TOY
    come_from(lambda: known)


@pytest.fixture
def told(window: MainWindow) -> list[Message]:
    messages: list[Message] = []
    window.frame.notifier.told.connect(messages.append)
    return messages


def said(messages: list[Message]) -> str:
    return "\n".join(message.text for message in messages)


def count(qtbot: QtBot, window: MainWindow) -> int:
    return len(all_annotations(qtbot, window.session))


@pytest.mark.usefixtures("toy")
def test_a_folder_of_labels_and_photos_opens_with_its_labels_as_one_step(
    qtbot: QtBot, window: MainWindow, photos: Path
) -> None:
    (photos / "is.toy").touch()
    window.open(photos)
    qtbot.waitUntil(lambda: window.session.project is not None and count(qtbot, window) == 3, timeout=30_000)
    window.session.history.undo()
    qtbot.waitUntil(lambda: count(qtbot, window) == 0, timeout=20_000)
    window.session.close()
    window.open(photos)
    qtbot.waitUntil(lambda: window.session.place.pixels is not None, timeout=20_000)
    assert count(qtbot, window) == 0  # they were taken back: nobody brings them again unasked


@pytest.mark.usefixtures("toy")
def test_labels_that_stand_for_themselves_are_offered(
    qtbot: QtBot, window: MainWindow, photos: Path, told: list[Message]
) -> None:
    name = next(path.name for path in photos.iterdir() if path.suffix == ".jpg")
    labels(photos / "annotations" / "instances.json", [name])
    window.open(photos)
    qtbot.waitUntil(lambda: "Labels lie beside the photos: instances.json." in said(told), timeout=30_000)
    assert count(qtbot, window) == 0
    (offer,) = [message for message in told if message.action == "Import"]
    offer.run()
    qtbot.waitUntil(lambda: count(qtbot, window) == 1, timeout=20_000)


@pytest.mark.usefixtures("toy")
def test_a_file_stands_for_the_folder_that_it_describes(
    qtbot: QtBot, window: MainWindow, photos: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "set"
    shutil.copytree(photos, elsewhere)
    (elsewhere / "is.toy").touch()
    window.open(elsewhere / "is.toy")
    qtbot.waitUntil(lambda: window.session.project is not None and count(qtbot, window) == 3, timeout=30_000)
    assert window.session.root == elsewhere


def test_a_zip_is_unpacked_beside_itself_and_opened_with_its_labels(
    qtbot: QtBot, window: MainWindow, photos: Path, tmp_path: Path
) -> None:
    names = [path.name for path in photos.iterdir() if path.suffix in (".jpg", ".png")]
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.write(photos / name, f"images/default/{name}")
        archive.write(labels(tmp_path / "l.json", names), "annotations/instances_default.json")
    window.open(path)
    qtbot.waitUntil(
        lambda: window.session.project is not None and count(qtbot, window) == len(names), timeout=40_000
    )
    assert window.session.root == tmp_path / "export"


def test_a_zip_of_labels_alone_goes_into_the_open_project(
    qtbot: QtBot, opened: MainWindow, photos: Path, tmp_path: Path
) -> None:
    name = next(path.name for path in photos.iterdir() if path.suffix == ".jpg")
    path = tmp_path / "labels.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(labels(tmp_path / "l.json", [name]), "l.json")
    opened.open(path)
    qtbot.waitUntil(lambda: count(qtbot, opened) == 1, timeout=30_000)
    assert opened.session.root == photos


def test_what_nobody_knows_is_one_sentence(
    qtbot: QtBot, opened: MainWindow, tmp_path: Path, told: list[Message]
) -> None:
    (tmp_path / "notes.txt").write_text("buy milk")
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 and then nothing")
    opened.open(tmp_path / "notes.txt")
    qtbot.waitUntil(lambda: "notes.txt" in said(told), timeout=20_000)
    opened.open(tmp_path / "bad.zip")
    qtbot.waitUntil(lambda: "bad.zip” " in said(told), timeout=20_000)
    opened.open(tmp_path / "gone.json")
    qtbot.waitUntil(lambda: "gone.json” cannot be read" in said(told), timeout=20_000)
    assert opened.session.project is not None


def test_unpacking_can_be_stopped(
    qtbot: QtBot, opened: MainWindow, tmp_path: Path, told: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.json", json.dumps({}))
    monkeypatch.setattr("labeler.gui.exchange.arrivals._unpacked", _until_stopped)
    opened.open(path)
    qtbot.waitUntil(lambda: any(message.action == "Cancel" for message in told), timeout=20_000)
    next(message for message in told if message.action == "Cancel").run()
    qtbot.waitUntil(lambda: "set.zip was not unpacked." in said(told), timeout=20_000)


def _until_stopped(path: Path, should_stop: object) -> tuple[Path, bool]:
    from labeler.errors import ImportStoppedError

    while not should_stop():  # type: ignore[operator]
        pass
    raise ImportStoppedError(str(path))
