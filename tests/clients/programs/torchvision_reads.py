"""torchvision: CocoDetection as it is, and with the masks of transforms v2."""

from common import Task, paired
from torchvision.datasets import CocoDetection, wrap_dataset_for_transforms_v2


def main() -> None:
    task = Task()
    plain = CocoDetection(str(task.images), str(task.labels))
    task.said["images"] = len(plain)
    for place in range(len(plain)):
        task.trying(f"plain {plain.ids[place]}", lambda place=place: plain[place])
    keys = ["image_id", "boxes", "labels", "masks"]
    wrapped = wrap_dataset_for_transforms_v2(
        CocoDetection(str(task.images), str(task.labels)), target_keys=keys
    )

    def look(place: int) -> None:
        _, target = wrapped[place]
        if "masks" in target:
            for number, mask in paired(task.rows(plain.ids[place]), target["masks"].numpy()):
                task.saw(number, mask, rim=1)

    for place in range(len(plain)):
        task.trying(f"image {plain.ids[place]}", lambda place=place: look(place))
    task.trying("loop", lambda: task.said.update(looped=sum(1 for _ in wrapped)))
    task.answer()


main()
