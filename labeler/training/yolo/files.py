"""A run's labelled images as the files that ultralytics trains from, in a folder made for it alone.

    data.yaml               where the parts are, and the names of the classes
    train/images/00001.png  the image as this app shows it, no larger than it is trained at
    train/labels/00001.txt  a line an object: "class cx cy w h" or "class x y x y ...", in shares of the image
    val/...                 likewise

The images are decoded by this app and written anew: ultralytics rewrites images that it finds damaged, and
turns and tones some kinds in its own way, so it never sees the folder of the run's images. The format is
described at docs.ultralytics.com/datasets/detect and /segment.
"""

import contextlib
import json
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from msgspec import Struct

from labeler.core.contours import outline
from labeler.core.geometry import bounds, clipped
from labeler.core.photos.images import read_pixels
from labeler.core.records import Annotation, Box, Mask, Points, Polygons, Shape
from labeler.errors import LabelerError
from labeler.models.protocols import Rgb
from labeler.training.data import LabelledImage, LabelledSet
from labeler.training.disk import remedy
from labeler.training.specs import StoppedError

_DIGITS = 6
_TOLERANCE = 0.5
"""Pixels by which a mask's outline may be straightened."""
_LEAST_AREA = 1e-9
"""Of the image's area: what is smaller is an object only by rounding."""
_QUICK = [cv2.IMWRITE_PNG_COMPRESSION, 1]


class WrittenSet(Struct, frozen=True):
    """What was written."""

    yaml: Path
    objects: int
    """To learn from."""
    without_outline: int
    """Objects to learn from that were left out, for an outline was needed and they have only a box."""
    judged: int
    """Objects to be judged on; without any there is nothing to measure."""


def write(
    folder: Path,
    train: LabelledSet,
    validation: LabelledSet,
    *,
    side: int,
    masks: bool,
    should_stop: Callable[[], bool],
) -> WrittenSet:
    """Write both parts into `folder`, which is new or empty, with images of at most `side` pixels.

    With `masks` each object is its outline, else its tight box. Crowds are left out: the format has no way
    to say that something counts neither way. Raises StoppedError, ImageError for an image that cannot be
    read, and LabelerError where the folder cannot be written.
    """
    try:
        for part, labelled in (("train", train), ("val", validation)):
            _write_part(folder / part, labelled, side=side, masks=masks, should_stop=should_stop)
        yaml = folder / "data.yaml"
        judged = _objects(validation, masks=masks)
        # it wants some to measure on even where there is nothing to be measured
        val = "val/images" if judged else "train/images"
        parts = {"path": str(folder.resolve()), "train": "train/images", "val": val}
        content = {**parts, "names": dict(enumerate(train.names))}
        yaml.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    except OSError as error:
        said = error.strerror or error
        raise LabelerError(
            f"The data for training cannot be written to {folder} ({said}): {remedy(error)}."
        ) from error
    wanted, learnt = _objects(train, masks=False), _objects(train, masks=masks)
    return WrittenSet(yaml, learnt, wanted - learnt, judged)


def _objects(part: LabelledSet, *, masks: bool) -> int:
    """How many objects of a part are learnt from or judged on."""
    wanted = (one for image in part.images for one in image.annotations if not one.crowd)
    return sum(not (masks and isinstance(one.shape, Box)) for one in wanted)


def _write_part(
    folder: Path, part: LabelledSet, *, side: int, masks: bool, should_stop: Callable[[], bool]
) -> None:
    images, labels = folder / "images", folder / "labels"
    images.mkdir(parents=True)
    labels.mkdir()

    def one(numbered: tuple[int, LabelledImage]) -> None:
        number, image = numbered
        if should_stop():
            raise StoppedError("The run was stopped; it can be resumed.")
        rgb = reduced(read_pixels(image.path).rgb, side)
        _, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _QUICK)
        (images / f"{number:06d}.png").write_bytes(data.tobytes())
        lines = label_lines(image.annotations, part.class_of, size=image.size, masks=masks)
        (labels / f"{number:06d}.txt").write_text("".join(f"{line}\n" for line in lines))

    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(one, enumerate(part.images, 1)):
            pass


def reduced(rgb: Rgb, side: int) -> Rgb:
    """The image with its longer side at most `side` pixels, resampled as ultralytics does it."""
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    if scale >= 1.0:
        return rgb
    size = min(math.ceil(width * scale), side), min(math.ceil(height * scale), side)
    smaller: Rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)
    return smaller


def label_lines(
    annotations: Sequence[Annotation], class_of: dict[int, int], *, size: tuple[int, int], masks: bool
) -> list[str]:
    """The lines of an image of size (H, W): crowds, what lies outside, and boxes where `masks`, left out."""
    height, width = size
    found = []
    for one in annotations:
        if one.crowd or (masks and isinstance(one.shape, Box)):
            continue
        inside = clipped(one.shape, size)
        box = bounds(inside)
        if box.area <= _LEAST_AREA * width * height:
            continue
        if masks:
            values = (joined(rings_of(inside)) / (width, height)).reshape(-1)
        else:
            center = (box.x0 + box.x1) / 2 / width, (box.y0 + box.y1) / 2 / height
            values = np.array([*center, box.width / width, box.height / height])
        numbers = " ".join(f"{value:.{_DIGITS}f}" for value in values.clip(0.0, 1.0))
        found.append(f"{class_of[one.category_id]} {numbers}")
    return found


def rings_of(shape: Shape) -> list[Points]:
    """All rings of a shape, outer ones and holes, each (N, 2) x, y."""
    if isinstance(shape, Box):
        return [
            np.array([(shape.x0, shape.y0), (shape.x1, shape.y0), (shape.x1, shape.y1), (shape.x0, shape.y1)])
        ]
    found: Polygons = outline(shape, tolerance=_TOLERANCE) if isinstance(shape, Mask) else shape
    return [ring for part in found.parts for ring in (part.outer, *part.holes)]


def joined(rings: Sequence[Points]) -> Points:
    """One ring (N, 2) that covers by the even-odd rule what the rings cover together.

    Each further ring is reached over a bridge, from the nearest point, that is walked there and back.
    """
    whole = rings[0]
    for ring in rings[1:]:
        gaps = np.square(whole[:, None] - ring[None]).sum(axis=2)
        here, there = np.unravel_index(int(gaps.argmin()), gaps.shape)
        around = np.concatenate([np.roll(ring, -int(there), axis=0), ring[there : there + 1]])
        whole = np.concatenate([whole[: here + 1], around, whole[here:]])
    return whole


@contextlib.contextmanager
def listening(log: Path) -> Iterator[None]:
    """What ultralytics says goes into the run's log and nowhere else."""
    logger = logging.getLogger("ultralytics")
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    try:
        with log.open("a", encoding="utf-8") as file, contextlib.redirect_stdout(file):
            yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.setLevel(before[0])
        logger.propagate = before[1]
