"""The law of every format in and out: what was fitted to it comes back, and nothing else is lost.

A format's test draws data sets with `datasets`, writes them with `came_back`, and compares with `agree`.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from msgspec.structs import replace
from PIL import Image as PillowImage

from labeler.core.geometry import bounds, rasterise, tight
from labeler.core.records import Annotation, Box, Category, Image, Mask, Part, Polygons, Shape
from labeler.formats import spec as formats_spec
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.fitting import fitted
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import Report
from labeler.formats.spec import Dataset, FormatSpec, PhotosAre
from labeler.formats.write_options import FOR_OTHERS

SIZES = ((40, 30), (64, 48), (17, 33))
"""Width and height of the photos that are drawn."""
NAMES = ("cat", "traffic light", "Straße", "猫", "a-b_c.d", "dog (small)")


def boxes(width: int, height: int) -> st.SearchStrategy[Box]:
    """Boxes of whole or odd fractions of pixels, inside the image, at least one pixel wide and high."""

    def corner(limit: int) -> st.SearchStrategy[tuple[float, float]]:
        return st.tuples(st.integers(0, (limit - 1) * 8), st.integers(8, limit * 8)).map(
            lambda pair: (
                min(pair[0] / 8, limit - 1.0),
                min(max(pair[1] / 8, pair[0] / 8 + 1.0), float(limit)),
            )
        )

    return st.builds(lambda x, y: Box(x[0], y[0], x[1], y[1]), corner(width), corner(height))


def polygons(
    width: int, height: int, *, holes: bool = True, parts: bool = True
) -> st.SearchStrategy[Polygons]:
    """Outlines of rectangles cut at one corner, with a hole now and then, one or two side by side."""

    def ring(box: Box, cut: float) -> np.ndarray:
        x0, y0, x1, y1 = box.x0, box.y0, box.x1, box.y1
        return np.array(
            [(x0, y0), (x1, y0), (x1, y1 - (y1 - y0) * cut), (x1 - (x1 - x0) * cut, y1), (x0, y1)]
        )

    @st.composite
    def drawn(draw: st.DrawFn) -> Polygons:
        half = width // 2
        count = draw(st.integers(1, 2)) if parts else 1
        made = []
        for place in range(count):
            left = draw(st.integers(0, half - 6)) + place * half
            right = draw(st.integers(left + 5, (place + 1) * half - 1))
            top = draw(st.integers(0, height - 8))
            box = Box(left + 0.25, top + 0.5, right + 0.25, draw(st.integers(top + 6, height - 1)) + 0.5)
            inner = ()
            if holes and draw(st.booleans()):
                w, h = box.width / 4, box.height / 4
                inner = (
                    np.array(
                        [
                            (box.x0 + w, box.y0 + h),
                            (box.x0 + w, box.y0 + 2 * h),
                            (box.x0 + 2 * w, box.y0 + 2 * h),
                            (box.x0 + 2 * w, box.y0 + h),
                        ]
                    ),
                )
            made.append(Part(ring(box, draw(st.sampled_from((0.125, 0.25)))), inner))
        return Polygons(tuple(made))

    return drawn()


def masks(width: int, height: int) -> st.SearchStrategy[Mask]:
    """Masks with at least one pixel, tight, anywhere on the image."""

    @st.composite
    def drawn(draw: st.DrawFn) -> Mask:
        w, h = draw(st.integers(1, min(12, width))), draw(st.integers(1, min(12, height)))
        bits = draw(arrays(np.bool_, (h, w)))
        bits[draw(st.integers(0, h - 1)), draw(st.integers(0, w - 1))] = True
        return tight(Mask(draw(st.integers(0, width - w)), draw(st.integers(0, height - h)), bits))

    return drawn()


@st.composite
def datasets(
    draw: st.DrawFn, kinds: Sequence[str] = ("box", "polygons", "mask"), *, most: int = 6
) -> Dataset:
    """Up to three photos with up to `most` objects each, in up to four categories of troublesome names."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    categories = tuple(Category(number, name, "", file_id=number) for number, name in enumerate(names, 1))
    images, annotations = [], []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        width, height = draw(st.sampled_from(SIZES))
        images.append(
            Image(number, draw(st.sampled_from(("", "sub/"))) + f"photo {number}ü.png", width, height)
        )
        shape = st.one_of(
            *[{"box": boxes, "polygons": polygons, "mask": masks}[kind](width, height) for kind in kinds]
        )
        for _ in range(draw(st.integers(0, most))):
            place = len(annotations) + 1
            category = draw(st.integers(1, len(names)))
            annotations.append(Annotation(place, number, category, draw(shape), file_id=place))
    return Dataset(tuple(images), categories, tuple(annotations))


def came_back(
    spec: FormatSpec,
    dataset: Dataset,
    *,
    photos: PhotosAre = "copied",
    parts: Mapping[int, str] | None = None,
) -> tuple[Dataset, Report, Dataset]:
    """What is read again of what was written, with the report, and what the format could hold of it.

    The photos are made, so that their sizes can be looked up. A format that is one file is written as one.
    """
    formats_spec.come_from(lambda: (spec,))
    try:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "photos"
            files = {image.id: root / image.path for image in dataset.images}
            for image in dataset.images:
                files[image.id].parent.mkdir(parents=True, exist_ok=True)
                PillowImage.new("RGB", (image.width, image.height), (90, 120, 60)).save(files[image.id])
            as_file = not spec.folder and photos == "left"
            out = Path(folder) / ("out" + (spec.suffixes[0] if as_file else ""))
            write_data_set(spec, Wanted(dataset, out, files, parts or {}, photos=photos))
            back, report, _ = read_placed_coco(
                out if spec.folder or as_file else _labels_in(out, spec),
                images=root if photos == "left" else None,
                source_format=spec.id,
            )
        held, _, _ = fitted(dataset, spec.holds, FOR_OTHERS)
        return back, report, held
    finally:
        formats_spec.come_from(tuple)


def _labels_in(folder: Path, spec: FormatSpec) -> Path:
    (path,) = [
        path for path in folder.rglob("*") if path.suffix in spec.suffixes and "images" not in path.parts
    ]
    return path


Object = tuple[str, str, Shape, bool]


def objects(dataset: Dataset) -> dict[tuple[str, str], list[Annotation]]:
    """The objects by the last part of their image's name without ending, and their category's name."""
    images = {image.id: PurePosixPath(image.path).stem for image in dataset.images}
    names = {category.id: category.name for category in dataset.categories}
    found: dict[tuple[str, str], list[Annotation]] = {}
    for one in dataset.annotations:
        found.setdefault((images[one.image_id], names[one.category_id]), []).append(one)
    return found


def agree(back: Dataset, held: Dataset, *, within: float = 1e-3, pixels: bool = False) -> None:
    """Assert that both have the same objects, by image and category, in any order.

    Corners of boxes and points of outlines may differ by `within` pixels; masks not by one pixel. With
    `pixels` outlines are compared by the pixels that they cover.
    """
    sizes = {PurePosixPath(image.path).stem: (image.height, image.width) for image in held.images}
    here, there = objects(back), objects(held)
    assert here.keys() == there.keys()
    for key, wanted in there.items():
        left = list(here[key])
        assert len(left) == len(wanted), key
        for one in wanted:
            place = next(
                (
                    n
                    for n, other in enumerate(left)
                    if alike(other.shape, one.shape, sizes[key[0]], within, pixels)
                ),
                None,
            )
            assert place is not None, (key, one.shape, [other.shape for other in left])
            del left[place]


def alike(a: Shape, b: Shape, size: tuple[int, int], within: float, pixels: bool) -> bool:
    """Whether two shapes are the same, of the same kind and within a distance; by pixels where asked."""
    if pixels or isinstance(a, Mask) or isinstance(b, Mask):
        if type(a) is not type(b) and not pixels:
            return False
        one, two = tight(rasterise(a, size=size)), tight(rasterise(b, size=size))
        return replace(one, origin=b"") == replace(two, origin=b"")
    if type(a) is not type(b):
        return False
    if isinstance(a, Box) or not isinstance(a, Polygons) or not isinstance(b, Polygons):
        one, two = bounds(a), bounds(b)
        return bool(
            np.allclose([one.x0, one.y0, one.x1, one.y1], [two.x0, two.y0, two.x1, two.y1], atol=within)
        )
    if len(a.parts) != len(b.parts):
        return False
    return all(
        len(p.holes) == len(q.holes)
        and all(map(lambda r, s: _same_ring(r, s, within), (p.outer, *p.holes), (q.outer, *q.holes)))
        for p, q in zip(a.parts, b.parts, strict=True)
    )


def _same_ring(a: np.ndarray, b: np.ndarray, within: float) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, atol=within))
