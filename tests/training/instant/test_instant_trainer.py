import json
import shutil
import threading
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from labeler import paths
from labeler.core.geometry import bounds
from labeler.core.measures.overlap import box_overlap
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Mask
from labeler.errors import LabelerError, ModelError
from labeler.models import embedder
from labeler.models.embeddings import EmbeddingCache, content_digest
from labeler.models.files import safetensors_file
from labeler.models.files.made import read as read_made
from labeler.models.prediction import load_detector, predict
from labeler.models.protocols import FileDetector
from labeler.registry import discover
from labeler.training.events import Epoch, Sample, Started, Step
from labeler.training.instant import cells as instant_cells
from labeler.training.instant import head as instant_head
from labeler.training.instant.cells import LEVELS, SIDE, Projection, cells, pooled, windows
from labeler.training.instant.head import Config, Head
from labeler.training.instant.targets import Example, assigned, view
from labeler.training.run import RunFolder, RunSpec
from labeler.training.specs import StoppedError

STEPS = 160
"""Fewer take longer: what a head that is unsure finds in an image is drawn by the segmenter, twice."""
KINDS = ("disc", "block")


def projection(dimensions: int = 4) -> Projection:
    random = np.random.default_rng(1)
    return Projection(
        random.normal(size=256).astype(np.float32), random.normal(size=(dimensions, 256)).astype(np.float32)
    )


def some_head(dimensions: int = 4, width: int = 8) -> Head:
    random = np.random.default_rng(2)
    config = Config(dimensions, width, "print")
    weights = {
        name: random.normal(size=shape, scale=0.2).astype(np.float32)
        for name, shape in instant_head.shapes_of(config, 2).items()
    }
    return Head(projection(dimensions), weights, ("a", "b"), config)


def test_cells_lie_where_their_levels_say() -> None:
    every = cells()
    counts = [level.side**2 for level in LEVELS]
    assert len(every.centres) == sum(counts)
    starts = np.cumsum([0, *counts])[:-1]
    for start, level in zip(starts, LEVELS, strict=True):
        assert every.centres[start].tolist() == [level.spacing / 2] * 2
        assert every.centres[start + 1].tolist() == [level.spacing * 1.5, level.spacing / 2]
        assert every.spans[start] == level.span


@pytest.mark.parametrize("number", range(len(LEVELS)))
def test_a_cell_sees_the_means_around_its_centre(number) -> None:
    level = LEVELS[number]
    features = np.random.default_rng(3).normal(size=(2, SIDE, SIDE)).astype(np.float32)
    maps = pooled(features)
    every = cells()
    chosen = np.flatnonzero(every.levels == number)[[0, level.side + 2, level.side**2 // 2, -1]]
    seen = windows(maps, chosen).reshape(len(chosen), 5, 5, 2)
    wide = np.pad(features, ((0, 0), (32, 32), (32, 32)))
    for cell, window in zip(chosen, seen, strict=True):
        for row in range(5):
            for column in range(5):
                x, y = every.centres[cell] + (np.array([column, row]) - 2) * level.span - level.span / 2
                x, y = int(np.floor(x)) + 32, int(np.floor(y)) + 32
                expected = wide[:, y : y + level.span, x : x + level.span].mean(axis=(1, 2))
                np.testing.assert_allclose(window[row, column], expected, atol=1e-4)


def test_features_outside_the_image_are_nothing() -> None:
    features = np.random.default_rng(4).normal(size=(256, SIDE, SIDE)).astype(np.float32)
    projected = projection()(features, (300, 600))
    assert projected.shape == (4, SIDE, SIDE)
    assert (projected[:, 32:] == 0).all()
    assert (projected[:, :32] != 0).all()


def test_the_projection_keeps_the_main_directions() -> None:
    random = np.random.default_rng(5)
    features = random.normal(size=(256, SIDE, SIDE)).astype(np.float32) * 0.01
    features[7] += random.normal(size=(SIDE, SIDE)) * 5
    found = instant_cells.fit_projection([features], [(64, 64)], 3)
    assert np.abs(found.directions[0]).argmax() == 7


def test_the_head_on_numpy_says_what_the_network_on_torch_learns() -> None:
    import torch

    from labeler.training.instant.fit import _Network

    head = some_head()
    features = np.random.default_rng(6).normal(size=(256, SIDE, SIDE)).astype(np.float32)
    found = head.look(features, (600, 600))
    network = _Network(head.config, 2).eval()
    network.load_state_dict({name: torch.from_numpy(values) for name, values in head.weights.items()})
    every = np.arange(len(cells().centres))
    with torch.inference_mode():
        seen = windows(pooled(head.projection(features, (600, 600))), every)
        distances, objectness, logits = network(torch.from_numpy(seen), torch.from_numpy(cells().levels))
    np.testing.assert_allclose(found.objectness, objectness.sigmoid().numpy(), atol=1e-4)
    np.testing.assert_allclose(found.categories, logits.softmax(dim=1).numpy(), atol=1e-4)
    np.testing.assert_allclose(found.boxes, instant_cells.boxes_of(distances.numpy(), every), atol=1e-2)


def test_only_cells_inside_the_image_speak() -> None:
    features = np.zeros((256, SIDE, SIDE), dtype=np.float32)
    whole, half = (len(some_head().look(features, size).objectness) for size in ((500, 500), (250, 500)))
    assert half * 2 == whole


def test_a_head_comes_back_from_its_file(tmp_path) -> None:
    head, path = some_head(), tmp_path / "head.safetensors"
    instant_head.save(head, path, "my run")
    about = read_made(path, "instant")
    assert (about.categories, about.config_as(Config), about.title) == (("a", "b"), head.config, "my run")
    again = instant_head.load(path)
    features = np.random.default_rng(7).normal(size=(256, SIDE, SIDE)).astype(np.float32)
    np.testing.assert_array_equal(again.look(features, (50, 60)).boxes, head.look(features, (50, 60)).boxes)


@pytest.mark.parametrize("damage", ["name", "shape", "nan"])
def test_weights_that_do_not_fit_are_refused(tmp_path, damage) -> None:
    head, path = some_head(), tmp_path / "head.safetensors"
    if damage == "name":
        head.weights["other"] = head.weights.pop("box.bias")
    elif damage == "shape":
        head.weights["box.bias"] = np.zeros(3, dtype=np.float32)
    else:
        head.weights["box.bias"] = np.full(4, np.nan, dtype=np.float32)
    instant_head.save(head, path, "my run")
    with pytest.raises(ModelError, match="do not fit together"):
        instant_head.load(path)


def test_other_files_are_no_heads(tmp_path) -> None:
    path = tmp_path / "other.safetensors"
    safetensors_file.save(path, {}, {"labeler": "unet"})
    with pytest.raises(ModelError, match="no model of the trainer “instant”"):
        instant_head.load(path)
    safetensors_file.save(path, {}, {"labeler": "instant", "format": "1", "categories": "[1]"})
    with pytest.raises(ModelError, match="what it was trained for"):
        instant_head.load(path)


def test_an_object_is_asked_of_cells_near_its_middle_of_a_level_that_suits_it() -> None:
    boxes = np.array([[4.0, 4.0, 8.0, 8.0], [10.0, 20.0, 40.0, 60.0]])
    targets = assigned(boxes, np.array([0.0, 0.0, 64.0, 64.0]), np.zeros((0, 4)))
    every = cells()
    for number, box in enumerate(boxes):
        asked = targets.positive[targets.objects == number]
        assert 4 <= len(asked) <= 12
        middle = (box[:2] + box[2:]) / 2
        away = np.abs(every.centres[asked] - middle)
        assert (away < 0.36 * (box[2:] - box[:2]).max()).all()
        assert {0: 1.0, 1: 8.0}[number] in every.spans[asked]
    assert not set(targets.positive) & set(targets.negative)


def test_nothing_is_asked_outside_the_image_and_where_it_is_unclear() -> None:
    crowd = np.array([[0.0, 0.0, 20.0, 20.0]])
    targets = assigned(np.zeros((0, 4)), np.array([0.0, 0.0, 64.0, 32.0]), crowd)
    assert not len(targets.positive)
    centres = cells().centres[targets.negative]
    assert (centres[:, 1] < 32).all()
    assert not (centres < 20).all(axis=1).any()
    assert len(targets.negative)


def test_a_view_moves_features_and_boxes_together() -> None:
    features = np.zeros((1, SIDE, SIDE), dtype=np.float16)
    features[0, 20:28, 12:24] = 1.0
    example = Example(
        features, (64.0, 64.0), np.array([[12.0, 20.0, 24.0, 28.0]]), np.array([3]), np.zeros((0, 4))
    )
    random = np.random.default_rng(8)
    seen = 0
    for _ in range(20):
        shown = view(example, random)
        margin = LEVELS[0].margin
        bright = shown.maps[0][0, margin:-margin, margin:-margin] > 0.5
        if not len(shown.boxes):
            continue
        rows, columns = np.nonzero(bright)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(found, shown.boxes[0], atol=1.01)
        assert shown.categories.tolist() == [3]
        seen += 1
    assert seen > 5


def drawn_image(path: Path, random: np.random.Generator) -> list[tuple[str, list[int]]]:
    """A picture with an orange disc and a blue block, and [x, y, w, h] of each."""
    image = np.full((240, 320, 3), (90, 130, 90), dtype=np.uint8)
    image += random.integers(0, 12, image.shape, dtype=np.uint8)
    radius = int(random.integers(24, 40))
    x, y = int(random.integers(45, 110)), int(random.integers(60, 180))
    cv2.circle(image, (x, y), radius, (30, 140, 250), -1)
    width, height = (int(side) for side in random.integers(45, 80, 2))
    left, top = int(random.integers(165, 230)), int(random.integers(20, 140))
    cv2.rectangle(image, (left, top), (left + width - 1, top + height - 1), (220, 60, 40), -1)
    cv2.imwrite(str(path), image)
    disc = [x - radius, y - radius, 2 * radius + 1, 2 * radius + 1]
    return [("disc", disc), ("block", [left, top, width, height])]


def written(path: Path, images: list[tuple[Path, list[tuple[str, list[int]]]]]) -> None:
    """COCO JSON of images with boxes."""
    annotations = [
        {"image_id": number, "category_id": KINDS.index(kind) + 1, "bbox": box, "area": 1, "iscrowd": 0}
        for number, (_, objects) in enumerate(images, 1)
        for kind, box in objects
    ]
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    listed = [
        {"id": number, "file_name": file.name, "width": 320, "height": 240}
        for number, (file, _) in enumerate(images, 1)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(KINDS, 1)]
    path.write_text(json.dumps({"images": listed, "annotations": annotations, "categories": categories}))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """A run's folder with five images of two kinds of things to learn from, two held out; and a cache."""
    folder = RunFolder.create(
        tmp_path_factory.mktemp("run"), RunSpec("instant", "discs and blocks", {"steps": STEPS})
    )
    folder.images.mkdir()
    random = np.random.default_rng(9)
    images = [
        (path, drawn_image(path, random)) for path in (folder.images / f"{number}.png" for number in range(7))
    ]
    written(folder.train_labels, images[:5])
    written(folder.validation_labels, images[5:])
    return folder.path, tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(made, home, tmp_path, monkeypatch) -> RunFolder:
    """A copy of that folder, and the cache that all these tests share."""
    source, cache = made
    monkeypatch.setenv("LABELER_CACHE_DIR", str(cache))
    return RunFolder(
        Path(shutil.copytree(source, tmp_path / "run", ignore=shutil.ignore_patterns("weights.*")))
    )


def trained(run: RunFolder, events: list, should_stop=lambda: False) -> Path:
    return discover(safe_mode=True).trainer("instant").train(run, events.append, should_stop)


@pytest.fixture(scope="module")
def first(made) -> tuple[Path, list]:
    """The weights of a training in the shared folder, and what it said."""
    folder, cache = made
    events: list = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELER_CACHE_DIR", str(cache))
        return trained(RunFolder(folder), events), events


def test_a_training_says_how_it_goes(first) -> None:
    path, events = first
    kinds = [type(event) for event in events]
    assert kinds.index(Started) < kinds.index(Step) < kinds.index(Sample) < kinds.index(Epoch)
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[-1].step == steps[-1].steps == STEPS
    assert set(steps[0].losses) == {"loss", "objectness", "box", "class"}
    assert steps[-1].losses["loss"] < steps[0].losses["loss"]
    (epoch,) = (event for event in events if isinstance(event, Epoch))
    assert epoch.metrics["AP50"] > 0.9
    assert all((path.parent / one.picture).is_file() for one in events if isinstance(one, Sample))


def test_two_categories_are_learnt_from_five_images_and_come_back_as_masks(run, first) -> None:
    spec = discover(safe_mode=True).open_file(first[0])
    assert (spec.title, spec.categories, spec.task) == ("discs and blocks", KINDS, "detector")
    model = load_detector(spec)
    assert isinstance(model, FileDetector)
    for image in run.validation_set().images:
        (found,) = predict(model, spec, [(image.id, image.path)])
        assert not found.failure
        for truth in image.annotations:
            name = KINDS[truth.category_id - 1]
            best = next(one for one in found.candidates if one.label == name)
            assert isinstance(best.shape, Mask)
            assert box_overlap(bounds(best.shape), bounds(truth.shape)).iou > 0.8


def test_the_same_seed_gives_the_same_weights_and_no_image_is_encoded_again(run, first, monkeypatch) -> None:
    before = instant_head.load(first[0])
    model = load_detector(discover(safe_mode=True).open_file(first[0]))
    monkeypatch.setattr(embedder, "read_pixels", lambda *_: pytest.fail("its pixels are read to be encoded"))
    image = run.train_set().images[0].path
    assert model.detect_file(image, read_pixels(image).rgb)
    after = instant_head.load(trained(run, []))
    for name, values in before.weights.items():
        np.testing.assert_array_equal(values, after.weights[name], err_msg=name)


def test_an_image_that_was_not_encoded_is_and_stays_so(run, first) -> None:
    model = load_detector(discover(safe_mode=True).open_file(first[0]))
    other = run.path / "other.png"
    drawn_image(other, np.random.default_rng(11))
    fingerprint = discover(safe_mode=True).model("mobilesam").fingerprint
    cache = EmbeddingCache(paths.cache_dir() / "embeddings")
    assert cache.get(fingerprint, content_digest(other)) is None
    by_file = model.detect_file(other, read_pixels(other).rgb)
    assert cache.get(fingerprint, content_digest(other)) is not None
    by_pixels = model.detect(read_pixels(other).rgb)
    assert [one.label for one in by_file[:2]] == [one.label for one in by_pixels[:2]]


def test_it_stops_when_told(run) -> None:
    told = threading.Event()

    def report(event) -> None:
        if isinstance(event, Started):
            told.set()

    trainer = discover(safe_mode=True).trainer("instant")
    with pytest.raises(StoppedError):
        trainer.train(run, report, told.is_set)
    assert not list(run.path.glob("*.safetensors"))


def test_labels_without_an_object_are_refused(run) -> None:
    labels = json.loads(run.train_labels.read_bytes())
    run.train_labels.write_bytes(msgspec.json.encode(labels | {"annotations": []}))
    with pytest.raises(LabelerError, match="no object to learn from"):
        trained(run, [])


def test_images_with_nothing_on_them_and_crowds_are_taken(run) -> None:
    labels = json.loads(run.train_labels.read_bytes())
    kept = [one for one in labels["annotations"] if one["image_id"] > 1]
    kept[0]["iscrowd"] = 1
    run.train_labels.write_bytes(msgspec.json.encode(labels | {"annotations": kept}))
    events: list = []
    trained(run, events)
    assert any(isinstance(event, Epoch) for event in events)


def test_a_head_of_other_embeddings_is_refused(tmp_path) -> None:
    path = tmp_path / "old.safetensors"
    instant_head.save(some_head(), path, "old")
    spec = discover(safe_mode=True).open_file(path)
    with pytest.raises(ModelError, match="another version of MobileSAM"):
        load_detector(spec)


def test_a_box_stands_where_no_mask_is_found(monkeypatch) -> None:
    from labeler.models.protocols import Embedding
    from labeler.training.instant import objects

    class Blind:
        def segment(self, *_, **__):
            return ()

    monkeypatch.setattr(objects, "_FLOOR", 0.0)
    features = np.random.default_rng(12).normal(size=(1, 256, SIDE, SIDE)).astype(np.float32)
    found = objects.objects(some_head(), Blind(), Embedding({"image": features}, (50, 60)))
    assert found
    assert all(isinstance(one.shape, Box) and one.confidence == 0.0 for one in found)
