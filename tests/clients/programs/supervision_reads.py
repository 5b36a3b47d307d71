"""supervision: a detection data set from COCO, and written again as COCO and YOLO."""

import tempfile
from pathlib import Path

from common import Task, paired
from supervision import DetectionDataset


def main() -> None:
    task = Task()
    found = DetectionDataset.from_coco(str(task.images), str(task.labels), force_masks=True)
    by_name = {image["file_name"]: image["id"] for image in task.whole["images"]}
    seen = 0
    for path, _, detections in found:
        number = by_name[Path(path).relative_to(task.images).as_posix()]
        seen += len(detections)
        if detections.mask is not None:
            for row, mask in paired(task.rows(number), detections.mask):
                task.saw(row, mask, rim=1)
    task.said["objects"] = seen
    task.said["images"] = len(found)
    out = Path(tempfile.mkdtemp())
    task.trying("as_coco", lambda: found.as_coco(str(out / "images"), str(out / "labels.json")))
    task.trying("as_yolo", lambda: found.as_yolo(str(out / "y"), str(out / "l"), str(out / "data.yaml")))
    task.answer()


main()
