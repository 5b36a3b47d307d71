"""What the window and a job say to each other, in the frames of `protocol`.

The window sends one spec, and `Stop` to call it off. Beats and log lines come in between.

- `PredictSpec`: the job answers with `Hello`, `Loaded`, one `Predicted` or `Missed` for each image in their
  order, and `Done`. A model that cannot be loaded is a `AskFailed`, and the exit status `EXIT_TOLD`.
- `TrainSpec`: `Hello`, a `RunEvent` each time the run says something, and `Done`. `Stop` has it save first.
- `EvaluateSpec`, `ExportSpec`: `Hello`, and `Done` when its files are written, or a `AskFailed`.
- `EffortSpec`: `Hello`, an `Advanced` for each image, and `Done` when its file is written, or a `AskFailed`.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from labeler.core.records import Candidate
from labeler.errors import ProjectError
from labeler.models.protocols import Form
from labeler.project import shape_bytes
from labeler.training.events import Event
from labeler.wire.host_protocol import AskFailed, Beat, Hello, Log, ProtocolError, Stop, readable


class PredictSpec(Struct, frozen=True, tag=True):
    """Run a detector over images."""

    model: str
    """The id of a plugin's model, or the path of a model file."""
    images: tuple[tuple[int, str], ...]
    """(image id, path) in the order in which they are wanted."""
    text: str | None = None
    """What to look for, for models that read."""
    masks: bool = False
    """Whether the boxes become masks, by prompting the embedded segmenter with them."""
    threads: int = 0
    """CPU threads that the job may use; 0 for half of those that a person waits for."""


class TrainSpec(Struct, frozen=True, tag=True):
    """Train in a run's folder, or go on with what is there."""

    folder: str
    threads: int = 0
    """CPU threads that the job may use; 0 for half of those that a person waits for."""


class RunEvent(Struct, frozen=True, tag=True):
    """An event of a run, which is in its folder by now."""

    event: Event


class EvaluateSpec(Struct, frozen=True, tag=True):
    """Compare predictions with labels."""

    labels: str
    """A COCO file."""
    results: tuple[tuple[str, str], ...]
    """(title, COCO results file) of one model, or of two that are to be compared."""
    out: str
    """Where the evaluations go, as `labeler.evaluation.findings.save` writes them."""
    by: Literal["", "box", "mask"] = ""
    """What is compared; "" for masks where the labels and all results have some, else boxes."""


class ExportSpec(Struct, frozen=True, tag=True):
    """Write a model for other programs."""

    model: str
    """As for `Registry.resolve`; a run's folder."""
    form: Form
    out: str
    """The folder, which is not there yet."""


class EffortSpec(Struct, frozen=True, tag=True):
    """Have a simulated person label known objects once more, with all that the app has."""

    labels: str
    """A COCO file, with the paths of images relative to `images`."""
    images: str
    out: str
    """Where the answer goes, as JSON."""
    limit: int = 0
    """Images at most, drawn by chance; 0 for all."""
    seed: int = 0


class Advanced(Struct, frozen=True, tag=True):
    """How far the person has come."""

    done: int
    """Images."""
    total: int


class Loaded(Struct, frozen=True, tag=True):
    """The model is there and begins with the first image."""

    title: str


class PackedCandidates(Struct, frozen=True, array_like=True):
    """The raw candidates of an image, column by column and best first; all columns are of one length."""

    shapes: tuple[bytes, ...]
    """As the project file keeps them: a box as four floats, a mask as its box and runs or packed bits."""
    confidences: tuple[float, ...]
    classes: tuple[int, ...]
    """Indices into `labels`."""
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.shapes) == len(self.confidences) == len(self.classes):
            raise ValueError("every candidate has a shape, a confidence and a class")
        if self.classes and not 0 <= min(self.classes) <= max(self.classes) < len(self.labels):
            raise ValueError("a class is one of the labels")


class Predicted(Struct, frozen=True, tag=True):
    """All that the model found on an image, which may be nothing."""

    image_id: int
    found: PackedCandidates
    milliseconds: float
    """The time that the image took, of which decoding ahead of the model is no part."""


class Missed(Struct, frozen=True, tag=True):
    """An image that could not be predicted; one sentence that says why."""

    image_id: int
    sentence: str


class Done(Struct, frozen=True, tag=True):
    """Every image was predicted or missed."""


JobSpec: TypeAlias = PredictSpec | TrainSpec | EvaluateSpec | ExportSpec | EffortSpec
"""What a job is asked for."""
ToJob: TypeAlias = JobSpec | Stop
FromJob: TypeAlias = Hello | Loaded | Beat | Predicted | Missed | RunEvent | Advanced | Done | AskFailed | Log

_to_job = msgspec.msgpack.Decoder(ToJob)
_from_job = msgspec.msgpack.Decoder(FromJob)


def decode_to_job(body: bytes) -> ToJob:
    """The message in a frame's body. Raises ProtocolError for anything else."""
    with readable():
        message: ToJob = _to_job.decode(body)
    return message


def decode_from_job(body: bytes) -> FromJob:
    """The message in a frame's body. Raises ProtocolError for anything else."""
    with readable():
        message: FromJob = _from_job.decode(body)
    return message


def pack_candidates(candidates: Sequence[Candidate]) -> PackedCandidates:
    """Candidates for the wire; their ids, categories and verdicts, which a model knows nothing of, stay."""
    labels = {label: place for place, label in enumerate(dict.fromkeys(c.label for c in candidates))}
    return PackedCandidates(
        shapes=tuple(shape_bytes.encode(candidate.shape) for candidate in candidates),
        confidences=tuple(float(candidate.confidence) for candidate in candidates),
        classes=tuple(labels[candidate.label] for candidate in candidates),
        labels=tuple(labels),
    )


def unpack_candidates(packed: PackedCandidates) -> tuple[Candidate, ...]:
    """The candidates as they were, with ids and category 0. Raises ProtocolError for a shape that is none."""
    columns = zip(packed.shapes, packed.confidences, packed.classes, strict=True)
    try:
        return tuple(
            Candidate(0, 0, 0, 0, shape_bytes.decode(shape), confidence, packed.labels[label])
            for shape, confidence, label in columns
        )
    except ProjectError as error:
        raise ProtocolError(f"A candidate could not be read ({error}).") from error
