"""Datumaro's JSON as an entry of the table of formats."""

from labeler.formats.datumaro.datumaro_reading import read, sniff
from labeler.formats.datumaro.datumaro_writing import write
from labeler.formats.spec import FormatSpec, Holds

datumaro = FormatSpec(
    "datumaro",
    "Datumaro JSON",
    (".json",),
    sniff,
    read,
    write,
    Holds(
        ("box", "polygons", "mask"),
        parts=True,
        crowds=True,
        attributes=True,
        extra=True,
        skeleton=lambda _: True,
    ),
    inside=lambda part: f"annotations/{part or 'default'}.json",
    order=10,
    summary="boxes, outlines, masks, attributes, paint order; datumaro, CVAT and OpenVINO read it",
)
"""The format's entry. An object of several outlines is a group of polygons; holes go through a seam."""
