"""The trainer of clicks: what a person outlined teaches the decoder that answers their next prompts.

It has no checkpoint: a training that was stopped begins anew, which takes no longer than to read one well.
What takes long, encoding images that were never opened, is in the cache for the next time.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from labeler.core.geometry import bounds, rasterise, to_bits
from labeler.core.records import Annotation, Box
from labeler.errors import LabelerError
from labeler.models.devices import cpu_name
from labeler.models.protocols import Embedding
from labeler.models.sam.clicks_file import Gate, Taught, save
from labeler.models.sam.mobile_sam import DECODER
from labeler.models.sam.onnx_decoder import Decoder, OpenDecoder, Tensors, read_decoder
from labeler.models.threads import all_threads
from labeler.training.clicks.held_out import LEAST, Measured, gates, measured
from labeler.training.clicks.lessons import Lesson, Target, covered, lessons
from labeler.training.data import LabelledImage
from labeler.training.disk import unwritable
from labeler.training.events import Counted, Epoch, Note, Report, ShouldStop, Started
from labeler.training.instant.fit_reports import FitReporter
from labeler.training.run import RunFolder
from labeler.training.specs import StoppedError

_MOST = 160
"""Objects that are learnt from; each is four prompts, of half a megabyte each."""
VIEWS = 3
"""Times that each is prompted anew, where there are few."""
_JUDGED = 40
"""Objects that are held out at most."""
_SHARE = 0.25
"""Of the images that are held out where the run itself holds out none."""
_ENOUGH = 16
"""Objects that these must have; else each half of the images judges what the other teaches."""


def train(
    folder: RunFolder,
    embed: Callable[[Path], Embedding],
    *,
    steps: int,
    report: Report,
    should_stop: ShouldStop,
) -> Path:
    """Teach the decoder by a run's labels and give the file of its weights, as `TrainerSpec.train` says.

    `embed` gives MobileSAM's embedding of an image file.
    """
    path = folder.path / "weights.safetensors"
    training = _Training(folder, embed, steps, report, should_stop)
    learnt, taught = training.run()
    try:
        save(path, learnt, taught, categories=folder.train_set().names, title=folder.spec.name)
    except OSError as error:
        raise unwritable(path, error) from error
    report(Note(_told(taught)))
    return path


def _told(taught: Taught) -> str:
    """What came of it, in a sentence or two."""
    said = []
    for gate in taught.gates:
        use = "used" if gate.is_open else "not used, since it is not surely better"
        said.append(f"{gate.told} ({use})")
    return f"On {taught.gates[0].objects} held-out objects: by {'; by '.join(said)}."


class _Training:
    """One run: what is learnt from, what is held out, and which of both decoders is better there."""

    def __init__(
        self,
        folder: RunFolder,
        embed: Callable[[Path], Embedding],
        steps: int,
        report: Report,
        should_stop: ShouldStop,
    ) -> None:
        self._folder = folder
        self._embed = embed
        self._steps = steps
        self._report = report
        self._should_stop = should_stop
        self._generator = np.random.default_rng(folder.spec.seed)

    def run(self) -> tuple[Tensors, Taught]:
        """Learn, and compare."""
        learning, judging = self._parts()
        begun = time.monotonic()
        taken = self._lessons(learning)
        crossed = () if judging else self._crossed(learning, taken)
        learnt, losses = self._taught(taken, self._steps)
        found = crossed or self._compared(learnt, judging)
        seconds = time.monotonic() - begun
        self._report(Epoch(1, losses, dict(_metrics(found)), best=True, seconds=seconds))
        return learnt, Taught(DECODER.sha256, found, len(learning))

    def _parts(self) -> tuple[list["_Labelled"], list["_Labelled"]]:
        """Objects to learn from, and to be judged on, of other images, each drawn by chance.

        None of the latter where there are too few to do without some. Raises LabelerError where there are too
        few to be judged by at all.
        """
        images = list(self._folder.train_set().images)
        judged = self._drawn(self._folder.validation_set().images, _JUDGED)
        if len(judged) >= LEAST:
            return self._learnable(images, 1), judged
        self._generator.shuffle(images)
        count = round(_SHARE * len(images))
        judged = self._drawn(images[:count], _JUDGED)
        if len(judged) >= _ENOUGH:
            return self._learnable(images[count:], 1), judged
        return self._learnable(images, LEAST), []

    def _learnable(self, images: Sequence[LabelledImage], least: int) -> list["_Labelled"]:
        found = self._drawn(images, _MOST)
        if len(found) < least or (least > 1 and len({image.name for image, _ in found}) < 2):
            raise LabelerError(
                f"It takes {LEAST} outlined objects on several images to see whether anything is gained, and "
                f"there are {len(found)}; label more and train again."
            )
        return found

    def _taught(self, taken: Sequence[Sequence[Lesson]], steps: int) -> tuple[Tensors, dict[str, float]]:
        """What is learnt from the lessons on some objects, and the mean losses."""
        from labeler.training.clicks.teaching import BATCH, Teaching  # noqa: PLC0415  # heavy

        teaching = Teaching(read_decoder(DECODER.path), seed=self._folder.spec.seed, threads=all_threads())
        self._report(Started(cpu_name(), epochs=1, batch=BATCH, parameters=teaching.parameters))
        reporter = FitReporter(steps, BATCH, self._report)
        flat = [lesson for lessons_of_one in taken for lesson in lessons_of_one]
        if not flat:
            raise LabelerError("Every object is too small for MobileSAM to learn from; label larger ones.")
        teaching.run(flat, steps, partial(self._progress, reporter))
        return teaching.learnt(), reporter.means

    def _progress(self, reporter: FitReporter, step: int, losses: dict[str, float]) -> None:
        reporter.add(step, losses)
        self._go_on()

    def _go_on(self) -> None:
        if self._should_stop():
            raise StoppedError("The training was stopped; it begins anew when it is resumed.")

    def _crossed(self, learning: Sequence["_Labelled"], taken: Sequence[list[Lesson]]) -> tuple[Gate, ...]:
        """Of few images each half judges what the other teaches; what is kept in the end learns from all."""
        names = list(dict.fromkeys(image.name for image, _ in learning))
        chosen = self._generator.permutation(len(names))
        first = {names[place] for place in chosen[: len(names) // 2].tolist()}
        halves = [image.name in first for image, _ in learning]
        before, after = [], []
        for half in (True, False):
            learnt, _ = self._taught(
                [one for one, own in zip(taken, halves, strict=True) if own == half], self._steps // 2
            )
            judging = [one for one, own in zip(learning, halves, strict=True) if own != half]
            frozen, ours = self._measured(learnt, judging)
            before += frozen
            after += ours
        return gates(before, after)

    def _drawn(self, images: Sequence[LabelledImage], most: int) -> list["_Labelled"]:
        every = [
            (image, one) for image in images for one in image.annotations if not one.crowd and _outlined(one)
        ]
        chosen = self._generator.permutation(len(every))[:most]
        return [every[place] for place in sorted(chosen.tolist())]  # one image after the other

    def _lessons(self, learning: Sequence["_Labelled"]) -> list[list[Lesson]]:
        decoder = OpenDecoder(DECODER.path, all_threads())
        views = max(1, min(VIEWS, _MOST // len(learning)))
        count = Counted("looking", len(learning), self._report)
        found: list[list[Lesson]] = []
        for target in self._targets(learning):
            found.append([one for _ in range(views) for one in lessons(target, decoder, self._generator)])
            count.advance()
        return found

    def _compared(self, learnt: Tensors, judging: Sequence["_Labelled"]) -> tuple[Gate, ...]:
        return gates(*self._measured(learnt, judging))

    def _measured(
        self, learnt: Tensors, judging: Sequence["_Labelled"]
    ) -> tuple[list[Measured], list[Measured]]:
        """By the frozen decoder and by what was learnt."""
        frozen, ours = Decoder(DECODER.path, all_threads()), Decoder(DECODER.path, all_threads(), learnt)
        count = Counted("judging", len(judging), self._report)
        before, after = [], []
        for target in self._targets(judging):
            before.append(measured(frozen, target))
            after.append(measured(ours, target))
            count.advance()
        return before, after

    def _targets(self, chosen: Sequence["_Labelled"]) -> Iterator[Target]:
        """One image's embedding is in memory at a time."""
        path, embedding = None, None
        for image, one in chosen:
            self._go_on()
            if embedding is None or image.path != path:
                path, embedding = image.path, self._embed(image.path)
            bits = to_bits(rasterise(one.shape, size=embedding.size), embedding.size)
            yield Target(embedding.arrays["image"], embedding.size, bounds(one.shape), covered(bits))


_Labelled = tuple[LabelledImage, Annotation]


def _outlined(one: Annotation) -> bool:
    return not isinstance(one.shape, Box) and bounds(one.shape).area > 0


def _metrics(found: Sequence[Gate]) -> Iterator[tuple[str, float]]:
    """IoU by the model that comes out and, beside it, by MobileSAM as it comes."""
    for gate in found:
        given = gate.learnt if gate.is_open else gate.frozen
        for place, (before, after) in enumerate(zip(gate.frozen, given, strict=True), 1):
            what = "box" if gate.kind == "box" else f"{place} click{'s' if place > 1 else ''}"
            yield f"IoU {what}", after
            yield f"MobileSAM IoU {what}", before
