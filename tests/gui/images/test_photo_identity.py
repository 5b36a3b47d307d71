"""Labels stay on their photo, in a real session: renamed, swapped, replaced, found again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from pytestqt.qtbot import QtBot

from labeler.core.photos.photo_files import fingerprint
from labeler.core.records import Box
from labeler.gui.session.session import Session
from labeler.project.photos.folder import CHANGED
from labeler.project.store import Store

Opened = Callable[[], Session]


def picture(path: Path, seed: int, *, size: tuple[int, int] = (200, 160)) -> Path:
    """A picture of noise in the middle only, so that the ends of the files are equal."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    middle = np.random.default_rng(seed).integers(0, 255, (4, size[0], 3))
    pixels[size[1] // 2 - 2 : size[1] // 2 + 2] = middle
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for n in range(3):
        picture(folder / f"f{n}.bmp", n, size=(320, 400))
    return folder


@pytest.fixture
def opened(qtbot: QtBot, folder: Path) -> Iterator[Opened]:
    made: list[Session] = []

    def open_it() -> Session:
        session = Session()
        made.append(session)
        session.open(folder)
        qtbot.waitUntil(lambda: bool(session.place.pixels or session.place.problem), timeout=30_000)
        return session

    yield open_it
    for session in made:
        session.shut_down()


def labelled(qtbot: QtBot, session: Session) -> None:
    """One box on each image, whose x is 10 times its number."""
    session.edits.add_category("thing", by="test")
    for n, image in enumerate(session.document.images):
        session.place.go_to(image.id)
        qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=30_000)
        session.edits.add(Box(10 * n, 10, 10 * n + 20, 30), by="test")
    qtbot.waitUntil(lambda: session.saved == "saved")


def boxes(folder: Path) -> dict[str, list[float]]:
    with Store.open(folder / "labels.labeler", read_only=True) as store:
        return {i.path: [a.shape.x0 for a in store.annotations(i.id)] for i in store.images()}


def settled(qtbot: QtBot, session: Session, asked: Callable[[], object]) -> None:
    qtbot.waitUntil(lambda: bool(asked()), timeout=30_000)


def test_renamed_frames_with_equal_ends_keep_their_labels(qtbot, folder, opened) -> None:
    assert len({fingerprint(path).digest for path in folder.iterdir()}) == 1, "the ends are equal"
    session = opened()
    labelled(qtbot, session)
    session.shut_down()
    for n in range(3):
        (folder / f"f{n}.bmp").rename(folder / f"g{n}.bmp")
    again = opened()
    settled(
        qtbot,
        again,
        lambda: {image.path for image in again.document.images} == {"g0.bmp", "g1.bmp", "g2.bmp"},
    )
    again.shut_down()
    assert boxes(folder) == {"g0.bmp": [0.0], "g1.bmp": [10.0], "g2.bmp": [20.0]}


def test_a_photo_found_again_is_shown_at_once(qtbot, folder, opened) -> None:
    session = opened()
    labelled(qtbot, session)
    session.shut_down()
    (folder / "f0.bmp").rename(folder / "x.bmp")
    (folder / "x.bmp").rename(folder.parent / "x.bmp")
    session = opened()
    session.place.go_to(next(image.id for image in session.document.images if image.path == "f0.bmp"))
    qtbot.waitUntil(lambda: "missing" in session.place.problem, timeout=30_000)
    (folder / "deep").mkdir()
    (folder.parent / "x.bmp").rename(folder / "deep" / "x.bmp")
    session.look_at_folder()
    qtbot.waitUntil(lambda: session.place.pixels is not None and not session.place.problem, timeout=30_000)
    assert session.place.image.path == "deep/x.bmp"
    assert [a.shape.x0 for a in session.document.annotations.values()] == [0.0]


@pytest.mark.parametrize("size", [(100, 80), (640, 800), (320, 400)], ids=["smaller", "doubled", "same size"])
def test_a_replaced_photo_is_asked_about_before_its_record_is_touched(qtbot, folder, opened, size) -> None:
    session = opened()
    labelled(qtbot, session)
    before = session.document.images[1]
    session.shut_down()
    picture(folder / "f1.bmp", 99, size=size)
    session = opened()
    qtbot.waitUntil(lambda: before.id in session.strangers, timeout=30_000)
    session.place.go_to(before.id)
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=30_000)
    qtbot.waitUntil(lambda: session.place.image.note == CHANGED, timeout=30_000)
    session.shut_down()
    with Store.open(folder / "labels.labeler", read_only=True) as store:
        kept = store.image(before.id)
        assert (kept.width, kept.height, kept.note) == (320, 400, CHANGED)
        assert store.photos.known()[before.id].digest == kept.digest


def test_a_photo_replaced_while_it_is_open_is_noticed(qtbot, folder, opened) -> None:
    session = opened()
    labelled(qtbot, session)
    image = session.place.image
    picture(folder / image.path, 99, size=(100, 80))
    session.look_at_folder()
    qtbot.waitUntil(lambda: image.id in session.strangers, timeout=30_000)


def test_photos_never_opened_are_known_by_their_whole_content(qtbot, folder, opened) -> None:
    session = opened()
    ids = [image.id for image in session.document.images]

    def known() -> dict[int, object]:
        with Store.open(folder / "labels.labeler", read_only=True) as store:
            return dict(store.photos.known())

    qtbot.waitUntil(lambda: set(known()) == set(ids), timeout=30_000)


def test_an_empty_folder_is_said_and_nothing_is_left_in_it(qtbot: QtBot, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "scan.dcm").write_bytes(b"")
    session, told = Session(), []
    session.told.connect(told.append)
    session.open(folder)
    qtbot.waitUntil(lambda: bool(told), timeout=30_000)
    assert told[0].startswith("There is no photo in empty. Put some there")
    assert "1 DICOM file was left out" in told[0]
    session.shut_down()
    assert [path.name for path in folder.iterdir()] == ["scan.dcm"]


def test_masks_beside_their_photos_are_no_photos_and_that_is_said(qtbot: QtBot, tmp_path: Path) -> None:
    for folder, ending in (("images", "jpg"), ("masks", "png")):
        (tmp_path / folder).mkdir()
        for number in range(3):
            content = np.full((30, 40, 3), 40 * number, np.uint8)
            Picture.fromarray(content).save(tmp_path / folder / f"{number}.{ending}")
    session, told = Session(), []
    session.told.connect(told.append)
    session.open(tmp_path)
    qtbot.waitUntil(lambda: bool(told), timeout=30_000)
    assert [image.path for image in session.document.images] == [
        f"images/{number}.jpg" for number in range(3)
    ]
    assert told == ["3 pictures in “masks” are masks of the photos here and are left out."]
    session.shut_down()


def test_a_photo_that_is_there_twice_by_a_link_is_said(qtbot: QtBot, folder: Path) -> None:
    (folder / "g.bmp").symlink_to("f1.bmp")
    session, told = Session(), []
    session.told.connect(told.append)
    session.open(folder)
    qtbot.waitUntil(lambda: bool(told), timeout=30_000)
    twice = "1 photo is there twice by links, “g.bmp” and “f1.bmp”: each name is an image of its own."
    assert (told, len(session.document.images)) == ([twice], 4)
    session.shut_down()


def test_an_empty_folder_with_a_category_keeps_its_project(qtbot: QtBot, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    session, told = Session(), []
    session.told.connect(told.append)
    session.open(folder)
    qtbot.waitUntil(lambda: bool(told), timeout=30_000)
    session.edits.add_category("thing", by="test")
    qtbot.waitUntil(lambda: session.saved == "saved", timeout=30_000)
    session.shut_down()
    assert (folder / "labels.labeler").is_file()
