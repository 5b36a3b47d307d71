"""torchvision: VOCDetection, plain and wrapped for transforms v2, and VOCSegmentation, of one data set.

Called with the folder above VOCdevkit; prints what each loader gives, by the name of the photo.
"""

import json
import sys

import numpy as np
from torchvision.datasets import VOCDetection, VOCSegmentation, wrap_dataset_for_transforms_v2


def main() -> None:
    root = sys.argv[1]
    said = {"plain": {}, "boxes": {}, "segments": {}}
    plain = VOCDetection(root, year="2012", image_set="train", download=False)
    for place in range(len(plain)):
        _, target = plain[place]
        whole = target["annotation"]
        names = [one["name"] for one in whole["object"]] if "object" in whole else []
        said["plain"][whole["filename"]] = names
    wrapped = wrap_dataset_for_transforms_v2(plain, target_keys=["annotation", "boxes"])
    for place in range(len(plain)):
        _, target = wrapped[place]
        boxes = target["boxes"].tolist() if "boxes" in target else []
        said["boxes"][target["annotation"]["filename"]] = boxes
    segments = VOCSegmentation(root, year="2012", image_set="train", download=False)
    for place, path in enumerate(segments.masks):
        _, picture = segments[place]
        values, counts = np.unique(np.array(picture), return_counts=True)
        said["segments"][path.rpartition("/")[2]] = dict(
            zip(map(str, values.tolist()), counts.tolist(), strict=True)
        )
    print(json.dumps(said))


main()
