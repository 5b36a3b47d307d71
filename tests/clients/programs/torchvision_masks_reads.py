"""torchvision: a folder of photos and one of masks, as its tutorial on segmentation reads them.

Called with a folder of data sets: `semantic` (images/, masks/) and `instances` (images/, instances/); prints,
by the name of the photo, how many pixels each category has, and the box and the pixels of each object.
The loader is that of docs.pytorch.org/tutorials/intermediate/torchvision_tutorial.html.
"""

import json
import sys
from pathlib import Path

import torch
from torchvision import tv_tensors
from torchvision.io import ImageReadMode, read_image
from torchvision.ops import masks_to_boxes
from torchvision.transforms import v2


def pairs(root: Path, masks: str) -> list[tuple[Path, Path]]:
    photos, pictures = (sorted((root / name).iterdir()) for name in ("images", masks))
    return list(zip(photos, pictures, strict=True))


def main() -> None:
    root = Path(sys.argv[1])
    said = {"semantic": {}, "instances": {}, "halved": {}}
    half = v2.Resize((20, 30))
    for photo, path in pairs(root / "semantic", "masks"):
        mask = read_image(str(path), ImageReadMode.UNCHANGED)[0]
        values, counts = torch.unique(mask, return_counts=True)
        said["semantic"][photo.name] = dict(zip(map(str, values.tolist()), counts.tolist(), strict=True))
        image, small = half(tv_tensors.Image(read_image(str(photo))), tv_tensors.Mask(mask))
        said["halved"][photo.name] = [list(image.shape), sorted(set(small.flatten().tolist()))]
    for photo, path in pairs(root / "instances", "instances"):
        mask = read_image(str(path), ImageReadMode.UNCHANGED)[0].to(torch.int32)
        numbers = torch.unique(mask)[1:]
        masks = mask == numbers[:, None, None]
        boxes = masks_to_boxes(masks).tolist()
        said["instances"][photo.name] = [boxes, masks.flatten(1).sum(1).tolist()]
    print(json.dumps(said))


main()
