"""A small file in the shape of each maker's COCO, on a photo of 80 by 60, and what is to come in."""

from typing import Any

from msgspec import Struct

SQUARE = [20, 10, 50, 10, 50, 40, 20, 40]
BOX = {"bbox": [20, 10, 30, 30], "area": 900}
POLYGON = BOX | {"segmentation": [SQUARE]}
MASK = {"size": [60, 80], "counts": [1210, *[30, 30] * 29, 30, 1820]}
KEYPOINTS = {"keypoints": [25, 15, 2, 45, 35, 1], "num_keypoints": 2}


class Made(Struct, frozen=True):
    """A file, and what is to become of its annotations."""

    name: str
    document: Any
    taken: int = 1
    refused: int = 0
    why: str = ""
    missing: int = 0


def coco(
    *annotations: dict[str, Any],
    image: dict[str, Any] | None = None,
    categories: list[dict[str, Any]] | None = None,
    **top: Any,
) -> dict[str, Any]:
    """A COCO file of one image; annotations get ids that fit where they have none."""
    one = {"id": 1, "file_name": "a.png", "width": 80, "height": 60} if image is None else image
    rows = [
        {"id": n, "image_id": one.get("id", 1), "category_id": 1} | row
        for n, row in enumerate(annotations, 1)
    ]
    named = [{"id": 1, "name": "thing"}] if categories is None else categories
    return {"images": [one], "annotations": rows, "categories": named, **top}


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    """A row that lacks some keys, also those that `coco` would give it."""
    return {key: value for key, value in row.items() if key not in names}


def bare(document: dict[str, Any], *names: str) -> dict[str, Any]:
    """A file whose annotations lack these keys."""
    return document | {"annotations": [without(row, *names) for row in document["annotations"]]}


IMAGE = {"id": 1, "file_name": "a.png", "width": 80, "height": 60}
UUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"

MAKERS = (
    Made("roboflow", coco(POLYGON | {"area": 1200}, info={"year": "2024"}, licenses=[])),
    Made("cvat", coco(POLYGON | {"attributes": {"occluded": False}, "iscrowd": 0})),
    Made("cvat rle", coco(BOX | {"segmentation": MASK, "iscrowd": 1})),
    Made("coco keypoints", coco(POLYGON | KEYPOINTS)),
    Made("coco wholebody", coco(BOX | KEYPOINTS | {"face_box": [22, 12, 5, 5], "lefthand_kpts": [1, 2, 0]})),
    Made("posetrack", coco(BOX | KEYPOINTS | {"iscrowd": False, "track_id": 0})),
    Made("coco-annotator", coco(POLYGON | {"iscrowd": False, "isbbox": False, "color": "#fff"})),
    Made("makesense", bare(coco(POLYGON, categories=[]), "category_id")),
    Made("makesense with ids", coco(POLYGON, categories=[])),
    Made(
        "via",
        coco(
            BOX | {"image_id": "0", "segmentation": SQUARE},
            BOX | {"image_id": "0", "segmentation": SQUARE},
            image=IMAGE | {"id": 0},
            categories=[{"id": 1, "name": "thing"}, {"id": 1, "name": "thing"}],
        ),
        taken=2,
    ),
    Made(
        "lvis v1",
        coco(POLYGON, image=without(IMAGE, "file_name") | {"coco_url": "http://h/val2017/a.png"}),
    ),
    Made(
        "absolute url",
        coco(POLYGON, image=without(IMAGE, "file_name") | {"absolute_url": "https://h/a.png?x"}),
    ),
    Made(
        "azure",
        coco({"bbox": [0.25, 0.125, 0.375, 0.5], "area": 0.1875}),
    ),
    Made("normalised polygons", coco({"segmentation": [[0.25, 0.125, 0.625, 0.125, 0.625, 0.625]]})),
    Made("superannotate", coco(BOX | {"segmentation": [[20, 10, 50, 40]]})),
    Made("empty polygon", coco(BOX | {"segmentation": [[]]})),
    Made("odd polygon", coco(BOX | {"segmentation": [[20, 10, 50, 10, 35]]})),
    Made("points as pairs", coco({"segmentation": [[[20, 10], [50, 10], [50, 40], [20, 40]]]})),
    Made("bytes as text", coco({"segmentation": {"size": [60, 80], "counts": "b'" + "Pf1" + "'"}} | BOX)),
    Made("half-size mask", coco({"segmentation": {"size": [30, 40], "counts": [305, 15, 15, 15, 850]}})),
    Made("sahi", coco(POLYGON | {"area": 4800, "iscrowd": 0})),
    Made("labelme2coco", coco(POLYGON | {"iscrowd": 0}, info={})),
    Made("label studio", coco(POLYGON | {"ignore": 0}, image=IMAGE | {"file_name": "x\\235b37ac-a.png"})),
    Made("label studio local", coco(POLYGON, image=IMAGE | {"file_name": "/data/local-files/?d=s/a.png"})),
    Made("no ending", coco(POLYGON, image=IMAGE | {"file_name": "a"})),
    Made("another case", coco(POLYGON, image=IMAGE | {"file_name": "A.PNG"})),
    Made("windows path", coco(POLYGON, image=IMAGE | {"file_name": "C:\\data\\a.png"})),
    Made(
        "numbers as texts",
        coco(
            POLYGON | {"id": "1", "image_id": "1", "category_id": "1"},
            image=IMAGE | {"id": "1"},
            categories=[{"id": "1", "name": "thing"}],
        ),
    ),
    Made(
        "uuids",
        coco(
            POLYGON | {"id": UUID, "image_id": UUID, "category_id": "c"},
            image=IMAGE | {"id": UUID},
            categories=[{"id": "c", "name": "thing"}],
        ),
    ),
    Made("huge ids", coco(POLYGON | {"id": 2**70, "image_id": 2**65}, image=IMAGE | {"id": 2**65})),
    Made("names as ids", coco(POLYGON | {"image_id": "a.png", "category_id": "thing"})),
    Made("no annotation ids", bare(coco(POLYGON, BOX), "id"), taken=2),
    Made("larger copy", coco({"bbox": [200, 100, 300, 300]}, image=IMAGE | {"width": 800, "height": 600})),
    Made(
        "corners",
        coco({"bbox": [20, 10, 50, 40], "area": 900}, {"bbox": [5, 6, 15, 26], "area": 200}),
        taken=2,
    ),
    Made("mmdetection vis", coco(POLYGON | {"instance_id": 3, "video_id": 1}, videos=[{"id": 1}])),
    Made(
        "lvis v0.5",
        coco(POLYGON, categories=[{"id": 1, "name": "thing", "frequency": "r"}]),
    ),
    Made("captions", coco({"caption": "A cat."}), 0, 1, "Is a caption"),
    Made("image-level", coco({}), 0, 1, "label of the whole image"),
    Made("keypoints only", coco(KEYPOINTS), 0, 1, "only keypoints"),
    Made("rotated", coco({"bbox": [20, 10, 30, 30, 45]}), 0, 1, "rotated box"),
    Made(
        "panoptic without its PNG",
        coco({"file_name": "p.png", "segments_info": [{"id": 1, "category_id": 1}]}),
        0,
        1,
        "Is panoptic",
    ),
    Made(
        "stretched copy",
        coco(
            {"bbox": [10, 10, 20, 20]}, {"bbox": [30, 30, 20, 10]}, image=IMAGE | {"width": 100, "height": 60}
        ),
        0,
        2,
        "no turning or scaling",
    ),
    Made("no photo", coco(POLYGON, image=IMAGE | {"file_name": "gone.png"}), missing=1),
)

OTHERS = {
    "labelme": ({"version": "5", "shapes": [], "imagePath": "a.png"}, "labelme"),
    "via": ({"a.png123": {"filename": "a.png", "regions": []}}, "VGG Image Annotator"),
    "label studio": ([{"data": {}, "annotations": []}], "Label Studio"),
    "superannotate": ({"metadata": {}, "instances": []}, "SuperAnnotate"),
    "results": ([{"image_id": 1, "score": 0.5}], "results"),
    "list": ([1, 2], "list without images"),
}
