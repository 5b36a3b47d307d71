"""One list of what there is and what can be had."""

from pathlib import Path

import pytest

from labeler.errors import ModelError
from labeler.models.files import catalog, weights
from labeler.models.files.model_list import ListedModel, megabytes, model_list
from labeler.models.protocols import ModelSpec, Weights


def opened(path: Path) -> ModelSpec:
    if path.suffix == ".onnx":
        raise ModelError(f"“{path.name}” is not a model file that can be opened.")
    return ModelSpec(id=path.stem, title="Opened", task="detector", load=dict, licence="MIT")


def listed(*specs: ModelSpec) -> dict[str, ListedModel]:
    kinds = {entry.opened_by for entry in catalog.entries()}
    return {one.id: one for one in model_list(specs, kinds=kinds, open_file=opened)}


def test_a_plugin_s_model_is_embedded_and_as_large_as_its_weights(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    spec = ModelSpec(
        id="inside", title="Inside", task="segmenter", load=dict, weights=(Weights(tmp_path / "a", ""),)
    )
    found = listed(spec)["inside"]
    assert (found.state, found.size, found.spec) == ("embedded", 3, spec)


def test_what_is_needed_counts_until_it_is_there() -> None:
    world, words = catalog.entry("yolov8s-worldv2"), catalog.entry("clip-vit-b-32")
    found = listed()[world.id]
    assert (found.state, found.size) == ("available", world.size + words.size)
    assert found.about.endswith("with CLIP ViT-B/32")
    weights.path_of(world).write_bytes(b"12")
    assert listed()[world.id].state == "available"
    weights.path_of(words).write_bytes(b"34")
    found = listed()[world.id]
    assert (found.state, found.size, found.path) == ("installed", 2, weights.path_of(world))


def test_a_person_s_own_files_come_last_even_such_as_nothing_opens() -> None:
    (weights.folder() / "b.onnx").write_bytes(b"1")
    (weights.folder() / "a.pt").write_bytes(b"1")
    (weights.folder() / "notes.txt").write_bytes(b"1")
    good, bad = list(listed().values())[-2:]
    assert (good.id, good.title, good.task, good.licence) == ("a.pt", "Opened", "detector", "MIT")
    assert (bad.id, bad.title, bad.task) == ("b.onnx", "b", "")
    assert "not a model file" in bad.about


def test_what_no_plugin_opens_is_not_offered() -> None:
    found = [one.id for one in model_list((), kinds={"rtdetr"}, open_file=opened)]
    assert found == ["rtdetr-l", "clip-vit-b-32", "mobileclip-blt"]


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0.0 MB"), (5_613_764, "5.6 MB"), (99_960_000, "100 MB"), (2_564_550_879, "2,565 MB")],
)
def test_sizes_are_told_in_megabytes(size, words) -> None:
    assert megabytes(size) == words
