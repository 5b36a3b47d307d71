"""The one mutable thing of the window: the open project, in rooms, and the line to its writer.

Views read from the rooms and subscribe to their signals; nobody else keeps annotations. An edit is shown at
once and written by the project's writer thread; `saved_changed` says when it is on disk.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from labeler.gui.session.acts import Acts
from labeler.gui.session.document import Document
from labeler.gui.session.edits import Edits
from labeler.gui.session.focus import Focus
from labeler.gui.session.history import History
from labeler.gui.session.label_reader import LabelReader
from labeler.gui.session.measure import Measure
from labeler.gui.session.place import Place
from labeler.gui.session.project_link import Ask, ProjectLink, ProjectView
from labeler.gui.session.strangers import Strangers
from labeler.gui.session.veil import Veil
from labeler.project.keeping.copying import secure_for_import
from labeler.project.photos.folder import Sync, said_of
from labeler.project.portions import Portions
from labeler.project.settlement import Tail
from labeler.project.store import Store

T = TypeVar("T")
R = TypeVar("R")


class Session(QObject):
    """The open project as the window sees it. All methods are called on the GUI thread and return at once."""

    leaving = Signal()
    """The open project is about to be left; all of it can still be asked for."""
    project_changed = Signal()
    """Another project is open, or none."""
    saved_changed = Signal(str)
    """"saved", "saving", "read-only", or a sentence that says why edits are not on disk."""
    refused = Signal(object)
    """The exception that says why a project was not opened."""
    told = Signal(str)
    """A sentence for the person about something that did not work."""

    def __init__(
        self, parent: QObject | None = None, *, segmenter: tuple[str, str] = ("MobileSAM", "1")
    ) -> None:
        super().__init__(parent)
        self._link = link = ProjectLink(segmenter, self)
        self._acts = Acts()
        self.strangers = Strangers(self)
        """Labelled images in whose place another photo lies."""
        self.document = Document(self.strangers, self)
        """Images, categories, and what is on the open image."""
        self.veil = Veil(self.document, self)
        """Which single objects are hidden or locked."""
        self.focus = Focus(self.document, self)
        """What the next act is about."""
        self._labels = LabelReader(self.document, self.focus, link, self._acts)
        self.place = Place(
            self.document, self.focus, self.strangers, link=link, labels=self._labels, parent=self
        )
        """The order of the images, which one is open, and its pixels."""
        self.measure = Measure(self.document, self)
        """What labels are measured against."""
        self.history = History(
            self.document,
            self.focus,
            self.place,
            link=link,
            labels=self._labels,
            acts=self._acts,
            parent=self,
        )
        """Undo, redo and the journal."""
        self.edits = Edits(self.document, self.focus, link, self.history, self.veil)
        """The one door by which labels change."""
        self.place.image_changed.connect(lambda: self.veil.leave_alone(None))
        link.refused.connect(self.refused)
        link.saved_changed.connect(self.saved_changed)
        link.told.connect(self.told)
        self.undecided, self.placed = link.undecided, link.placed
        self.after_leaving = link.after_leaving
        link.leaving.connect(self.leaving)
        link.viewed.connect(self._take_view)
        link.synced.connect(self._take_sync)

    @property
    def project(self) -> Path | None:
        """The project file that is open."""
        return self._link.opened.path if self._link.opened else None

    @property
    def root(self) -> Path:
        """The folder that image paths are relative to."""
        return self._link.root

    @property
    def read_only(self) -> str:
        """Why nothing can be changed, or ""."""
        return self._link.read_only

    @property
    def saved(self) -> str:
        """The last state told by `saved_changed`."""
        return self._link.saved

    # --- opening and closing ----------------------------------------------------------------------

    def open(self, path: Path, *, read_only: bool = False, take_over: bool = False) -> None:
        """Open a folder of images, an image, or a project file; `refused` says what does not work.

        `take_over` overrules a lock that another machine left behind.
        """
        self._link.open(path, read_only=read_only, take_over=take_over)

    def use_segmenter(self, name: str, version: str = "1") -> None:
        """Keep accepted proposals under another promptable model from now on."""
        self._link.use_segmenter(name, version)

    def close(self) -> None:
        """Let go of the project; what is not on disk yet goes there in the background."""
        was_open = self._link.opened is not None
        if was_open:
            self.leaving.emit()
        self._link.close()
        if was_open:
            self._acts.begin(Tail())
            self.document.clear()
            self._reset()
            self.project_changed.emit()

    def shut_down(self) -> None:
        """Close, and wait until every edit is on disk: the window goes away."""
        self.close()
        self._link.shut_down()

    def reload(self) -> None:
        """Read everything again from the project file, after an import for example."""
        self._link.reload()

    def refresh_candidates(self, image_id: int) -> None:
        """Read the candidates again where that image is open: a run has stored new ones."""
        self._labels.refresh_candidates(image_id)

    def look_at_folder(self) -> None:
        """Find what was added to the folder, went from it, moved in it or was replaced."""
        self._link.look_at_folder()

    def _take_view(self, view: ProjectView, number: int, fresh: bool) -> None:
        """Show what was read from a project: another one (`fresh`), or the same after it changed underneath.

        `number` is that of the last thing asked of the writer before it was read.
        """
        document, place = self.document, self.place
        kept, before = document.open_id, place.image
        document.fill(view.images, view.categories, view.counts, view.models)
        if fresh:
            self._acts.begin(view.tail)
            self._reset()
            self.measure.choose_first(self._link.segmenter_id)
            self.project_changed.emit()
        else:
            document.absorb(self._acts.after(number))
            place.drop_order()
            if number == self._link.asked:
                self._acts.learn(view.tail)
        document.images_changed.emit(())
        place.ensure_order()
        self.focus.sync_category()
        self.history.changed.emit()
        wanted = (view.start, place.resume_at, view.images[0].id if view.images else None)
        target = next((one for one in wanted if document.find_image(one) is not None), None)
        if target is not None and (fresh or document.find_image(kept) is None):
            place.open(target)
        elif kept is not None:
            place.see_again(before)

    def _take_sync(self, sync: Sync) -> None:
        """A look at the folder is done: say what came of it, and ask about photos that were replaced."""
        self.strangers.take(sync.replaced)
        if sentence := said_of(sync):
            self.told.emit(sentence)

    def _reset(self) -> None:
        self.document.open(None)
        self.strangers.clear()
        self.veil.clear()
        self.place.clear()
        self.measure.model = None
        self.focus.leave()
        self.place.image_changed.emit()
        self.focus.selection_changed.emit()

    # --- the writer's line ------------------------------------------------------------------------

    def ask(
        self,
        work: Callable[[Store], T],
        done: Callable[[T], None],
        *,
        even_if_left: bool = False,
        aside: bool = False,
    ) -> None:
        """Have something worked out from all that is saved, on the writer's thread, and hand it to `done`.

        What goes through much and only reads is asked `aside`: it has a connection of its own, and edits do
        not wait for it.

        The answer is dropped once another project is open, whose records have the same ids, unless it is
        wanted `even_if_left`.
        """
        self._link.read(work, done, even_if_left=even_if_left, aside=aside)

    def keep(
        self, work: Callable[[Store], T], done: Callable[[T], None], *, failed: Callable[[Exception], None]
    ) -> None:
        """Have what a model found kept, on the writer's thread; no edit, and nothing for undo."""
        self._link.keep(work, done, failed=failed)

    def import_file(
        self,
        work: Callable[[Store], R | Portions[R]],
        done: Callable[[R], None],
        *,
        secured: bool = False,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Have a file taken in by the writer, show the project anew, and hand the report to `done`.

        It is preceded by a snapshot, which whoever has `secured` the project already has seen to. What is
        edited between portions of the work comes after it; see `labeler.project.portions`.
        """
        if self.read_only:
            self.told.emit(f"Nothing was changed. {self.read_only}")
            return

        def secure_first(store: Store) -> R | Portions[R]:
            if not secured:
                secure_for_import(store.path, store.securing.secure)
            return work(store)

        self.history.write_unseen(
            secure_first, done, failed=failed or (lambda error: self.told.emit(str(error)))
        )

    def beside(
        self, work: Callable[[Ask], R], done: Callable[[R], None], *, failed: Callable[[Exception], None]
    ) -> None:
        """Have something worked out beside the writer, which `work` may ask short questions."""
        if self.read_only:
            self.told.emit(f"Nothing was changed. {self.read_only}")
            return
        self._link.beside(work, done, failed=failed)
