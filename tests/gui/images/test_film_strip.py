import os

import cv2
import numpy as np
from msgspec.structs import replace
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from labeler.core.records import Box
from labeler.gui.images.film_strip import CELL, FilmStrip
from labeler.gui.images.thumbnails import Thumbnails, prune, thumbnail
from labeler.project.photos.survey import CHANGED, MISSING


def spot(column):
    return QPoint(column * CELL.width() + CELL.width() // 2, CELL.height() // 2)


def test_thumbnails_come_for_what_is_shown(qtbot, session, shown):
    strip = shown(FilmStrip(session), 900, 92)
    image = session.document.images[2]
    qtbot.waitUntil(lambda: strip._thumbnails.pixmap(image, session.place.image_path(image)) is not None)
    seen = strip.grab().toImage().pixelColor(spot(2))
    # zidane.jpg is skin and dark cloth in its middle, not the flat grey of the placeholder
    assert seen.name() != "#2b313d"
    strip.stop()


def test_a_click_goes_there_and_leaves_the_keys_with_the_canvas(qtbot, session, shown):
    strip = shown(FilmStrip(session), 900, 92)
    strip.clearFocus()
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=spot(1))
    assert session.place.image.path == "grace_hopper.jpg"
    assert not strip.hasFocus()
    strip.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    qtbot.keyClick(strip, Qt.Key.Key_Return)
    assert session.place.image.path == "zidane.jpg"
    strip.stop()


def test_it_follows_the_order_of_the_images_panel(session, shown):
    strip = shown(FilmStrip(session), 900, 92)
    ids = [image.id for image in session.document.images]
    session.place.set_order([ids[2], ids[0]])
    assert strip.model().ids == [ids[2], ids[0]]
    strip.stop()


def test_the_tooltip_names_the_image_and_counts_its_objects(session, shown):
    strip = shown(FilmStrip(session), 900, 92)
    session.edits.add(Box(1, 1, 20, 20), by="test")
    session.edits.mark_reviewed(True, by="test")
    told = strip.model().index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert told == "bus.jpg · reviewed · 1 object"
    strip.stop()


def test_the_wheel_goes_along_the_strip(session, shown):
    strip = shown(FilmStrip(session), 150, 92)
    down = QWheelEvent(
        QPointF(20, 20), QPointF(20, 20), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(strip.viewport(), down)
    assert strip.horizontalScrollBar().value() == 120
    strip.stop()


def test_a_file_that_is_no_image_has_no_thumbnail_and_the_others_come(qtbot, session, photos):
    (photos / "grace_hopper.jpg").write_bytes(b"no image")
    made = Thumbnails()
    ids = [image.id for image in session.document.images]
    with qtbot.waitSignals([made.ready] * 3, timeout=20_000):
        for image in session.document.images:
            made.pixmap(image, session.place.image_path(image))
    assert [made.failed(image_id) for image_id in ids] == [False, True, False]
    made.stop()


def test_a_thumbnail_goes_with_its_file(qtbot, session, photos):
    """By its note: replaced, gone, and there again."""
    made, image = Thumbnails(), session.document.images[0]
    path = session.place.image_path(image)

    def after(note: str):
        changed = replace(image, note=note)
        with qtbot.waitSignal(made.ready, timeout=20_000):
            old = made.pixmap(changed, path)
        return old, made.pixmap(changed, path)

    _, first = after("")
    cv2.imwrite(str(path), np.full((100, 200, 3), 255, dtype=np.uint8))
    assert made.pixmap(image, path) is first  # nobody has said that it is another
    shown_meanwhile, other = after(CHANGED)
    assert shown_meanwhile is first
    assert (other.width(), other.height()) == (192, 96)
    path.unlink()
    assert after(MISSING) == (other, None)
    assert made.failed(image.id)
    cv2.imwrite(str(path), np.full((200, 100, 3), 255, dtype=np.uint8))
    assert after("")[1].height() == 192
    made.stop()


def test_a_thumbnail_is_read_from_the_disk_the_second_time(tmp_path, photo):
    first = thumbnail(photo, digest="d", folder=tmp_path / "cache")
    (file,) = (tmp_path / "cache").glob("*/*.jpg")
    red = np.zeros((80, 60, 3), dtype=np.uint8)
    red[:] = (0, 0, 255)
    cv2.imwrite(str(file), red)
    second = thumbnail(photo, digest="d", folder=tmp_path / "cache")
    assert max(first.width(), first.height()) == 192
    assert second.pixelColor(30, 40).red() > 240
    assert second.pixelColor(30, 40).green() < 15


def test_a_changed_file_gets_a_new_thumbnail(tmp_path, photo):
    thumbnail(photo, digest="", folder=tmp_path / "cache")
    cv2.imwrite(str(photo), np.full((100, 200, 3), 255, dtype=np.uint8))
    again = thumbnail(photo, digest="", folder=tmp_path / "cache")
    assert (again.width(), again.height()) == (192, 96)
    assert again.pixelColor(90, 40).name() == "#ffffff"


def test_a_damaged_thumbnail_is_made_again(tmp_path, photo):
    thumbnail(photo, digest="d", folder=tmp_path / "cache")
    (file,) = (tmp_path / "cache").glob("*/*.jpg")
    file.write_bytes(b"")
    assert thumbnail(photo, digest="d", folder=tmp_path / "cache").height() == 192
    assert file.stat().st_size > 0


def test_the_oldest_thumbnails_go_when_there_are_too_many(tmp_path):
    for age, name in enumerate("abc"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.jpg").write_bytes(b"x" * 100)
        os.utime(folder / f"{name}.jpg", (1000 - age, 1000 - age))
    assert prune(tmp_path, most_bytes=250) == 200
    assert sorted(path.stem for path in tmp_path.glob("*/*.jpg")) == ["a", "b"]
