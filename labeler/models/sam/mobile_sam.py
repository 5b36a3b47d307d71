"""MobileSAM (Zhang et al. 2023) on ONNX Runtime: the promptable model that comes with the app."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, get_args

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler import paths
from labeler.core.records import Prompt, Proposal
from labeler.errors import ModelError
from labeler.models.protocols import (
    Embedding,
    Interrupt,
    InterruptedWorkError,
    ModelSpec,
    Portable,
    Rgb,
    Weights,
    verify,
)
from labeler.models.sam.batched_decoder import BatchedDecoder
from labeler.models.sam.input_frame import FRAME, frame_size, mask_of, pixels_of, prompt_arrays
from labeler.models.sam.onnx_decoder import (
    MASKS,
    Decoder,
    Tensors,
    loaded,
    read_decoder,
    session_options,
    with_learnt,
)
from labeler.models.sam.torch_segmenters import PromptKind, is_lone, kind_of, order_of
from labeler.models.threads import all_threads

_FOLDER = paths.resources() / "models" / "mobilesam"
ENCODER = Weights(
    _FOLDER / "encoder.onnx", "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246"
)
DECODER = Weights(
    _FOLDER / "decoder.onnx", "32db2a70a598ef07f0beec1b629d7825bc874ba3709907b3b477e3e4fd841c52"
)
"""The files that come with the app."""

# of ImageNet, in the order of RGB, as SAM was trained with
_MEAN = np.array((123.675, 116.28, 103.53), dtype=np.float32)
_DEVIATION = np.array((58.395, 57.12, 57.375), dtype=np.float32)
_MOST_PIXELS = 1 << 27
"""In all masks of an answer: each takes a second for 300 megapixels, and a byte a pixel at both ends."""
_TOGETHER = 4
"""Prompts in one run of the decoder: 8 and 16 are 5 % faster, and take 16 MB more each."""
_NORMALISED = (np.arange(256, dtype=np.float32)[:, None] - _MEAN) / _DEVIATION
"""(256, 3): what each 8-bit value of each channel becomes."""


class MobileSam:
    """The encoder and the decoder, each with one ONNX Runtime session per number of threads asked for.

    A session's number of threads is fixed when it is made, which takes 0.1 s; so they are kept.
    """

    def __init__(
        self, learnt: Tensors | None = None, kinds: Collection[PromptKind] = frozenset(("point", "box"))
    ) -> None:
        """`learnt` takes the place of the decoder's own tensors for prompts of these `kinds`."""
        for weights in (ENCODER, DECODER):
            verify(weights)
        self._learnt = learnt
        self._kinds = frozenset(kinds) if learnt else frozenset()
        self._encoders: dict[int, Any] = {}
        self._decoders: dict[tuple[int, bool], Decoder] = {}
        self._batched: dict[bool, BatchedDecoder] = {}
        self._making = Lock()
        self._side_by_side = ThreadPoolExecutor(3)  # at 4k upscaling three masks takes as long as decoding
        self._encoder(0)
        for learns in {kind in self._kinds for kind in get_args(PromptKind)}:
            self._decoder(0, learns=learns)

    def embed(self, image: Rgb, *, threads: int = 0, interrupt: Interrupt | None = None) -> Embedding:
        """The image's embedding: one array `image`, (1, 256, 64, 64)."""
        import onnxruntime as ort  # noqa: PLC0415  # heavy: in a child only

        session = self._encoder(threads)
        options = ort.RunOptions()
        if interrupt is not None:
            interrupt.watch(lambda: setattr(options, "terminate", True))
        try:
            (embedding,) = session.run(None, {"input": preprocessed(image)}, options)
        except Exception as error:  # ONNX Runtime has one class of its own per status code
            if "alloc" in str(error):  # bad_alloc, "Failed to allocate memory"
                raise MemoryError from error
            if interrupt is not None and interrupt.is_set():
                raise InterruptedWorkError("The image's encoding was called off.") from error
            raise ModelError(f"MobileSAM could not encode the image ({error}).") from error
        return Embedding({"image": embedding}, image.shape[:2])

    def segment(
        self, embedding: Embedding, prompt: Prompt, *, threads: int = 0, limit: int = 3
    ) -> tuple[Proposal, ...]:
        """Three masks. One lone point may mean part, object or whole: the three candidates, best first.

        Several points, a box or earlier logits say which is meant: then the decoder's single mask, which
        SAM was trained to give for such prompts, comes first, before its two best candidates. Of masks of
        more than a hundred megapixels there are fewer.
        """
        decoder = self._decoder(threads, learns=self._learns(prompt))
        logits, predicted = decoder(embedding.arrays["image"], prompt, embedding.size)

        def proposal(index: int) -> Proposal:
            confidence = float(np.clip(predicted[index], 0.0, 1.0))
            return Proposal(mask_of(logits[index], embedding.size), confidence, logits[index].copy())

        order = _affordable(order_of(predicted, lone=is_lone(prompt))[:limit], logits, embedding.size)
        return tuple(map(proposal, order) if threads == 1 else self._side_by_side.map(proposal, order))

    def segment_all(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        *,
        threads: int = 0,
        limit: int = 3,
        least: float = 0.0,
        keep: Callable[[NDArray[np.float32]], bool] | None = None,
    ) -> tuple[tuple[Proposal, ...], ...]:
        """As `segment` for each prompt, but for rounding; a few go through the decoder together.

        Each of `threads` takes some of the prompts, so that none waits for another. Those with earlier
        logits are asked one by one.
        """
        batch = _Batch(embedding, limit, least, keep)
        found: dict[int, tuple[Proposal, ...]] = {}
        alike: dict[tuple[bool, int], list[int]] = {}
        for place, prompt in enumerate(prompts):
            if prompt.previous is not None:
                found[place] = batch.wanted(self.segment(embedding, prompt, threads=threads, limit=limit))
                continue
            points = len(prompt.points) + (1 if prompt.box is None else 2)
            alike.setdefault((self._learns(prompt), points), []).append(place)
        workers = threads or all_threads()
        parts = [
            (learns, places[start : start + size])
            for (learns, _), places in alike.items()
            for size in [min(_TOGETHER, -(-len(places) // workers))]
            for start in range(0, len(places), size)
        ]

        def answered(part: tuple[bool, list[int]]) -> list[tuple[Proposal, ...]]:
            learns, places = part
            return batch.answered(self._batched_decoder(learns=learns), [prompts[place] for place in places])

        with ThreadPoolExecutor(workers) as side_by_side:
            for (_, places), answers in zip(parts, side_by_side.map(answered, parts), strict=True):
                found.update(zip(places, answers, strict=True))
        return tuple(found[place] for place in range(len(prompts)))

    def _learns(self, prompt: Prompt) -> bool:
        return kind_of(prompt) in self._kinds

    def _batched_decoder(self, *, learns: bool) -> BatchedDecoder:
        with self._making:
            if learns not in self._batched:
                tensors = read_decoder(DECODER.path)
                if learns and self._learnt is not None:
                    tensors |= {MASKS + name: values for name, values in self._learnt.items()}
                self._batched[learns] = BatchedDecoder(tensors, DECODER.path)
            return self._batched[learns]

    def _encoder(self, threads: int) -> Any:
        threads = threads or all_threads()
        with self._making:
            if threads not in self._encoders:
                self._encoders[threads] = loaded(str(ENCODER.path), session_options(threads), ENCODER.path)
            return self._encoders[threads]

    def _decoder(self, threads: int, *, learns: bool) -> Decoder:
        key = (threads or all_threads(), learns)
        with self._making:
            if key not in self._decoders:
                self._decoders[key] = Decoder(DECODER.path, key[0], self._learnt if learns else None)
            return self._decoders[key]


def _affordable(order: list[int], logits: NDArray[np.float32], size: tuple[int, int]) -> list[int]:
    """The first of some masks, and those after it as long as all are no more pixels than are waited for."""
    pixels = np.cumsum([pixels_of(logits[index], size) for index in order])
    return [index for place, index in enumerate(order) if place == 0 or pixels[place] <= _MOST_PIXELS]


class _Batch(Struct, frozen=True):
    """What is asked of all prompts of one image."""

    embedding: Embedding
    limit: int
    least: float
    keep: Callable[[NDArray[np.float32]], bool] | None

    def wanted(self, proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
        """Those of some masks that are worked out already."""
        confident = (one for one in proposals if one.confidence >= self.least)
        return tuple(one for one in confident if self.keep is None or self.keep(one.logits))

    def answered(self, decoder: BatchedDecoder, prompts: Sequence[Prompt]) -> list[tuple[Proposal, ...]]:
        """The masks offered for each of some prompts of equally many points."""
        size = self.embedding.size
        arrays = [prompt_arrays(prompt, size) for prompt in prompts]
        coordinates, labels = (np.concatenate(part) for part in zip(*arrays, strict=True))
        looked = decoder.look(self.embedding.arrays["image"], coordinates, labels)
        answers = []
        for place, prompt in enumerate(prompts):
            predicted = looked.predicted[place].clip(0.0, 1.0)
            order = order_of(looked.predicted[place], lone=is_lone(prompt))[: self.limit]
            wanted = [index for index in order if predicted[index] >= self.least]
            drawn = zip(wanted, decoder.draw(looked, place, wanted), strict=True) if wanted else ()
            answers.append(
                tuple(
                    Proposal(mask_of(logits, size), float(predicted[index]), logits)
                    for index, logits in drawn
                    if self.keep is None or self.keep(logits)
                )
            )
        return answers


def preprocessed(image: Rgb) -> NDArray[np.float32]:
    """The encoder's input (1, 3, 1024, 1024) float32: scaled, normalised, padded with 0."""
    height, width = frame_size((image.shape[0], image.shape[1]))
    frame = np.zeros((1, 3, FRAME, FRAME), dtype=np.float32)
    for channel, plane in enumerate(cv2.split(_scaled(image, height, width))):
        frame[0, channel, :height, :width] = cv2.LUT(plane, _NORMALISED[:, channel])
    return frame


def _scaled(image: Rgb, height: int, width: int) -> Rgb:
    """The image at another size, without aliasing.

    SAM scales by Pillow's bilinear filter, which takes a sixth of the encoder's time at 4k. Halves and one
    area-averaged step take a thirtieth, and the embedding's cosine to SAM's is 0.9998 there.
    """
    while image.shape[0] >= 2 * height and image.shape[1] >= 2 * width:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    interpolation = cv2.INTER_AREA if image.shape[0] > height else cv2.INTER_LINEAR
    scaled: Rgb = cv2.resize(image, (width, height), interpolation=interpolation)
    return scaled


def portable(learnt: Tensors | None = None, kinds: Collection[PromptKind] = ()) -> Portable:
    """The encoder and the decoder as they leave the app, and the one that learnt, for prompts of `kinds`.

    Raises ModelError where a file is not as shipped.
    """
    beside = {"sam.py": (paths.resources() / "runners" / "sam.py").read_bytes()}
    for weights in (ENCODER, DECODER):
        verify(weights)
        beside[weights.path.name] = weights.path.read_bytes()
    if learnt and kinds:
        beside["learnt-decoder.onnx"] = with_learnt(DECODER.path, learnt)
    return Portable(
        runner="run_prompts.py",
        classes=(),
        settings={"learnt": sorted(kinds) if learnt else []},
        beside=beside,
    )


SPEC = ModelSpec(
    id="mobilesam",
    title="MobileSAM",
    task="segmenter",
    load=MobileSam,
    weights=(ENCODER, DECODER),
    licence="Apache-2.0",
    portable=portable,
)
