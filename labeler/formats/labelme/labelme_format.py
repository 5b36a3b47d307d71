"""labelme as a format: a folder of JSON files, one a photo."""

from labeler.formats.labelme.labelme_reading import read, sniff
from labeler.formats.labelme.labelme_writing import HOLDS, write
from labeler.formats.spec import FormatSpec

labelme = FormatSpec(
    "labelme",
    "labelme JSON",
    (".json",),
    sniff,
    read,
    write,
    HOLDS,
    folder=True,
    order=10,
    summary="boxes, outlines, masks, one JSON a photo; labelme, X-AnyLabeling",
)
"""The format's entry."""
