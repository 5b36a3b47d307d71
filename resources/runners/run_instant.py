"""Finds objects by the networks beside this file, as Labeler does: python run.py OUT.json PHOTO...

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
if ABOUT["masks"]:
    import sam  # the program beside


def taps(new, old):
    """Two source pixels for each target pixel, and the weight of the second in 2048ths."""
    place = (np.arange(new) + 0.5) * old / new - 0.5
    low = np.floor(place).astype(int).clip(0, old - 1)
    return low, np.minimum(low + 1, old - 1), np.rint((place - low).clip(0, 1) * 2048).astype(int)


def scaled(image, width, height):
    """Bilinear in whole numbers, as OpenCV does it: a grey level more or less moves confidences."""
    (left, right, x), (top, bottom, y) = taps(width, image.shape[1]), taps(height, image.shape[0])
    rows = (image[:, left] * (2048 - x[:, None]) + image[:, right] * x[:, None]) >> 4
    return ((rows[top] * (2048 - y[:, None, None]) >> 16) + (rows[bottom] * y[:, None, None] >> 16) + 2) >> 2


def iou(box, boxes):
    """Of one box x0, y0, x1, y1 with each of the others."""
    shared = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    both = shared.clip(0).prod(axis=1)
    return both / ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - both)


def suppressed(left, boxes, groups, least):
    """Those left of the places, by falling confidence: none has an IoU over `least` with one of its group."""
    while len(left):
        yield left[0]
        left = left[~((iou(boxes[left[0]], boxes[left]) > least) & (groups[left] == groups[left[0]]))]


def found(image):
    """Class, confidence and box of each object on an image (H, W, 3), the most confident first."""
    size, stride = np.array(image.shape[1::-1]), ABOUT["stride"]
    small = [max(round(length * (ABOUT["side"] / max(size))), 1) for length in size.tolist()]
    frame = [-(-length // stride) * stride for length in small]
    x, y = (round((outer - inner) / 2 - 0.1) for outer, inner in zip(frame, small, strict=True))
    given = np.full((1, 3, frame[1], frame[0]), 114, np.float32)
    given[0, :, y : y + small[1], x : x + small[0]] = scaled(image, *small).transpose(2, 0, 1)
    boxes, sure, centres = SESSION.run(None, {"images": given * np.float32(1 / 255)})
    inside = ((centres > [x, y]) & (centres < np.add(small, [x, y]))).all(axis=1)
    cells, classes = np.nonzero((sure >= ABOUT["confidence"]) & inside[:, None])
    order = np.argsort(-sure[cells, classes], kind="stable")[: ABOUT["cells"]]
    scores, classes = sure[cells, classes][order], classes[order]
    boxes = ((boxes[cells[order]].reshape(-1, 2, 2) - [x, y]) / (small / size)).clip(0, size).reshape(-1, 4)
    places = np.flatnonzero((boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1))
    places = np.array([*suppressed(places, boxes, classes, ABOUT["within"])], int)
    places = [*suppressed(places, boxes, classes * 0, ABOUT["between"])][: ABOUT["most"]]
    return [(int(classes[place]), float(scores[place]), boxes[place]) for place in places]


results = []
for number, photo in enumerate(sys.argv[2:], 1):
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(photo)).convert("RGB")).astype(int)
    seen = sam.encoded(pixels).astype(np.float16).astype(np.float32) if ABOUT["masks"] else None
    for place, (kind, score, box) in enumerate(found(pixels)):
        shape = {"bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]}
        if place < ABOUT["masks"] and score >= ABOUT["drawn"]:
            mask = sam.answered(seen, pixels.shape[:2], box)
            x, y, w, h = mask["bbox"]
            shape = mask if iou(box, np.array([[x, y, x + w, y + h]])) >= ABOUT["agreed"] else shape
        results.append({"image_id": number, "category_id": kind + 1, **shape, "score": score})
Path(sys.argv[1]).write_text(json.dumps(results), "utf-8")
