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


def spread(new, old):
    """(new, old): what share each old pixel has in each new one; for more pixels, what is between them."""
    middle, half, pixel = (np.arange(new)[:, None] + 0.5) * old / new, old / new / 2, np.arange(old)
    if new <= old:
        return (np.minimum(middle + half, pixel + 1) - np.maximum(middle - half, pixel)).clip(0) * new / old
    return (1 - np.abs((middle - 0.5).clip(0, old - 1) - pixel)).clip(0)


def resized(planes, height, width):
    return spread(height, planes.shape[1]) @ planes @ spread(width, planes.shape[2]).T


def labelled(image):
    """Probabilities (1 + C, H, W) of an image (3, H, W), the background first; a large one is scaled down."""
    height, width, tile = *image.shape[1:], ABOUT["tile"]
    if max(height, width) > tile:
        h, w = (max(1, round(length * (tile / max(height, width)))) for length in (height, width))
        small = resized(image, h, w)
        image = np.rint(small) if height % h or width % w else np.floor(small + 0.5)
    return resized(SESSION.run(None, {"images": image.astype(np.uint8)[None]})[0][0], height, width)


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
