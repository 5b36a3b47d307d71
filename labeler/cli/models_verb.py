"""`labeler models`: what models there are and can be had, and getting, importing and removing them."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labeler.cli.console import print_json
from labeler.cli.progress import ProgressLine
from labeler.errors import ModelError
from labeler.models.files import weights
from labeler.models.files.catalog import CatalogEntry, entry, with_needs
from labeler.models.files.model_list import ListedModel, megabytes, model_list
from labeler.models.portable import FORMS, export_model
from labeler.registry import discover

_NAMES = (
    f"ids to get or to remove; files of weights to import ({', '.join(weights.SUFFIXES)}); the id, "
    "file or run to export"
)
_ACTIONS = ("list", "get", "import", "remove", "export")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "models",
        help="list, download, import, remove and export models",
        description="List the models there are and those that can be had; download some by their ids, take "
        "in weights of your own, or remove some. A download that was broken off is gone on with. Export "
        "writes one for other programs, with its classes and settings and, beside ONNX, a short program that "
        "runs it without Labeler.",
    )
    parser.add_argument("action", nargs="?", choices=_ACTIONS, default="list", help="default: %(default)s")
    parser.add_argument("names", nargs="*", metavar="NAME", help=_NAMES)
    parser.add_argument(
        "--to", choices=FORMS, default="onnx", help="form to export to (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="new folder to export to")
    parser.add_argument("--json", action="store_true", help="write the answer as JSON")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Do the action; gives 0, or raises ModelError with one sentence."""
    if (args.action == "list") == bool(args.names):
        args.usage_error("list takes no names" if args.names else f"{args.action} needs at least one NAME")
    if (args.action == "export") != (args.out is not None):
        args.usage_error("export needs --out DIR" if args.out is None else "--out is for export")
    if args.action == "export" and len(args.names) > 1:
        args.usage_error("export takes one NAME")
    if args.action == "list":
        return _list(as_json=args.json)
    work: dict[str, Callable[[str], Sequence[Path]]] = {
        "get": _get,
        "import": _import,
        "remove": _remove,
        "export": lambda name: export_model(discover().resolve(name), args.to, args.out),
    }
    done = [path for name in args.names for path in work[args.action](name)]
    if args.json:
        print_json([{"path": str(path)} for path in done], indent=2)
    else:
        for path in done:
            print(path if args.action != "remove" else f"removed {path}")
    return 0


def _list(*, as_json: bool) -> int:
    registry = discover()
    found = model_list(registry.models, kinds=registry.kinds, open_file=registry.open_file)
    if as_json:
        print_json([_facts(one) for one in found], indent=2)
        return 0
    rows = [
        (
            one.id,
            one.title,
            one.task or "unknown",
            megabytes(one.size) if one.size else "",
            one.licence,
            one.origin,
            one.state,
        )
        for one in found
    ]
    heads = ("Id", "Name", "Task", "Size", "Licence", "Origin", "State")
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        cells = [
            f"{text:>{width}}" if head == "Size" else f"{text:<{width}}"
            for text, width, head in zip(row, widths, heads, strict=True)
        ]
        print("  ".join(cells).rstrip())
    print(f"\nWeights are kept in {weights.folder()}; `labeler models get ID` downloads some.")
    return 0


def _get(name: str) -> list[Path]:
    """Download an entry, and what it needs and is not there."""
    wanted = entry(name)
    there = {one.path for one in weights.installed()}
    missing = [one for one in with_needs(wanted) if weights.path_of(one) not in there]
    for one in missing:
        _download(one)
    if not missing:
        print(f"{wanted.title} is there already.", file=sys.stderr)
    return [weights.path_of(wanted)]


def _download(wanted: CatalogEntry) -> None:
    bars: list[ProgressLine] = []
    at = 0

    def show(done: int, total: int) -> None:
        nonlocal at
        if not bars:
            bar = ProgressLine(wanted.title, total=total or wanted.size, shown=megabytes, begun_at=done)
            bars.append(bar.__enter__())
            at = done
        # a server that begins anew takes the bar back
        bars[0].advance(done - at)
        at = done

    try:
        weights.download(wanted, progress=show)
    finally:
        for bar in bars:
            bar.__exit__(None, None, None)


def _import(name: str) -> list[Path]:
    registry = discover()
    return [weights.import_file(Path(name), open_file=registry.open_file).path]


def _remove(name: str) -> list[Path]:
    for one in weights.installed():
        if name in (one.id, one.path.name):
            weights.remove(one.path)
            return [one.path]
    known = ", ".join(one.id for one in weights.installed() if not one.is_shipped) or "none"
    raise ModelError(f"There is no model “{name}” to remove; there are: {known}.")


def _facts(one: ListedModel) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "task": one.task,
        "about": one.about,
        "licence": one.licence,
        "origin": one.origin,
        "size": one.size,
        "state": one.state,
        "path": None if one.path is None else str(one.path),
        "url": None if one.entry is None else one.entry.url,
        "sha256": None if one.entry is None else one.entry.sha256 or None,
    }
