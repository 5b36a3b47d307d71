"""`labeler convert`: COCO JSON to a project and back, or to clean COCO JSON."""

import argparse
from pathlib import Path

from labeler.cli.export_labels import export_to
from labeler.cli.import_labels import import_into
from labeler.cli.labels import add_frame_option, add_report_option, is_project, tell, write
from labeler.errors import FormatError
from labeler.formats.coco import read_coco
from labeler.formats.coco_writing import write_coco
from labeler.formats.report import Ledger, Report


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
    parser.add_argument("--polygons", action="store_true", help="masks without holes as polygons in JSON")
    add_frame_option(parser)
    add_report_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert; gives 0, or 1 when items were refused."""
    source, out = args.source, args.out
    if args.images is not None and not args.images.is_dir():
        raise FormatError(f"“{args.images}” is no folder; give the folder of the images with --images.")
    if is_project(source) and is_project(out):
        raise FormatError(f"“{source}” and “{out}” are both projects; copy the file instead.")
    if is_project(out):
        if out.exists():
            raise FormatError(f"“{out}” exists already; use `labeler import` to add labels to it.")
        report = import_into(out, source, images=args.images, frame=args.frame)
    elif is_project(source):
        report = export_to(out, source, polygons=args.polygons)
    else:
        report = _clean(source, out, polygons=args.polygons)
    return tell(report, keep=args.report)


def _clean(source: Path, out: Path, *, polygons: bool) -> Report:
    """A COCO file written again; the report is that of reading with what could not be written."""
    dataset, read = read_coco(source)
    data, written = write_coco(dataset, source=read.source, polygons=polygons)
    write(out, data)
    ledger = Ledger()
    ledger.extend(read.items)
    totals = {kind: tally.total for kind, tally in read.tallies.items()}
    kept = dataset.places.annotations
    for note in written.items:
        place = None if note.index is None else kept[note.index]
        ledger.note(note.verdict, note.kind, place, note.field, note.sentence)
    return ledger.report(read.source, totals)
