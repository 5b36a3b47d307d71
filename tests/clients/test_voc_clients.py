"""A VOC data set with segments in the hands of torchvision's loaders. Run with `-m clients`."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from labeler.core.records import Annotation, Box, Category, Image, Mask
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.spec import Dataset
from labeler.formats.voc.voc_format import voc_masks
from tests.clients.conftest import PROGRAMS, environment

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]

W, H = 60, 40


def test_torchvision_reads_boxes_names_and_segments(tmp_path: Path) -> None:
    """Its v2 wrapper calls int on the numbers of a box, so those of a box of fractions are whole, too."""
    files = {}
    for number, name in enumerate(("a.jpg", "b.jpg"), 1):
        files[number] = tmp_path / "photos" / name
        files[number].parent.mkdir(exist_ok=True)
        PillowImage.new("RGB", (W, H), (number * 90, 20, 60)).save(files[number])
    block = Mask(5, 6, np.ones((10, 20), bool))
    dataset = Dataset(
        (Image(1, "a.jpg", W, H), Image(2, "b.jpg", W, H)),
        (Category(1, "cat", ""), Category(2, "traffic light", "")),
        (
            Annotation(1, 1, 2, block, attributes={"occluded": True, "colour": "red"}),
            Annotation(2, 1, 1, Box(0, 0, 12.25, 9.5)),
            Annotation(3, 2, 1, Box(1.5, 2.5, 50, 40), extra=b'{"score":0.5}'),
        ),
    )
    out = tmp_path / "VOCdevkit/VOC2012"
    write_data_set(voc_masks, Wanted(dataset, out, files, photos="copied"))
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "QT_"))}
    command = [str(environment("torchvision")), str(PROGRAMS / "torchvision_voc_reads.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=clean)
    assert done.returncode == 0, done.stderr[-600:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["plain"] == {"a.jpg": ["traffic light", "cat"], "b.jpg": ["cat"]}
    assert said["boxes"] == {"a.jpg": [[5, 6, 25, 16], [0, 0, 12, 10]], "b.jpg": [[2, 3, 50, 40]]}
    assert said["segments"] == {"a.png": {"0": W * H - 200, "2": 200}}
