"""The entry of COCO panoptic in the table of formats."""

from labeler.formats.panoptic_set.panoptic_reading import read, sniff
from labeler.formats.panoptic_set.panoptic_writing import photo_place, write
from labeler.formats.spec import FormatSpec, Holds

panoptic = FormatSpec(
    "panoptic",
    "COCO panoptic",
    (".json",),
    sniff,
    read,
    write,
    Holds(("mask",), crowds=True, attributes=True, extra=True, skeleton=lambda _: True),
    folder=True,
    photo=photo_place,
    order=-1,
    summary="things and stuff as colours of PNGs beside a JSON; panopticapi, detectron2, mmdetection",
)
