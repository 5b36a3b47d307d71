"""Files of models that were trained here: what is written comes back, and files of older versions open."""

import numpy as np
import pytest
from msgspec import Struct

from labeler.errors import ModelError
from labeler.models.files import made, safetensors_file
from labeler.registry import discover


class Recipe(Struct, frozen=True):
    side: int


ARRAYS = {"weight": np.ones((2, 3), dtype=np.float32)}


def test_what_was_saved_is_read(tmp_path) -> None:
    path = tmp_path / "mine.safetensors"
    made.save(path, ARRAYS, maker="mine", categories=["Straße", "木"], config=Recipe(7), title="My run")
    found = made.read(path, "mine")
    assert (found.maker, found.categories, found.title) == ("mine", ("Straße", "木"), "My run")
    assert found.config_as(Recipe) == Recipe(7)
    assert made.maker_of(path) == "mine"
    np.testing.assert_array_equal(safetensors_file.load(path)["weight"], ARRAYS["weight"])
    with pytest.raises(ModelError, match="does not say what it was trained for"):
        found.config_as(list[str])


def test_other_files_are_refused(tmp_path) -> None:
    path = tmp_path / "other.safetensors"
    safetensors_file.save(path, ARRAYS, {})
    with pytest.raises(ModelError, match="is no model that this version can open"):
        made.read(path)
    safetensors_file.save(path, ARRAYS, {"labeler": "unet", "format": "2", "categories": "[]"})
    with pytest.raises(ModelError, match="is no model of the trainer “unet” that this version can open"):
        made.read(path, "unet")
    plain = tmp_path / "weights.pt"
    plain.write_bytes(b"PK")
    assert made.maker_of(plain) == ""


TWO_STAGES = '{"builder":"fasterrcnn_mobilenet_v3_large_320_fpn","side":64}'
OLD = {
    "unet": '{"architecture":{"classes":3,"width":8,"depth":2,"norm":"batch"},"tile":64,"whole":false}',
    "localizer": '{"side":160}',
    "instant": '{"dimensions":48,"width":128,"embeddings":"abc"}',
}
"""What the first version wrote of a model's network, by its trainer."""


@pytest.mark.parametrize("maker", OLD)
def test_a_file_of_an_older_version_opens(tmp_path, maker) -> None:
    path = tmp_path / "old.safetensors"
    about = {"labeler": maker, "format": "1", "categories": '["disc","bar"]', "config": OLD[maker]}
    safetensors_file.save(path, ARRAYS, about | {"title": "Shapes"})
    spec = discover(safe_mode=True).open_file(path)
    assert (spec.title, spec.categories, spec.needs_suppression) == ("Shapes", ("disc", "bar"), False)
    assert spec.task == ("semantic" if maker == "unet" else "detector")
    safetensors_file.save(path, ARRAYS, about)
    assert discover(safe_mode=True).open_file(path).title == "old", "the file's name stands in for a title"


def test_an_older_faster_r_cnn_loads(tmp_path) -> None:
    from labeler.models.torchvision_models import build

    path = tmp_path / "old.safetensors"
    model = build("fasterrcnn_mobilenet_v3_large_320_fpn", 3)
    about = {"labeler": "faster-rcnn", "format": "1", "categories": '["disc","bar"]', "config": TWO_STAGES}
    safetensors_file.save(path, made.arrays_of(model), about | {"title": "Shapes"})
    spec = discover(safe_mode=True).open_file(path)
    assert (spec.title, spec.categories) == ("Shapes", ("disc", "bar"))
    assert spec.load()._model.transform.min_size == (64,)
    safetensors_file.save(path, made.arrays_of(model), about)
    assert discover(safe_mode=True).open_file(path).title == "Faster R-CNN MobileNet 320 (old)"


def test_an_older_localizer_loads(tmp_path) -> None:
    from labeler.training.localizer import Localizer

    path = tmp_path / "old.safetensors"
    about = {"labeler": "localizer", "format": "1", "categories": '["disc","bar"]', "config": '{"side":32}'}
    safetensors_file.save(path, made.arrays_of(Localizer(2)), about)
    (found,) = discover(safe_mode=True).open_file(path).load().detect(np.zeros((40, 50, 3), np.uint8))
    assert found.label in ("disc", "bar")
