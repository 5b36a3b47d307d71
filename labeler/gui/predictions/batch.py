"""Runs a detector over the project's images: which ones, where the results go, and what a person is told."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from labeler.core.records import Candidate, Category, Change, Image, Model
from labeler.gui.children.predict_client import JobProgress, JobResult, PredictClient
from labeler.gui.session.document import Changed
from labeler.gui.session.session import Session
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted, duration
from labeler.models.protocols import ModelSpec
from labeler.project.store import Store
from labeler.wire.job_protocol import Predicted, PredictSpec, unpack_candidates

Scope: TypeAlias = Literal["all", "unreviewed", "shown", "image"]
"""Every image, those not marked as reviewed, those the images panel shows, or only the open one."""

CONFIDENT = 0.25
"""Candidates below are mostly noise: their classes are not worth asking a person about."""


class RunChoice(Struct, frozen=True):
    """What a person asked for."""

    name: str
    """The model's id, or the path of its file."""
    spec: ModelSpec
    scope: Scope = "all"
    text: str = ""
    masks: bool = False
    again: bool = False
    """Whether images that this model version has seen are predicted again."""
    images: tuple[int, ...] = ()
    """Ids of the only images that are meant, whatever the scope says; () for those of the scope."""


class _Run(Struct, frozen=True, eq=False):
    """A run under way: what is asked for it belongs to it alone, so that a late answer harms no other."""

    wanted: "Waiting"
    begun: float

    @property
    def choice(self) -> RunChoice:
        return self.wanted.choice


class Waiting(Struct, frozen=True, eq=False):
    """A run that begins when those before it are over."""

    choice: RunChoice
    images: tuple[int, ...]
    """Ids of what it was asked for, as that was then."""

    @property
    def words(self) -> str:
        """As a list of what comes next has it."""
        return f"{self.choice.spec.title}, {counted(len(self.images), 'image')}"

    def is_same(self, other: "Waiting") -> bool:
        """Whether both would do the same."""
        ours, theirs = self.choice, other.choice
        return (ours.name, ours.text, ours.masks, ours.again, set(self.images)) == (
            theirs.name,
            theirs.text,
            theirs.masks,
            theirs.again,
            set(other.images),
        )


class Batch(QObject):
    """One run at a time, as a job; the person goes on labelling. All methods return at once."""

    changed = Signal()
    """It runs, ends, or is further on."""
    stored = Signal(tuple)
    """Ids of the images whose candidates were replaced."""
    ended = Signal(str)
    """How it came out, in one sentence."""
    completed = Signal(object)
    """The `RunChoice` of a run that went through to its end, or whose images were all seen before."""
    queued = Signal(str)
    """One sentence: what was asked for waits for what is going on."""
    exhausted = Signal()
    """There was nothing to do: this model version has seen every image that was asked for."""

    def __init__(self, session: Session, jobs: PredictClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._run: _Run | None = None
        self._result: JobResult | None = None
        self._storing = 0
        self._stopping = False
        self._lost: list[tuple[int, str]] = []
        self._line: list[Waiting] = []
        self.model: Model | None = None
        """What the last run was made with."""
        self.progress: JobProgress | None = None
        """How far the run is; None before its images are known, and when it is over."""
        self.loading = ""
        """The title of the model that is being loaded, or ""."""
        self.unmapped: dict[str, int] = {}
        """Classes that the model found and that mean no category yet, with their number."""
        self._match_later = timer(self, self._match_names)
        self._next_later = timer(self, self._start_next)
        jobs.started.connect(self._on_started)
        jobs.predicted.connect(self._on_predicted)
        jobs.progressed.connect(self._on_progress)
        jobs.restarted.connect(session.told)
        jobs.finished.connect(self._on_finished)
        jobs.failed.connect(self._on_failed)
        session.project_changed.connect(self._on_project)
        session.document.changed.connect(self._note_names)

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self._run is not None

    @property
    def running(self) -> Waiting | None:
        """The run that is under way."""
        return self._run.wanted if self._run is not None else None

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """The runs that come next, in their order."""
        return tuple(self._line)

    # --- asking -----------------------------------------------------------------------------------

    def start(self, choice: RunChoice) -> None:
        """Run a model, after the run that is going on; that of a single image before others that wait.

        Images that this very version has seen are left out, unless asked for again.
        """
        if self._session.read_only:
            self.ended.emit(f"Nothing was run. {self._session.read_only}")
            return
        images = self._only(choice.images) if choice.images else self.images(choice.scope)
        if not images:
            self.ended.emit("There is no image to run it on; choose others.")
            return
        wanted = Waiting(choice, tuple(image.id for image in images))
        if self._run is None:
            self._start(wanted)
            return
        if self._run.wanted.is_same(wanted) and not self._stopping:
            self.queued.emit(f"{wanted.words}: this runs already.")
            return
        if not any(one.is_same(wanted) for one in self._line):
            self._line.insert(0 if choice.scope == "image" else len(self._line), wanted)
            self.changed.emit()
        self.queued.emit(f"{wanted.words}: begins when {self._run.choice.spec.title} is done.")

    def withdraw(self, wanted: Waiting) -> None:
        """Do without a run that waits."""
        if wanted in self._line:
            self._line.remove(wanted)
            self.changed.emit()

    def close(self) -> None:
        """Begin nothing any more: the window goes away."""
        self._line.clear()

    def _start_next(self) -> None:
        if self._run is None and self._line:
            self._start(self._line.pop(0))

    def _start(self, wanted: Waiting) -> None:
        choice, images = wanted.choice, self._only(wanted.images)
        run = self._run = _Run(wanted, time.monotonic())
        self._lost, self._result, self._storing = [], None, 0
        self._stopping = False
        self.progress, self.loading = None, choice.spec.title
        name, version = identity(choice)
        suppressed = not choice.spec.needs_suppression

        def seen(store: Store) -> tuple[Model, set[int]]:
            model = store.predictions.ensure_model(name, version, suppressed=suppressed)
            return model, set() if choice.again else store.predictions.predicted_images(model.id)

        self._keep(run, seen, lambda found: self._begin(run, images, *found), failed=self._on_failed)
        self.changed.emit()

    def cancel(self) -> None:
        """Stop what runs; what was predicted is kept, and running again goes on. What waits comes next."""
        if self._run is None:
            return
        self._stopping = True
        if self._jobs.is_running:
            self._jobs.drop()
        else:
            self._end("")

    def images(self, scope: Scope) -> list[Image]:
        """The images of a scope, the open one first, then those after it, then those before it."""
        session = self._session
        if scope == "image":
            return [session.place.image] if session.place.image is not None else []
        known = {image.id: image for image in session.document.images}
        wanted = [known[key] for key in session.place.order] if scope == "shown" else list(known.values())
        here = session.place.image.id if session.place.image is not None else 0
        start = next((place for place, image in enumerate(wanted) if image.id == here), 0)
        chosen = wanted[start:] + wanted[:start]
        return [image for image in chosen if scope != "unreviewed" or not image.reviewed]

    def _only(self, image_ids: tuple[int, ...]) -> list[Image]:
        found = (self._session.document.find_image(image_id) for image_id in image_ids)
        return [image for image in found if image is not None]

    def look_for_unmapped(self) -> None:
        """Find out again which classes of the model mean no category yet; `changed` follows."""
        model = self.model
        if model is None:
            return

        def take(found: dict[str, int]) -> None:
            if self.model == model:
                self.unmapped = found
                self.changed.emit()

        self._session.ask(lambda store: store.predictions.unmapped(model.id, confidence=CONFIDENT), take)

    def _note_names(self, changed: Changed) -> None:
        """A category that gets a name takes what the model found under that name, once it is written."""
        if any(_is_named(change) for change in changed.changes):
            self._match_later.start()

    def _match_names(self) -> None:
        model = self._session.measure.model
        if model is not None and not self._session.read_only:
            self._session.keep(
                lambda store: store.predictions.match_names(model.id),
                lambda _: self.show_stored(),
                failed=lambda error: self._session.told.emit(str(error)),
            )

    def show_stored(self) -> None:
        """The stored candidates have other categories: show those of the open image, and what is unmapped."""
        if self._session.place.image is not None:
            self._session.refresh_candidates(self._session.place.image.id)
        self.look_for_unmapped()

    # --- a run ------------------------------------------------------------------------------------

    def _begin(self, run: _Run, images: list[Image], model: Model, seen: set[int]) -> None:
        self.model = model
        self._session.measure.add_model(model)
        choice = run.choice
        missing = tuple(
            (image.id, str(self._session.place.image_path(image))) for image in images if image.id not in seen
        )
        if not missing:
            self._end("")
            self.exhausted.emit()
            self.completed.emit(choice)
            return
        spec = PredictSpec(choice.name, missing, choice.text or None, choice.masks)
        self._jobs.start(spec, title=choice.spec.title)
        self.progress = self._jobs.progress
        self.changed.emit()

    def _on_started(self, _: str) -> None:
        self.loading = ""
        self.changed.emit()

    def _on_progress(self, progress: JobProgress) -> None:
        if self._run is not None:
            self.progress = progress
            self.changed.emit()

    def _on_predicted(self, message: Predicted) -> None:
        run, model = self._run, self.model
        if run is None or model is None:
            return
        self._storing += 1

        def store_it(store: Store) -> tuple[Candidate, ...]:
            # here, not in the window's thread: thousands of candidates take their time
            return store.predictions.record_run(model.id, message.image_id, unpack_candidates(message.found))

        def lose(sentence: str) -> None:
            self._lost.append((message.image_id, sentence))
            self._stored(run)

        self._keep(run, store_it, lambda _: self._show(run, message.image_id), failed=lose)

    def _show(self, run: _Run, image_id: int) -> None:
        self._session.refresh_candidates(image_id)
        self.stored.emit((image_id,))
        self._stored(run)

    def _stored(self, run: _Run) -> None:
        self._storing -= 1
        if self._result is not None and not self._storing:
            self._sum_up(run, self._result)

    def _on_finished(self, result: JobResult) -> None:
        if self._run is None:
            return
        self._result = result
        if not self._storing:
            self._sum_up(self._run, result)

    def _sum_up(self, run: _Run, result: JobResult) -> None:
        """One sentence on how it came out; the first of several reasons stands for all."""
        wanting = [*result.missed, *self._lost]
        missed = [(image, why) for key, why in wanting if (image := self._session.document.find_image(key))]
        removed = len(wanting) - len(missed)
        predicted = counted(result.predicted - len(self._lost), "image")
        title = run.choice.spec.title
        taken = duration(time.monotonic() - run.begun)
        if result.cancelled:
            sentence = f"{title} was stopped after {predicted}; run it again to go on."
        else:
            sentence = f"{title} predicted {predicted} in {taken}."
        if missed:
            image, why = missed[0]
            sentence += (
                f" {counted(len(missed), 'image')} could not be predicted; {Path(image.path).name}: {why}"
            )
        if removed:
            were = "was" if removed == 1 else "were"
            sentence += f" {counted(removed, 'image')} {were} removed meanwhile."
        self._end(sentence)
        if not result.cancelled:
            self.completed.emit(run.choice)

    def _on_failed(self, sentence: str) -> None:
        if self._run is not None:
            self._end(sentence)

    def _end(self, sentence: str) -> None:
        self._run, self._result = None, None
        self.progress, self.loading = None, ""
        self._next_later.start()
        self.changed.emit()
        if sentence:
            self.ended.emit(sentence)
        self.look_for_unmapped()

    def _on_project(self) -> None:
        """Results of the project that was open before have nowhere to go."""
        self._run = None
        self._line.clear()
        self._jobs.drop()
        self.model, self.unmapped = None, {}
        self.progress, self.loading = None, ""
        self.changed.emit()

    def _keep(
        self,
        run: _Run,
        work: Callable[[Store], object],
        done: Callable[..., None],
        *,
        failed: Callable[[str], None],
    ) -> None:
        """Have something stored for a run; what comes back after it has ended is not heard."""
        self._session.keep(
            work,
            lambda value: done(value) if self._run is run else None,
            failed=lambda error: failed(str(error)) if self._run is run else None,
        )


def _is_named(change: Change) -> bool:
    """Whether a category is new or has another name."""
    before, after = change.before, change.after
    return isinstance(after, Category) and not (isinstance(before, Category) and before.name == after.name)


def identity(choice: RunChoice) -> tuple[str, str]:
    """Name and version that a run's candidates are kept under: another text or masks make another version."""
    spec = choice.spec
    version = spec.version or (spec.fingerprint[:8] if spec.weights else "")
    name = f"{spec.title} “{choice.text}”" if choice.text else spec.title
    return name, " + ".join(part for part in (version, "masks" if choice.masks else "") if part)
