"""The instant trainer: embeddings from the cache, a head that learns from them in seconds, its file.

It has no checkpoint: a training that was stopped begins anew, which takes no longer than to read one well.
What takes long, encoding images that were never opened, is in the cache for the next time.
"""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import psutil

from labeler.core.boxes import Boxes
from labeler.core.files import atomic_write
from labeler.core.geometry import bounds
from labeler.core.photos.images import read_pixels
from labeler.core.records import Annotation, Candidate
from labeler.errors import LabelerError
from labeler.models.devices import cpu_name
from labeler.models.embedder import Embedder
from labeler.models.embeddings import as_kept
from labeler.models.protocols import Embedding, Segmenter
from labeler.training.data import LabelledImage
from labeler.training.events import Epoch, Note, Report, Sample, ShouldStop, Started
from labeler.training.instant.cells import Projection, fit_projection, scale_of
from labeler.training.instant.fit_reports import FitReporter
from labeler.training.instant.head import Config, Head, save
from labeler.training.instant.objects import objects
from labeler.training.instant.targets import Example
from labeler.training.precision import JudgedImage, precision
from labeler.training.run import RunFolder
from labeler.training.sample_pictures import drawn
from labeler.training.specs import StoppedError

_PROJECTED_FROM = 48
"""Images from which the projection is worked out; their embeddings are in memory together."""
_JUDGED = 12
"""Validation images that it is measured on here; all of them are measured when the run is judged."""
_SAMPLES = 3


class Instant:
    """The embedded segmenter with its cached embeddings, for training and for prediction alike."""

    def __init__(self, segmenter: Segmenter, embedder: Embedder, fingerprint: str) -> None:
        self.segmenter = segmenter
        self.fingerprint = fingerprint
        self._embedder = embedder

    def embedding(self, path: Path) -> Embedding:
        """The embedding of an image file, from the cache; else it is worked out, and cached.

        It is the same in both cases: as precise as the cache keeps it. Raises ImageError or ModelError.
        """
        embedded = self._embedder.embed(path, keep=False)
        embedded.store()
        return as_kept(embedded.embedding)

    def objects(self, head: Head, path: Path) -> tuple[Candidate, ...]:
        """What a head finds in an image file, as `instant_objects.objects`."""
        return objects(head, self.segmenter, self.embedding(path))


def train(
    folder: RunFolder, instant: Instant, *, steps: int, report: Report, should_stop: ShouldStop
) -> Path:
    """Train a head on a run's labels and give the file of its weights, as `TrainerSpec.train` says."""
    head = _Training(folder, instant, steps, report, should_stop).run()
    path = folder.path / "weights.safetensors"
    try:
        save(head, path, folder.spec.name)
    except OSError as error:
        raise LabelerError(f"The weights could not be written to {path} ({error.strerror}).") from error
    age = time.time() - psutil.Process().create_time()
    report(Note(f"The model was ready after {age:.0f} s."))
    return path


class _Training:
    """One run: what goes in, the fitting, and how good the outcome is."""

    def __init__(
        self, folder: RunFolder, instant: Instant, steps: int, report: Report, should_stop: ShouldStop
    ) -> None:
        self._folder = folder
        self._instant = instant
        self._steps = steps
        self._report = report
        self._should_stop = should_stop
        self._labels = folder.train_set()
        self._config = Config(embeddings=instant.fingerprint)

    def run(self) -> Head:
        """Train and measure."""
        if not any(_learnt(image.annotations) for image in self._labels.images):
            raise LabelerError("There is no object to learn from; label a few and train again.")
        projection = self._projection()
        examples = [self._example(image, projection) for image in self._labels.images]

        from labeler.training.instant.fit import VIEWS_A_STEP, Fitting  # noqa: PLC0415  # heavy

        begun = time.monotonic()
        fitting = Fitting(
            examples,
            projection,
            self._labels.names,
            self._config,
            steps=self._steps,
            seed=self._folder.spec.seed,
        )
        self._report(Started(cpu_name(1), epochs=1, batch=VIEWS_A_STEP, parameters=fitting.parameters))
        reporter = FitReporter(self._steps, VIEWS_A_STEP, self._report)
        head = fitting.run(partial(self._progress, reporter))
        metrics = self._measured(head)
        self._report(Epoch(1, reporter.means, metrics, best=True, seconds=time.monotonic() - begun))
        return head

    def _progress(self, reporter: "FitReporter", step: int, losses: dict[str, float]) -> None:
        reporter.add(step, losses)
        self._go_on()

    def _go_on(self) -> None:
        if self._should_stop():
            raise StoppedError("The training was stopped; it begins anew when it is resumed.")

    def _projection(self) -> Projection:
        """From images of the training part by chance."""
        images = self._labels.images
        order = np.random.default_rng(self._folder.spec.seed).permutation(len(images))
        embeddings = [self._embedding(images[place]) for place in order[:_PROJECTED_FROM]]
        features = [embedding.arrays["image"][0] for embedding in embeddings]
        return fit_projection(features, [embedding.size for embedding in embeddings], self._config.dimensions)

    def _example(self, image: LabelledImage, projection: Projection) -> Example:
        embedding = self._embedding(image)
        height, width = embedding.size
        scale = scale_of(embedding.size)
        class_of = self._labels.class_of
        learnt = _learnt(image.annotations)
        return Example(
            projection(embedding.arrays["image"][0], embedding.size).astype(np.float16),
            (width * scale, height * scale),
            _corners(learnt) * scale,
            np.array([class_of[one.category_id] for one in learnt], dtype=np.intp),
            _corners([one for one in image.annotations if one.crowd]) * scale,
        )

    def _embedding(self, image: LabelledImage) -> Embedding:
        self._go_on()
        return self._instant.embedding(image.path)

    def _measured(self, head: Head) -> dict[str, float]:
        """AP and AP50 on validation images, with pictures of the first few."""
        validation = self._folder.validation_set()
        judged = []
        for number, image in enumerate(validation.images[:_JUDGED], 1):
            self._go_on()
            found = self._instant.objects(head, image.path)
            judged.append(JudgedImage(image.size, image.annotations, found))
            if number <= _SAMPLES:
                self._show(image, found, number)
        return precision(judged, {category.name: category.id for category in validation.categories})

    def _show(self, image: LabelledImage, found: Sequence[Candidate], number: int) -> None:
        picture = drawn(read_pixels(image.path).rgb, found, self._labels.names)
        path = self._folder.samples / f"0001-{number}.jpg"
        _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        try:
            self._folder.samples.mkdir(exist_ok=True)
            atomic_write(path, data.tobytes())
        except OSError as error:
            raise LabelerError(f"A sample could not be written to {path} ({error.strerror}).") from error
        self._report(Sample(1, image.name, path.relative_to(self._folder.path).as_posix()))


def _learnt(annotations: Sequence[Annotation]) -> list[Annotation]:
    return [one for one in annotations if not one.crowd and bounds(one.shape).area > 0]


def _corners(annotations: Sequence[Annotation]) -> Boxes:
    """(N, 4) xyxy in image pixels."""
    boxes = [bounds(one.shape) for one in annotations]
    return np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], dtype=np.float64).reshape(-1, 4)
