"""labelme's own loader on a folder of its files: what it has of each shape, and the pixels of each object.

Called with the folder and an .npz to write: a bool mask (H, W) for each object, named by its file and number.
"""

import json
import sys
from pathlib import Path

import numpy as np
from labelme import utils
from labelme.label_file import LabelFile

folder, out = map(Path, sys.argv[1:3])
masks: dict[str, np.ndarray] = {}
said = {}
for path in sorted(folder.rglob("*.json")):
    file = LabelFile(str(path))
    height, width = utils.img_data_to_arr(file.imageData).shape[:2]
    objects: dict[object, np.ndarray] = {}
    for number, shape in enumerate(file.shapes):
        whose = number if shape["group_id"] is None else (shape["label"], shape["group_id"])
        bits = objects.setdefault(whose, np.zeros((height, width), bool))
        if shape["shape_type"] == "mask":
            # as labelme's own window and its shapes_to_label put one: both corners are its own
            (x0, y0), (x1, y1) = np.asarray(shape["points"]).astype(int)
            bits[y0 : y1 + 1, x0 : x1 + 1] |= shape["mask"]
        else:
            bits |= utils.shape_to_mask((height, width), shape["points"], shape["shape_type"])
    said[path.stem] = sorted({shape["shape_type"] for shape in file.shapes})
    for number, bits in enumerate(objects.values()):
        masks[f"{path.stem}/{number}"] = bits
np.savez_compressed(out, **masks)
print(json.dumps(said))
