"""The options of how labels are written, shared by `export` and `convert`."""

import argparse
from collections.abc import Mapping

from labeler.formats.spec import PhotosAre
from labeler.formats.write_options import Writing

PHOTOS: Mapping[str, PhotosAre] = {"leave": "left", "copy": "copied", "link": "linked"}
"""What `--photos` may say."""


def add_photos_option(parser: argparse.ArgumentParser) -> None:
    """The option that has photos come along."""
    parser.add_argument(
        "--photos",
        choices=tuple(PHOTOS),
        default="leave",
        help="copy or link the photos into the data set, OUT being its folder; default: leave them",
    )


def add_writing_options(parser: argparse.ArgumentParser) -> None:
    """Add them, in a group of their own."""
    group = parser.add_argument_group(
        "how shapes are written",
        "By default as the most programs read all of it. What is not exact then stands beside it under a key "
        "of Labeler's own, and comes back exactly when it is imported.",
    )
    group.add_argument(
        "--box-polygons",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="boxes as rectangles too; without, their segmentation is empty (default: with)",
    )
    group.add_argument(
        "--masks",
        choices=("polygons", "rle"),
        default="polygons",
        help="masks as polygons along their pixels, or as run-length text (default: polygons)",
    )
    group.add_argument(
        "--polygons", action="store_const", dest="masks", const="polygons", help="--masks polygons"
    )
    group.add_argument(
        "--holes",
        choices=("seam", "fill", "rle"),
        default="seam",
        help="objects with holes as one ring through a seam, filled, or as run-length text (default: seam)",
    )
    group.add_argument(
        "--tolerance",
        type=_pixels,
        default=0.0,
        metavar="PX",
        help="simplify the polygons of masks by up to so many pixels (default: 0, exact)",
    )
    group.add_argument(
        "--clip",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="end shapes at the border of their image (default: yes)",
    )
    group.add_argument(
        "--as-imported",
        action="store_true",
        help="shapes that nobody touched exactly as in the file that they came from, whatever the others say",
    )


def writing_of(args: argparse.Namespace) -> Writing:
    """What the options say."""
    return Writing(
        boxes="rectangle" if args.box_polygons else "empty",
        masks=args.masks,
        holes=args.holes,
        clip=args.clip,
        tolerance=args.tolerance,
        as_read=args.as_imported,
    )


def _pixels(text: str) -> float:
    """A number of pixels; argparse tells when it is none."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1000:
        raise argparse.ArgumentTypeError(f"a number of pixels from 0 to 1000, but is {text!r}")
    return number
