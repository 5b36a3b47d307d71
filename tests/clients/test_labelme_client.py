"""A labelme data set in the hands of labelme itself. Run with `-m clients`."""

import json
import os
import subprocess
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest

from labeler.training.labels_out import Order, deliver
from tests.clients.conftest import PROGRAMS, SHAPES, Sample, environment

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]

RIM = np.ones((3, 3), np.uint8)


@pytest.mark.usefixtures("shipped_formats")
def test_labelme_opens_what_was_written(sample: Sample, tmp_path: Path) -> None:
    """Each photo, also the turned one, with the pixels of each object but for the rim that labelme draws."""
    python = environment("labelme")
    out, masks = tmp_path / "set", tmp_path / "masks.npz"
    deliver(sample.project, Order(out, format="labelme", photos="copied"))
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "QT_"))}
    command = [str(python), str(PROGRAMS / "labelme_reads.py"), str(out), str(masks)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=clean)
    assert done.returncode == 0, done.stderr[-600:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said.keys() == {PurePosixPath(name).stem for name in SHAPES}
    assert said["boxes"] == ["rectangle"]
    assert said["plain"] == ["mask", "polygon", "rectangle"]
    number = 0
    with np.load(masks) as found:
        for name, shapes in SHAPES.items():
            for place in range(len(shapes)):
                number += 1
                true = sample.masks[number].astype(np.uint8)
                here = found[f"{PurePosixPath(name).stem}/{place}"].astype(np.uint8)
                assert here.shape == true.shape
                assert not (here & ~cv2.dilate(true, RIM, iterations=2)).any(), (name, place)
                assert not (cv2.erode(true, RIM) & ~here).any(), (name, place)
        assert len(found) == number
