"""Answers points and boxes by the networks beside this file, as Labeler does: run.py OUT.json IN.json.

IN.json: [{"photo": "beside.jpg", "box": [x0, y0, x1, y1]}, {"photo": "beside.jpg", "points": [[x, y], ...],
"positive": [true, ...]}, ...] in pixels; a COCO mask for each goes out. Needs numpy, onnxruntime, Pillow.
"""

import json
import sys
from pathlib import Path

import numpy as np
import sam  # the program beside
from PIL import Image, ImageOps

seen, results, asked = {}, [], Path(sys.argv[2])
for prompt in json.loads(asked.read_text("utf-8")):
    photo = asked.parent / prompt.pop("photo")
    if photo not in seen:
        pixels = np.asarray(ImageOps.exif_transpose(Image.open(photo)).convert("RGB"))
        seen = {photo: (sam.encoded(pixels), pixels.shape[:2])}
    results.append(sam.answered(*seen[photo], **prompt))
Path(sys.argv[1]).write_text(json.dumps(results), "utf-8")
