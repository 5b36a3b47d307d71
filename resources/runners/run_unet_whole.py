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


def spread(new, old):
    """(new, old): what share each old pixel has in each new one; for more pixels, what is between them."""
    if new <= old:
        ends, pixel = np.arange(new + 1)[:, None] * old / new, np.arange(old)
        return (np.minimum(ends[1:], pixel + 1) - np.maximum(ends[:-1], pixel)).clip(0) * new / old
    place = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
    return (1 - np.abs(place[:, None] - np.arange(old))).clip(0)


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


def most(values, rows, columns):
    """The greatest of the values (H, W) within so many rows and columns of each place."""
    padded = np.pad(values, ((rows, rows), (columns, columns)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, (2 * rows + 1, 2 * columns + 1)).max(axis=(2, 3))


def regions(bits):
    """Connected regions, numbered from 1; the highest number of a pixel goes round until nothing changes."""
    number, before = np.where(bits, np.arange(bits.size, 0, -1).reshape(bits.shape), 0), None
    while not np.array_equal(number, before):
        near = np.maximum(most(number, 1, 0), most(number, 0, 1)) if ABOUT["seams"] else most(number, 1, 1)
        number, before = np.append(near * bits, 0)[bits.size - near * bits], number
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
        found += [(chance[part].mean(), kind, part) for part in parts if len(part) >= ABOUT["least"]]
    found = sorted((one for one in found if one[0] >= ABOUT["confidence"]), key=lambda one: -one[0])
    for score, kind, part in found[: ABOUT["most"]]:
        last = np.flatnonzero(np.diff(part, append=-1) != 1)
        ends = np.stack([part[np.append(0, last[:-1] + 1)], part[last] + 1], axis=1).ravel()
        runs = {"size": classes.shape, "counts": np.diff(ends, prepend=0, append=classes.size).tolist()}
        x, y = part // len(classes), part % len(classes)
        box = [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
        one = {"bbox": [int(side) for side in box], "segmentation": runs, "score": float(score)}
        results.append({"image_id": number, "category_id": kind, **one})
Path(sys.argv[1]).write_text(json.dumps(results), "utf-8")
