"""A project's own prompts and corrections given to other models: what its labels would have cost so."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, structs, to_builtins

from labeler.core.geometry import rasterise
from labeler.core.photos.images import read_header
from labeler.core.photos.patience import said_together
from labeler.core.records import Annotation, Box, Category
from labeler.errors import FormatError, LabelerError
from labeler.evaluation.effort.act_counts import NOTHING, Acts, Pace
from labeler.evaluation.effort.recorded_acts import Recorded, recorded
from labeler.evaluation.effort.simulated_person import TARGET, Goal, Person
from labeler.models.protocols import Embedding, ModelSpec, Segmenter
from labeler.project.store import Store
from labeler.registry import Registry
from labeler.training.effort.effort_course import EffortCourse, Loaded, Tools
from labeler.training.effort.relearner import LabelledPhoto
from labeler.worker.effort_job import SEGMENTER, Advance, loaded_detectors, loaded_segmenter

_Embed = Callable[[Path], Embedding]


class ReplayQuestion(Struct, frozen=True, kw_only=True):
    """What is to be found out."""

    project: Path
    models: tuple[str, ...] = (SEGMENTER,)
    target: float = TARGET
    pace: Pace = Pace()


class ReplayRow(Struct, frozen=True):
    """What the labels cost in one way."""

    name: str
    acts: Acts
    note: str
    """A sentence on how it came to that."""
    replayed: int = 0
    """Objects that were prompted for again, by the prompts of the journal."""
    not_reached: int = 0
    """Of them, those that prompts alone did not come to."""
    shown: int = 0
    unchanged: int = 0
    corrected: int = 0
    """What became of a detector's predictions."""


class Replayed(Struct, frozen=True):
    """What came out; the first row is the project as it was recorded."""

    objects: int
    images: int
    seconds_at_work: float
    """By the clock, between the edits of the whole project, pauses left out."""
    rows: tuple[ReplayRow, ...]
    complaints: tuple[str, ...]
    """What was left out, a sentence each."""

    def answer(self, question: ReplayQuestion) -> dict[str, Any]:
        """All of it as a JSON object."""
        return {
            "objects": self.objects,
            "images": self.images,
            "target": question.target,
            "seconds_at_work": round(self.seconds_at_work, 1),
            "seconds_per_act": to_builtins(question.pace),
            "rows": [
                {
                    **to_builtins(row),
                    "actions": row.acts.actions,
                    "seconds": round(question.pace.seconds(row.acts), 1),
                    "actions_per_object": round(row.acts.actions / self.objects, 3),
                    "seconds_per_object": round(question.pace.seconds(row.acts) / self.objects, 3),
                }
                for row in self.rows
            ],
            "left_out": list(self.complaints),
        }

    def table(self, pace: Pace) -> str:
        """The lines for a person."""
        width = max(18, *(len(row.name) + 2 for row in self.rows))
        lines = [f"{'an object costs':<{width}}{'actions':>9}{'seconds':>9}{'in all':>10}{'minutes':>9}"]
        for row in self.rows:
            seconds, actions = pace.seconds(row.acts), row.acts.actions
            lines.append(
                f"{row.name:<{width}}{actions / self.objects:>9.1f}{seconds / self.objects:>9.1f}"
                f"{actions:>10,}{seconds / 60:>9.1f}"
            )
        return "\n".join([*lines, *(f"{row.name}: {row.note}" for row in self.rows)])


class _Work(Struct, frozen=True, eq=False):
    """What a project tells, of images whose photo is there."""

    photos: list[LabelledPhoto]
    """With the objects that a person made, in order of the first act on each."""
    acts: Mapping[int, Recorded]
    """By image."""
    categories: list[Category]
    seconds: float
    complaints: list[str]

    @property
    def objects(self) -> int:
        return sum(len(photo.annotations) for photo in self.photos)

    def of(self, photo: LabelledPhoto) -> tuple[Recorded, frozenset[int]]:
        """What was done on an image, and the ids of its objects."""
        return self.acts.get(photo.image.id, Recorded()), frozenset(one.id for one in photo.annotations)


def replay(question: ReplayQuestion, registry: Registry, advance: Advance) -> Replayed:
    """Give a project's prompts to other models, and its objects to other detectors; it is only read.

    `advance` is told of images, those of each model counted. Raises LabelerError with one sentence where the
    project or a model is none, or nothing in it was made by a person.
    """
    specs = [registry.resolve(name) for name in question.models]
    work = _read(question.project)
    total, done = len(work.photos) * len(specs), 0
    rows, complaints = [_as_recorded(work)], list(work.complaints)
    failures: list[tuple[Path, str]] = []

    def one_done() -> None:
        nonlocal done
        done += 1
        advance(done, total)

    advance(0, total)
    for name, spec in zip(question.models, specs, strict=True):
        if spec.task == "segmenter":
            rows.append(_prompted_again(work, spec, question, failures, one_done))
        else:
            (detector,) = loaded_detectors([name], registry)
            found, sentences = _predicted(work, detector, registry, question, one_done)
            rows.append(found)
            failures += sentences
    if unknown := sum(len(ids.intersection(acts.unknown)) for acts, ids in map(work.of, work.photos)):
        complaints.append(
            f"Proposals without prompts in the journal (made before they were kept, or rescued): {unknown}. "
            "Each counts as a box that was accepted."
        )
    return Replayed(
        work.objects, len(work.photos), work.seconds, tuple(rows), (*complaints, *said_together(failures))
    )


def _read(project: Path) -> _Work:
    """Raises LabelerError where it is no project, is damaged, or has nothing that a person made."""
    if not project.is_file():
        raise FormatError(f"“{project}” is no project; name the .labeler file.")
    with Store.open(project, read_only=True) as store:
        acts = recorded(store.history.past())
        of_image: defaultdict[int, list[Annotation]] = defaultdict(list)
        for one in store.all_annotations():
            known = acts.get(one.image_id)
            if one.source != "import" and not one.crowd and known is not None and one.id in known.own:
                of_image[one.image_id].append(one)
        images = {one.id: one for one in store.images()}
        root, categories = store.root, store.categories()
        seconds = store.agreements.effort(None).seconds
    if not of_image:
        raise FormatError(
            f"The journal of “{project}” has no object that a person drew, prompted for or accepted; "
            "there is nothing to replay."
        )
    photos: list[LabelledPhoto] = []
    failures: list[tuple[Path, str]] = []
    for image in (images[key] for key in acts if key in of_image):
        path = root / image.path
        try:
            header = read_header(path)
        except LabelerError as error:
            failures.append((path, f"{error} Its {len(of_image[image.id])} objects were left out."))
            continue
        if image.width and (image.width, image.height) != (header.width, header.height):
            failures.append((path, f"{image.path} is of another size than its labels; it was left out."))
            continue
        placed = structs.replace(image, width=header.width, height=header.height)
        photos.append(LabelledPhoto(placed, path, tuple(of_image[image.id])))
    if not photos:
        raise FormatError(f"None of the labelled photos of “{project}” can be read in {root}.")
    return _Work(photos, acts, categories, seconds, said_together(failures))


def _as_recorded(work: _Work) -> ReplayRow:
    total = NOTHING
    prompted = 0
    for photo in work.photos:
        acts, ids = work.of(photo)
        total += acts.besides(ids)
        for key in ids:
            total += acts.own[key]
        prompted += len(ids & acts.prompts.keys())
    note = f"what the journal tells; {prompted} of {work.objects} objects by prompts that are known."
    return ReplayRow("as recorded", total, note)


def _prompted_again(
    work: _Work,
    spec: ModelSpec,
    question: ReplayQuestion,
    failures: list[tuple[Path, str]],
    one_done: Callable[[], None],
) -> ReplayRow:
    """Each object that was prompted for, by the same prompts; all else as it was recorded."""
    segmenter, embed = loaded_segmenter(spec)
    total, replayed, missed = NOTHING, 0, 0
    for photo in work.photos:
        acts, ids = work.of(photo)
        total += acts.besides(ids)
        costs = {key: acts.own[key] for key in ids}
        try:
            again = _again(photo, acts, segmenter, embed, question)
        except LabelerError as error:
            failures.append((photo.path, f"{error} Its prompts count as they were recorded."))
            again = {}
        for key, (cost, is_reached) in again.items():
            costs[key] = cost
            replayed += 1
            missed += not is_reached
        for cost in costs.values():
            total += cost
        one_done()
    note = (
        f"{replayed} objects by their prompts again, to IoU {question.target:g} with the final label; "
        f"{missed} were not reached by prompts alone. All else as recorded."
    )
    return ReplayRow(spec.title, total, note, replayed, missed)


def _again(
    photo: LabelledPhoto, acts: Recorded, segmenter: Segmenter, embed: _Embed, question: ReplayQuestion
) -> dict[int, tuple[Acts, bool]]:
    """What each object with prompts costs by them, and whether they came to it; boxes are left out."""
    asked = [one for one in photo.annotations if one.id in acts.prompts and not isinstance(one.shape, Box)]
    if not asked:
        return {}
    embedding = embed(photo.path)
    person = Person(segmenter, embedding, question.target, question.pace)
    return {
        one.id: person.replayed(Goal("", rasterise(one.shape, size=embedding.size)), acts.prompts[one.id])
        for one in asked
    }


def _predicted(
    work: _Work,
    detector: Loaded,
    registry: Registry,
    question: ReplayQuestion,
    one_done: Callable[[], None],
) -> tuple[ReplayRow, list[tuple[Path, str]]]:
    """Each image with a detector's predictions, drawn as recorded where they are no help."""
    segmenter, embed = loaded_segmenter(registry.model(SEGMENTER))
    every = [one for photo in work.photos for one in photo.annotations]
    course = EffortCourse(
        Tools(segmenter, embed, (detector,)),
        work.categories,
        as_masks=any(not isinstance(one.shape, Box) for one in every),
        target=question.target,
        pace=question.pace,
    )
    failures: list[tuple[Path, str]] = []
    total, shown, unchanged, corrected = NOTHING, 0, 0, 0
    for photo in work.photos:
        acts, ids = work.of(photo)
        drawn = {key: acts.own[key] for key, _ in acts.drawn if key in ids}
        try:
            effort = course.label(photo, drawn)
        except LabelerError as error:
            failures.append((photo.path, f"{error} Its objects count as they were recorded."))
            for key in ids:
                total += acts.own[key]
        else:
            total += effort.with_predictions
            for key in ids - course.asked:
                total += acts.own[key]
            shown, unchanged = shown + effort.shown, unchanged + effort.unchanged
            corrected += effort.corrected
        one_done()
    failures += [(question.project, sentence) for sentence in course.complaints]
    note = f"{shown} predictions were shown: {unchanged} right as they were, {corrected} corrected."
    row = ReplayRow(detector.spec.title, total, note, shown=shown, unchanged=unchanged, corrected=corrected)
    return row, failures
