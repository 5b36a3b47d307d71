"""The formats of this room, offered as the app offers them."""

from collections.abc import Iterator

import pytest

from labeler.formats import spec
from labeler.formats.yolo.yolo_format import yolo, yolo_pose, yolo_seg


@pytest.fixture(autouse=True)
def offered() -> Iterator[None]:
    """The formats there are."""
    spec.come_from(lambda: (yolo, yolo_pose, yolo_seg))
    yield
    spec.come_from(tuple)
