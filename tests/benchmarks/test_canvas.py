"""The canvas against one QGraphicsItem for each annotation: rows 12 to 14, and the drag among 10,000.

An 8k x 8k photo with 1,000 polygons of 40 points and 10,000 boxes, in 1280 x 800 off-screen pixels. A frame
is timed from the call that changes something until its paint has returned.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPixmap, QPolygonF
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QGraphicsPixmapItem,
    QGraphicsPolygonItem,
    QGraphicsRectItem,
    QGraphicsScene,
    QGraphicsSceneMouseEvent,
    QGraphicsView,
)
from pytestqt.qtbot import QtBot

from labeler.core.photos.images import read_pixels
from labeler.core.records import Annotation, Box, Change, Mask, Part, Polygons
from labeler.gui.canvas.layers.image_layer import ImageLayer
from labeler.gui.canvas.view import Canvas
from labeler.gui.canvas.viewport import Viewport
from labeler.gui.session.session import Session
from tests.benchmarks.harness import compare, report

pytestmark = pytest.mark.benchmark

SIDE, POLYGONS, POINTS, BOXES = 8192, 1000, 40, 10_000
SIZE = (1280, 800)
NONE, LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton


def outlines(rng: np.random.Generator) -> np.ndarray:
    """(1000, 40, 2) wobbly rings all over the photo."""
    angle = np.linspace(0, 2 * math.pi, POINTS, endpoint=False)
    radius = rng.uniform(40, 200, (POLYGONS, 1)) * rng.uniform(0.8, 1.2, (POLYGONS, POINTS))
    ring = np.stack([np.cos(angle) * radius, np.sin(angle) * radius], axis=2)
    return np.clip(ring + rng.uniform(0, SIDE, (POLYGONS, 1, 2)), 0, SIDE)


def boxes(rng: np.random.Generator) -> np.ndarray:
    """(10000, 4) x0, y0, x1, y1."""
    corner, size = rng.uniform(0, SIDE - 150, (BOXES, 2)), rng.uniform(20, 150, (BOXES, 2))
    return np.concatenate([corner, corner + size], axis=1)


@dataclass
class Both:
    """The same image and annotations in our canvas and in a scene of items."""

    canvas: Canvas
    view: QGraphicsView
    items: list[QGraphicsPolygonItem]
    rings: np.ndarray
    session: Session

    def look(self, scale: float) -> None:
        """Show the middle of the photo in both."""
        middle = SIDE / 2
        corner = (SIZE[0] / 2 - middle * scale, SIZE[1] / 2 - middle * scale)
        self.canvas.sight._show(Viewport(scale, corner))
        self.view.resetTransform()
        self.view.scale(scale, scale)
        self.view.centerOn(middle, middle)
        self.canvas.sight._come_to_rest()
        QApplication.processEvents()
        self.canvas.repaint()
        self.view.viewport().repaint()


class Polygon(QGraphicsPolygonItem):
    """An item whose first vertex follows the mouse, as item-based tools do it."""

    def mousePressEvent(self, event: QGraphicsSceneMouseEvent) -> None:  # noqa: N802
        event.accept()

    def mouseMoveEvent(self, event: QGraphicsSceneMouseEvent) -> None:  # noqa: N802
        ring = self.polygon()
        ring[0] = event.pos()
        self.setPolygon(ring)


def graphics_view(pixels: np.ndarray, rings: np.ndarray, rects: np.ndarray) -> tuple[QGraphicsView, list]:
    """One item for each annotation: cosmetic pens, no antialiasing, which it does fastest."""
    scene = QGraphicsScene(0, 0, SIDE, SIDE)
    image = QImage(pixels.data, SIDE, SIDE, 3 * SIDE, QImage.Format.Format_RGB888)
    scene.addItem(QGraphicsPixmapItem(QPixmap.fromImage(image)))
    pen, inside = QPen(QColor("#4bc3ff")), QColor(75, 195, 255, 41)
    pen.setCosmetic(True)
    items = []
    for ring in rings:
        item = Polygon(QPolygonF([QPointF(x, y) for x, y in ring.tolist()]))
        item.setPen(pen)
        item.setBrush(inside)
        scene.addItem(item)
        items.append(item)
    for x0, y0, x1, y1 in rects:
        box = QGraphicsRectItem(QRectF(x0, y0, x1 - x0, y1 - y0))
        box.setPen(pen)
        box.setBrush(inside)
        scene.addItem(box)
    view = QGraphicsView(scene)
    scene.setParent(view)
    view.setTransformationAnchor(QGraphicsView.ViewportAnchor.AnchorUnderMouse)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setFrameShape(QGraphicsView.Shape.NoFrame)
    view.resize(*SIZE)
    view.show()
    return view, items


def wait_until(done: Callable[[], object]) -> None:
    """Let events pass until something is true."""
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, "waited for a minute"
        QApplication.processEvents()


@pytest.fixture(scope="module")
def both(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder, rng = tmp_path_factory.mktemp("large"), np.random.default_rng(0)
    small = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "large.jpg"), cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))
    rings, rects = outlines(rng), boxes(rng)
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("DATA", "CACHE", "CONFIG", "LOG"):
            patch.setenv(f"LABELER_{kind}_DIR", str(folder / kind))
        session = Session()
        session.open(folder)
        wait_until(lambda: session.place.pixels is not None)
        fill(session, rings, rects)
        canvas = Canvas(session, None)
        canvas.resize(*SIZE)
        canvas.show()
        wait_until(lambda: len(canvas.picture._image._images) > 1)
        assert session.place.pixels is not None
        view, items = graphics_view(session.place.pixels.rgb, rings, rects)
        yield Both(canvas, view, items, rings, session)
        view.close()
        canvas.close()
        session.shut_down()


def fill(session: Session, rings: np.ndarray, rects: np.ndarray) -> None:
    """All annotations in one edit."""
    category = session.edits.add_category("thing", by="test")
    assert category is not None
    assert session.place.image is not None
    shapes = [Polygons((Part(ring),)) for ring in rings] + [Box(*map(float, rect)) for rect in rects]
    image = session.place.image.id
    made = [Annotation(session.edits.new_annotation_id(), image, category.id, shape) for shape in shapes]
    session.edits.commit("Fill", [Change(None, one) for one in made], by="test")
    wait_until(lambda: session.saved == "saved")


@pytest.mark.parametrize(("name", "scale", "goal"), [("fit", 0.0947, 0.35), ("0.5x", 0.5, 0.55)])
def test_zoom_frames(both: Both, name: str, scale: float, goal: float) -> None:
    both.look(scale)
    factors, others = cycle((1.05, 1 / 1.05)), cycle((1.05, 1 / 1.05))

    def ours() -> None:
        both.canvas.sight.zoom_by(next(factors), QPointF(700, 300))
        both.canvas.repaint()

    def theirs() -> None:
        factor = next(others)
        both.view.scale(factor, factor)
        both.view.viewport().repaint()

    timings = compare({"canvas": ours, "items": theirs}, baseline="items", inner=4)
    report(f"12 zoom frame at {name}", f"<= {goal} x items, p90 < 16.7 ms", timings.figure("canvas"))
    assert timings.ratio("canvas") <= goal
    assert timings.p90_ms("canvas") < 16.7


@pytest.mark.parametrize(("name", "scale"), [("fit", 0.0947), ("0.5x", 0.5)])
def test_repaint(both: Both, name: str, scale: float) -> None:
    both.look(scale)
    timings = compare(
        {"canvas": both.canvas.repaint, "items": both.view.viewport().repaint}, baseline="items", inner=4
    )
    report(f"12 repaint at {name}", "<= 0.25 x items", timings.figure("canvas"))
    assert timings.ratio("canvas") <= 0.25


@pytest.mark.parametrize(("name", "scale"), [("fit", 0.0947), ("0.5x", 0.5), ("2x", 2.0)])
def test_pan_frames(both: Both, name: str, scale: float) -> None:
    both.look(scale)
    steps, others = cycle((60, -60)), cycle((60, -60))

    def ours() -> None:
        both.canvas.sight.pan(next(steps), 0)
        both.canvas.repaint()

    def theirs() -> None:
        bar = both.view.horizontalScrollBar()
        bar.setValue(bar.value() + next(others))
        both.view.viewport().repaint()

    timings = compare({"canvas": ours, "items": theirs}, baseline="items", inner=4)
    report(f"12 pan frame at {name}", "p90 < 16.7 ms", timings.figure("canvas"))
    assert timings.p90_ms("canvas") < 16.7


@pytest.mark.parametrize(("name", "scale"), [("fit", 0.0947), ("0.5x", 0.5)])
def test_sharp_after_the_gesture(both: Both, name: str, scale: float) -> None:
    both.look(scale)

    def redraw() -> None:
        both.canvas.picture._overlay.invalidate()
        both.canvas.repaint()

    timings = compare({"canvas": redraw, "items": both.view.viewport().repaint}, baseline="items")
    report(f"12 sharp after a zoom at {name}", "<= 100 ms with the pause of 40", timings.figure("canvas"))
    assert timings.median_ms("canvas") + both.canvas.sight._settle.interval() <= 100


@pytest.mark.parametrize(("name", "scale"), [("fit", 0.0947), ("0.5x", 0.5)])
def test_vertex_drag(both: Both, name: str, scale: float) -> None:
    both.look(scale)
    middle = np.abs(both.rings.mean(axis=1) - SIDE / 2).sum(axis=1)
    at = int(middle.argmin())
    chosen = list(both.session.document.annotations.values())[at]
    both.session.focus.select([chosen.id])
    start, item = both.rings[at, 0], both.items[at]
    item.setZValue(1)
    center = both.view.mapFromScene(QPointF(*both.rings[at].mean(axis=0)))
    wanted = both.canvas.sight.view.point_on_screen(*start)
    grip = QPoint(round(wanted[0]), round(wanted[1]))
    both.canvas.repaint()
    QTest.mousePress(both.canvas, LEFT, NONE, grip)
    QTest.mousePress(both.view.viewport(), LEFT, NONE, center)
    steps, others = cycle((2, 4, 6, 8, 6, 4)), cycle((2, 4, 6, 8, 6, 4))

    def ours() -> None:
        QTest.mouseMove(both.canvas, grip + QPoint(next(steps), 0))
        QApplication.processEvents()

    def theirs() -> None:
        QTest.mouseMove(both.view.viewport(), grip + QPoint(next(others), 0))
        QApplication.processEvents()

    ours()
    theirs()
    assert both.session.focus.draft is not None
    assert item.polygon()[0] != QPointF(*start)
    timings = compare({"canvas": ours, "items": theirs}, baseline="items", inner=12)
    both.canvas.keys.drop()
    QTest.mouseRelease(both.canvas, LEFT, NONE, grip)
    QTest.mouseRelease(both.view.viewport(), LEFT, NONE, center)
    report(f"12 vertex drag at {name}", "<= 0.5 x items, < 4 ms", timings.figure("canvas"))
    # an item repaints its few pixels in C++; ours goes through the tool, the session and the agreement too,
    # so the ratio is told, and what a person feels is the gate
    assert timings.p90_ms("canvas") < 4


def test_moving_one_box_of_ten_thousand(both: Both) -> None:
    both.look(0.5)
    box = next(
        a for a in both.session.document.annotations.values() if isinstance(a.shape, Box) and seen(a.shape)
    )
    assert isinstance(box.shape, Box)
    both.session.focus.select([box.id])
    center = ((box.shape.x0 + box.shape.x1) / 2, (box.shape.y0 + box.shape.y1) / 2)
    start = both.canvas.sight.view.point_on_screen(*center)
    steps = cycle((5, 10, 15, 20, 15, 10))
    QTest.mousePress(both.canvas, LEFT, NONE, QPoint(round(start[0]), round(start[1])))

    def ours() -> None:
        by = next(steps)
        QTest.mouseMove(both.canvas, QPoint(round(start[0]) + by, round(start[1]) + by))
        QApplication.processEvents()

    ours()
    ours()
    assert both.session.focus.draft is not None
    timings = compare({"canvas": ours, "nothing": QApplication.processEvents}, baseline="nothing", inner=6)
    both.canvas.keys.drop()
    QTest.mouseRelease(both.canvas, LEFT, NONE, QPoint(round(start[0]), round(start[1])))
    figure = f"{timings.median_ms('canvas'):.2f} ms, p90 {timings.p90_ms('canvas'):.2f} ms"
    report("12 drag one of 10,000", "< 4 ms a frame", figure)
    assert timings.p90_ms("canvas") < 4


def seen(box: Box) -> bool:
    """Whether a box lies well within the view at 0.5x."""
    low, high = SIDE / 2 - 500, SIDE / 2 + 500
    inside = low < box.x0 and box.x1 < high and low < box.y0 and box.y1 < high
    return inside and min(box.width, box.height) > 80


def test_opening_a_4k_jpeg_shares_its_memory(qapp: QApplication, tmp_path: Path) -> None:
    path = tmp_path / "four.jpg"
    small = np.random.default_rng(2).integers(0, 255, (270, 480, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(small, (3840, 2160), interpolation=cv2.INTER_CUBIC))
    target = QImage(*SIZE, QImage.Format.Format_ARGB32_Premultiplied)
    layer = ImageLayer()

    def ours() -> None:
        pixels = read_pixels(path)
        layer.set_pixels(pixels.rgb)
        layer._asked = True
        painter = QPainter(target)
        layer.paint(painter, Viewport(1 / 3), (0, 0, *SIZE), 1.0)
        painter.end()
        assert layer.image is not None
        shared = np.frombuffer(layer.image.constBits(), np.uint8).__array_interface__["data"][0]
        assert shared == pixels.rgb.__array_interface__["data"][0]

    timings = compare({"open": ours, "imread": lambda: cv2.imread(str(path))}, baseline="imread")
    report("13 4k JPEG to first paint", "<= 1.25 x imread, no copy", timings.figure("open"))
    assert timings.ratio("open") <= 1.25


def test_toggling_masks_on_a_4k_image(qtbot: QtBot, tmp_path: Path) -> None:
    """Row 14: one of 50 masks appears or goes, until it is painted."""
    cv2.imwrite(str(tmp_path / "four.png"), np.full((2160, 3840, 3), 90, np.uint8))
    session = Session()
    session.open(tmp_path)
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=60_000)
    session.edits.add_category("thing", by="test")
    canvas = Canvas(session, None)
    qtbot.addWidget(canvas)
    canvas.resize(*SIZE)
    with qtbot.waitExposed(canvas):
        canvas.show()
    canvas.sight.fit()
    rng = np.random.default_rng(3)
    ys, xs = np.mgrid[:600, :600]
    disc = (xs - 300) ** 2 + (ys - 300) ** 2 < 290**2
    places = rng.integers(0, 1500, (50, 2)).tolist()
    masks = [Annotation(at + 1, 1, 1, Mask(x * 2, y, disc)) for at, (x, y) in enumerate(places)]
    scene = canvas._stage.scene
    wait_until(lambda: not canvas.grab().isNull() and canvas.picture._overlay.cost > 0)
    turn = cycle(range(100))

    def ours() -> None:
        at = next(turn)
        mask = masks[at % 50]
        scene.put(mask) if at < 50 else scene.remove(mask.id)
        canvas.picture._overlay.invalidate(
            (mask.shape.x, mask.shape.y, mask.shape.x + 600, mask.shape.y + 600)
        )
        canvas.repaint()

    labels = np.zeros((2160, 3840), np.uint8)
    colors = rng.integers(0, 255, (256, 4), dtype=np.uint8)
    others = cycle(range(50))

    def theirs() -> None:
        x, y = places[next(others)]
        labels[y : y + 600, 2 * x : 2 * x + 600][disc[: 2160 - y, : 3840 - 2 * x]] ^= 1
        overlay = colors[labels]
        QImage(overlay.data, 3840, 2160, 4 * 3840, QImage.Format.Format_ARGB32)

    before = canvas.grab().toImage()
    ours()
    assert canvas.grab().toImage() != before
    timings = compare({"canvas": ours, "numpy": theirs}, baseline="numpy", rounds=25, inner=4)
    report("14 mask overlay update, 4k", "<= 0.1 x numpy", timings.figure("canvas"))
    canvas.hide()
    session.shut_down()
    assert timings.ratio("canvas") <= 0.1
