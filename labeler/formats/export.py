"""An open project as COCO files; `exchange` takes files in."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from labeler.core.records import Image
from labeler.formats.coco.coco_writing import exported_ids, write_coco
from labeler.formats.exchange import TOP_LEVEL, Project
from labeler.formats.json_text import no_collection
from labeler.formats.photo_checks import Photo, looked_at
from labeler.formats.report import FieldNote, Ledger, Report, Verdict
from labeler.formats.spec import SPLIT, Dataset
from labeler.formats.write_options import FOR_OTHERS, Writing

Parting = Callable[[Sequence[Image]], Mapping[int, str]]
"""The name of the part that each image goes to, by its id."""


_SPLITS = ("train", "val", "test")
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def said_part(image: Image) -> str:
    """The part that a labels file has an image in by a list of names or a word; "" where it has none."""
    extra = _OBJECT.decode(image.extra) if image.extra else {}
    sets = _inside(extra, "voc").get("sets")
    listed = sets if isinstance(sets, list) else []
    usual = [part for part in _SPLITS if part in listed]
    for part in (extra.get(SPLIT), *usual, *listed, _inside(extra, "cvat").get("subset")):
        if isinstance(part, str) and part.strip(". "):
            return part.strip(". ")
    return ""


def _inside(extra: dict[str, Any], key: str) -> dict[str, Any]:
    value = extra.get(key)
    return value if isinstance(value, dict) else {}


class Exported(Struct, frozen=True, eq=False):
    """What an export gives: `content` by the name of its file or folder, and what is told of it."""

    files: dict[str, bytes]
    """A COCO file for each part, by its name; one named "" where nothing was parted."""
    report: Report
    where: Callable[[FieldNote], str] = lambda note: note.place
    """What a note is about, as a person knows it: the photo, and which of its objects."""


class Gathered(Struct, frozen=True, eq=False):
    """What of a project is to be written, each photo looked at."""

    dataset: Dataset
    """Sizes as displayed; ids those of the file that an item came from, where there is one. Of images whose
    size nobody knows only the annotations are here, so that they are refused."""
    parts: Mapping[int, str]
    """The part of each image, by id."""
    notes: tuple[FieldNote, ...]
    """What is to be told of the photos and refused; places are those in `paths`, and in the annotations."""
    paths: tuple[str, ...] = ()
    """The paths of all images that were to be written."""
    on: tuple[int, ...] = ()
    """The place among these of the image that each annotation is on."""
    root: Path = Path()

    @property
    def totals(self) -> dict[str, int]:
        """How many of each list there are, with those that cannot be written."""
        return {
            "images": len(self.paths),
            "categories": len(self.dataset.categories),
            "annotations": len(self.dataset.annotations),
        }

    def files(self) -> dict[int, Path]:
        """The photo of each image, by its id."""
        return {image.id: self.root / image.path for image in self.dataset.images}

    def where(self, note: FieldNote) -> str:
        """What a note is about, as a person knows it: the photo, and which of its objects."""
        if note.index is None or note.kind not in ("images", "annotations"):
            return note.place
        if note.kind == "images":
            return self.paths[note.index]
        image = self.on[note.index]
        # annotations stand in order of their images
        return f"{self.paths[image]}, object {note.index - bisect_left(self.on, image) + 1}"


def gathered(
    project: Project,
    *,
    reviewed_only: bool = False,
    categories: Collection[int] | None = None,
    parting: Parting | None = None,
) -> Gathered:
    """What of a project is to be written: all, of reviewed images only, or of some `categories` (by id).

    Each photo is looked at: one whose size nobody knows is left out with its annotations, which are refused,
    and what is turned, gone or another photo than the labelled one is told.
    """
    images, known = project.images(), project.categories()
    image_ids, category_ids = exported_ids(images), exported_ids(known)
    kept = [image for image in images if image.reviewed or not reviewed_only]
    place_of = {image.id: place for place, image in enumerate(kept)}
    shown = {one.id for one in known} if categories is None else set(categories)
    annotations = [
        one
        for one in project.all_annotations()
        if one.image_id in place_of and (categories is None or one.category_id in shown)
    ]
    annotations.sort(key=lambda one: place_of[one.image_id])
    ids = exported_ids(annotations)
    ledger = Ledger()
    photos = looked_at(kept, project.root, project.photos.known())
    _note_photos(photos, Counter(one.image_id for one in annotations), ledger)
    lost = {photo.image.id for photo in photos if not photo.image.width}
    for place, one in enumerate(annotations):
        if one.image_id in lost:
            ledger.note("refused", "annotations", place, "image_id", "Its image is not written.")
    written = [photo.image for photo in photos if photo.image.id not in lost]
    dataset = Dataset(
        images=tuple(replace(image, file_id=image_ids[image.id]) for image in written),
        categories=tuple(replace(c, file_id=category_ids[c.id]) for c in known if c.id in shown),
        annotations=tuple(replace(a, file_id=ids[a.id]) for a in annotations),
        extra=project.meta(TOP_LEVEL).encode(),
    )
    return Gathered(
        dataset,
        parting(kept) if parting else {},
        ledger.notes,
        tuple(image.path for image in kept),
        tuple(place_of[one.image_id] for one in annotations),
        project.root,
    )


def export_coco(
    project: Project, *, writing: Writing = FOR_OTHERS, reviewed_only: bool = False
) -> tuple[bytes, Report]:
    """The project as one COCO file, and what could not be written; see `export_files`."""
    exported = export_files(project, writing=writing, reviewed_only=reviewed_only)
    return exported.files[""], exported.report


@no_collection()
def export_files(
    project: Project,
    *,
    writing: Writing = FOR_OTHERS,
    reviewed_only: bool = False,
    categories: Collection[int] | None = None,
    parting: Parting | None = None,
) -> Exported:
    """The project as a COCO file, or one for each part, and what could not be written or has to be known.

    See `gathered`; the parts have no id in common but those of categories.
    """
    found = gathered(project, reviewed_only=reviewed_only, categories=categories, parting=parting)
    ledger = Ledger()
    ledger.extend(found.notes)
    parts: dict[str, set[int]] = {}
    for image in found.dataset.images:
        parts.setdefault(found.parts.get(image.id, ""), set()).add(image.id)
    files = {
        name: _part(found.dataset, shown, writing, ledger)
        for name, shown in sorted((parts or {"": set()}).items())
    }
    return Exported(files, ledger.report("export", found.totals, done="written"), found.where)


def _part(dataset: Dataset, shown: set[int], writing: Writing, ledger: Ledger) -> bytes:
    """The file of some of the images; its notes are taken over with the places in the whole."""
    places = [place for place, one in enumerate(dataset.annotations) if one.image_id in shown]
    data, report = write_coco(
        replace(
            dataset,
            images=tuple(image for image in dataset.images if image.id in shown),
            annotations=tuple(dataset.annotations[place] for place in places),
        ),
        writing=writing,
    )
    for note in report.items:
        index = places[note.index] if note.kind == "annotations" and note.index is not None else note.index
        ledger.note(note.verdict, note.kind, index, note.field, note.sentence)
    return data


def _note_photos(photos: Sequence[Photo], labels: Counter[int], ledger: Ledger) -> None:
    for place, photo in enumerate(photos):
        if photo.image.width:
            for sentence in photo.told:
                ledger.note("told", "images", place, "", sentence)
        else:
            verdict: Verdict = "refused" if labels[photo.image.id] else "skipped"
            why = " ".join(photo.told) or "Its size is not known."
            ledger.note(verdict, "images", place, "width", f"{why} It is left out.")
