import numpy as np
import pytest

from labeler import paths
from labeler.core.geometry import bounds
from labeler.core.measures.overlap import box_overlap
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Mask
from labeler.errors import ModelError
from labeler.models.detections import placed
from labeler.models.detector_eyes import SEEN, STRIDES, DetectorEyes
from labeler.models.files import catalog, weights
from labeler.models.prediction import load_detector
from labeler.models.protocols import Embedding, FileDetector
from labeler.registry import discover
from labeler.training.events import Epoch, Note, Started
from labeler.training.instant import head as instant_head
from labeler.training.instant import look_alikes
from labeler.training.instant.by_likeness import Labelled, by_likeness
from labeler.training.instant.look_alikes import described, likeness, looked_for, prototype, sight_of
from labeler.training.instant.objects import boxes_found
from labeler.training.run import RunFolder, RunSpec
from tests.training.instant.test_instant_trainer import drawn_image, trained, written


def seen_by_chance(size: tuple[int, int]) -> tuple[Embedding, Embedding]:
    """What detector and segmenter might see of an image of size (H, W)."""
    random = np.random.default_rng(3)
    (height, width), _ = placed(size, side=640, stride=32)
    shapes = {str(stride): (height // stride, width // stride, SEEN) for stride in STRIDES}
    seen = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    image = random.normal(size=(1, 256, 64, 64)).astype(np.float32)
    return Embedding(seen, size), Embedding({"image": image}, size)


def test_nothing_is_more_like_an_object_than_itself() -> None:
    sight = sight_of(*seen_by_chance((300, 600)))
    box = np.array([[100.0, 80.0, 180.0, 160.0]])
    boxes = np.concatenate([box, box + 8, box + np.array([0, 0, 20, 20]), box + 200])
    wanted = prototype(described(sight, box))
    alike = likeness(described(sight, boxes), wanted)
    assert alike[0] == pytest.approx(2, abs=1e-5)
    assert alike[1:].max() < 1.9
    assert alike[3] < alike[1]
    assert np.diff(look_alikes.confidence(np.array([0.5, 1.0, 1.5, 2.0], dtype=np.float32), 2)).min() > 0


def test_a_box_of_another_size_is_not_looked_at() -> None:
    sight = sight_of(*seen_by_chance((300, 600)))
    box = np.array([[100.0, 80.0, 180.0, 160.0]])
    wanted = prototype(described(sight, box))
    places, _ = looked_for(sight, np.concatenate([box + np.array([0, 0, 200, 200]), box, box + 5]), wanted)
    assert sorted(places.tolist()) == [1, 2]
    assert not len(looked_for(sight, np.zeros((0, 4)), wanted)[0])


def test_an_image_and_its_half_are_described_alike(photo) -> None:
    """Boxes mean the same place for the detector and for the segmenter, whatever the image's shape."""
    seen, segmented = seen_by_chance((200, 400))
    half = np.ones_like(segmented.arrays["image"])
    half[..., 32:] = -1
    sight = sight_of(seen, Embedding({"image": half}, (200, 400)))
    # the segmenter's 64 cells are the image's 400 columns, which are the detector's 640
    left, right = described(sight, np.array([[40.0, 90.0, 280.0, 200.0], [360.0, 90.0, 600.0, 200.0]]))
    part = slice(576, 1152)
    rows = left[part].reshape(9, -1), right[part].reshape(9, -1)
    assert all(np.allclose(one, one[0], atol=1e-5) for one in rows), "each lies in one half"
    assert not np.allclose(rows[0][0], rows[1][0], atol=0.01)


def test_without_the_file_that_comes_along_it_says_so(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(paths, "resources", lambda: tmp_path)
    look_alikes.whitening.cache_clear()
    with pytest.raises(ModelError):
        look_alikes.whitening()
    look_alikes.whitening.cache_clear()


@pytest.fixture(scope="module")
def one_disc(tmp_path_factory):
    """A run whose only image has only its disc labelled; another image, and what is on it; and a cache."""
    folder = RunFolder.create(tmp_path_factory.mktemp("run"), RunSpec("instant", "one disc"))
    folder.images.mkdir()
    random = np.random.default_rng(9)
    path, other = folder.images / "0.png", folder.images / "1.png"
    objects, there = drawn_image(path, random), drawn_image(other, random)
    written(folder.train_labels, [(path, objects[:1])])
    written(folder.validation_labels, [])
    return folder, other, there, tmp_path_factory.mktemp("cache")


def test_one_object_is_enough_for_its_look_alike_on_another_image(one_disc, home, monkeypatch) -> None:
    run, other, there, cache = one_disc
    monkeypatch.setenv("LABELER_CACHE_DIR", str(cache))
    events: list = []
    path = trained(run, events)
    assert [type(event) for event in events] == [Started, Note, Epoch, Note]
    assert events[1].sentence == "By look-alikes, for there are few examples: disc (1)."
    model = load_detector(discover(safe_mode=True).open_file(path))
    assert isinstance(model, FileDetector)
    rgb = read_pixels(other).rgb
    found = model.detect_file(other, rgb)
    x, y, width, height = there[0][1]
    assert found[0].label == "disc"
    assert isinstance(found[0].shape, Mask), "masks, as labelled"
    assert box_overlap(bounds(found[0].shape), Box(x, y, x + width, y + height)).iou > 0.7
    assert found[0].confidence > 0.5
    assert all(one.confidence < found[0].confidence for one in found[1:])
    assert [bounds(one.shape) for one in model.detect(rgb)[:1]] == [bounds(found[0].shape)]


def test_a_category_of_coco_is_the_detectors_where_it_knows_the_examples(photo) -> None:
    eyes = DetectorEyes()
    rgb = read_pixels(photo).rgb
    seen, segmented = eyes.embed(rgb), seen_by_chance(rgb.shape[:2])[1]
    plain = load_detector(discover(safe_mode=True).open_file(weights.path_of(catalog.entry("yolo11n"))))
    person = bounds(next(one for one in plain.detect(rgb) if one.label == "person").shape)
    box = np.array([[person.x0, person.y0, person.x1, person.y1]])

    def of(name: str, where: np.ndarray):
        labelled = Labelled(seen, segmented, where, np.array([0]))
        return by_likeness((name,), [labelled], eyes.layers, eyes.fingerprint)

    known = of("person", box)
    assert known.words == "By YOLO11n, which knows it: person."
    assert boxes_found(known.head, seen, segmented)[0].label == "person"
    unseen = of("person", np.array([[0.0, 0.0, 30.0, 30.0]]))
    assert unseen.words == "By look-alikes, for there are few examples: person (1)."
    assert of("walker", box).words == "By look-alikes, for there are few examples: walker (1)."
    found = boxes_found(of("walker", box).head, seen, segmented)
    assert box_overlap(bounds(found[0].shape), person).iou > 0.7


def test_prototypes_come_back_from_their_file(tmp_path) -> None:
    eyes = DetectorEyes()
    seen, segmented = seen_by_chance((300, 600))
    labelled = Labelled(seen, segmented, np.array([[50.0, 50.0, 90.0, 90.0]]), np.array([1]))
    head = by_likeness(("a", "b"), [labelled], eyes.layers, eyes.fingerprint).head
    path = tmp_path / "head.safetensors"
    instant_head.save(head, path, "my run")
    again = instant_head.load(path)
    assert again.config.alike
    portable = discover(safe_mode=True).open_file(path).portable
    assert portable is not None
    with pytest.raises(ModelError, match="stays in the app"):
        portable()
    assert again.weights["alike.counts"].tolist() == [0, 1]
    floor = 1e-6
    one, other = (some.look_alike(seen, segmented, floor) for some in (head, again))
    np.testing.assert_array_equal(one.boxes, other.boxes)
    assert set(one.categories.tolist()) == {1}
    del again.weights["alike.counts"]
    instant_head.save(again, path, "my run")
    with pytest.raises(ModelError, match="do not fit together"):
        instant_head.load(path)
