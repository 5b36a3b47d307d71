"""What `labeler` says to a command line that it cannot do, in one line and by its exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labeler import __version__, cli


def test_a_path_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run([str(tmp_path / "nothing")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"labeler: There is no {tmp_path / 'nothing'}. ")


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_help_names_every_verb(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.run(words) == 0
    shown = capsys.readouterr().out
    for verb in ("demo", "import", "export", "convert", "segment"):
        assert f"labeler {verb}" in shown


@pytest.mark.parametrize("verb", sorted(cli.VERBS))
def test_each_verb_has_help(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run([verb, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: labeler")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"labeler {__version__}\n"


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(["--no-such-option"])
    assert ended.value.code == 2
    assert "--no-such-option" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has machines without a display")
def test_no_display_is_one_line(home: Path) -> None:
    gone = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    done = subprocess.run(
        [sys.executable, "-m", "labeler"],
        env={name: value for name, value in os.environ.items() if name not in gone},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "labeler: no display was found. `labeler demo` works without one.\n"


def test_output_that_nobody_reads_to_its_end_is_no_failure() -> None:
    code = "import sys; from labeler.cli import run; sys.exit(run(['models', 'list']))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.wait(60) == 0
        assert child.stderr.read() == ""
