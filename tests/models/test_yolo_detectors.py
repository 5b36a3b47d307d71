"""YOLO and RT-DETR checkpoints: what they find, how they are opened, and what a hostile one may do."""

import json
import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from labeler.core.geometry import bounds, to_bits
from labeler.core.photos.images import read_pixels
from labeler.core.records import Candidate, Mask
from labeler.core.suppression import suppress
from labeler.errors import ModelError
from labeler.models.portable import export_model
from labeler.models.prediction import load_detector
from labeler.models.protocols import EvaluatedDetector, ModelSpec
from labeler.registry import discover

CHILD = Path(__file__).with_name("ultralytics_child.py")
BACKBONE = "backbone:\n" + "  - [-1, 1, Conv, [16, 3, 2]]\n" * 5
TINY = {
    "plain": ("", "Detect, [nc]", "detect"),
    "segment": ("", "Segment, [nc, 8, 16]", "segment"),
    "ended": ("end2end: True\nreg_max: 1\n", "Detect, [nc]", "detect"),
    "v10": ("", "v10Detect, [nc]", "detect"),
    "rtdetr": ("", "RTDETRDecoder, [nc, 32, 30, 4, 4, 1]", ""),
}
"""Small networks of random weights: settings, head and task of each."""


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One home for the module: ultralytics keeps the one that it was imported with, and exports are kept."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        for kind in ("DATA", "CACHE", "CONFIG", "LOG"):
            patch.setenv(f"LABELER_{kind}_DIR", str(folder / kind.lower()))
        yield folder


@pytest.fixture(scope="module")
def tiny(home, tmp_path_factory) -> dict[str, Path]:
    """The small networks as checkpoints, saved by ultralytics itself."""
    from labeler.models.ultralytics_home import import_ultralytics

    package = import_ultralytics()
    import torch

    folder = tmp_path_factory.mktemp("tiny")
    found = {}
    for name, (settings, head, task) in TINY.items():
        recipe = folder / f"tiny-{name}.yaml"
        recipe.write_text(f"nc: 3\n{settings}{BACKBONE}head:\n  - [[2, 3, 4], 1, {head}]\n")
        torch.manual_seed(1)
        model = package.YOLO(str(recipe), task=task) if task else package.RTDETR(str(recipe))
        _make_sure(model.model.model[-1])
        model.model.names = {0: "cat", 1: "dog", 2: "red fox"}
        found[name] = recipe.with_suffix(".pt")
        model.save(str(found[name]))
    return found


def _make_sure(head) -> None:
    """Spread the confidences, which are all alike at random weights."""
    for part in ("cv3", "one2one_cv3"):
        for branch in getattr(head, part, None) or ():
            branch[-1].weight.data *= 40
            branch[-1].bias.data[:] = -2


@pytest.fixture(scope="module")
def coco_weights() -> Path:
    path = Path(__file__).resolve().parents[3] / "shared/models/yolo/yolov8n-coco.pt"
    if not path.is_file():
        pytest.skip("needs the weights in the folder `shared` beside the checkout")
    return path


def opened(path: Path) -> ModelSpec:
    return discover(safe_mode=True).open_file(path)


def kept(candidates: tuple[Candidate, ...], *, confidence: float, iou: float) -> list[Candidate]:
    sure = [one for one in candidates if one.confidence > confidence]
    boxes = np.array([corners(one) for one in sure]).reshape(-1, 4)
    result = suppress(boxes, [one.confidence for one in sure], [one.label for one in sure], threshold=iou)
    return [sure[index] for index in result.kept]


def corners(candidate: Candidate) -> list[float]:
    box = bounds(candidate.shape)
    return [box.x0, box.y0, box.x1, box.y1]


def reference(path: Path, rgb: np.ndarray, kind: str = "YOLO", **options):
    """What ultralytics' own predictor makes of the image."""
    from labeler.models.ultralytics_home import import_ultralytics

    model = getattr(import_ultralytics(), kind)(str(path))
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    return model.predict(bgr, verbose=False, save=False, device="cpu", **options)[0]


# --- what is found ------------------------------------------------------------------------------------
def test_a_real_checkpoint_finds_what_ultralytics_finds(coco_weights, photo) -> None:
    spec = opened(coco_weights)
    assert (spec.task, spec.needs_suppression, spec.categories[5]) == ("detector", True, "bus")
    rgb = read_pixels(photo).rgb
    model = spec.load()
    candidates = model.detect(rgb)
    assert len(candidates) > 100, "these are after NMS"
    assert all(a.confidence >= b.confidence for a, b in pairwise(candidates))
    assert min(one.confidence for one in candidates) >= 0.001
    ours = kept(candidates, confidence=0.25, iou=0.7)
    theirs = reference(coco_weights, rgb, conf=0.25, iou=0.7)
    labels = [theirs.names[int(index)] for index in theirs.boxes.cls]
    assert [one.label for one in ours] == labels
    assert labels.count("person") >= 3
    np.testing.assert_allclose([corners(one) for one in ours], theirs.boxes.xyxy, atol=1.0)
    np.testing.assert_allclose([one.confidence for one in ours], theirs.boxes.conf, atol=2e-3)
    assert isinstance(model, EvaluatedDetector)
    assert len(model.detect_as_evaluated(rgb)) > len(candidates)  # every class of an anchor


def test_masks_are_those_of_ultralytics(tiny, photo) -> None:
    rgb = read_pixels(photo).rgb
    candidates = opened(tiny["segment"]).load().detect(rgb)
    ours = [one for one in candidates if isinstance(one.shape, Mask)]
    assert len(ours) > 20
    assert all(one.confidence >= 0.05 for one in ours)
    theirs = reference(tiny["segment"], rgb, conf=0.05, iou=0.7, retina_masks=True)
    masks = theirs.masks.data.numpy().astype(bool)
    assert len(masks) >= 3
    for mask, confidence in zip(masks[:20], theirs.boxes.conf[:20], strict=True):
        alike = [one for one in ours if abs(one.confidence - float(confidence)) < 1e-4]
        overlaps = [iou(to_bits(one.shape, rgb.shape[:2]), mask) for one in alike]
        assert max(overlaps) > 0.97


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return np.count_nonzero(a & b) / max(np.count_nonzero(a | b), 1)


@pytest.mark.parametrize("name", ["ended", "v10"])
def test_an_end_to_end_one_needs_no_suppression(tiny, photo, name) -> None:
    spec = opened(tiny[name])
    assert not spec.needs_suppression
    assert spec.categories == ("cat", "dog", "red fox")
    rgb = read_pixels(photo).rgb
    candidates = spec.load().detect(rgb)
    assert len(candidates) == 300
    theirs = reference(tiny[name], rgb, conf=0.001, nms=False)
    ours = np.array([one.confidence for one in candidates])
    np.testing.assert_allclose(ours[: len(theirs)], theirs.boxes.conf.numpy(), atol=2e-3)


def test_rt_detr_predicts_a_set(tiny, photo) -> None:
    spec = opened(tiny["rtdetr"])
    assert (spec.needs_suppression, spec.task) == (False, "detector")
    rgb = read_pixels(photo).rgb
    candidates = spec.load().detect(rgb)
    theirs = reference(tiny["rtdetr"], rgb, "RTDETR", conf=0.001)
    assert len(candidates) == len(theirs) > 5
    confidences = [one.confidence for one in candidates]
    np.testing.assert_allclose(confidences, sorted(theirs.boxes.conf.tolist())[::-1], atol=1e-4)
    first = theirs.boxes.xyxy[theirs.boxes.conf.argmax()].numpy()
    np.testing.assert_allclose(corners(candidates[0]), first, atol=1.0)


# --- exports ------------------------------------------------------------------------------------------
def exports(home: Path) -> list[Path]:
    return sorted((home / "cache" / "exports").glob("*.json"))


def test_without_an_export_torch_finds_the_same(tiny, photo, home, caplog) -> None:
    rgb = read_pixels(photo).rgb
    spec = opened(tiny["plain"])
    (home / "cache").mkdir(exist_ok=True)
    folder, aside = home / "cache" / "exports", home / "cache" / "aside"
    if folder.exists():
        folder.rename(aside)
    folder.write_bytes(b"")  # no folder can be made here
    with caplog.at_level("INFO"):
        by_torch = spec.load().detect(rgb)
    assert "torch is used" in caplog.text
    folder.unlink()
    if aside.exists():
        aside.rename(folder)
    again = spec.load()
    assert any(b'"names"' in path.read_bytes() for path in exports(home))
    by_export = again.detect(rgb)
    assert len(by_export) == pytest.approx(len(by_torch), abs=3)
    np.testing.assert_allclose(
        [one.confidence for one in by_export[:50]], [one.confidence for one in by_torch[:50]], atol=1e-3
    )


def test_a_damaged_export_is_made_anew(tiny, photo, home) -> None:
    rgb = read_pixels(photo).rgb
    spec = opened(tiny["plain"])
    wanted = spec.load().detect(rgb)
    for path in (home / "cache" / "exports").glob("*.onnx"):
        path.write_bytes(path.read_bytes()[:-100])
    assert [one.label for one in spec.load().detect(rgb)[:20]] == [one.label for one in wanted[:20]]


# --- staying at home ----------------------------------------------------------------------------------
def child(path: Path, photo: Path, folder: Path, **own: str) -> dict[str, object]:
    """What a fresh process did that opened the checkpoint and detected: see ultralytics_child.py.

    `own` is its environment beside this one's.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YOLO_")}
    environment |= {
        "HOME": str(folder / "user"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
        **own,
    }
    environment.pop("ULTRALYTICS_SAFE_LOAD", None)
    for name in ("user", "tmp", "work"):
        (folder / name).mkdir(exist_ok=True)
    root = Path(__file__).resolve().parents[2]
    environment["PYTHONPATH"] = str(root)
    done = subprocess.run(
        [sys.executable, CHILD, path, photo],
        cwd=folder / "work",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nothing_is_looked_up_and_nothing_is_left_elsewhere(tiny, photo, tmp_path) -> None:
    home = tmp_path / "fresh"  # one with an export of the network in it would need no ultralytics
    own = {f"LABELER_{kind}_DIR": str(home / kind.lower()) for kind in ("DATA", "CACHE", "CONFIG", "LOG")}
    first = child(tiny["plain"], photo, tmp_path, **own)
    assert first["lookups"] == []
    assert first["candidates"] > 0
    assert first["is_pillow_unpatched"]
    assert first["is_torch_save_unpatched"]
    for name in ("user", "work"):
        assert not list((tmp_path / name).iterdir())
    settings = json.loads((home / "data/ultralytics/Ultralytics/settings.json").read_text())
    assert settings["sync"] is False
    assert all(Path(settings[f"{kind}_dir"]).is_absolute() for kind in ("datasets", "weights", "runs"))


def test_an_exported_one_is_up_without_torch(coco_weights, photo, home, tmp_path) -> None:
    spec = opened(coco_weights)
    spec.load()
    (record,) = [path for path in exports(home) if path.name.startswith(spec.weights[0].sha256[:24])]
    if not json.loads(record.read_text())["faster"]:
        pytest.skip("torch is faster than ONNX Runtime here, so it is used")
    assert child(coco_weights, photo, tmp_path)["is_torch_imported"] is False


# --- files that are not what they should be -----------------------------------------------------------
class _Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


class _Claim:
    """Pickles as an object of a class of ultralytics."""


def checkpoint(path: Path, content: object) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        archive.writestr("archive/version", "3")
    return path


def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path) -> None:
    canary = tmp_path / "canary"
    path = checkpoint(tmp_path / "bad.pt", {"model": _Canary(canary)})
    with pytest.raises(ModelError, match=r"“bad\.pt” is not a model file that can be opened"):
        opened(path)
    assert not canary.exists()


def test_code_hidden_in_a_real_checkpoint_is_not_run(tiny, tmp_path) -> None:
    import torch

    canary = tmp_path / "canary"
    content = torch.load(tiny["plain"], weights_only=False)  # our own file, made above
    torch.save(content | {"train_args": _Canary(canary)}, tmp_path / "hidden.pt")
    spec = opened(tmp_path / "hidden.pt")
    with pytest.raises(ModelError, match=r"hidden\.pt"):
        spec.load()
    assert not canary.exists()


@pytest.mark.parametrize("part", [0, 3, 100, 5000, -200])
def test_a_truncated_one_is_refused_in_a_sentence(tiny, tmp_path, part) -> None:
    path = tmp_path / "cut.pt"
    path.write_bytes(tiny["plain"].read_bytes()[:part])
    with pytest.raises(ModelError, match=r"“cut\.pt” is not a model file"):
        opened(path)


def test_one_that_changed_since_it_was_chosen_is_refused(tiny, tmp_path) -> None:
    path = tmp_path / "changing.pt"
    path.write_bytes(tiny["plain"].read_bytes())
    spec = opened(path)
    path.write_bytes(tiny["v10"].read_bytes())
    with pytest.raises(ModelError, match="has changed since it was chosen"):
        spec.load()
    path.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        spec.load()


def test_a_missing_file_is_told(tmp_path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        opened(tmp_path / "none.pt")
    with pytest.raises(ModelError, match="is not a model file"):
        opened(Path(__file__))


# --- exported to ONNX by ultralytics ------------------------------------------------------------------
@pytest.fixture(scope="module")
def as_onnx(tiny, tmp_path_factory):
    """`as_onnx(name, **options)`: a small network as ultralytics exports it."""
    from labeler.models.ultralytics_home import import_ultralytics

    def export(name: str, **options) -> Path:
        copy = tmp_path_factory.mktemp("exported") / f"{name}.pt"
        copy.write_bytes(tiny[name].read_bytes())
        model = import_ultralytics().YOLO(str(copy))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the way by which it exports
            return Path(model.export(format="onnx", simplify=False, opset=17, verbose=False, **options))

    return export


def same_candidates(found: tuple[Candidate, ...], wanted: tuple[Candidate, ...]) -> None:
    assert len(found) == pytest.approx(len(wanted), rel=0.02)
    for one, other in zip(found[:50], wanted[:50], strict=True):
        assert one.label == other.label
        assert one.confidence == pytest.approx(other.confidence, abs=1e-3)
        np.testing.assert_allclose(corners(one), corners(other), atol=0.5)


@pytest.mark.parametrize("name", ["plain", "segment"])
def test_an_export_of_any_size_finds_what_the_checkpoint_finds(name, tiny, as_onnx, photo) -> None:
    rgb = np.ascontiguousarray(read_pixels(photo).rgb[:160, :200])  # masks of thousands of boxes cost by size
    spec = opened(as_onnx(name, dynamic=True))
    assert (spec.categories, spec.needs_suppression) == (("cat", "dog", "red fox"), True)
    same_candidates(load_detector(spec).detect(rgb), load_detector(opened(tiny[name])).detect(rgb))


def test_an_export_of_one_size_finds_what_the_checkpoint_finds(tiny, as_onnx, photo) -> None:
    rgb = np.ascontiguousarray(read_pixels(photo).rgb[:640, :640])
    spec = opened(as_onnx("plain", imgsz=640))
    same_candidates(load_detector(spec).detect(rgb), load_detector(opened(tiny["plain"])).detect(rgb))
    upright = read_pixels(photo).rgb
    assert load_detector(spec).detect(upright), "an image of another shape is padded to a square"


@pytest.mark.parametrize("name", ["ended", "v10"])
def test_an_export_that_chooses_by_itself_needs_no_suppression(name, tiny, as_onnx, photo) -> None:
    rgb = read_pixels(photo).rgb
    spec = opened(as_onnx(name, dynamic=True, nms=False))
    assert not spec.needs_suppression
    found = load_detector(spec).detect(rgb)
    assert {one.label for one in found} <= {"cat", "dog", "red fox"}
    same_candidates(found[:20], load_detector(opened(tiny[name])).detect(rgb)[:20])


def test_what_is_exported_here_comes_in_again(tmp_path, photo) -> None:
    rgb = read_pixels(photo).rgb
    spec = discover(safe_mode=True).resolve("yolo11n")
    export_model(spec, "onnx", tmp_path / "left")
    back = opened(tmp_path / "left" / "model.onnx")
    assert (back.title, back.categories) == (spec.title, spec.categories)
    same_candidates(load_detector(back).detect(rgb), load_detector(spec).detect(rgb))


def test_an_onnx_file_of_another_kind_is_one_sentence(as_onnx, tmp_path) -> None:
    whole = as_onnx("plain", imgsz=64).read_bytes()
    for number, content in enumerate((b"", b"no model", whole[:-20], whole[: len(whole) // 2])):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(content)
        with pytest.raises(ModelError, match="is not a model file that can be opened"):
            opened(path)
    with pytest.raises(ModelError, match=r"takes images of \d+ x \d+ pixels only"):
        load_detector(opened(as_onnx("plain", imgsz=[64, 96])))
