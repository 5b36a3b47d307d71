"""Shapes made such as a format can hold them, and what of each is lost by that, before anything is written.

So no format decides by itself what becomes of a hole or a mask, and what an export loses is told in one way,
by the same words, before it is written as after.
"""

import re
from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Raw
from msgspec.structs import replace

from labeler.core.geometry import bounds, outline, rasterise
from labeler.core.records import Annotation, Box, Category, Image, Mask, Part, Polygons, Shape
from labeler.core.seams import linked, seamed
from labeler.formats.coco.shape_writing import CUT, shown_part
from labeler.formats.gates import RefusalError, packed
from labeler.formats.image_paths import folded
from labeler.formats.report import FieldNote, Ledger
from labeler.formats.spec import Dataset, Holds, ShapeKind
from labeler.formats.write_options import Writing

_KIND: dict[type, ShapeKind] = {Box: "box", Polygons: "polygons", Mask: "mask"}
_NEAREST: dict[ShapeKind, Sequence[ShapeKind]] = {
    "box": ("box", "polygons", "mask"),
    "polygons": ("polygons", "mask", "box"),
    "mask": ("mask", "polygons", "box"),
}
"""What a shape becomes, the first of these that the format can hold."""

BOX_OF_OUTLINE = "Is an outline, of which only the box is written."
BOX_OF_MASK = "Is a mask, of which only the box is written."
OUTLINE_OF_BOX = "Is a box, written as the outline of a rectangle."
OUTLINE_OF_MASK = "Is a mask, written as outlines along its pixels."
PIXELS = "Is no mask; its pixels are written."
FILLED = "Has holes, which are written filled."
SEAMED = "Has holes, so it is one ring through a seam."
JOINED = "Has several parts, which are joined by seams to one ring."
CROWD = "Is a crowd, which is written as one object."
EMPTY = "Has no objects, which the format has no place for; left out."
ONE_NAME = "“{}” has the name of “{}” in this format: the two are one category where it is read; rename one."
SKELETON = "“{}” has a skeleton, the lines between its keypoints, which is left out."
NOTHING = "“{}” means “nothing” in this format: its objects are gone where it is read; rename it."
REVIEWED = "Which images are reviewed is not written: the format has no place for it."

_NO_LOSS = re.compile(r"^(?:id|area|iscrowd|segmentation|bbox|image_id|category_id|labeler.*|score)$")
"""Keys beside an object that say nothing which its shape does not, or that are ours."""


def fitted(
    dataset: Dataset, holds: Holds, writing: Writing
) -> tuple[Dataset, tuple[FieldNote, ...], dict[str, int]]:
    """The data set as a format can hold it, what that loses, and how many of each list there were before.

    What lies outside its image, or has no extent, is refused as an export to COCO refuses it. Notes count
    the places in the lists of `dataset`.
    """
    ledger = Ledger()
    _note_names(dataset.categories, holds, ledger)
    for index, category in enumerate(dataset.categories):
        if b'"skeleton"' in category.extra and not holds.skeleton(category):
            ledger.note("told", "categories", index, "skeleton", SKELETON.format(category.name))
    sizes = {image.id: (image.height, image.width) for image in dataset.images}
    kept: list[Annotation] = []
    for index, annotation in enumerate(dataset.annotations):
        size = sizes.get(annotation.image_id)
        if size is None:  # as `export.gathered` has told already
            continue
        try:
            shape, told = _fitted_shape(annotation.shape, size, holds, writing)
        except RefusalError as refusal:
            ledger.note("refused", "annotations", index, refusal.field, refusal.sentence)
            continue
        fit = replace(annotation, shape=shape)
        fit, left = _without(fit, holds)
        for sentence in (*told, *left):
            ledger.note("told", "annotations", index, "", sentence)
        kept.append(fit)
    images = dataset.images if holds.empty_images else _labelled(dataset.images, kept, ledger)
    if not holds.reviewed and any(image.reviewed for image in images):
        ledger.note("told", "file", None, "", REVIEWED)
    totals = {name: len(getattr(dataset, name)) for name in ("images", "categories", "annotations")}
    return replace(dataset, images=images, annotations=tuple(kept)), ledger.notes, totals


def _note_names(categories: Sequence[Category], holds: Holds, ledger: Ledger) -> None:
    """Tell of the categories that will be one with another where the format is read, or nothing."""
    first: dict[str, str] = {}
    for index, category in enumerate(categories):
        name = folded(holds.spelled(category.name))
        if not name:
            ledger.note("told", "categories", index, "name", NOTHING.format(category.name))
        elif name in first:
            sentence = ONE_NAME.format(category.name, first[name])
            ledger.note("told", "categories", index, "name", sentence)
        first.setdefault(name, category.name)


def _labelled(images: Sequence[Image], kept: Sequence[Annotation], ledger: Ledger) -> tuple[Image, ...]:
    """The images with objects; the others are told of."""
    with_objects = {one.image_id for one in kept}
    for index, image in enumerate(images):
        if image.id not in with_objects:
            ledger.note("skipped", "images", index, "width", EMPTY)
    return tuple(image for image in images if image.id in with_objects)


def _fitted_shape(
    shape: Shape, size: tuple[int, int], holds: Holds, writing: Writing
) -> tuple[Shape, tuple[str, ...]]:
    inside = shown_part(shape, size)
    shown = inside if writing.clip else shape
    told = (CUT,) if shown is not shape else ()
    kind = next(one for one in _NEAREST[_KIND[type(shape)]] if one in holds.shapes)
    if kind == "box":
        said = {Box: (), Polygons: (BOX_OF_OUTLINE,), Mask: (BOX_OF_MASK,)}[type(shown)]
        return (shown if isinstance(shown, Box) else bounds(shown)), (*told, *said)
    if kind == "mask":
        if isinstance(shown, Mask):
            return shown, told
        mask = rasterise(shown, size=size)
        if not mask.bits.any():
            raise RefusalError("segmentation", "It has no pixels on the image.")
        return mask, (*told, PIXELS)
    if isinstance(shown, Box):
        corners = [(shown.x0, shown.y0), (shown.x1, shown.y0), (shown.x1, shown.y1), (shown.x0, shown.y1)]
        return Polygons((Part(np.array(corners)),)), (*told, OUTLINE_OF_BOX)
    rings = shown
    if isinstance(shown, Mask):
        near = outline(shown, tolerance=writing.tolerance)
        rings = near if near.parts else outline(shown)
        told = (*told, OUTLINE_OF_MASK)
    assert isinstance(rings, Polygons)
    return _fitted_rings(rings, holds, writing, told)


def _fitted_rings(
    shape: Polygons, holds: Holds, writing: Writing, told: tuple[str, ...]
) -> tuple[Polygons, tuple[str, ...]]:
    """Polygons whose holes and parts the format can hold."""
    if not holds.holes and any(part.holes for part in shape.parts):
        fill = writing.holes == "fill"
        parts = tuple(Part(part.outer if fill else seamed(part)) for part in shape.parts)
        shape, told = replace(shape, parts=parts), (*told, FILLED if fill else SEAMED)
    if not holds.parts and len(shape.parts) > 1:
        ring = linked([part.outer for part in shape.parts])
        shape, told = replace(shape, parts=(Part(ring),)), (*told, JOINED)
    return shape, told


def _without(annotation: Annotation, holds: Holds) -> tuple[Annotation, list[str]]:
    """An object without what the format has no place for, and what that is."""
    left = []
    if annotation.crowd and not holds.crowds:
        annotation = replace(annotation, crowd=False)
        left.append(CROWD)
    if annotation.attributes and not holds.attributes:
        left.append(f"Has attributes ({_listed(annotation.attributes)}), which are left out.")
        annotation = replace(annotation, attributes={})
    if annotation.extra and not holds.extra:
        found = msgspec.json.decode(annotation.extra, type=dict[str, Raw])
        if keys := [key for key in found if key not in holds.keys and not _NO_LOSS.match(key)]:
            left.append(f"Has more in its file ({_listed(keys)}), which is left out.")
        kept = {key: raw for key, raw in found.items() if key in holds.keys}
        annotation = replace(annotation, extra=packed(kept))
    return annotation, left


def _listed(names: Sequence[str] | dict[str, object]) -> str:
    shown = sorted(names)[:3]
    more = len(names) - len(shown)
    return ", ".join(f"“{name}”" for name in shown) + (f" and {more} more" if more else "")
