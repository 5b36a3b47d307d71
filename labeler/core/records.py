"""The frozen records that everything else speaks in.

Coordinates are pixels of the *displayed* (EXIF-applied) image: origin top left, x right, y down,
float64, half-open, so a box that covers exactly the first pixel is (0, 0, 1, 1). Arrays of points
are (N, 2) as x, y; arrays of pixels are (H, W). A record is never changed: an edit makes a new one.
Arrays inside records are treated as read-only by everyone.
"""

from typing import Any, Literal, TypeAlias

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.float64]
Bits: TypeAlias = NDArray[np.bool_]
Source: TypeAlias = Literal["human", "import", "model"]
Verdict: TypeAlias = Literal["", "accepted", "rejected"]


class Box(Struct, frozen=True, tag="box"):
    """An axis-aligned box, half-open: `x0 <= x < x1`, `y0 <= y < y1`, image pixels."""

    x0: float
    y0: float
    x1: float
    y1: float
    origin: bytes = b""
    """The exact JSON text of the geometry this was read from; written back while untouched."""

    @property
    def width(self) -> float:
        """Extent along x, in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Extent along y, in pixels."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Width times height, in square pixels; 0 for an inverted box."""
        return max(self.width, 0.0) * max(self.height, 0.0)


class Part(Struct, frozen=True, eq=False):
    """One connected piece of a polygon: an outer ring and the holes inside it.

    Each ring is (N, 2) float64 x, y with N >= 3, implicitly closed (the first point is not repeated).
    """

    outer: Points
    holes: tuple[Points, ...] = ()

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Part)
            and np.array_equal(self.outer, other.outer)
            and len(self.holes) == len(other.holes)
            and all(map(np.array_equal, self.holes, other.holes))
        )

    __hash__ = None  # type: ignore[assignment]


class Polygons(Struct, frozen=True, tag="polygons"):
    """An outline of one or more parts, each possibly with holes; floats kept as drawn or imported."""

    parts: tuple[Part, ...]
    origin: bytes = b""


class Mask(Struct, frozen=True, tag="mask", eq=False):
    """A raster mask: a bool crop whose top left pixel is (x, y) of the image.

    The crop is tight or not; pixels outside it are background. An empty mask has bits of shape (0, 0).
    """

    x: int
    y: int
    bits: Bits
    origin: bytes = b""

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Mask)
            and (self.x, self.y, self.origin) == (other.x, other.y, other.origin)
            and np.array_equal(self.bits, other.bits)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def width(self) -> int:
        """Width of the crop, in pixels."""
        return int(self.bits.shape[1])

    @property
    def height(self) -> int:
        """Height of the crop, in pixels."""
        return int(self.bits.shape[0])


Shape: TypeAlias = Box | Polygons | Mask


class Category(Struct, frozen=True, tag="category"):
    """A class of objects with its colour ("#rrggbb") and key (a digit "1".."9", "0", or "" for none)."""

    id: int
    name: str
    color: str
    key: str = ""
    supercategory: str = ""
    hidden: bool = False
    locked: bool = False
    file_id: int | None = None
    """The id in the file this came from, given back on export."""
    extra: bytes = b""
    """A JSON object of the file's keys that we have no field for; b"" for none."""


class Image(Struct, frozen=True, tag="image"):
    """One image of the project: where it is and how large it is *as displayed*."""

    id: int
    path: str
    """POSIX style; relative to the project's image folder where it lies inside it, else absolute."""
    width: int
    height: int
    """Displayed size in pixels; 0 by 0 until the header has been read."""
    reviewed: bool = False
    digest: str = ""
    """Hash of size, head and tail of the file, to find it again when it was moved; "" until read."""
    note: str = ""
    """What a person must know: "damaged", "first of 24 frames", "missing"; "" for nothing."""
    file_id: int | None = None
    extra: bytes = b""


class Annotation(Struct, frozen=True, tag="annotation"):
    """A human-owned object on an image."""

    id: int
    image_id: int
    category_id: int
    shape: Shape
    source: Source = "human"
    prediction_id: int | None = None
    """The candidate this annotation was accepted from, which its agreement is measured against."""
    crowd: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0
    edited: float = 0.0
    """Seconds since 1970, UTC."""
    file_id: int | None = None
    extra: bytes = b""


class Model(Struct, frozen=True, tag="model"):
    """What made candidates: a plugin's model or an imported results file."""

    id: int
    name: str
    version: str = ""
    suppressed: bool = False
    """Whether its candidates need no NMS: results that went through it, or a model that predicts a set."""


class Candidate(Struct, frozen=True, tag="candidate"):
    """A raw model output on an image, before confidence filter and NMS."""

    id: int
    image_id: int
    model_id: int
    category_id: int
    """The project's category; 0 where the model's class is mapped to none."""
    shape: Shape
    confidence: float
    label: str = ""
    """The model's own name of the class; "" where it has none."""
    verdict: Verdict = ""
    """What a person said of it; survives a new run of the same model."""


class Prompt(Struct, frozen=True, eq=False):
    """What a promptable model is asked with: points, a box, or both, in image pixels."""

    points: Points = field(default_factory=lambda: np.zeros((0, 2)))
    """(N, 2) float64 x, y."""
    positive: Bits = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """(N,) bool: True for "this is the object", False for "this is not"."""
    box: Box | None = None
    previous: NDArray[np.float32] | None = None
    """The logits of the proposal that this prompt refines, as that proposal gave them."""


class Proposal(Struct, frozen=True, eq=False):
    """One pending mask that a model offers for a prompt."""

    mask: Mask
    confidence: float
    """The model's own estimate of the mask's IoU with the object, 0 to 1."""
    logits: NDArray[np.float32]
    """(h, w) float32 in the model's own frame; give it back as `Prompt.previous` to refine."""


class Asked(Struct, frozen=True, array_like=True):
    """What a person did until a proposal was there that they accepted, so that it can be asked again."""

    points: tuple[tuple[float, float, bool], ...] = ()
    """x, y in image pixels, and whether it says "this is the object"; in their order."""
    box: tuple[float, float, float, float] | None = None
    """x0, y0, x1, y1."""
    taken_back: int = 0
    """Clicks and boxes that were taken back."""
    keys: int = 0
    """Presses that chose another of the masks, or took a prompt back."""


Record: TypeAlias = Annotation | Category | Image | Candidate


class Change(Struct, frozen=True):
    """One record before and after an edit; None before a creation and after a deletion."""

    before: Record | None
    after: Record | None
    asked: Asked | None = None
    """By which prompts a proposal was made that is created; the journal keeps them, the record does not."""

    @property
    def record(self) -> Record:
        """The newest version: `after`, or `before` of a deletion."""
        record = self.after if self.after is not None else self.before
        assert record is not None, "a change has at least one side"
        return record

    def inverse(self) -> "Change":
        """The change that undoes this one."""
        return Change(self.after, self.before)


class Edit(Struct, frozen=True):
    """One user action: a sentence for the history ("Move person") and all that it changed."""

    label: str
    changes: tuple[Change, ...]

    def inverse(self) -> "Edit":
        """The edit that undoes this one, its changes in reverse order."""
        return Edit(self.label, tuple(change.inverse() for change in reversed(self.changes)))
