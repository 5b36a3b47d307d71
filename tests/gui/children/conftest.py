"""What the tests of the three clients share: models that meet faults, images, and no child that is left."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.child_processes import workers


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    """A child that outlives its closed client fails the test."""
    yield
    assert not workers(), "a child outlived its client"


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the plugin `faulty.py`, found by children through the environment; scripts go there."""
    folder = tmp_path / "faulty plugins"
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "faulty.py", folder)
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    return folder


@pytest.fixture
def images(tmp_path: Path) -> tuple[tuple[int, str], ...]:
    """Six images of (id, path): image n has a square at (10 n, 5) of brightness 200 + n."""
    made = []
    for n in range(1, 7):
        pixels = np.zeros((40, 100, 3), dtype=np.uint8)
        pixels[5:15, 10 * n : 10 * n + 10] = 200 + n
        path = tmp_path / f"image {n}.png"
        cv2.imwrite(str(path), pixels)
        made.append((n, str(path)))
    return tuple(made)
