"""MobileSAM (Zhang et al. 2023) on ONNX Runtime: the promptable model that comes with the app."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler import paths
from labeler.core.records import Prompt, Proposal
from labeler.errors import ModelError
from labeler.models.protocols import (
    Embedding,
    Interrupt,
    InterruptedWorkError,
    ModelSpec,
    Rgb,
    Weights,
    verify,
)
from labeler.models.sam.input_frame import FRAME, frame_size, mask_of
from labeler.models.sam.onnx_decoder import Decoder, Tensors, loaded, session_options
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
        SAM was trained to give for such prompts, comes first, before its two best candidates.
        """
        decoder = self._decoder(threads, learns=kind_of(prompt) in self._kinds)
        logits, predicted = decoder(embedding.arrays["image"], prompt, embedding.size)

        def proposal(index: int) -> Proposal:
            confidence = float(np.clip(predicted[index], 0.0, 1.0))
            return Proposal(mask_of(logits[index], embedding.size), confidence, logits[index].copy())

        order = order_of(predicted, lone=is_lone(prompt))[:limit]
        return tuple(map(proposal, order) if threads == 1 else self._side_by_side.map(proposal, order))

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


SPEC = ModelSpec(
    id="mobilesam",
    title="MobileSAM",
    task="segmenter",
    load=MobileSam,
    weights=(ENCODER, DECODER),
    licence="Apache-2.0",
)
