"""datumaro on a folder that it has as CVAT's XML or as its own JSON: the pixels of each object.

Called with the format, the folder, and an .npz to write: a bool mask (H, W) for each object, named by its
item and its place among the item's objects, those of one group being one.
"""

import json
import sys
from pathlib import Path

import numpy as np
from datumaro import Dataset
from datumaro.components.annotation import Bbox, Mask, Polygon
from PIL import Image, ImageDraw

kind, folder, out = sys.argv[1], *map(Path, sys.argv[2:4])
found = Dataset.import_from(str(folder), kind)
masks: dict[str, np.ndarray] = {}
said: dict[str, object] = {"items": len(found)}
for item in found:
    height, width = item.media.data.shape[:2]
    objects: dict[object, np.ndarray] = {}
    for place, one in enumerate(item.annotations):
        bits = objects.setdefault(
            ("group", one.group) if one.group else place, np.zeros((height, width), bool)
        )
        if isinstance(one, Mask):
            bits |= one.image.astype(bool)
        elif isinstance(one, Bbox):
            x, y, w, h = one.get_bbox()
            bits[round(y) : round(y + h), round(x) : round(x + w)] = True
        elif isinstance(one, Polygon):
            drawn = Image.new("1", (width, height))
            ring = one.points
            ImageDraw.Draw(drawn).polygon(list(zip(ring[::2], ring[1::2], strict=True)), fill=1)
            bits |= np.array(drawn)
    for number, bits in enumerate(objects.values()):
        masks[f"{Path(item.id).name}/{number}"] = bits
said["labels"] = [label.name for label in found.categories()[next(iter(found.categories()))].items]
np.savez_compressed(out, **masks)
print(json.dumps(said))
