"""labelme files as its makers write them."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image as Picture


def mask_text(bits: np.ndarray, mode: str = "L") -> str:
    file = io.BytesIO()
    picture = Picture.fromarray(np.ascontiguousarray(bits).astype(np.uint8) * (255 if mode != "L" else 1))
    picture.convert(mode).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def shape(label: object, points: object, kind: object = "polygon", **more: Any) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
    } | more


def document(*shapes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A file of a photo a.jpg of 80 by 60."""
    return {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "a.jpg",
        "imageData": None,
        "imageHeight": 60,
        "imageWidth": 80,
    } | more
