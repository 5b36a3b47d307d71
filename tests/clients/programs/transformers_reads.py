"""transformers: what the processors of the DETR family make of each image, with masks."""

import warnings

import transformers
from common import Task, paired
from PIL import Image

PROCESSORS = (
    "DetrImageProcessor",
    "ConditionalDetrImageProcessor",
    "DeformableDetrImageProcessor",
    "GroundingDinoImageProcessor",
    "YolosImageProcessor",
    "RTDetrImageProcessor",
)


def main() -> None:
    task = Task()
    warnings.simplefilter("ignore")
    for name in PROCESSORS:
        processor = getattr(transformers, name)(do_resize=False, do_pad=False, do_normalize=False)
        task.said[name] = 0
        for image in task.whole["images"]:

            def look(image: dict = image, processor: object = processor, name: str = name) -> None:
                rows = task.rows(image["id"])
                photo = Image.open(task.images / image["file_name"]).convert("RGB")
                target = {"image_id": image["id"], "annotations": rows}
                # its own default; RT-DETR learns boxes only
                masks = {} if name.startswith("RTDetr") else {"return_segmentation_masks": True}
                encoded = processor(images=photo, annotations=target, return_tensors="pt", **masks)
                labels = encoded["labels"][0]
                task.said[name] += len(labels["class_labels"])
                if name == "DetrImageProcessor":
                    kept = [row for row in rows if not row["iscrowd"]]
                    for row, mask in paired(kept, labels["masks"].numpy()):
                        task.saw(row, mask, rim=1)

            task.trying(f"{name} image {image['id']}", look)
    task.answer()


main()
