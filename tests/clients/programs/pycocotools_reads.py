"""pycocotools: COCO, annToMask, loadRes and COCOeval."""

from common import Task
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def evaluated(task: Task, coco: COCO, kind: str) -> None:
    """The AP of a file against itself, which is 1."""
    rows = []
    for row in task.whole["annotations"]:
        if row["iscrowd"]:
            continue
        shape = {"bbox": row["bbox"]} if kind == "bbox" else {"segmentation": coco.annToRLE(row)}
        rows.append({"image_id": row["image_id"], "category_id": row["category_id"], "score": 0.9, **shape})
    judge = COCOeval(coco, coco.loadRes(rows), kind)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    task.said[f"AP {kind}"] = float(judge.stats[0])


def look(task: Task, coco: COCO, row: dict) -> None:
    """An annotation's pixels; the edges of what was drawn go by another rule than ours."""
    mask = coco.annToMask(row)
    task.saw(row["id"], mask, rim=1)
    if mask.shape == task.truth(row["id"]).shape and (mask == task.truth(row["id"])).all():
        task.said["exact"].append(row["id"])


def main() -> None:
    task = Task()
    task.said["exact"] = []
    coco = COCO(str(task.labels))
    task.trying("info", coco.info)
    for row in task.whole["annotations"]:
        task.trying(row["id"], lambda row=row: look(task, coco, row))
    task.trying("AP bbox", lambda: evaluated(task, coco, "bbox"))
    task.trying("AP segm", lambda: evaluated(task, coco, "segm"))
    task.answer()


main()
