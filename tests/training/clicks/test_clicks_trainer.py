"""The trainer of clicks on photos of generated things, by real files and the real decoder."""

import cv2
import msgspec
import numpy as np
import pytest

from labeler.core.records import Box, Prompt
from labeler.errors import LabelerError, ModelError
from labeler.models.files import made, safetensors_file
from labeler.models.protocols import Embedding, Segmenter
from labeler.models.sam import clicks_file
from labeler.models.sam.clicks_file import Gate, Taught
from labeler.models.sam.mobile_sam import DECODER, SPEC
from labeler.models.sam.onnx_decoder import LEARNT, MASKS, OpenDecoder, read_decoder
from labeler.models.threads import THREADS_VARIABLE
from labeler.registry import discover
from labeler.training.clicks import trainer
from labeler.training.clicks.held_out import LEAST, gates, is_better
from labeler.training.clicks.lessons import Target, covered, lessons
from labeler.training.events import Epoch, Note, unheard
from labeler.training.preparation import prepare
from labeler.training.run import RunFolder, RunSpec
from labeler.training.specs import StoppedError
from tests.cli.typed import labeler

SIZE = (240, 320)


@pytest.fixture(autouse=True)
def _once(monkeypatch):
    monkeypatch.setattr(trainer, "VIEWS", 1)
    monkeypatch.setenv(THREADS_VARIABLE, "1")


def never() -> bool:
    return False


def embedding(seed: int = 0) -> Embedding:
    values = 0.02 * np.random.default_rng(seed).normal(size=(1, 256, 64, 64)).astype(np.float32)
    return Embedding({"image": values}, SIZE)


def disc(x: int, y: int, radius: int) -> np.ndarray:
    bits = np.zeros(SIZE, np.uint8)
    cv2.circle(bits, (x, y), radius, 1, -1)
    return bits.astype(np.bool_)


def target(bits: np.ndarray) -> Target:
    rows, columns = np.nonzero(bits)
    box = Box(float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
    return Target(embedding().arrays["image"], SIZE, box, covered(bits))


def run_folder(path, *, images: int = 4, shape: str = "outline", share: float = 0.25) -> RunFolder:
    """A prepared run of photos that differ, with a disc on each."""
    random = np.random.default_rng(0)
    (path / "photos").mkdir(parents=True)
    annotations = []
    for number in range(1, images + 1):
        photo = random.integers(0, 255, (*SIZE, 3), dtype=np.uint8)
        cv2.imwrite(str(path / "photos" / f"{number}.png"), photo)
        ring = [(80 + 40 * np.cos(t), 120 + 40 * np.sin(t)) for t in np.linspace(0, 6, 20)]
        flat = [float(value) for point in ring for value in point]
        one = {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0}
        one |= {"bbox": [40, 80, 80, 80], "area": 5000}
        annotations.append(one | ({"segmentation": [flat]} if shape == "outline" else {}))
    named = [
        {"id": n, "file_name": str(path / "photos" / f"{n}.png"), "height": SIZE[0], "width": SIZE[1]}
        for n in range(1, images + 1)
    ]
    labels = {"images": named, "annotations": annotations, "categories": [{"id": 1, "name": "disc"}]}
    spec = RunSpec(trainer="clicks", name="My discs", validation_share=share)
    folder = RunFolder.create(path / "run", spec)
    folder.source.write_bytes(msgspec.json.encode(labels))
    prepare(folder, unheard, never, needs_masks=True)
    return folder


def train(folder: RunFolder, *, told=None, should_stop=never):
    return trainer.train(
        folder,
        lambda path: embedding(int(path.stem)),
        steps=3,
        report=(told if told is not None else []).append,
        should_stop=should_stop,
    )


def test_a_run_makes_a_model_of_the_sam_tools_that_reads_mobilesams_embeddings(tmp_path, monkeypatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(trainer, "LEAST", 1)
    path = train(run_folder(tmp_path), told=told)
    spec = discover(safe_mode=True).open_file(path)
    assert (spec.title, spec.task, spec.categories) == ("My discs", "segmenter", ())
    assert spec.fingerprint == SPEC.fingerprint
    model = spec.load()
    assert isinstance(model, Segmenter)
    proposals = model.segment(embedding(), Prompt(box=Box(40, 80, 120, 160)), threads=1)
    assert len(proposals) == 3
    taught = made.read(path).config_as(Taught)
    assert taught.lessons == 3
    assert [gate.objects for gate in taught.gates] == [1, 1]
    assert taught.kinds == ()  # one held-out object tells nothing for sure
    plain = SPEC.load().segment(embedding(), Prompt(box=Box(40, 80, 120, 160)), threads=1)
    np.testing.assert_array_equal(plain[0].logits, proposals[0].logits)
    (epoch,) = (event for event in told if isinstance(event, Epoch))
    assert {"IoU 1 click", "MobileSAM IoU 3 clicks", "IoU box"} <= epoch.metrics.keys()
    assert epoch.metrics["IoU box"] == epoch.metrics["MobileSAM IoU box"]
    (note,) = (event.sentence for event in told if isinstance(event, Note))
    assert note.startswith("On 1 held-out objects: by a click IoU ")
    assert note.endswith(" (not used, since it is not surely better).")


def test_without_held_out_images_each_half_judges_the_other_the_same_each_time(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(trainer, "LEAST", 4)
    first, second = (train(run_folder(tmp_path / name, share=0.0)) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    taught = made.read(first).config_as(Taught)
    assert taught.lessons == 4
    assert [gate.objects for gate in taught.gates] == [4, 4]


def test_of_many_images_some_are_held_out(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(trainer, "_ENOUGH", 1)
    taught = made.read(train(run_folder(tmp_path, share=0.0))).config_as(Taught)
    assert taught.lessons == 3
    assert taught.gates[0].objects == 1


def test_objects_that_are_only_boxes_teach_nothing(tmp_path) -> None:
    with pytest.raises(LabelerError, match="only boxes"):
        run_folder(tmp_path, shape="box")


def test_too_few_objects_are_refused_in_a_sentence(tmp_path) -> None:
    with pytest.raises(LabelerError, match="takes 10 outlined objects on several images"):
        train(run_folder(tmp_path))


def test_it_stops_when_asked(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(trainer, "LEAST", 1)
    folder = run_folder(tmp_path)
    with pytest.raises(StoppedError):
        train(folder, should_stop=lambda: True)
    assert not (folder.path / "weights.safetensors").exists()


def test_the_lessons_of_an_object_hold_it_and_stand_for_the_whole_photo() -> None:
    bits = disc(100, 100, 40)
    decoder = OpenDecoder(DECODER.path, 1)
    found = list(lessons(target(bits), decoder, np.random.default_rng(0)))
    assert [one.kind for one in found] == ["point", "point", "point", "box"]
    assert [one.lone for one in found] == [True, False, False, False]
    for one in found:
        assert one.weights.sum() == pytest.approx(64 * 64)
        assert one.truth.sum() == pytest.approx(bits.sum() * (256 / 320) ** 2, rel=0.01)
        assert one.cells.shape == (len(one.weights), 256)


def test_an_object_too_small_for_the_model_is_no_lesson() -> None:
    tiny = np.zeros((2000, 3000), dtype=np.bool_)
    tiny[5:7, 5:7] = True
    one = Target(embedding().arrays["image"], (2000, 3000), Box(5, 5, 7, 7), covered(tiny))
    assert list(lessons(one, OpenDecoder(DECODER.path, 1), np.random.default_rng(0))) == []


def test_teaching_brings_the_masks_nearer_to_what_was_outlined() -> None:
    from labeler.training.clicks.teaching import Teaching

    found = list(lessons(target(disc(100, 100, 40)), OpenDecoder(DECODER.path, 1), np.random.default_rng(0)))
    teaching, losses = Teaching(read_decoder(DECODER.path), seed=0), []
    teaching.run(found, 12, lambda _, loss: losses.append(loss["loss"]))
    assert losses[-1] < 0.8 * losses[0]
    names = {name.removeprefix(MASKS) for name in read_decoder(DECODER.path)}
    assert teaching.learnt().keys() == {name for name in names if name.startswith(LEARNT)}


def test_the_gate_opens_only_where_the_gain_is_surely_above_none() -> None:
    noise = np.linspace(-0.1, 0.1, 20)
    assert is_better(noise + 0.05)
    assert not is_better(noise + 0.005)
    assert not is_better(noise - 0.05)
    assert not is_better(np.full(LEAST - 1, 0.2))
    before = [{"point": (0.5, 0.6, 0.7), "box": (0.8,)}] * LEAST
    after = [{"point": (0.6, 0.6 + 0.001 * n, 0.7), "box": (0.79,)} for n in range(LEAST)]
    point, box = gates(before, after)
    assert point.is_open
    assert not box.is_open
    assert point.told == "a click IoU 0.50 → 0.60"
    assert Taught("", (point, box), 1).told == "learnt: a click IoU 0.50 → 0.60"


def test_a_file_that_does_not_fit_is_refused_in_a_sentence(tmp_path) -> None:
    path = tmp_path / "a.safetensors"
    names = {name.removeprefix(MASKS): values for name, values in read_decoder(DECODER.path).items()}
    own = {name: values for name, values in names.items() if name.startswith(LEARNT)}
    gate = Gate("point", 9, (0.5,), (0.6,), is_open=True)
    open_file = discover(safe_mode=True).open_file

    clicks_file.save(path, own, Taught("another", (gate,), 1), categories=(), title="t")
    with pytest.raises(ModelError, match="taught from another version of MobileSAM; train it again"):
        open_file(path).load()
    ours = Taught(DECODER.sha256, (gate,), 1)
    own["output_upscaling.0.bias"] = np.full(64, np.nan, dtype=np.float32)
    clicks_file.save(path, own, ours, categories=(), title="t")
    with pytest.raises(ModelError, match="train it again"):
        open_file(path).load()
    safetensors_file.save(path, {}, {"labeler": "clicks", "format": "1", "categories": "[]", "config": "{"})
    with pytest.raises(ModelError, match="train it again"):
        open_file(path)


@pytest.mark.slow
def test_from_the_command_line_a_run_teaches_and_is_measured(tmp_path) -> None:
    (tmp_path / "images").mkdir()
    random = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(1, 7):
        pixels = random.integers(20, 60, (*SIZE, 3)).astype(np.uint8)
        name = f"photo {number}.png"
        images.append({"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]})
        for x in (80, 220):
            cv2.circle(pixels, (x, 100 + 10 * number), 40, (230, 220, 210), -1)
            ring = cv2.ellipse2Poly((x, 100 + 10 * number), (40, 40), 0, 0, 360, 10)[:-1].astype(float) + 0.5
            one = {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0}
            one |= {"bbox": [x - 40, 60 + 10 * number, 81, 81], "area": 5000}
            annotations.append({**one, "segmentation": [ring.ravel().tolist()]})
        cv2.imwrite(str(tmp_path / "images" / name), pixels)
    labels = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "disc"}]}
    (tmp_path / "labels.json").write_bytes(msgspec.json.encode(labels))
    given = (str(tmp_path / "labels.json"), "--images", str(tmp_path / "images"))
    run = str(tmp_path / "run")
    done = labeler("train", *given, "--model", "clicks", "--set", "steps=20", "--out", run)
    assert done.returncode == 0, done.stderr
    assert "held-out objects: by a click IoU" in done.stderr
    for prompts in (("--clicks", "2"), ("--prompts", "box")):
        out = str(tmp_path / "masks.json")
        measured = labeler("segment", *given, "--model", run, *prompts, "--out", out)
        assert measured.returncode == 0, measured.stderr
        assert "12 objects" in measured.stdout
