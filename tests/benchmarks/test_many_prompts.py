"""Many prompts on one photo: masks for a detector's boxes, and everything on it."""

import time
from pathlib import Path

import numpy as np
import pytest

from labeler.core.filtering import CandidateFilter, Filter
from labeler.core.geometry import bounds
from labeler.core.photos.images import read_pixels
from labeler.core.records import Candidate, Mask, Prompt
from labeler.models.boxes_to_masks import boxes_to_masks, masks_in_boxes
from labeler.models.point_grid import Grid, everything, grid_points
from labeler.models.prediction import load_detector, predict
from labeler.models.protocols import Rgb
from labeler.models.sam.input_frame import mask_of, prompt_arrays
from labeler.models.sam.mobile_sam import DECODER, ENCODER, MobileSam, preprocessed
from labeler.models.sam.onnx_decoder import feeds
from labeler.registry import discover
from tests.benchmarks.harness import compare, report
from tests.benchmarks.test_mobilesam import session

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

COUNT = 3
KEPT = Filter(confidence=0.25, iou=0.5, kind="class-wise", top_k=300)


@pytest.fixture(scope="module")
def model() -> MobileSam:
    return MobileSam()


@pytest.fixture
def found(shared: Path) -> list[tuple[Rgb, tuple[Candidate, ...]]]:
    """Photos, and all that YOLO11n gives on them."""
    files = sorted((shared / "data/coco-mini/images").iterdir())[:COUNT]
    spec = discover(safe_mode=True).resolve("yolo11n")
    results = predict(load_detector(spec), spec, list(enumerate(files)))
    return [(read_pixels(path).rgb, one.candidates) for path, one in zip(files, results, strict=True)]


def kept(candidates: tuple[Candidate, ...]) -> list[Candidate]:
    numbered = {
        n: Candidate(n, 0, 0, 0, one.shape, one.confidence, one.label) for n, one in enumerate(candidates)
    }
    return [numbered[number] for number in CandidateFilter(numbered.values()).apply(KEPT).kept]


def batched_session():
    """The decoder that comes along, made to take prompts in a batch, as anyone would by its inputs."""
    import onnx
    import onnxruntime as ort

    graph = onnx.load(DECODER.path)
    for node in graph.graph.node:
        for place, name in enumerate(node.input):
            if node.name == "/Unsqueeze_5" and name == "/Gather_2_output_0":
                node.input[place] = "/Gather_1_output_0"
            elif name in ("/Reshape_3_output_0", "/Reshape_6_output_0"):
                node.input[place] = "image_embeddings" if node.name == "/Add_7" else "/Unsqueeze_1_output_0"
    for one in graph.graph.input:
        if one.name.startswith("point"):
            one.type.tensor_type.shape.dim[0].dim_param = "prompts"
    options = ort.SessionOptions()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def test_masks_in_boxes_cost_one_encode_and_one_batched_decode(model, found) -> None:
    encoder, decoder = session(ENCODER.path, 0), batched_session()

    def bare(image: Rgb, candidates: list[Candidate]) -> list[Mask]:
        (embedding,) = encoder.run(None, {"input": preprocessed(image)})
        size = (image.shape[0], image.shape[1])
        prompts = [Prompt(box=bounds(one.shape)) for one in candidates]
        points, labels = (
            np.concatenate(part) for part in zip(*(prompt_arrays(one, size) for one in prompts), strict=True)
        )
        given = feeds(embedding, prompts[0], size) | {"point_coords": points, "point_labels": labels}
        return [mask_of(logits[0], size) for logits in decoder.run(None, given)[0]]

    wanted = [(image, kept(candidates)) for image, candidates in found]
    for image, candidates in wanted:
        ours = boxes_to_masks(model, image, candidates)
        for one, mask in zip(ours, bare(image, candidates), strict=True):
            assert isinstance(one.shape, Mask)
            assert one.shape.bits.shape == mask.bits.shape
            assert np.count_nonzero(one.shape.bits != mask.bits) <= 5

    variants = {
        "labeler, what is kept": lambda: [boxes_to_masks(model, *one) for one in wanted],
        "labeler, all over 0.05": lambda: [boxes_to_masks(model, *one) for one in found],
        "encode and decode": lambda: [bare(*one) for one in wanted],
    }
    timings = compare(variants, baseline="encode and decode")
    goal = "<= 1.3 x one encode and one batched decode an image"
    report("masks by SAM, command line", goal, timings.figure("labeler, what is kept"))
    report("masks by SAM, window", goal, timings.figure("labeler, all over 0.05"))
    assert timings.ratio("labeler, what is kept") <= 1.3


def test_everything_takes_half_of_asking_point_by_point(model, found) -> None:
    image, _ = found[0]
    embedding = model.embed(image)
    prompts = [Prompt(point[None], np.ones(1, np.bool_)) for point in grid_points(8, embedding.size)]
    decoder = session(DECODER.path, 0)
    variants = {
        "labeler": lambda: model.segment_all(embedding, prompts, least=0.7),
        "bare decoder": lambda: [
            decoder.run(None, feeds(embedding.arrays["image"], prompt, embedding.size)) for prompt in prompts
        ],
    }
    timings = compare(variants, baseline="bare decoder")
    report("64 points, to the bare decoder one by one", "<= 0.6 x", timings.figure("labeler"))
    begun, cpu = time.perf_counter(), time.process_time()
    count = len(everything(model, image, Grid(), together=2))
    taken, cpu = time.perf_counter() - begun, time.process_time() - cpu
    report(
        "everything on a photo", "4 s", f"{taken:.1f} s, {cpu:.1f} s of processor time, {count} candidates"
    )
    assert timings.ratio("labeler") <= 0.6


def test_boxes_on_an_embedded_image(model, found) -> None:
    """What `instant` asks for an image whose features are cached, at most."""
    image, candidates = found[0]
    embedding = model.embed(image)
    some = sorted(candidates, key=lambda one: -one.confidence)[:40]
    distinct = [Candidate(0, 0, 0, 0, one.shape, 1.0, str(place)) for place, one in enumerate(some)]
    masks_in_boxes(model, embedding, distinct)
    for count in (5, 40):
        cpu = time.process_time()
        masks_in_boxes(model, embedding, distinct[:count])
        cpu = time.process_time() - cpu
        report(f"{count} boxes on an embedded image", "-", f"{cpu:.2f} s of processor time")
