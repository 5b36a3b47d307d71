"""`labeler rescue` as a person types it."""

from pathlib import Path

import pytest

from labeler.cli import run
from labeler.core.records import Annotation, Box, Category, Change, Edit, Image
from labeler.project.keeping.rescue_file import RescueFile
from labeler.project.store import Store


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one image with one box."""
    path = tmp_path / "labels.labeler"
    records = (
        Image(1, "a.png", 40, 30),
        Category(1, "cat", "#ffffff"),
        Annotation(1, 1, 1, Box(0, 0, 1, 1)),
    )
    with Store.open(path) as store:
        store.apply(Edit("Start", tuple(Change(None, record) for record in records)))
    return path


def test_nothing_is_kept(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rescue", str(project)]) == 0
    assert "Nothing is kept" in capsys.readouterr().out


def test_edits_put_aside_are_shown_and_taken_up(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = Annotation(1, 1, 1, Box(5, 5, 6, 6)), Annotation(2, 1, 1, Box(2, 2, 9, 9))
    edits = [
        Edit("Add cat", (Change(None, old),)),
        Edit("Move cat", (Change(new, Annotation(2, 1, 1, Box(3, 3, 9, 9))),)),
        Edit("Delete cat", (Change(Annotation(7, 1, 1, Box(0, 0, 1, 1)), None),)),
        Edit("Add elsewhere", (Change(None, Annotation(9, 4711, 1, Box(0, 0, 1, 1))),)),
    ]
    file = RescueFile(project).keep_aside(edits)
    assert run(["rescue", str(project)]) == 0
    shown = capsys.readouterr().out
    assert f"{file}: 4 edits" in shown
    assert "Add cat (1 changes)" in shown
    assert file.exists()
    assert run(["rescue", str(project), "--take"]) == 0
    assert "2 changes were taken up" in capsys.readouterr().err
    assert not file.exists()
    with Store.open(project) as store:
        shapes = {annotation.shape for annotation in store.annotations(1)}
        assert shapes == {Box(0, 0, 1, 1), Box(5, 5, 6, 6), Box(3, 3, 9, 9)}
        assert len({annotation.id for annotation in store.annotations(1)}) == 3
        store.history.undo()
        store.history.undo()
        assert len(store.annotations(1)) == 1


def test_a_file_that_cannot_be_read_is_kept_and_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = RescueFile(project).keep_aside([])
    file.write_bytes(b"no rescue file")
    assert run(["rescue", str(project), "--take"]) == 1
    assert f"{file}: cannot be read" in capsys.readouterr().out
    assert file.exists()
