"""Which pictures of a folder are masks, and of which photo each is."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from msgspec import Struct

from labeler.core.photos.label_pictures import labels_folder, own_names
from labeler.formats.image_paths import folded
from labeler.formats.spec import Source

_NUMBERED = re.compile(r"^(?P<photo>.+?)_mask_?(?P<number>\d+)$", re.IGNORECASE)
"""A file for each object, as of a `labelme_dataset`: NAME_mask_1.png."""
_BESIDE = re.compile(r"(_mask|_masks|_seg|_gt|_L|_labelIds|_P)$", re.IGNORECASE)
"""What the name of a mask that lies beside its photo has behind it."""
_COLORED = re.compile(r"_(color|colorIds|instanceIds|instanceTrainIds|labelTrainIds|polygons)$")
"""Other pictures that Cityscapes has of one mask: what is to look at, and other numbers."""
_PAINTED = re.compile(r"visuali[sz]ations?|viz", re.IGNORECASE)
_OBJECTS = re.compile(r"segmentationobject(png|raw)?|instances?", re.IGNORECASE)
_GENERIC = re.compile(r"(images?|imgs?|photos?|jpegimages|rgb|leftimg8bit)", re.IGNORECASE)


class MaskFile(Struct, frozen=True):
    """A mask and its photo, both by their path below the folder that is read."""

    mask: str
    photo: str
    """The photo; where there is none the name that it should have."""
    is_found: bool


def is_numbered(name: str) -> bool:
    """Whether a picture is named as the mask of one object."""
    return _NUMBERED.match(PurePosixPath(name).stem) is not None


def mask_names(names: Iterable[str]) -> list[str]:
    """The pictures that are masks: those in a folder called so, else those beside a photo of their name."""
    shown = [name for name in names if not _COLORED.search(PurePosixPath(name).stem)]
    inside = [name for name in shown if labels_folder(PurePosixPath(name))]
    kept = [
        name for name in inside if not any(_PAINTED.fullmatch(part) for part in PurePosixPath(name).parts)
    ]
    if kept:
        return kept
    there = {str(PurePosixPath(name).with_suffix("")).casefold() for name in shown}
    return [name for name in shown if (plain := _without_mark(name)) and plain.casefold() in there]


def _without_mark(name: str) -> str:
    path = PurePosixPath(name)
    plain = _BESIDE.sub("", path.stem)
    return str(path.with_name(plain)) if plain and plain != path.stem else ""


def is_of_objects(name: str) -> bool:
    """Whether a picture lies in a folder of instances."""
    return any(_OBJECTS.fullmatch(part) for part in PurePosixPath(name).parts[:-1])


class Pairing:
    """Finds the photo of each mask by its name, the nearest one where several have that."""

    def __init__(self, source: Source, masks: Sequence[str]) -> None:
        self._source = source
        self._masks = frozenset(masks)
        self._by_stem: dict[str, list[PurePosixPath]] = {}
        for name in source.photos():
            path = PurePosixPath(name)
            if name not in self._masks and not labels_folder(path):
                self._by_stem.setdefault(folded(path.stem).casefold(), []).append(path)

    def of(self, mask: str) -> MaskFile:
        """The mask with its photo."""
        path = PurePosixPath(mask)
        found = _NUMBERED.match(path.stem)
        stems = (
            [found["photo"]] if found else [path.stem, *sorted(own_names(path.stem), key=len, reverse=True)]
        )
        stems += [stem.replace("_gtFine", "_leftImg8bit") for stem in stems if stem.endswith("_gtFine")]
        # NAME.jpg.png is the mask of NAME.jpg
        stems += [PurePosixPath(path.stem).stem] if PurePosixPath(path.stem).suffix else []
        for stem in dict.fromkeys(stems):
            if near := self._nearest(path, self._by_stem.get(folded(stem).casefold(), [])):
                return MaskFile(mask, near, is_found=True)
        for stem in dict.fromkeys(stems):
            other = self._source.find(stem)
            if other is not None and other not in self._masks and not labels_folder(PurePosixPath(other)):
                return MaskFile(mask, other, is_found=True)
        return MaskFile(mask, f"{stems[0]}.jpg", is_found=False)

    def _nearest(self, mask: PurePosixPath, alike: Sequence[PurePosixPath]) -> str:
        """The photo that shares most folders with the mask, as `train` of images/train and masks/train."""
        if len(alike) <= 1:
            return str(alike[0]) if alike else ""
        parts = {part.lower() for part in mask.parts[:-1]}
        shared = [
            len(parts & {part.lower() for part in path.parts[:-1] if not _GENERIC.fullmatch(part)})
            for path in alike
        ]
        best = max(shared)
        near = [path for path, count in zip(alike, shared, strict=True) if count == best]
        return (
            str(near[0]) if len(near) == 1 else str(min(near, key=lambda path: (len(path.parts), str(path))))
        )
