"""The entries of Pascal VOC in the table of formats."""

from labeler.formats.spec import FormatSpec, Holds
from labeler.formats.voc.voc_reading import read, sniff
from labeler.formats.voc.voc_writing import photo_place, write

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
