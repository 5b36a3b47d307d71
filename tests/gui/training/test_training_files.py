"""The folders of runs: only our own are read and deleted, whatever a project file names."""

import os
from pathlib import Path

import pytest

from labeler.errors import LabelerError
from labeler.gui.training.files import delete_run, looked_after, read_run
from labeler.project.runs import Run, runs_folder
from labeler.training.run import RunFolder, RunSpec


def made(folder: Path) -> Run:
    RunFolder.create(folder, RunSpec(trainer="tiny", name="Tiny", options={}))
    return Run(1, str(folder), "Tiny", "tiny", 3, 1.0)


def test_a_run_of_ours_is_read_and_deleted() -> None:
    run = made(runs_folder() / "one")
    assert read_run(run).folder.path == Path(run.folder)
    assert delete_run(run) == ""
    assert not Path(run.folder).exists()
    assert delete_run(run) == ""


@pytest.mark.parametrize("way", ["elsewhere", "dots", "link", "the folder of runs itself", "deeper"])
def test_a_folder_that_a_stranger_names_is_neither_read_nor_deleted(tmp_path: Path, way: str) -> None:
    victim = tmp_path / "photos"
    run = made(victim)
    runs_folder().mkdir(parents=True)
    named = victim
    match way:
        case "dots":
            named = runs_folder() / os.path.relpath(victim, runs_folder())
        case "link":
            named = runs_folder() / "link"
            named.symlink_to(victim)
        case "the folder of runs itself":
            named = victim = runs_folder()
            (named / "run.json").write_bytes((tmp_path / "photos" / "run.json").read_bytes())
        case "deeper":
            named = victim = runs_folder() / "mine" / "weights"
            made(named)
    run = Run(1, str(named), "Tiny", "tiny", 3, 1.0)
    before = sorted(victim.rglob("*"))
    with pytest.raises(LabelerError, match="is not read") as caught:
        read_run(run)
    assert str(named) in str(caught.value)
    assert looked_after(run).state == "failed"
    assert str(named) in delete_run(run)
    assert sorted(victim.rglob("*")) == before
    assert (victim / "run.json").is_file()
