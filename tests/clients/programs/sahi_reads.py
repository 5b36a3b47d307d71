"""sahi: Coco from a file, each annotation's mask, and as JSON again."""

import numpy as np
from common import Task, paired
from PIL import Image, ImageDraw
from sahi.utils.coco import Coco


def drawn(rings: list[list[float]], size: tuple[int, int]) -> np.ndarray:
    """Rings filled by a third party, one pixel of rim being its own."""
    picture = Image.new("1", size)
    for ring in rings:
        ImageDraw.Draw(picture).polygon(list(zip(ring[::2], ring[1::2], strict=True)), fill=1)
    return np.array(picture)


def main() -> None:
    task = Task()
    coco = Coco.from_coco_dict_or_path(str(task.labels), image_dir=str(task.images))
    sizes = {
        image["file_name"]: (image["id"], image["width"], image["height"]) for image in task.whole["images"]
    }
    seen = 0
    for image in coco.images:
        number, width, height = sizes[image.file_name.removeprefix(f"{task.images}/")]
        seen += len(image.annotations)
        for row, one in paired(task.rows(number), image.annotations):
            if not one.segmentation:
                task.lost(row)
                continue
            task.saw(row, drawn(one.segmentation, (width, height)), rim=1)
    task.said["objects"] = seen
    task.said["images"] = len(coco.images)
    task.trying("json", lambda: coco.json)
    task.answer()


main()
