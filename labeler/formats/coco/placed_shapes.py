"""The shape of one item of a labels file, brought from the frame of the file to the displayed image."""

from msgspec import Raw

from labeler.core.affine import Affine
from labeler.core.geometry import bounds
from labeler.core.records import Shape
from labeler.formats.coco.frames import CoordinateFrame, mask_change, mask_size
from labeler.formats.coco.shapes import MaskBudget
from labeler.formats.gates import Fields, RefusalError, Repairs

_NONE = Raw(b"null")


def read_placed(
    budget: MaskBudget, fields: Fields, frame: CoordinateFrame, repairs: Repairs
) -> tuple[Shape, Affine | None]:
    """The shape on the displayed image, and how its coordinates were changed, None where they were not.

    A run-length mask has a size of its own and is fitted by that. Raises RefusalError where there is no
    shape that can be taken.
    """
    size = mask_size(fields.get("segmentation", _NONE))
    if size is not None and size != frame.size:
        return _other_mask(budget, fields, frame, size, repairs)
    shape = budget.read_shape(fields, size=_rows_first(frame.size), repairs=repairs)
    if frame.change is None:
        return shape, None
    placed = frame.change.shape(shape)
    if frame.real is not None:
        _check_shown(placed, frame.real)
    return placed, frame.change


def _other_mask(
    budget: MaskBudget, fields: Fields, frame: CoordinateFrame, size: tuple[int, int], repairs: Repairs
) -> tuple[Shape, Affine | None]:
    """A mask whose size is not that of the frame; the bbox where it cannot be fitted."""
    found: Repairs = []
    try:
        change = mask_change(frame, size)
        alone = {name: raw for name, raw in fields.items() if name not in ("bbox", "area")}
        shape = budget.read_shape(alone if change else fields, size=_rows_first(size), repairs=found)
    except RefusalError:
        # what is wrong with the mask is said by the one reader that also falls back on the bbox
        shape = budget.read_shape(fields, size=_rows_first(frame.size), repairs=repairs)
        return (shape, None) if frame.change is None else (frame.change.shape(shape), frame.change)
    repairs += found
    if change is None:
        return shape, None
    real = frame.real or frame.size
    repairs.append(
        (
            "segmentation",
            f"Was a mask of {size[1]} by {size[0]}; fitted to the image's {real[1]} by {real[0]}."
            if real
            else "Was a mask of another size.",
        )
    )
    return change.shape(shape), change


def _check_shown(shape: Shape, size: tuple[int, int]) -> None:
    box = bounds(shape)
    if box.x0 >= size[0] or box.y0 >= size[1] or box.x1 <= 0 or box.y1 <= 0:
        raise RefusalError("", f"Lies wholly outside the image of {size[0]} by {size[1]} pixels.")


def _rows_first(size: tuple[int, int] | None) -> tuple[int, int] | None:
    return None if size is None else (size[1], size[0])
