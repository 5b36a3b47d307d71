"""A data set on disk, made of texts and of the sizes of photos."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from labeler.formats import spec
from labeler.formats.yolo.yolo_format import yolo, yolo_seg

Files = dict[str, str | bytes | tuple[int, int]]


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


@pytest.fixture(autouse=True)
def offered() -> Iterator[None]:
    """The formats there are."""
    spec.come_from(lambda: (yolo, yolo_seg))
    yield
    spec.come_from(tuple)
