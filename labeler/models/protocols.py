"""What a model must do, as protocols, and the records a plugin describes its models with.

Images are RGB uint8 (H, W, 3) as `core.images.read_pixels` gives them; everything comes back in image
pixels. Models are loaded and called in child processes only (or by the command line in its own).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event, Lock
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.records import Candidate, Prompt, Proposal
from labeler.errors import ModelError

Rgb: TypeAlias = NDArray[np.uint8]
Task: TypeAlias = Literal["segmenter", "detector", "semantic"]
Form: TypeAlias = Literal["onnx", "torchscript", "openvino"]
"""In which a model can leave the app."""


class Embedding(Struct, frozen=True, eq=False):
    """What a segmenter's encoder makes of an image, once for all prompts on it.

    `arrays` are float32 arrays by name, of any shape: one for SAM, several for models that also keep
    finer levels. They must survive a round trip through float16, which is how they are cached on disk.
    """

    arrays: Mapping[str, NDArray[np.float32]]
    size: tuple[int, int]
    """(H, W) of the image, in pixels."""


class InterruptedWorkError(ModelError):
    """The work was called off by `Interrupt.set`, because something more urgent came."""


class Interrupt:
    """Calls off running work from another thread: `set` runs what the work registered with `watch`."""

    def __init__(self) -> None:
        self._event = Event()
        self._lock = Lock()
        self._callbacks: list[Callable[[], None]] = []

    def set(self) -> None:
        """Call the work off; once and for all."""
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def is_set(self) -> bool:
        """Whether the work was called off."""
        return self._event.is_set()

    def watch(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, on the thread of `set`, when the work is called off; at once if it was."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()


@runtime_checkable
class Segmenter(Protocol):
    """A promptable model: one slow pass over the image, then a fast one for each prompt.

    One that torch runs says where by an attribute `device`, as torch names it ("cuda:0"), for the status bar.
    """

    def embed(self, image: Rgb, *, threads: int = 0, interrupt: Interrupt | None = None) -> Embedding:
        """The image's embedding.

        `threads`: how many CPU threads may be used, 0 for all. Raises InterruptedWorkError soon after
        `interrupt` is set, where the model can be stopped in the middle.
        """
        ...

    def segment(
        self, embedding: Embedding, prompt: Prompt, *, threads: int = 0, limit: int = 3
    ) -> tuple[Proposal, ...]:
        """The masks offered for `prompt`, at most `limit`, the one that the model itself would choose first.

        Safe to call from one thread while another one is in `embed`.
        """
        ...


@runtime_checkable
class BatchSegmenter(Segmenter, Protocol):
    """A promptable model that answers many prompts on one image in less time than one by one."""

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
        """What `segment` gives for each prompt, in their order.

        Of these `limit` masks those of a confidence under `least` are left out, and so are those whose
        logits `keep` refuses; neither are they worked out at the image's size.
        """
        ...


@runtime_checkable
class Detector(Protocol):
    """A model that finds the objects of an image by itself."""

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:
        """Raw candidates before NMS, at a low confidence floor; masks as shapes where it has them.

        `text` names what to look for, for models that read; the others ignore it. Best first. The ids of
        the candidate, its image, its model and its category are 0; `label` is the model's name of the class.
        """
        ...


@runtime_checkable
class EvaluatedDetector(Detector, Protocol):
    """A detector that its makers evaluate in another way than they let it predict."""

    def detect_as_evaluated(self, image: Rgb) -> tuple[Candidate, ...]:
        """As `detect`, in the way by which the published figures came about."""
        ...


@runtime_checkable
class FileDetector(Detector, Protocol):
    """A detector that makes use of what is kept about an image's file, as of its cached embedding."""

    def detect_file(self, path: Path, image: Rgb) -> tuple[Candidate, ...]:
        """As `detect`, for the image in the file `path`, whose pixels are `image`."""
        ...


@runtime_checkable
class SemanticSegmenter(Protocol):
    """A model that gives every pixel a category."""

    def label(self, image: Rgb) -> NDArray[np.float32]:
        """Probabilities (1 + C, H, W) float32, adding up to 1.

        First of the background, then of the model's categories in their order.
        """
        ...


AnyModel: TypeAlias = Segmenter | Detector | SemanticSegmenter


class Weights(Struct, frozen=True):
    """A file of weights, known by its content."""

    path: Path
    sha256: str


class Portable(Struct, frozen=True, eq=False):
    """What a model is outside of the app: its network, and what must be known to run it."""

    runner: str
    """The program of `resources/runners` that does what the app does around it."""
    classes: tuple[str, ...]
    settings: Mapping[str, Any]
    """What the runner must know beside the classes, as plain JSON."""
    module: Any = None
    """A torch module in evaluation mode on the CPU; it takes one array and gives one or several. None where
    all that leaves is `beside`."""
    example: NDArray[Any] | None = None
    """What it is traced on."""
    outputs: tuple[str, ...] = ()
    """Names of what it gives; what it takes is called "images"."""
    beside: Mapping[str, bytes] = {}
    """Files of a SAM that leave with it, by their names: ONNX, and the program that runs them."""
    free: Mapping[int, str] = {}
    """Axes of what it takes whose length is free, with a name for each."""
    metadata: Mapping[str, Any] = {}
    """What is written into an ONNX file for those who look for it there."""


class ModelSpec(Struct, frozen=True):
    """A model that a plugin offers. Making one imports nothing heavy; `load` does, in a child."""

    id: str
    title: str
    task: Task
    load: Callable[[], AnyModel]
    """Makes the model, ready to be called; raises ModelError with one sentence."""
    weights: tuple[Weights, ...] = ()
    categories: tuple[str, ...] = ()
    """Names of what it finds; () for a promptable model, or where only loading it tells."""
    licence: str = ""
    needs_suppression: bool = True
    """Whether a detector's raw candidates need NMS; False for one that predicts a set end to end."""
    reads_text: bool = False
    """Whether a detector looks for what `text` names."""
    version: str = ""
    """Which weights these are, for a person; "" where the title says it."""
    portable: Callable[[], Portable] | None = None
    """Makes what leaves the app, in a child; None for a model that stays. Raises ModelError."""
    embeds_as: str = ""
    """Fingerprint of the model whose embeddings a segmenter's are; "" where they are its own."""
    note: str = ""
    """How good it is, in a few words for the status line; "" where nothing is known."""

    @property
    def fingerprint(self) -> str:
        """A short hash of id and weights: what embeddings made by this very model are cached under."""
        if self.embeds_as:
            return self.embeds_as
        text = "\n".join([self.id, *(file.sha256 for file in self.weights)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class FileSpec(Struct, frozen=True):
    """A kind of model file that a plugin opens, wherever a person has it from."""

    id: str
    title: str
    suffixes: tuple[str, ...]
    """In lower case, with the dot."""
    sniff: Callable[[Path], bool]
    """Whether a file of one of the suffixes is of this kind. Reads as little as it can, runs nothing that
    is in the file, and raises nothing but OSError."""
    open: Callable[[Path], ModelSpec]
    """The model that is in the file; raises ModelError with one sentence. Imports nothing heavy."""


def verify(weights: Weights) -> None:
    """Check that the file is there and is the one that was meant.

    Raises ModelError with one sentence when it is missing or its SHA-256 is another.
    """
    try:
        with weights.path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(
            f"The model file {weights.path} cannot be read ({reason}); install Labeler again to restore it."
        ) from error
    if found != weights.sha256:
        raise ModelError(
            f"The model file {weights.path} is not the one that belongs here (its SHA-256 differs); "
            "install Labeler again to restore it."
        )
