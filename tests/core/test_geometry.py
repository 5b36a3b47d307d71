"""Geometry: shapes and pixels, by worked numbers and by properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labeler.core import geometry
from labeler.core.geometry import Corner
from labeler.core.records import Box, Mask, Part, Polygons
from labeler.core.rings import distances_to_edges

SQUARE = np.array([(2.0, 2.0), (10.0, 2.0), (10.0, 8.0), (2.0, 8.0)])
HOLE = np.array([(4.0, 4.0), (6.0, 4.0), (6.0, 6.0), (4.0, 6.0)])
FRAME = Polygons((Part(SQUARE, (HOLE,)),))

masks = st.builds(
    Mask,
    st.integers(-6, 20),
    st.integers(-6, 20),
    arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14))),
)
finite = st.floats(-30.0, 60.0, width=32)
rings = st.lists(st.tuples(finite, finite), min_size=3, max_size=9).map(
    lambda p: np.array(p, dtype=np.float64)
)
sides = st.floats(0.01, 1e4)
centre_sizes = st.lists(st.tuples(finite, finite, sides, sides), min_size=1, max_size=9).map(np.array)


def naive_pixels(ring, size):
    """Even-odd at every pixel centre, one at a time."""
    inside = np.zeros(size, dtype=bool)
    for row in range(size[0]):
        for column in range(size[1]):
            x, y = column + 0.5, row + 0.5
            for a, b in zip(ring.tolist(), np.roll(ring, -1, axis=0).tolist(), strict=True):
                (ax, ay), (bx, by) = sorted((a, b), key=lambda point: point[1])
                if ay <= y < by and ax + (y - ay) * ((bx - ax) / (by - ay)) <= x:
                    inside[row, column] ^= True
    return inside


def test_deltas_decode_to_the_worked_box():
    box = geometry.decode_deltas([(0.1, -0.2, 0.3, -0.1)], [(120, 240, 80, 100)])
    assert np.round(box).tolist() == [[128, 220, 108, 90]]


def test_deltas_of_the_worked_box_encode_back():
    anchor = [(120, 240, 80, 100)]
    deltas = [(0.1, -0.2, 0.3, -0.1)]
    assert geometry.encode_deltas(geometry.decode_deltas(deltas, anchor), anchor) == pytest.approx(
        np.array(deltas), abs=1e-12
    )


@given(centre_sizes, st.tuples(finite, finite, sides, sides))
def test_deltas_undo_each_other(boxes, anchor):
    anchors = np.tile(anchor, (len(boxes), 1))
    back = geometry.decode_deltas(geometry.encode_deltas(boxes, anchors), anchors)
    assert np.allclose(back, boxes, rtol=1e-9, atol=1e-6)


def test_deltas_of_an_empty_box_are_refused():
    with pytest.raises(ValueError, match="width and height above 0"):
        geometry.encode_deltas([(5, 5, 0, 3)], [(5, 5, 2, 2)])


@given(centre_sizes)
def test_box_forms_undo_each_other(boxes):
    xyxy = geometry.cxcywh_to_xyxy(boxes)
    xywh = geometry.cxcywh_to_xywh(boxes)
    for back in (
        geometry.xyxy_to_cxcywh(xyxy),
        geometry.xywh_to_cxcywh(xywh),
        geometry.xyxy_to_cxcywh(geometry.xywh_to_xyxy(xywh)),
        geometry.xywh_to_cxcywh(geometry.xyxy_to_xywh(xyxy)),
    ):
        assert np.allclose(back, boxes, atol=1e-9)


def test_box_forms_by_hand():
    assert geometry.xyxy_to_xywh([(1, 2, 5, 10)]).tolist() == [[1, 2, 4, 8]]
    assert geometry.xyxy_to_cxcywh([(1, 2, 5, 10)]).tolist() == [[3, 6, 4, 8]]
    assert geometry.xyxy_to_xywh([]).shape == (0, 4)


def test_boxes_of_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape \(N, 4\), not \(2, 3\)"):
        geometry.xyxy_to_xywh(np.zeros((2, 3)))


def test_area_of_a_frame_is_the_square_less_its_hole():
    assert geometry.area(FRAME) == 8 * 6 - 4


def test_area_of_an_inverted_box_is_that_of_its_rectangle():
    assert geometry.area(Box(10, 10, 4, 7)) == 18


def test_bounds_of_every_kind():
    assert geometry.bounds(FRAME) == Box(2, 2, 10, 8)
    assert geometry.bounds(Box(5, 6, 1, 2)) == Box(1, 2, 5, 6)
    bits = np.zeros((5, 6), dtype=bool)
    bits[2, 3] = True
    assert geometry.bounds(Mask(10, 20, bits)) == Box(13, 22, 14, 23)
    assert geometry.bounds(Polygons(())) == Box(0, 0, 0, 0)


def test_contains_respects_holes_and_half_open_edges():
    assert geometry.contains(FRAME, 3, 3)
    assert not geometry.contains(FRAME, 5, 5)
    assert geometry.contains(Box(0, 0, 2, 2), 0, 0)
    assert not geometry.contains(Box(0, 0, 2, 2), 2, 1)
    mask = Mask(4, 5, np.array([[True, False]]))
    assert geometry.contains(mask, 4.9, 5.9)
    assert not geometry.contains(mask, 5.0, 5.5)
    assert not geometry.contains(mask, 3.99, 5.5)


def test_box_holds_the_pixels_whose_centres_it_holds():
    mask = geometry.rasterise(Box(0.5, 0.51, 2.5, 2.6), size=(10, 10))
    assert (mask.x, mask.y, mask.bits.shape) == (0, 1, (2, 2))


def test_frame_keeps_its_hole_as_pixels():
    bits = geometry.to_bits(geometry.rasterise(FRAME, size=(12, 12)), (12, 12))
    assert bits.sum() == 44
    assert not bits[4:6, 4:6].any()


def test_overlapping_parts_are_united():
    shape = Polygons((Part(SQUARE), Part(SQUARE + 2)))
    assert geometry.rasterise(shape, size=(20, 20)).bits.sum() == 2 * 48 - 6 * 4


@settings(max_examples=60)
@given(rings)
def test_pixels_of_a_ring_are_those_of_every_centre_tried(ring):
    mask = geometry.rasterise(Polygons((Part(ring),)), size=(24, 28))
    assert np.array_equal(geometry.to_bits(mask, (24, 28)), naive_pixels(ring, (24, 28)))


@settings(max_examples=60)
@given(rings, finite, finite)
def test_neighbours_that_share_edges_neither_overlap_nor_leave_gaps(ring, x, y):
    """A fan of triangles around any point covers, counted mod 2, exactly what the ring does."""
    total = np.zeros((24, 28), dtype=bool)
    for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        triangle = Polygons((Part(np.array([(x, y), a, b])),))
        total ^= geometry.to_bits(geometry.rasterise(triangle, size=total.shape), total.shape)
    whole = geometry.rasterise(Polygons((Part(ring),)), size=total.shape)
    assert np.array_equal(total, geometry.to_bits(whole, total.shape))


def test_a_polygon_far_outside_costs_nothing_and_is_empty():
    ring = np.array([(1e9, 1e9), (2e9, 1e9), (2e9, 2e9)])
    assert geometry.rasterise(Polygons((Part(ring),)), size=(50, 50)).bits.size == 0


def test_a_huge_polygon_fills_the_image():
    ring = np.array([(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)])
    assert geometry.rasterise(Polygons((Part(ring),)), size=(50, 60)).bits.sum() == 3000


def test_points_that_are_not_finite_are_refused():
    ring = np.array([(0.0, 0.0), (np.nan, 1.0), (2.0, 2.0)])
    with pytest.raises(ValueError, match="not finite"):
        geometry.rasterise(Polygons((Part(ring),)), size=(5, 5))


@given(masks)
def test_outline_rasterises_to_exactly_the_same_mask(mask):
    size = (40, 40)
    expected = geometry.rasterise(mask, size=size)
    assert geometry.rasterise(geometry.outline(mask), size=size) == expected
    assert geometry.area(geometry.outline(mask)) == geometry.area(mask)


def test_outline_gives_parts_with_their_holes():
    bits = np.zeros((12, 20), dtype=bool)
    bits[1:8, 1:8] = True
    bits[3:5, 3:5] = False
    bits[4:9, 12:18] = True
    outline = geometry.outline(Mask(100, 200, bits))
    assert [len(part.holes) for part in outline.parts] == [1, 0]
    assert outline.parts[0].outer.tolist() == [[101, 201], [108, 201], [108, 208], [101, 208]]
    assert sorted(map(tuple, outline.parts[0].holes[0].tolist())) == [
        (103, 203), (103, 205), (105, 203), (105, 205),
    ]  # fmt: skip


def test_an_island_in_a_hole_is_a_part_of_its_own():
    bits = np.ones((9, 9), dtype=bool)
    bits[1:8, 1:8] = False
    bits[3:6, 3:6] = True
    assert [len(part.holes) for part in geometry.outline(Mask(0, 0, bits)).parts] == [1, 0]


def test_outline_of_an_empty_mask_has_no_parts():
    assert geometry.outline(Mask(0, 0, np.zeros((4, 4), dtype=bool))).parts == ()


def test_tolerance_drops_points_and_stays_near():
    y, x = np.mgrid[:200, :200]
    disc = Mask(0, 0, (x - 100) ** 2 + (y - 100) ** 2 < 80**2)
    exact, simple = geometry.outline(disc), geometry.outline(disc, tolerance=1.5)
    assert len(simple.parts[0].outer) < len(exact.parts[0].outer) / 5
    again = geometry.to_bits(geometry.rasterise(simple, size=(200, 200)), (200, 200))
    distance = np.abs(np.hypot(x - 100, y - 100) - 80)
    assert distance[again ^ disc.bits].max() < 3


@given(masks)
def test_crop_paste_and_whole_images_agree(mask):
    size = (30, 32)
    whole = geometry.to_bits(mask, size)
    assert np.array_equal(geometry.crop(mask, 3, 4, 20, 22), whole[4:22, 3:20])
    again = geometry.from_bits(whole)
    assert again == geometry.rasterise(mask, size=size)
    assert again == geometry.tight(again)
    target = np.zeros(size, dtype=bool)
    target[0, 0] = True
    geometry.paste(mask, target)
    whole[0, 0] = True
    assert np.array_equal(target, whole)


def test_moving_drops_the_origin_text():
    moved = geometry.translated(Box(1, 2, 3, 4, origin=b"[1,2,2,2]"), 0.5, -1)
    assert moved == Box(1.5, 1, 3.5, 3)


@given(masks, st.integers(-9, 9), st.integers(-9, 9))
def test_moving_there_and_back_changes_nothing(mask, dx, dy):
    assert geometry.translated(geometry.translated(mask, dx, dy), -dx, -dy) == mask
    frame = geometry.translated(geometry.translated(FRAME, dx, dy), -dx, -dy)
    assert frame == FRAME


def test_resizing_maps_the_box_and_its_polygon_alike():
    target = Box(0, 0, 16, 3)
    assert geometry.resized(Box(2, 2, 10, 8), Box(2, 2, 10, 8), target) == target
    resized = geometry.resized(FRAME, geometry.bounds(FRAME), target)
    assert geometry.bounds(resized) == target
    assert geometry.area(resized) == pytest.approx(44)


def test_resizing_a_mask_doubles_its_pixels():
    mask = Mask(3, 4, np.array([[True, False], [True, True]]))
    doubled = geometry.resized(mask, Box(3, 4, 5, 6), Box(3, 4, 7, 8))
    assert doubled == Mask(3, 4, np.kron(mask.bits, np.ones((2, 2), dtype=bool)))


def test_an_inverted_target_mirrors_a_mask():
    mask = Mask(0, 0, np.array([[True, True, False, True], [True, False, False, False]]))
    mirrored = geometry.resized(mask, Box(0, 0, 4, 2), Box(4, 0, 0, 2))
    assert mirrored == Mask(0, 0, mask.bits[:, ::-1])


def test_a_flat_box_cannot_be_resized():
    with pytest.raises(ValueError, match="without width or height"):
        geometry.resized(Box(1, 1, 1, 5), Box(1, 1, 1, 5), Box(0, 0, 2, 2))


@given(rings)
def test_clipping_changes_no_pixel_of_the_image(ring):
    size = (24, 28)
    shape = Polygons((Part(ring),))
    clipped = geometry.clipped(shape, size)
    if clipped.parts:
        box = geometry.bounds(clipped)
        assert 0 <= box.x0 <= box.x1 <= 28
        assert 0 <= box.y0 <= box.y1 <= 24
    before, after = (geometry.to_bits(geometry.rasterise(s, size=size), size) for s in (shape, clipped))
    for row, column in np.argwhere(before ^ after).tolist():
        # a cut edge is computed anew, so a pixel centre that it meets exactly may change sides
        assert distances_to_edges(ring, column + 0.5, row + 0.5)[0].min() < 1e-6


def test_what_lies_inside_is_given_back_as_it_is():
    assert geometry.clipped(FRAME, (20, 20)) is FRAME
    assert geometry.clipped(Box(-3, 1, 5, 40), (20, 30)) == Box(0, 1, 5, 20)
    assert geometry.clipped(Polygons((Part(SQUARE + 100),)), (20, 20)) == Polygons(())


def test_nearest_vertex_and_edge():
    assert geometry.nearest_vertex(FRAME, 6.5, 6.5) == (Corner(0, 1, 2), pytest.approx(np.sqrt(0.5)))
    corner, point, distance = geometry.nearest_edge(FRAME, 7, 1)
    assert (corner, point, distance) == (Corner(0, 0, 0), (7.0, 2.0), 1.0)
    assert geometry.nearest_vertex(Polygons(()), 0, 0) is None
    assert geometry.nearest_edge(Polygons(()), 0, 0) is None


def test_vertices_move_come_and_go():
    moved = geometry.moved_vertex(FRAME, Corner(0, 1, 0), 4.5, 4.5)
    assert moved.parts[0].holes[0][0].tolist() == [4.5, 4.5]
    assert FRAME.parts[0].holes[0][0].tolist() == [4, 4]
    inserted = geometry.inserted_vertex(FRAME, Corner(0, 0, 3), 1.0, 5.0)
    assert inserted.parts[0].outer[4].tolist() == [1.0, 5.0]
    assert geometry.deleted_vertex(inserted, Corner(0, 0, 4)) == FRAME


def test_a_ring_of_two_points_goes():
    triangle = Polygons((Part(SQUARE, (HOLE[:3],)),))
    assert geometry.deleted_vertex(triangle, Corner(0, 1, 1)) == Polygons((Part(SQUARE),))
    assert geometry.deleted_vertex(Polygons((Part(SQUARE[:3]),)), Corner(0, 0, 0)) == Polygons(())
