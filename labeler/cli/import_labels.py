"""`labeler import`: labels of any format, or results, into a project."""

import argparse
from functools import partial
from pathlib import Path

from labeler.cli.labels import (
    add_area_option,
    add_encoding_option,
    add_frame_option,
    add_report_option,
    add_source_format_option,
    check_folder_of_images,
    project_path,
    tell,
    unpacked,
)
from labeler.errors import FormatError, LabelerError, UnclearIdsError
from labeler.formats.coco.coco_file import open_document
from labeler.formats.coco.coco_reading import Area
from labeler.formats.coco.frames import Choice
from labeler.formats.coco.image_names import file_names
from labeler.formats.exchange import import_document, import_results
from labeler.formats.folder_layouts import layout_of
from labeler.formats.intake import Edited
from labeler.formats.report import Report
from labeler.project.keeping.copying import secure_for_import
from labeler.project.store import Store


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "import",
        help="take labels into a project",
        description="Take labels into a project, which is made where there is none: a COCO JSON file, or a "
        "file, folder or zip of another format, which is found out by content. One undo step.",
    )
    parser.add_argument(
        "labels",
        type=Path,
        metavar="LABELS",
        help="a COCO file, or a file, folder or zip of another format; with --results COCO results",
    )
    parser.add_argument("project", type=project_path, metavar="PROJECT.labeler")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="where the images are; default: the project's folder of images, or the folder around the labels "
        "that has them",
    )
    parser.add_argument(
        "--results", action="store_true", help="the file is a model's results (a list with scores)"
    )
    parser.add_argument(
        "--of",
        type=Path,
        metavar="COCO.json",
        help="the labels file (or an export) whose image and category ids the results have; default: what "
        "the project exports, where no two imported files gave one id",
    )
    parser.add_argument("--model", metavar="NAME", help="the model of the results; default: the file's name")
    parser.add_argument("--model-version", default="", metavar="TEXT", help="and its version")
    parser.add_argument(
        "--edited",
        choices=("keep", "replace"),
        default="keep",
        help="what becomes of an object that the file corrects but a person has edited since; default: keep",
    )
    add_source_format_option(parser)
    add_area_option(parser)
    add_encoding_option(parser)
    add_frame_option(parser)
    add_report_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Import; gives 0, or 1 when items were refused."""
    images: Path | None = args.images
    check_folder_of_images(images)
    if args.results:
        return tell(_results(args), keep=args.report)
    code = 0
    with unpacked(args.labels, keep=True) as found:
        for labels in found.labels:
            report = import_into(
                args.project,
                labels,
                images=images or found.folder,
                frame=args.frame,
                edited=args.edited,
                area=args.area,
                encoding=args.encoding,
                source_format=args.source_format,
            )
            code = max(code, tell(report, keep=args.report))
    return code


def import_into(
    project: Path,
    labels: Path,
    *,
    images: Path | None,
    frame: Choice = "auto",
    edited: Edited = "keep",
    area: Area = "shape",
    encoding: str = "",
    source_format: str = "",
) -> Report:
    """Take labels into a project file; a new one is gone again when the labels cannot be read.

    One that was there is copied first if it was written to since its newest snapshot.
    """
    is_new = not project.exists()
    document = open_document(labels, encoding=encoding, format_id=source_format, images=images, frame=frame)
    with Store.open(project) as store:
        where = (
            images
            or layout_of(labels, file_names(document), first=None if is_new else store.root).folder.root
        )
        take = partial(
            import_document,
            document=document,
            path=labels,
            images=where,
            frame=frame,
            edited=edited,
            area=area,
        )
        if not is_new:
            secure_for_import(store.path, store.securing.secure)
            return take(store)
        try:
            with store.transaction():
                store.set_root(where)
                return take(store)
        except LabelerError:
            store.close()
            project.unlink(missing_ok=True)
            raise


def _results(args: argparse.Namespace) -> Report:
    if not args.project.exists():
        raise FormatError(
            f"“{args.project}” does not exist; results need the project of the images they are for."
        )
    with Store.open(args.project) as store:
        secure_for_import(store.path, store.securing.secure)
        try:
            return import_results(
                store,
                args.labels,
                model=args.model or args.labels.stem,
                version=args.model_version,
                of=args.of,
                encoding=args.encoding,
            )
        except UnclearIdsError as error:
            raise FormatError(f"{error} Name the file that has them: --of LABELS.json.") from error
