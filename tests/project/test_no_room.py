"""Full and read-only disks and homes: what can be done is done, and what cannot is said in one sentence."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labeler import paths
from labeler.core.records import Category, Change, Edit
from labeler.errors import CannotWriteError, LabelerError, ModelError, ProjectLockedError
from labeler.gui.toolkit.settings import Settings, load_settings
from labeler.gui.training.files import RunLabels, make_run
from labeler.gui.window.demo.demo_photos import make_demo_folder
from labeler.models.files.checkpoints import check_pickles
from labeler.project.keeping import rescue_file, snapshots
from labeler.project.keeping.snapshots import DamagedProjectError
from labeler.project.store import Store
from labeler.project.writer import Writer
from labeler.training.run import RunSpec

EDIT = Edit("Add category", (Change(None, Category(1, "bus", "#ff0000")),))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("only who may mount a disk can fill one")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take up all of its room; gives the file that does."""
    file = disk / "filler"
    with file.open("wb", buffering=0) as out:
        for size in (1 << 16, 1 << 12):
            try:
                while True:
                    out.write(bytes(size))
            except OSError:
                pass
    return file


# --- one project, one lock ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["symbolic link", "link to the folder", "hard link"])
def test_a_project_is_locked_by_whatever_name_it_is_reached(tmp_path: Path, kind: str) -> None:
    real = tmp_path / "real" / "labels.labeler"
    real.parent.mkdir()
    Store.open(real).close()
    other = tmp_path / "other.labeler"
    if kind == "symbolic link":
        other.symlink_to(real)
    elif kind == "hard link":
        other.hardlink_to(real)
    else:
        (tmp_path / "linked").symlink_to(real.parent)
        other = tmp_path / "linked" / "labels.labeler"
    with Store.open(other) as store:
        store.set_meta("by", kind)
        with pytest.raises(ProjectLockedError):
            Store.open(real)
    with Store.open(real) as store:
        assert store.meta("by") == kind


# --- a full disk --------------------------------------------------------------------------------


def test_opening_on_a_full_disk_names_the_disk_and_leaves_looking(disk: Path) -> None:
    project = disk / "labels.labeler"
    with Store.open(project) as store:
        store.apply(EDIT)
    fill(disk)
    with pytest.raises(CannotWriteError, match=f"the disk {disk} is full"):
        Store.open(project)
    assert not project.with_name("labels.labeler.lock").exists()
    with Store.open(project, read_only=True) as store:
        assert [one.name for one in store.categories()] == ["bus"]


def test_a_damaged_project_on_a_full_disk_is_offered_its_copy(disk: Path) -> None:
    project = disk / "labels.labeler"
    with Store.open(project) as store:
        store.apply(EDIT)
        kept = store.securing.snapshot()
    data = project.read_bytes()
    project.write_bytes(data.replace(b"#ff0000", b"#ff0001"))
    filler = fill(disk)
    with pytest.raises(DamagedProjectError) as told:
        Store.open(project)
    assert told.value.snapshot == kept
    with pytest.raises(CannotWriteError, match=f"the disk {disk} is full"):
        snapshots.restore(project, kept)
    assert project.stat().st_size == len(data), "what is there stays"
    filler.unlink()
    snapshots.restore(project, kept)
    with Store.open(project) as store:
        assert [one.name for one in store.categories()] == ["bus"]


def test_rescued_edits_do_not_hold_up_opening_on_a_full_disk(disk: Path) -> None:
    project = disk / "labels.labeler"
    Store.open(project).close()
    rescue_file.RescueFile(project).append(EDIT, "")
    # the side files are there, as after a crash, so that nothing but the commit fails
    watcher = Store.open(project)
    watcher.set_meta("some", "thing")
    for suffix in ("", "-wal", "-shm"):
        shutil.copy(f"{project}{suffix}", f"{project}{suffix}.copy")
    watcher.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{project}{suffix}.copy").replace(f"{project}{suffix}")
    filler = fill(disk)
    with pytest.raises(CannotWriteError, match="open it read-only"):
        Writer.open(project)
    looking = Writer.open(project, read_only=True)
    assert looking.call(Store.categories) == []
    looking.close()
    filler.unlink()
    writer = Writer.open(project)
    assert [one.name for one in writer.call(Store.categories)] == ["bus"]
    writer.close()


def test_no_half_demo_photo_is_left_or_kept(disk: Path) -> None:
    filler = fill(disk)
    with pytest.raises(LabelerError, match=f"the disk {disk} is full"):
        make_demo_folder(disk / "demo")
    assert not list(disk.rglob("*.jpg"))
    filler.unlink()
    (disk / "demo").mkdir(exist_ok=True)
    (disk / "demo" / "bus.jpg").touch()
    make_demo_folder(disk / "demo")
    assert (disk / "demo" / "bus.jpg").stat().st_size > 10_000


# --- a home that takes nothing ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["DATA", "CACHE", "CONFIG", "LOG"])
@pytest.mark.parametrize("how", ["file", "full"])
def test_models_are_listed_and_one_sentence_names_the_folder(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, how: str
) -> None:
    folder = tmp_path / "home"
    if how == "full":
        folder = request.getfixturevalue("disk")
        fill(folder)
    else:
        folder.write_bytes(b"in the way")
    environment = {**os.environ, f"LABELER_{kind}_DIR": str(folder)}
    command = [sys.executable, "-m", "labeler", "models", "list"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "MobileSAM" in ended.stdout
    (said,) = ended.stderr.strip().splitlines()
    assert f"cannot write to {folder} " in said


@pytest.mark.parametrize("kind", ["DATA", "CACHE", "CONFIG", "LOG"])
def test_mobilesam_works_where_a_folder_of_the_home_takes_nothing(
    photo: Path, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "home").write_bytes(b"in the way")
    environment = {**os.environ, f"LABELER_{kind}_DIR": str(tmp_path / "home")}
    box = {"bbox": [50, 400, 190, 500], "area": 95000, "iscrowd": 0}
    known = {
        "images": [{"id": 1, "file_name": photo.name, "width": 810, "height": 1080}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, **box}],
    }
    (photo.parent / "known.json").write_text(json.dumps(known))
    out = tmp_path / "out.json"
    options = ["--clicks", "1", "--out", str(out)]
    command = [sys.executable, "-m", "labeler", "segment", str(photo.parent / "known.json"), *options]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert out.stat().st_size > 100


def test_a_window_opens_with_defaults_where_settings_cannot_be_kept(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"in the way")
    monkeypatch.setenv("LABELER_CONFIG_DIR", str(tmp_path / "config"))
    settings = load_settings()
    assert settings == Settings()
    settings.save()
    assert str(tmp_path / "config") in paths.unwritable()


# --- what is left behind ------------------------------------------------------------------------


def test_a_run_that_cannot_be_made_leaves_no_folder(disk: Path) -> None:
    spec, labels = RunSpec("small", "run"), RunLabels((), (), ())
    fill(disk)
    with pytest.raises(LabelerError):
        make_run(disk / "runs" / "one", spec, labels, root=disk)
    assert not (disk / "runs" / "one").exists()


def test_a_pickle_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\x80\x02" + b"N0" * (31 << 20) + b".")
    with pytest.raises(ModelError, match="too long"):
        check_pickles(path)
    # many short ones are one long one
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(40):
            archive.writestr(f"{number}/data.pkl", b"\x80\x02" + b"N0" * 200_000 + b"N.")
    with pytest.raises(ModelError, match="too long"):
        check_pickles(path)
