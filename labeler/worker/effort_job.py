"""What models would save a person on labelled images, asked for by the window or on the command line."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct, structs

from labeler import paths
from labeler.core.files import atomic_write
from labeler.core.order import natural_key
from labeler.core.photos.images import read_header
from labeler.core.photos.patience import said_together
from labeler.core.records import Annotation, Box
from labeler.errors import FormatError, LabelerError, ModelError
from labeler.evaluation.effort.act_counts import Pace
from labeler.evaluation.effort.effort_curve import ImageEffort, told
from labeler.evaluation.effort.simulated_person import TARGET
from labeler.formats.image_paths import Folder
from labeler.formats.placement import read_placed_coco
from labeler.formats.spec import Dataset
from labeler.models.embedder import Embedder
from labeler.models.embeddings import EmbeddingCache, as_kept
from labeler.models.files.catalog import DEFAULT_DETECTOR
from labeler.models.prediction import load_detector
from labeler.models.protocols import Embedding, ModelSpec, Segmenter
from labeler.registry import Registry, discover
from labeler.training.disk import unwritable
from labeler.training.effort.effort_course import EVERY, EffortCourse, Loaded, Tools
from labeler.training.effort.relearner import LabelledPhoto, Relearner
from labeler.wire.job_protocol import EffortSpec

SEGMENTER = "mobilesam"
LEARNER = "instant"
CLICKS = "clicks"

Advance = Callable[[int, int], None]
"""Called with the number of images that are done, and of all, before the first one and after each."""


class Question(Struct, frozen=True, kw_only=True):
    """What is to be found out."""

    labels: Path
    images: Path | None
    encoding: str = ""
    models: tuple[str, ...] = (DEFAULT_DETECTOR,)
    learn: str | None = LEARNER
    """The trainer that learns from what is labelled."""
    learn_clicks: bool = True
    """Whether SAM's decoder learns too, where the objects have masks."""
    every: int = EVERY
    target: float = TARGET
    limit: int | None = None
    seed: int = 0
    pace: Pace = Pace()


class Study(Struct, frozen=True):
    """What came out."""

    efforts: tuple[ImageEffort, ...]
    complaints: tuple[str, ...]
    """What could not be used, a sentence each."""

    def answer(self, question: Question) -> dict[str, Any]:
        """All of it as a JSON object."""
        return {
            "target": question.target,
            "seed": question.seed,
            "models": list(question.models),
            "learn": question.learn,
            "learn_clicks": question.learn_clicks,
            **told(self.efforts, question.pace),
            "left_out": list(self.complaints),
        }


class _Photos(Struct, frozen=True):
    """What there is to label."""

    dataset: Dataset
    photos: list[LabelledPhoto]
    complaints: list[str]

    @property
    def as_masks(self) -> bool:
        """Whether any object has more than a box."""
        return any(not isinstance(one.shape, Box) for photo in self.photos for one in photo.annotations)


def answer_window(spec: EffortSpec, advance: Advance) -> None:
    """Do what the window asks, and write its file. Raises LabelerError with one sentence."""
    question = Question(
        labels=Path(spec.labels), images=Path(spec.images), limit=spec.limit or None, seed=spec.seed
    )
    answer = study(question, discover(), advance).answer(question)
    try:
        atomic_write(Path(spec.out), msgspec.json.encode(answer))
    except OSError as error:
        raise unwritable(Path(spec.out), error) from error


def study(question: Question, registry: Registry, advance: Advance) -> Study:
    """Have a simulated person label the known objects once more, image by image.

    Raises LabelerError with one sentence where the labels, a model or a trainer is none, or nothing is left
    to label.
    """
    found = _photos(question)
    efforts: list[ImageEffort] = []
    failures: list[tuple[Path, str]] = []
    with _course(question, registry, found) as course:
        advance(0, len(found.photos))
        for number, photo in enumerate(found.photos, 1):
            try:
                efforts.append(course.label(photo))
            except LabelerError as error:
                failures.append((photo.path, str(error)))
            advance(number, len(found.photos))
        complaints = [*found.complaints, *said_together(failures), *course.complaints]
    if not any(one.objects for one in efforts):
        raise FormatError(
            f"“{question.labels}” has no object to measure with on these images: no box, and no mask of "
            "1,024 pixels."
        )
    return Study(tuple(efforts), tuple(complaints))


def _photos(question: Question) -> _Photos:
    """The images with labels that are there, in natural order of their names.

    Raises FormatError with one sentence where the labels cannot be read, or there is nothing to label.
    """
    dataset, report, folder = read_placed_coco(
        question.labels, images=question.images, encoding=question.encoding
    )
    on_image: defaultdict[int, list[Annotation]] = defaultdict(list)
    for annotation in dataset.annotations:
        on_image[annotation.image_id].append(annotation)
    if not on_image:
        raise FormatError(f"“{question.labels}” has no labels; give labels of objects to measure with.")
    images = sorted(
        (image for image in dataset.images if image.id in on_image),
        key=lambda image: (natural_key(image.path), image.id),
    )
    if question.limit and question.limit < len(images):
        drawn = np.random.default_rng(question.seed).choice(len(images), question.limit, replace=False)
        images = [images[place] for place in sorted(drawn.tolist())]
    photos: list[LabelledPhoto] = []
    failures: list[tuple[Path, str]] = []
    for image in images:
        try:
            path, size = _placed(folder, image.path)
        except LabelerError as error:
            failures.append((Path(image.path), str(error)))
            continue
        placed = structs.replace(image, width=size[1], height=size[0])
        photos.append(LabelledPhoto(placed, path, tuple(on_image[image.id])))
    if not photos:
        raise FormatError(
            f"None of the photos of “{question.labels}” is in {folder.root}; name their folder."
        )
    problems = [report.problems()] if report.refused else []
    return _Photos(dataset, photos, problems + said_together(failures))


def _placed(folder: Folder, name: str) -> tuple[Path, tuple[int, int]]:
    """The file of an image and its (H, W) as displayed."""
    found = folder.find(name)
    if found is None:
        raise FormatError(f"{name} is not in the folder of the images and was left out.")
    path = folder.root / found.path
    header = read_header(path)
    return path, (header.height, header.width)


@contextmanager
def _course(question: Question, registry: Registry, found: _Photos) -> Iterator[EffortCourse]:
    """The person with the models that are named; LabelerError with one sentence for what there is not."""
    # everything that can be wrong is looked at before anything is loaded
    trainer = None if question.learn is None else registry.trainer(question.learn)
    teacher = registry.trainer(CLICKS) if question.learn_clicks and found.as_masks else None
    detectors = loaded_detectors(question.models, registry)
    segmenter, embed = loaded_segmenter(registry.model(SEGMENTER))
    categories = found.dataset.categories
    with TemporaryDirectory(prefix="labeler-effort-", ignore_cleanup_errors=True) as folder:
        learner, clicks = (
            None
            if one is None
            else Relearner(one, categories, Path(folder) / one.id, registry.open_file, seed=question.seed)
            for one in (trainer, teacher)
        )
        yield EffortCourse(
            Tools(segmenter, embed, detectors, learner, clicks),
            categories,
            as_masks=found.as_masks,
            target=question.target,
            every=question.every,
            pace=question.pace,
        )


def loaded_detectors(names: Sequence[str], registry: Registry) -> tuple[Loaded, ...]:
    """The detectors of these names, files or runs. Raises LabelerError with one sentence for what is none."""
    specs = [registry.resolve(name) for name in names]
    for spec in specs:
        if spec.reads_text:
            raise ModelError(f"{spec.title} has to be told what to look for; name a model with classes.")
    return tuple(Loaded(spec, load_detector(spec)) for spec in specs)


def loaded_segmenter(spec: ModelSpec) -> tuple[Segmenter, Callable[[Path], Embedding]]:
    """A promptable model, and what gives the embedding of a photo. Raises ModelError where it is none."""
    segmenter = spec.load()
    if not isinstance(segmenter, Segmenter):
        raise ModelError(f"{spec.title} is no promptable model; install Labeler again to restore it.")
    cache = EmbeddingCache(paths.cache_dir() / "embeddings")
    return segmenter, partial(_embedding, Embedder(segmenter, spec.fingerprint, cache))


def _embedding(embedder: Embedder, path: Path) -> Embedding:
    """The same whether it was in the cache or not, so that a run is the same each time."""
    embedded = embedder.embed(path, keep=False)
    embedded.store()
    return as_kept(embedded.embedding)
