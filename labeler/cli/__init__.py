"""The command line: one module a verb, each with `add_parser` and `run`."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from labeler import __version__, paths
from labeler.cli.console import open_console
from labeler.errors import LabelerError
from labeler.models.threads import THREADS_VARIABLE, rest_while_waiting, spare_threads

VERBS = {
    "open": "labeler.cli.open_window",
    "demo": "labeler.cli.demo",
    "import": "labeler.cli.import_labels",
    "export": "labeler.cli.export_labels",
    "convert": "labeler.cli.convert_labels",
    "formats": "labeler.cli.formats_verb",
    "rescue": "labeler.cli.rescue",
    "segment": "labeler.cli.segment",
    "predict": "labeler.cli.predict",
    "train": "labeler.cli.train",
    "agree": "labeler.cli.agree",
    "evaluate": "labeler.cli.evaluate",
    "effort": "labeler.cli.effort.effort_verb",
    "replay": "labeler.cli.effort.replay_verb",
    "models": "labeler.cli.models_verb",
    "doctor": "labeler.cli.doctor",
    "desktop-entry": "labeler.cli.desktop_entry",
}
"""Verb to the module that does it; only the one asked for is imported, so that the window is up at once."""

_AT_WORK = ("predict", "train", "segment", "effort", "replay")
"""Verbs that run models for long, on as many threads as other work leaves."""

_HELP = """\
labeler [PATH]     open the window, on a folder of images, an image, a project or a COCO file
labeler demo       open the window on photos that come with the installed packages
labeler import     labels of any format, or COCO results, into a project
labeler export     a project's labels to COCO JSON or another format, with its photos if wanted
labeler convert    between formats of labels and projects
labeler formats    the formats of labels that are read and written
labeler rescue     edits that could not be saved: show them, take them up
labeler segment    prompt a model on labelled images and measure its masks
labeler predict    run a detector over images, its objects to COCO results
labeler train      train a model on COCO labels
labeler agree      how labels and a model's results agree, by category
labeler evaluate   a model's AP, recall, curves and confusions against labels
labeler effort     what models would save a person on labelled images
labeler replay     what a project's labels would have cost with other models
labeler models     list, download, import, remove and export models
labeler doctor     what this machine has, what is slow or missing, and what mends it
labeler desktop-entry  put the app into the desktop's menu (Linux)

`labeler VERB --help` tells more of each."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line without the program's name; gives the exit code: 0 good, 1 failed, 2 usage."""
    open_console()
    words = list(arguments)
    if words and words[0] in ("-h", "--help"):
        sys.stdout.write(f"usage:\n{_HELP}\n")
        return 0
    if words and words[0] in ("-V", "--version"):
        sys.stdout.write(f"labeler {__version__}\n")
        return 0
    if not words or words[0] not in VERBS or (words[0] == "open" and Path("open").exists()):
        words.insert(0, "open")
    options = _parser(words[0]).parse_args(words)
    _start_log(options.log_level)
    if said := paths.unwritable():
        sys.stderr.write(f"labeler: {said}\n")
    try:
        _choose_plugins(options)
        rest_while_waiting()
        if words[0] != "open":  # the window has its own way, once it is there
            _offer_formats()
        with _spare_threads(words[0]):
            code = int(options.run(options))
        sys.stdout.flush()
    except LabelerError as error:
        logging.getLogger(__name__).debug("failed", exc_info=True)
        sys.stderr.write(f"labeler: {error}\n")
        return 1
    except BrokenPipeError:
        # whoever read the output (`| head`) has seen enough; nothing may be flushed into the pipe any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("labeler: stopped.\n")
        return 130
    return code


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="labeler")
    verbs = parser.add_subparsers(required=True)
    importlib.import_module(VERBS[verb]).add_parser(verbs)
    for one in verbs.choices.values():
        one.add_argument(
            "--log-level",
            default="warning",
            choices=("debug", "info", "warning", "error"),
            help="how much is written to stderr (the log file has everything from info)",
        )
        one.add_argument(
            "--plugins",
            type=Path,
            action="append",
            default=[],
            metavar="DIR",
            help="more plugins; may be repeated",
        )
        one.add_argument("--safe-mode", action="store_true", help="use the shipped plugins only")
    return parser


@contextmanager
def _spare_threads(verb: str) -> Iterator[None]:
    """The threads that other work leaves are all there are, for a verb that keeps at work for long."""
    is_ours = verb in _AT_WORK and THREADS_VARIABLE not in os.environ
    if is_ours:
        os.environ[THREADS_VARIABLE] = str(spare_threads())
    try:
        yield
    finally:
        if is_ours:
            os.environ.pop(THREADS_VARIABLE, None)


def _choose_plugins(options: argparse.Namespace) -> None:
    """Say by the environment, which children inherit, which plugins are used."""
    if not (options.plugins or options.safe_mode):
        return
    from labeler.registry import FOLDERS_VARIABLE, SAFE_MODE_VARIABLE  # noqa: PLC0415 - it imports numpy

    for folder in options.plugins:
        if not folder.is_dir():
            raise LabelerError(f"There is no folder of plugins {folder}.")
    if options.plugins:
        os.environ[FOLDERS_VARIABLE] = os.pathsep.join(str(folder.resolve()) for folder in options.plugins)
    if options.safe_mode:
        os.environ[SAFE_MODE_VARIABLE] = "1"


def _offer_formats() -> None:
    """Let labels files be of any format that a plugin brings; one is asked for when a file is not COCO."""
    from labeler.formats import spec  # noqa: PLC0415 - it imports numpy

    @cache
    def formats() -> tuple[spec.FormatSpec, ...]:
        from labeler.registry import discover  # noqa: PLC0415 - plugins, which COCO does without

        return discover().formats

    spec.come_from(formats)


def _start_log(level: str) -> None:
    """Warnings to stderr, everything from info to a rotating file."""
    from logging.handlers import RotatingFileHandler  # noqa: PLC0415 - 10 ms that --version need not pay

    class QuietFile(RotatingFileHandler):
        """A log that cannot be written to is told once, at the start, and not with each line."""

        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
            pass

    to_screen = logging.StreamHandler()
    to_screen.setLevel(level.upper())
    handlers: list[logging.Handler] = [to_screen]
    try:
        to_file = QuietFile(
            paths.log_dir() / "labeler.log", maxBytes=1 << 20, backupCount=3, encoding="utf-8", delay=True
        )
        to_file.setLevel(logging.INFO)
        handlers.append(to_file)
    except OSError:
        # a home that cannot be written to is no reason not to start
        pass
    logging.basicConfig(
        level=logging.DEBUG if level == "debug" else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=handlers,
        force=True,
    )
