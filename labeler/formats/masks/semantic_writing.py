"""Masks of categories out: `masks/NAME.png` beside `images/`, with tables for people and for CVAT."""

from collections.abc import Iterable, Sequence

from labeler.errors import FormatError
from labeler.formats.masks.class_tables import CLASSES, IGNORED
from labeler.formats.masks.label_map import BACKGROUND, on_one_line, write_label_map
from labeler.formats.masks.label_map import NAME as LABEL_MAP
from labeler.formats.masks.mask_writing import (
    MOST_BYTES,
    MOST_SHORTS,
    by_image,
    covered,
    mask_name,
    masks_of,
    merged,
    painted,
    save,
    told,
)
from labeler.formats.masks.palettes import colors_of
from labeler.formats.report import FieldNote
from labeler.formats.spec import Part, Target

NO_SIZE = "Has no size that is known, so no mask of it can be written; open its photo once."


def write(parts: Sequence[Part], target: Target) -> Iterable[FieldNote]:
    """A mask for each image, whose numbers are the categories from 1 in their order; gives what is lost."""
    categories = parts[0].dataset.categories
    if len(categories) > MOST_SHORTS:
        raise FormatError(f"{len(categories):,} categories are more than a mask has numbers for.")
    number = {category.id: place for place, category in enumerate(categories, 1)}
    colors = colors_of(categories) if len(categories) <= MOST_BYTES else None
    notes: list[FieldNote] = []
    for part in parts:
        for image, annotations in by_image(part):
            at = f"masks/{part.name}/{mask_name(image)}" if part.name else f"masks/{mask_name(image)}"
            if not image.width or not image.height:
                notes.append(FieldNote("told", "images", None, "", NO_SIZE, at=at))
                continue
            masks = masks_of(annotations)
            found = painted(
                masks, [number[one.category_id] for one in annotations], (image.height, image.width)
            )
            save(found.labels, target.path / at, colors=colors)
            notes += told([a or b for a, b in zip(covered(masks, found), merged(found), strict=True)], at)
    names = [one.name for one in categories]
    lines = "".join(f"{on_one_line(name, number)}\n" for number, name in enumerate((BACKGROUND, *names)))
    (target.path / CLASSES).write_text(lines, encoding="utf-8", newline="\n")
    if colors is not None:
        text = write_label_map(names, colors)
        (target.path / LABEL_MAP).write_text(text, encoding="utf-8", newline="\n")
    return notes


def spelled(name: str) -> str:
    """The name of a category as the tables give it back; "" where they say by it that pixels mean nothing."""
    line = " ".join(name.splitlines()).strip()
    return "" if line.lower() in IGNORED else line or name


def photo_place(part: str, name: str) -> str:
    """Where a photo lies: beside the folder of the masks, under the same part."""
    return f"images/{part}/{name}" if part else f"images/{name}"
