"""The detector that comes with the app: there at once, checked, and its export the same network."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labeler import paths
from labeler.errors import ModelError
from labeler.models import devices, onnx_export
from labeler.models.files import catalog, weights
from labeler.models.protocols import Weights
from labeler.registry import discover

FOLDER = paths.resources() / "models" / "yolo11n"
ENTRY = catalog.entry(catalog.DEFAULT_DETECTOR)

OFFLINE = """
import socket, sys

def refuse(*_, **__):
    raise OSError("the network was asked")

socket.socket.connect = socket.getaddrinfo = refuse
from labeler import cli
code = cli.run(sys.argv[1:])
assert "torch" not in sys.modules, "the export was to do it"
raise SystemExit(code)
"""


def test_its_files_are_those_that_the_origin_note_lists() -> None:
    note = (FOLDER / "ORIGIN.md").read_text("utf-8")
    listed = {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", note, re.MULTILINE)}
    shipped = [FOLDER / "yolo11n.pt", FOLDER / "export-1.onnx"]
    assert listed == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in shipped}
    assert listed["yolo11n.pt"] == ENTRY.sha256
    assert json.loads((FOLDER / "export-1.json").read_bytes())["sha256"] == listed["export-1.onnx"]
    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in (FOLDER / "LICENSE").read_text("utf-8")


def test_it_is_at_hand_in_a_new_home_and_nothing_is_noted_there(home) -> None:
    (one,) = weights.installed()
    assert one == weights.Installed(FOLDER / "yolo11n.pt", ENTRY.size, ENTRY, is_shipped=True)
    assert weights.locate("yolo11n") == one.path == weights.path_of(ENTRY)
    assert weights.verified(one.path) == Weights(one.path, ENTRY.sha256)
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_it_is_called_as_the_catalogue_calls_it_and_a_file_of_ones_own_by_its_name(tmp_path) -> None:
    registry = discover(safe_mode=True)
    assert registry.resolve("yolo11n").title == ENTRY.title == "YOLO11n"
    mine = Path(shutil.copy(FOLDER / "yolo11n.pt", tmp_path / "of cats.pt"))
    assert registry.resolve(str(mine)).title == "of cats"


def test_a_first_prediction_needs_neither_network_nor_torch(photo, tmp_path) -> None:
    out = tmp_path / "found.json"
    command = [sys.executable, "-c", OFFLINE, "predict", str(photo), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert sorted(one["category_id"] for one in found) == [1, 1, 1, 1, 6], "four people and a bus"


def test_a_file_of_one_s_own_by_its_name_comes_before_it() -> None:
    mine = weights.folder() / "yolo11n.pt"
    shutil.copy(FOLDER / "yolo11n.pt", mine)
    (one,) = weights.installed()
    assert (one.path, one.is_shipped, weights.path_of(ENTRY)) == (mine, False, mine)
    weights.remove(mine)
    assert [one.is_shipped for one in weights.installed()] == [True]


@pytest.fixture
def damaged(tmp_path, monkeypatch) -> Path:
    """An installation whose files are not what they were."""
    inside = tmp_path / "resources" / "models"
    shutil.copytree(FOLDER, inside / "yolo11n")
    shutil.copy(FOLDER.parent / "catalog.toml", inside)
    for name in ("yolo11n.pt", "export-1.onnx"):
        path = inside / "yolo11n" / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    monkeypatch.setattr(paths, "resources", lambda: inside.parent)
    return inside / "yolo11n"


def test_a_damaged_installation_is_one_sentence(damaged) -> None:
    with pytest.raises(ModelError, match=r"not the one that Labeler comes with .* install Labeler again"):
        weights.verified(damaged / "yolo11n.pt")


@pytest.mark.skipif(devices.has_gpu(), reason="a GPU runs the checkpoint itself")
def test_a_damaged_export_is_not_used(damaged, monkeypatch) -> None:
    loaded = onnx_export.TorchNetwork.__new__(onnx_export.TorchNetwork)
    loaded.device = devices.chosen()
    monkeypatch.setattr(onnx_export, "_exported", lambda *_: None)
    given = onnx_export.fast_network(Weights(damaged / "yolo11n.pt", ENTRY.sha256), lambda: loaded)
    assert given is loaded


@pytest.mark.skipif(devices.has_gpu(), reason="a GPU runs the checkpoint itself")
def test_the_export_is_the_network_of_the_checkpoint() -> None:
    """Of this very version of the exporter, else nothing would use it."""
    from labeler.models.ultralytics_home import load_checkpoint

    def never() -> onnx_export.TorchNetwork:
        raise AssertionError("the shipped export was to be used")

    ours = onnx_export.fast_network(Weights(FOLDER / "yolo11n.pt", ENTRY.sha256), never)
    model = load_checkpoint(FOLDER / "yolo11n.pt")
    head = model.model[-1]
    head.export = head.dynamic = head.xyxy = True
    theirs = onnx_export.TorchNetwork(model.fuse(verbose=False), {})
    assert ours.facts["names"] == list(model.names.values())
    frame = np.random.default_rng(0).random((1, 3, 320, 416), dtype=np.float32)
    (found,), (wanted,) = ours(frame), theirs(frame)
    assert found.shape == wanted.shape == (1, 84, 2730)
    np.testing.assert_allclose(found, wanted, atol=2e-3 * float(wanted.max()))
    np.testing.assert_allclose(found[:, 4:], wanted[:, 4:], atol=1e-4)
