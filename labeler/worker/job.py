"""A job: a child that runs a detector over many images while the person goes on labelling, then ends."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import cv2
from msgspec import Struct

from labeler import plugins
from labeler.core.images import read_pixels
from labeler.core.records import Candidate
from labeler.errors import LabelerError, ModelError
from labeler.models.api import Detector, Rgb, Segmenter
from labeler.models.boxes_to_masks import boxes_to_masks
from labeler.models.threads import THREADS_VARIABLE, all_threads
from labeler.worker.child import Channel, guarded, lower_priority, started
from labeler.worker.job_protocol import (
    Done,
    Loaded,
    Missed,
    Predicted,
    PredictSpec,
    decode_to_job,
    pack_candidates,
)
from labeler.worker.protocol import EXIT_LOAD, VERSION, Beat, Failed, Frames, Hello, ProtocolError, Stop

MASKER = "mobilesam"
"""The promptable model that makes masks of boxes: the one that comes with the app."""

Masker = Callable[[Rgb, tuple[Candidate, ...]], tuple[Candidate, ...]]

_BEAT = 1.0
_READ = 1 << 16
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", THREADS_VARIABLE)

_log = logging.getLogger(__name__)


class Prediction(Struct, frozen=True, eq=False):
    image_id: int
    candidates: tuple[Candidate, ...]
    milliseconds: float
    sentence: str = ""


def predict(
    detector: Detector,
    images: Iterable[tuple[int, Path]],
    *,
    text: str | None = None,
    masker: Masker | None = None,
) -> Iterator[Prediction]:
    def one(path: Path) -> tuple[Candidate, ...]:
        rgb = read_pixels(path).rgb
        found = tuple(detector.detect(rgb, text))
        return masker(rgb, found) if masker is not None else found

    for image_id, path in images:
        begun = time.perf_counter()
        try:
            found = guarded(f"predict {path.name}", partial(one, path))
        except LabelerError as error:
            yield Prediction(image_id, (), 0.0, str(error))
        else:
            yield Prediction(image_id, found, (time.perf_counter() - begun) * 1000.0)


def serve(channel: Channel) -> None:
    """Take one `PredictSpec`, work on it, and end: when done, when told to, or when the parent goes away."""
    lower_priority()
    progress = count(1)
    done = [0]

    def advance() -> None:
        done[0] = next(progress)

    def beat() -> None:
        while True:
            channel.send(Beat(done[0]))
            time.sleep(_BEAT)

    channel.send(Hello(VERSION, os.getpid()))
    started("beat", beat)
    for message in _received(channel):
        if isinstance(message, Stop):
            break
        spec = message
        bound_threads(spec.threads or max(1, all_threads() // 2))
        started("predict", lambda spec=spec: _run(spec, channel, advance))  # type: ignore[misc]
    # there is nothing to finish: each image's result was sent as a whole, and the window keeps it
    os._exit(0)


def bound_threads(number: int) -> None:
    """Keep every library of this process to so many CPU threads, so that the window's models have room.

    Before a model library is imported: they read how many once.
    """
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(number)
    cv2.setNumThreads(number)


def load(name: str) -> tuple[str, Detector]:
    """The title and the detector of a model's id or file. Raises LabelerError with one sentence."""
    spec = plugins.discover().resolve(name)
    if spec.task != "detector":
        raise ModelError(f"{spec.title} is no detector: it finds nothing by itself.")
    model = guarded("be loaded", spec.load)
    if not isinstance(model, Detector):
        raise ModelError(f"{spec.title} does not do what a detector must (detect).")
    return spec.title, model


def load_masker() -> Masker:
    """What gives candidates the masks that the embedded segmenter sees in their boxes."""
    model = guarded("be loaded", plugins.discover().model(MASKER).load)
    assert isinstance(model, Segmenter), "the embedded model is one"
    return lambda rgb, candidates: boxes_to_masks(model, rgb, candidates)


def _run(spec: PredictSpec, channel: Channel, advance: Callable[[], None]) -> None:
    try:
        title, detector = load(spec.model)
        masker = load_masker() if spec.masks else None
    except LabelerError as error:
        _log.info("%s", error)
        channel.send(Failed(str(error)))
        os._exit(EXIT_LOAD)
    channel.send(Loaded(title))
    images = ((image_id, Path(path)) for image_id, path in spec.images)
    for prediction in predict(detector, images, text=spec.text, masker=masker):
        _tell(prediction, channel)
        advance()
    channel.send(Done())
    os._exit(0)


def _tell(prediction: Prediction, channel: Channel) -> None:
    if prediction.sentence:
        channel.send(Missed(prediction.image_id, prediction.sentence))
        return
    try:
        found = pack_candidates(prediction.candidates)
        channel.send(Predicted(prediction.image_id, found, prediction.milliseconds))
    except (ProtocolError, AttributeError, TypeError, ValueError) as error:  # a plugin may give anything
        _log.info("A prediction could not be sent", exc_info=error)
        sentence = f"What the model found could not be understood ({type(error).__name__}: {error})."
        channel.send(Missed(prediction.image_id, sentence))


def _received(channel: Channel) -> Iterator[PredictSpec | Stop]:
    frames = Frames()
    while data := channel.source.read(_READ):
        yield from map(decode_to_job, frames.feed(data))
