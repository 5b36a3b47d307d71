"""CVAT's XML, Datumaro's JSON and Label Studio's brushes in the hands of datumaro and Label Studio's code.

Run with `-m clients`.
"""

import json
import os
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import pytest

from labeler.core.records import Mask
from labeler.training.labels_out import Order, deliver
from tests.clients.conftest import NUMBERED, PROGRAMS, SHAPES, Sample, environment

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]

RIM = np.ones((3, 3), np.uint8)


def said_by(client: str, program: str, *arguments: object) -> Any:
    """What a program prints in a client's environment."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "QT_"))}
    command = [str(environment(client)), str(PROGRAMS / program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, env=clean)
    assert done.returncode == 0, done.stderr[-900:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", ["cvat", "datumaro"])
@pytest.mark.usefixtures("shipped_formats")
def test_datumaro_loads_what_was_written(kind: str, sample: Sample, tmp_path: Path) -> None:
    """All photos, labels and objects, with the pixels of each but for the rim that outlines are drawn with.

    The turned photo goes out as it is displayed, since datumaro does not turn it.
    """
    out, masks = tmp_path / "set", tmp_path / "masks.npz"
    deliver(sample.project, Order(out, format=kind, photos="copied", straighten=True))
    said = said_by("datumaro", "exchange_reads.py", kind, out, masks)
    assert said == {"items": len(SHAPES), "labels": ["cat", "dog", "cow"]}
    number = 0
    with np.load(masks) as found:
        for name, shapes in SHAPES.items():
            for place in range(len(shapes)):
                number += 1
                true = sample.masks[number].astype(np.uint8)
                here = found[f"{PurePosixPath(name).stem}/{place}"].astype(np.uint8)
                assert here.shape == true.shape
                if isinstance(shapes[place][0], Mask):
                    assert np.array_equal(here, true), (name, place)
                else:  # a seam encloses nothing, but Pillow draws it one pixel wide
                    here = cv2.morphologyEx(here, cv2.MORPH_OPEN, RIM)
                assert not (here & ~cv2.dilate(true, RIM, iterations=2)).any(), (name, place)
                assert not (cv2.erode(true, RIM) & ~here).any(), (name, place)
        assert len(found) == number


@pytest.mark.usefixtures("shipped_formats")
def test_label_studio_reads_and_writes_brushes_as_we_do(sample: Sample, tmp_path: Path) -> None:
    out, masks = tmp_path / "set", tmp_path / "masks.npz"
    deliver(sample.project, Order(out, format="label-studio", photos="copied"))
    said_by("label-studio-sdk", "brushes_reads.py", out / "tasks.json", masks)
    masks_of: dict[str, list[int]] = {}
    places = ((name, shape) for name, shapes in SHAPES.items() for shape, _ in shapes)
    for number, (name, shape) in enumerate(places, 1):
        masks_of.setdefault(PurePosixPath(name).stem, []).extend([number] * isinstance(shape, Mask))
    compared = 0
    with np.load(masks) as found:
        for task in json.loads((out / "tasks.json").read_bytes()):
            results = [one for made in task["annotations"] for one in made["result"]]
            brushes = [one for one in results if one["type"] == "brushlabels"]
            numbers = masks_of.get(PurePosixPath(task["data"]["image"]).stem, [])
            for number, brush in zip(numbers, brushes, strict=True):
                assert np.array_equal(found[brush["id"]], sample.masks[number]), number
                assert found[f"{brush['id']}/code"].tolist() == brush["value"]["rle"]
                compared += 1
    assert compared == sum(isinstance(shape, Mask) for _, (shape, _) in NUMBERED)
