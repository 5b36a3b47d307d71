"""CVAT's XML as an entry of the table of formats."""

from labeler.formats.cvat.cvat_labels import has_svg
from labeler.formats.cvat.cvat_reading import is_cvat, read
from labeler.formats.cvat.cvat_writing import write
from labeler.formats.spec import FormatSpec, Holds

cvat = FormatSpec(
    "cvat",
    "CVAT XML",
    (".xml",),
    is_cvat,
    read,
    write,
    Holds(("box", "polygons", "mask"), attributes=True, extra=True, skeleton=has_svg),
    inside=lambda part: f"annotations-{part}.xml" if part else "annotations.xml",
    summary="boxes, outlines, masks, attributes, paint order; CVAT and Datumaro read it",
)
"""The format's entry. Holes go through a seam: an outline stays one that CVAT can edit."""
