"""`labeler desktop-entry`: the app in the desktop's menu on Linux, with its icon and file type."""

import argparse
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from platformdirs import user_data_path

from labeler import paths
from labeler.core.files import atomic_write
from labeler.errors import LabelerError
from labeler.programs import own_command

_MIME = """\
<?xml version="1.0" encoding="UTF-8"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="application/x-labeler">
    <comment>Labeler project</comment>
    <glob pattern="*.labeler"/>
    <icon name="labeler"/>
  </mime-type>
</mime-info>
"""
_REFRESH = (("update-desktop-database", "applications"), ("update-mime-database", "mime"))
_SECONDS = 30


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "desktop-entry",
        help="put the app into the desktop's menu (Linux)",
        description="Put the app into the menu of the desktop for this user, with its icon, and have it open "
        "project files. Only on Linux; elsewhere the installers do that.",
    )
    parser.add_argument("--remove", action="store_true", help="take it out again")
    parser.add_argument(
        "--folder", type=Path, help="where applications, icons and mime are; default: the user's data folder"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write or remove the files; gives 0."""
    if sys.platform != "linux":
        raise LabelerError("Menus have such entries only on Linux; make a shortcut to “labeler” here.")
    folder: Path = args.folder or user_data_path()
    try:
        for path, data in _files(folder).items():
            if args.remove:
                path.unlink(missing_ok=True)
                print(f"removed {path}")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(path, data)
                print(path)
    except OSError as error:
        raise LabelerError(f"“{folder}” cannot be written to: {error.strerror or error}.") from error
    for command, name in _REFRESH:
        if (program := shutil.which(command)) and (folder / name).is_dir():
            with suppress(OSError, subprocess.TimeoutExpired):  # the desktop finds the files without, later
                subprocess.run(
                    [program, str(folder / name)], capture_output=True, timeout=_SECONDS, check=False
                )
    return 0


def _files(folder: Path) -> dict[Path, bytes]:
    """The files of the entry, by where they go."""
    entry = (paths.resources() / "labeler.desktop").read_text("utf-8")
    start = f"Exec={shlex.join(own_command())} %F"
    lines = [start if line.startswith("Exec=") else line for line in entry.splitlines()]
    return {
        folder / "applications" / "labeler.desktop": ("\n".join(lines) + "\n").encode(),
        folder / "icons" / "hicolor" / "scalable" / "apps" / "labeler.svg": (
            paths.resources() / "icons" / "labeler.svg"
        ).read_bytes(),
        folder / "mime" / "packages" / "labeler.xml": _MIME.encode(),
    }
