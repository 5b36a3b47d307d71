"""`labeler export`: a project's labels to COCO JSON or another format."""

import argparse
from pathlib import Path

from msgspec.structs import replace

from labeler.cli.export_options import PHOTOS, add_photos_option, add_writing_options, writing_of
from labeler.cli.labels import (
    add_force_option,
    add_format_option,
    add_report_option,
    delivered,
    project_path,
    tell,
)
from labeler.errors import FormatError
from labeler.project.store import Store
from labeler.training.labels_out import Order


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "export",
        help="write a project's labels as COCO JSON or in another format",
        description="Write a project's labels as COCO JSON or in another format, as one file or as a data "
        "set with its photos. The project may be open elsewhere.",
    )
    parser.add_argument("project", type=project_path, metavar="PROJECT.labeler")
    parser.add_argument("out", type=Path, metavar="OUT", help="the file; or the folder of a data set")
    add_format_option(parser, "--format")
    add_photos_option(parser)
    parser.add_argument(
        "--straighten", action="store_true", help="photos that come along and are turned by EXIF are turned"
    )
    parser.add_argument(
        "--categories", metavar="NAME,...", help="only objects of these categories; default: all"
    )
    parser.add_argument("--reviewed", action="store_true", help="only images marked as reviewed")
    parser.add_argument(
        "--split",
        metavar="SHARE|folders|RUN",
        help="write parts, as OUT-train.json and OUT-val.json: by the share of images to be judged on (such "
        "as 0.2; copies and near copies stay together), as they came (folders: by the images' "
        "folders, or the lists that their labels had), or as a run was trained "
        "(its folder)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another way to part by a share")
    add_force_option(parser)
    add_writing_options(parser)
    add_report_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export; gives 0, or 1 when annotations could not be written."""
    order = Order(
        args.out,
        format=args.format,
        writing=writing_of(args),
        photos=PHOTOS[args.photos],
        straighten=args.straighten,
        categories=_categories(args.project, args.categories),
        reviewed_only=args.reviewed,
        seed=args.seed,
        over=None if args.force else frozenset(),
    )
    delivery = delivered(args.project, _parted(order, args.split))
    code = tell(delivery.report, keep=args.report)
    for path in delivery.files:
        print(f"  in {path}")
    return code


def _categories(project: Path, names: str | None) -> frozenset[int] | None:
    """The ids of the named categories; FormatError, naming those there are, for one that is not there."""
    if names is None:
        return None
    if not project.exists():
        raise FormatError(f"“{project}” does not exist.")
    with Store.open(project, read_only=True) as store:
        ids = {category.name: category.id for category in store.categories()}
    wanted = [name.strip() for name in names.split(",")]
    if unknown := [name for name in wanted if name not in ids]:
        there = ", ".join(ids) or "none"
        raise FormatError(f"--categories: there is no category “{unknown[0]}”; there are: {there}.")
    return frozenset(ids[name] for name in wanted)


def _parted(order: Order, how: str | None) -> Order:
    """The order with the parts that the option asks for."""
    if how is None:
        return order
    if how == "folders":
        return replace(order, parts="folders")
    try:
        share = float(how)
    except ValueError:
        return replace(order, parts="run", run=Path(how))
    if not 0 < share < 1:
        raise FormatError(f"--split {how}: a share lies between 0 and 1, such as 0.2.")
    return replace(order, parts="share", share=share)
