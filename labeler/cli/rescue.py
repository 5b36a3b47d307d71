"""`labeler rescue`: what was kept of a project because it could not be saved in it."""

import argparse
import sys
from pathlib import Path

from labeler.errors import LabelerError
from labeler.project.keeping.kept import kept_copies
from labeler.project.keeping.known import go_on_without
from labeler.project.keeping.leftovers import leftovers, take_up
from labeler.project.photos.folder import locate
from labeler.project.store import Store


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "rescue",
        help="edits that could not be saved: show them, take them up",
        description="Show what was kept of a project because it could not be saved in it: edits of an "
        "earlier session that did not fit any more, and copies in which a project went on that was replaced "
        "while it was open.",
    )
    parser.add_argument("project", type=Path, metavar="PROJECT", help="a project, or its folder of images")
    parser.add_argument("--take", action="store_true", help="do the edits that still can be done")
    parser.add_argument(
        "--go-on",
        action="store_true",
        help="take a project as it is, without the saves that it has lost; its write-ahead log is kept",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show or take up; gives 0, or 1 where something kept could not be read."""
    project = locate(args.project).project
    if not project.exists():
        raise LabelerError(f"There is no project {project}.")
    if args.go_on:
        aside = go_on_without(project)
        print(f"{project} is taken as it is." + (f" Its log was kept as {aside}." if aside else ""))
    copies, edits = kept_copies(project), leftovers(project)
    for copy in copies:
        print(f"{copy}: a copy in which edits went on. Open it, or put it in the place of {project.name}.")
    for file, found in edits.items():
        print(f"{file}: {len(found)} edits" if found else f"{file}: cannot be read")
        for edit in found:
            print(f"  {edit.label} ({len(edit.changes)} changes)")
    if not copies and not edits:
        print(f"Nothing is kept of {project}: all edits are in it.")
    readable = [file for file, found in edits.items() if found]
    if args.take and readable:
        with Store.open(project) as store:
            store.securing.secure()
            taken = sum(take_up(store, file) for file in readable)
        sys.stderr.write(f"labeler: {taken} changes were taken up; undo takes them back.\n")
    return int(len(readable) < len(edits))
