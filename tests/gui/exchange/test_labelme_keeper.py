"""labelme files that are kept up to date while one labels: what others wrote is never lost."""

import errno
import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image
from pytestqt.qtbot import QtBot

from labeler.core.records import Box, Change
from labeler.formats.labelme import labelme_upkeep
from labeler.gui.toolkit.notify import Message
from labeler.gui.window.main_window import MainWindow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


def labelme(photo: Path, label: str = "cat", **more: object) -> Path:
    """The file that labelme writes for a photo with one rectangle."""
    with Image.open(photo) as opened:
        width, height = opened.size
    shape = {
        "label": label,
        "points": [[5, 5], [25, 30]],
        "group_id": None,
        "shape_type": "rectangle",
        "flags": {},
    }
    path = photo.with_suffix(".json")
    path.write_text(
        json.dumps(
            {
                "version": "5.5.0",
                "flags": {},
                "shapes": [shape],
                "imagePath": photo.name,
                "imageData": None,
                "imageHeight": height,
                "imageWidth": width,
            }
            | more
        )
    )
    return path


@pytest.fixture
def file(photos: Path) -> Path:
    """The labelme file of the first photo."""
    return labelme(sorted(photos.glob("*.jpg"))[0], mine="kept")


@pytest.fixture
def told(window: MainWindow) -> list[Message]:
    messages: list[Message] = []
    window.frame.notifier.told.connect(messages.append)
    return messages


@pytest.fixture
def on(qtbot: QtBot, window: MainWindow, photos: Path, file: Path, told: list[Message]) -> MainWindow:
    """A window on the photos, their labels taken in, with the switch on."""
    window.open(photos)
    session = window.session
    qtbot.waitUntil(
        lambda: session.place.pixels is not None and bool(session.document.categories), timeout=40_000
    )
    first = next(image for image in session.document.images if Path(image.path).stem == file.stem)
    session.place.go_to(first.id)
    qtbot.waitUntil(lambda: len(session.document.annotations) == 1, timeout=20_000)
    window.actions.by_id["labelme-upkeep"].trigger()
    qtbot.waitUntil(lambda: "kept up to date" in told[-1].text, timeout=20_000)
    return window


def shapes(file: Path) -> list[dict[str, object]]:
    return json.loads(file.read_bytes())["shapes"]


def test_what_is_saved_is_in_the_file_and_the_rest_of_it_stays(
    qtbot: QtBot, on: MainWindow, file: Path
) -> None:
    before = shapes(file)
    assert on.actions.by_id["labelme-upkeep"].isChecked()
    on.session.edits.add(Box(40, 40, 60, 55), by="test")
    qtbot.waitUntil(lambda: len(shapes(file)) == 2, timeout=20_000)
    assert shapes(file)[0] == before[0]
    assert json.loads(file.read_bytes())["mine"] == "kept"
    on.session.history.undo()
    qtbot.waitUntil(lambda: shapes(file) == before, timeout=20_000)


def test_a_renamed_category_is_renamed_in_all_files(qtbot: QtBot, on: MainWindow, file: Path) -> None:
    (category,) = on.session.document.categories.values()
    change = Change(category, replace(category, name="tiger"))
    on.session.edits.commit("Rename", [change], by="test")
    qtbot.waitUntil(lambda: shapes(file)[0]["label"] == "tiger", timeout=20_000)


def test_a_photo_that_gets_its_first_object_gets_a_file(
    qtbot: QtBot, on: MainWindow, photos: Path, file: Path
) -> None:
    other = next(image for image in on.session.document.images if Path(image.path).stem != file.stem)
    on.session.place.go_to(other.id)
    qtbot.waitUntil(lambda: on.session.place.pixels is not None, timeout=20_000)
    on.session.edits.add(Box(4, 4, 20, 20), by="test")
    made = (photos / other.path).with_suffix(".json")
    qtbot.waitUntil(made.is_file, timeout=20_000)
    assert json.loads(made.read_bytes())["imagePath"] == Path(other.path).name


def test_what_another_program_wrote_is_told_and_not_written_over(
    qtbot: QtBot, on: MainWindow, file: Path, told: list[Message]
) -> None:
    labelme(file.with_suffix(".jpg"), "dog")
    theirs = file.read_bytes()
    on.session.edits.add(Box(40, 40, 60, 55), by="test")
    qtbot.waitUntil(lambda: "changed by another program" in told[-1].text, timeout=20_000)
    assert told[-1].action == "Import"
    assert file.read_bytes() == theirs


def test_switched_off_the_files_stay(qtbot: QtBot, on: MainWindow, file: Path, told: list[Message]) -> None:
    before = file.read_bytes()
    on.actions.by_id["labelme-upkeep"].trigger()
    qtbot.waitUntil(lambda: "stay as they are" in told[-1].text, timeout=20_000)
    on.session.edits.add(Box(40, 40, 60, 55), by="test")
    qtbot.waitUntil(lambda: on.session.saved == "saved", timeout=20_000)
    on.bench.upkeep._timer.stop()
    assert file.read_bytes() == before


def test_what_was_saved_as_the_project_closed_is_written_when_it_opens(
    qtbot: QtBot, on: MainWindow, photos: Path, file: Path
) -> None:
    on.session.edits.add(Box(40, 40, 60, 55), by="test")
    on.session.close()
    assert len(shapes(file)) == 1
    on.open(photos)
    qtbot.waitUntil(lambda: on.bench.upkeep.is_on, timeout=20_000)
    qtbot.waitUntil(lambda: len(shapes(file)) == 2, timeout=20_000)


def test_labels_that_were_not_imported_are_not_taken_away(
    qtbot: QtBot, on: MainWindow, photos: Path, file: Path, told: list[Message]
) -> None:
    other = next(image for image in on.session.document.images if Path(image.path).stem != file.stem)
    theirs = labelme(photos / other.path).read_bytes()
    on.session.place.go_to(other.id)
    qtbot.waitUntil(lambda: on.session.place.pixels is not None, timeout=20_000)
    on.session.edits.add(Box(4, 4, 20, 20), by="test")
    qtbot.waitUntil(lambda: "changed by another program" in told[-1].text, timeout=20_000)
    assert (photos / other.path).with_suffix(".json").read_bytes() == theirs


def test_a_photo_that_was_renamed_gets_its_file_anew(
    qtbot: QtBot, on: MainWindow, photos: Path, file: Path, told: list[Message]
) -> None:
    """Nobody changed anything: the file of its new name is not there yet."""
    theirs, image = file.read_bytes(), on.session.place.image
    assert image is not None
    (photos / image.path).rename(photos / "renamed.jpg")
    on.session.look_at_folder()
    qtbot.waitUntil(lambda: on.session.document.find_image(image.id).path == "renamed.jpg", timeout=20_000)
    on.session.edits.add(Box(40, 40, 60, 55), by="test")
    made = photos / "renamed.json"
    qtbot.waitUntil(lambda: made.is_file() and len(shapes(made)) == 2, timeout=20_000)
    assert file.read_bytes() == theirs
    assert not any("another program" in message.text for message in told)


@pytest.mark.parametrize(
    ("where", "said"),
    [("atomic_write", "cannot be written"), ("updated", "could not be written")],
    ids=["one file", "all of the round"],
)
def test_what_the_disk_did_not_take_is_tried_again_at_the_next_save(
    qtbot: QtBot,
    where: str,
    said: str,
    on: MainWindow,
    photos: Path,
    file: Path,
    told: list[Message],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, original = file.read_bytes(), getattr(labelme_upkeep, where)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(labelme_upkeep, where, full)
    on.session.edits.add(Box(40, 40, 60, 55), by="test")
    qtbot.waitUntil(lambda: said in told[-1].text, timeout=20_000)
    assert file.read_bytes() == before
    monkeypatch.setattr(labelme_upkeep, where, original)
    other = next(image for image in on.session.document.images if Path(image.path).stem != file.stem)
    on.session.place.go_to(other.id)
    qtbot.waitUntil(lambda: on.session.place.pixels is not None, timeout=20_000)
    on.session.edits.add(Box(4, 4, 20, 20), by="test")
    qtbot.waitUntil(lambda: len(shapes(file)) == 2, timeout=20_000)
