"""`python -m labeler.worker host` or `job`: started by the window, not by people."""

import argparse

from labeler.models.threads import rest_while_waiting
from labeler.worker.child import settle, take_channel


def main() -> None:
    """Take the channel before anything that might print is imported, then serve."""
    channel = take_channel()
    rest_while_waiting()
    parser = argparse.ArgumentParser(prog="labeler.worker")
    kinds = parser.add_subparsers(dest="kind", required=True)
    host, job = kinds.add_parser("host"), kinds.add_parser("job")
    host.add_argument("--model", required=True)
    for kind in (host, job):
        kind.add_argument("--parent", type=int, required=True, help="process id to live and die with")
    arguments = parser.parse_args()
    settle(channel, arguments.parent)

    # they import numpy and plugins: after the channel
    from labeler.registry import may_be_ended  # noqa: PLC0415

    may_be_ended()
    if arguments.kind == "host":
        from labeler.worker import host as serving  # noqa: PLC0415

        serving.serve(arguments.model, channel)
    else:
        from labeler.worker import job as working  # noqa: PLC0415

        working.serve(channel)


if __name__ == "__main__":
    main()
