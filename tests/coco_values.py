"""COCO files as plain values, to compare what was written with what it was made of."""

import json
from typing import Any


def completed(data: bytes | str | dict[str, Any]) -> dict[str, Any]:
    """A file with what we always write, where it has none: info, licenses, and each supercategory."""
    whole = dict(data) if isinstance(data, dict) else json.loads(data)
    categories = [{"supercategory": "", **item} for item in whole["categories"]]
    return (
        {"info": {"description": "Labels from Labeler"}, "licenses": []} | whole | {"categories": categories}
    )


def without_facts(data: bytes | str) -> dict[str, Any]:
    """A file without what stands under our own key."""
    whole = json.loads(data)
    lists = ("images", "categories", "annotations")
    return whole | {
        name: [{key: value for key, value in item.items() if key != "labeler"} for item in whole[name]]
        for name in lists
    }
