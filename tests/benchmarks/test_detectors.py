"""YOLO over real photos: what our side adds to the bare network, and what the export saves."""

from pathlib import Path

import numpy as np
import pytest

from labeler.core.filtering import CandidateFilter, Filter
from labeler.core.photos.images import read_pixels
from labeler.models.detections import letterbox
from labeler.models.prediction import load_detector, predict
from labeler.models.threads import all_threads
from labeler.registry import discover
from tests.benchmarks.harness import compare, report

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

COUNT = 10


@pytest.fixture
def weights(shared) -> Path:
    return shared / "models/yolo/yolov8n-coco.pt"


@pytest.fixture
def files(shared) -> list[Path]:
    return sorted((shared / "data/coco-mini/images").iterdir())[:COUNT]


@pytest.fixture
def spec(weights):
    return discover(safe_mode=True).open_file(weights)


def torch_network(weights: Path):
    """The same network in torch, fused as ultralytics does it."""
    import torch

    from labeler.models.ultralytics_home import load_checkpoint

    model = load_checkpoint(weights).fuse(verbose=False)
    torch.set_num_threads(all_threads())

    def run(frame: np.ndarray) -> object:
        with torch.inference_mode():
            return model(torch.from_numpy(frame))

    return run


def test_row_16_pre_annotation_costs_little_more_than_the_network(spec, weights, files, home) -> None:
    import onnxruntime as ort

    model = load_detector(spec)
    photos = [read_pixels(path).rgb for path in files]
    frames = [letterbox(photo, side=640, stride=32)[0] for photo in photos]
    options = ort.SessionOptions()
    options.intra_op_num_threads = all_threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    (export,) = (home / "cache" / "exports").glob("*.onnx")
    session = ort.InferenceSession(str(export), options, providers=["CPUExecutionProvider"])
    network = torch_network(weights)

    def ours() -> None:
        for photo in photos:
            candidates = model.detect(photo)
            CandidateFilter(candidates).apply(Filter(confidence=0.25, iou=0.7))

    variants = {
        "labeler": ours,
        "bare session.run": lambda: [session.run(None, {"images": frame}) for frame in frames],
        "torch": lambda: [network(frame) for frame in frames],
    }
    timings = compare(variants, baseline="bare session.run")
    report(f"16 YOLO, {COUNT} images in memory", "<= 1.4 x the bare session", timings.figure("labeler"))
    saved = timings.ratio("labeler") / timings.ratio("torch")
    report("16 YOLO by the export", "<= 0.5 x the bare torch network", f"{saved:.3g} x")
    assert timings.ratio("labeler") <= 1.4
    assert saved <= 0.5


def test_a_run_over_files_is_as_fast_as_a_bare_ultralytics_loop(spec, weights, files) -> None:
    from labeler.models.ultralytics_home import import_ultralytics

    bare = import_ultralytics().YOLO(str(weights))
    model = load_detector(spec)
    images = list(enumerate(files, 1))
    names = [str(path) for path in files]

    def ours() -> int:
        return sum(not one.failure for one in predict(model, spec, images))

    def theirs() -> int:
        found = bare.predict(names, stream=True, conf=0.001, verbose=False, save=False, device="cpu")
        return sum(1 for _ in found)

    assert ours() == theirs() == len(files)
    timings = compare({"labeler": ours, "ultralytics": theirs}, baseline="ultralytics")
    rate = 1 / timings.ratio("labeler")
    report("batch run over files", ">= 0.95 of a bare ultralytics loop's images a second", f"{rate:.3g} x")
    assert rate >= 0.95
