"""ultralytics: a data set in its own format, moved elsewhere, as its reader takes it, and an epoch on it.

Called with the folder, the task and where to write the answer.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")

from ultralytics import YOLO
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_det_dataset, load_dataset_cache_file


def main() -> None:
    folder, task, answer = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    data = check_det_dataset(str(folder / "data.yaml"), autodownload=False)
    said = {"names": data["names"], "parts": {}, "corrupt": 0, "objects": {}}
    for part in ("train", "val"):
        dataset = YOLODataset(data[part], task=task, data=data, augment=False, imgsz=64)
        labels = dataset.get_labels()
        cache = load_dataset_cache_file(Path(dataset.label_files[0]).parent.with_suffix(".cache"))
        said["corrupt"] += cache["results"][3]
        said["parts"][part] = sorted(Path(one["im_file"]).name for one in labels)
        for one in labels:
            said["objects"][Path(one["im_file"]).name] = {
                "size": [int(side) for side in one["shape"]],
                "classes": [int(number) for number in one["cls"].reshape(-1)],
                "boxes": one["bboxes"].tolist(),
                "rings": [ring.tolist() for ring in one["segments"]],
                "keypoints": one["keypoints"].tolist() if one.get("keypoints") is not None else [],
            }
    model = YOLO({"segment": "yolov8n-seg.yaml", "pose": "yolov8n-pose.yaml"}.get(task, "yolov8n.yaml"))
    model.train(
        data=str(folder / "data.yaml"),
        epochs=1,
        imgsz=64,
        batch=2,
        workers=0,
        device="cpu",
        project=str(answer.parent / "runs"),
        plots=False,
        val=True,
        amp=False,
        verbose=False,
    )
    said["trained"] = any((answer.parent / "runs").rglob("last.pt"))
    answer.write_text(json.dumps(said), "utf-8")


main()
