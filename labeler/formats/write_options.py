"""How shapes become COCO geometry: the choices of an export."""

from typing import Literal, TypeAlias

from msgspec import Struct

BoxForm: TypeAlias = Literal["rectangle", "empty"]
MaskForm: TypeAlias = Literal["polygons", "rle"]
HoleForm: TypeAlias = Literal["seam", "fill", "rle"]
RunForm: TypeAlias = Literal["list", "text"]


class Writing(Struct, frozen=True):
    """The choices; as they are by default, the most programs read all of the file.

    tests/clients tries each of them on pycocotools, torchvision, supervision, sahi, transformers, ultralytics
    and datumaro. What the standard keys cannot hold exactly travels beside them (see `own_shape`), so an
    export comes back as it was, whatever is chosen.
    """

    boxes: BoxForm = "rectangle"
    """What stands in the segmentation of a box. At none (`[]`) pycocotools' annToMask, COCOeval for masks,
    torchvision's masks and the loaders of the DETR family raise IndexError."""
    masks: MaskForm = "polygons"
    """Polygons along the pixels' edges cover the same pixels. sahi drops run-length masks."""
    holes: HoleForm = "seam"
    """An outline with holes as one ring through a seam, without its holes, or as a run-length mask."""
    clip: bool = True
    """Shapes end at the border of their image; ultralytics refuses images with coordinates outside."""
    tolerance: float = 0.0
    """Pixels by which polygons of masks may stray from the pixels' edges."""
    runs: RunForm = "list"
    """Counts of run-length masks: a list as in COCO's own files, which loaders of the DETR family take where
    they raise ValueError at compressed text, or that text, which is half as long."""
    as_read: bool = False
    """What nobody touched since it was imported is written letter by letter as its file had it."""
    facts: bool = True
    """What only Labeler knows stands under its own keys."""


FOR_OTHERS = Writing()
"""What an export is unless a person chooses."""

AS_THEY_ARE = Writing(
    boxes="empty", masks="rle", holes="rle", clip=False, runs="text", as_read=True, facts=False
)
"""For our own readers: nothing is converted."""
