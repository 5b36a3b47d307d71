"""Long work in portions, and the edits that come in between: all or nothing, and no edit is lost."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from labeler.core.records import Annotation, Box, Candidate, Category, Change, Edit
from labeler.project import schema
from labeler.project.keeping.rescue_file import put_aside_files
from labeler.project.portions import Portions
from labeler.project.store import Store
from labeler.project.writer import Writer

CAT = Category(1, "cat", "#ff0000")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "p.labeler"
    with Store.open(path) as store:
        store.photos.add([f"{n}.jpg" for n in range(9)])
        store.apply(Edit("Add a category", (Change(None, CAT),)))
    return path


@pytest.fixture
def writer(project: Path) -> Iterator[Writer]:
    opened = Writer.open(project)
    yield opened
    opened.close()


def drawn(number: int, image: int = 1) -> Edit:
    return Edit(f"Draw {number}", (Change(None, Annotation(number, image, 1, Box(0, 0, number, 9))),))


class Long:
    """Long work that stores a candidate a portion, and waits where the test wants it to."""

    def __init__(self, portions: int = 4, *, error: Exception | None = None, model: str = "m") -> None:
        self.number = portions
        self.model = model
        self.error = error
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.answers: list[object] = []
        self.ended = threading.Event()

    def post(self, writer: Writer) -> None:
        writer.post(self.work, self._answer, self._answer)
        assert self.begun.wait(10)

    def work(self, store: Store) -> Portions[str]:
        model = store.predictions.ensure_model(self.model, "1").id
        into = store.predictions.replacement(model)
        for number in range(self.number):
            into.add_present([Candidate(0, 1 + number % 9, 0, 1, Box(0, 0, 5, 5), 0.5)])
            if number == self.number // 2:
                self.begun.set()
                while not self.go_on.wait(0.001):
                    yield
            yield
        if self.error is not None:
            raise self.error
        return "all of it"

    def end(self) -> list[object]:
        self.go_on.set()
        assert self.ended.wait(10)
        return self.answers

    def _answer(self, value: object) -> None:
        self.answers.append(value)
        self.ended.set()


def told(post: Callable[..., None]) -> object:
    """What a posted job tells; it does so while the long work goes on."""
    answers: list[object] = []
    ended = threading.Event()

    def take(value: object) -> None:
        answers.append(value)
        ended.set()

    post(take, take)
    assert ended.wait(10), "it waits for the long work"
    return answers[0]


def found(writer: Writer) -> tuple[list[int], int]:
    """The annotations of image 1, and how many candidates there are in all."""
    return writer.call(
        lambda store: (
            [one.id for one in store.annotations(1)],
            store.file.db.execute("SELECT count(*) FROM candidate").fetchone()[0],
        )
    )


def test_edits_are_saved_while_long_work_goes_on_and_both_are_there(project: Path, writer: Writer) -> None:
    long = Long()
    long.post(writer)
    assert isinstance(told(lambda *take: writer.apply(drawn(1), *take)), int)
    assert isinstance(told(lambda *take: writer.apply(drawn(2), *take)), int)
    assert told(writer.undo).label == "Draw 2"
    assert found(writer)[0] == [1], "a read sees what was done before it"
    assert not long.answers
    assert long.end() == ["all of it"]
    assert found(writer) == ([1], 4)
    assert [e.label for e in writer.call(lambda store: store.history.entries(limit=2))] == [
        "Draw 2",
        "Draw 1",
    ]
    writer.close()
    assert schema.damage(project) == ""


def test_work_that_is_stopped_leaves_nothing_and_takes_no_edit_with_it(project: Path, writer: Writer) -> None:
    long = Long(error=ValueError("stopped"))
    long.post(writer)
    for number in (1, 2, 3):
        told(lambda *take, number=number: writer.apply(drawn(number), *take))
    told(writer.undo)
    told(writer.undo)
    told(writer.redo)
    assert [str(one) for one in long.end()] == ["stopped"]
    assert found(writer) == ([1, 2], 0)
    assert writer.call(lambda store: store.history.redo()).label == "Draw 3"
    writer.close()
    assert not writer._rescue.path.exists()
    assert schema.damage(project) == ""


def test_an_edit_of_what_was_stopped_is_kept_aside_and_told(
    project: Path, expect_log: Callable[[str], None]
) -> None:
    sentences: list[str] = []
    writer = Writer.open(project, on_told=sentences.append)
    long = Long(error=ValueError("stopped"))
    long.post(writer)
    made = writer.call(lambda store: store.predictions.candidates(1))[0]
    judge = Edit("Reject", (Change(made, replace(made, verdict="rejected")),))
    assert isinstance(told(lambda *take: writer.apply(judge, *take)), int)
    told(lambda *take: writer.apply(drawn(1), *take))
    long.end()
    assert found(writer) == ([1], 0)
    writer.close()
    assert "1 edit made while labels were taken in" in sentences[0]
    assert len(put_aside_files(project)) == 1


def test_an_edit_that_does_not_fit_is_refused_alone(writer: Writer) -> None:
    long = Long()
    long.post(writer)
    wrong = Edit("Delete", (Change(Annotation(7, 1, 1, Box(0, 0, 1, 1)), None),))
    assert "no longer in the project" in str(told(lambda *take: writer.apply(wrong, *take)))
    told(lambda *take: writer.apply(drawn(1), *take))
    assert long.end() == ["all of it"]
    assert found(writer) == ([1], 4)


def test_what_else_writes_is_told_when_all_is_on_disk_and_long_work_comes_after_long_work(
    writer: Writer,
) -> None:
    order: list[str] = []
    first, second = Long(), Long()
    first.post(writer)
    writer.post(second.work, lambda _: (order.append("second"), second.ended.set()))
    writer.post(lambda store: store.set_meta("a", "b"), lambda _: order.append("write"))
    assert told(lambda *take: writer.post(lambda store: store.meta("a"), *take)) == "b"
    assert order == []
    first.end()
    second.go_on.set()
    assert second.ended.wait(10)
    assert order == ["write", "second"]


def test_what_else_wrote_is_done_again_where_the_long_work_failed(writer: Writer) -> None:
    long = Long(error=ValueError("stopped"))
    long.post(writer)
    writer.post(lambda store: store.set_meta("a", "b"))
    told(lambda *take: writer.apply(drawn(1), *take))
    long.end()
    assert writer.call(lambda store: store.meta("a")) == "b"
    assert found(writer) == ([1], 0)


def test_closing_waits_for_long_work(project: Path, writer: Writer) -> None:
    long = Long()
    long.post(writer)
    told(lambda *take: writer.apply(drawn(1), *take))
    writer.close(seconds=0.0)
    long.go_on.set()
    assert writer.close() == ""
    assert long.answers == ["all of it"]
    with Store.open(project) as store:
        assert [one.id for one in store.annotations(1)] == [1]
        assert store.predictions.candidates(1)


def stored_by(store: Store, model: str) -> int:
    query = "SELECT count(*) FROM candidate WHERE model_id = (SELECT id FROM model WHERE name = ?)"
    return store.file.db.execute(query, (model,)).fetchone()[0]


_CHILD = """
    import itertools, os, sys, time
    from pathlib import Path
    from test_portions import Long, drawn
    from labeler.project.writer import Writer

    def say(line):
        os.write(1, f"{line}\\n".encode())

    writer = Writer.open(Path(sys.argv[1]))
    first = int(sys.argv[2])
    long = Long(40, model=sys.argv[2])
    long.post(writer)
    for number in itertools.count(first):
        if number == first + 6:
            long.go_on.set()
        writer.apply(drawn(number), lambda _, number=number: say(number))
        while writer.pending > 2:
            time.sleep(0.0002)
        if long.ended.is_set():
            say("ended")
            long.ended.clear()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills by SIGKILL, which Windows does not have")
def test_killed_at_any_moment_every_edit_that_was_told_is_there_and_the_long_work_whole_or_gone(
    project: Path,
) -> None:
    seen: list[int] = []
    wholes = 0
    for kill in range(40):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_CHILD), str(project), str(1 + 10_000 * kill)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        assert child.stdout is not None
        ended = False
        for count, line in enumerate(child.stdout):
            if line.strip() == "ended":
                ended = True
            else:
                seen.append(json.loads(line))
            if count >= kill * 3 % 60:
                break
        os.kill(child.pid, signal.SIGKILL)
        seen += [json.loads(line) for line in child.stdout if line.strip() != "ended"]
        child.stdout.close()
        child.wait()
        writer = Writer.open(project)
        there, _ = found(writer)
        candidates = writer.call(partial(stored_by, model=str(1 + 10_000 * kill)))
        assert set(seen) <= set(there), "an edit that was told as saved is lost"
        assert candidates in (0, 40)
        assert candidates or not ended
        wholes += candidates > 0
        writer.close()
        assert schema.damage(project) == ""
    print(f"40 kills, {len(seen)} edits told, 0 lost, the long work whole {wholes} times")
    assert 0 < wholes < 40
