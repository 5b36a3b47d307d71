"""Command lines as a person types them, in this process: Python and numpy are not started for each anew.

Every verb in a process of its own: `test_console.py`.
"""

import io
import logging
import os
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

from msgspec import Struct

from labeler import cli
from labeler.formats import spec


class Done(Struct, frozen=True):
    """What a process would have left, named as `subprocess` does."""

    returncode: int
    stdout: str
    stderr: str


def labeler(*words: object) -> Done:
    """Run `labeler WORDS` in a console of UTF-8; logging, environment and formats are put back afterwards."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []  # the program closes those that it finds
    try:
        with (
            patch.dict(os.environ),
            patch.object(spec, "_provider", spec._provider),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                code = cli.run([str(word) for word in words])
            except SystemExit as end:  # of the parser
                code = int(end.code or 0)
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
    said, complaint = (stream.buffer.getvalue().decode() for stream in (out, err))
    return Done(code, said, complaint)
