"""How many threads models take, and that they rest while they wait."""

import os
import subprocess
import sys

import psutil
import pytest

from labeler import cli
from labeler.models.threads import THREADS_VARIABLE, rest_while_waiting, spare_threads

RESTING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in (THREADS_VARIABLE, *RESTING):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("busy", "spare"), [(0.0, 4), (20.0, 3), (50.0, 2), (90.0, 1), (100.0, 1)])
def test_work_that_nobody_waits_for_takes_what_others_leave(busy, spare, monkeypatch) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 4)
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda _: [0, 1, 2, 3], raising=False)
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: busy)
    assert spare_threads() == spare
    monkeypatch.setenv(THREADS_VARIABLE, "7")
    assert spare_threads() == 7, "taken at its word"


def test_what_was_set_by_hand_stays(monkeypatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    for name in RESTING.keys() - {"OMP_WAIT_POLICY"}:
        monkeypatch.setenv(name, "")  # so that it is taken back after the test
        monkeypatch.delenv(name)
    rest_while_waiting()
    assert {name: os.environ[name] for name in RESTING} == RESTING | {"OMP_WAIT_POLICY": "ACTIVE"}


def test_a_child_rests_before_it_imports_any_model_library() -> None:
    code = (
        "import os, sys\n"
        "import labeler.worker.__main__ as child\n"
        "def settle(channel, parent):\n"
        f"    assert all(os.environ.get(name) == value for name, value in {RESTING!r}.items())\n"
        "    assert not {'torch', 'onnxruntime', 'numpy'} & sys.modules.keys() - before\n"
        "    sys.exit(9)\n"
        "child.settle = settle\n"
        "before = {'numpy'} & sys.modules.keys()\n"
        "sys.argv = ['worker', 'job', '--parent', '1']\n"
        "child.main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, stdin=subprocess.PIPE
    )
    assert ended.returncode == 9, ended.stderr


def test_a_verb_gives_its_threads_back(monkeypatch, tmp_path) -> None:
    seen = []

    def run(args):
        seen.append(os.environ.get(THREADS_VARIABLE))
        return 0

    monkeypatch.setattr("labeler.cli.predict.run", run)
    assert cli.run(["predict", str(tmp_path), "--out", str(tmp_path / "out.json")]) == 0
    assert seen == [str(int(seen[0]))]
    assert THREADS_VARIABLE not in os.environ
