"""Exports in every format onto a disk that is really full; says in JSON what went wrong, by case.

Argument: a folder on a small disk of its own. Each problem is a sentence; an empty list is good.
"""

import contextlib
import json
import re
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np

from labeler.core.records import Annotation, Box, Category, Change, Edit, Mask
from labeler.project.store import Store
from tests.cli.typed import labeler
from tests.in_one_go import sync_images

FORMATS = (
    "coco",
    "csv",
    "cvat",
    "datumaro",
    "label-studio",
    "labelme",
    "masks",
    "masks-instance",
    "panoptic",
    "voc",
    "voc-masks",
    "yolo",
    "yolo-pose",
    "yolo-seg",
)
IMAGES, SIDE = 6, 300
NO_ROOM = r"No space left|the photos take 1\.6 MB, of which 0 bytes are free"


def make_project(folder: Path) -> Path:
    """Photos of noise, which nothing makes smaller, with two objects on each."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(IMAGES):
        pixels = rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    path = folder / "labels.labeler"
    with Store.open(path) as store:
        sync_images(store, folder)
        changes = [Change(None, Category(1, "cell", "#ff0000"))]
        for at, image in enumerate(store.images()):
            bits = np.kron(rng.random((15, 15)) > 0.5, np.ones((SIDE // 15, SIDE // 15))) > 0
            shapes = (Mask(0, 0, bits), Box(10, 10, 90, 80))
            changes += [
                Change(None, Annotation(2 * at + n + 1, image.id, 1, shape)) for n, shape in enumerate(shapes)
            ]
        store.apply(Edit("Add", tuple(changes)))
    return path


def fill(disk: Path) -> Path:
    """A file that takes all the room of the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(65_536)):
            pass
    return filler


def seen(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def tried(disk: Path, project: Path, name: str, photos: str, *, over: bool) -> list[str]:
    """What is wrong with an export for which there is no room, beside or over one that stands."""
    folder = disk / "out"
    folder.mkdir()
    out = folder / ("set" if photos == "copy" else "labels.json" if name == "coco" else "labels")
    command = ["export", str(project), str(out), "--format", name, "--photos", photos]
    if over:
        first = labeler(*command)
        if not seen(folder):
            return [f"the first one failed: {first.stderr}"]
        command.append("--force")
    before, filler = seen(folder), fill(disk)
    try:
        done = labeler(*command)
    finally:
        filler.unlink()
    problems = []
    lines = done.stderr.strip().splitlines()
    if done.returncode == 0:
        problems.append("it said nothing")
    if "Traceback" in done.stderr or len(lines) != 1 or not re.search(NO_ROOM, done.stderr):
        problems.append(f"it said {done.stderr!r}")
    if seen(folder) != before:
        problems.append(f"it left {sorted(seen(folder).keys() ^ before.keys()) or 'other contents'}")
    return problems


def main() -> None:
    disk = Path(sys.argv[1])
    project = make_project(disk.parent / "photos")
    found = {}
    for name in FORMATS:
        for photos in ("leave", "copy"):
            for over in (False, True):
                case = f"{name}, photos: {photos}, {'over another' if over else 'new'}"
                found[case] = tried(disk, project, name, photos, over=over)
                shutil.rmtree(disk / "out")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
