"""What is scrolled, patched or culled must be, to the pixel, what a full redraw gives."""

import numpy as np
import pytest
from PySide6.QtGui import QImage, QPainter

from labeler.core.records import Annotation, Box, Candidate, Category, Mask, Part, Polygons
from labeler.gui.canvas.layers.drawing import ANNOTATION, OUTLINE, draw_scene
from labeler.gui.canvas.layers.overlay import Overlay
from labeler.gui.canvas.scene import Scene
from labeler.gui.canvas.viewport import Viewport

SIZE = (300, 200)
CATEGORIES = {1: Category(1, "a", "#ff0000"), 2: Category(2, "b", "#00ff80")}


def annotations(count=30, seed=0, extent=400):
    rng = np.random.default_rng(seed)
    made = []
    for at in range(count):
        x, y = rng.uniform(0, extent, 2)
        w, h = rng.uniform(10, 90, 2)
        if at % 3 == 0:
            shape = Box(x, y, x + w, y + h)
        elif at % 3 == 1:
            shape = Polygons((Part(rng.uniform(0, 60, (7, 2)) + np.array((x, y))),))
        else:
            shape = Mask(int(x), int(y), rng.random((int(h), int(w))) > 0.2)
        made.append(Annotation(at + 1, 1, at % 2 + 1, shape))
    return made


def scene_of(entries):
    scene = Scene()
    scene.load(entries)
    scene.set_categories(CATEGORIES)
    return scene


def painted(overlay, view, *, ratio=1.0, moving=False):
    image = QImage(round(SIZE[0] * ratio), round(SIZE[1] * ratio), QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(ratio)
    image.fill(0)
    painter = QPainter(image)
    sharp = overlay.paint(painter, view, SIZE, ratio, moving=moving)
    painter.end()
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4).copy()
    return pixels, sharp


def alike(a, b):
    """Equal, but for a few pixels where OpenCV clips a line at a picture's border and rounds it otherwise."""
    return (np.abs(a.astype(int) - b).max(axis=2) > 2).mean() < 0.001


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_panning_gives_what_a_redraw_gives(qapp, scale, ratio):
    scene, view = scene_of(annotations()), Viewport(scale, (-20.0, -10.0))
    overlay = Overlay([(scene, ANNOTATION)])
    painted(overlay, view, ratio=ratio)
    for dx, dy in ((13, 0), (0, -17), (-40, 25), (7, 7)):
        view = view.panned(dx, dy)
        scrolled, sharp = painted(overlay, view, ratio=ratio)
        fresh, _ = painted(Overlay([(scene, ANNOTATION)]), view, ratio=ratio)
        assert sharp
        assert alike(scrolled, fresh)
        assert fresh.any()


def test_a_changed_entry_redraws_only_its_rectangle_and_that_exactly(qapp, monkeypatch):
    scene, view = scene_of(annotations()), Viewport(0.7, (5.0, 3.0))
    overlay = Overlay([(scene, ANNOTATION)])
    painted(overlay, view)
    drawn = []
    real = overlay._draw
    monkeypatch.setattr(overlay, "_draw", lambda rect: (drawn.append(rect), real(rect)))
    before = scene.box_of(1)
    scene.put(Annotation(1, 1, 2, Box(100, 100, 160, 140)))
    overlay.invalidate(before)
    overlay.invalidate(scene.box_of(1))
    patched, _ = painted(overlay, view)
    fresh, _ = painted(Overlay([(scene, ANNOTATION)]), view)
    assert alike(patched, fresh)
    (rect,) = drawn
    assert (rect[2] - rect[0]) * (rect[3] - rect[1]) < SIZE[0] * SIZE[1]


def test_a_zoom_is_stretched_while_it_moves_and_sharp_at_rest(qapp):
    scene, view = scene_of(annotations()), Viewport(0.5, (0.0, 0.0))
    overlay = Overlay([(scene, ANNOTATION)])
    painted(overlay, view)
    overlay.cost = 1.0
    closer = view.zoomed(1.3, at=(100, 100))
    stretched, sharp = painted(overlay, closer, moving=True)
    assert not sharp
    assert stretched.any()
    rested, sharp = painted(overlay, closer)
    fresh, _ = painted(Overlay([(scene, ANNOTATION)]), closer)
    assert sharp
    assert np.array_equal(rested, fresh)


def test_a_cheap_picture_is_sharp_in_every_frame_of_a_zoom(qapp):
    overlay = Overlay([(scene_of(annotations(3)), ANNOTATION)])
    painted(overlay, Viewport(0.5))
    overlay.cost = 0.0
    assert painted(overlay, Viewport(0.6), moving=True)[1]


def test_fill_and_line_have_the_opacities_of_the_design(qapp):
    scene = scene_of([Annotation(1, 1, 1, Box(50, 50, 150, 120))])
    pixels, _ = painted(Overlay([(scene, ANNOTATION)]), Viewport())
    assert pixels[80, 100].tolist() == [0, 0, 41, 41]
    assert pixels[50, 100].tolist() == pixels[51, 100].tolist() == [0, 0, 255, 255]
    assert not pixels[49, 100].any()
    assert not pixels[20, 20].any()


def test_small_shapes_lie_on_large_ones_and_hidden_or_lifted_ones_are_not_painted(qapp):
    inner, outer = Annotation(1, 1, 1, Box(60, 60, 80, 80)), Annotation(2, 1, 2, Box(10, 10, 190, 190))
    scene = scene_of([inner, outer])
    buffer = np.zeros((200, 200, 4), np.uint8)
    draw_scene(buffer, Viewport(), scene, ANNOTATION, ratio=1)
    assert buffer[70, 70].tolist() == [0, 0, 41, 41]
    scene.lift([1])
    buffer[:] = 0
    draw_scene(buffer, Viewport(), scene, ANNOTATION, ratio=1)
    assert buffer[70, 70, 1] > 0
    assert buffer[70, 70, 2] == 0
    scene.set_categories({**CATEGORIES, 2: Category(2, "b", "#00ff80", hidden=True)})
    buffer[:] = 0
    draw_scene(buffer, Viewport(), scene, ANNOTATION, ratio=1)
    assert not buffer.any()


def test_predictions_are_dashed(qapp):
    scene = scene_of([Candidate(1, 1, 1, 1, Box(20, 20, 180, 120), 0.9)])
    buffer = np.zeros((200, 200, 4), np.uint8)
    draw_scene(buffer, Viewport(), scene, OUTLINE, ratio=1)
    line = buffer[19:22, 30:170, 3].max(0) > 128
    assert 0.4 < line.mean() < 0.9
    assert np.abs(np.diff(line.astype(int))).sum() > 10


def test_lines_do_not_zoom(qapp):
    scene = scene_of([Annotation(1, 1, 1, Box(20, 20, 40, 40))])
    for scale in (1, 3, 20):
        buffer = np.zeros((200, 200, 4), np.uint8)
        draw_scene(buffer, Viewport(scale, (50 - 20 * scale, 50 - 20 * scale)), scene, ANNOTATION, ratio=1)
        assert (buffer[55, 45:60, 3] == 255).sum() == 2


def test_thousands_of_boxes_are_still_all_there(qapp):
    boxes = [Box(5 * x, 5 * y, 5 * x + 3, 5 * y + 3) for x in range(60) for y in range(40)]
    scene = scene_of([Annotation(at + 1, 1, 1, box) for at, box in enumerate(boxes)])
    buffer = np.zeros((200, 300, 4), np.uint8)
    draw_scene(buffer, Viewport(), scene, ANNOTATION, ratio=1)
    assert (buffer[::5, ::5, 3] == 255).all()
