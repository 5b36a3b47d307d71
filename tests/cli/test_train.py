"""`labeler train` with a real small trainer, and what it says when it cannot."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labeler import cli
from labeler.training.run import RunFolder

pytestmark = pytest.mark.usefixtures("small_trainer")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def arguments(two_colours: Path, tmp_path: Path) -> list[str]:
    labels, images = two_colours / "labels.json", two_colours / "images"
    return ["train", str(labels), "--images", str(images), "--model", "small", "--out", str(tmp_path / "run")]


def failure(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which a command line fails."""
    assert cli.run(arguments) == 1
    *_, last = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("labeler: ")
    return last.removeprefix("labeler: ")


def test_from_labels_to_a_model_that_predicts(arguments, two_colours, tmp_path, capsys) -> None:
    more = ["--name", "Red or green", "--epochs", "2", "--set", "batch=5", "--seed", "3", "--held-out", "0.3"]
    assert cli.run([*arguments, *more, "--json"]) == 0
    printed = capsys.readouterr()
    outcome = json.loads(printed.out)
    assert outcome["metrics"]["accuracy"] > 0.9
    assert outcome["held_out"] == pytest.approx(6, abs=2)
    assert Path(outcome["weights"]).is_file()
    assert Path(outcome["model"]).name == "Red or green.safetensors"
    assert "images to learn from" in printed.err
    assert "epoch 2 of 2: loss " in printed.err
    spec = RunFolder(tmp_path / "run").spec
    assert spec.options == {
        "epochs": 2,
        "batch": 5,
        "pause": 0.0,
        "size": 100,
        "spoilt": 0,
        "broken": False,
    }
    assert (spec.name, spec.seed, spec.validation_share) == ("Red or green", 3, 0.3)

    results = tmp_path / "results.json"
    predict = ["predict", str(two_colours / "images"), "--model", "Red or green.safetensors"]
    assert cli.run([*predict, "--conf", "0.5", "--out", str(results)]) == 0
    assert len(json.loads(results.read_text())) == 20

    capsys.readouterr()
    better = [*arguments[:-1], str(tmp_path / "better"), "--replaces", "Red or green.safetensors"]
    assert cli.run(better) == 0
    assert "Red or green, on the same " in capsys.readouterr().out


def test_photos_that_are_links_train(two_colours, tmp_path, capsys) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in (two_colours / "images").iterdir():
        (linked / path.name).symlink_to(path)
    command = ["train", str(two_colours / "labels.json"), "--images", str(linked), "--model", "small"]
    assert cli.run([*command, "--out", str(tmp_path / "run"), "--epochs", "1"]) == 0
    assert "not found" not in capsys.readouterr().err


def test_the_list_names_trainers_and_their_options(capsys) -> None:
    assert cli.run(["train", "--list"]) == 0
    printed = capsys.readouterr().out
    assert "small          Small. Which colour a picture has." in printed
    assert "    pause=0.0: Seconds a step takes longer." in printed
    assert "    epochs=3 (--epochs): Epochs" in printed
    assert "    size=100 (--size): The largest batch that fits into memory." in printed
    assert "    size=0 (--size): Longest side in pixels" in printed
    assert cli.run(["train", "--list", "--json"]) == 0
    listed = {one["id"]: one for one in json.loads(capsys.readouterr().out)}
    assert [option["name"] for option in listed["small"]["options"]][:2] == ["epochs", "batch"]


def test_a_short_flag_sets_the_option_of_its_name(arguments, tmp_path, capsys) -> None:
    assert cli.run([*arguments, "--epochs", "1", "--batch", "5", "--size", "7"]) == 0
    options = RunFolder(tmp_path / "run").spec.options
    assert (options["epochs"], options["batch"], options["size"]) == (1, 5, 7)
    arguments[-1] += " 2"
    arguments[arguments.index("small")] = "instant"
    assert failure([*arguments, "--size", "640"], capsys).startswith(
        "“instant” has no option “size”; there are: "
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C cannot be sent to one process there")
def test_ctrl_c_saves_and_resume_goes_on(arguments, tmp_path, capsys) -> None:
    command = [sys.executable, "-m", "labeler", *arguments, "--set", "pause=0.2"]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any(line.startswith("epoch 1 of 3") for line in lines)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 130, rest
    assert "Stopped; go on with: labeler train --resume --out " in rest
    folder = RunFolder(tmp_path / "run")
    assert folder.state == "stopped"
    assert cli.run(["train", "--resume", "--out", str(folder.path)]) == 0
    assert "from epoch 2 of 3" in capsys.readouterr().err
    assert folder.state == "finished"


def test_a_failed_run_is_an_exit_code_and_a_sentence(arguments, capsys) -> None:
    assert "lower learning rate" in failure([*arguments, "--set", "spoilt=1"], capsys)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"--model": "gone"}, "There is no trainer named “gone”; there are: "),
        ({"--set": "speed=3"}, "“small” has no option “speed”; there are: batch, broken, epochs, pause"),
        ({"--set": "speed"}, "“speed” is no option: write --set NAME=VALUE."),
        ({"--set": "broken=perhaps"}, "“broken” must be yes or no, but is “perhaps”."),
        ({"--epochs": "0"}, "“epochs” must be at least 1, but is 0."),
        ({"--epochs": "many"}, "“epochs” must be a whole number, but is “many”."),
        ({"--images": "nowhere"}, "There is no folder of images nowhere."),
        ({"--replaces": "nothing"}, "There is no model named “nothing”"),
    ],
)
def test_what_cannot_be_asked_for(arguments, change, sentence, capsys) -> None:
    said = failure([*arguments, *(word for pair in change.items() for word in pair)], capsys)
    assert said.startswith(sentence)


@pytest.mark.parametrize("missing", ["labels", "--model", "--out"])
def test_what_must_be_named(arguments, missing, capsys) -> None:
    place = 1 if missing == "labels" else arguments.index(missing)
    del arguments[place : place + (1 if missing == "labels" else 2)]
    assert failure(arguments, capsys).startswith("Name ")


def test_labels_that_are_not_there(arguments, capsys) -> None:
    arguments[1] = "gone.json"
    assert failure(arguments, capsys) == "There is no labels file “gone.json”."


def test_broken_labels(arguments, two_colours, capsys) -> None:
    path = two_colours / "labels.json"
    path.write_text(path.read_text()[:500])
    assert "labels.json" in failure(arguments, capsys)


def test_labels_without_objects(arguments, two_colours, capsys) -> None:
    path = two_colours / "labels.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"annotations": []}))
    assert failure(arguments, capsys).startswith("There is nothing to learn from")
    assert not Path(arguments[-1]).exists(), "a folder with nothing in it would be in the way of the next try"


def test_images_that_are_missing(arguments, two_colours, capsys) -> None:
    for number in range(1, 4):
        (two_colours / "images" / f"{number:03d}.png").unlink()
    assert cli.run(arguments) == 0
    assert "Left out, since not found: 3 images, 001.png, 002.png, 003.png." in capsys.readouterr().err
    shutil.rmtree(two_colours / "images")
    (two_colours / "images").mkdir()
    arguments[-1] += " 2"
    assert "None of the 20 images of labels.json is in " in failure(arguments, capsys)


def test_a_folder_that_is_not_empty(arguments, tmp_path, capsys) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "diary.txt").write_text("mine")
    assert "is not empty; choose a new folder" in failure(arguments, capsys)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["diary.txt"]


def test_resuming_what_is_no_run(tmp_path, capsys) -> None:
    assert failure(["train", "--resume"], capsys).startswith("Name the folder of the run")
    assert "is no run: it has no run.json" in failure(["train", "--resume", "--out", str(tmp_path)], capsys)
