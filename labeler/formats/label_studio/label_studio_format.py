"""Label Studio's JSON as an entry of the table of formats."""

from labeler.formats.label_studio.task_reading import read, sniff
from labeler.formats.label_studio.task_writing import write
from labeler.formats.spec import FormatSpec, Holds

label_studio = FormatSpec(
    "label-studio",
    "Label Studio JSON",
    (".json",),
    sniff,
    read,
    write,
    Holds(("box", "polygons", "mask"), attributes=True, extra=True),
    inside=lambda part: f"tasks-{part}.json" if part else "tasks.json",
    order=10,
    summary="boxes, outlines, brush masks, attributes; Label Studio",
)
"""The format's entry. Holes and several outlines go through seams."""
