"""`labeler convert`: labels of one format to another, to a project and back, or to clean COCO JSON."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from labeler.cli.export_options import PHOTOS, add_photos_option, add_writing_options, writing_of
from labeler.cli.import_labels import import_into
from labeler.cli.labels import (
    add_area_option,
    add_encoding_option,
    add_force_option,
    add_format_option,
    add_frame_option,
    add_report_option,
    add_source_format_option,
    check_folder_of_images,
    delivered,
    is_project,
    tell,
    unpacked,
)
from labeler.core.photos.patience import said_silent, silent_disk
from labeler.core.records import Image
from labeler.errors import FormatError
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.door import COCO, format_named, format_to_write
from labeler.formats.export import said_part
from labeler.formats.image_paths import Folder
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import Ledger, Report
from labeler.formats.spec import FormatSpec
from labeler.formats.write_options import Writing
from labeler.training.labels_out import Order, said_there, write_labels

PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""The folders of the makers of data sets, and the parts that they are of."""
NO_SIZE = "Its size is not in the file and no such image is found."


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "convert",
        help="between formats of labels and projects",
        description=(
            "Convert labels of one format to another (--to), or to a project and back (.labeler). What IN "
            "is, is found out by its content. COCO to COCO writes the file again with what can be repaired "
            "repaired; where the photos are at hand, in the frame in which they are displayed, as an import."
        ),
    )
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="where the images are; default: the folder around IN that has them",
    )
    add_format_option(parser, "--to")
    add_source_format_option(parser)
    add_photos_option(parser)
    add_encoding_option(parser)
    add_frame_option(parser)
    add_area_option(parser)
    add_force_option(parser)
    add_writing_options(parser)
    add_report_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert; gives 0, or 1 when items were refused."""
    check_folder_of_images(args.images)
    if is_project(args.source):
        return _convert(args, args.source)
    with unpacked(args.source, keep=is_project(args.out)) as found:
        if len(found.labels) > 1:
            names = ", ".join(path.name for path in found.labels)
            raise FormatError(f"“{args.source}” has several labels ({names}); unpack it and convert each.")
        return _convert(args, found.labels[0])


def _convert(args: argparse.Namespace, source: Path) -> int:
    out = args.out
    if is_project(source) and is_project(out):
        raise FormatError(f"“{source}” and “{out}” are both projects; copy the file instead.")
    if is_project(out):
        if out.exists():
            raise FormatError(f"“{out}” exists already; use `labeler import` to add labels to it.")
        report = import_into(
            out,
            source,
            images=args.images,
            frame=args.frame,
            encoding=args.encoding,
            area=args.area,
            source_format=args.source_format,
        )
    elif is_project(source):
        over = None if args.force else frozenset[Path]()
        order = Order(
            out, format=args.format, writing=writing_of(args), photos=PHOTOS[args.photos], over=over
        )
        report = delivered(source, order).report
    else:
        spec = format_to_write(out, args.format)
        if spec is None and args.photos != "leave":
            spec = format_named(COCO)
        if out.exists() and not args.force and not (out.is_dir() and not any(out.iterdir())):
            raise FormatError(f"{said_there([out])}; use --force to write over it.")
        report = _converted(args, source, spec, writing_of(args))
    return tell(report, keep=args.report)


def _converted(args: argparse.Namespace, source: Path, spec: FormatSpec | None, writing: Writing) -> Report:
    """Labels written again; the report is that of reading with what could not be written as it is.

    An image whose size nobody knows is left out, so that its annotations are refused: a size of 0 breaks
    whoever divides by it.
    """
    dataset, read, folder = read_placed_coco(
        source,
        images=args.images,
        frame=args.frame,
        encoding=args.encoding,
        area=args.area,
        source_format=args.source_format,
    )
    ledger = Ledger()
    ledger.extend(read.items)
    totals = {kind: tally.total for kind, tally in read.tallies.items()}
    places = dataset.places
    for place, image in enumerate(dataset.images):
        if not image.width:
            sentence = f"{_why_no_size(image.path, folder)} It is left out with its annotations."
            ledger.note("refused", "images", places.images[place], "width", sentence)
    sized = tuple(image for image in dataset.images if image.width)
    shown = replace(dataset, images=sized)
    if spec is None:
        data, written = write_coco(shown, source=read.source, writing=writing)
        write_labels(args.out, data)
    else:
        found = {image.id: folder.find(image.path) for image in sized}
        files = {key: folder.root / one.path for key, one in found.items() if one is not None}
        photos = PHOTOS[args.photos]
        parts = _parts(sized) if spec.folder or photos != "left" else {}
        wanted = Wanted(shown, args.out, files, parts, writing=writing, photos=photos, over=args.force)
        written = write_data_set(spec, wanted).report
    for note in written.items:
        index = note.index
        if index is not None and note.kind == "annotations":
            index = places.annotations[index]
        elif index is not None and note.kind == "categories":
            index = places.categories[index]
        elif index is not None and note.kind == "images":
            index = places.images[sized[index].id - 1]
        ledger.note(note.verdict, note.kind, index, note.field, note.sentence)
    return ledger.report(read.source, totals)


def _parts(images: Sequence[Image]) -> dict[int, str]:
    """The part of each image: what its file said, or by the folders of its name, `train/images/a.jpg`."""
    parts = {}
    for image in images:
        folders = [folder.lower() for folder in image.path.replace("\\", "/").split("/")[:-1]]
        said = said_part(image)
        named = PARTS.get(said.lower(), said) or next(
            (PARTS[folder] for folder in folders if folder in PARTS), ""
        )
        if named:
            parts[image.id] = named
    return parts


def _why_no_size(name: str, folder: Folder) -> str:
    found = folder.find(name)
    disk = silent_disk(folder.root / found.path) if found else ""
    return f"Its size is not in the file: {said_silent(disk)}" if disk else NO_SIZE
