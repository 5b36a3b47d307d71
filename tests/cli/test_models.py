"""`labeler models` against a server on this computer."""

import json
import random
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from labeler import cli
from labeler.errors import ModelError, PluginError
from labeler.models.files import catalog, weights
from labeler.registry import discover
from tests.file_server import FileServer, serving

CONTENT = random.Random(5).randbytes(300_000)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server with one entry's file, in place of the catalogue."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(CONTENT) as server:
        helper = server.entry(
            id="words", title="Words", task="text encoder", url=server.url.replace("model", "words")
        )
        known = (server.entry(needs=("words",), opened_by="yolo"), helper)
        monkeypatch.setattr(catalog, "entries", lambda: known)
        yield server


def models(*words: str) -> int:
    return cli.run(["models", *words])


def test_the_list_names_what_is_there_and_what_can_be_had(capsys) -> None:
    assert models() == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.split(r"\s{2,}", lines[0]) == ["Id", "Name", "Task", "Size", "Licence", "Origin", "State"]
    rows = {line.split()[0]: line for line in lines[1:-2]}
    assert rows["mobilesam"].endswith("embedded")
    assert re.search(r"YOLO11n +detector +5\.6 MB +AGPL-3\.0 +Ultralytics +shipped$", rows["yolo11n"])
    assert re.search(r"YOLO11s +detector +19\.3 MB +AGPL-3\.0 +Ultralytics +available$", rows["yolo11s"])
    assert [name for name in rows if name in {e.id for e in catalog.entries()}] == [
        entry.id for entry in catalog.entries()
    ]
    assert str(weights.folder()) in lines[-1]


def test_a_model_is_had_with_what_it_needs_listed_and_removed(server, capsys) -> None:
    assert models("get", "tiny", "--json") == 0
    path = weights.folder() / "model.pt"
    assert json.loads(capsys.readouterr().out) == [{"path": str(path)}]
    assert path.read_bytes() == CONTENT
    assert models("list", "--json") == 0
    listed = {one["id"]: one for one in json.loads(capsys.readouterr().out)}
    assert (listed["tiny"]["state"], listed["tiny"]["path"]) == ("installed", str(path))
    assert listed["tiny"]["url"] == server.url
    asked = len(server.asked)
    assert (weights.folder() / "words.pt").is_file()
    assert models("get", "tiny") == 0
    assert "Tiny is there already" in capsys.readouterr().err
    assert len(server.asked) == asked
    assert models("remove", "tiny") == 0
    assert not path.exists()
    assert capsys.readouterr().out == f"removed {path}\n"


def test_a_bar_shows_the_megabytes(server, capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    server.cuts = [100_000]
    assert models("get", "tiny") == 0
    assert re.search(r"Tiny \[#{30}\] 0\.3 MB/0\.3 MB", capsys.readouterr().err)


def test_no_network_is_one_sentence_and_a_failure(capsys, monkeypatch) -> None:
    def none(*args: object, **options: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", none)
    assert models("get", "yolo11s") == 1
    assert capsys.readouterr().err == (
        "labeler: YOLO11s could not be downloaded (Name or service not known): fetch "
        f"{catalog.entry('yolo11s').url} by hand and put it into {weights.folder()}.\n"
    )


def test_a_checkpoint_is_imported_listed_and_removed(shared, capsys) -> None:
    checkpoint = shared / "models" / "yolo" / "yolov8n-coco.pt"
    if not checkpoint.is_file():
        pytest.skip("needs the YOLO checkpoint in `shared`")
    assert models("import", str(checkpoint)) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == weights.folder() / "yolov8n-coco.pt"
    assert models("--json") == 0
    (mine,) = [one for one in json.loads(capsys.readouterr().out) if one["origin"] == "your own file"]
    assert (mine["task"], mine["licence"]) == ("detector", "AGPL-3.0")
    spec = discover().resolve("yolov8n-coco")
    assert (spec.task, spec.weights[0].path) == ("detector", path)
    assert models("remove", "yolov8n-coco.pt") == 0
    assert [one.id for one in weights.installed()] == ["yolo11n"]


def test_a_model_that_is_not_here_yet_says_how_it_is_had() -> None:
    with pytest.raises(ModelError, match=r"YOLO11s is not here yet: .* `labeler models get yolo11s`"):
        discover().resolve("yolo11s")
    with pytest.raises(PluginError, match="no model named “yolo99”"):
        discover().resolve("yolo99")


def test_what_is_no_model_is_not_taken_in(tmp_path, capsys) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    assert models("import", str(tmp_path / "notes.txt")) == 1
    assert "“notes.txt” is not a model file" in capsys.readouterr().err
    assert [one.id for one in weights.installed()] == ["yolo11n"]


def test_what_comes_along_is_neither_fetched_nor_removed(capsys, monkeypatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was asked"))
    shipped = weights.path_of(catalog.entry("yolo11n"))
    assert models("get", "yolo11n") == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{shipped}\n", "YOLO11n is there already.\n")
    for name in ("yolo11n", "yolo11n.pt"):
        assert models("remove", name) == 1
        assert capsys.readouterr().err == "labeler: YOLO11n comes with Labeler, so it is not removed.\n"
    assert shipped.is_file()
    assert models("import", str(shipped)) == 0
    assert capsys.readouterr().out == f"{shipped}\n"
    assert list(weights.folder().iterdir()) == []


def test_what_is_not_there_is_named(capsys) -> None:
    assert models("remove", "yolo11s") == 1
    assert "no model “yolo11s” to remove; there are: none" in capsys.readouterr().err
    assert models("get", "yolo99") == 1
    assert "no model “yolo99” to be had; there are: yolo11n" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["get"], ["list", "yolo11n"], ["sell", "yolo11n"]])
def test_what_makes_no_sense_is_a_usage_error(words, capsys) -> None:
    with pytest.raises(SystemExit) as raised:
        models(*words)
    assert raised.value.code == 2
    assert "usage: labeler models" in capsys.readouterr().err
