"""Says what a photo shows, and where, by the model.onnx beside, as Labeler does: run.py OUT.json PHOTO...

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


def found(image):
    """Class, confidence and box of the one object of an image (3, H, W)."""
    side, (height, width) = ABOUT["side"], image.shape[1:]
    small = spread(side, height) @ image @ spread(side, width).T
    small = np.rint(small) if height % side or width % side else np.floor(small + 0.5)
    (logits,), (box,) = SESSION.run(None, {"images": (small / 255).astype(np.float32)[None]})
    chances = np.exp(logits - logits.max())
    chances = (chances / chances.sum())[:-1]  # the last is nothing
    ends = np.concatenate([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2]).clip(0, 1)
    return int(chances.argmax()), float(chances.max()), ends * [width, height, width, height]


results = []
for number, photo in enumerate(sys.argv[2:], 1):
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(photo)).convert("RGB")).transpose(2, 0, 1)
    kind, score, (x0, y0, x1, y1) = found(pixels)
    if score >= ABOUT["confidence"]:
        box = {"bbox": [float(side) for side in (x0, y0, x1 - x0, y1 - y0)], "score": score}
        results.append({"image_id": number, "category_id": kind + 1, **box})
Path(sys.argv[1]).write_text(json.dumps(results), "utf-8")
