"""MobileSAM: what our side adds to the bare model files, and what prefetching and caching save."""

import itertools
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from labeler.core.geometry import to_bits
from labeler.core.photos.images import read_pixels
from labeler.core.records import Prompt
from labeler.gui.children.host_client import HostClient
from labeler.models.embedder import Embedder
from labeler.models.embeddings import EmbeddingCache
from labeler.models.protocols import Interrupt, InterruptedWorkError, Segmenter
from labeler.models.sam.input_frame import prompt_arrays
from labeler.models.threads import all_threads
from labeler.registry import discover
from tests.benchmarks.harness import MIN_ROUNDS, compare, report

pytestmark = pytest.mark.benchmark

SIZE = (2560, 3840)


@pytest.fixture(scope="module")
def spec():
    return discover(safe_mode=True).model("mobilesam")


@pytest.fixture(scope="module")
def model(spec) -> Segmenter:
    return spec.load()


@pytest.fixture
def large(photos: Path) -> list[Path]:
    """The three photos at 3840 x 2560, as JPEG files."""
    paths = []
    for path in sorted(photos.iterdir()):
        image = cv2.resize(cv2.imread(str(path)), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        paths.append(path.with_name(f"4k-{path.stem}.jpg"))
        cv2.imwrite(str(paths[-1]), image, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return paths


def session(path: Path, threads: int):
    """ONNX Runtime's own session, as anyone would make it."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")  # nothing beside what is timed
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def click(x: float, y: float) -> Prompt:
    return Prompt(points=np.array([[x, y]]), positive=np.array([True]))


def clicks(count: int) -> list[Prompt]:
    places = np.random.default_rng(0).uniform((200, 200), (3640, 2360), (count, 2))
    return [click(x, y) for x, y in places]


def decoder_inputs(embedding, prompt: Prompt) -> dict[str, np.ndarray]:
    coordinates, labels = prompt_arrays(prompt, embedding.size)
    return {
        "image_embeddings": embedding.arrays["image"],
        "point_coords": coordinates,
        "point_labels": labels,
        "mask_input": np.zeros((1, 1, 256, 256), dtype=np.float32),
        "has_mask_input": np.zeros(1, dtype=np.float32),
    }


def test_row_1_encoding_a_4k_image_costs_little_more_than_the_bare_encoder(spec, model, large) -> None:
    image = read_pixels(large[0]).rgb
    encoder = session(spec.weights[0].path, all_threads())
    frame = _frame(image)
    ours, bare = model.embed(image).arrays["image"].ravel(), encoder.run(None, {"input": frame})[0].ravel()
    cosine = float(ours @ bare / np.linalg.norm(ours) / np.linalg.norm(bare))
    assert cosine >= 0.999, "the embedding is not SAM's"

    variants = {
        "labeler, from a 4k array": lambda: model.embed(image),
        "bare session.run": lambda: encoder.run(None, {"input": frame}),
    }
    timings = compare(variants, baseline="bare session.run", rounds=15)
    figure = f"{timings.figure('labeler, from a 4k array')}, cosine to SAM's own scaling {cosine:.5f}"
    report("1 encode a 4k array", "<= 1.05 x the bare encoder", figure)
    assert timings.ratio("labeler, from a 4k array") <= 1.05


def _frame(image: np.ndarray) -> np.ndarray:
    """SAM's own preprocessing: Pillow's bilinear filter."""
    from PIL import Image

    scale = 1024 / max(image.shape[:2])
    height, width = (int(side * scale + 0.5) for side in image.shape[:2])
    scaled = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    frame = np.zeros((1, 3, 1024, 1024), dtype=np.float32)
    normal = (scaled - np.array((123.675, 116.28, 103.53))) / np.array((58.395, 57.12, 57.375))
    frame[0, :, :height, :width] = normal.transpose(2, 0, 1)
    return frame


def test_row_2_a_click_to_a_4k_mask_is_faster_than_the_whole_graph(model, large, shared) -> None:
    graph = session(shared / "models/mobilesam/decoder-single.onnx", all_threads())
    size = np.array(SIZE, dtype=np.float32)
    work = [(model.embed(read_pixels(path).rgb), clicks(14)) for path in large]
    pairs = [(embedding, prompt) for embedding, prompts in work for prompt in prompts][:40]

    def whole(embedding, prompt) -> np.ndarray:
        inputs = decoder_inputs(embedding, prompt) | {"orig_im_size": size}
        return graph.run(["masks"], inputs)[0][0, 0]

    for embedding, prompt in pairs:
        (ours,) = model.segment(embedding, prompt, limit=1)
        logits = whole(embedding, prompt)
        different = to_bits(ours.mask, SIZE) != (logits > 0)
        # identical but for pixels on the outline itself, whose logit is 0 to float32's rounding
        assert np.abs(logits[different]).max(initial=0) < 1e-3
        assert np.count_nonzero(different) <= 5

    some = pairs[::4]
    variants: dict[str, Callable[[], object]] = {
        "labeler, best mask": lambda: [model.segment(*pair, limit=1) for pair in some],
        "labeler, all three": lambda: [model.segment(*pair) for pair in some],
        "whole graph, one mask": lambda: [whole(*pair) > 0 for pair in some],
    }
    timings = compare(variants, baseline="whole graph, one mask")
    report("2 click to a 4k mask", "<= 0.80 x the whole graph", timings.figure("labeler, best mask"))
    assert timings.ratio("labeler, best mask") <= 0.80


def test_row_3_a_click_beside_prefetching_costs_no_more_than_alone(model, large) -> None:
    image = read_pixels(large[0]).rgb
    embedding = model.embed(image)
    prompts = clicks(25)

    def alone() -> None:
        for prompt in prompts:
            model.segment(embedding, prompt, threads=1)

    def beside() -> None:
        interrupt = Interrupt()
        thread = threading.Thread(target=_encode_until, args=(model, image, interrupt))
        thread.start()
        alone()
        interrupt.set()
        thread.join()

    timings = compare({"beside": beside, "alone": alone}, baseline="alone")
    report("3 click beside prefetching", "<= 1.25 x alone, 1 thread each", timings.figure("beside"))
    assert timings.ratio("beside") <= 1.25


def _encode_until(model: Segmenter, image: np.ndarray, interrupt: Interrupt) -> None:
    try:
        while True:
            model.embed(image, threads=1, interrupt=interrupt)
    except InterruptedWorkError:
        return


def test_row_4_a_revisited_image_answers_at_once(spec, model, large, tmp_path) -> None:
    path, prompt = large[0], click(1900, 1300)
    numbers = itertools.count()
    filled = tmp_path / "filled"
    warm = Embedder(model, spec.fingerprint, EmbeddingCache(filled))
    warm.embed(path).store()

    def first_mask(embedder: Embedder):
        return model.segment(embedder.embed(path).embedding, prompt)[0].mask

    def fresh(folder: Path) -> Embedder:
        return Embedder(model, spec.fingerprint, EmbeddingCache(folder))

    variants = {
        "in memory": lambda: first_mask(warm),
        "on disk": lambda: first_mask(fresh(filled)),
        "cold": lambda: first_mask(fresh(tmp_path / str(next(numbers)))),
    }
    masks = [variant() for variant in variants.values()]
    assert masks[0] == masks[2]
    assert np.count_nonzero(to_bits(masks[1], SIZE) != to_bits(masks[2], SIZE)) < 0.01 * masks[2].bits.sum()
    timings = compare(variants, baseline="cold")
    report("4 revisited image to first mask", "<= 0.15 x cold", timings.figure("in memory"))
    report("4 prefetched to disk", "<= 0.15 x cold", timings.figure("on disk"))
    assert timings.ratio("in memory") <= 0.15
    assert timings.ratio("on disk") <= 0.15


def test_a_click_reaches_the_window_15_ms_after_the_bare_decoder(qtbot, spec, model, large) -> None:
    decoder = session(spec.weights[1].path, all_threads())
    embedding = model.embed(read_pixels(large[0]).rgb)
    prompts = clicks(5 * MIN_ROUNDS)
    client = HostClient()
    client.start()
    client.open_image("4k", large[0])
    qtbot.waitUntil(lambda: client.state.encoded, timeout=60_000)
    through: list[float] = []
    inside: list[float] = []
    bare: list[float] = []
    for prompt in prompts:
        began = time.perf_counter()
        with qtbot.waitSignal(client.proposed, timeout=30_000) as answered:
            client.segment(prompt)
        through.append((time.perf_counter() - began) * 1000)
        inside.append(answered.args[0].milliseconds)
        began = time.perf_counter()
        decoder.run(None, decoder_inputs(embedding, prompt))
        bare.append((time.perf_counter() - began) * 1000)
    client.close()
    over = statistics.median(a - b for a, b in zip(through, bare, strict=True))
    medians = [statistics.median(times) for times in (through, inside, bare)]
    figure = "{:+.1f} ms ({:.1f} ms, {:.1f} ms of it in the host, bare {:.1f} ms)".format(over, *medians)
    report("click to proposal in the window, 4k", "<= 15 ms over the bare decoder", figure)
    assert over <= 15
