"""A project with one of everything that makes exports hard, and each client library in a place of its own."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from msgspec import Struct
from PIL import Image as PilImage

from labeler.core.geometry import outline, rasterise
from labeler.core.records import Annotation, Box, Category, Change, Edit, Image, Mask, Part, Polygons, Shape
from labeler.formats.report import Report
from labeler.formats.write_options import Writing
from labeler.project.store import Store
from labeler.training.labels_out import Order, deliver

PROGRAMS = Path(__file__).with_name("programs")
PYTHON = "3.11"
TORCH = ("torch==2.15.0", "torchvision==0.29.2")
CLIENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    # numpy 2 came after 2.0.6 was built
    "pycocotools-2.0.6": ("pycocotools", ("pycocotools==2.0.6", "numpy<2")),
    "pycocotools-2.0.10": ("pycocotools", ("pycocotools==2.0.10",)),
    "pycocotools-2.0.11": ("pycocotools", ("pycocotools==2.0.11",)),
    "torchvision": ("torchvision", (*TORCH, "pycocotools==2.0.11")),
    "supervision": ("supervision", ("supervision==0.31.2",)),
    "sahi": ("sahi", ("sahi==0.12.8", "pycocotools==2.0.11")),
    "transformers": ("transformers", (*TORCH, "transformers==5.24.0", "pycocotools==2.0.11", "scipy")),
    "ultralytics": (
        "ultralytics",
        (*TORCH, "ultralytics-opencv-headless==8.4.190", "faster-coco-eval==1.8.0"),
    ),
    "datumaro": ("datumaro", ("datumaro==1.13.12",)),
}
"""Each client: the program that uses it, and the packages that it is made of."""
OF_FORMATS: dict[str, tuple[str, ...]] = {
    "labelme": ("labelme==5.5.0",),
    "label-studio-sdk": ("label-studio-sdk==2.1.2",),
}
"""The makers of other formats than COCO, each with a test of its own."""

W, H = 160, 120


def cache() -> Path:
    """Where the environments are kept from run to run: about 7 GB, mostly torch."""
    named = os.environ.get("LABELER_CLIENTS")
    return Path(named) if named else Path.home() / ".cache" / "labeler-clients"


def environment(client: str) -> Path:
    """The interpreter of a client's environment, which is made where it is not there yet."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("needs uv to make the client's environment")
    packages = OF_FORMATS.get(client) or CLIENTS[client][1]
    home = cache() / client
    made = home / "made.txt"
    wanted = "\n".join((PYTHON, *packages))
    home.parent.mkdir(parents=True, exist_ok=True)
    with (cache() / f"{client}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = home / "bin" / "python"
        if not made.is_file() or made.read_text("utf-8") != wanted:
            commands = (
                [uv, "venv", "--quiet", "--no-config", "--clear", "--python", PYTHON, str(home)],
                [uv, "pip", "install", "--quiet", "--no-config", "--python", str(python), *packages],
            )
            for command in commands:
                done = subprocess.run(
                    command, capture_output=True, text=True, check=False, timeout=1800, cwd=cache()
                )
                if done.returncode:
                    pytest.skip(f"{client} cannot be installed here: {done.stderr.strip()[-300:]}")
            made.write_text(wanted, "utf-8")
    return python


class Answer(Struct):
    """What a program says; see programs/common.py."""

    raised: dict[str, str]
    strays: dict[str, float]
    """Of each annotation, how much is not what it should be: see `Task.saw`."""
    said: dict[str, Any]


class Sample(Struct, frozen=True, eq=False):
    """A project on disk, and the pixels that each of its annotations covers."""

    project: Path
    photos: Path
    masks: dict[int, Any]

    def export(self, out: Path, writing: Writing) -> Report:
        """Write it as a person does."""
        return deliver(self.project, Order(out, writing)).report


def ring(*points: tuple[float, float]) -> Any:
    return np.array(points, dtype=float)


def disc(x: int, y: int, radius: int, hole: int = 0) -> Mask:
    """A disc's pixels, with a round hole."""
    rows, columns = np.mgrid[: 2 * radius, : 2 * radius]
    square = (columns - radius + 0.5) ** 2 + (rows - radius + 0.5) ** 2
    return Mask(x - radius, y - radius, (square <= radius**2) & (square >= hole**2))


STAR = ring((20, 20), (60.5, 25), (70, 60.25), (40, 50), (15.5, 65))
FRAME = Part(ring((10, 10), (90, 12), (88, 80), (12, 78)), (ring((30, 30), (60, 30), (60, 60), (30, 60)),))
ISLAND = Mask(100, 20, np.pad(np.pad(np.ones((8, 8), bool), 6), 5, constant_values=True))
SHAPES: dict[str, list[tuple[Shape, bool]]] = {
    "plain.jpg": [
        (disc(110, 60, 30), False),
        (Polygons((Part(STAR),)), False),
        (Box(5.5, 80, 50, 110.25), False),
    ],
    "sub/holes.jpg": [(disc(120, 80, 28, 12), False), (Polygons((FRAME,)), False), (ISLAND, False)],
    "border.jpg": [
        (Box(-10, 30, 40.5, 90), False),
        (Polygons((Part(STAR + ring((110, 70))),)), False),
        (disc(25, 100, 30), False),
    ],
    "crowd.jpg": [(disc(60, 60, 40, 10), True), (disc(130, 90, 20), False), (Box(2, 2, 30, 40), False)],
    "turned.jpg": [(disc(60, 100, 35), False), (Box(10, 10, 60, 50), False)],
    "parts.jpg": [
        (Polygons((Part(STAR), Part(STAR / 2 + ring((90, 60))))), False),
        (
            Mask(80, 5, np.pad(np.ones((20, 20), bool), ((0, 0), (0, 30))) | np.eye(20, 50, 30, dtype=bool)),
            False,
        ),
    ],
    "boxes.jpg": [(Box(20, 20, 60, 60), False), (Box(70, 30, 150, 110), False)],
    "empty.jpg": [],
}


NUMBERED = list(enumerate((one for shapes in SHAPES.values() for one in shapes), 1))
MASKS = {
    number: (any(part.holes for part in outline(shape).parts), crowd)
    for number, (shape, crowd) in NUMBERED
    if isinstance(shape, Mask)
}
"""The masks by their number: whether they have holes, and whether they are crowds."""
DRAWN_HOLES = {5}
TURNED = {13, 14}


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Masks, outlines and boxes; holes, parts, borders, a crowd, a turned photo, an empty one."""
    photos = tmp_path_factory.mktemp("clients") / "photos"
    records: list[Any] = [Category(n, name, f"#00{n}0ff") for n, name in enumerate(("cat", "dog", "cow"), 1)]
    masks = {}
    for number, (name, shapes) in enumerate(SHAPES.items(), 1):
        path = photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (12, 16, 3), np.uint8)
        picture = PilImage.fromarray(cv2.resize(pixels, (W, H), interpolation=cv2.INTER_NEAREST))
        exif = PilImage.Exif()
        turned = name == "turned.jpg"
        if turned:
            exif[0x0112] = 6
        picture.save(path, exif=exif)
        width, height = (H, W) if turned else (W, H)
        records.append(Image(number, name, width, height, reviewed=True))
        for place, (shape, crowd) in enumerate(shapes):
            key = len(masks) + 1
            records.append(Annotation(key, number, place % 3 + 1, shape, crowd=crowd))
            mask = rasterise(shape, size=(height, width))
            bits = np.zeros((height, width), bool)
            bits[mask.y : mask.y + mask.height, mask.x : mask.x + mask.width] = mask.bits
            masks[key] = bits
    project = photos / "labels.labeler"
    with Store.open(project) as store:
        store.set_root(photos)
        store.apply(Edit("Make", tuple(Change(None, record) for record in records)))
    return Sample(project, photos, masks)


@pytest.fixture
def ask(sample: Sample, tmp_path: Path) -> Callable[[str, Path], Answer]:
    """Has a client read a labels file, and gives what it says."""

    def answered(client: str, labels: Path) -> Answer:
        python = environment(client)
        np.savez_compressed(tmp_path / "masks.npz", **{str(key): mask for key, mask in sample.masks.items()})
        out = tmp_path / "answer.json"
        program = PROGRAMS / f"{CLIENTS[client][0]}_reads.py"
        images = tmp_path / "photos"
        if not images.exists():
            shutil.copytree(sample.photos, images, ignore=shutil.ignore_patterns("labels.*"))
        command = [str(python), str(program), str(labels), str(images), str(tmp_path / "masks.npz"), str(out)]
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "QT_"))}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, env=clean)
        if done.returncode:
            return Answer({"all": done.stderr.strip()[-600:]}, {}, {})
        whole = json.loads(out.read_text("utf-8"))
        return Answer(whole["raised"], whole["strays"], whole["said"])

    assert sys.platform != "win32"
    return answered
