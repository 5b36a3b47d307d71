"""What would go into a training: which images, how many objects of each category, what is for validation."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from labeler.core.records import Image
from labeler.errors import LabelerError
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted
from labeler.training.split import FEW, UNEVEN, Entry, fingerprint, parted

Scope: TypeAlias = Literal["reviewed", "labelled"]
"""Images marked as reviewed, or all that have an object."""
SCOPES: tuple[Scope, ...] = ("reviewed", "labelled")

_NAMES = 3
_PAUSE_MS = 250
_AT_ONCE = 16
"""Images whose fingerprints are made in one go, before others may use the thread."""


class TrainingPlan(Struct, frozen=True):
    """What goes into a training."""

    images: tuple[int, ...] = ()
    """In folder order."""
    objects: dict[int, int] = {}
    """By category id, most first; categories without any are left out."""
    warnings: tuple[str, ...] = ()
    problem: str = ""
    """Why nothing can be trained, and what to do; "" where it can."""


def planned(
    images: Iterable[Image],
    counts: Callable[[int], Mapping[int, int]],
    names: Mapping[int, str],
    *,
    scope: Scope,
) -> TrainingPlan:
    """The plan for a scope; `counts` gives an image's objects by category id, `names` the categories'."""
    chosen: list[int] = []
    objects: Counter[int] = Counter()
    labelled = 0
    for image in images:
        here = counts(image.id)
        total = sum(here.values())
        labelled += bool(total)
        if image.reviewed if scope == "reviewed" else total:
            chosen.append(image.id)
            objects.update(here)
    found = {category_id: number for category_id, number in objects.most_common() if number > 0}
    return TrainingPlan(
        tuple(chosen), found, _warnings(chosen, found, names), _problem(chosen, found, labelled)
    )


def _problem(chosen: Sequence[int], objects: Mapping[int, int], labelled: int) -> str:
    if len(chosen) >= 2 and objects:
        return ""
    if chosen and not objects:
        return "There is no object on these images; label some first."
    if labelled >= 2:
        few = "Only one image is" if chosen else "No image is"
        return f"{few} marked as reviewed. Mark them with Ctrl+Enter, or train on all labelled images."
    return "Label at least two images first: one to learn from, and one to be judged on."


def _warnings(chosen: Sequence[int], objects: Mapping[int, int], names: Mapping[int, str]) -> tuple[str, ...]:
    if not objects:
        return ()
    made = []
    if len(chosen) < FEW:
        made.append(f"Only {counted(len(chosen), 'image')}; more, and more varied ones, help most.")
    few = [names.get(key, "?") for key, number in objects.items() if number < FEW]
    if few:
        made.append(f"Fewer than {FEW} objects of {_listed(few)}.")
    (most, many), (least, rare) = next(iter(objects.items())), list(objects.items())[-1]
    if many >= UNEVEN * rare and rare >= FEW:
        common, seldom = names.get(most, "?"), names.get(least, "?")
        made.append(f"There is {many / rare:.0f} times as much of {common} as of {seldom}.")
    return tuple(made)


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:_NAMES])
    if len(names) > _NAMES:
        shown.append(f"{len(names) - _NAMES} others")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


class Planner(QObject):
    """Keeps the plan up to date while somebody watches."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._courier = Courier(self)
        self._watched = False
        self._turn = 0
        self._prints: dict[tuple[str, int, int], int] = {}
        self._parted: tuple[tuple[list[Entry], bool, float, int], frozenset[int]] | None = None
        self.scope: Scope = "reviewed"
        self.needs_masks = False
        self.share = 0.2
        self.seed = 0
        self.plan = TrainingPlan()
        self.sizes: dict[Scope, int] = {"reviewed": 0, "labelled": 0}
        """Images of each scope."""
        self.validation: frozenset[int] | None = None
        """The images that the model is judged on; None while that is being found out."""
        self.only_boxes: frozenset[int] = frozenset()
        """The images that it cannot use, since it learns from outlines."""
        self._later = timer(self, self._plan_anew, milliseconds=_PAUSE_MS)
        for signal in (session.project_changed, session.document.images_changed, session.document.changed):
            signal.connect(self._soon)

    def watch(self, on: bool) -> None:
        """Keep up to date from now on, or no longer."""
        self._watched = on
        if on:
            self._plan_anew()
        else:
            self._turn += 1

    def use(
        self,
        *,
        scope: Scope | None = None,
        share: float | None = None,
        seed: int | None = None,
        needs_masks: bool | None = None,
    ) -> None:
        """Plan with other settings."""
        self.needs_masks = self.needs_masks if needs_masks is None else needs_masks
        self.scope = scope or self.scope
        self.share = self.share if share is None else share
        self.seed = self.seed if seed is None else seed
        self._plan_anew()

    def plan_of(self, scope: Scope) -> TrainingPlan:
        """The plan for a scope, as the labels are now."""
        names = {category.id: category.name for category in self._session.document.categories.values()}
        return planned(self._session.document.images, self._session.document.counts, names, scope=scope)

    def _soon(self) -> None:
        if self._watched:
            self._later.start()

    def _plan_anew(self) -> None:
        self._later.stop()
        self._turn += 1
        before = self.plan.images
        plans = {scope: self.plan_of(scope) for scope in SCOPES}
        self.plan = plans[self.scope]
        self.sizes = {scope: len(plan.images) for scope, plan in plans.items()}
        if before != self.plan.images:
            self.validation = None
        self.changed.emit()
        turn = self._turn
        if self.needs_masks and self._session.project is not None:
            self._session.ask(
                lambda store: store.images_of_boxes(), lambda found: self._look(turn, found), aside=True
            )
        else:
            self._look(turn, frozenset())

    def _look(self, turn: int, only_boxes: frozenset[int]) -> None:
        if turn != self._turn:
            return
        self.only_boxes = only_boxes & frozenset(self.plan.images)
        waiting = [
            image for image in map(self._session.document.find_image, self.plan.images) if image is not None
        ]
        states = {str(self._session.root / image.path) for image in waiting}
        # a photo that was changed, or is no longer meant, is not kept track of for ever
        self._prints = {key: bits for key, bits in self._prints.items() if key[0] in states}
        self._look_at(turn, waiting[::-1], [])

    def _look_at(self, turn: int, waiting: list[Image], entries: list[Entry]) -> None:
        """On a thread, a few images at a time so that others get their turn: fingerprints, then the split."""
        if turn != self._turn:
            return
        root, known = self._session.root, self._prints
        now = [waiting.pop() for _ in range(min(_AT_ONCE, len(waiting)))]
        share, seed, masks, boxes = self.share, self.seed, self.needs_masks, self.only_boxes

        def work() -> frozenset[int] | None:
            entries.extend(_entry(image, root, known, only_boxes=image.id in boxes) for image in now)
            if waiting:
                return None
            asked = (entries, masks, share, seed)
            if self._parted is None or self._parted[0] != asked:  # most edits change no photo
                parts = parted(entries, needs_masks=masks, share=share, seed=seed)
                self._parted = asked, frozenset(int(key) for key in parts.validation)
            return self._parted[1]

        def done(validation: frozenset[int] | None) -> None:
            if validation is None:
                self._look_at(turn, waiting, entries)
            elif turn == self._turn:
                self.validation = validation
                self.changed.emit()

        run_in_pool(
            work,
            courier=self._courier,
            done=done,
            failed=lambda error: self._session.told.emit(f"The images cannot be compared: {error}"),
        )


def _entry(image: Image, root: Path, known: dict[tuple[str, int, int], int], *, only_boxes: bool) -> Entry:
    """On a pool thread: an image as the split sees it; its fingerprint is made once as long as it stays."""
    path, bits = root / image.path, None
    try:
        status = path.stat()
        key = str(path), status.st_mtime_ns, status.st_size
        if key not in known:
            known[key] = fingerprint(path)
        bits = known[key]
    except (OSError, LabelerError):
        pass  # gone or damaged: training leaves it out, and says so
    return Entry(str(image.id), image.path, bits, only_boxes)
