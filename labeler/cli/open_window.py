"""`labeler [PATH]`: the window."""

import argparse
import os
import sys
from pathlib import Path

from labeler.errors import LabelerError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the verb."""
    parser = subparsers.add_parser(
        "open", prog="labeler", help="open the window", description="Open the window of Labeler."
    )
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        help="a folder of images, an image, a project (.labeler) or COCO labels (.json)",
    )
    parser.add_argument("--read-only", action="store_true", help="look at a project without changing it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show the window until it is closed."""
    if args.path is not None and not args.path.exists():
        raise LabelerError(
            f"There is no {args.path}. Give a folder of images, an image, a project or COCO labels."
        )
    from labeler.gui import app  # noqa: PLC0415 - Qt is loaded only where a window is wanted

    if not app.has_display() and "QT_QPA_PLATFORM" not in os.environ:
        sys.stderr.write("labeler: no display was found. `labeler demo` works without one.\n")
        return 1
    return app.run(args.path, read_only=args.read_only)
