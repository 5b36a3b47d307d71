"""datumaro: COCO in, and out again in the formats that people ask it for."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from common import Task
from datumaro import Dataset
from datumaro.components.annotation import Mask, Polygon
from PIL import Image, ImageDraw


def pixels(shapes: list[object], width: int, height: int) -> np.ndarray:
    """Masks and rings as one mask."""
    picture = np.zeros((height, width), bool)
    for shape in shapes:
        if isinstance(shape, Mask):
            picture |= shape.image.astype(bool)
        elif isinstance(shape, Polygon):
            drawn = Image.new("1", (width, height))
            ring = shape.points
            ImageDraw.Draw(drawn).polygon(list(zip(ring[::2], ring[1::2], strict=True)), fill=1)
            picture |= np.array(drawn)
    return picture


def main() -> None:
    task = Task()
    home = Path(tempfile.mkdtemp())
    (home / "annotations").mkdir()
    shutil.copytree(task.images, home / "images" / "val")
    shutil.copy(task.labels, home / "annotations" / "instances_val.json")
    found = Dataset.import_from(str(home), "coco")
    sizes = {Path(i["file_name"]).with_suffix("").as_posix(): i for i in task.whole["images"]}
    groups: set[tuple[str, int]] = set()
    for item in found:
        image = sizes[item.id]
        by_group: dict[int, list[object]] = {}
        for one in item.annotations:
            groups.add((item.id, one.group))
            by_group.setdefault(one.id, []).append(one)
        for number, shapes in by_group.items():
            if str(number) in {str(row["id"]) for row in task.rows(image["id"])}:
                task.saw(number, pixels(shapes, image["width"], image["height"]), rim=1)
    task.said["images"] = len(found)
    task.said["objects"] = len(groups)
    for kind in ("coco", "voc", "yolo", "cvat", "label_me"):
        task.trying(kind, lambda kind=kind: found.export(str(home / f"out-{kind}"), kind, save_media=False))
    task.answer()


main()
