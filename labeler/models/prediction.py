"""A detector over many images: what the command line and the window's jobs have in common."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from msgspec import Struct

from labeler.core.photos.images import read_pixels
from labeler.core.records import Candidate
from labeler.errors import LabelerError, ModelError
from labeler.models.input_pixels import candidates
from labeler.models.protocols import (
    Detector,
    EvaluatedDetector,
    FileDetector,
    ModelSpec,
    Rgb,
    SemanticSegmenter,
    Task,
)

_AHEAD = 2
"""Images that are decoded while the model is at work."""

_DETECTING: frozenset[Task] = frozenset({"detector", "semantic"})
"""The tasks of models that find objects: the objects of a semantic one are its connected components."""

Masks = Callable[[Rgb, tuple[Candidate, ...]], tuple[Candidate, ...]]
"""Gives an image's candidates masks in place of their boxes."""

Keep = Callable[[tuple[Candidate, ...]], tuple[Candidate, ...]]
"""Chooses among an image's candidates."""


class ImagePrediction(Struct, frozen=True):
    """What became of one image."""

    image_id: int
    candidates: tuple[Candidate, ...] = ()
    """Raw or those kept, the most confident first, with the image's id; their own ids are 0."""
    raw: int = 0
    """How many there were before any choice."""
    milliseconds: float = 0.0
    """What the model took, without decoding the image."""
    failure: str = ""
    """One sentence where the image could not be read or the model failed on it; "" else."""


def load_detector(spec: ModelSpec) -> Detector:
    """The model, loaded, one that labels pixels too; in a child process or the command line's own.

    Raises ModelError with one sentence where it is no detector or cannot be loaded.
    """
    if spec.task not in _DETECTING:
        raise ModelError(f"{spec.title} is no detector: it finds no objects by itself; choose another model.")
    model = spec.load()
    if isinstance(model, Detector):
        return model
    if isinstance(model, SemanticSegmenter):
        return _Components(model, spec.categories)
    raise ModelError(f"{spec.title} does not do what a detector must (detect).")


class _Components:
    """A semantic segmenter that only labels pixels, as a detector."""

    def __init__(self, model: SemanticSegmenter, names: tuple[str, ...]) -> None:
        self._model = model
        self._names = names

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:  # noqa: ARG002
        """The connected components of each category, as of `pixels.candidates`."""
        return candidates(self._model.label(image), self._names)


def predict(
    model: Detector,
    spec: ModelSpec,
    images: Iterable[tuple[int, Path]],
    *,
    text: str | None = None,
    keep: Keep | None = None,
    masks: Masks | None = None,
    as_evaluated: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[ImagePrediction]:
    """Run `model` over the images, given by id and file, in their order; the next ones are decoded meanwhile.

    `text` names what to look for, where the model reads. `keep` chooses what is given back, before `masks`
    turns boxes into masks. `as_evaluated` has a model predict as its makers evaluate it, where that differs.
    `stop` is asked before each image: when it says yes, nothing more comes. MemoryError is passed on, since
    the process has to be made anew.
    """
    detect = _detecting(model, spec, text, as_evaluated=as_evaluated)
    remaining = iter(images)
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as decoder:
        waiting = [_Waiting(image_id, decoder, path) for image_id, path in islice(remaining, _AHEAD)]
        while waiting and not stop():
            first = waiting.pop(0)
            waiting += [_Waiting(image_id, decoder, path) for image_id, path in islice(remaining, 1)]
            yield _predicted(first, detect, keep, masks)
        for one in waiting:
            one.pixels.cancel()


class _Waiting:
    """An image on its way."""

    def __init__(self, image_id: int, decoder: ThreadPoolExecutor, path: Path) -> None:
        self.image_id = image_id
        self.path = path
        self.pixels: Future[Rgb] = decoder.submit(lambda: read_pixels(path).rgb)


def _detecting(
    model: Detector, spec: ModelSpec, text: str | None, *, as_evaluated: bool
) -> Callable[[Path, Rgb], tuple[Candidate, ...]]:
    if as_evaluated and isinstance(model, EvaluatedDetector):
        evaluated = model.detect_as_evaluated
        return lambda _, image: evaluated(image)
    if isinstance(model, FileDetector):
        return model.detect_file
    words = text if spec.reads_text else None
    return lambda _, image: model.detect(image, words)


def _predicted(
    waiting: _Waiting,
    detect: Callable[[Path, Rgb], tuple[Candidate, ...]],
    keep: Keep | None,
    masks: Masks | None,
) -> ImagePrediction:
    """Whatever is raised for one image, but for a lack of memory, is told as a sentence."""
    try:
        image = waiting.pixels.result()
        begun = time.perf_counter()
        candidates = detect(waiting.path, image)
        raw = len(candidates)
        if keep is not None:
            candidates = keep(candidates)
        if masks is not None:
            candidates = masks(image, candidates)
        taken = (time.perf_counter() - begun) * 1000.0
    except MemoryError:
        raise
    except LabelerError as error:
        return ImagePrediction(waiting.image_id, failure=str(error))
    except Exception as error:  # a plugin may raise anything
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        return ImagePrediction(
            waiting.image_id, failure=f"The model failed on {waiting.path.name} ({reason}); it was left out."
        )
    found = tuple(_of(waiting.image_id, one) for one in candidates)
    return ImagePrediction(waiting.image_id, found, raw, taken)


def _of(image_id: int, candidate: Candidate) -> Candidate:
    return Candidate(0, image_id, 0, 0, candidate.shape, candidate.confidence, candidate.label)
