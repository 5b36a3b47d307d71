import numpy as np

from labeler.core.records import Annotation, Box, Category, Mask, Part, Polygons
from labeler.gui.canvas.scene import Scene

HOLE = np.array([(40, 40), (60, 40), (60, 60), (40, 60)], float)
RING = np.array([(0, 0), (100, 0), (100, 100), (0, 100)], float)


def scene(*shapes):
    made = Scene()
    made.load([Annotation(at + 1, 1, at + 1, shape) for at, shape in enumerate(shapes)])
    return made


def picked(made, x, y, reach=0.0):
    return [entry.id for entry in made.pick(x, y, reach=reach)]


def test_the_smallest_is_picked_first():
    made = scene(Box(0, 0, 100, 100), Box(20, 20, 60, 60), Box(200, 200, 300, 300))
    assert picked(made, 30, 30) == [2, 1]
    assert picked(made, 80, 80) == [1]
    assert picked(made, 150, 150) == []


def test_picking_goes_by_the_shape_not_by_its_bounds():
    bits = np.zeros((50, 50), bool)
    bits[:10] = True
    made = scene(Mask(200, 0, bits), Polygons((Part(RING, (HOLE,)),)))
    assert picked(made, 220, 5) == [1]
    assert picked(made, 220, 30) == []
    assert picked(made, 20, 20) == [2]
    assert picked(made, 50, 50) == []
    assert picked(made, 220, 12, reach=3) == [1]
    assert picked(made, -2, 50, reach=3) == [2]


def test_hidden_and_locked_ones_are_not_picked_and_hidden_ones_not_painted():
    made = scene(Box(0, 0, 10, 10), Box(0, 0, 20, 20), Box(0, 0, 30, 30))
    made.set_categories(
        {
            1: Category(1, "a", "#102030", hidden=True),
            2: Category(2, "b", "#405060", locked=True),
            3: Category(3, "c", "#708090"),
        }
    )
    assert picked(made, 5, 5) == [3]
    assert made.inside(-1, -1, 50, 50) == [3]
    assert made.painted((0, 0, 50, 50)).tolist() == [2, 1]
    assert made.color(3) == (0x70, 0x80, 0x90)


def test_entries_come_change_and_go():
    made = scene(Box(0, 0, 10, 10), Box(20, 20, 40, 40))
    version = made.version
    made.put(Annotation(2, 1, 1, Box(50, 50, 60, 60)))
    made.put(Annotation(7, 1, 1, Polygons((Part(RING),))))
    assert made.box_of(2) == (50, 50, 60, 60)
    assert len(made) == 3
    made.remove(1)
    made.remove(99)
    assert made.box_of(1) is None
    assert [made.box_of(key) for key in (2, 7)] == [(50, 50, 60, 60), (0, 0, 100, 100)]
    assert made.version > version


def test_outlines_follow_a_change():
    made = scene(Polygons((Part(RING),)), Box(0, 0, 5, 5), Mask(10, 10, np.ones((4, 4), bool)))
    before = made.outlines(0)
    assert made.outlines(0) is before
    assert before.first_ring.tolist() == [0, 1, 1, 2]
    made.put(Annotation(1, 1, 1, Polygons((Part(RING + 7),))))
    assert np.array_equal(made.outlines(0).points[:4], (RING + 7).astype(np.float32))
