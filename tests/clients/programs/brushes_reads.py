"""Label Studio's own converter on brushes: what it reads of ours, and what it writes of the same pixels.

Called with a JSON of tasks and an .npz to write: under each region's id the bool mask (H, W) that it reads,
and under the id with "/code" the bytes that it writes for it.
"""

import json
import sys
from pathlib import Path

import numpy as np
from label_studio_sdk.converter.brush import decode_rle, mask2rle

tasks, out = map(Path, sys.argv[1:3])
found: dict[str, np.ndarray] = {}
for task in json.loads(tasks.read_text("utf-8")):
    for annotation in task["annotations"]:
        for result in annotation["result"]:
            if result["type"] != "brushlabels":
                continue
            size = result["original_height"], result["original_width"], 4
            alpha = decode_rle(result["value"]["rle"]).reshape(size)[:, :, 3]
            found[result["id"]] = alpha > 0
            found[f"{result['id']}/code"] = np.array(mask2rle((alpha > 0).astype(np.uint8) * 255), np.uint8)
np.savez_compressed(out, **found)
print(json.dumps(len(found)))
