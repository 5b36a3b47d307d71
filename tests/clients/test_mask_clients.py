"""Folders of masks in the hands of torchvision, as its tutorial reads them. Run with `-m clients`."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from labeler.core.records import Annotation, Box, Category, Image, Mask
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.masks.masks_format import masks, masks_instance
from labeler.formats.spec import Dataset
from tests.clients.conftest import PROGRAMS, environment

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]

W, H = 60, 40


def test_torchvision_reads_categories_and_objects(tmp_path: Path) -> None:
    files = {}
    for number, name in enumerate(("a.jpg", "b.jpg"), 1):
        files[number] = tmp_path / "photos" / name
        files[number].parent.mkdir(exist_ok=True)
        PillowImage.new("RGB", (W, H), (number * 90, 20, 60)).save(files[number])
    dataset = Dataset(
        (Image(1, "a.jpg", W, H), Image(2, "b.jpg", W, H)),
        (Category(1, "cat", ""), Category(2, "traffic light", "")),
        (
            Annotation(1, 1, 2, Mask(6, 6, np.ones((10, 20), bool))),
            Annotation(2, 1, 1, Box(40, 20, 50, 30)),
            Annotation(3, 1, 1, Box(50, 20, 60, 30)),
        ),
    )
    for spec, name in ((masks, "semantic"), (masks_instance, "instances")):
        write_data_set(spec, Wanted(dataset, tmp_path / "sets" / name, files, photos="copied"))
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "QT_"))}
    program = PROGRAMS / "torchvision_masks_reads.py"
    command = [str(environment("torchvision")), str(program), str(tmp_path / "sets")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=clean)
    assert done.returncode == 0, done.stderr[-600:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["semantic"] == {"a.jpg": {"0": W * H - 400, "1": 200, "2": 200}, "b.jpg": {"0": W * H}}
    assert said["halved"] == {"a.jpg": [[3, 20, 30], [0, 1, 2]], "b.jpg": [[3, 20, 30], [0]]}
    # its boxes end at the last pixel and not behind it
    boxes = [[6, 6, 25, 15], [40, 20, 49, 29], [50, 20, 59, 29]]
    assert said["instances"] == {"a.jpg": [boxes, [200, 100, 100]], "b.jpg": [[], []]}
