"""The true class of every pixel, from the objects that people drew, and which is taken for which.

No model library is needed.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from labeler.core.geometry import bounds, rasterise
from labeler.core.records import Annotation, Box

UNKNOWN = -1
"""The class of a pixel of which nothing is known: it is neither learnt from nor judged by."""

LabelMap = NDArray[np.int16]


def label_map(
    annotations: Sequence[Annotation],
    class_of: Mapping[int, int],
    size: tuple[int, int],
    *,
    scaled_to: tuple[int, int] | None = None,
    seams: bool = False,
) -> LabelMap:
    """The classes (H, W) of an image's pixels: 0 for none, 1 on for the categories, `UNKNOWN`.

    `class_of` gives the place of a category, from 0. Where objects overlap, the smaller one wins: it is the
    part, or lies in front, far more often than not, and the larger one would hide it whole. Crowds and
    objects of which only a box is known say nothing of the pixels inside them that no outline covers. `size`
    is the image's, `scaled_to` that of the result, the same by default. With `seams`, pixels where two
    objects of a category touch become background, so that they can be told apart.
    """
    classes = np.zeros(size, dtype=np.int16)
    owners = np.zeros(size, dtype=np.int32)
    outlined = []
    for annotation in annotations:
        mask = rasterise(annotation.shape, size=size)
        if not mask.bits.any():
            continue
        if annotation.crowd or isinstance(annotation.shape, Box):
            classes[mask.y : mask.y + mask.height, mask.x : mask.x + mask.width][mask.bits] = UNKNOWN
        else:
            outlined.append((int(mask.bits.sum()), mask, class_of[annotation.category_id] + 1))
    outlined.sort(key=lambda one: -one[0])
    for number, (_, mask, index) in enumerate(outlined, 1):
        window = slice(mask.y, mask.y + mask.height), slice(mask.x, mask.x + mask.width)
        classes[window][mask.bits] = index
        owners[window][mask.bits] = number
    if scaled_to is not None and scaled_to != size:
        target = scaled_to[1], scaled_to[0]
        classes = np.asarray(cv2.resize(classes, target, interpolation=cv2.INTER_NEAREST), dtype=np.int16)
        owners = np.asarray(cv2.resize(owners, target, interpolation=cv2.INTER_NEAREST), dtype=np.int32)
    if seams:
        classes[_seams(classes, owners)] = 0
    return classes


def _seams(classes: LabelMap, owners: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels beside a pixel of the same class, but of another object."""
    seam = np.zeros(classes.shape, dtype=bool)
    for one, other in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        touching = (owners[one] != owners[other]) & (classes[one] == classes[other]) & (owners[one] > 0)
        touching &= owners[other] > 0
        seam[one] |= touching
        seam[other] |= touching
    return seam


def object_sides(annotations: Sequence[Annotation]) -> list[float]:
    """The root of the area of each object's box, in pixels: how large the objects are."""
    return [bounds(one.shape).area ** 0.5 for one in annotations if bounds(one.shape).area > 0]


def label_confusion(
    prediction: ArrayLike, truth: ArrayLike, *, classes: int, ignore: int | None = None
) -> NDArray[np.int64]:
    """Pixels (C, C), row the true class and column the predicted one, of two label maps of one shape.

    Label maps hold whole numbers 0 to `classes` - 1; pixels whose truth is `ignore` are left out. Raises
    ValueError where the shapes differ or a value is outside.
    """
    p, t = np.asarray(prediction).reshape(-1), np.asarray(truth).reshape(-1)
    if np.shape(prediction) != np.shape(truth):
        raise ValueError(f"prediction {np.shape(prediction)} and truth {np.shape(truth)} differ in shape.")
    if ignore is not None:
        p, t = p[t != ignore], t[t != ignore]
    for name, values in (("prediction", p), ("truth", t)):
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(f"The {name} has values outside the classes 0 to {classes - 1}.")
    joint = t.astype(np.int64) * classes + p.astype(np.int64)
    return np.bincount(joint, minlength=classes * classes).reshape(classes, classes)
