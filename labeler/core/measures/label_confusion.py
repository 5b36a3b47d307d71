"""Which classes of pixels are taken for which."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints: TypeAlias = NDArray[np.int64]


def label_confusion(
    prediction: ArrayLike, truth: ArrayLike, *, classes: int, ignore: int | None = None
) -> Ints:
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
