"""What only reads has a connection of its own: it sees what was saved before, and nobody waits for it."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labeler.core.records import Category, Change, Edit
from labeler.errors import ProjectError
from labeler.project.portions import Portions
from labeler.project.store import Store
from labeler.project.writer import Writer

SOON = 10


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    opened = Writer.open(tmp_path / "p.labeler")
    yield opened
    opened.close()


def added(number: int) -> Edit:
    return Edit("Add", (Change(None, Category(number, f"kind {number}", "#ff0000")),))


def names(store: Store) -> list[int]:
    return [category.id for category in store.categories()]


class Answer:
    def __init__(self) -> None:
        self.came = threading.Event()
        self.values: list[object] = []

    def take(self, value: object) -> None:
        self.values.append(value)
        self.came.set()

    @property
    def value(self) -> object:
        assert self.came.wait(SOON), "it never came"
        return self.values[0]


def test_it_sees_all_that_was_posted_before_and_an_edit_does_not_wait_for_it(writer: Writer) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def look(store: Store) -> list[int]:
        begun.set()
        assert go_on.wait(SOON)
        return names(store)

    first, second = Answer(), Answer()
    writer.apply(added(1))
    writer.look(look, first.take, first.take)
    assert begun.wait(SOON)
    assert writer.call(lambda store: store.apply(added(2))), "saved while it is read"
    writer.look(names, second.take, second.take)
    go_on.set()
    assert first.value == [1], "one moment of the file"
    assert second.value == [1, 2]


def test_nothing_can_be_written_by_it_and_a_failure_is_told(writer: Writer) -> None:
    writing, failing = Answer(), Answer()
    writer.look(lambda store: store.set_meta("a", "b"), writing.take, writing.take)
    writer.look(lambda store: 1 / 0, failing.take, failing.take)
    assert isinstance(writing.value, ProjectError)
    assert isinstance(failing.value, ZeroDivisionError)
    assert writer.call(lambda store: store.meta("a")) == ""


def test_what_reads_the_disk_comes_after_long_work_that_is_not_on_it_yet(writer: Writer) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(store: Store) -> Portions[None]:
        store.apply(added(1))
        begun.set()
        while not go_on.wait(0.001):
            yield

    answer, saved = Answer(), Answer()
    writer.post(work)
    assert begun.wait(SOON)
    writer.look(names, answer.take, answer.take)
    writer.apply(added(2), saved.take)
    assert saved.value
    assert not answer.values
    go_on.set()
    assert answer.value == [1, 2]


@pytest.mark.parametrize("late", [False, True], ids=["in the middle of it", "a moment before it begins"])
def test_closing_stops_what_is_read_and_tells_nobody(writer: Writer, late: bool) -> None:
    begun = threading.Event()

    def look(store: Store) -> object:
        begun.set()
        if late:
            while not writer._reading._closed:
                time.sleep(0.001)
            time.sleep(0.01)  # whatever else closing does is done
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        return store.file.db.execute(endless).fetchone()

    answers: list[object] = []
    writer.look(look, answers.append, answers.append)
    writer.look(names, answers.append, answers.append)
    assert begun.wait(SOON)
    assert writer.close() == ""
    assert answers == []


def test_it_reads_where_the_project_goes_on_after_it_was_moved(
    tmp_path: Path, expect_log: Callable[[str], None]
) -> None:
    path = tmp_path / "p.labeler"
    writer = Writer.open(path)
    writer.call(lambda store: store.apply(added(1)))
    (tmp_path / "there").mkdir()
    path.rename(tmp_path / "there" / "p.labeler")
    writer.call(lambda store: store.apply(added(2)))
    answer = Answer()
    writer.look(names, answer.take, answer.take)
    assert answer.value == [1, 2]
    writer.close()
