"""Writes a project, most of it into the main file and the rest into the log, and is killed."""

import os
import signal
import sys
from pathlib import Path

from project_model import ProjectModel, carry_out, prepare

from labeler.project.store import Store


def main(path: Path) -> None:
    store = Store.open(path)
    prepare(store)
    model = ProjectModel(3)
    for number in range(130):
        carry_out(store, model.step())
        if number == 90:
            store.file.checkpoint()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
