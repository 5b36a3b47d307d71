"""Pascal VOC out: Annotations, ImageSets, labelmap.txt, and a place for the photos in JPEGImages."""

from collections.abc import Container, Iterable, Sequence
from pathlib import Path, PurePosixPath

from labeler.core.records import Annotation, Category, Image
from labeler.errors import FormatError
from labeler.formats.gates import packed, unpacked
from labeler.formats.masks.label_map import NAME as LABEL_MAP
from labeler.formats.masks.label_map import write_label_map
from labeler.formats.masks.mask_writing import MOST_BYTES, by_image
from labeler.formats.masks.palettes import colors_of
from labeler.formats.report import FieldNote
from labeler.formats.spec import Part, Target
from labeler.formats.voc.voc_objects import OURS, VOC, written_object
from labeler.formats.voc.voc_places import ANNOTATIONS, PHOTOS, SETS
from labeler.formats.voc.voc_reading import image_extra, is_official
from labeler.formats.voc.voc_segments import write_segments
from labeler.formats.voc.xml_text import escaped, escaped_json, written_tree

WHOLE = "train"
"""The list of a data set that is not parted: the one that loaders ask for first."""
_SOURCE = "\t<source>\n\t\t<database>Unknown</database>\n\t</source>\n"


def photo_place(_: str, name: str) -> str:
    """Where a photo lies: parts are lists of names, not folders."""
    return f"{PHOTOS}/{name}"


def write(parts: Sequence[Part], target: Target) -> Iterable[FieldNote]:
    """An XML file for each image, the lists of the parts and the table of categories."""
    return _written(parts, target, with_segments=False)


def write_with_masks(parts: Sequence[Part], target: Target) -> Iterable[FieldNote]:
    """As `write`, with the pictures of segments and the lists of those images that have them."""
    categories = parts[0].dataset.categories
    if len(categories) > MOST_BYTES:
        raise FormatError(
            f"{len(categories)} categories are more than the {MOST_BYTES} that SegmentationClass has numbers "
            "for; export fewer, or as “masks”."
        )
    return _written(parts, target, with_segments=True)


def _written(parts: Sequence[Part], target: Target, *, with_segments: bool) -> list[FieldNote]:
    notes: list[FieldNote] = []
    folder = target.path / ANNOTATIONS
    folder.mkdir(parents=True)
    categories = parts[0].dataset.categories
    names = {category.id: category.name for category in categories}
    numbers = {category.id: place for place, category in enumerate(categories, 1)}
    colors = colors_of(categories)
    segmented: set[int] = set()
    for part in parts:
        for image, annotations in by_image(part):
            stem, said = stem_of(image), list[str]()
            if with_segments:
                has, said = write_segments(image, annotations, numbers, colors, (target.path, stem))
                segmented |= {image.id} if has else set()
            text, told = image_text(image, annotations, names, target, segmented=image.id in segmented)
            (folder / f"{stem}.xml").write_text(text, encoding="utf-8", newline="\n")
            notes += [_told(sentence, image) for sentence in (*said, *told)]
    write_lists(
        parts, target.path / SETS / "Main", {image.id for part in parts for image in part.dataset.images}
    )
    if with_segments:
        write_lists(parts, target.path / SETS / "Segmentation", segmented)
    write_categories(categories, target.path)
    return notes


def _told(sentence: str, image: Image) -> FieldNote:
    at = f"{ANNOTATIONS}/{stem_of(image)}.xml"
    return FieldNote("told", "annotations", None, "", sentence, at=at)


def stem_of(image: Image) -> str:
    """The name of an image's files without ending."""
    name = image.path
    return name.rpartition(".")[0] or name


def image_text(
    image: Image,
    annotations: Sequence[Annotation],
    names: dict[int, str],
    target: Target,
    *,
    segmented: bool,
) -> tuple[str, list[str]]:
    """The XML of an image, and what is to be told of its objects."""
    kept = image_extra(image)
    base = 1 if is_official(kept.rest) else 0
    others = {key: raw for key, raw in unpacked(image.extra).items() if key != VOC}
    told: list[str] = []
    objects = []
    for one in annotations:
        text, said = written_object(one, names[one.category_id], base=base)
        objects.append(text)
        told += said
    path = ""
    if target.photos == "left":  # it is not where the format has it
        path = f"\t<path>{escaped(target.where[image.id])}</path>\n"
    own = f"\t<{OURS}>{escaped_json(packed(dict(others)))}</{OURS}>\n" if others else ""
    rest = written_tree(kept.rest, "\t")
    source = "" if any(one[0] == "source" for one in kept.rest) else _SOURCE
    head = (
        f"<annotation>\n\t<folder>{PHOTOS}</folder>\n\t<filename>{escaped(image.path)}</filename>\n{path}"
        f"{source}{rest}\t<size>\n\t\t<width>{image.width}</width>\n\t\t<height>{image.height}</height>\n"
        f"\t\t<depth>3</depth>\n\t</size>\n\t<segmented>{int(segmented)}</segmented>\n{own}"
    )
    return f"{head}{''.join(objects)}</annotation>\n", told


def write_lists(parts: Sequence[Part], folder: Path, listed: Container[int]) -> None:
    """A list of names for each part; of a data set that is not parted, or as it was, those it was read with.

    Only images whose ids are in `listed` are named.
    """
    lists: dict[str, list[str]] = {}
    for part in parts:
        for image in part.dataset.images:
            if image.id not in listed:
                continue
            came_with = _sets(image)
            for name in came_with if part.name in ("", *came_with) else [part.name]:
                lists.setdefault(name, []).append(stem_of(image))
    if "train" in lists and "val" in lists:
        lists.setdefault("trainval", [*lists["train"], *lists["val"]])
    folder.mkdir(parents=True, exist_ok=True)
    for name, stems in lists.items():
        lines = "".join(f"{stem}\n" for stem in stems)
        (folder / f"{name}.txt").write_text(lines, encoding="utf-8", newline="\n")


def _sets(image: Image) -> list[str]:
    """The lists that name an image: those that it came with, as far as they are names of files."""
    plain = [name for name in image_extra(image).sets if PurePosixPath(name).name == name and name.isalnum()]
    return list(dict.fromkeys(plain)) or [WHOLE]


def write_categories(categories: Sequence[Category], folder: Path) -> None:
    """The table of categories, since those without objects stand nowhere else; of names on one line only."""
    rows = [
        (one.name, color)
        for one, color in zip(categories, colors_of(categories), strict=True)
        if len(one.name.splitlines()) == 1
    ]
    text = write_label_map([name for name, _ in rows], [color for _, color in rows])
    (folder / LABEL_MAP).write_text(text, encoding="utf-8", newline="\n")
