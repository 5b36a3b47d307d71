"""`labeler train`: a model of one's own from COCO labels, in a folder that can be gone on with."""

import argparse
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec

from labeler.cli.console import print_json
from labeler.cli.labels import add_encoding_option
from labeler.cli.progress import ProgressLine
from labeler.errors import LabelerError
from labeler.registry import Registry, discover
from labeler.training.events import (
    Doing,
    Epoch,
    Event,
    Failed,
    Finished,
    Note,
    Prepared,
    Started,
    Step,
    Stopped,
)
from labeler.training.preparation import is_prepared
from labeler.training.run import RunFolder, RunSpec
from labeler.training.specs import Option, TrainerSpec, Value, settings
from labeler.worker.training_job import train

_SHORT = {
    "epochs": "how often the images are learnt from",
    "batch": "images, or tiles of images, that are learnt from at once",
    "size": "side in pixels of the images, or tiles of them, as they are learnt from",
}
"""Flags for what most trainers have an option for, of the same name."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "train",
        help="train a model on labels",
        description="Train a model on COCO labels, in a folder of its own, into which the images are copied. "
        "It ends among the installed models, judged on images that were held out. Ctrl+C saves where it is; "
        "`labeler train --resume --out RUN` goes on, after that or after a crash.",
    )
    parser.add_argument("labels", type=Path, nargs="?", metavar="LABELS.json", help="COCO labels")
    parser.add_argument("--images", type=Path, metavar="DIR", help="their images (the labels' folder)")
    add_encoding_option(parser)
    parser.add_argument("--model", metavar="ID", help="what to train, as --list names it")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an option of it; may be repeated"
    )
    for name, meaning in _SHORT.items():
        parser.add_argument(f"--{name}", metavar="N", help=meaning)
    parser.add_argument("--out", type=Path, metavar="RUN", help="the folder of the run, new or empty")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--name", help="of the model that comes out (the name of the folder)")
    parser.add_argument(
        "--held-out",
        dest="validation_share",
        type=_share,
        default=0.2,
        metavar="SHARE",
        help="of the images (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything that is left to chance")
    parser.add_argument("--replaces", default="", metavar="NAME|FILE|RUN", help="a model to compare with")
    parser.add_argument("--list", action="store_true", help="what can be trained, with its options")
    parser.add_argument("--json", action="store_true", help="print what came of it as JSON")
    parser.set_defaults(run=run)


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError(f"must be from 0 to below 1, but is {text}")
    return value


def run(args: argparse.Namespace) -> int:
    """Train; gives 0, 130 when it was stopped. Raises LabelerError with the sentence of a run that failed."""
    registry = discover()
    if args.list:
        if args.json:
            print_json([_described(one) for one in registry.trainers])
        else:
            print(_listing(registry))
        return 0
    folder = _resumed(args) if args.resume else _created(args, registry)
    with _stoppable() as should_stop, _Screen() as screen:
        train(
            folder,
            registry,
            screen.show,
            should_stop,
            labels=args.labels,
            images=args.images,
            encoding=args.encoding,
        )
    match screen.last:
        case Finished() as finished:
            if args.json:
                print_json(_told(folder, finished))
            else:
                print(_summary(folder, finished))
            return 0
        case Failed(sentence=sentence):
            if not args.resume and not is_prepared(folder):
                shutil.rmtree(folder.path, ignore_errors=True)  # nothing is in it, and it would be in the way
            raise LabelerError(sentence)
        case _:
            print(f"Stopped; go on with: labeler train --resume --out {folder.path}", file=sys.stderr)
            return 130


def _resumed(args: argparse.Namespace) -> RunFolder:
    if args.out is None:
        raise LabelerError("Name the folder of the run to go on with: --out RUN.")
    return RunFolder(args.out)


def _created(args: argparse.Namespace, registry: Registry) -> RunFolder:
    """A new run, after everything that can be known to be wrong was looked at."""
    for given, what in (
        (args.labels, "the labels: labeler train LABELS.json"),
        (args.model, "what to train: --model ID (labeler train --list says what there is)"),
        (args.out, "the folder of the run: --out RUN"),
    ):
        if given is None:
            raise LabelerError(f"Name {what}.")
    trainer = registry.trainer(args.model)
    chosen = _chosen(trainer, args)
    if not args.labels.is_file():
        raise LabelerError(f"There is no labels file “{args.labels}”.")
    if args.replaces:
        registry.resolve(args.replaces)
    spec = RunSpec(
        trainer=trainer.id,
        name=args.name or args.out.resolve().name,
        options=settings(trainer, chosen),
        seed=args.seed,
        validation_share=args.validation_share,
        replaces=args.replaces,
    )
    return RunFolder.create(args.out, spec)


def _chosen(trainer: TrainerSpec, args: argparse.Namespace) -> dict[str, Value]:
    """The options that were set. Raises LabelerError with one sentence."""
    given: dict[str, str] = {name: value for name in _SHORT if (value := getattr(args, name)) is not None}
    for text in args.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise LabelerError(f"“{text}” is no option: write --set NAME=VALUE.")
        given[name.strip()] = value
    known = ((name, text, trainer.option(name)) for name, text in given.items())
    return {name: option.parsed(text) if option is not None else text for name, text, option in known}


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Ctrl+C and a polite kill ask the run to stop; a second one ends it at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # only the main thread hears signals
        return
    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, _frame: Any) -> None:
        asked.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Screen:
    """The run's events on stderr: a line for what a person should keep, a bar for the steps."""

    def __init__(self) -> None:
        self.last: Event | None = None
        self._epochs = 0
        self._stack = ExitStack()
        self._bar: ProgressLine | None = None
        self._title = ""
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_bar()

    def show(self, event: Event) -> None:
        """Say an event."""
        self.last = event
        match event:
            case Prepared(training=training, validation=validation, warnings=warnings):
                self._line(f"{training} images to learn from, {validation} held out")
                for warning in warnings:
                    self._line(f"warning: {warning}")
            case Started(device=device, epochs=epochs, first_epoch=first):
                self._epochs = epochs
                self._line(f"on {device}, from epoch {first} of {epochs}")
            case Step():
                self._step(f"Epoch {event.epoch}", event.step, event.steps)
            case Doing(what=what, done=done, total=total):
                self._step(what.capitalize(), done, total)
            case Epoch():
                self._epoch(event)
            case Note(sentence=sentence):
                self._line(sentence)
            case Stopped() | Failed() | Finished():
                self._end_bar()
            case _:
                pass

    def _line(self, text: str) -> None:
        self._end_bar()
        print(text, file=sys.stderr, flush=True)

    def _step(self, title: str, done: int, total: int) -> None:
        """Move the bar of this title; another one begins where another is shown."""
        if self._bar is None or title != self._title:
            self._end_bar()
            self._bar = self._stack.enter_context(ProgressLine(title, total=total))
            self._title, self._done = title, 0
        self._bar.advance(done - self._done)
        self._done = done

    def _epoch(self, event: Epoch) -> None:
        figures = "".join(f", {name} {value:.4g}" for name, value in event.metrics.items())
        loss = f"loss {event.losses['loss']:.4g}" if "loss" in event.losses else "done"
        best = " (best)" if event.best else ""
        self._line(f"epoch {event.epoch} of {self._epochs}: {loss}{figures}{best}, {event.seconds:.0f} s")

    def _end_bar(self) -> None:
        self._stack.close()
        self._bar = None


def _told(folder: RunFolder, finished: Finished) -> dict[str, Any]:
    """What came of it, as a JSON object."""
    outcome = folder.outcome()
    return {
        "run": str(folder.path),
        "weights": str(folder.path / finished.weights),
        "seconds": finished.seconds,
        **(msgspec.to_builtins(outcome) if outcome is not None else {}),
    }


def _summary(folder: RunFolder, finished: Finished) -> str:
    outcome = folder.outcome()
    figures = ", ".join(f"{name} {value:.4g}" for name, value in finished.metrics.items()) or "no figures"
    lines = [f"{folder.spec.name}: {figures} (epoch {finished.best_epoch}), {finished.seconds:.0f} s"]
    if outcome is not None and outcome.replaced is not None:
        old = ", ".join(f"{name} {value:.4g}" for name, value in outcome.replaced.metrics.items())
        lines.append(f"{outcome.replaced.title}, on the same {outcome.validation} images: {old}")
    lines.append(f"weights: {outcome.model if outcome and outcome.model else folder.path / finished.weights}")
    return "\n".join(lines)


def _listing(registry: Registry) -> str:
    """The trainers with their options."""
    lines = []
    for trainer in registry.trainers:
        lines.append(f"{trainer.id:<14} {trainer.title}. {trainer.summary}".rstrip())
        lines += [f"    {_option(option)}" for option in trainer.options]
    return "\n".join(lines)


def _option(option: Option) -> str:
    default = (
        {True: "yes", False: "no"}[option.default] if isinstance(option.default, bool) else option.default
    )
    choices = f", one of {', '.join(option.choices)}" if option.choices else ""
    short = f" (--{option.name})" if option.name in _SHORT else ""
    return f"{option.name}={default}{short}{choices}: {option.help or option.title}"


def _described(trainer: TrainerSpec) -> dict[str, Any]:
    return {
        "id": trainer.id,
        "title": trainer.title,
        "task": trainer.task,
        "summary": trainer.summary,
        "metric": trainer.metric,
        "options": [msgspec.to_builtins(option) for option in trainer.options],
    }
