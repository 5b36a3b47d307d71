import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QRect, QRectF, QSize, Qt

from labeler.core.records import Box, Candidate, Change, Mask
from labeler.gui.canvas.chooser import place_beside
from labeler.gui.canvas.layers.tags import Tag, arranged
from labeler.gui.canvas.viewport import Viewport

SHIFT = Qt.KeyboardModifier.ShiftModifier
MIDDLE = Qt.MouseButton.MiddleButton


def center_color(canvas, hand, x, y):
    return canvas.grab().toImage().pixelColor(hand.at(x, y)).getRgb()[:3]


def test_the_wheel_zooms_at_the_pointer(canvas, hand):
    zooms = []
    canvas.sight.zoom_changed.connect(zooms.append)
    before = hand.at(200, 300)
    hand.wheel(200, 300, 3)
    assert canvas.sight.view.scale == pytest.approx(0.6 * 1.2**3, rel=0.2)
    assert (hand.at(200, 300) - before).manhattanLength() <= 2
    assert zooms == [canvas.sight.view.scale]


def test_middle_drag_space_drag_and_shift_wheel_pan(canvas, hand):
    canvas.sight.zoom_to(2.0)
    start = canvas.sight.view.offset
    hand.drag((400, 500), (430, 520), button=MIDDLE)
    assert np.allclose(np.subtract(canvas.sight.view.offset, start), (60, 40), atol=2)
    canvas.keyPressEvent(_key(Qt.Key.Key_Space))
    hand.drag((400, 500), (385, 500))
    canvas.keyReleaseEvent(_key(Qt.Key.Key_Space, down=False))
    assert np.allclose(np.subtract(canvas.sight.view.offset, start), (30, 40), atol=3)
    hand.wheel(400, 500, 1, SHIFT)
    assert canvas.sight.view.offset[0] - start[0] == pytest.approx(150, abs=3)


def _key(key, *, down=True):
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QKeyEvent

    kind = QEvent.Type.KeyPress if down else QEvent.Type.KeyRelease
    return QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier)


def test_fit_and_100_percent(canvas, hand):
    canvas.sight.zoom_to(1.0)
    assert canvas.sight.view.scale == 1.0
    canvas.sight.fit()
    assert canvas.sight.view.scale == pytest.approx((700 - 24) / 1080)
    canvas.resize(600, 400)
    assert canvas.sight.view.scale == pytest.approx((400 - 24) / 1080)


def test_the_pointer_tells_pixel_and_colour(canvas, hand, session):
    told = []
    canvas.pointer_moved.connect(lambda *values: told.append(values))
    canvas.sight.zoom_to(4.0)
    hand.move(400.5, 500.5)
    x, y, color = told[-1]
    assert color == tuple(session.place.pixels.rgb[int(y), int(x)])
    assert (int(x), int(y)) == (400, 500)
    canvas.sight.fit()
    hand.move(-20, 100)
    assert told[-1][2] is None


def test_the_photo_is_on_the_screen(canvas, hand, session):
    canvas.sight.zoom_to(8.0)
    for x, y in ((405.5, 540.5), (420.5, 530.5)):
        assert center_color(canvas, hand, x, y) == tuple(session.place.pixels.rgb[int(y), int(x)])


def test_holding_the_key_shows_the_bare_image(canvas, hand, session):
    session.focus.select([])
    bare = canvas.grab().toImage()
    session.edits.add(Box(100, 100, 700, 900), by="test")
    assert canvas.grab().toImage() != bare
    canvas.keyPressEvent(_key(Qt.Key.Key_QuoteLeft))
    assert canvas.grab().toImage() == bare
    canvas.keyReleaseEvent(_key(Qt.Key.Key_QuoteLeft, down=False))
    assert canvas.grab().toImage() != bare


def test_hidden_categories_and_hidden_annotations_are_not_painted(canvas, session):
    bare = canvas.grab().toImage()
    made = session.edits.add(Box(100, 100, 700, 900), by="test")
    session.focus.select([])
    assert canvas.grab().toImage() != bare
    canvas.set_options(annotations=False)
    assert canvas.grab().toImage() == bare
    canvas.set_options(annotations=True)
    category = session.document.categories[made.category_id]
    session.edits.commit("Hide", [Change(category, replace(category, hidden=True))], by="test")
    assert canvas.grab().toImage() == bare


def test_an_undo_elsewhere_is_seen_at_once(canvas, session, qtbot):
    bare = canvas.grab().toImage()
    session.edits.add(Box(100, 100, 700, 900), by="test")
    session.history.undo()
    qtbot.waitUntil(lambda: not session.document.annotations)
    assert canvas.grab().toImage() == bare


def test_predictions_of_the_chosen_model_are_shown_until_they_are_accepted(canvas, session):
    bare = canvas.grab().toImage()
    made = session.edits.accept(Mask(100, 100, np.ones((200, 200), bool)), 0.9, by="test")
    session.focus.select([])
    accepted = canvas.grab().toImage()
    candidate = replace(
        session.document.candidates[made.prediction_id], id=999, shape=Box(400, 400, 600, 700)
    )
    assert isinstance(candidate, Candidate)
    session.edits.commit("Predict", [Change(None, candidate)], by="test")
    assert canvas.grab().toImage() == accepted != bare


def test_going_on_shows_the_next_photo_and_none_of_the_last_annotations(canvas, session, qtbot):
    session.edits.add(Box(100, 100, 700, 900), by="test")
    session.place.step(1)
    qtbot.waitUntil(lambda: session.place.pixels is not None)
    assert len(canvas._stage.scene) == 0
    width, height = canvas._stage.size
    assert (height, width) == session.place.pixels.rgb.shape[:2]


def test_nothing_is_drawn_on_a_photo_that_is_not_on_the_screen(canvas, session, hand, qtbot):
    """Until it has been read, the photo before it is what a person sees; one that is gone is never seen."""
    told = []
    canvas.told.connect(told.append)
    canvas.hand.take("box")
    session.place._loader.forget(session.document.images[1].id)
    session.place.step(1)
    assert session.place.pixels is None
    hand.drag((100, 100), (300, 300))
    assert told == [f"Nothing was drawn: {session.place.image.path} is still being read."]
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=60_000)
    assert not session.document.annotations
    session.place.image_path(session.place.image).unlink()
    session.place.step(-1)
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=60_000)
    session.place._loader.forget(session.document.images[1].id)
    session.place.step(1)
    qtbot.waitUntil(lambda: session.place.problem != "", timeout=60_000)
    hand.drag((100, 100), (300, 300))
    assert told[-1] == f"Nothing was drawn: {session.place.image.path} cannot be shown."
    assert not session.document.annotations
    session.place.step(-1)
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=60_000)
    hand.drag((100, 100), (300, 300))
    assert len(session.document.annotations) == 1


# --- tags and the chooser -------------------------------------------------------------------------


def test_tags_never_lie_on_each_other_on_handles_or_out_of_sight():
    rng = np.random.default_rng(0)
    tags = [Tag("x", "#fff", (x, y, x + 90, y + 60)) for x, y in rng.uniform(-50, 500, (60, 2)).tolist()]
    taken = [QRectF(100, 100, 50, 50)]
    placed = arranged(tags, [70.0] * 60, (500, 400), taken)
    rects = [QRectF(x, y, 70, 20) for _, (x, y) in placed]
    assert 5 < len(placed) < 60
    for at, rect in enumerate(rects):
        assert QRectF(0, 0, 500, 400).contains(rect)
        assert not any(rect.intersects(other) for other in [*rects[:at], *taken])


def test_small_shapes_have_no_tag_unless_selected():
    small = (100.0, 100.0, 110.0, 110.0)
    assert not arranged([Tag("a", "#fff", small)], [40.0], (500, 400))
    assert arranged([Tag("a", "#fff", small, forced=True)], [40.0], (500, 400))


@pytest.mark.parametrize("x", [0, 300, 700])
@pytest.mark.parametrize("y", [0, 250, 500])
def test_the_chooser_is_near_the_proposal_in_sight_and_not_over_it(x, y):
    mask, view, room = Mask(x, y, np.ones((200, 250), bool)), Viewport(1.0), QSize(1000, 700)
    bar = QRect(10, 10, 600, 40)
    rect = place_beside(mask, view, QSize(120, 90), room, [bar])
    assert rect is not None
    assert QRect(0, 0, 1000, 700).contains(rect)
    assert not rect.intersects(QRect(x, y, 250, 200))
    assert not rect.intersects(bar)


def test_a_proposal_that_fills_the_view_leaves_no_room_for_the_chooser():
    mask = Mask(0, 0, np.ones((700, 1000), bool))
    assert place_beside(mask, Viewport(1.0), QSize(120, 90), QSize(1000, 700)) is None


def test_a_click_in_the_chooser_chooses(canvas, hand, host, qtbot):
    canvas.hand.take("sam-point")
    hand.click(400, 500)
    qtbot.waitUntil(lambda: len(canvas.prompt_desk.proposals) == 3)
    chooser = canvas._chooser
    assert chooser.isVisible()
    from PySide6.QtCore import QPoint

    qtbot.mouseClick(chooser, Qt.MouseButton.LeftButton, pos=QPoint(30, 4 + 20 + 10))
    assert canvas.prompt_desk.index == 0
    canvas.keys.drop()
    assert not chooser.isVisible()
