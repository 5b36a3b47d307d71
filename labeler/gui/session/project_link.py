"""The session's line to the project's writer thread: opening, reading, writing, and what is on disk."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from msgspec import Struct, structs
from PySide6.QtCore import QObject, Signal

from labeler.core.photos.photo_files import Fingerprint
from labeler.core.records import Category, Image, Model
from labeler.errors import LabelerError
from labeler.gui.session.photo_watch import PhotoWatch, image_at, list_new
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.courier import Courier
from labeler.project.blank_projects import is_blank, take_away
from labeler.project.ids import Ids, Kind
from labeler.project.keeping.kept import Undecided, kept_copies
from labeler.project.keeping.rescue_file import Step, put_aside_files
from labeler.project.keeping.snapshots import DamagedProjectError
from labeler.project.photos.folder import ProjectPlace, Sync, locate
from labeler.project.settlement import Tail
from labeler.project.store import Store
from labeler.project.writer import Writer

T = TypeVar("T")
Ask: TypeAlias = Callable[[Callable[[Store], Any]], Any]
"""Asks the writer's thread a short question, and waits for the answer."""

SAVED, SAVING, READ_ONLY = "saved", "saving", "read-only"


class OpenedProject(Struct, frozen=True):
    """A project that is open."""

    path: Path
    root: Path
    read_only: str
    """Why nothing can be changed, or ""."""


class ProjectView(Struct, frozen=True, eq=False):
    """All that the window shows of a project beside the open image, read in one go."""

    opened: OpenedProject
    images: Sequence[Image]
    categories: Sequence[Category]
    counts: dict[int, Counter[int]]
    models: list[Model]
    ids: Ids
    segmenter_id: int
    """The model that accepted proposals are kept under; 0 where the project cannot be written to."""
    tail: Tail
    start: int | None = None
    """The image to show first, where a person asked for one."""


class ProjectLink(QObject):
    """Opens projects on another thread and posts work to their writer; answers come on the GUI thread."""

    leaving = Signal()
    """Another project is about to take the place of the open one, which can still be written to."""
    viewed = Signal(object, int, bool)
    """A `ProjectView`, `asked` when it was read, and whether another project was opened."""
    refused = Signal(object)
    """The exception that says why a project was not opened."""
    synced = Signal(object)
    """A `Sync`: what a look at the folder has found."""
    saved_changed = Signal(str)
    told = Signal(str)
    placed = Signal(object)
    """A `ProjectPlace`: what a person should know about where the project is that was just opened."""
    undecided = Signal(object)
    """An `Undecided`: a person has to say what becomes of it."""

    def __init__(self, segmenter: tuple[str, str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._segmenter = segmenter
        self._courier = Courier(self)
        self._writer: Writer | None = None
        self._opened: OpenedProject | None = None
        self._unsaved = 0
        self._leaving: list[Writer] = []
        """Writers that finish what they were given, of projects that are not open any more."""
        self.asked = 0
        """How often the writer was asked to change the project."""
        self._opening = 0
        self._ids: Ids | None = None
        self.segmenter_id = 0
        self.saved = SAVED
        self._made: set[Path] = set()
        """Projects that were made in this session: one in which nothing was done is not left behind."""
        self._watch = PhotoWatch(self, self)
        self._watch.told.connect(self.told)
        self._watch.synced.connect(self._take_sync)

    @property
    def opened(self) -> OpenedProject | None:
        """The project that is open."""
        return self._opened

    @property
    def root(self) -> Path:
        """The folder that image paths are relative to."""
        return self._opened.root if self._opened else Path()

    @property
    def read_only(self) -> str:
        """Why nothing can be changed, or ""."""
        return self._opened.read_only if self._opened else ""

    # --- opening ----------------------------------------------------------------------------------

    def open(self, path: Path, *, read_only: bool, take_over: bool = False) -> None:
        """Open a folder, an image or a project; `viewed` or `refused` follows.

        What is open stays so until the other is, and where that does not work. `take_over` overrules the
        lock that another machine left behind.
        """
        self._opening += 1
        turn, here = self._opening, self._writer
        # a folder on a disk that never answers must not hold up quitting
        run_aside(
            lambda: self._open_now(path, here, read_only=read_only, take_over=take_over),
            courier=self._courier,
            done=lambda found: self._take(turn, *found, found[0] is not here),
            failed=lambda error: self.refused.emit(error) if turn == self._opening else None,
        )

    def _open_now(
        self, path: Path, here: Writer | None, *, read_only: bool, take_over: bool
    ) -> tuple[Writer, ProjectView, ProjectPlace]:
        """On another thread: everything up to the first view, so that the window can show it at once."""
        place = locate(path)
        if here is not None and here.path == place.project:
            writer, place = here, structs.replace(place, message="")
        else:
            for leaving in [one for one in self._leaving if one.path == place.project]:
                leaving.close()  # the lock is its own until then
            if not place.project.exists():
                self._made.add(place.project)
            only_look = read_only or bool(place.read_only_reason)
            writer = Writer.open(
                place.project,
                read_only=only_look,
                take_over=take_over,
                on_trouble=self._in_trouble,
                on_told=self._have_told,
                on_away=partial(self._away, place.project),
                on_damage=self._damaged,
            )
        why = (place.read_only_reason or "The project is open read-only.") if writer.read_only else ""
        opened = OpenedProject(path=place.project, root=place.root, read_only=why)
        try:
            if not opened.read_only:
                list_new(writer, opened.root, path)
            return writer, writer.call(lambda store: self._view(store, opened, path)), place
        except BaseException:  # no writer is left without a window, whatever ended it; it goes on upwards
            if writer is not here:
                writer.close()
            raise

    def _view(self, store: Store, opened: OpenedProject, start: Path | None) -> ProjectView:
        """On the writer's thread: read everything."""
        images = store.images()
        model = (
            Model(0, *self._segmenter)
            if opened.read_only
            else store.predictions.ensure_model(*self._segmenter)
        )
        return ProjectView(
            opened=opened,
            images=images,
            categories=store.categories(),
            counts={image_id: Counter(counts) for image_id, counts in store.annotation_counts().items()},
            models=store.predictions.models(),
            ids=store.ids,
            segmenter_id=model.id,
            tail=store.history.tail(),
            start=image_at(start, opened.root, images),
        )

    def _take(self, turn: int, writer: Writer, view: ProjectView, place: ProjectPlace, new: bool) -> None:
        if turn != self._opening:
            if new:  # a newer request came; what was open is left by whoever wants it left
                self._leave(writer)
            return
        if writer is self._writer and self._opened is not None:
            # edits went on while this was being read on another thread: nobody knows which of them it has
            self.view(view.start)
            return
        if self._writer is not None:
            self.leaving.emit()
            self._leave(self._writer)
        self._writer = writer
        self._ids, self.segmenter_id = view.ids, view.segmenter_id
        self._unsaved = 0
        self._say(READ_ONLY if view.opened.read_only else SAVED)
        self._opened = view.opened
        self.viewed.emit(view, self.asked, True)
        if place.message:
            self.placed.emit(place)
        self._tell_kept(view.opened.path)
        if not view.opened.read_only:
            self._watch.begin(view.opened.root)

    def look_at_folder(self) -> None:
        """Find what was added to the folder, went from it, moved or was replaced; `synced` follows."""
        if self._opened is not None and not self._opened.read_only:
            self._watch.look(self._opened.root)

    def _take_sync(self, sync: Sync) -> None:
        self.synced.emit(sync)
        if sync:
            self.view()

    def reload(self) -> None:
        """Read everything again, and look at the folder: the project was changed underneath."""
        self.view()
        self.look_at_folder()

    def view(self, start: int | None = None) -> None:
        """Read everything again, and show the image `start` where it is given; `viewed` follows."""
        if self._opened is not None:
            opened, asked = self._opened, self.asked

            def work(store: Store) -> ProjectView:
                return structs.replace(self._view(store, opened, None), start=start)

            self.read(work, lambda view: self._show(opened, view, asked))

    def _show(self, opened: OpenedProject, view: ProjectView | None, asked: int) -> None:
        if view is not None and opened is self._opened:
            self.viewed.emit(view, asked, False)

    def close(self) -> None:
        """Let go of the project; its edits are being written, and a snapshot made, when this returns."""
        self._opening += 1
        self._watch.stop()
        if self._writer is not None:
            self._leave(self._writer)
            self._writer = self._opened = None

    def shut_down(self, *, seconds: float = 20.0) -> None:
        """`close`, and wait for what is left open, but no longer than that."""
        self.close()
        until = time.monotonic() + seconds
        for writer in tuple(self._leaving):
            self._left(writer, writer.close(seconds=max(until - time.monotonic(), 0.0)))

    def after_leaving(
        self, work: Callable[[], T], done: Callable[[T], None], *, failed: Callable[[Exception], None]
    ) -> None:
        """Have `work` done on a thread of its own, once nothing that was left is open any more."""
        leaving = tuple(self._leaving)

        def wait_and_work() -> T:
            for writer in leaving:
                writer.close()
            return work()

        run_aside(wait_and_work, courier=self._courier, done=done, failed=failed)

    def _leave(self, writer: Writer) -> None:
        """Have a writer finish by itself; what it cannot finish is told when it is known."""
        self._leaving.append(writer)
        blank: list[bool] = []
        if writer.path in self._made and not writer.read_only:
            writer.post(is_blank, blank.append)

        def gone(trouble: str) -> None:
            if blank == [True] and not trouble:
                take_away(writer.path)
            if writer in self._leaving:  # else nobody waits for it any more, not even this
                self._courier.hand(lambda: self._left(writer, trouble))

        writer.let_go(gone)

    def _left(self, writer: Writer, trouble: str) -> None:
        if writer in self._leaving:
            self._leaving.remove(writer)
            if trouble:
                self.told.emit(trouble)

    # --- reading and writing ----------------------------------------------------------------------

    def new_id(self, kind: Kind) -> int:
        """An id that was never used in the open project; see `labeler.project.ids.Ids`."""
        assert self._ids is not None, "a project is open"
        return self._ids.take(kind)

    def read(
        self,
        work: Callable[[Store], T],
        done: Callable[[T], None],
        *,
        even_if_left: bool = False,
        aside: bool = False,
    ) -> None:
        """Have something read after all edits so far; the answer comes on this thread. See `Session.ask`."""
        if (writer := self._writer) is not None:
            take = self._courier.bring(done) if even_if_left else self._bring(writer, done)
            post = writer.look if aside else writer.post
            post(self._courier.held(work), take, self._bring(writer, self._cannot_read))

    def keep(
        self, work: Callable[[Store], T], done: Callable[[T], None], *, failed: Callable[[Exception], None]
    ) -> None:
        """`read` for what is written and no work of the person's, so that "saved" does not speak of it."""
        if (writer := self._writer) is not None:
            writer.post(self._courier.held(work), self._bring(writer, done), self._bring(writer, failed))

    def beside(
        self, work: Callable[[Ask], T], done: Callable[[T], None], *, failed: Callable[[Exception], None]
    ) -> None:
        """Have something worked out on another thread, which may ask the writer short questions meanwhile.

        Nothing is told any more once another project is open.
        """
        if (writer := self._writer) is None:
            return
        # photos may be looked at, which takes as long as their disk likes
        run_aside(
            lambda: work(writer.call),
            courier=self._courier,
            done=self._unless_left(writer, done),
            failed=self._unless_left(writer, failed),
        )

    def write(
        self,
        work: Callable[[Store], Any],
        done: Callable[[T], None],
        *,
        failed: Callable[[Exception], None],
        step: Step | None = None,
    ) -> None:
        """Have the project changed. With `step` the change is rescued where the disk does not take it."""
        writer = self._writer
        if writer is not None:
            self._begin()
            take, fail = self._ended(writer, done), self._ended(writer, failed)
            writer.post(self._courier.held(work), take, fail, step=step)

    def use_segmenter(self, name: str, version: str) -> None:
        """Keep accepted proposals under another model from now on."""
        self._segmenter = (name, version)
        if self._writer is not None and not self._writer.read_only:
            self.read(lambda store: store.predictions.ensure_model(name, version), self._take_segmenter)

    def _take_segmenter(self, model: Model) -> None:
        self.segmenter_id = model.id

    def note_image(self, image: Image, found: Fingerprint, differs: Callable[[], None]) -> None:
        """Keep what an opened file told of an image; `differs` is called where it is another photo."""
        if self._writer is not None and not self._writer.read_only:
            self.keep(
                lambda store: store.photos.meet(image, found),
                lambda same: None if same else differs(),
                failed=_ignore,
            )

    def _unless_left(self, writer: Writer, take: Callable[[Any], None]) -> Callable[[Any], None]:
        return lambda value: take(value) if writer is self._writer else None

    def _bring(self, writer: Writer, take: Callable[[T], None]) -> Callable[[T], None]:
        return self._courier.bring(self._unless_left(writer, take))

    def _begin(self) -> None:
        self._unsaved += 1
        self.asked += 1
        if self.saved == SAVED:
            self._say(SAVING)

    def _end(self) -> None:
        self._unsaved -= 1
        if self._unsaved <= 0:
            self._say(SAVED)

    def _ended(self, writer: Writer, take: Callable[[T], None]) -> Callable[[T], None]:
        """`take` as a callback of the writer, after which one thing less is unsaved."""

        def both(value: T) -> None:
            try:
                take(value)
            finally:
                if writer is self._writer:
                    self._end()

        return self._courier.bring(both)

    def _cannot_read(self, error: Exception) -> None:
        if isinstance(error, DamagedProjectError):
            self.refused.emit(error)
            return
        self.told.emit(
            str(error) if isinstance(error, LabelerError) else f"The project cannot be read: {error}."
        )

    def _in_trouble(self, sentence: str) -> None:
        """On the writer's thread: the disk does not take edits, or takes them again ("")."""
        self._courier.hand(lambda: self._say(sentence or (SAVING if self._unsaved else SAVED)))

    def _have_told(self, sentence: str) -> None:
        """On the writer's thread."""
        self._courier.hand(lambda: self.told.emit(sentence))

    def _away(self, project: Path, sentence: str, target: Path) -> None:
        """On the writer's thread: the project was replaced, and goes on in another file."""
        found = Undecided(project, sentence, target if target.name != project.name else None)
        self._courier.hand(lambda: self.undecided.emit(found))

    def _damaged(self, error: DamagedProjectError) -> None:
        """On another thread: what is open is not what was saved; the newest good snapshot is offered."""
        self._courier.hand(lambda: self.refused.emit(error))

    def _tell_kept(self, project: Path) -> None:
        """Say what an earlier session has left for a person to decide."""
        copies, aside = kept_copies(project), tuple(put_aside_files(project))
        if copies:
            sentence = (
                f"{project.name} was replaced while it was open, and edits went on in {copies[0].name}. "
                "Say which of them goes on."
            )
            self.undecided.emit(Undecided(project, sentence, copies[0]))
        elif aside:
            sentence = (
                f"Edits of an earlier session that did not fit {project.name} were put aside in {aside[0]}."
            )
            self.undecided.emit(Undecided(project, sentence, aside=aside))

    def _say(self, state: str) -> None:
        if state != self.saved:
            self.saved = state
            self.saved_changed.emit(state)


def _ignore(_: object) -> None:
    """Nobody waits for it."""
