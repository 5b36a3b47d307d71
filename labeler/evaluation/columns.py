"""Labels and predictions as columns, and as the mask and box lists that COCO's evaluation reads.

Boxes and areas are the exact numbers of the file that a shape was read from, where it has some: a box is
compared as x, y, width and height, and a sum of rounded corners would not be the same number.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from labeler.core import geometry
from labeler.core.records import Annotation, Box, Candidate, Mask, Polygons, Shape
from labeler.core.rle import mask_to_rle
from labeler.evaluation.findings import By, Flags, Floats, Ids, Places
from labeler.formats.coco.coco_writing import exported_ids
from labeler.formats.spec import Dataset

LIMIT = 100
"""The most predictions of an image and category that count: the most confident ones."""


class Sheet(Struct, frozen=True, eq=False):
    """What the images and categories are: both by rising id of the file."""

    image_ids: Ids
    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    """(H, W) of each image, of what lies on it where the file does not say."""
    category_ids: tuple[int, ...]
    category_names: tuple[str, ...]
    image_places: Mapping[int, int]
    """Our id to the place of the image."""
    category_places: Mapping[int, int]


class ObjectColumns(Struct, frozen=True, eq=False):
    """The N objects of one side, image by image in the order of their file."""

    ids: Ids
    images: Places
    categories: Places
    boxes: Floats
    """(N, 4) x, y, width, height."""
    areas: Floats
    masks: list[Any]
    """Run-length masks as pycocotools writes them; [] where boxes are compared."""
    crowd: Flags
    confidences: Floats
    """(N,); 0 for truths."""

    def rows(self) -> list[dict[str, Any]]:
        """As the annotations of a COCO file, ids being places counted from 1.

        COCO's evaluation takes an object with the id 0 for none, so the ids of the file are not used.
        """
        columns = zip(
            self.images.tolist(),
            self.categories.tolist(),
            self.boxes.tolist(),
            self.areas.tolist(),
            self.crowd.tolist(),
            self.confidences.tolist(),
            strict=True,
        )
        rows = [
            {
                "id": number,
                "image_id": image + 1,
                "category_id": category + 1,
                "bbox": box,
                "area": area,
                "iscrowd": int(crowd),
                "score": confidence,
            }
            for number, (image, category, box, area, crowd, confidence) in enumerate(columns, 1)
        ]
        for row, mask in zip(rows, self.masks, strict=False):
            row["segmentation"] = mask
        return rows


def sheet(truths: Dataset, predictions: Sequence[Candidate]) -> Sheet:
    """The images and categories of a labels file."""
    image_ids, category_ids = exported_ids(truths.images), exported_ids(truths.categories)
    images = sorted(truths.images, key=lambda image: image_ids[image.id])
    categories = sorted(truths.categories, key=lambda category: category_ids[category.id])
    unsized = {image.id for image in images if not image.width}
    extents: dict[int, tuple[int, int]] = dict.fromkeys(unsized, (1, 1))
    items: tuple[Annotation | Candidate, ...] = (*truths.annotations, *predictions) if unsized else ()
    for item in items:
        if item.image_id in unsized:
            box, (height, width) = geometry.bounds(item.shape), extents[item.image_id]
            extents[item.image_id] = max(height, ceil(box.y1)), max(width, ceil(box.x1))
    return Sheet(
        np.array([image_ids[image.id] for image in images], dtype=np.int64),
        tuple(image.path for image in images),
        tuple(extents.get(image.id, (image.height, image.width)) for image in images),
        tuple(category_ids[category.id] for category in categories),
        tuple(category.name for category in categories),
        {image.id: place for place, image in enumerate(images)},
        {category.id: place for place, category in enumerate(categories)},
    )


def truth_columns(annotations: Sequence[Annotation], on: Sheet, by: By) -> ObjectColumns:
    """The annotations; their area is the file's, which counts an object's pixels beside a box too."""
    ids = exported_ids(annotations)
    order = sorted(range(len(annotations)), key=lambda at: on.image_places[annotations[at].image_id])
    ordered = [annotations[at] for at in order]
    written = [_written(item.shape) for item in ordered]
    areas = [
        geometry.area(item.shape) if text.area is None else text.area
        for item, text in zip(ordered, written, strict=True)
    ]
    return _columns(
        ordered,
        written,
        on,
        by,
        ids=[ids[item.id] for item in ordered],
        areas=areas,
        crowd=[item.crowd for item in ordered],
        confidences=[0.0] * len(ordered),
    )


def prediction_columns(candidates: Sequence[Candidate], on: Sheet, by: By) -> ObjectColumns:
    """The predictions that count, by falling confidence; those without a category are left out.

    Of equal confidence comes first the lower image id, then the order given. The area is the box's where
    the results give one, as pycocotools has it, else the mask's.
    """
    images = np.array([on.image_places[item.image_id] for item in candidates], dtype=np.int32)
    categories = np.array([on.category_places.get(item.category_id, -1) for item in candidates], np.int32)
    confidences = np.array([item.confidence for item in candidates], dtype=np.float64)
    order = np.lexsort((images, -confidences))
    order = order[categories[order] >= 0]
    group = images[order].astype(np.int64) * max(len(on.category_ids), 1) + categories[order]
    order = order[ranks(group) < LIMIT]
    kept = [candidates[at] for at in order.tolist()]
    return _columns(
        kept,
        [_written(item.shape) for item in kept],
        on,
        by,
        ids=[item.id for item in kept],
        areas=None,
        crowd=[False] * len(kept),
        confidences=confidences[order].tolist(),
    )


def ranks(groups: Ids) -> Ids:
    """(N,) the place of each item among those of its group, counted from 0 in the order given."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else order
    lengths = np.diff(np.r_[begins, len(ordered)])
    found = np.empty(len(groups), dtype=np.int64)
    found[order] = np.arange(len(ordered)) - np.repeat(begins, lengths)
    return found


class _Written(Struct, frozen=True):
    """The numbers that stand in the file."""

    bbox: tuple[float, float, float, float] | None = None
    area: float | None = None
    segmentation: Any = None


_NOTHING = _Written()
_decode = msgspec.json.Decoder(_Written).decode


def _written(shape: Shape) -> _Written:
    return _decode(shape.origin) if shape.origin else _NOTHING


def _columns(
    items: Sequence[Annotation | Candidate],
    written: Sequence[_Written],
    on: Sheet,
    by: By,
    *,
    ids: Sequence[int],
    areas: Sequence[float] | None,
    crowd: Sequence[bool],
    confidences: Sequence[float],
) -> ObjectColumns:
    images = [on.image_places[item.image_id] for item in items]
    boxes = np.array(
        [text.bbox or _bbox(item.shape) for item, text in zip(items, written, strict=True)], dtype=np.float64
    ).reshape(-1, 4)
    masks: list[Any] = []
    found = boxes[:, 2] * boxes[:, 3] if areas is None else np.array(areas, dtype=np.float64)
    if by == "mask":
        masks = [
            _mask(item.shape, text, on.sizes[at])
            for item, text, at in zip(items, written, images, strict=True)
        ]
        if areas is None:
            bare = np.array([text.bbox is None for text in written], dtype=np.bool_)
            found = np.where(bare, _pixels(masks), found)
    return ObjectColumns(
        np.array(ids, dtype=np.int64),
        np.array(images, dtype=np.int32),
        np.array([on.category_places[item.category_id] for item in items], dtype=np.int32),
        boxes,
        found,
        masks,
        np.array(crowd, dtype=np.bool_),
        np.array(confidences, dtype=np.float64),
    )


def _bbox(shape: Shape) -> tuple[float, float, float, float]:
    box = geometry.bounds(shape)
    return box.x0, box.y0, box.width, box.height


def _mask(shape: Shape, written: _Written, size: tuple[int, int]) -> Any:
    """The run-length mask of a shape as COCO's own tools fill it, which is not how we do: see `rasterise`."""
    from pycocotools import mask  # noqa: PLC0415 - only who evaluates pays for it

    height, width = size
    told = written.segmentation
    if isinstance(shape, Mask) and isinstance(told, dict) and told["size"] == [height, width]:
        return told if isinstance(told["counts"], str) else mask.frPyObjects(told, height, width)
    if isinstance(shape, Box):
        corners = [shape.x0, shape.y0, shape.x0, shape.y1, shape.x1, shape.y1, shape.x1, shape.y0]
        return mask.merge(mask.frPyObjects([corners], height, width))
    if isinstance(shape, Polygons) and not any(part.holes for part in shape.parts):
        rings = [part.outer.ravel().tolist() for part in shape.parts]
        return mask.merge(mask.frPyObjects(rings, height, width))
    filled = geometry.rasterise(shape, size=size)
    runs = {"size": [height, width], "counts": mask_to_rle(filled, size)}
    return mask.frPyObjects(runs, height, width)


def _pixels(masks: list[Any]) -> Floats:
    from pycocotools import mask  # noqa: PLC0415 - only who evaluates pays for it

    # one by one, since for more than 255 together pycocotools fails with numpy 2
    return np.array([mask.area(one) for one in masks], dtype=np.float64)
