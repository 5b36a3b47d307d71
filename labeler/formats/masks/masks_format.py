"""The entries of masks in the table of formats, and how folders of them are known."""

from itertools import islice
from pathlib import Path, PurePosixPath

from labeler.core.photos.label_pictures import label_pictures, labels_folder
from labeler.core.photos.photo_files import photos_below
from labeler.formats.masks import instance_reading, instance_writing, semantic_reading, semantic_writing
from labeler.formats.masks.cityscapes import is_of_instances
from labeler.formats.masks.class_tables import table_in
from labeler.formats.masks.instance_writing import HEAD, TABLE
from labeler.formats.masks.mask_files import is_numbered, is_of_objects, mask_names
from labeler.formats.spec import FormatSpec, Holds

_LOOKED_AT = 2000
_HEAD = 256


def sniff_masks(path: Path) -> bool:
    """Whether a folder has masks beside photos, or a table of categories and masks."""
    if not path.is_dir():
        return False
    names = list(islice(photos_below(path), _LOOKED_AT))
    masks = mask_names(names)
    if label_pictures(names) or (masks and len(masks) * 2 == len(names)):
        return True
    is_itself = bool(labels_folder(PurePosixPath(path.resolve().name) / "a")) and bool(names)
    tables = [path, path.parent] if is_itself else [path]
    return bool(masks or is_itself) and any(table_in(folder) is not None for folder in tables)


def sniff_instances(path: Path) -> bool:
    """Whether a folder has our table of objects, a picture for each of them, or Cityscapes' pictures."""
    if not path.is_dir():
        return False
    if _has_table(path):
        return True
    names = list(islice(photos_below(path), _LOOKED_AT))
    if any(is_of_instances(name) for name in names):
        return True
    masks = mask_names(names)
    if not masks or "SegmentationClass" in {part for name in masks for part in PurePosixPath(name).parts}:
        return False
    return all(is_numbered(name) for name in masks) or all(is_of_objects(name) for name in masks)


def _has_table(path: Path) -> bool:
    try:
        with (path / TABLE).open("rb") as file:
            return file.read(_HEAD).removeprefix(b"\xef\xbb\xbf").startswith(",".join(HEAD).encode())
    except OSError:
        return False


masks = FormatSpec(
    "masks",
    "Masks of categories (PNG)",
    (".png",),
    sniff_masks,
    semantic_reading.read,
    semantic_writing.write,
    Holds(("mask",), spelled=semantic_writing.spelled),
    folder=True,
    photo=semantic_writing.photo_place,
    order=20,
    summary="a picture an image whose numbers are categories; semantic segmentation",
)
masks_instance = FormatSpec(
    "masks-instance",
    "Masks of instances (PNG)",
    (".png",),
    sniff_instances,
    instance_reading.read,
    instance_writing.write,
    Holds(("mask",)),
    folder=True,
    photo=semantic_writing.photo_place,
    order=19,
    summary="a picture an image whose numbers are objects, with a table of their categories",
)
