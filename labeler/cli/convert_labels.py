"""`labeler convert`: COCO JSON to a project and back, or to clean COCO JSON."""

import argparse
from pathlib import Path

from msgspec.structs import replace

from labeler.cli.export_options import add_writing_options, writing_of
from labeler.cli.import_labels import import_into
from labeler.cli.labels import (
    add_encoding_option,
    add_force_option,
    add_frame_option,
    add_report_option,
    check_folder_of_images,
    delivered,
    is_project,
    tell,
    write,
)
from labeler.core.records import Image
from labeler.errors import FormatError
from labeler.formats.coco import Dataset, dataset_of, file_names
from labeler.formats.coco_file import open_document
from labeler.formats.coco_writing import write_coco
from labeler.formats.image_paths import Folder
from labeler.formats.layouts import layout_of
from labeler.formats.placing import header_of
from labeler.formats.report import Ledger, Report
from labeler.formats.writing import Writing
from labeler.training.labels_out import Order, said_there

NO_SIZE = "Its size is not in the file and no such image is found; it is left out with its annotations."


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "convert",
        help="between COCO JSON and projects",
        description=(
            "Convert by the files' endings: .json to .labeler, .labeler to .json, or .json to .json, which "
            "writes the file again with what can be repaired repaired."
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
        report = import_into(out, source, images=args.images, frame=args.frame, encoding=args.encoding)
    elif is_project(source):
        over = None if args.force else frozenset[Path]()
        report = delivered(source, Order(out, writing_of(args), over=over)).report
    else:
        if out.exists() and not args.force:
            raise FormatError(f"{said_there([out])}; use --force to write over it.")
        report = _clean(args, writing_of(args))
    return tell(report, keep=args.report)


def _clean(args: argparse.Namespace, writing: Writing) -> Report:
    """A COCO file written again; the report is that of reading with what could not be written as it is."""
    source, out = args.source, args.out
    document = open_document(source, encoding=args.encoding)
    dataset, read = dataset_of(document)
    ledger = Ledger()
    ledger.extend(read.items)
    totals = {kind: tally.total for kind, tally in read.tallies.items()}
    places = dataset.places
    left_out: list[int] = []
    if not all(image.width for image in dataset.images):
        names = file_names(document)
        folder = Folder(args.images) if args.images else layout_of(source, names).folder
        dataset, left_out = _with_sizes(dataset, folder)
    for place in left_out:
        ledger.note("refused", "images", places.images[place], "width", NO_SIZE)
    data, written = write_coco(dataset, source=read.source, writing=writing)
    write(out, data)
    for note in written.items:
        index = places.annotations[note.index] if note.index is not None else None
        ledger.note(note.verdict, note.kind, index, note.field, note.sentence)
    return ledger.report(read.source, totals)


def _with_sizes(dataset: Dataset, folder: Folder) -> tuple[Dataset, list[int]]:
    """The data set with the sizes that the file lacks, and the places of images that nobody knows one of.

    These are left out, so that their annotations are refused: a size of 0 breaks whoever divides by it.
    """
    sized: list[Image] = []
    left_out: list[int] = []
    for place, image in enumerate(dataset.images):
        found = None if image.width else folder.find(image.path)
        header = header_of(folder.root / found.path) if found else None
        if image.width:
            sized.append(image)
        elif header:
            sized.append(replace(image, width=header.width, height=header.height))
        else:
            left_out.append(place)
    return replace(dataset, images=tuple(sized)), left_out
