"""MobileSAM (Zhang et al. 2023) on ONNX Runtime: the promptable model that comes with the app."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler import paths
from labeler.api import Plugin
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
from labeler.models.sam.input_frame import FRAME, LOGITS, frame_size, mask_of, prompt_arrays
from labeler.models.threads import all_threads

_FOLDER = paths.resources() / "models" / "mobilesam"
_ENCODER = Weights(
    _FOLDER / "encoder.onnx", "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246"
)
_DECODER = Weights(
    _FOLDER / "decoder.onnx", "32db2a70a598ef07f0beec1b629d7825bc874ba3709907b3b477e3e4fd841c52"
)

# of ImageNet, in the order of RGB, as SAM was trained with
_MEAN = np.array((123.675, 116.28, 103.53), dtype=np.float32)
_DEVIATION = np.array((58.395, 57.12, 57.375), dtype=np.float32)
_NORMALISED = (np.arange(256, dtype=np.float32)[:, None] - _MEAN) / _DEVIATION
"""(256, 3): what each 8-bit value of each channel becomes."""

_NO_LOGITS = np.zeros((1, 1, LOGITS, LOGITS), dtype=np.float32)


class MobileSam:
    """The encoder and the decoder, each with one ONNX Runtime session per number of threads asked for.

    A session's number of threads is fixed when it is made, which takes 0.1 s; so they are kept.
    """

    def __init__(self) -> None:
        for weights in (_ENCODER, _DECODER):
            verify(weights)
        self._sessions: dict[tuple[Weights, int], Any] = {}
        self._making = Lock()
        self._side_by_side = ThreadPoolExecutor(3)  # at 4k upscaling three masks takes as long as decoding
        self._session(_ENCODER, 0)
        self._session(_DECODER, 0)

    def embed(self, image: Rgb, *, threads: int = 0, interrupt: Interrupt | None = None) -> Embedding:
        """The image's embedding: one array `image`, (1, 256, 64, 64)."""
        import onnxruntime as ort  # noqa: PLC0415  # heavy: in a child only

        session = self._session(_ENCODER, threads)
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
        coordinates, labels = prompt_arrays(prompt, embedding.size)
        previous = prompt.previous
        logits, predicted = self._session(_DECODER, threads).run(
            None,
            {
                "image_embeddings": embedding.arrays["image"],
                "point_coords": coordinates,
                "point_labels": labels,
                "mask_input": _NO_LOGITS if previous is None else previous[None, None],
                "has_mask_input": np.array([previous is not None], dtype=np.float32),
            },
        )
        lone = len(prompt.points) == 1 and prompt.box is None and previous is None

        def proposal(index: int) -> Proposal:
            confidence = float(np.clip(predicted[0, index], 0.0, 1.0))
            return Proposal(mask_of(logits[0, index], embedding.size), confidence, logits[0, index].copy())

        order = _order(predicted[0], lone=lone)[:limit]
        return tuple(map(proposal, order) if threads == 1 else self._side_by_side.map(proposal, order))

    def _session(self, weights: Weights, threads: int) -> Any:
        threads = threads or all_threads()
        with self._making:
            if (weights, threads) not in self._sessions:
                self._sessions[weights, threads] = _new_session(weights, threads)
            return self._sessions[weights, threads]


def _order(predicted: NDArray[np.float32], *, lone: bool) -> list[int]:
    """Indices of the decoder's outputs (0 the single mask, 1 to 3 the candidates), best first."""
    candidates = [int(index) + 1 for index in np.argsort(-predicted[1:], kind="stable")]
    return candidates if lone else [0, *candidates[:2]]


def _new_session(weights: Weights, threads: int) -> Any:
    import onnxruntime as ort  # noqa: PLC0415  # heavy: in a child only

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # else its threads keep cores busy after an answer, while the window draws it
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return ort.InferenceSession(str(weights.path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has one class of its own per status code
        raise ModelError(f"ONNX Runtime could not load {weights.path.name} ({error}).") from error


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


plugin = Plugin(
    api=1,
    name="MobileSAM",
    version="1.0",
    models=(
        ModelSpec(
            id="mobilesam",
            title="MobileSAM",
            task="segmenter",
            load=MobileSam,
            weights=(_ENCODER, _DECODER),
            licence="Apache-2.0",
        ),
    ),
)
