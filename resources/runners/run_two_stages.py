"""Finds objects by the model.onnx beside this file, as Labeler does: python run.py OUT.json PHOTO...

Needs numpy, onnxruntime and Pillow. Writes COCO results: photos and the classes of labels.json count from 1.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

ABOUT = json.loads(Path(__file__).with_name("labels.json").read_text("utf-8"))
SESSION = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))


def taps(start, stop, first, last, length):
    """Two of so many cells from `first` to `last` for each pixel, and the weight of the second: linear."""
    place = ((np.arange(start, stop) + 0.5 - first) * (length / (last - first)) - 0.5).clip(0, length - 1)
    low = place.astype(int)
    return low, np.minimum(low + 1, length - 1), place - low


def mask_in(cells, box, size):
    """Bits (H, W) of the image: where the cells, which lie over the box, are above a half."""
    bits, (y0, x0), (y1, x1) = np.zeros(size, bool), np.floor(box[1::-1]), np.ceil(box[:1:-1])
    rows, columns = slice(int(y0), int(y1)), slice(int(x0), int(x1))
    top, bottom, y = taps(rows.start, rows.stop, box[1], box[3], len(cells))
    left, right, x = taps(columns.start, columns.stop, box[0], box[2], len(cells))
    values = cells[top] * (1 - y)[:, None] + cells[bottom] * y[:, None]
    bits[rows, columns] = values[:, left] * (1 - x) + values[:, right] * x > 0.5
    return bits


def iou(box, boxes):
    """Of one box x0, y0, x1, y1 with each of the others."""
    shared = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    both = shared.clip(0).prod(axis=1)
    return both / ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - both)


def found(image):
    """Class, confidence, box and mask of each object on an image (1, 3, H, W), the most confident first."""
    boxes, scores, classes, *cells = SESSION.run(None, {"images": image})
    order = np.argsort(-scores, kind="stable")
    order = order[(scores[order] >= ABOUT["confidence"]) & (boxes[order, 2:] > boxes[order, :2]).all(axis=1)]
    boxes = boxes.astype(float).clip(0, np.tile(image.shape[:1:-1], 2))
    masks = dict.fromkeys(order.tolist())
    for place in masks if cells else ():
        masks[place] = mask_in(cells[0][place], boxes[place], image.shape[2:])
        if masks[place].any():
            y, x = np.nonzero(masks[place])
            boxes[place] = x.min(), y.min(), x.max() + 1, y.max() + 1
    while len(order):
        first, order = order[0], order[1:]
        yield int(classes[first]), float(scores[first]), boxes[first], masks[first]
        overlaps = iou(boxes[first], boxes[order]) > ABOUT["iou"]
        order = order[(classes[order] != classes[first]) | ~overlaps]


results = []
for number, photo in enumerate(sys.argv[2:], 1):
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(photo)).convert("RGB"), np.float32)
    given = pixels.transpose(2, 0, 1)[None] / np.float32(255)
    for kind, score, box, mask in list(found(given))[: ABOUT["most"]]:
        shape = {"bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()], "score": score}
        if mask is not None and mask.any():
            ends = np.flatnonzero(np.diff(mask.T.ravel(), prepend=False))  # of runs, column by column
            runs = np.diff(ends, prepend=0, append=mask.size).tolist()
            shape["segmentation"] = {"size": mask.shape, "counts": runs}
        results.append({"image_id": number, "category_id": kind, **shape})
Path(sys.argv[1]).write_text(json.dumps(results), "utf-8")
