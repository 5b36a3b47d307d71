"""The instant trainer: what the detector sees, from the cache; a head that learns from it; its file.

It has no checkpoint: a training that was stopped begins anew, which takes no longer than to read one well.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import psutil

from labeler.core.boxes import Boxes
from labeler.core.files import atomic_write
from labeler.core.geometry import bounds
from labeler.core.photos.images import read_pixels
from labeler.core.records import Annotation, Box, Candidate
from labeler.errors import LabelerError
from labeler.models.detector_eyes import place_of
from labeler.models.devices import cpu_name
from labeler.models.protocols import Embedding
from labeler.training.data import LabelledImage
from labeler.training.events import Epoch, Note, Report, Sample, ShouldStop, Started
from labeler.training.instant import head_check
from labeler.training.instant.by_likeness import FEW_IMAGES, Labelled, by_likeness
from labeler.training.instant.cells import cells_of, seen_in, shapes_in
from labeler.training.instant.fit_reports import FitReporter
from labeler.training.instant.head import Config, Head, coco_weights, known_names, save
from labeler.training.instant.instant_models import Instant
from labeler.training.instant.objects import boxes_found, drawn_in
from labeler.training.instant.targets import Example, Objects, example
from labeler.training.precision import JudgedImage, precision
from labeler.training.run import RunFolder
from labeler.training.sample_pictures import drawn
from labeler.training.specs import StoppedError

_JUDGED = 12
"""Validation images that it is measured on here; all of them are measured when the run is judged."""
_SAMPLES = 3
_FEWEST = 60
"""Steps, to which an object each is added: with 20 objects AP50 is 0.86 after 80 steps and 0.81 after 220,
with 140 it is 0.71 after 100 and 0.79 after 220."""
_HELD_OUT = 8
"""Images of each part that are held out, on which it is judged."""
_MIRRORED = 200
"""Images up to which their mirror images are learnt from as well."""
_COMPARED, _COMPARED_IMAGES = 40, 4
"""Objects, on so many images, by which masks are compared with boxes that a person drew."""
_WORTH_DRAWING = 0.01
"""Mean IoU by which masks must fit such boxes better."""


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
        self._report = report
        self._should_stop = should_stop
        self._labels = folder.train_set()
        objects = sum(len(_learnt(image.annotations)) for image in self._labels.images)
        self._steps = steps_for(objects, most=steps)
        self._names = self._labels.names
        self._known = frozenset(known_names(self._names, instant.eyes.layers))
        self._coco = coco_weights(self._names, instant.eyes.layers)
        self._config = Config(eyes=instant.eyes.fingerprint)
        self._random = np.random.default_rng(folder.spec.seed)

    def run(self) -> Head:
        """Train and measure."""
        images = self._labels.images
        if not any(_learnt(image.annotations) for image in images):
            raise LabelerError("There is no object to learn from; label a few and train again.")
        if self._is_little():
            return self._by_likeness()
        examples = [self._examples(image) for image in images]

        from labeler.training.instant.fit import VIEWS_A_STEP, Fitting, one_thread  # noqa: PLC0415  # heavy

        def fitting(places: Sequence[int], steps: int) -> Fitting:
            chosen = [view for place in places for view in examples[place]]
            seed = self._folder.spec.seed
            return Fitting(chosen, self._coco, self._names, self._config, steps=steps, seed=seed)

        begun = time.monotonic()
        whole = fitting(range(len(images)), self._steps)
        parts = self._parts()
        others = [
            fitting(
                [place for place in range(len(images)) if place not in part],
                max(self._steps // head_check.PARTS, 1),
            )
            for part in parts
        ]
        self._report(Started(cpu_name(1), epochs=1, batch=VIEWS_A_STEP, parameters=whole.parameters))
        reporter = FitReporter(self._steps, VIEWS_A_STEP, self._report)
        with one_thread(), ThreadPoolExecutor(1) as beside:
            heads = [beside.submit(other.run, lambda *_: self._go_on()) for other in others]
            try:
                head = whole.run(partial(self._progress, reporter))
            except BaseException:
                beside.shutdown(wait=True, cancel_futures=True)
                raise
            said = [one.result() for one in heads]
        judged = self._judged(head, parts, said)
        metrics = self._measured(judged)
        self._report(Epoch(1, reporter.means, metrics, best=True, seconds=time.monotonic() - begun))
        return judged

    def _is_little(self) -> bool:
        """Whether there is too little to fit a head to, of anything that COCO has not."""
        if not self._steps:
            return True
        able = sum(bool(_learnt(image.annotations)) for image in self._labels.images)
        return able < FEW_IMAGES and len(self._known) < len(self._names)

    def _by_likeness(self) -> Head:
        """What looks like the objects: nothing is fitted."""
        begun = time.monotonic()
        self._report(Started(cpu_name(1), epochs=1, batch=1, parameters=0))
        able = [image for image in self._labels.images if _learnt(image.annotations)]
        labelled = []
        for image in able:
            learnt, seen = _learnt(image.annotations), self._seen(image)
            places = np.array([self._labels.class_of[one.category_id] for one in learnt], dtype=np.intp)
            labelled.append(Labelled(seen, self._instant.embedding(image.path), _corners(learnt), places))
        found = by_likeness(self._names, labelled, self._instant.eyes.layers, self._config.eyes)
        outlined = any(not isinstance(one.shape, Box) for image in able for one in _learnt(image.annotations))
        head = found.head.with_config(masks=outlined)
        self._report(Note(found.words))
        metrics = self._measured(head)
        self._report(Epoch(1, {}, metrics, best=True, seconds=time.monotonic() - begun))
        return head

    def _parts(self) -> list[list[int]]:
        """Places of the images in each part that is held out, and whose rest has something to learn from."""
        is_able = [bool(_learnt(image.annotations)) for image in self._labels.images]
        parts = head_check.parts_of(len(is_able), self._folder.spec.seed)
        return [part for part in parts if sum(is_able) > sum(is_able[place] for place in part)]

    def _judged(self, head: Head, places: Sequence[Sequence[int]], heads: Sequence[Head]) -> Head:
        """The head, with what images that others of its kind were not trained on tell of it."""
        images = self._labels.images
        chosen = [[images[place] for place in part[:_HELD_OUT]] for part in places]
        parts = [
            head_check.Part(one, part, [self._seen(image) for image in part])
            for one, part in zip(heads, chosen, strict=True)
        ]
        ids = {category.name: category.id for category in self._labels.categories}
        found = head_check.learnt(parts, ids, self._known)
        masks, why = self._masks(parts, found.trust)
        if found.figures:
            judged = sum(len(part) for part in chosen)
            self._report(Note(self._words(found, judged, len(parts), why)))
        head = head_check.trusted(head, found.trust, self._known)
        return head.with_config(slope=found.slope, shift=found.shift, masks=masks)

    def _words(self, found: head_check.Learnt, images: int, parts: int, why: str) -> str:
        figures = ", ".join(
            f"{name} {found.figures[name]:.2f}" for name in ("AP50", "AP") if name in found.figures
        )
        ways = {1.0: "as it was learnt", 0.5: "half as learnt, half as COCO has it", 0.0: "as COCO has it"}
        known = [self._names[place] for place in sorted(self._known)]
        coco = (
            f"; {', '.join(known[:3])}{' ...' if len(known) > 3 else ''} {ways[found.trust]}" if known else ""
        )
        return f"On images held out ({images} in {parts} parts): {figures}{coco}; {why}."

    def _masks(self, parts: Sequence[head_check.Part], trust: float) -> tuple[bool, str]:
        """Whether the segmenter draws what is found, and why."""
        labelled = [one.shape for image in self._labels.images for one in _learnt(image.annotations)]
        if not all(isinstance(shape, Box) for shape in labelled):
            return True, "masks, as labelled"
        compared: list[tuple[Box, Box, Box]] = []
        pairs = [
            (part, image, seen)
            for part in parts
            for image, seen in zip(part.images, part.seen, strict=True)
            if _learnt(image.annotations)
        ]
        for part, image, seen in pairs[:: max(len(pairs) // _COMPARED_IMAGES, 1)][:_COMPARED_IMAGES]:
            self._go_on()
            found = boxes_found(head_check.trusted(part.head, trust, self._known), seen)
            compared += self._drawn_beside(image, found)[: _COMPARED // _COMPARED_IMAGES]
        if not compared:
            return True, "masks by the segmenter"
        gain = head_check.gain_of_masks(compared)
        if gain > _WORTH_DRAWING:
            return True, f"masks, whose boxes fit better than its own (IoU {gain:+.2f})"
        return False, f"boxes, for masks fit what is labelled no better (IoU {gain:+.2f})"

    def _drawn_beside(self, image: LabelledImage, found: Sequence[Candidate]) -> list[tuple[Box, Box, Box]]:
        """Of objects that were found: the truth's box, the head's, and that around the mask in it."""
        pairs = head_check.pairs_of(found, _learnt(image.annotations))[: _COMPARED // _COMPARED_IMAGES]
        if not pairs:
            return []
        embedding, segmenter = self._instant.embedding(image.path), self._instant.segmenter
        shapes = drawn_in(segmenter, embedding, [box for _, box in pairs])
        return [(truth, box, bounds(shape)) for (truth, box), shape in zip(pairs, shapes, strict=True)]

    def _progress(self, reporter: FitReporter, step: int, losses: dict[str, float]) -> None:
        reporter.add(step, losses)
        self._go_on()

    def _go_on(self) -> None:
        if self._should_stop():
            raise StoppedError("The training was stopped; it begins anew when it is resumed.")

    def _seen(self, image: LabelledImage) -> Embedding:
        self._go_on()
        return self._instant.seen(image.path)

    def _examples(self, image: LabelledImage) -> tuple[Example, ...]:
        """The image, and its mirror image."""
        seen = self._seen(image)
        width, learnt = seen.size[1], _learnt(image.annotations)
        boxes = _corners(learnt)
        unclear = _corners([one for one in image.annotations if one.crowd])
        class_of = self._labels.class_of
        categories = np.array([class_of[one.category_id] for one in learnt], dtype=np.intp)
        itself = self._example(seen, Objects(boxes, categories, unclear))
        if len(self._labels.images) > _MIRRORED:
            return (itself,)
        mirrored = Objects(_mirrored(boxes, width), categories, _mirrored(unclear, width))
        return itself, self._example(self._instant.seen_mirrored(image.path), mirrored)

    def _example(self, seen: Embedding, objects: Objects) -> Example:
        cells, values = cells_of(shapes_in(seen.arrays)), seen_in(seen.arrays)
        place = place_of(seen.size)
        return example(
            values,
            cells,
            place.covers(cells.centres),
            Objects(place.to_input(objects.boxes), objects.categories, place.to_input(objects.unclear)),
            self._random,
        )

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


def steps_for(objects: int, *, most: int) -> int:
    """How many steps are taken with so many objects to learn from; none where none are wanted."""
    return min(most, _FEWEST + objects)


def _mirrored(boxes: Boxes, width: int) -> Boxes:
    """Boxes (N, 4) xyxy in the mirror image of an image that wide."""
    mirrored = boxes.copy()
    mirrored[:, [0, 2]] = width - boxes[:, [2, 0]]
    return mirrored
