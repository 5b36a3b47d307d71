"""Damage of every kind to a project, to the log that a kill leaves and to a snapshot: none is silent."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from project_model import ProjectModel, carry_out, prepare, state

from labeler.core.records import Box, Change, Edit
from labeler.errors import ProjectError
from labeler.project.keeping import known, seals, snapshots
from labeler.project.keeping.known import LostSavesError
from labeler.project.keeping.noted import note
from labeler.project.keeping.snapshots import DamagedProjectError
from labeler.project.store import Store
from labeler.project.writer import Writer

KINDS = ("flip", "byte", "zero page", "cut", "noise", "swap", "empty")
PAGE = 4096


def damaged(content: bytes, kind: str, rng: random.Random) -> bytes:
    """The content with one damage of a kind."""
    data = bytearray(content)
    at = rng.randrange(len(data))
    pages = len(data) // PAGE
    first, second = rng.randrange(pages) * PAGE, rng.randrange(pages) * PAGE
    match kind:
        case "flip":
            data[at] ^= 1 << rng.randrange(8)
        case "byte":
            data[at] = (data[at] + rng.randrange(1, 256)) % 256
        case "zero page":
            data[first : first + PAGE] = bytes(PAGE)
        case "cut":
            del data[at:]
        case "noise":
            data[at : at + 200] = rng.randbytes(len(data[at : at + 200]))
        case "swap":
            one, two = data[first : first + PAGE], data[second : second + PAGE]
            data[first : first + PAGE], data[second : second + PAGE] = two, one
        case "empty":
            data.clear()
    return bytes(data)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project as a killed process leaves it: part in the main file, part in the log."""
    folder = tmp_path_factory.mktemp("scene")
    child = Path(__file__).with_name("damage_child.py")
    done = subprocess.run([sys.executable, str(child), str(folder / "p.labeler")], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    return folder


def content_of(path: Path) -> object:
    """All that a project says: records, and the history with every step back."""
    with Store.open(path, read_only=True) as store:
        entries = store.history.entries(limit=10_000)
        pasts = [store.history.restored(image.id, e.id) for image in store.images() for e in entries[::7]]
        return state(store), entries, pasts, store.revision, store.meta("root"), store.history.tail().done


def placed(scene: Path, folder: Path, number: int, *, noted: bool) -> Path:
    path = folder / str(number) / "p.labeler"
    shutil.copytree(scene, path.parent)
    if noted:
        # what the session that was killed had said to be saved
        note(path, snapshots.revision(path))
    return path


def silent(path: Path, truth: object) -> str:
    """Why opening a damaged project was silent: "" where it was told, or where all of it is there."""
    before = path.read_bytes()
    try:
        found = content_of(path)
    except ProjectError:
        assert path.read_bytes() == before
        return ""
    except (ValueError, TypeError, KeyError, LookupError) as error:
        return f"it cannot be read ({type(error).__name__})"
    return "" if found == truth else "it differs"


def fates(scene: Path, folder: Path, suffix: str, count: int, *, seed: int, noted: bool = True) -> list[str]:
    """Damage a file of the scene that often; what was silent."""
    rng, found = random.Random(seed), []
    truth = content_of(placed(scene, folder, 0, noted=True))
    for number in range(1, count + 1):
        path = placed(scene, folder, number, noted=noted)
        file = path.with_name(path.name + suffix)
        kind = KINDS[number % len(KINDS)]
        file.write_bytes(damaged(file.read_bytes(), kind, rng))
        if reason := silent(path, truth):
            found.append(f"{number} {kind}: {reason}")
        shutil.rmtree(path.parent)
    return found


needs_kills = pytest.mark.skipif(os.name == "nt", reason="kills by SIGKILL, which Windows does not have")


@needs_kills
@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_no_damage_is_silent(scene: Path, tmp_path: Path, suffix: str) -> None:
    assert fates(scene, tmp_path, suffix, 28, seed=1) == []


@needs_kills
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [2, 3, 4])
@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_none_of_168_damages_is_silent(scene: Path, tmp_path: Path, suffix: str, seed: int) -> None:
    assert fates(scene, tmp_path, suffix, 168, seed=seed) == []


@needs_kills
def test_a_log_of_which_nothing_is_noted_is_judged_by_itself(scene: Path, tmp_path: Path) -> None:
    assert fates(scene, tmp_path, "-wal", 28, seed=5, noted=False) == []


@needs_kills
def test_the_harness_sees_what_would_be_silent(scene: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(seals, "broken", lambda *_, **__: "")
    monkeypatch.setattr(seals, "broken_rows", lambda *_: "")
    monkeypatch.setattr("labeler.project.opening.assert_nothing_lost", lambda *_, **__: None)
    assert fates(scene, tmp_path / "main", "", 56, seed=1)
    assert fates(scene, tmp_path / "log", "-wal", 14, seed=1)


def restores(folder: Path, count: int, *, seed: int) -> list[str]:
    """Damage a project and its newest snapshot that often; what was restored that no snapshot was."""
    path, rng, found = folder / "p.labeler", random.Random(seed), []
    model, truths = ProjectModel(5), []
    with Store.open(path) as store:
        prepare(store)
        for _ in range(2):
            for _ in range(40):
                carry_out(store, model.step())
            store.securing.snapshot()
            truths.append(dict(model.records))
    whole, newest = path.read_bytes(), snapshots.listed(path)[0]
    good = newest.read_bytes()
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        newest.write_bytes(damaged(good, kind, rng))
        path.write_bytes(whole[:5000])
        with pytest.raises(DamagedProjectError) as caught:
            Store.open(path)
        assert caught.value.snapshot is not None
        aside = snapshots.restore(path, caught.value.snapshot)
        with Store.open(path, read_only=True) as store:
            if state(store) not in truths:
                found.append(f"{number} {kind}")
        aside.unlink()
    return found


def test_nothing_wrong_is_restored(tmp_path: Path) -> None:
    assert restores(tmp_path, 14, seed=1) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_wrong_is_restored_in_71_times(tmp_path: Path) -> None:
    assert restores(tmp_path, 71, seed=2) == []


# --- what can be done about it ----------------------------------------------------------------


@needs_kills
def test_a_lost_log_is_told_kept_and_can_be_gone_on_without(scene: Path, tmp_path: Path) -> None:
    path = placed(scene, tmp_path, 1, noted=True)
    wal = path.with_name("p.labeler-wal")
    content = damaged(wal.read_bytes(), "cut", random.Random(3))
    wal.write_bytes(content)
    for read_only in (True, False):
        with pytest.raises(LostSavesError, match=r"it lacks its last .* save") as caught:
            Store.open(path, read_only=read_only)
    assert wal.read_bytes() == content
    aside = known.go_on_without(path)
    assert aside is not None
    assert aside.read_bytes() == content
    with Store.open(path) as store:
        assert store.revision > caught.value.reached
        store.set_meta("a", "b")
    Store.open(path).close()


def test_a_row_that_is_not_as_saved_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.labeler"
    fill(path)
    with Store.open(path) as store:
        store.securing.snapshot()
        (annotation, *_) = store.all_annotations()
        # as if the disk had changed it: what writes beside the store knows no seal
        store.file.db.execute("DROP TRIGGER annotation_update")
        store.file.db.execute("UPDATE annotation SET crowd = 1 - crowd WHERE id = ?", (annotation.id,))
        with pytest.raises(DamagedProjectError, match="1 row of “annotation” is not what was saved"):
            store.annotations(annotation.image_id)


def test_the_check_in_the_background_tells(tmp_path: Path, monkeypatch, expect_log) -> None:
    expect_log("is not what was saved")
    monkeypatch.setattr("labeler.project.opening.CHECKED_AT_ONCE", 0)
    path = tmp_path / "p.labeler"
    fill(path)
    with Store.open(path) as store:
        store.file.db.execute("DROP TRIGGER category_update")
        store.file.db.execute("UPDATE category SET name = 'other' WHERE id = 1")
        store.file.db.execute("UPDATE meta SET value = value + 1 WHERE key = 'revision'")
    told: list[DamagedProjectError] = []
    writer = Writer.open(path, on_damage=told.append)
    writer.close()
    assert "“category”" in str(told[0])


def fill(path: Path) -> None:
    model = ProjectModel(3)
    with Store.open(path) as store:
        prepare(store)
        for _ in range(60):
            carry_out(store, model.step())


def test_every_way_of_writing_keeps_the_seals(tmp_path: Path) -> None:
    path = tmp_path / "p.labeler"
    fill(path)
    with Store.open(path) as store:
        (annotation, *_) = store.all_annotations()
        store.settle(Edit("Move", (Change(annotation, annotation),)))
        moved = type(annotation)(annotation.id, annotation.image_id, annotation.category_id, Box(1, 2, 3, 4))
        store.settle(Edit("Misfit", (Change(moved, None),)))
        store.set_meta("a", "1")
        store.set_meta("a", "2")
        model = store.predictions.ensure_model("m", "1")
        store.predictions.set_mappings(model.id, {"cat": 1})
        store.predictions.set_mappings(model.id, {"cat": 2})
        for _ in range(2):
            store.predictions.record_run(model.id, 1, ())
        store.history.undo()
    with Store.open(path, read_only=True) as store:
        assert seals.broken(store.file.db) == ""
