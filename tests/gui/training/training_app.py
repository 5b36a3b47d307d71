"""A program with nothing but a session and a training desk: goes on with the project's run, or begins one.

`training_app.py FOLDER EPOCHS SECONDS`; says a line for each thing that happens, and ends when a run has.
"""

import sys
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QCoreApplication

from labeler.core.records import Annotation, Box, Change
from labeler.gui.session.session import Session
from labeler.gui.training.desk import TrainingDesk, TrainingRequest
from labeler.registry import discover


def say(*words: object) -> None:
    print(*words, flush=True)


def label(session: Session) -> None:
    known = session.edits.add_category("person", by="test")
    assert known is not None
    for image in session.document.images:
        made = Annotation(session.edits.new_annotation_id(), image.id, known.id, Box(1.0, 1.0, 50.0, 60.0))
        session.edits.commit("Draw", [Change(None, made)], by="test")
        session.edits.commit("Review", [Change(image, replace(image, reviewed=True))], by="test")


def main() -> None:
    folder, epochs, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    app = QCoreApplication([])
    session = Session()
    desk = TrainingDesk(session)
    desk.set_registry(discover())
    seen: list[int] = []

    def begin() -> None:
        """Once the list is there, and what was cut off is known to be."""
        runs = desk.list.runs
        if desk.is_busy or session.project is None or not listed or any(r.state == "running" for r in runs):
            return
        if runs and runs[0].state != "finished":
            say("resumes", runs[0].state)
            desk.resume(runs[0].id)
        else:
            say("begins")
            desk.start(
                TrainingRequest("tiny", desk.next_name("tiny"), {"epochs": epochs, "seconds": seconds})
            )

    listed: list[bool] = []

    def opened() -> None:
        if session.project is None:
            return
        if not any(image.reviewed for image in session.document.images):
            label(session)
        session.ask(lambda store: store.runs.list(), lambda _: (listed.append(True), begin()))

    def progressed() -> None:
        course = desk.course
        if course is not None and course.epochs and course.epochs[-1].epoch not in seen:
            seen.append(course.epochs[-1].epoch)
            say("epoch", seen[-1])

    session.project_changed.connect(opened)
    desk.changed.connect(begin)
    desk.progressed.connect(progressed)
    desk.told.connect(lambda sentence: say("told", sentence))
    desk.finished.connect(lambda _: (say("finished"), app.quit()))
    session.refused.connect(lambda error: (say("refused", error), app.exit(1)))
    session.open(folder)
    status = app.exec()
    desk.close()
    desk.client.close()
    session.shut_down()
    sys.exit(status)


main()
