"""What an evaluation comes to: the figures, and every match behind them, so that each can be opened.

Images, categories, truths and predictions are columns of arrays; one refers to another by its *place* in
those columns, while `ids` are those of the COCO file and of the results (a result's id is its place in its
file, from 1).
"""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.files import atomic_write
from labeler.errors import FormatError

Floats: TypeAlias = NDArray[np.float64]
Singles: TypeAlias = NDArray[np.float32]
Ids: TypeAlias = NDArray[np.int64]
Places: TypeAlias = NDArray[np.int32]
Flags: TypeAlias = NDArray[np.bool_]
By: TypeAlias = Literal["box", "mask"]

FALSE_ALARM = -1
"""In `RankedPredictions.hits`: nothing to find was there."""
LEFT_OUT = -2
"""In `RankedPredictions.hits`: counts neither as right nor as wrong, for it lies in a crowd."""

_FORMAT = 1


class Figures(Struct, frozen=True):
    """COCO's twelve figures, each from 0 to 1; None where there was nothing to find."""

    ap: float | None
    """Average precision over IoU 0.50, 0.55, ... 0.95."""
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    """Of truths under 32² square pixels."""
    ap_medium: float | None
    """Of truths from 32² to 96² square pixels."""
    ap_large: float | None
    """Of truths from 96² square pixels."""
    ar1: float | None
    """Average recall with one prediction an image and category."""
    ar10: float | None
    ar100: float | None
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None


class CategoryResult(Struct, frozen=True):
    """What one category comes to."""

    id: int
    name: str
    truths: int
    """How many there are to find, so without crowds."""
    predictions: int
    figures: Figures
    pixel_iou: float | None = None
    """Of the pixels of all images together, whatever the instances; None without masks."""
    pixel_dice: float | None = None


class Summary(Struct, frozen=True):
    """The figures alone, to be kept in a history."""

    title: str
    by: By
    created: float
    """Seconds since 1970, UTC."""
    images: int
    truths: int
    predictions: int
    figures: Figures
    categories: tuple[CategoryResult, ...]
    pixel_confidence: float | None = None
    """The least confidence of the predictions in the pixel figures; None without masks."""


class Images(Struct, frozen=True, eq=False):
    """The I images, by rising id."""

    ids: Ids
    names: tuple[str, ...]
    """As the labels file has them."""


class Truths(Struct, frozen=True, eq=False):
    """The M annotations."""

    ids: Ids
    images: Places
    categories: Places
    boxes: Singles
    """(M, 4) x0, y0, x1, y1 in image pixels."""
    areas: Floats
    """(M,) square pixels, as the sizes go by."""
    ignored: Flags
    """(M,) crowds, which are not to be found."""


class RankedPredictions(Struct, frozen=True, eq=False):
    """The P predictions that count, by falling confidence: at most 100 an image and category."""

    ids: Ids
    images: Places
    categories: Places
    boxes: Singles
    """(P, 4) x0, y0, x1, y1 in image pixels."""
    confidences: Floats
    hits: Places
    """(T, P) at each threshold the place of the truth found, `FALSE_ALARM` or `LEFT_OUT`."""
    overlaps: Singles
    """(P,) IoU with the truth found at the first threshold; 0 for none."""


class MatchedPairs(Struct, frozen=True, eq=False):
    """The K pairs of a prediction and a truth of one image, of any categories, of IoU 0.5 or more.

    Crowds are left out.
    """

    predictions: Places
    truths: Places
    overlaps: Singles


class Evaluation(Struct, frozen=True, eq=False):
    """How good the predictions of one model are."""

    summary: Summary
    images: Images
    truths: Truths
    predictions: RankedPredictions
    pairs: MatchedPairs
    thresholds: Floats
    """(T,) IoU, rising; the first is 0.5."""
    precision: Singles
    """(T, 101, C) the best precision at recall 0, 0.01, ... 1 or beyond; NaN without truths."""

    @property
    def categories(self) -> tuple[CategoryResult, ...]:
        """The C categories, by rising id."""
        return self.summary.categories


def save(path: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write evaluations of the same labels into one file, in one atomic step.

    Compressed MessagePack. Raises FormatError where that cannot be written.
    """
    data = msgspec.msgpack.encode(_File(_FORMAT, tuple(evaluations)), enc_hook=_packed)
    try:
        atomic_write(path, zlib.compress(data, level=1))
    except OSError as error:
        raise FormatError(f"“{path}” cannot be written: {error.strerror or error}.") from error


def load(path: Path) -> tuple[Evaluation, ...]:
    """The evaluations that `save` wrote. Raises FormatError with one sentence for anything else."""
    try:
        file = _decoder.decode(zlib.decompress(path.read_bytes()))
    except OSError as error:
        raise FormatError(f"“{path}” cannot be read: {error.strerror or error}.") from error
    except (zlib.error, msgspec.DecodeError, ValueError, TypeError) as error:
        raise FormatError(f"“{path}” is no evaluation, or a damaged one; evaluate again.") from error
    if file.format > _FORMAT:
        raise FormatError(f"“{path}” was made by a newer version of Labeler; install that one.")
    return file.evaluations


class _File(Struct, frozen=True, tag="labeler evaluation"):
    format: int
    evaluations: tuple[Evaluation, ...]


def _packed(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    raise TypeError(f"{type(value).__name__} is no part of an evaluation.")


def _unpacked(kind: Any, value: Any) -> Any:
    """An array, read-only, if it is what `_packed` gives of one with the element type of `kind`."""
    dtype, shape, data = value
    wanted = kind.__args__[1].__args__[0]
    if np.dtype(dtype) != np.dtype(wanted):
        raise ValueError(f"an array of {wanted} is of {dtype}")
    return np.frombuffer(data, dtype=dtype).reshape(shape)


_decoder = msgspec.msgpack.Decoder(_File, dec_hook=_unpacked)
