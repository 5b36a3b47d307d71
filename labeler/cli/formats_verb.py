"""`labeler formats`: the formats of labels that are read and written."""

import argparse

from labeler.cli.console import print_json
from labeler.formats.spec import FormatSpec, formats


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "formats",
        help="the formats of labels that are read and written",
        description="List the formats of labels: what --format, --to and --from call them, whether they are "
        "read and written, and what they can hold.",
    )
    parser.add_argument("--json", action="store_true", help="write the answer as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List; gives 0."""
    found = sorted(formats(), key=lambda spec: (spec.write is None, spec.id))
    if args.json:
        print_json([_facts(spec) for spec in found], indent=2)
        return 0
    wide = max((len(spec.id) for spec in found), default=0)
    for spec in found:
        way = "in and out" if spec.write else "in"
        print(f"{spec.id:{wide}}  {way:10}  {spec.title}: {spec.summary}")
    return 0


def _facts(spec: FormatSpec) -> dict[str, object]:
    return {
        "id": spec.id,
        "title": spec.title,
        "written": spec.write is not None,
        "folder": spec.folder,
        "suffixes": list(spec.suffixes),
        "shapes": list(spec.holds.shapes) if spec.write else [],
        "summary": spec.summary,
    }
