"""The labelled images of a run, as its trainer sees them; no model library is needed to read them."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from labeler.core.photos.patience import is_there
from labeler.core.records import Annotation, Category
from labeler.errors import LabelerError


class LabelledImage(Struct, frozen=True, eq=False):
    """An image of a run, with what is on it."""

    name: str
    """Its file name inside `images/`."""
    path: Path
    size: tuple[int, int]
    """(H, W) as displayed, in pixels."""
    annotations: tuple[Annotation, ...]
    id: int = 0
    """In the part's COCO file: what the results of an evaluation name it by."""


class LabelledSet(Struct, frozen=True, eq=False):
    """One part of a run's data."""

    categories: tuple[Category, ...]
    """The same in both parts, in the order in which the model counts them from 0."""
    images: tuple[LabelledImage, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The categories' names, in the order in which the model counts them."""
        return tuple(category.name for category in self.categories)

    @property
    def class_of(self) -> dict[int, int]:
        """`Annotation.category_id` to the place of that category, from 0."""
        return {category.id: place for place, category in enumerate(self.categories)}


def read_set(labels: Path, images: Path) -> LabelledSet:
    """The part of a run that a COCO file describes, its images in the file's order.

    `images` is the folder of the copies. Raises LabelerError with one sentence where the file cannot be
    read, or an image is not there.
    """
    from labeler.formats.coco.coco_reading import read_coco  # noqa: PLC0415 - 50 ms that the window's start need not pay

    dataset, _ = read_coco(labels)
    on_image: defaultdict[int, list[Annotation]] = defaultdict(list)
    for annotation in dataset.annotations:
        on_image[annotation.image_id].append(annotation)
    labelled = tuple(
        LabelledImage(
            name=image.path,
            path=images / image.path,
            size=(image.height, image.width),
            annotations=tuple(on_image[image.id]),
            id=image.id if image.file_id is None else image.file_id,
        )
        for image in dataset.images
    )
    _check_there(image.path for image in labelled)
    return LabelledSet(dataset.categories, labelled)


def _check_there(paths: Iterable[Path]) -> None:
    missing = [path for path in paths if not is_there(path)]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise LabelerError(f"{missing[0]}{more} is gone from the run; make a new run from the labels.")
