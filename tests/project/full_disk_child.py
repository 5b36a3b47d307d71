"""Writes edits while files may not grow past a limit, as on a full disk; says in JSON what came of it.

Arguments: the project, and "recover" (space comes back) or "close" (it does not before closing).
"""

import json
import resource
import sys
import threading
import time
from pathlib import Path

from project_model import ProjectModel, prepare

from labeler.project.writer import Writer

EDITS = 60
LIMIT = 150_000


def limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def main(project: Path, then: str) -> None:
    Writer.retry_seconds = 0.05
    in_trouble = threading.Event()
    told: list[str] = []

    def on_trouble(sentence: str) -> None:
        told.append(sentence)
        if sentence:
            in_trouble.set()

    writer = Writer.open(project, on_trouble=on_trouble)
    writer.call(prepare)
    model = ProjectModel(11)
    acknowledged: list[object] = []
    failed: list[str] = []
    limit(LIMIT)
    for _ in range(EDITS):
        step = model.step()
        post = {"undo": writer.undo, "redo": writer.redo}.get(step) if isinstance(step, str) else None
        if post is None:
            writer.apply(step, acknowledged.append, lambda error: failed.append(str(error)))
        else:
            post(acknowledged.append, lambda error: failed.append(str(error)))
    assert in_trouble.wait(20)
    before = len(acknowledged)
    if then == "recover":
        limit(resource.RLIM_INFINITY)
        while writer.pending:
            time.sleep(0.005)
    said = writer.close()
    counts = {"before": before, "acknowledged": len(acknowledged)}
    print(json.dumps({**counts, "failed": failed, "told": told, "said": said}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
