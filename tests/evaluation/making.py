"""Made labels and results in COCO's format, like those of a real detector, for tests and benchmarks."""

from typing import Any

import numpy as np
from pycocotools import mask

SIZE = 640, 480


def labels_and_results(
    *, images: int, objects: float, predictions: float, categories: int, seed: int, masks: bool = False
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """So many images with about so many objects and predictions each, as COCO labels and COCO results.

    Four predictions in five lie about an object, of its category mostly; one object in 50 is a crowd, some
    images are empty on either side, and scores have two digits, so that many are equal. With `masks` the
    shapes are octagons, those of results run-length encoded.
    """
    rng = np.random.default_rng(seed)
    truths: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    weights = rng.dirichlet(np.ones(categories))
    for image in range(1, images + 1):
        boxes = _boxes(rng, rng.poisson(objects))
        kinds = rng.choice(categories, len(boxes), p=weights) + 1
        for box, kind in zip(boxes, kinds, strict=True):
            crowd = int(rng.random() < 0.02)
            truth = {"id": len(truths) + 1, "image_id": image, "category_id": int(kind), "iscrowd": crowd}
            truths.append(truth | _shape(box, masks=masks))
        for _ in range(rng.poisson(predictions)):
            if len(boxes) and rng.random() < 0.8:
                place = rng.integers(len(boxes))
                noise = rng.normal(0, rng.choice([0.02, 0.1, 0.3]), 4) * np.tile(boxes[place, 2:], 2)
                box, kind = boxes[place] + noise, int(kinds[place])
                score = float(np.clip(rng.normal(0.85 - np.abs(noise / boxes[place, 2]).sum(), 0.15), 0, 1))
            else:
                box, kind, score = _boxes(rng, 1)[0], int(rng.integers(categories)) + 1, rng.beta(1, 4)
            box[2:] = np.maximum(box[2:], 2.0)
            box[:2] = np.clip(box[:2], 0, np.array(SIZE) - 2)
            kind = kind if rng.random() < 0.93 else int(rng.integers(categories)) + 1
            result = {"image_id": image, "category_id": kind, "score": round(score, 2)}
            shape = _shape(box, masks=masks)
            if masks:
                results.append(result | {"segmentation": run_lengths(shape["segmentation"], SIZE)})
            else:
                results.append(result | {"bbox": shape["bbox"]})
    width, height = SIZE
    return {
        "images": [
            {"id": number, "file_name": f"{number:06}.jpg", "width": width, "height": height}
            for number in range(1, images + 1)
        ],
        "categories": [{"id": number, "name": f"kind {number}"} for number in range(1, categories + 1)],
        "annotations": truths,
    }, results


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 4) x, y, width, height with sides from 8 to 300 pixels, small ones most often."""
    sides = np.exp(rng.uniform(np.log(8), np.log(300), (count, 2)))
    corners = rng.uniform(0, 1, (count, 2)) * (np.array(SIZE) - sides)
    return np.round(np.concatenate([corners, sides], axis=1), 2)


def _shape(box: np.ndarray, *, masks: bool) -> dict[str, Any]:
    x, y, width, height = map(float, box)
    if not masks:
        return {"bbox": [x, y, width, height], "area": width * height, "segmentation": []}
    turns = (np.arange(8) + 0.5) * np.pi / 4
    points = np.stack([x + width / 2 * (1 + np.cos(turns)), y + height / 2 * (1 + np.sin(turns))], axis=1)
    area = 0.5 * width * height / 4 * 8 * np.sin(np.pi / 4)
    return {"segmentation": [points.ravel().round(2).tolist()], "area": float(area)}


def run_lengths(polygons: list[list[float]], size: tuple[int, int]) -> dict[str, Any]:
    """A mask of COCO polygons in an image of size (width, height), as results have it."""
    width, height = size
    merged = mask.merge(mask.frPyObjects(polygons, height, width))
    return {"size": [height, width], "counts": merged["counts"].decode("ascii")}
