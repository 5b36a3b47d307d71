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
from labeler.core.measures.overlap import box_iou, box_overlap
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Candidate, Mask, Proposal
from labeler.errors import LabelerError, ModelError
from labeler.models import embedder
from labeler.models.detections import placed
from labeler.models.detector_eyes import SEEN, STRIDES, DetectorEyes, place_of
from labeler.models.embeddings import EmbeddingCache, content_digest
from labeler.models.files import catalog, safetensors_file, weights
from labeler.models.files import made as made_file
from labeler.models.files.made import read as read_made
from labeler.models.prediction import load_detector, predict
from labeler.models.protocols import Embedding, FileDetector
from labeler.registry import discover
from labeler.training.events import Epoch, Note, Sample, Started, Step
from labeler.training.instant import head as instant_head
from labeler.training.instant import head_check, objects
from labeler.training.instant import trainer as instant_trainer
from labeler.training.instant.cells import boxes_of, cells_of, seen_in, shapes_in
from labeler.training.instant.head import Config, Head
from labeler.training.instant.targets import Example, Objects, assigned, example, within
from labeler.training.run import RunFolder, RunSpec
from labeler.training.specs import StoppedError

STEPS = 40
KINDS = ("disc", "block")


def some_head(names: tuple[str, ...] = ("a", "person"), width: int = 8) -> Head:
    """A head with weights by chance, beside those that it takes over from the detector."""
    random = np.random.default_rng(2)
    config = Config(version=2, width=width, eyes="print")
    chance = {
        name: random.normal(size=shape, scale=0.2).astype(np.float32)
        for name, shape in instant_head.shapes_of(config, len(names)).items()
    }
    return Head(chance | instant_head.coco_weights(names, DetectorEyes().layers), names, config)


def sight(size: tuple[int, int], seed: int = 3) -> Embedding:
    """Something that the detector might see of an image of size (H, W)."""
    random = np.random.default_rng(seed)
    (height, width), _ = placed(size, side=640, stride=32)
    shapes = {str(stride): (height // stride, width // stride, SEEN) for stride in STRIDES}
    return Embedding(
        {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}, size
    )


def test_cells_lie_where_their_levels_say() -> None:
    cells = cells_of(((8, 4), (4, 2), (2, 1)))
    assert len(cells.centres) == 32 + 8 + 2
    assert cells.centres[[0, 1, 4]].tolist() == [[4, 4], [12, 4], [4, 12]]
    assert cells.centres[[32, 33]].tolist() == [[8, 8], [24, 8]]
    assert cells.strides[[0, 32, 40]].tolist() == [8, 16, 32]


def test_a_head_that_has_learnt_nothing_says_what_the_detector_says(photo) -> None:
    names = ("nothing that COCO has", "person")
    eyes, rgb = DetectorEyes(), read_pixels(photo).rgb
    shapes = instant_head.shapes_of(Config(), 2)
    blank = {name: np.zeros(shape, dtype=np.float32) for name, shape in shapes.items()}
    head = Head(blank | instant_head.coco_weights(names, eyes.layers), names, Config())
    found = head.look(eyes.embed(rgb), 0.1)
    people = found.categories == 1
    best = int(np.where(people, found.confidences, 0).argmax())
    detected = load_detector(discover(safe_mode=True).open_file(weights.path_of(catalog.entry("yolo11n"))))
    expected = next(one for one in detected.detect(rgb) if one.label == "person")
    assert found.confidences[best] == pytest.approx(expected.confidence, abs=1e-3)
    assert box_overlap(Box(*found.boxes[best]), bounds(expected.shape)).iou > 0.99


def test_the_head_on_numpy_says_what_the_network_on_torch_learns() -> None:
    import torch

    from labeler.training.instant.fit import Fitting

    seen = sight((300, 640))
    names = ("a", "person")
    coco = instant_head.coco_weights(names, DetectorEyes().layers)
    fitting = Fitting([some_example(seen), some_example(seen)], coco, names, Config(width=8), steps=3, seed=1)
    head = fitting.run(lambda *_: None)
    found = head.look(seen, 0.0)
    shown = some_example(seen)
    with torch.inference_mode():
        sides, logits = fitting._forward(shown, np.arange(len(shown.seen)), None)
    cells = cells_of(shapes_in(seen.arrays))
    place = place_of(seen.size)
    everywhere = cells.centres[place.covers(cells.centres)]
    there = [int(np.flatnonzero((everywhere == one).all(axis=1))[0]) for one in shown.cells.centres[:200]]
    expected = logits.sigmoid().numpy()[:200]
    np.testing.assert_allclose(found.confidences.reshape(-1, 2)[there], expected, atol=2e-3)
    boxes = place.to_image(boxes_of(sides.numpy(), shown.cells.centres, shown.cells.strides)[:200])
    np.testing.assert_allclose(found.boxes.reshape(-1, 2, 4)[there, 0], boxes, atol=0.5)


def some_example(seen: Embedding) -> Example:
    """Two objects on an image of 300 rows and 640 columns."""
    cells = cells_of(shapes_in(seen.arrays))
    boxes = np.array([[20.0, 30.0, 120.0, 160.0], [300.0, 50.0, 340.0, 90.0]])
    place = place_of(seen.size)
    objects = Objects(place.to_input(boxes), np.array([0, 1]), np.zeros((0, 4)))
    values = seen_in(seen.arrays)
    return example(values, cells, place.covers(cells.centres), objects, np.random.default_rng(1))


def test_only_cells_inside_the_image_speak() -> None:
    whole, flat = (some_head().look(sight(size), 0.0).boxes for size in ((500, 500), (250, 500)))
    assert len(whole) == 2 * (80**2 + 40**2 + 20**2)
    assert len(flat) == 2 * (80 * 40 + 40 * 20 + 20 * 10)
    assert (flat >= 0).all()
    assert (flat <= [500, 250, 500, 250]).all()


def test_what_was_learnt_can_be_taken_back() -> None:
    head = some_head()
    nothing = head.with_trust(0.0, {1: 0.0})
    assert not nothing.weights["category0.weight"][1].any()
    assert nothing.weights["category0.weight"][0].any()
    assert not nothing.weights["box2.weight"].any()
    assert head.weights["box2.weight"].any()


def test_a_head_comes_back_from_its_file(tmp_path) -> None:
    head, path = some_head(), tmp_path / "head.safetensors"
    instant_head.save(head, path, "my run")
    about = read_made(path, "instant")
    assert (about.categories, about.config_as(Config), about.title) == (head.names, head.config, "my run")
    again = instant_head.load(path)
    seen = sight((50, 60))
    np.testing.assert_array_equal(again.look(seen, 0.5).boxes, head.look(seen, 0.5).boxes)


@pytest.mark.parametrize("damage", ["name", "shape", "nan"])
def test_weights_that_do_not_fit_are_refused(tmp_path, damage) -> None:
    head, path = some_head(), tmp_path / "head.safetensors"
    if damage == "name":
        head.weights["other"] = head.weights.pop("box1.bias")
    elif damage == "shape":
        head.weights["box1.bias"] = np.zeros(3, dtype=np.float32)
    else:
        head.weights["box1.bias"] = np.full(64, np.nan, dtype=np.float32)
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


def test_a_head_of_the_first_version_is_refused(tmp_path) -> None:
    path = tmp_path / "old.safetensors"
    config = {"dimensions": 48, "width": 128, "embeddings": "print"}
    array = {"head.level": np.zeros(4, dtype=np.float32)}
    made_file.save(path, array, maker="instant", categories=["a"], config=config, title="old")
    spec = discover(safe_mode=True).open_file(path)
    with pytest.raises(ModelError, match=r"“old.safetensors” is of an older version of Instant; train it"):
        load_detector(spec)


def test_an_object_is_asked_of_cells_within_it_that_fit_it() -> None:
    overlaps = np.zeros((40, 2), dtype=np.float32)
    overlaps[:15, 0] = np.linspace(0.3, 0.9, 15)
    overlaps[14, 1] = 0.95
    overlaps[20:22, 1] = (0.5, 0.4)
    inside = overlaps > 0
    inside[13, 0] = False
    wanted = assigned(np.full((40, 2), 0.1, dtype=np.float32), overlaps, inside)
    first = wanted.positive[wanted.objects == 0]
    assert first.tolist() == list(range(4, 13))
    assert wanted.positive[wanted.objects == 1].tolist() == [14, 20, 21]
    assert wanted.scores[wanted.objects == 1].max() == pytest.approx(0.95)
    assert wanted.scores[wanted.objects == 0].max() == pytest.approx(overlaps[12, 0])
    assert (wanted.scores > 0).all()


def test_nothing_is_asked_outside_the_image_and_where_it_is_unclear() -> None:
    seen = sight((300, 640))
    cells = cells_of(shapes_in(seen.arrays))
    crowd = np.array([[0.0, 0.0, 200.0, 200.0]])
    objects = Objects(np.zeros((0, 4)), np.zeros(0, dtype=np.intp), crowd)
    covered = place_of(seen.size).covers(cells.centres)
    shown = example(seen_in(seen.arrays), cells, covered, objects, np.random.default_rng(1))
    assert not len(shown.near)
    assert len(shown.far) == len(shown.seen) == 1000
    assert place_of(seen.size).covers(shown.cells.centres).all()
    assert not (shown.cells.centres < 200).all(axis=1).any()


def test_every_cell_in_an_object_may_find_it() -> None:
    shown = some_example(sight((300, 640)))
    assert within(shown.cells.centres[shown.near], shown.boxes).any(axis=1).all()
    assert not within(shown.cells.centres[shown.far], shown.boxes).any()
    assert set(shown.cells.strides[shown.near]) == set(STRIDES)


def test_confidences_come_to_say_how_often_they_are_right() -> None:
    random = np.random.default_rng(4)
    said = random.uniform(0.02, 0.98, 4000)
    right = random.random(4000) < said**2
    slope, shift = head_check.calibrated(said, right)
    corrected = 1 / (1 + np.exp(-(slope * np.log(said / (1 - said)) + shift)))
    for low, high in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8)):
        chosen = (corrected > low) & (corrected < high)
        assert right[chosen].mean() == pytest.approx(corrected[chosen].mean(), abs=0.06)
    assert head_check.calibrated(np.zeros(0), np.zeros(0, dtype=np.bool_)) == (1.0, 0.0)
    few = head_check.calibrated(np.array([0.9]), np.array([False]))
    assert few[0] == pytest.approx(1.0, abs=0.6)
    assert abs(few[1]) < 0.6


@pytest.mark.parametrize(
    ("objects", "most", "steps"), [(1, 240, 61), (100, 240, 160), (999, 240, 240), (9, 20, 20)]
)
def test_few_objects_are_learnt_from_in_fewer_steps(objects, most, steps) -> None:
    assert instant_trainer.steps_for(objects, most=most) == steps


def test_each_image_is_held_out_once() -> None:
    assert sorted(place for part in head_check.parts_of(10, 1) for place in part) == list(range(10))
    assert len(head_check.parts_of(10, 1)) == 3
    assert head_check.parts_of(2, 1) == []


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


def outline(kind: str, box: list[int]) -> list[float]:
    """The polygon of a disc or a block, as x, y, x, y ..."""
    x, y, width, height = box
    if kind == "block":
        return [x, y, x + width, y, x + width, y + height, x, y + height]
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    corners = np.stack([x + width / 2 * (1 + np.cos(turns)), y + height / 2 * (1 + np.sin(turns))], axis=1)
    return corners.ravel().tolist()


def written(path: Path, images: list[tuple[Path, list[tuple[str, list[int]]]]]) -> None:
    """COCO JSON of images with boxes."""
    annotations = [
        {
            "image_id": number,
            "category_id": KINDS.index(kind) + 1,
            "bbox": box,
            "segmentation": [outline(kind, box)],
            "area": 1,
            "iscrowd": 0,
        }
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
    assert set(steps[0].losses) == {"loss", "class", "box", "side"}
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
    image = run.train_set().images[0].path
    assert model.detect_file(image, read_pixels(image).rgb)
    monkeypatch.setattr(embedder, "read_pixels", lambda *_: pytest.fail("its pixels are read to be encoded"))
    assert model.detect_file(image, read_pixels(image).rgb)
    after = instant_head.load(trained(run, []))
    for name, values in before.weights.items():
        np.testing.assert_array_equal(values, after.weights[name], err_msg=name)


def test_an_image_that_was_not_encoded_is_and_stays_so(run, first) -> None:
    model = load_detector(discover(safe_mode=True).open_file(first[0]))
    other = run.path / "other.png"
    drawn_image(other, np.random.default_rng(11))
    fingerprint = DetectorEyes().fingerprint
    cache = EmbeddingCache(paths.cache_dir() / "embeddings")
    assert cache.get(fingerprint, content_digest(other)) is None
    by_file = model.detect_file(other, read_pixels(other).rgb)
    assert cache.get(fingerprint, content_digest(other)) is not None
    by_pixels = model.detect(read_pixels(other).rgb)
    assert [one.label for one in by_file[:2]] == [one.label for one in by_pixels[:2]]


def test_boxes_come_back_as_boxes_where_masks_fit_no_better(run, monkeypatch) -> None:
    for file in (run.train_labels, run.validation_labels):
        labels = json.loads(file.read_bytes())
        for one in labels["annotations"]:
            del one["segmentation"]
        file.write_bytes(msgspec.json.encode(labels))
    monkeypatch.setattr(head_check, "gain_of_masks", lambda pairs: -0.1 if pairs else 1.0)
    events: list = []
    model = load_detector(discover(safe_mode=True).open_file(trained(run, events)))
    notes = [event.sentence for event in events if isinstance(event, Note)]
    assert "On images held out (5 in 3 parts): AP50 " in notes[0]
    assert "boxes, for masks fit what is labelled no better" in notes[0]
    image = run.validation_set().images[0].path
    found = model.detect_file(image, read_pixels(image).rgb)
    assert isinstance(found[0].shape, Box)


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


def test_a_head_of_other_eyes_is_refused(tmp_path) -> None:
    path = tmp_path / "old.safetensors"
    instant_head.save(some_head(), path, "old")
    spec = discover(safe_mode=True).open_file(path)
    with pytest.raises(ModelError, match="another version of YOLO11n"):
        load_detector(spec)


class Guessing:
    """A segmenter that gives the same answer to every prompt."""

    def __init__(self, *answers: Proposal) -> None:
        self.answers = answers
        self.asked = 0

    def segment(self, *_, **__):
        self.asked += 1
        return self.answers


def found_box(confidence: float, x: float = 10) -> Candidate:
    return Candidate(0, 0, 0, 0, Box(x, 10, x + 20, 30), confidence, "a")


def test_a_box_stands_where_no_mask_is_found_or_one_of_something_else() -> None:
    embedding = Embedding({}, (50, 60))
    far = Proposal(Mask(40, 40, np.ones((5, 5), dtype=np.bool_)), 0.9, np.zeros((1, 1), dtype=np.float32))
    for segmenter in (Guessing(), Guessing(far)):
        (one,) = objects.drawn((found_box(0.8),), segmenter, embedding)
        assert one == found_box(0.8)
        assert segmenter.asked == 1


def test_only_what_is_likely_is_drawn() -> None:
    near = Proposal(Mask(11, 10, np.ones((20, 19), dtype=np.bool_)), 0.9, np.zeros((1, 1), dtype=np.float32))
    segmenter = Guessing(near)
    given = (found_box(0.9), found_box(0.5), *(found_box(0.05, x) for x in range(12, 30)))
    drawn = objects.drawn(given, segmenter, Embedding({}, (50, 60)))
    assert segmenter.asked == 2
    assert [isinstance(one.shape, Mask) for one in drawn] == [True, True] + [False] * 18
    assert [one.confidence for one in drawn] == [one.confidence for one in given]


def test_one_object_is_not_found_twice() -> None:
    head = some_head()
    found = objects.boxes_found(head, sight((200, 300)), floor=0.3)
    assert 0 < len(found) <= 100
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)
    corners = head_check.corners_of(found)
    for name in head.names:
        own = corners[[one.label == name for one in found]]
        assert (box_iou(own, own) - np.eye(len(own))).max(initial=0) <= 0.6
