"""`labeler convert`: COCO JSON to a project and back, or to clean COCO JSON."""

import argparse
from pathlib import Path

from msgspec.structs import replace

from labeler.cli.export_options import add_writing_options, writing_of
from labeler.cli.import_labels import import_into
from labeler.cli.labels import (
    add_area_option,
    add_encoding_option,
    add_force_option,
    add_frame_option,
    add_report_option,
    check_folder_of_images,
    delivered,
    is_project,
    tell,
)
from labeler.core.photos.patience import said_silent, silent_disk
from labeler.errors import FormatError
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.image_paths import Folder
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import Ledger, Report
from labeler.formats.spec import format_to_write
from labeler.formats.write_options import Writing
from labeler.training.labels_out import Order, said_there, write_labels

NO_SIZE = "Its size is not in the file and no such image is found."


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "convert",
        help="between COCO JSON, plugins' formats and projects",
        description=(
            "Convert by the files' endings: .json to .labeler, .labeler to .json, or .json to .json, which "
            "writes the file again with what can be repaired repaired; where the photos are at hand, in the "
            "frame in which they are displayed, as an import. For .json stands a format of a plugin too."
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
    add_encoding_option(parser)
    add_frame_option(parser)
    add_area_option(parser)
    add_force_option(parser)
    add_writing_options(parser)
    add_report_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert; gives 0, or 1 when items were refused."""
    source, out = args.source, args.out
    check_folder_of_images(args.images)
    if is_project(source) and is_project(out):
        raise FormatError(f"“{source}” and “{out}” are both projects; copy the file instead.")
    if is_project(out):
        if out.exists():
            raise FormatError(f"“{out}” exists already; use `labeler import` to add labels to it.")
        report = import_into(
            out, source, images=args.images, frame=args.frame, encoding=args.encoding, area=args.area
        )
    elif is_project(source):
        over = None if args.force else frozenset[Path]()
        report = delivered(source, Order(out, writing_of(args), over=over)).report
    else:
        format_to_write(out)
        if out.exists() and not args.force:
            raise FormatError(f"{said_there([out])}; use --force to write over it.")
        report = _clean(args, writing_of(args))
    return tell(report, keep=args.report)


def _clean(args: argparse.Namespace, writing: Writing) -> Report:
    """A COCO file written again; the report is that of reading with what could not be written as it is.

    An image whose size nobody knows is left out, so that its annotations are refused: a size of 0 breaks
    whoever divides by it.
    """
    dataset, read, folder = read_placed_coco(
        args.source, images=args.images, frame=args.frame, encoding=args.encoding, area=args.area
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
    data, written = write_coco(replace(dataset, images=sized), source=read.source, writing=writing)
    write_labels(args.out, data)
    for note in written.items:
        index = places.annotations[note.index] if note.index is not None else None
        ledger.note(note.verdict, note.kind, index, note.field, note.sentence)
    return ledger.report(read.source, totals)


def _why_no_size(name: str, folder: Folder) -> str:
    found = folder.find(name)
    disk = silent_disk(folder.root / found.path) if found else ""
    return f"Its size is not in the file: {said_silent(disk)}" if disk else NO_SIZE
