"""Runs on small made pictures: a bright or dark rectangle each, on grey noise, cut out by its outline."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from labeler.training.run import RunFolder, RunSpec

NAMES = ("bright", "dark")
SIZE = (96, 128)


def make_run(
    path: Path, trainer: str, *, images: int = 6, validation: int = 2, masks: bool = True, **options: Any
) -> RunFolder:
    """A prepared run with so many images to learn from; one of them shows nothing.

    `options` are the trainer's, and `names`, the names of its two categories.
    """
    names = options.pop("names", NAMES)
    folder = RunFolder.create(path, RunSpec(trainer, "Shapes", options=options, seed=3))
    folder.images.mkdir()
    _write(folder, folder.train_labels, range(images), names, masks)
    _write(folder, folder.validation_labels, range(images, images + validation), names, masks)
    return folder


def _write(folder: RunFolder, labels: Path, numbers: range, names: Any, masks: bool) -> None:
    content: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 10 * place, "name": name} for place, name in enumerate(names, 1)],
    }
    height, width = SIZE
    for number in numbers:
        chance = np.random.default_rng(number)
        rgb = chance.normal(128, 8, (height, width, 3))
        name = f"{number:03d}.png"
        content["images"].append({"id": number + 1, "file_name": name, "height": height, "width": width})
        if number:
            w, h = chance.integers(40, 60), chance.integers(30, 50)
            x, y = chance.integers(2, width - w - 2), chance.integers(2, height - h - 2)
            rgb[y : y + h, x : x + w] += (-90, 90)[number % 2]
            content["annotations"].append(_object(number, (x, y, w, h), masks))
        cv2.imwrite(str(folder.images / name), rgb.clip(0, 255).astype(np.uint8))
    labels.write_text(json.dumps(content))


def _object(number: int, box: tuple[int, int, int, int], masks: bool) -> dict[str, Any]:
    x, y, w, h = map(int, box)
    ring = [x, y, x + w, y, x + w, y + h, x, y + h]
    return {
        "id": number,
        "image_id": number + 1,
        "category_id": (20, 10)[number % 2],
        "bbox": [x, y, w, h],
        "area": w * h,
        "iscrowd": 0,
        "segmentation": [ring] if masks else [],
    }
