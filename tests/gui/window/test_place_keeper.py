"""A project opens where one was, what it says goes with it, and what D and A walk is always said."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from labeler.core.records import Box
from labeler.gui import app
from labeler.gui.images.panel import ImageFilter, ImagesPanel
from labeler.gui.toolkit.settings import PLACES, LastPlace, Settings, load_settings, settings_file
from labeler.gui.window.main_window import MainWindow
from labeler.project.photos import folder

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform
Reopen = Callable[..., MainWindow]


@pytest.fixture
def reopen(qtbot: QtBot) -> Iterator[Reopen]:
    """`reopen(window, path)`: close a window, and open that in a new one, as after a day."""
    made: list[MainWindow] = []

    def again(old: MainWindow, path: Path, *, image: str = "") -> MainWindow:
        old.frame.close()
        window = app.make_window()
        made.append(window)
        window.frame.show()
        window.open(path)
        qtbot.waitUntil(lambda: window.session.place.pixels is not None, timeout=20_000)
        return window

    yield again
    for window in made:
        window.frame.close()
        window.frame.deleteLater()


def path_of(window: MainWindow) -> str:
    """The open image."""
    return window.session.place.image.path if window.session.place.image else ""


def other_folder(photos: Path) -> Path:
    """A second folder of photos, another project."""
    return Path(shutil.copytree(photos, photos.parent / "others", ignore=shutil.ignore_patterns("labels*")))


def test_a_project_opens_where_one_was(
    qtbot: QtBot, opened: MainWindow, photos: Path, reopen: Reopen
) -> None:
    session, canvas = opened.session, opened.canvas
    session.edits.add_category("person", by="test")
    wanted = session.edits.add_category("bus", by="test")
    session.edits.add_category("tie", by="test")
    assert wanted is not None
    session.focus.choose_category(wanted.id)
    opened.panels[ImagesPanel].status.choose("unlabelled")
    opened.panels[ImagesPanel].sorting.choose("name")
    session.place.step(1)
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=20_000)
    canvas.look_at(Box(200, 300, 260, 380))
    opened.actions["polygon"].trigger()
    there, sight = path_of(opened), canvas.sight.spot()
    assert sight is not None
    again = reopen(opened, photos)
    assert path_of(again) == there == "grace_hopper.jpg"
    assert again.canvas.hand.name == "polygon"
    assert again.actions["polygon"].isChecked()
    assert again.session.focus.category is not None
    assert again.session.focus.category.name == "bus"
    assert again.panels[ImagesPanel].filter() == ImageFilter(status="unlabelled", sorting="name")
    assert again.canvas.sight.spot() == pytest.approx(sight, abs=1.5)
    assert again.frame.top.chip.isVisible()  # a filter that was forgotten overnight is said
    assert again.frame.top.chip.text() == "3 images: unlabelled"


def test_each_project_has_its_own_place(qtbot: QtBot, opened: MainWindow, photos: Path) -> None:
    session, others = opened.session, other_folder(photos)
    session.place.step(2)
    opened.canvas.hand.take("box")
    opened.open(others)
    qtbot.waitUntil(lambda: session.root == others and session.place.pixels is not None, timeout=20_000)
    assert path_of(opened) == "bus.jpg"
    session.place.step(1)
    session.close()  # by the menu, the window stays
    opened.open(photos)
    qtbot.waitUntil(lambda: session.root == photos and session.place.pixels is not None, timeout=20_000)
    assert path_of(opened) == "zidane.jpg"
    assert opened.canvas.hand.name == "box"
    opened.open(others)
    qtbot.waitUntil(lambda: session.root == others and session.place.pixels is not None, timeout=20_000)
    assert path_of(opened) == "grace_hopper.jpg"


def test_an_image_that_one_asks_for_comes_first(opened: MainWindow, photos: Path, reopen: Reopen) -> None:
    opened.session.place.step(2)
    assert path_of(reopen(opened, photos / "grace_hopper.jpg")) == "grace_hopper.jpg"


def test_what_has_gone_holds_nothing_up(opened: MainWindow, photos: Path, reopen: Reopen) -> None:
    opened.session.place.step(1)
    opened.frame.close()
    settings = load_settings()
    (project,) = settings.places
    gone = LastPlace(
        image="gone.jpg",
        view=(1e9, -5.0, 3.0),
        tool="lasso",
        category="no such",
        category_filter="no such",
        name_filter="no such",
    )
    settings.keep_place(project, gone)
    settings.save()
    again = reopen(opened, photos)
    assert path_of(again) == "bus.jpg"
    assert again.canvas.hand.name == "select"
    assert len(again.session.place.order) == 3
    assert again.canvas.sight.spot() is None


def test_the_photo_itself_may_be_away(qtbot: QtBot, opened: MainWindow, photos: Path) -> None:
    session = opened.session
    session.place.step(1)
    session.close()
    (photos / "grace_hopper.jpg").unlink()
    opened.open(photos)
    qtbot.waitUntil(lambda: bool(session.place.problem), timeout=20_000)
    assert path_of(opened) == "grace_hopper.jpg"
    session.place.step(1)
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=20_000)
    assert opened.canvas.sight.spot() is None  # another photo is shown whole


def test_the_place_is_kept_while_one_works(qtbot: QtBot, opened: MainWindow) -> None:
    opened.session.place.step(1)
    opened.place_keeper._pause.timeout.emit()
    assert [one.image for one in load_settings().places.values()] == ["grace_hopper.jpg"]


def test_the_places_of_very_many_projects_do_not_pile_up() -> None:
    settings = Settings()
    for number in range(PLACES + 5):
        settings.keep_place(f"/{number}", LastPlace(image="a.jpg"))
    settings.keep_place("/6", LastPlace(image="b.jpg"))
    assert len(settings.places) == PLACES
    assert list(settings.places)[-1] == "/6"
    assert "/4" not in settings.places


def test_settings_of_before_have_no_places(home: Path) -> None:
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    settings_file().write_bytes(msgspec.json.encode({"theme": "light", "recent": ["/a"]}))
    assert load_settings().places == {}
    assert load_settings().theme == "light"


# --- what is walked -----------------------------------------------------------------------------------


def test_images_chosen_elsewhere_are_said_beside_the_position(qtbot: QtBot, opened: MainWindow) -> None:
    session, chip = opened.session, opened.frame.top.chip
    assert not chip.isVisible()
    assert not opened.panels.docks["Images"].isVisible()  # nothing but the top says it
    session.place.set_order(session.place.order[1:], title="Wrong · person")
    session.place.step(1)
    assert chip.isVisible()
    assert chip.text() == "2 images: Wrong · person"
    place = chip.rect().translated(chip.mapTo(opened.frame, QPoint(0, 0)))
    where = opened.frame.top.where.rect().translated(opened.frame.top.where.mapTo(opened.frame, QPoint(0, 0)))
    assert opened.frame.rect().contains(place)
    assert not place.intersects(where)
    assert opened.panels.docks["Film strip"].isVisible()
    qtbot.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert len(session.place.order) == 3
    assert not chip.isVisible()
    assert opened.frame.top.where.text().endswith("2 of 3")
    session.place.set_order(
        session.place.order[:1], title="A name that is far too long for the line at the top " * 3
    )
    opened.frame.resize(800, 560)
    assert opened.frame.width() == 800
    assert opened.frame.rect().contains(chip.rect().translated(chip.mapTo(opened.frame, QPoint(0, 0))))
    session.close()
    assert not chip.isVisible()


# --- what is said -------------------------------------------------------------------------------------


def test_an_error_of_one_project_is_not_told_in_the_next(
    qtbot: QtBot, opened: MainWindow, photos: Path
) -> None:
    session, others = opened.session, other_folder(photos)
    session.told.emit("Not accepted: 'object' is mapped to no category.")
    opened.bench.host.failed.emit("The model process stopped.")
    opened.notifier.info("out.json is written.", key="export")
    assert len(opened.toast.texts) == 3
    opened.open(others)
    qtbot.waitUntil(lambda: session.root == others and session.place.pixels is not None, timeout=20_000)
    assert opened.toast.texts == ["The model process stopped."]


def test_a_missing_photo_hides_no_report(qtbot: QtBot, opened: MainWindow, photos: Path) -> None:
    (photos / "zidane.jpg").unlink()
    opened.session.place.step(2)
    qtbot.waitUntil(lambda: bool(opened.session.place.problem), timeout=20_000)
    opened.notifier.info("out.json is written: export 3 images.", key="export")
    assert opened.toast.texts == [opened.session.place.problem, "out.json is written: export 3 images."]


def test_a_folder_that_takes_no_project_is_no_failure_and_keeps_its_name(
    qtbot: QtBot, window: MainWindow, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder.tempfile, "TemporaryFile", refusing)
    window.open(photos)
    qtbot.waitUntil(lambda: window.session.place.pixels is not None, timeout=20_000)
    assert window.session.project is not None
    assert window.session.project.parent != photos
    assert "so its labels are kept in" in window.toast.text
    assert all(one.message.level == "info" for one in window.toast._notices)
    assert window.settings.recent == [str(photos)]


def test_a_project_file_that_names_another_folder_is_known_by_its_file(
    qtbot: QtBot, window: MainWindow, photos: Path
) -> None:
    window.open(photos)
    qtbot.waitUntil(lambda: window.session.place.pixels is not None, timeout=20_000)
    window.session.close()
    # the writer still has it open for a moment: a file renamed then would lose what stands beside it
    qtbot.waitUntil(lambda: not (photos / "labels.labeler-wal").exists(), timeout=20_000)
    named = photos / "mine.labeler"
    (photos / "labels.labeler").rename(named)
    window.open(named)
    qtbot.waitUntil(lambda: window.session.place.pixels is not None, timeout=20_000)
    assert window.settings.recent[0] == str(named)


def test_why_nothing_can_be_changed_is_told_where_it_says_read_only(
    qtbot: QtBot, window: MainWindow, photos: Path
) -> None:
    window.open(photos)
    qtbot.waitUntil(lambda: window.session.place.pixels is not None, timeout=20_000)
    window.session.close()
    window.open(photos, read_only=True)
    qtbot.waitUntil(lambda: window.session.place.pixels is not None, timeout=20_000)
    assert window.saved.toolTip() == window.session.read_only != ""
    assert window.settings.recent == [str(photos)]
