"""The one mutable thing of the window: what is open, what is selected, and the one door for edits.

Views read from here and subscribe to its signals; nobody else keeps annotations. An edit is shown at
once and written by the project's writer thread; `saved_changed` says when it is on disk.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from labeler.core.images import Pixels
from labeler.core.overlap import Agreement, Overlap
from labeler.core.records import Annotation, Candidate, Category, Change, Image, Model, Shape


class Changed(Struct, frozen=True):
    """What an edit changed, and who did it ("canvas", "history", ...), so that views ignore their own."""

    changes: tuple[Change, ...]
    by: str


class ImageAgreement(Struct, frozen=True):
    """How the annotations of one image and a model's predictions agree."""

    pairs: Mapping[int, tuple[Candidate, Overlap]]
    """Annotation id to the candidate matched with it and their overlap."""
    missed: tuple[int, ...]
    """Annotations without a candidate."""
    extra: tuple[Candidate, ...]
    """Candidates without an annotation."""


class Session(QObject):
    """The open project as the window sees it. All methods are called on the GUI thread and return at once."""

    project_changed = Signal()
    """Another project is open, or none."""
    images_changed = Signal(tuple)
    """Image ids whose record or annotation count changed; () for all of them."""
    image_changed = Signal()
    """Another image is open (its pixels come later), or none."""
    pixels_changed = Signal()
    """The pixels of the open image are there, or it turned out that they cannot be read."""
    changed = Signal(Changed)
    """Annotations, candidates or categories changed by an edit, an undo or a redo."""
    selection_changed = Signal()
    category_changed = Signal()
    """Another category is the current one."""
    draft_changed = Signal()
    """The uncommitted version of the annotation being dragged or painted changed: every frame of a drag."""
    model_changed = Signal()
    """Another model's candidates are what annotations are measured against."""
    history_changed = Signal()
    saved_changed = Signal(str)
    """"saved", "saving", "read-only", or a sentence that says why edits are not on disk."""

    # --- what is open -------------------------------------------------------------------------
    project: Path | None
    root: Path
    read_only: str                                  # why, or ""
    images: list[Image]                             # in folder order
    image: Image | None                             # the open one
    pixels: Pixels | None                           # of the open one, None while loading or unreadable
    problem: str                                    # why the open image cannot be shown, or ""
    annotations: dict[int, Annotation]              # of the open image, in order of creation
    candidates: dict[int, Candidate]                # of the open image and `model`, plus those accepted from
    categories: dict[int, Category]
    models: list[Model]
    model: Model | None
    category: Category | None                       # the current one, for new annotations
    selection: frozenset[int]
    draft: Annotation | None
    can_undo: bool
    can_redo: bool

    def counts(self, image_id: int) -> Mapping[int, int]:
        """Annotations of an image by category id."""
        raise NotImplementedError

    def image_path(self, image: Image) -> Path:
        """The file of an image."""
        raise NotImplementedError

    # --- going about --------------------------------------------------------------------------
    def go_to(self, image_id: int) -> None:
        """Open an image. What is shown stays until the new pixels are there."""

    def step(self, by: int) -> None:
        """Open the image `by` places further in the (filtered) order; stays at the ends."""

    def set_order(self, image_ids: Iterable[int]) -> None:
        """The filtered and sorted order that `step` walks, as the images panel shows it."""

    def select(self, ids: Iterable[int]) -> None:
        """Replace the selection (annotation ids of the open image)."""

    def choose_category(self, category_id: int) -> None:
        """Make a category the current one."""

    # --- edits --------------------------------------------------------------------------------
    def new_annotation_id(self) -> int:
        """An id that was never used in this project."""
        raise NotImplementedError

    def commit(self, label: str, changes: Iterable[Change], *, by: str) -> None:
        """Show an edit, and have it written: the only way to change anything."""

    def add(self, shape: Shape, *, by: str, label: str = "") -> Annotation:
        """A new annotation of the current category on the open image, selected; one edit ("Add person")."""
        raise NotImplementedError

    def replace(self, annotation: Annotation, shape: Shape, *, label: str, by: str) -> None:
        """The same annotation with another shape; one edit."""

    def delete(self, ids: Iterable[int], *, by: str) -> None:
        """Delete annotations of the open image; one edit. Locked categories are left alone."""

    def set_draft(self, annotation: Annotation | None, overlap: Overlap | None = None) -> None:
        """Show an uncommitted version while it is dragged.

        `overlap` with its reference shape, where the tool keeps it up to date by itself (a brush does);
        otherwise it is worked out here.
        """

    def undo(self) -> None: ...
    def redo(self) -> None: ...
    def go_back_to(self, edit_id: int) -> None:
        """Undo or redo until that edit is the last one done."""

    # --- agreement ----------------------------------------------------------------------------
    def reference(self, annotation: Annotation) -> Candidate | None:
        """The candidate an annotation is measured against: the one accepted from, else the matched one."""
        raise NotImplementedError

    def agreement(self, annotation_id: int) -> Agreement | None:
        """IoU, Dice (and boundary IoU) of an annotation, the draft of it first, with its reference."""
        raise NotImplementedError

    def image_agreement(self) -> ImageAgreement:
        """Matched, missed and extra on the open image."""
        raise NotImplementedError
