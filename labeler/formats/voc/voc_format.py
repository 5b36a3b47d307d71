"""The entries of Pascal VOC in the table of formats."""

from pathlib import Path

from labeler.formats.spec import FormatSpec, Holds
from labeler.formats.voc.voc_reading import read, sniff
from labeler.formats.voc.voc_segments import OBJECTS
from labeler.formats.voc.voc_writing import photo_place, write, write_with_masks

voc = FormatSpec(
    "voc",
    "Pascal VOC XML",
    (".xml",),
    sniff,
    read,
    write,
    Holds(("box",), attributes=True, extra=True),
    folder=True,
    photo=photo_place,
    summary="boxes with attributes; torchvision, CVAT, labelImg, mmdetection",
)


def sniff_with_masks(path: Path) -> bool:
    """Whether a folder has the pictures of segments beside its XML files."""
    return path.is_dir() and (path / OBJECTS).is_dir() and sniff(path)


voc_masks = FormatSpec(
    "voc-masks",
    "Pascal VOC XML with segments",
    (".xml",),
    sniff_with_masks,
    read,
    write_with_masks,
    Holds(("box", "mask"), attributes=True, extra=True),
    folder=True,
    photo=photo_place,
    order=1,
    summary="as voc, with SegmentationClass and SegmentationObject for masks",
)
