"""`python -m labeler.worker host`: started by the window, not by people."""

import argparse

from labeler.worker.child import settle, take_channel


def main() -> None:
    """Take the channel before anything that might print is imported, then serve."""
    channel = take_channel()
    parser = argparse.ArgumentParser(prog="labeler.worker")
    parser.add_argument("kind", choices=["host"])
    parser.add_argument("--model", required=True)
    parser.add_argument("--parent", type=int, required=True, help="process id to live and die with")
    arguments = parser.parse_args()
    settle(channel, arguments.parent)

    from labeler.worker.host import serve  # noqa: PLC0415  # imports numpy and plugins: after the channel

    serve(arguments.model, channel)


if __name__ == "__main__":
    main()
