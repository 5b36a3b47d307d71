"""`labeler export`: a project's labels to COCO JSON."""

import argparse
from pathlib import Path

from labeler.cli.labels import add_report_option, project_path, tell, write
from labeler.errors import FormatError
from labeler.formats.exporting import export_coco
from labeler.formats.report import Report
from labeler.project.store import Store


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "export",
        help="write a project's labels as COCO JSON",
        description="Write a project's labels as COCO JSON. The project may be open elsewhere.",
    )
    parser.add_argument("project", type=project_path, metavar="PROJECT.labeler")
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument(
        "--polygons", action="store_true", help="masks without holes as polygons instead of run-length text"
    )
    parser.add_argument("--reviewed", action="store_true", help="only images marked as reviewed")
    add_report_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export; gives 0, or 1 when annotations could not be written."""
    report = export_to(args.out, args.project, polygons=args.polygons, reviewed_only=args.reviewed)
    return tell(report, keep=args.report)


def export_to(out: Path, project: Path, *, polygons: bool = False, reviewed_only: bool = False) -> Report:
    """Write a project file's labels to a COCO file."""
    if not project.exists():
        raise FormatError(f"“{project}” does not exist.")
    with Store.open(project, read_only=True) as store:
        data, report = export_coco(store, polygons=polygons, reviewed_only=reviewed_only)
    write(out, data)
    return report
