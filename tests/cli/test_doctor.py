"""`labeler doctor` and `labeler desktop-entry`."""

import json
import sys
from pathlib import Path

import pytest

from labeler.cli import doctor, run
from labeler.models.checkup import Finding


@pytest.mark.parametrize(("state", "code"), [("good", 0), ("lacking", 0), ("slow", 0), ("bad", 1)])
def test_the_exit_code_says_whether_something_is_broken(
    state: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "findings", lambda: iter([Finding("torch", state, "as it is", "mend it")]))
    assert run(["doctor"]) == code
    out = capsys.readouterr().out
    assert "torch: as it is" in out
    assert "mend it" in out
    assert run(["doctor", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == [
        {"topic": "torch", "state": state, "said": "as it is", "mend": "mend it"}
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="menus have such entries on Linux only")
def test_the_entry_starts_this_installation_and_goes_again(tmp_path: Path) -> None:
    assert run(["desktop-entry", "--folder", str(tmp_path)]) == 0
    entry = (tmp_path / "applications" / "labeler.desktop").read_text("utf-8")
    command = next(line for line in entry.splitlines() if line.startswith("Exec="))
    assert str(Path(sys.executable).parent) in command
    assert command.endswith("%F")
    assert (tmp_path / "icons/hicolor/scalable/apps/labeler.svg").read_bytes().startswith(b"<")
    assert "*.labeler" in (tmp_path / "mime/packages/labeler.xml").read_text()
    assert run(["desktop-entry", "--folder", str(tmp_path), "--remove"]) == 0
    assert not [path for path in tmp_path.rglob("*labeler*") if path.is_file()]


def test_elsewhere_it_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("labeler.cli.desktop_entry.sys.platform", "win32")
    assert run(["desktop-entry", "--folder", str(tmp_path)]) == 1
    assert "only on Linux" in capsys.readouterr().err
