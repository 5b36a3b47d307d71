"""A job: a child that predicts, trains, evaluates or exports while the person labels on, then ends."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2

from labeler.core.records import Candidate
from labeler.errors import LabelerError
from labeler.models import prediction
from labeler.models.boxes_to_masks import boxes_to_masks
from labeler.models.prediction import Masks, load_detector, predict
from labeler.models.protocols import Detector, FileDetector, ModelSpec, Rgb, Segmenter
from labeler.models.threads import THREADS_VARIABLE, all_threads, spare_threads
from labeler.registry import discover
from labeler.training.events import Event
from labeler.training.run import RunFolder
from labeler.wire.host_protocol import EXIT_TOLD, VERSION, AskFailed, Frames, Hello, ProtocolError, Stop
from labeler.wire.job_protocol import (
    Advanced,
    Done,
    EffortSpec,
    EvaluateSpec,
    ExportSpec,
    Loaded,
    Missed,
    Predicted,
    PredictSpec,
    RunEvent,
    ToJob,
    TrainSpec,
    decode_to_job,
    pack_candidates,
)
from labeler.worker.child import Channel, beating, guarded, lower_priority, started

MASKER = "mobilesam"
"""The promptable model that makes masks of boxes: the one that comes with the app."""

_READ = 1 << 16
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", THREADS_VARIABLE)

_log = logging.getLogger(__name__)


class _Guarded:
    """A detector whose failures cost one image each, whatever it raises, and are in the log."""

    def __init__(self, model: Detector) -> None:
        self._model = model

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:
        return guarded("predict this image", lambda: self._model.detect(image, text))


class _GuardedOnFiles(_Guarded):
    """The same for one that knows images by their files."""

    def __init__(self, model: FileDetector) -> None:
        super().__init__(model)
        self._on_files = model

    def detect_file(self, path: Path, image: Rgb) -> tuple[Candidate, ...]:
        return guarded("predict this image", lambda: self._on_files.detect_file(path, image))


def serve(channel: Channel) -> None:
    """Take one spec, work on it, and end: when done, when told to, or when the parent goes away."""
    lower_priority()
    channel.send(Hello(VERSION, os.getpid()))
    advance = beating(channel)
    stopped = threading.Event()
    is_training = False
    for message in _received(channel):
        match message:
            case Stop() if is_training:
                stopped.set()  # it ends by itself, its checkpoint on disk
            case Stop():
                # there is nothing to finish: what was done was sent as a whole, and the window keeps it
                break
            case PredictSpec():
                bound_threads(message.threads or _in_background())
                started("predict", partial(_run, message, channel, advance))
            case TrainSpec():
                is_training = True
                bound_threads(message.threads or _in_background())
                started("train", partial(_train, message, channel, advance, stopped.is_set))
            case EvaluateSpec():
                started("evaluate", partial(_evaluate, message, channel))
            case ExportSpec():
                bound_threads(_in_background())
                started("export", partial(_export, message, channel))
            case EffortSpec():
                bound_threads(_in_background())
                started("effort", partial(_study_effort, message, channel, advance))
    os._exit(0)


def _in_background() -> int:
    """Half of the threads, so that the window's models have room; fewer where others are at work."""
    return max(1, min(all_threads() // 2, spare_threads()))


def bound_threads(number: int) -> None:
    """Keep every library of this process to so many CPU threads, so that the window's models have room.

    Before a model library is imported: they read how many once.
    """
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(number)
    cv2.setNumThreads(number)


def load(name: str) -> tuple[ModelSpec, Detector]:
    """The detector of a model's id or file. Raises LabelerError with one sentence."""
    spec = discover().resolve(name)
    return spec, guarded("be loaded", lambda: load_detector(spec))


def load_masker() -> Masks:
    """What gives candidates the masks that the embedded segmenter sees in their boxes."""
    model = guarded("be loaded", discover().model(MASKER).load)
    assert isinstance(model, Segmenter), "the embedded model is one"
    return lambda rgb, candidates: boxes_to_masks(model, rgb, candidates)


def _run(spec: PredictSpec, channel: Channel, advance: Callable[[], None]) -> None:
    try:
        model, detector = load(spec.model)
        masks = load_masker() if spec.masks else None
    except LabelerError as error:
        _log.info("%s", error)
        channel.send(AskFailed(str(error)))
        os._exit(EXIT_TOLD)
    channel.send(Loaded(model.title))
    images = ((image_id, Path(path)) for image_id, path in spec.images)
    shielded = _GuardedOnFiles(detector) if isinstance(detector, FileDetector) else _Guarded(detector)
    for found in predict(shielded, model, images, text=spec.text, masks=masks):
        _tell(found, channel)
        advance()
    channel.send(Done())
    os._exit(0)


def _train(
    spec: TrainSpec, channel: Channel, advance: Callable[[], None], should_stop: Callable[[], bool]
) -> None:
    from labeler.worker.training_job import train  # noqa: PLC0415 - much that a prediction does not need

    def report(event: Event) -> None:
        channel.send(RunEvent(event))
        advance()

    try:
        train(RunFolder(Path(spec.folder)), discover(), report, should_stop)
    except LabelerError as error:
        channel.send(AskFailed(str(error)))
        os._exit(EXIT_TOLD)
    channel.send(Done())
    os._exit(0)


def _evaluate(spec: EvaluateSpec, channel: Channel) -> None:
    from labeler.worker.evaluation_job import evaluate_files  # noqa: PLC0415 - as above

    try:
        evaluate_files(spec)
    except LabelerError as error:
        channel.send(AskFailed(str(error)))
        os._exit(EXIT_TOLD)
    channel.send(Done())
    os._exit(0)


def _export(spec: ExportSpec, channel: Channel) -> None:
    from labeler.models.portable import export_model  # noqa: PLC0415 - as above

    try:
        model = discover().resolve(spec.model)
        guarded("be exported", lambda: export_model(model, spec.form, Path(spec.out)))
    except LabelerError as error:
        channel.send(AskFailed(str(error)))
        os._exit(EXIT_TOLD)
    channel.send(Done())
    os._exit(0)


def _study_effort(spec: EffortSpec, channel: Channel, advance: Callable[[], None]) -> None:
    from labeler.worker.effort_job import answer_window  # noqa: PLC0415 - as above

    def count(done: int, total: int) -> None:
        channel.send(Advanced(done, total))
        advance()

    try:
        guarded("be studied", lambda: answer_window(spec, count))
    except LabelerError as error:
        channel.send(AskFailed(str(error)))
        os._exit(EXIT_TOLD)
    channel.send(Done())
    os._exit(0)


def _tell(found: prediction.ImagePrediction, channel: Channel) -> None:
    if found.failure:
        channel.send(Missed(found.image_id, found.failure))
        return
    try:
        packed = pack_candidates(found.candidates)
        channel.send(Predicted(found.image_id, packed, found.milliseconds))
    except (ProtocolError, AttributeError, TypeError, ValueError) as error:  # a plugin may give anything
        _log.info("A prediction could not be sent", exc_info=error)
        sentence = f"What the model found could not be understood ({type(error).__name__}: {error})."
        channel.send(Missed(found.image_id, sentence))


def _received(channel: Channel) -> Iterator[ToJob]:
    frames = Frames()
    while data := channel.source.read(_READ):
        yield from map(decode_to_job, frames.feed(data))
