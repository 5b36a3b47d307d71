"""MobileSAM by the networks beside this file, as Labeler has it. Needs numpy and onnxruntime."""

import json
from pathlib import Path

import numpy as np
import onnxruntime

ABOUT = json.loads(Path(__file__).with_name("labels.json").read_text("utf-8"))
RUN = {
    path.stem: onnxruntime.InferenceSession(path).run for path in Path(__file__).parent.glob("*coder.onnx")
}
SIDE, MEAN, DEVIATION = 1024, *np.array([[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]], np.float32)


def share(new, old):
    """(new, old): what share of each new pixel, a larger one, each old one is."""
    ends, pixel = np.arange(new + 1)[:, None] * old / new, np.arange(old)
    return (np.minimum(ends[1:], pixel + 1) - np.maximum(ends[:-1], pixel)).clip(0) * new / old


def smaller(image, height, width):
    """The image with larger pixels, each the mean of those that it covers."""
    means = share(height, len(image)) @ image.transpose(2, 0, 1) @ share(width, image.shape[1]).T
    return (np.rint(means) if len(image) % height else np.floor(means + 0.5)).transpose(1, 2, 0)


def taps(new, old):
    """Two old pixels for each new one, and the weight of the second."""
    place = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
    return place.astype(int), np.minimum(place.astype(int) + 1, old - 1), place % 1


def larger(image, height, width):
    """Bilinear in whole numbers, as OpenCV does it: a grey level more or less moves outlines."""
    (left, right, x), (top, bottom, y) = taps(width, image.shape[1]), taps(height, len(image))
    x, y = np.rint(x * 2048).astype(int)[:, None], np.rint(y * 2048).astype(int)[:, None, None]
    rows = (image[:, left].astype(int) * (2048 - x) + image[:, right].astype(int) * x) >> 4
    return ((rows[top] * (2048 - y) >> 16) + (rows[bottom] * y >> 16) + 2) >> 2


def between(new, old):
    """(new, old): the weights of the two old values between which each new one lies."""
    (low, high, weight), one = taps(new, old), np.eye(old, dtype=np.float32)
    return one[low] * (1 - weight[:, None]) + one[high] * weight[:, None]


def frame_size(size):
    return tuple(max(1, int(length * (SIDE / max(size)) + 0.5)) for length in size)


def encoded(image):
    """The embedding of an image (H, W, 3) of 8 bits."""
    height, width = frame_size(image.shape[:2])
    while len(image) >= 2 * height and image.shape[1] >= 2 * width:
        image = smaller(image, len(image) // 2, image.shape[1] // 2)
    image = smaller(image, height, width) if len(image) > height else larger(image, height, width)
    given = np.zeros((1, 3, SIDE, SIDE), np.float32)
    given[0, :, :height, :width] = ((image.astype(np.float32) - MEAN) / DEVIATION).transpose(2, 0, 1)
    return RUN["encoder"](None, {"input": given})[0]


def answered(embedding, size, box=None, points=(), positive=()):
    """The likeliest mask for a prompt on an image (H, W), as COCO has it; "score" is the IoU it is given."""
    scale = SIDE / max(size)
    kind, ends = ("point", [[0.5 / scale] * 2]) if box is None else ("box", np.reshape(box, (2, 2)))
    places = np.concatenate([np.reshape(points, (-1, 2)), ends])[None] * scale - 0.5
    given = {"image_embeddings": embedding, "point_coords": places.astype(np.float32)}
    given["point_labels"] = np.array([[*positive, *([-1] if box is None else [2, 3])]], np.float32)
    given |= {"mask_input": np.zeros((1, 1, 256, 256), np.float32), "has_mask_input": np.zeros(1, np.float32)}
    (logits,), (sure,) = RUN["learnt-decoder" if kind in ABOUT["learnt"] else "decoder"](None, given)
    best = 1 + int(sure[1:].argmax()) if kind == "point" and len(points) == 1 else 0
    rows, columns = (between(*ends) @ between(SIDE, 256)[: ends[1]] for ends in zip(size, frame_size(size)))
    bits = rows @ logits[best] @ columns.T > 0
    y, x = np.nonzero(bits) if bits.any() else np.zeros((2, 1), int)
    box = [int(side) for side in (x.min(), y.min(), np.ptp(x) + bits.any(), np.ptp(y) + bits.any())]
    runs = np.diff(np.append(np.flatnonzero(np.diff(bits.T.ravel(), prepend=False)), bits.size), prepend=0)
    mask = {"size": size, "counts": runs.tolist()}  # column by column
    return {"bbox": box, "segmentation": mask, "score": float(sure[best].clip(0, 1))}
