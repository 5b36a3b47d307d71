"""Live agreement of 4-megapixel masks, and masks to run lengths: rows 5, 6 and 7 of the goals."""

import numpy as np
import pytest
from pycocotools import mask as coco

from labeler.core import geometry, rle
from labeler.core.measures import overlap
from labeler.core.measures.overlap import Overlap
from labeler.core.records import Mask
from tests.benchmarks.harness import compare, report

pytestmark = pytest.mark.benchmark

SIZE = (2048, 2048)
RADII = {"big": 611.0, "typical": 155.0}
"""Discs of 28 % and of 1.8 % of the image."""


def disc(radius, x=1024.0, y=1024.0):
    """A disc with a hole and a ragged rim, as a whole image."""
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    distance = np.hypot(columns - x, rows - y)
    rim = radius * (1 + 0.03 * np.sin(40 * np.arctan2(rows - y, columns - x)))
    return (distance < rim) & (distance > radius * 0.1)


def by_numpy(a, b):
    """What the live agreement would be without crops, counters and packed calls."""
    shared, union = (a & b).sum(), (a | b).sum()
    return shared / union, 2 * shared / (union + shared)


@pytest.fixture(params=RADII)
def pair(request):
    radius = RADII[request.param]
    return request.param, disc(radius), disc(radius * 0.98, 1030.0, 1018.0)


def test_a_new_pair_of_masks(pair):
    name, a, b = pair
    crop_a, crop_b = geometry.from_bits(a), geometry.from_bits(b)

    def ours():
        found = overlap.mask_overlap(crop_a, crop_b)
        return found.iou, found.dice

    assert ours() == pytest.approx(by_numpy(a, b), abs=1e-12)
    timings = compare({"numpy": lambda: by_numpy(a, b), "ours": ours}, baseline="numpy", inner=5)
    goal = 0.08 if name == "big" else 0.02
    report(
        f"5 IoU and Dice of a new 4 MP pair, {name}", f"<= {goal} x numpy, < 0.3 ms", timings.figure("ours")
    )
    assert timings.ratio("ours") <= goal


def test_a_brush_dab(pair):
    name, a, b = pair
    rng = np.random.default_rng(0)
    whole = overlap.mask_overlap(Mask(0, 0, a), Mask(0, 0, b))
    stamp = np.hypot(*np.mgrid[-32:33, -32:33]) <= 32
    dabs, painted, current = [], a.copy(), whole
    for _ in range(50):
        x, y = rng.integers(300, 1700, 2)
        window = np.s_[y : y + 65, x : x + 65]
        before = painted[window].copy()
        painted[window] = before | stamp if rng.random() < 0.5 else before & ~stamp
        dabs.append((before, painted[window].copy(), b[window].copy()))
        before, after, reference = dabs[-1]
        current = overlap.updated(current, before=before, after=after, reference=reference)
        assert (current.iou, current.dice) == pytest.approx(by_numpy(painted, b), abs=1e-12)

    def ours():
        found = whole
        for before, after, reference in dabs:
            found = overlap.updated(found, before=before, after=after, reference=reference)
            assert isinstance(found, Overlap)
        return found.iou, found.dice

    timings = compare({"numpy": lambda: by_numpy(a, b), "50 dabs": ours}, baseline="numpy")
    ratio, each = timings.ratio("50 dabs") / 50, timings.median_ms("50 dabs") / 50
    report(f"5 a brush dab, {name}", "<= 0.01 x numpy, < 0.05 ms", f"{ratio:.2g} x ({each:.2g} ms)")
    assert ratio <= 0.01


def test_boundary_iou_keeps_up_with_a_hand(pair):
    name, a, b = pair
    crop_a, crop_b = geometry.from_bits(a), geometry.from_bits(b)
    timings = compare(
        {
            "numpy IoU": lambda: by_numpy(a, b),
            "boundary": lambda: overlap.boundary_iou(crop_a, crop_b, image_size=SIZE),
        },
        baseline="numpy IoU",
    )
    report(f"boundary IoU, {name}", "reported", timings.figure("boundary"))


def test_an_edited_mask_against_200_predictions():
    rng = np.random.default_rng(1)
    edited = disc(RADII["typical"])
    crops = [geometry.from_bits(disc(rng.uniform(60, 220), *rng.uniform(200, 1848, 2))) for _ in range(200)]
    runs = [coco.encode(np.asfortranarray(geometry.to_bits(crop, SIZE).astype(np.uint8))) for crop in crops]
    crop = geometry.from_bits(edited)

    def ours():
        return overlap.mask_iou([crop], crops)[0]

    def theirs():
        return coco.iou([coco.encode(np.asfortranarray(edited.view(np.uint8)))], runs, [0] * 200)[0]

    assert ours() == pytest.approx(theirs(), abs=1e-12)
    timings = compare({"pycocotools": theirs, "ours": ours}, baseline="pycocotools")
    report("6 a mask against 200 predictions", "<= 0.2 x pycocotools", timings.figure("ours"))
    assert timings.ratio("ours") <= 0.2


def some_masks(radius):
    """Masks of a size, with holes, some of them cut by the image's edge."""
    rng = np.random.default_rng(2)
    places = [(1024.0, 1024.0), (0.0, 1024.0), (2047.0, 1500.0), (900.0, 0.0), (900.0, 2047.0)]
    return [disc(radius * rng.uniform(0.9, 1.1), *place) for place in places]


@pytest.mark.parametrize("name", RADII)
def test_a_mask_to_run_lengths(name):
    images = some_masks(RADII[name])
    crops = [geometry.from_bits(image) for image in images]

    def theirs():
        return [coco.encode(np.asfortranarray(image.view(np.uint8)))["counts"] for image in images]

    def ours():
        return [rle.compress(rle.mask_to_rle(crop, SIZE)) for crop in crops]

    assert ours() == theirs()
    timings = compare({"pycocotools": theirs, "ours": ours}, baseline="pycocotools")
    goal = 0.30 if name == "big" else 0.10
    report(f"7 a mask to COCO RLE, {name}", f"<= {goal} x pycocotools", timings.figure("ours"))
    assert timings.ratio("ours") <= goal
