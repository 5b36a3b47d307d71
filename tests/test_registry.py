"""Finding plugins, and doing without those that are broken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labeler.errors import PluginError
from labeler.registry import discover, user_folder

GOOD = "from labeler.api import Plugin\nplugin = Plugin(api=1, name='{name}', version='1')\n"
MODEL = (
    "from labeler.models.protocols import ModelSpec\n"
    "from labeler.api import Plugin\n"
    "plugin = Plugin(api=1, name={name!r}, version='1',\n"
    "    models=(ModelSpec(id={id!r}, title='T', task='segmenter', load=object),))\n"
)

BROKEN = {
    "syntax error": ("def (:", "SyntaxError"),
    "missing import": ("import not_there_at_all", "ModuleNotFoundError"),
    "raises": ("raise RuntimeError('no')", "RuntimeError: no"),
    "exits": ("import sys; sys.exit(1)", "SystemExit"),
    "nothing": ("", "has no `plugin"),
    "wrong type": ("plugin = 3", "has no `plugin"),
    "null byte": ("a = '\0'", "could not be imported"),
    "other api": (GOOD.replace("api=1", "api=2").format(name="x"), "made for plugin api 2"),
    "taken name": (GOOD.format(name="MobileSAM"), "already a plugin named MobileSAM"),
    "taken id": (MODEL.format(name="mine", id="mobilesam"), "“mobilesam”"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "ein Ordner"
    folder.mkdir()
    monkeypatch.setenv("LABELER_PLUGINS", str(folder))
    return folder


def names(**options: bool) -> list[str]:
    return [plugin.name for plugin in discover(**options).plugins]


def test_the_shipped_one_is_there() -> None:
    registry = discover()
    assert "MobileSAM" in [plugin.name for plugin in registry.plugins]
    assert not registry.left_out
    assert registry.model("mobilesam").task == "segmenter"


def test_files_packages_and_the_users_own_are_found(folder) -> None:
    (folder / "one.py").write_text(GOOD.format(name="one"))
    (folder / "two").mkdir()
    (folder / "two/__init__.py").write_text("from .part import plugin")
    (folder / "two/part.py").write_text(GOOD.format(name="two"))
    (folder / "_helper.py").write_text("raise RuntimeError")
    (folder / "notes.txt").write_text("no plugin")
    user_folder().mkdir(parents=True)
    (user_folder() / "mine.py").write_text(GOOD.format(name="mine"))
    assert [name for name in names() if name in {"one", "two", "mine"}] == ["mine", "one", "two"]
    assert not {"one", "two", "mine"} & set(names(safe_mode=True))


def test_a_plugin_named_like_a_library_shadows_nothing(folder) -> None:
    (folder / "json.py").write_text(GOOD.format(name="mine"))
    assert "mine" in names()
    assert not str(sys.modules["json"].__file__).startswith(str(folder))


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_one_is_listed_with_its_reason_and_the_others_work(folder, fault, expect_log) -> None:
    text, reason = BROKEN[fault]
    (folder / "broken.py").write_text(text)
    (folder / "zz_good.py").write_text(GOOD.format(name="good"))
    expect_log("broken.py|mine|MobileSAM")
    registry = discover()
    assert {"MobileSAM", "good"} <= {plugin.name for plugin in registry.plugins}
    (left_out,) = registry.left_out
    assert left_out.source.endswith("broken.py")
    assert reason in left_out.reason
    assert "left out" in left_out.reason
    assert bool(left_out.details) == ("could not be imported" in left_out.reason)


def test_an_installed_one_is_found_by_its_entry_point(tmp_path, monkeypatch) -> None:
    site = tmp_path / "site"
    info = site / "some_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[labeler.plugins]\nsome = some_labeler_plugin\n")
    (site / "some_labeler_plugin.py").write_text(GOOD.format(name="installed"))
    monkeypatch.syspath_prepend(site)
    assert "installed" in names()


@pytest.mark.parametrize("death", ["os._exit(1)", "os.kill(os.getpid(), 9)", "os.abort()"])
def test_one_that_takes_the_process_down_is_left_out_of_the_next_start(folder, death, expect_log) -> None:
    (folder / "deadly.py").write_text(f"import os; {death}")
    child = [sys.executable, "-c", "from labeler.registry import discover; discover()"]
    assert subprocess.run(child, check=False, capture_output=True).returncode != 0
    expect_log("crashed the last start")
    (left_out,) = discover().left_out
    assert "deadly.py" in left_out.source
    (folder / "deadly.py").write_text(GOOD.format(name="mended"))
    assert "mended" in names()  # tried again at the start after


def test_a_child_that_is_ended_in_an_import_blames_no_plugin(folder) -> None:
    """Closing the window ends a child that has just been started."""
    (folder / "slow.py").write_text(
        "import sys, time\nprint('importing', file=sys.stderr, flush=True)\ntime.sleep(60)"
    )
    program = [
        sys.executable,
        "-m",
        "labeler.worker",
        "host",
        "--model",
        "slow",
        "--parent",
        str(os.getpid()),
    ]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert "importing\n" in iter(child.stderr.readline, "")
        child.kill()
    # a text of this very length would be taken for the one that Python has compiled in the same second
    (folder / "slow.py").write_text(GOOD.format(name="slow") + "# mended\n")
    assert "slow" in names()


def test_one_that_is_taken_away_while_the_folder_is_read_is_none(folder) -> None:
    (folder / "a_thief.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('taken.py').unlink()\n"
        + GOOD.format(name="thief")
    )
    (folder / "taken.py").write_text(GOOD.format(name="taken"))
    found = discover()
    assert "thief" in [plugin.name for plugin in found.plugins]
    assert found.left_out == ()


def test_two_processes_that_import_at_once_do_not_blame_each_other(folder) -> None:
    (folder / "slow.py").write_text(
        "import sys\nprint('importing', flush=True)\nsys.stdin.readline()\n" + GOOD.format(name="slow")
    )
    child = [sys.executable, "-c", "from labeler.registry import discover; discover()"]
    with subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "importing\n"
        (folder / "slow.py").write_text(GOOD.format(name="slow"))
        assert "slow" in names()
        other.communicate("\n")


def test_a_model_that_is_not_there_is_told_with_those_that_are(folder, expect_log) -> None:
    (folder / "broken.py").write_text("raise RuntimeError('no')")
    expect_log("broken.py")
    with pytest.raises(PluginError, match=r"no model named “nothing”; there are: .*mobilesam.*broken\.py"):
        discover().model("nothing")
