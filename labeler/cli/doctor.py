"""`labeler doctor`: what this machine has for the app, what is slow or missing, and what mends it."""

import argparse

from labeler.cli.console import print_json
from labeler.models.checkup import Finding, State, findings

_SIGNS: dict[State, str] = {"good": "ok", "slow": "slow", "lacking": "-", "bad": "BAD"}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "doctor",
        help="what this machine has, what is slow or missing, and what mends it",
        description="Look at versions, memory, disks, folders, the screen and extras, try each device by "
        "real work, and name for all that is slow or missing the one thing that mends it. Nothing is changed "
        "and no network is used. Exit code 1 where something is broken.",
    )
    parser.add_argument("--json", action="store_true", help="write the findings as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, and tell; gives 0, or 1 when something is broken."""
    found: list[Finding] = []
    for finding in findings():
        found.append(finding)
        if not args.json:
            print(f"{_SIGNS[finding.state]:5} {finding.topic}: {finding.said}", flush=True)
            if finding.mend:
                print(f"      {finding.mend}", flush=True)
    if args.json:
        print_json(found, indent=2)
    bad = sum(finding.state == "bad" for finding in found)
    if not args.json:
        print("Nothing is broken." if not bad else f"{bad} of {len(found)} things are broken.")
    return 1 if bad else 0
