"""Masks of instances out: a PNG of 16 bits for each image, and `objects.csv` with what each number is."""

import csv
import io
from collections.abc import Iterable, Sequence

from labeler.formats.masks.class_tables import CLASSES
from labeler.formats.masks.mask_writing import (
    MOST_SHORTS,
    by_image,
    covered,
    mask_name,
    masks_of,
    painted,
    save,
    told,
)
from labeler.formats.masks.semantic_writing import NO_SIZE
from labeler.formats.report import FieldNote
from labeler.formats.spec import Part, Target

TABLE = "objects.csv"
HEAD = ("mask", "id", "category")
FOLDER = "instances"
TOO_MANY = "Is beyond the 65,534 objects that a picture of 16 bits has numbers for; left out."


def write(parts: Sequence[Part], target: Target) -> Iterable[FieldNote]:
    """A picture for each image and the table of all objects; gives what is lost."""
    categories = parts[0].dataset.categories
    names = {category.id: category.name for category in categories}
    notes: list[FieldNote] = []
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEAD)
    for part in parts:
        for image, annotations in by_image(part):
            name = f"{part.name}/{mask_name(image)}" if part.name else mask_name(image)
            at = f"{FOLDER}/{name}"
            if not image.width or not image.height:
                notes.append(FieldNote("told", "images", None, "", NO_SIZE, at=at))
                continue
            kept = annotations[:MOST_SHORTS]
            notes += told([TOO_MANY] * (len(annotations) - len(kept)), at)
            masks = masks_of(kept)
            found = painted(masks, range(1, len(kept) + 1), (image.height, image.width))
            save(found.labels, target.path / at)
            notes += told(covered(masks, found), at)
            for number, (one, seen) in enumerate(zip(kept, found.seen, strict=True), 1):
                if seen.bits.any():
                    rows.writerow((name, number, names[one.category_id]))
    (target.path / TABLE).write_text(text.getvalue(), encoding="utf-8", newline="\n")
    lines = "".join(f"{' '.join(one.name.splitlines())}\n" for one in categories)
    (target.path / CLASSES).write_text(lines, encoding="utf-8", newline="\n")
    return notes
