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


def taps(start, stop, scale, pad, length):
    """Two of so many source pixels for each target pixel, and the weight of the second: linear."""
    place = ((np.arange(start, stop) + 0.5) * scale + pad - 0.5).clip(0, length - 1)
    low = np.floor(place).astype(int)
    return low, np.minimum(low + 1, length - 1), place - low


def letterboxed(image):
    """The network's input (1, 3, h, w), scaled as OpenCV does, and how the image lies in it: scale, pad."""
    size, stride = np.array(image.shape[1::-1]), ABOUT["stride"]
    small = np.rint(size * (ABOUT["side"] / max(size))).astype(int).clip(1)
    frame = (np.ceil(small / stride + ABOUT["margin"]) * stride).astype(int)
    pad = np.rint((frame - small) / 2 - 0.1).astype(int)
    (left, right, x), (top, bottom, y) = (taps(0, small[n], size[n] / small[n], 0, size[n]) for n in (0, 1))
    x, y = np.rint(x * 2048).astype(int)[:, None], np.rint(y * 2048).astype(int)[:, None, None]
    rows = (image[:, left] * (2048 - x) + image[:, right] * x) >> 4
    pixels = ((rows[top] * (2048 - y) >> 16) + (rows[bottom] * y >> 16) + 2) >> 2
    sides = (0, 0), *zip(pad[::-1], (frame - small - pad)[::-1], strict=True)
    channels = pixels.transpose(2, 0, 1).astype(np.float32) * np.float32(1 / 255)
    return np.pad(channels, sides, constant_values=114 / 255)[None], small / size, pad


def found(image):
    """Class, confidence, box and mask of each object on an image (H, W, 3), the most confident first."""
    given, scale, pad = letterboxed(image)
    predicted, prototypes = (one[0] for one in SESSION.run(None, {"images": given}))
    count, cell, size = 4 + len(ABOUT["classes"]), prototypes.shape[2] / given.shape[3], image.shape[:2]
    classes, anchors = np.nonzero(predicted[4:count] >= ABOUT["confidence"])
    scores, corners = predicted[4 + classes, anchors], predicted[:4, anchors].T.reshape(-1, 2, 2)
    boxes = ((corners - pad) / scale).clip(0, size[::-1]).reshape(-1, 4)
    order, crops = np.argsort(-scores, kind="stable"), {}
    order = order[(boxes[order, 2:] > boxes[order, :2]).all(axis=1)]
    for n in order.tolist():
        cells = np.tensordot(predicted[count:, anchors[n]], prototypes, axes=1)
        (x0, y0), (x1, y1) = np.floor(boxes[n, :2]).astype(int), np.ceil(boxes[n, 2:]).astype(int)
        left, right, x = taps(x0, x1, scale[0] * cell, pad[0] * cell, cells.shape[1])
        top, bottom, y = taps(y0, y1, scale[1] * cell, pad[1] * cell, cells.shape[0])
        rows = cells[top] * (1 - y)[:, None] + cells[bottom] * y[:, None]
        crops[n] = slice(y0, y1), slice(x0, x1), rows[:, left] * (1 - x) + rows[:, right] * x > 0
        y, x = np.nonzero(crops[n][2])
        boxes[n] = [x0 + x.min(), y0 + y.min(), x0 + x.max() + 1, y0 + y.max() + 1] if len(x) else boxes[n]
    while len(order):
        n, order = order[0], order[1:]
        mask, (y, x, bits) = np.zeros(size, bool), crops[n]
        mask[y, x] = bits
        yield int(classes[n]), float(scores[n]), boxes[n], mask
        shared = np.minimum(boxes[order, 2:], boxes[n, 2:]) - np.maximum(boxes[order, :2], boxes[n, :2])
        both, areas = shared.clip(0).prod(axis=1), (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        is_free = both <= ABOUT["iou"] * (areas[order] + areas[n] - both)
        order = order[is_free | (classes[order] != classes[n])]


results = []
for number, photo in enumerate(sys.argv[2:], 1):
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(photo)).convert("RGB")).astype(int)
    for _, (kind, score, box, mask) in zip(range(ABOUT["most"]), found(pixels), strict=False):
        shape = {"bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()], "score": score}
        if mask.any():
            ends = np.flatnonzero(np.diff(mask.T.ravel(), prepend=False, append=not mask[-1, -1]))
            shape["segmentation"] = {"size": mask.shape, "counts": np.diff(ends, prepend=0).tolist()}
        results.append({"image_id": number, "category_id": kind + 1, **shape})
Path(sys.argv[1]).write_text(json.dumps(results), "utf-8")
