"""`labeler replay` on a project that was labelled with prompts, with the SAM that comes along."""

import json
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from labeler.core.records import Annotation, Asked, Box, Candidate, Category, Change, Edit, Mask
from labeler.project.store import Store
from tests.cli.test_effort_verb import BRIGHT
from tests.cli.typed import labeler

MIDDLES = ((45, 40), (130, 80))


def disc(x: int, y: int, radius: int = 24) -> Mask:
    bits = np.zeros((2 * radius + 1, 2 * radius + 1), np.uint8)
    cv2.circle(bits, (radius, radius), radius, 1, -1)
    return Mask(x - radius, y - radius, bits.astype(bool))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo of two discs, one clicked four times (one taken back), one a proposal of an older program."""
    pixels = np.random.default_rng(0).integers(20, 60, (120, 180, 3)).astype(np.uint8)
    for middle in MIDDLES:
        cv2.circle(pixels, middle, 24, (230, 220, 210), -1)
    cv2.imwrite(str(tmp_path / "photo.png"), pixels)
    (tmp_path / "spots").mkdir()
    (tmp_path / "spots" / "bright.py").write_text(BRIGHT)
    monkeypatch.setenv("LABELER_PLUGINS", str(tmp_path / "spots"))
    x, y = MIDDLES[0]
    asked = Asked(((x, y, True), (x + 9.0, y, True), (90.0, 10.0, False)), taken_back=1, keys=1)
    path = tmp_path / "labels.labeler"
    with Store.open(path) as store:
        (image,) = store.photos.add(["photo.png"])
        store.apply(Edit("Size", (Change(image, replace(image, width=180, height=120)),)))
        store.apply(Edit("Add", (Change(None, Category(1, "spot", "#ff0000")),)))
        model = store.predictions.ensure_model("SAM", "1").id
        for key, (middle, how) in enumerate(zip(MIDDLES, (asked, None), strict=True), 1):
            proposal = Candidate(key, image.id, model, 1, disc(*middle), 0.9)
            made = Annotation(key, image.id, 1, disc(*middle), "model", key)
            store.apply(Edit("Accept spot", (Change(None, proposal, how), Change(None, made))))
        drawn = Annotation(3, image.id, 1, Box(2.0, 2.0, 9.0, 9.0))
        store.apply(Edit("Draw", (Change(None, drawn),)))
        store.apply(Edit("Delete", (Change(drawn, None),)))
    return path


def test_fewer_clicks_are_needed_than_were_given_and_nothing_is_written(project):
    before = sha256(project.read_bytes()).digest()
    done = labeler(
        "replay", project, "--with", "mobilesam", "bright", "--json", "--out", project.parent / "o"
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("Proposals without prompts in the journal")
    told = json.loads(done.stdout)
    assert told == json.loads((project.parent / "o").read_text())
    assert (told["objects"], told["images"]) == (2, 1)
    recorded, sam, bright = told["rows"]
    # three clicks and one taken back, two corners, and the two of the box that was deleted; Enter, Enter,
    # Backspace and Delete
    assert recorded["acts"] == {"clicks": 8, "keys": 4, "strokes": 0, "looks": 9}
    assert (sam["replayed"], sam["not_reached"]) == (1, 0)
    assert sam["actions"] < recorded["actions"]
    assert (bright["shown"], bright["unchanged"], bright["actions"]) == (2, 2, 1)
    assert sha256(project.read_bytes()).digest() == before
    assert {one.name for one in project.parent.glob("labels.labeler*")} == {"labels.labeler"}


def test_prompts_outlast_undo_and_redo_and_it_is_read_while_it_is_open(project):
    with Store.open(project) as store:
        for _ in range(4):
            store.history.undo()
        while store.history.redo():
            pass
        done = labeler("replay", project)
    assert "as recorded" in done.stdout
    assert "1 of 2 objects by prompts that are known" in done.stdout


@pytest.mark.parametrize(
    ("change", "words", "sentence"),
    [
        (lambda path: path.write_bytes(b"nonsense" * 999), (), "labels.labeler"),
        (lambda path: path.unlink(), (), "is no project"),
        (lambda path: (path.parent / "photo.png").unlink(), (), "None of the labelled photos"),
        (lambda path: None, ("--with", "nobody"), "nobody"),
    ],
)
def test_what_cannot_be_replayed_is_told_in_a_sentence(project, change, words, sentence):
    change(project)
    done = labeler("replay", project, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_project_that_nobody_labelled_has_nothing_to_replay(tmp_path):
    with Store.open(tmp_path / "empty.labeler") as store:
        store.photos.add(["a.png"])
    done = labeler("replay", tmp_path / "empty.labeler")
    assert (done.returncode, "nothing to replay" in done.stderr) == (1, True)
