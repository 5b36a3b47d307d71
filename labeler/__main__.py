"""`python -m labeler` and the `labeler` command; in a frozen app its children too."""

import sys

from labeler.programs import CHILD_WORD, be_child, begin_frozen, is_frozen


def main() -> int:
    """Run the command line, or be the child that it asks for; gives the exit code."""
    words = sys.argv[1:]
    if is_frozen():
        begin_frozen()
    if words[:1] == [CHILD_WORD]:
        return be_child(words[1:])
    from labeler.cli import run  # noqa: PLC0415 - `import labeler.__main__` alone stays free

    return run(words)


if __name__ == "__main__":
    sys.exit(main())
