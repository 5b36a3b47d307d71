"""Training a U-Net on a run's folder: what is learnt from, how it is judged, and that it goes on."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch

from labeler.core.measures.overlap import mask_iou
from labeler.core.records import Annotation, Box, Mask
from labeler.errors import LabelerError, ModelError
from labeler.models.files import safetensors_file
from labeler.models.prediction import load_detector
from labeler.models.protocols import Detector, ModelSpec, SemanticSegmenter
from labeler.registry import discover
from labeler.training.events import Epoch, Finished, Note, Sample, Started, Step
from labeler.training.run import RunFolder, RunSpec
from labeler.training.specs import StoppedError, settings
from labeler.training.unet import trainer as unet_trainer
from labeler.training.unet.augmentation import NONE, Augmentation, augmented_tile, window
from labeler.training.unet.label_maps import UNKNOWN, label_map
from labeler.training.unet.trainer import Judge
from labeler.worker.training_job import train

QUICK = {
    "epochs": 2,
    "size": 32,
    "width": 8,
    "depth": 2,
    "batch": 4,
    "rate": 0.01,
    "mixed_precision": False,
}


@pytest.fixture(autouse=True)
def one_thread():
    """Small work; threads that wait for each other only cost."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trainer():
    return discover(safe_mode=True).trainer("unet")


def filled(x, y, width, height):
    return Mask(x, y, np.ones((height, width), dtype=bool))


def drawn(seed):
    """A picture 52 x 40 with a red disc and a green bar, and their outlines as COCO polygons."""
    rng = np.random.default_rng(seed)
    image = rng.integers(20, 60, (40, 52, 3), dtype=np.uint8)
    x, y = int(rng.integers(10, 22)), int(rng.integers(10, 30))
    polygon = cv2.ellipse2Poly((x, y), (8, 8), 0, 0, 360, 30)
    cv2.fillPoly(image, [polygon], (230, 60, 60))
    left, top = int(rng.integers(33, 42)), int(rng.integers(2, 18))
    image[top : top + 18, left : left + 7] = (50, 220, 60)
    bar = [left, top, left + 7, top, left + 7, top + 18, left, top + 18]
    return image, [(1, polygon.ravel().tolist()), (2, bar)]


def write_part(folder, name, seeds):
    images, annotations = [], []
    for seed in seeds:
        image, found = drawn(seed)
        cv2.imwrite(str(folder.images / f"{seed}.png"), image[..., ::-1])
        images.append({"id": seed, "file_name": f"{seed}.png", "width": 52, "height": 40})
        for category, polygon in found:
            xs, ys = polygon[::2], polygon[1::2]
            box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": seed,
                    "category_id": category,
                    "segmentation": [polygon],
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 1, "name": "disc"}, {"id": 2, "name": "bar"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder.path / name).write_text(json.dumps(content))


def prepared(path, **options):
    """A run's folder with 6 images to learn from and 2 to be judged on."""
    folder = RunFolder.create(path, RunSpec("unet", "Discs and bars", QUICK | options, seed=3))
    folder.images.mkdir()
    write_part(folder, "train.json", range(1, 7))
    write_part(folder, "held_out.json", range(7, 9))
    return folder


def never():
    return False


# --- label maps ---------------------------------------------------------------------------------------
def test_the_smaller_of_two_overlapping_objects_wins():
    large, small = (
        Annotation(1, 1, 7, filled(0, 0, 4, 3)),
        Annotation(2, 1, 5, filled(1, 1, 2, 1)),
    )
    for order in ((large, small), (small, large)):
        found = label_map(order, {5: 0, 7: 1}, (3, 5))
        assert found.tolist() == [[2, 2, 2, 2, 0], [2, 1, 1, 2, 0], [2, 2, 2, 2, 0]]


def test_nothing_is_known_within_crowds_and_boxes_but_where_an_outline_is():
    crowd = Annotation(1, 1, 5, filled(0, 0, 3, 1), crowd=True)
    box = Annotation(2, 1, 5, Box(3, 0, 5, 1))
    outlined = Annotation(3, 1, 5, filled(2, 0, 2, 1))
    found = label_map((outlined, crowd, box), {5: 0}, (1, 6))
    assert found.tolist() == [[UNKNOWN, UNKNOWN, 1, 1, UNKNOWN, 0]]


def test_a_seam_runs_where_objects_of_one_category_touch():
    annotations = tuple(
        Annotation(number, 1, category, filled(x, 0, 3, 1))
        for number, (category, x) in enumerate([(5, 0), (5, 3), (7, 6)], 1)
    )
    assert label_map(annotations, {5: 0, 7: 1}, (1, 9), seams=True).tolist() == [[1, 1, 0, 0, 1, 1, 2, 2, 2]]
    assert label_map(annotations, {5: 0, 7: 1}, (1, 9)).tolist() == [[1, 1, 1, 1, 1, 1, 2, 2, 2]]


# --- tiles --------------------------------------------------------------------------------------------
def picture(height, width):
    """An image whose red says what its label is, so that both can be seen to move together."""
    labels = np.zeros((height, width), dtype=np.int16)
    labels[: height // 2, : width // 3] = 1
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[..., 0] = labels * 200
    return image, labels


def test_a_window_beyond_the_image_is_mirrored_and_unknown():
    image, labels = picture(6, 9)
    pixels, classes = window(image, labels, (0, 0), 8)
    assert pixels.shape == (3, 8, 8)
    assert (classes[:4] == UNKNOWN).all()
    assert classes[4:, 4:].tolist() == labels[:4, :4].tolist()
    assert pixels[0, 3, 4:].tolist() == image[0, :4, 0].tolist()


@pytest.mark.parametrize("how", [NONE, Augmentation(colour=0.0), Augmentation(colour=0.0, any_way_up=True)])
def test_pixels_and_classes_move_together(how):
    image, labels = picture(60, 70)
    around = window(image, labels, (30, 30), 2 * int(np.ceil(24 * how.reach / 2)))
    for number in range(12):
        pixels, classes = augmented_tile(*around, 24, how, np.random.default_rng(number))
        assert pixels.shape == (3, 24, 24)
        assert classes.shape == (24, 24)
        assert (pixels.dtype, classes.dtype) == (torch.uint8, torch.int16)
        known = classes != UNKNOWN
        agree = (pixels[0] > 100) == (classes == 1)
        assert agree[known].float().mean() > 0.95  # edges are blurred where it was turned


def test_what_is_drawn_by_chance_depends_on_the_generator_alone():
    around = window(*picture(60, 70), (30, 30), 40)
    first, second = (
        augmented_tile(*around, 24, Augmentation(), np.random.default_rng(5))[0] for _ in range(2)
    )
    torch.manual_seed(9)
    assert torch.equal(first, second)
    other = augmented_tile(*around, 24, Augmentation(), np.random.default_rng(6))[0]
    assert not torch.equal(first, other)


# --- metrics ------------------------------------------------------------------------------------------
def test_iou_and_dice_count_the_pixels_of_all_images():
    judge = Judge(("cell", "crack", "nothing"))
    judge.add(np.array([[1, 1, 0, 0]]), np.array([[1, 1, 1, 0]]))
    judge.add(np.array([[1, 2, 2, 1]]), np.array([[1, 0, 2, UNKNOWN]]))
    found = judge.metrics()
    assert found["IoU cell"] == pytest.approx(3 / 4)
    assert found["Dice cell"] == pytest.approx(6 / 7)
    assert found["IoU crack"] == pytest.approx(1 / 2)
    assert found["IoU"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found["boundary IoU crack"] == pytest.approx(1 / 2)
    assert found["boundary IoU cell"] == pytest.approx((2 / 3 + 1) / 2)
    assert "IoU nothing" not in found


# --- runs ---------------------------------------------------------------------------------------------
def test_a_run_ends_with_a_model_that_predicts(tmp_path, trainer):
    folder, said = prepared(tmp_path / "run", epochs=8), []
    path = trainer.train(folder, said.append, never)
    started = next(one for one in said if isinstance(one, Started))
    assert (started.epochs, started.batch) == (8, 4)
    steps = [one for one in said if isinstance(one, Step)]
    assert set(steps[-1].losses) == {"loss", "cross-entropy", "Dice"}
    epochs = [one for one in said if isinstance(one, Epoch)]
    best = max(epochs, key=lambda one: one.metrics["IoU"])
    assert best.metrics["IoU"] > 0.7
    assert {"IoU disc", "Dice bar", "boundary IoU"} < set(best.metrics)
    samples = [one for one in said if isinstance(one, Sample)]
    assert {one.image for one in samples} == {"7.png", "8.png"}
    assert all((folder.path / one.picture).is_file() for one in samples)

    spec = discover(safe_mode=True).open_file(path)
    assert (spec.title, spec.task, spec.categories) == ("Discs and bars", "semantic", ("disc", "bar"))
    assert not spec.needs_suppression
    model = load_detector(spec)
    assert isinstance(model, SemanticSegmenter)
    validation = folder.validation_set()
    scores = []
    for one in validation.images:
        rgb = cv2.imread(str(one.path))[..., ::-1]
        assert model.label(rgb).shape == (3, 40, 52)
        found = model.detect(rgb)
        assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)
        truth = [label_map((each,), {1: 0, 2: 0}, one.size) == 1 for each in one.annotations]
        ious = mask_iou([candidate.shape for candidate in found], [Mask(0, 0, bits) for bits in truth])
        scores += ious.max(axis=0).tolist()
        assert {candidate.label for candidate in found[:2]} == {"disc", "bar"}
    assert np.mean(scores) > 0.7


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path, trainer):
    whole = trainer.train(prepared(tmp_path / "whole"), lambda _: None, never)
    folder, steps = prepared(tmp_path / "stopped"), []

    def asked():
        steps.append(1)
        return len(steps) > 17  # within the second epoch

    with pytest.raises(StoppedError):
        trainer.train(folder, lambda _: None, asked)
    said = []
    resumed = trainer.train(folder, said.append, never)
    assert next(one for one in said if isinstance(one, Started)).first_epoch == 2
    expected = safetensors_file.load(whole)
    assert all(
        np.array_equal(array, expected[name]) for name, array in safetensors_file.load(resumed).items()
    )


def test_from_labels_to_a_registered_model(tmp_path):
    """The whole way of the command line and the window, on labels of which one is only a box."""
    source = prepared(tmp_path / "source")
    content = json.loads(source.train_labels.read_text())
    content["annotations"][0]["segmentation"] = []
    source.train_labels.write_text(json.dumps(content))
    folder = RunFolder.create(tmp_path / "run", RunSpec("unet", "Discs", QUICK, validation_share=0.34))
    registry, said = discover(safe_mode=True), []
    train(folder, registry, said.append, never, labels=source.train_labels, images=source.images)
    finished = said[-1]
    assert isinstance(finished, Finished), said[-1]
    assert {"IoU", "Dice disc", "mask AP50"} <= set(finished.metrics)
    at_hand = registry.at_hand("detector")
    assert "Discs" in {spec.title for spec in at_hand.values()}


@pytest.mark.parametrize(
    "options",
    [
        {"images": "resize", "size": 24},
        {"focal": 1.0, "boundary": 0.1, "class_weights": True, "any_way_up": True, "seams": False},
        {"cross_entropy": 0.0, "augment": False, "mixed_precision": True, "batch": 8},
    ],
)
def test_other_options_are_learnt_with_too(tmp_path, trainer, options):
    folder, said = prepared(tmp_path / "run", **(options | {"epochs": 1})), []
    path = trainer.train(folder, said.append, never)
    losses = [one.losses["loss"] for one in said if isinstance(one, Epoch)]
    assert np.isfinite(losses).all()
    model = discover(safe_mode=True).open_file(path).load()
    assert model.label(np.zeros((33, 71, 3), np.uint8)).shape == (3, 33, 71)


def test_a_run_without_outlines_says_what_to_do(tmp_path, trainer):
    folder = prepared(tmp_path / "run")
    content = json.loads(folder.train_labels.read_text())
    for annotation in content["annotations"]:
        annotation["segmentation"] = []
    folder.train_labels.write_text(json.dumps(content))
    with pytest.raises(LabelerError, match="There are no outlines"):
        trainer.train(folder, lambda _: None, never)


def test_objects_that_are_only_boxes_are_told_of(tmp_path, trainer):
    folder, said = prepared(tmp_path / "run", epochs=1), []
    content = json.loads(folder.train_labels.read_text())
    content["annotations"][0]["segmentation"] = []
    folder.train_labels.write_text(json.dumps(content))
    trainer.train(folder, said.append, never)
    assert [one.sentence[:26] for one in said if isinstance(one, Note)] == ["1 objects are only boxes; "]


def test_a_run_without_any_loss_says_what_to_do(tmp_path, trainer):
    folder = prepared(tmp_path / "run", cross_entropy=0.0, dice=0.0)
    with pytest.raises(LabelerError, match="set one of them above 0"):
        trainer.train(folder, lambda _: None, never)


def test_a_missing_extra_is_told_before_anything_is_trained(tmp_path, trainer, monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(ModelError, match="extra `pretrained-encoders`"):
        trainer.train(prepared(tmp_path / "run", encoder="resnet18"), lambda _: None, never)


def test_another_encoder_is_trained_and_opened(tmp_path, trainer):
    pytest.importorskip(
        "segmentation_models_pytorch", reason="the extra pretrained-encoders is not installed"
    )
    folder = prepared(tmp_path / "run", encoder="mobilenet_v2", epochs=1)
    spec = discover(safe_mode=True).open_file(trainer.train(folder, lambda _: None, never))
    assert spec.load().label(np.zeros((20, 30, 3), np.uint8)).shape == (3, 20, 30)


def test_a_damaged_model_file_is_refused(tmp_path, trainer):
    path = trainer.train(prepared(tmp_path / "run", epochs=1), lambda _: None, never)
    path.write_bytes(path.read_bytes().replace(b"stem.first.weight", b"stem.third.weight"))
    with pytest.raises(ModelError, match="does not hold the U-Net"):
        discover(safe_mode=True).open_file(path).load()


# --- semantic models as detectors -----------------------------------------------------------------------
class Labelling:
    """A model that labels the brighter half of an image, and nothing else."""

    def label(self, image):
        bright = (image[..., 0] > 127).astype(np.float32) * 0.8 + 0.1
        return np.stack((1 - bright, bright))


def test_a_model_that_only_labels_pixels_is_a_detector_too():
    spec = ModelSpec(id="m", title="M", task="semantic", load=Labelling, categories=("light",))
    model = load_detector(spec)
    assert isinstance(model, Detector)
    image = np.zeros((6, 8, 3), dtype=np.uint8)
    image[1:3, 2:5] = 255
    (found,) = model.detect(image)
    assert (found.label, round(found.confidence, 6)) == ("light", 0.9)
    assert (found.shape.x, found.shape.y, found.shape.bits.all()) == (2, 1, True)


def test_a_run_of_an_older_version_goes_on(tmp_path, trainer):
    """Its folder says `learning_rate` and `tile`, which are called `rate` and `size` now."""
    whole = prepared(tmp_path / "whole", epochs=2, rate=0.02)
    expected = trainer.train(whole, lambda _: None, never).read_bytes()
    folder = prepared(tmp_path / "old", epochs=2, rate=0.02)
    with pytest.raises(StoppedError):
        trainer.train(folder, folder.record, lambda: any(isinstance(one, Epoch) for one in folder.events()))
    spec = json.loads((folder.path / "run.json").read_text())
    spec["options"]["learning_rate"] = spec["options"].pop("rate")
    spec["options"]["tile"] = spec["options"].pop("size")
    (folder.path / "run.json").write_text(json.dumps(spec))
    old = RunFolder(folder.path)
    assert old.spec.options["learning_rate"] == 0.02
    assert trainer.train(old, old.record, never).read_bytes() == expected
    assert [one.epoch for one in old.events() if isinstance(one, Epoch)] == [1, 2]


def test_a_former_name_means_the_option_and_gives_way_to_its_name(trainer):
    assert settings(trainer, {"learning_rate": 0.5, "tile": 96}) | {"rate": 0.5, "size": 96} == settings(
        trainer, {"rate": 0.5, "size": 96}
    )
    assert settings(trainer, {"rate": 0.25, "learning_rate": 0.5})["rate"] == 0.25
    with pytest.raises(LabelerError, match=r"“rate” must be at most 1, but is 7"):
        settings(trainer, {"learning_rate": 7.0})


def test_what_trainers_have_in_common_has_one_name_and_one_title():
    titles = {}
    for trainer in discover(safe_mode=True).trainers:
        for option in trainer.options:
            titles.setdefault(option.title, set()).add(option.name)
    assert titles["Learning rate"] == {"rate"}
    assert titles["Epochs"] == {"epochs"}
    assert titles["Start from"] == {"weights"}
    assert {title: names for title, names in titles.items() if len(names) > 1} == {}


def test_settings_of_the_trainer_are_complete(trainer):
    chosen = settings(trainer, {"epochs": 3})
    assert chosen["epochs"] == 3
    assert (chosen["cross_entropy"], chosen["dice"], chosen["focal"]) == (1.0, 1.0, 0.0)
    assert trainer.metric == unet_trainer.METRIC
