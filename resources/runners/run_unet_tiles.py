"""Finds objects by the model.onnx beside this file, as Labeler does: python run.py OUT.json PHOTO...

Needs numpy, onnxruntime, Pillow. COCO results: photos and the classes of labels.json count from 1.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

ABOUT = json.loads(Path(__file__).with_name("labels.json").read_text("utf-8"))
SESSION = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))


def spans(length):
    """Place and weights of the tiles along one side, which fade into each other where they overlap."""
    tile, multiple, overlap = ABOUT["tile"], ABOUT["multiple"], ABOUT["tile"] // 4
    last = -(-max(0, length - tile) // multiple) * multiple
    for start in np.linspace(0, last, 1 - (-last // (tile - overlap))).astype(int) // multiple * multiple:
        end = min(start + tile, length)
        near = np.arange(end - start) + 0.5 + np.array([[np.inf if start == 0 else 0], [0]])
        near[1] = np.inf if end == length else near[1, ::-1]
        yield slice(start, end), ((near - overlap / 4) / max(overlap / 2, 1)).clip(1e-6, 1).prod(axis=0)


def labelled(image):
    """Probabilities (1 + C, H, W) of an image (3, H, W), the background first, by tiles."""
    total, weights = np.zeros((1 + len(ABOUT["classes"]), *image.shape[1:])), np.zeros(image.shape[1:])
    for rows, down in spans(image.shape[1]):
        for columns, across in spans(image.shape[2]):
            tile = np.ascontiguousarray(image[None, :, rows, columns])
            weights[rows, columns] += np.outer(down, across)
            total[:, rows, columns] += SESSION.run(None, {"images": tile})[0][0] * np.outer(down, across)
    return total / weights


def most(values, y, x):
    """The greatest of the values (H, W) within y rows and x columns of each place."""
    (h, w), padded = values.shape, np.pad(values, ((y, y), (x, x)), mode="edge")
    return np.maximum.reduce([padded[i:, j:][:h, :w] for i in range(2 * y + 1) for j in range(2 * x + 1)])


def regions(bits):
    """Connected regions, numbered from 1: each takes the highest number beside it, until none is higher."""
    number, before = np.where(bits, np.arange(bits.size, 0, -1).reshape(bits.shape), 0), None
    while not np.array_equal(number, before):
        near = np.maximum(most(number, 1, 0), most(number, 0, 1)) if ABOUT["seams"] else most(number, 1, 1)
        before, root = number, np.append(number, 0)
        np.maximum.at(root, bits.size - number, near * bits)
        number = root[bits.size - number]
    return np.where(bits, np.unique(-number, return_inverse=True)[1].reshape(bits.shape) + 1, 0)


results = []
for number, photo in enumerate(sys.argv[2:], 1):
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(photo)).convert("RGB")).transpose(2, 0, 1)
    chances, found = labelled(pixels), []
    classes = chances.argmax(axis=0)
    for kind in range(1, len(chances)):
        owner = regions(classes == kind)
        if ABOUT["seams"] and owner.max() > 1:  # the line between two objects is given to them
            apart = most(owner, 2, 2) != -most(-np.where(owner, owner, owner.max() + 1), 2, 2)
            owner = np.where(apart & (classes == 0), most(owner, 1, 1), owner)
        classes[owner > 0] = kind
        owner, chance = owner.T.ravel(), chances[kind].T.ravel()  # column by column, as COCO counts
        parts = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])[1:]
        scored = ((chance[part].mean(), kind, part) for part in parts if len(part) >= ABOUT["least"])
        found += [one for one in scored if one[0] >= ABOUT["confidence"]]
    for score, kind, part in sorted(found, key=lambda one: -one[0])[: ABOUT["most"]]:
        last = np.flatnonzero(np.diff(part, append=-1) != 1)
        ends = np.stack([part[np.append(0, last[:-1] + 1)], part[last] + 1], axis=1).ravel()
        runs = {"size": classes.shape, "counts": np.diff(ends, prepend=0, append=classes.size).tolist()}
        x, y = part // len(classes), part % len(classes)
        one = {"bbox": [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1], "segmentation": runs, "score": score}
        results.append({"image_id": number, "category_id": kind, **one})
Path(sys.argv[1]).write_text(json.dumps(results, default=float), "utf-8")
