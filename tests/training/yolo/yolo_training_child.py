"""Trains a run, watching what ultralytics looks up by itself; prints what it saw as JSON."""

import json
import socket
import sys
from pathlib import Path

lookups: list[str] = []


def recorded(host: object, *_: object, **__: object) -> list[object]:
    lookups.append(str(host))
    raise socket.gaierror("no network here")


socket.getaddrinfo = recorded  # type: ignore[assignment]

from labeler.registry import discover  # noqa: E402
from labeler.training.run import RunFolder  # noqa: E402

run = RunFolder(Path(sys.argv[1]))
path = discover(safe_mode=True).trainer("yolo").train(run, lambda _: None, lambda: False)
sys.stdout.write(json.dumps({"lookups": lookups, "weights": path.name}))
