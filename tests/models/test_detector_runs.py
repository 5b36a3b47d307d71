"""A detector over many images: order, failures, stopping, and decoding ahead."""

import threading
from pathlib import Path

import pytest

from labeler.core.records import Box, Candidate
from labeler.errors import ModelError
from labeler.models.prediction import load_detector, predict
from labeler.models.protocols import ModelSpec


class Brightest:
    """Finds one object on each image: all of it."""

    def __init__(self) -> None:
        self.texts: list[str | None] = []
        self.threads: set[int] = set()

    def detect(self, image, text=None):
        self.texts.append(text)
        self.threads.add(threading.get_ident())
        if image.shape[0] == 13:
            raise RuntimeError("thirteen rows\nand a second line")
        if image.shape[0] == 14:
            raise MemoryError
        return (Candidate(0, 0, 0, 0, Box(0, 0, image.shape[1], image.shape[0]), 0.9, "all"),)


def spec(model: object, **more) -> ModelSpec:
    return ModelSpec(id="b", title="Brightest", task="detector", load=lambda: model, **more)


@pytest.fixture
def images(tmp_path: Path) -> list[tuple[int, Path]]:
    import cv2
    import numpy as np

    found = []
    for number, rows in enumerate((10, 11, 12, 15), 5):
        found.append((number, tmp_path / f"{number}.png"))
        cv2.imwrite(str(found[-1][1]), np.zeros((rows, 20, 3), np.uint8))
    return found


def test_each_image_comes_in_its_order_with_its_candidates(images) -> None:
    model = Brightest()
    found = list(predict(model, spec(model), images))
    assert [one.image_id for one in found] == [5, 6, 7, 8]
    assert [one.candidates[0].shape.y1 for one in found] == [10, 11, 12, 15]
    assert all(one.candidates[0].image_id == one.image_id and not one.failure for one in found)
    assert all(one.milliseconds > 0 for one in found)
    assert model.threads == {threading.get_ident()}
    assert list(predict(model, spec(model), [])) == []


def test_only_what_is_kept_becomes_a_mask(images) -> None:
    asked: list[int] = []

    def masks(rgb, found):
        asked.append(len(found))
        return found

    class Twice(Brightest):
        def detect(self, image, text=None):
            return super().detect(image, text) * 2

    model = Twice()
    found = list(predict(model, spec(model), images, keep=lambda found: found[:1], masks=masks))
    assert asked == [1] * 4
    assert [(one.raw, len(one.candidates)) for one in found] == [(2, 1)] * 4


def test_an_image_that_fails_is_told_and_the_others_come(images, tmp_path) -> None:
    import cv2
    import numpy as np

    cv2.imwrite(str(images[1][1]), np.zeros((13, 20, 3), np.uint8))
    images[2][1].write_bytes(b"no image")
    images.append((9, tmp_path / "none.png"))
    model = Brightest()
    failures = [one.failure for one in predict(model, spec(model), images)]
    assert failures[0] == failures[3] == ""
    assert "6.png (RuntimeError: thirteen rows)" in failures[1]
    assert "7.png" in failures[2]
    assert "none.png" in failures[4]


def test_a_lack_of_memory_is_passed_on(images) -> None:
    import cv2
    import numpy as np

    cv2.imwrite(str(images[0][1]), np.zeros((14, 20, 3), np.uint8))
    model = Brightest()
    with pytest.raises(MemoryError):
        list(predict(model, spec(model), images))


def test_it_stops_when_it_is_told_and_decodes_no_more_than_needed(images) -> None:
    asked: list[int] = []

    def listed():
        for image_id, path in images:
            asked.append(image_id)
            yield image_id, path

    done: list[int] = []
    model = Brightest()
    for one in predict(model, spec(model), listed(), stop=lambda: len(done) == 1):
        done.append(one.image_id)
    assert done == [5]
    assert asked == [5, 6, 7]


def test_text_goes_to_models_that_read_alone(images) -> None:
    reader, other = Brightest(), Brightest()
    list(predict(reader, spec(reader, reads_text=True), images[:1], text="a dog"))
    list(predict(other, spec(other), images[:1], text="a dog"))
    assert (reader.texts, other.texts) == (["a dog"], [None])


def test_masks_take_the_place_of_boxes(images) -> None:
    model = Brightest()
    (found,) = predict(model, spec(model), images[:1], masks=lambda image, candidates: candidates * 2)
    assert len(found.candidates) == 2


def test_what_is_no_detector_is_refused() -> None:
    with pytest.raises(ModelError, match="Brightest is no detector"):
        load_detector(ModelSpec(id="b", title="Brightest", task="segmenter", load=object))
    with pytest.raises(ModelError, match="does not do what a detector must"):
        load_detector(spec(object()))
