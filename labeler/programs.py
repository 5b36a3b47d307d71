"""How this very program is started again, as a child or from a menu: a frozen app has no Python for `-m`."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

CHILD_WORD = "--child"
"""The first word of a command line that is a child's, and no person's."""
CHILDREN = {
    "labeler.worker": "labeler.worker.__main__",
    "labeler.core.photos.decode_child": "labeler.core.photos.decode_child",
    "labeler.models.device_trials": "labeler.models.device_trials",
}
"""What may be a child, by the name for `python -m`, with the module whose `main` it is."""


def is_frozen() -> bool:
    """Whether this is an app that holds its own Python (PyInstaller says so by `sys.frozen`)."""
    return bool(getattr(sys, "frozen", False))


def begin_frozen() -> None:
    """What a frozen app does first: be the helper that a library asks for, and give the environment back.

    PyInstaller's program finds its libraries by LD_LIBRARY_PATH. They are found by now; the file manager or
    the browser that is asked to open something must not load ours. A child of ours sets it anew.
    """
    from multiprocessing import freeze_support  # noqa: PLC0415 - only a frozen app needs it

    freeze_support()
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before
    else:
        os.environ.pop("LD_LIBRARY_PATH", None)


def tidy_library_path() -> None:
    """Take the empty entries out of LD_LIBRARY_PATH, which mean the folder that a program is started in.

    Importing cv2 on Linux puts its own folder before what there was, with a colon between, also where there
    was nothing: whatever is started then would load a stranger's libraries from a folder of photos.
    """
    entries = os.environ.get("LD_LIBRARY_PATH")
    if entries is not None:
        os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, entries.split(os.pathsep)))


def child_command(child: str, *arguments: str) -> list[str]:
    """The program and the words that start one of `CHILDREN` with these arguments."""
    tidy_library_path()
    if child not in CHILDREN:
        raise ValueError(f"{child} is none of {', '.join(CHILDREN)}")
    if is_frozen():
        return [sys.executable, CHILD_WORD, child, *arguments]
    # -P: what lies in the working folder is no library
    return [sys.executable, "-P", "-m", child, *arguments]


def be_child(words: Sequence[str]) -> int:
    """Be the child that follows `CHILD_WORD`: its name, then its arguments. Gives the exit code.

    It is 2, with one sentence, where the name is none of a child.
    """
    name, *arguments = words or [""]
    if name not in CHILDREN:
        sys.stderr.write(f"labeler: {CHILD_WORD} is for Labeler itself; there is no child “{name}”.\n")
        return 2
    sys.argv = [name, *arguments]
    importlib.import_module(CHILDREN[name]).main()
    return 0


def own_command() -> list[str]:
    """What starts this very installation as a person does: its own program, else its Python."""
    if is_frozen():
        return [sys.executable]
    program = Path(sys.executable).with_name("labeler")
    return [str(program)] if program.is_file() else [sys.executable, "-m", "labeler"]
