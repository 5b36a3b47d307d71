"""Small COCO files made by code, as raw JSON texts so that they can hold what Python could not write."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

IMAGE = {"id": "7", "file_name": '"a.jpg"', "width": "40", "height": "30"}
CATEGORY = {"id": "3", "name": '"cat"', "supercategory": '"animal"'}
POLYGON = {
    "id": "11",
    "image_id": "7",
    "category_id": "3",
    "segmentation": "[[10, 10, 20, 10, 20, 20, 10, 20]]",
    "bbox": "[10, 10, 10, 10]",
    "area": "100",
    "iscrowd": "0",
}
MASK = {
    "id": "12",
    "image_id": "7",
    "category_id": "3",
    # 30 high, 40 wide: columns 2 and 3 from row 5 to row 9
    "segmentation": '{"size": [30, 40], "counts": [65, 5, 25, 5, 1100]}',
    "bbox": "[2, 5, 2, 5]",
    "area": "10",
    "iscrowd": "1",
}
BOX = {
    "id": "13",
    "image_id": "7",
    "category_id": "3",
    "segmentation": "[]",
    "bbox": "[1.5, 2.5, 8, 9]",
    "area": "72",
    "iscrowd": "0",
}


def obj(fields: dict[str, str]) -> str:
    """A JSON object of raw values."""
    return "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in fields.items()) + "}"


def coco_text(
    *,
    images: list[str] | None = None,
    categories: list[str] | None = None,
    annotations: list[str] | None = None,
    top: dict[str, str] | None = None,
) -> str:
    """A COCO file of raw items; by default one image, one category, a polygon, a mask and a box."""
    lists = {
        "images": [obj(IMAGE)] if images is None else images,
        "categories": [obj(CATEGORY)] if categories is None else categories,
        "annotations": [obj(POLYGON), obj(MASK), obj(BOX)] if annotations is None else annotations,
    }
    return obj((top or {}) | {name: f"[{', '.join(items)}]" for name, items in lists.items()})


@pytest.fixture
def samples() -> dict[str, dict[str, str]]:
    """Raw fields of one valid item of each kind."""
    return {"image": IMAGE, "category": CATEGORY, "polygon": POLYGON, "mask": MASK, "box": BOX}


@pytest.fixture
def coco(tmp_path: Path) -> Callable[..., Path]:
    """Writes a COCO file: a text, or items for `coco_text`."""

    def write(text: str | bytes | None = None, **items: Any) -> Path:
        path = tmp_path / "labels.json"
        text = coco_text(**items) if text is None else text
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


Files = dict[str, str | bytes | tuple[int, int]]
"""Texts, bytes and photos of (width, height) by the names that they are to have."""


@pytest.fixture
def laid_out(tmp_path: Path) -> Callable[[Files], Path]:
    """Writes files: a text, bytes, or a photo of (width, height)."""

    def write(files: Files) -> Path:
        root = tmp_path / "set"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, tuple):
                PillowImage.new("RGB", content, (40, 90, 160)).save(path)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    return write
