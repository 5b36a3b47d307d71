"""`labeler replay`: what a project's labels would have cost with other models, by its own prompts."""

import argparse
import sys
from pathlib import Path

from labeler.cli.effort.effort_verb import add_measure_options, on_images, put_out
from labeler.cli.progress import ProgressLine
from labeler.evaluation.effort.act_counts import Pace
from labeler.registry import discover
from labeler.worker.effort_job import SEGMENTER
from labeler.worker.replayed_work import ReplayQuestion, replay


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "replay",
        help="what a project's labels would have cost with other models",
        description="Count the acts that a project's journal has of a person, and what the same labels "
        "would have cost with other models. A promptable model is given the prompts that were given, click "
        "after click until its mask has the IoU of --target with the final label, and more clicks where they "
        "do not come to it (20 at most). A detector's predictions are accepted, corrected or rejected as in "
        "`labeler effort`. Compare models with each other: also the one that was used may need less than was "
        "recorded, for a person goes on beyond the target. The project is only read. Imported objects are "
        "left out; of proposals made before the journal kept prompts it is known that they were accepted.",
    )
    parser.add_argument("project", type=Path, metavar="PROJECT", help="a .labeler file")
    parser.add_argument(
        "--with",
        dest="models",
        nargs="+",
        default=[SEGMENTER],
        metavar="MODEL",
        help=f"promptable models and detectors, by name, file or run (default: {SEGMENTER})",
    )
    add_measure_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay; gives 0, or 1 when something could not be used."""
    question = ReplayQuestion(
        project=args.project,
        models=tuple(args.models),
        target=args.target,
        pace=Pace(**dict(args.seconds)),
    )
    with ProgressLine("Images", total=0) as progress:
        found = replay(question, discover(), progress.reach)
    for sentence in found.complaints:
        print(sentence, file=sys.stderr)
    if not put_out(found.answer(question), args):
        print(f"{on_images(found.objects, found.images)}, {found.seconds_at_work:.0f} s by the clock.")
        print(found.table(question.pace))
    return 1 if found.complaints else 0
