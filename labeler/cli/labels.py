"""What the verbs on labels files share: paths that are projects, and telling a report."""

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from labeler.core.files import atomic_write
from labeler.core.photos.patience import is_folder
from labeler.errors import FormatError, LabelerError
from labeler.formats.archives import folder_for, is_archive, unpack
from labeler.formats.door import is_a_folder, labels_in, labels_of
from labeler.formats.report import Report
from labeler.project.keeping.homes import instead_of
from labeler.training.labels_out import Delivery, Order, ThereAlreadyError, deliver, said_there

PROJECT_SUFFIX = ".labeler"


def is_project(path: Path) -> bool:
    """Whether a path names a project file."""
    return path.suffix.lower() == PROJECT_SUFFIX


def project_path(text: str) -> Path:
    """An argument that is a project file; argparse tells when it is not."""
    path = Path(text)
    if not is_project(path):
        raise argparse.ArgumentTypeError(f"a project file ends in {PROJECT_SUFFIX}, but {text!r} does not")
    home = instead_of(path)
    if home is not None:
        # the folder could not be written to once, and its labels are where they were kept then
        print(f"labeler: the labels of {path.parent} are kept in {home}, which is used.", file=sys.stderr)
        return home
    return path


def check_folder_of_images(folder: Path | None) -> None:
    """Raises LabelerError with one sentence where what --images names is no folder, or its disk is silent."""
    if folder is not None and not is_folder(folder):
        raise FormatError(f"“{folder}” is no folder; give the folder of the images with --images.")


def add_report_option(parser: argparse.ArgumentParser) -> None:
    """The option that keeps the whole report."""
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write the whole report to this JSON file"
    )


def add_format_option(parser: argparse.ArgumentParser, name: str) -> None:
    """The option that names the format which is written."""
    parser.add_argument(
        name,
        dest="format",
        default="",
        metavar="FORMAT",
        help="the format: coco, or one of those that `labeler formats` lists; default: what OUT ends in",
    )


def add_source_format_option(parser: argparse.ArgumentParser) -> None:
    """The option that names the format which is read."""
    parser.add_argument(
        "--from",
        dest="source_format",
        default="",
        metavar="FORMAT",
        help="the format of what is read, as `labeler formats` lists them; default: found out by content",
    )


def add_force_option(parser: argparse.ArgumentParser) -> None:
    """The option that lets labels files be written over."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="write over files that are there; without, nothing is written then",
    )


def delivered(project: Path, order: Order) -> Delivery:
    """Write a project's labels; where files are there already, the error names the option."""
    try:
        return deliver(project, order)
    except ThereAlreadyError as error:
        raise FormatError(f"{said_there(error.paths)}; use --force to write over what is there.") from error


def add_frame_option(parser: argparse.ArgumentParser) -> None:
    """The option that says whose pixels the coordinates count, where that cannot be seen."""
    parser.add_argument(
        "--frame",
        choices=("auto", "stored", "displayed"),
        default="auto",
        help="coordinates count the pixels of the photo as stored, or as displayed once its EXIF "
        "orientation is applied; default: what its size and the shapes say",
    )


def add_area_option(parser: argparse.ArgumentParser) -> None:
    """The option that says whose area counts."""
    parser.add_argument(
        "--area",
        choices=("shape", "file"),
        default="shape",
        help="an area that is not that of its shape is worked out anew, or kept as the file has it, also by "
        "exports; default: shape",
    )


def add_encoding_option(parser: argparse.ArgumentParser) -> None:
    """The option that names the encoding of a labels file that is not UTF-8."""
    parser.add_argument(
        "--encoding",
        default="",
        metavar="NAME",
        help="the encoding of a labels or results file that is not UTF-8, as gb18030, shift_jis or cp1252; "
        "default: what its text says",
    )


class Unpacked(Struct, frozen=True):
    """What is to be read."""

    labels: tuple[Path, ...]
    folder: Path | None = None
    """The root of the photos of a zip."""


@contextmanager
def unpacked(path: Path, *, keep: bool) -> Iterator[Unpacked]:
    """What is to be read of a path: itself, the folder that it stands for, or all labels in a folder or zip.

    A zip is unpacked beside itself and stays there with `keep`, since photos of a project lie in it; else it
    is gone at the end. Raises FormatError, one sentence, for a zip that cannot be unpacked or has no labels.
    """
    if not is_archive(path):
        found = labels_in(path) if is_a_folder(path) else ()
        yield Unpacked(found or (labels_of(path),))
        return
    folder = folder_for(path)
    unpack(path, folder)
    try:
        found = labels_in(folder)
        if not found:
            raise FormatError(f"“{path}” has no labels of a known format in it.")
        if keep:
            print(f"labeler: {path.name} was unpacked to {folder}.", file=sys.stderr)
        yield Unpacked(found, folder)
    except LabelerError:
        keep = False
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def write(path: Path, data: bytes) -> None:
    """Write a file in one atomic step; FormatError when that cannot be done."""
    try:
        atomic_write(path, data)
    except OSError as error:
        raise FormatError(f"“{path}” cannot be written: {error.strerror or error}.") from error


def tell(report: Report, *, keep: Path | None) -> int:
    """Print the counts to stdout, the problems to stderr; gives the exit code: 1 when items were refused."""
    print(report.summary())
    if problems := report.problems():
        print(problems, file=sys.stderr)
    if keep is not None:
        write(keep, report.to_json())
    return 1 if report.refused else 0
