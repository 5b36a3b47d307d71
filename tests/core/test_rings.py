"""Rings counted, measured and rastered, against each other and against plain loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from labeler.core.records import Points
from labeler.core.rings import ring_area, ring_bits, ring_pixels

# quarters of a pixel, so that corners and edges often lie exactly on centres of pixels
places = st.integers(-40, 120).map(lambda n: n / 4)
rings = arrays.arrays(np.float64, st.tuples(st.integers(3, 12), st.just(2)), elements=places)


@given(rings, st.integers(-5, 5), st.integers(-5, 5), st.tuples(st.integers(0, 30), st.integers(0, 30)))
def test_as_many_pixels_are_counted_as_are_made(ring: Points, x: int, y: int, shape: tuple[int, int]) -> None:
    assert ring_pixels(ring, x=x, y=y, shape=shape) == np.count_nonzero(
        ring_bits(ring, x=x, y=y, shape=shape)
    )


@given(rings)
def test_area_is_the_shoelace_formula(ring: Points) -> None:
    points = ring.tolist()
    double = sum(
        x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True)
    )
    assert ring_area(ring) == abs(double) / 2  # quarters of pixels are exact in floating point
