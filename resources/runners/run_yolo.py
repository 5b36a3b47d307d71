"""Finds objects by the model.onnx beside this file, as Labeler does: python run.py OUT.json PHOTO...

Needs numpy, onnxruntime and Pillow. Writes COCO results: photos and the classes of labels.json count from 1.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

HERE = Path(__file__).parent
ABOUT = json.loads((HERE / "labels.json").read_text("utf-8"))


def taps(new, old):
    """Two source pixels for each target pixel, and the weight of the second in 2048ths."""
    place = (np.arange(new) + 0.5) * old / new - 0.5
    low = np.floor(place).astype(int).clip(0, old - 1)
    return low, np.minimum(low + 1, old - 1), np.rint((place - low).clip(0, 1) * 2048).astype(int)


def scaled(image, width, height):
    """Bilinear in whole numbers, as OpenCV does it: a grey level more or less moves confidences."""
    (left, right, x), (top, bottom, y) = taps(width, image.shape[1]), taps(height, image.shape[0])
    rows = (image[:, left] * (2048 - x[:, None]) + image[:, right] * x[:, None]) >> 4
    y = y[:, None, None]
    return ((rows[top] * (2048 - y) >> 16) + (rows[bottom] * y >> 16) + 2) >> 2


def letterboxed(image):
    """The network's input (1, 3, h, w), and how the image lies in it: scale and offset of x and of y."""
    size, stride = np.array(image.shape[1::-1]), ABOUT["stride"]
    small = [max(round(length * (ABOUT["side"] / max(size))), 1) for length in size.tolist()]
    frame = [math.ceil(length / stride + ABOUT["margin"]) * stride for length in small]
    x, y = (round((outer - inner) / 2 - 0.1) for outer, inner in zip(frame, small, strict=True))
    given = np.full((1, 3, frame[1], frame[0]), 114 / 255, np.float32)
    pixels = scaled(image, *small) if small != size.tolist() else image
    given[0, :, y : y + small[1], x : x + small[0]] = pixels.transpose(2, 0, 1) * np.float32(1 / 255)
    return given, small / size, np.array([x, y])


def iou(box, boxes):
    """Of one box x0, y0, x1, y1 with each of the others."""
    shared = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    both = shared.clip(0).prod(axis=1)
    return both / ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - both)


def found(image):
    """Class, confidence and box of each object on an image (H, W, 3), the most confident first."""
    given, scale, pad = letterboxed(image)
    predicted = SESSION.run(None, {"images": given})[0][0]
    classes, anchors = np.nonzero(predicted[4 : 4 + len(ABOUT["classes"])] >= ABOUT["confidence"])
    scores = predicted[4 + classes, anchors]
    boxes = (predicted[:4, anchors].T.reshape(-1, 2, 2) - pad) / scale
    boxes = boxes.clip(0, image.shape[1::-1]).reshape(-1, 4)
    left = np.argsort(-scores, kind="stable")
    left = left[(boxes[left, 2:] > boxes[left, :2]).all(axis=1)]
    while len(left):
        first, left = left[0], left[1:]
        yield int(classes[first]), float(scores[first]), boxes[first].tolist()
        if not ABOUT["is_set"]:  # else the network suppresses by itself
            overlaps = iou(boxes[first], boxes[left]) > ABOUT["iou"]
            left = left[(classes[left] != classes[first]) | ~overlaps]


SESSION = onnxruntime.InferenceSession(HERE / "model.onnx", providers=["CPUExecutionProvider"])
results = []
for number, photo in enumerate(sys.argv[2:], 1):
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(photo)).convert("RGB")).astype(int)
    for kind, score, (x0, y0, x1, y1) in list(found(pixels))[: ABOUT["most"]]:
        box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "score": score}
        results.append({"image_id": number, "category_id": kind + 1, **box})
Path(sys.argv[1]).write_text(json.dumps(results), "utf-8")
