"""What is said of a machine: what is there, what is missing, and what mends it."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from labeler.models import checkup, device_trials
from labeler.models.checkup import Finding, findings
from labeler.models.device_trials import Trial


def by_topic(found: list[Finding]) -> dict[str, Finding]:
    return {one.topic: one for one in found}


def test_this_machine_does_real_work() -> None:
    found = by_topic(list(findings()))
    assert found["torch"].state == "good"
    assert found["torch cpu"].state in ("good", "slow")
    assert found["onnxruntime CPU"].state == "good"
    assert not [one for one in found.values() if one.state == "good" and one.mend]
    assert all(one.mend for one in found.values() if one.state in ("bad", "slow"))


def test_a_library_that_is_missing_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "find_spec", lambda name: None if name in ("torch", "pi_heif") else object())
    assert by_topic(list(checkup._versions()))["torch"] == Finding(
        "torch", "bad", "is not installed", "pip install torch"
    )
    heic = by_topic(list(checkup._extras()))["Extra heic"]
    assert (heic.state, heic.mend) == ("lacking", "pip install 'labeler[heic]'")


def test_little_room_is_slow_and_a_folder_that_takes_nothing_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checkup._folder("Caches", tmp_path).state == "good"
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    assert checkup._folder("Caches", tmp_path).state == "slow"
    gone = checkup._folder("Caches", tmp_path / "gone")
    assert gone.state == "bad"
    assert str(tmp_path / "gone") in gone.mend
    full = SimpleNamespace(available=1 << 20, total=1 << 34)
    monkeypatch.setattr(checkup.psutil, "virtual_memory", lambda: full)
    assert next(checkup._machine()).state == "slow"


def test_a_linux_without_a_screen_or_libraries_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        checkup.ctypes.util, "find_library", lambda name: None if name == "xcb-cursor" else name
    )
    screen, libraries = checkup._screen()
    assert screen.state == "lacking"
    assert libraries.mend == "sudo apt-get install libxcb-cursor0"
    monkeypatch.setenv("DISPLAY", ":7")
    assert next(checkup._screen()).said == "X11 (:7)"


def test_a_frozen_app_is_asked_for_what_it_brings_and_is_no_place_to_install_into(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checkup.sys, "platform", "linux")
    monkeypatch.setattr(checkup.sys, "frozen", True, raising=False)
    monkeypatch.setattr(checkup.sys, "_MEIPASS", str(tmp_path), raising=False)
    monkeypatch.setattr(checkup.ctypes.util, "find_library", lambda _: None)
    monkeypatch.setattr(checkup, "find_spec", lambda _: None)
    (tmp_path / "libxcb-cursor.so.0").touch()
    libraries = by_topic(list(checkup._screen()))["Libraries of the window"]
    assert "libxcb-cursor0" not in libraries.said
    assert "libegl1" in libraries.said
    assert not [one.mend for one in checkup._extras() if "pip" in one.mend]


def test_devices_that_fail_or_crawl_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "has_gpu", lambda: True)
    trials = [
        Trial("torch cpu", 9.0),
        Trial("torchvision cpu", trouble="operator torchvision::nms does not exist"),
        Trial("onnxruntime CUDA", trouble="no driver"),
    ]
    found = by_topic(list(checkup._devices(lambda: (trials, "the trial ended with -11"))))
    assert found["torch cpu"].state == "slow"
    assert (found["onnxruntime CUDA"].state, found["onnxruntime CUDA"].said) == ("bad", "no driver")
    assert found["torchvision cpu"].state == "bad"
    assert "pip install -U torchvision" in found["torchvision cpu"].mend
    assert found["Devices"].said == "the trial ended with -11"
    assert found["GPU"].state == "slow"


def test_a_device_that_hangs_or_crashes_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_: object, **__: object) -> object:
        raise subprocess.TimeoutExpired("x", 1, output=b'{"name":"torch cpu","seconds":0.1}\n')

    monkeypatch.setattr(checkup.subprocess, "run", hangs)
    trials, trouble = checkup._tried()
    assert [one.name for one in trials] == ["torch cpu"]
    assert "did not answer" in trouble
    crashed = SimpleNamespace(stdout=b"warning: x\n", returncode=-11)
    monkeypatch.setattr(checkup.subprocess, "run", lambda *_, **__: crashed)
    assert checkup._tried() == ([], "the trial ended with -11")


def test_torchvision_is_tried_by_an_operator_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be there, and built for another torch: then each of its operators is missing."""
    (work,) = [work for name, work in device_trials.torch_trials() if name == "torchvision cpu"]
    assert work() >= 0
    monkeypatch.setattr("torchvision.ops.nms", lambda boxes, scores, _: scores.argsort())
    with pytest.raises(RuntimeError, match="NMS of three boxes kept"):
        work()
