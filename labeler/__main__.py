"""`python -m labeler` and the `labeler` command."""

import sys


def main() -> int:
    """Run the command line; gives the exit code."""
    from labeler.cli import run  # noqa: PLC0415 - `import labeler.__main__` alone stays free

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
