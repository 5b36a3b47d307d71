"""The half of the session that changes no labels: what is open, going about, and what is chosen."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from msgspec import structs
from PySide6.QtCore import QObject, Signal

from labeler.core.photos.images import Pixels
from labeler.core.records import Annotation, Candidate, Change, Image
from labeler.gui.session.acts import Acts
from labeler.gui.session.document import Changed, Document
from labeler.gui.session.focus import Focus
from labeler.gui.session.loader import PixelLoader
from labeler.gui.session.measure import Measure
from labeler.gui.session.open_photo import OpenPhoto
from labeler.gui.session.project_link import OpenedProject, ProjectLink, ProjectView
from labeler.gui.session.strangers import Strangers, can_be
from labeler.project.photos.folder import Sync, said_of
from labeler.project.photos.survey import CHANGED, Stranger
from labeler.project.store import Store

T = TypeVar("T")
_Candidates: TypeAlias = Iterable[Candidate]


class Browsing(QObject):
    """What is open and chosen. All methods are called on the GUI thread and return at once."""

    leaving = Signal()
    """The open project is about to be left; all of it can still be asked for."""
    project_changed = Signal()
    """Another project is open, or none."""
    order_changed = Signal()
    """`order` is another one."""
    image_changed = Signal()
    """Another image is open (its pixels come later), or none."""
    pixels_changed = Signal()
    """The pixels of the open image are there, or it turned out that they cannot be read."""
    history_changed = Signal()
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
        self.strangers = Strangers(self)
        self.document = Document(self.strangers, self)
        self.focus = Focus(self.document, self)
        self.measure = Measure(self.document, self.focus, self)
        self._link = ProjectLink(segmenter, self)
        self._link.refused.connect(self.refused)
        self._link.saved_changed.connect(self.saved_changed)
        self._link.told.connect(self.told)
        self.undecided, self.placed = self._link.undecided, self._link.placed
        self.after_leaving = self._link.after_leaving
        self._link.leaving.connect(self.leaving)
        self._link.viewed.connect(self._take_view)
        self._link.synced.connect(self._take_sync)
        self._loader = PixelLoader(self)
        self._loader.loaded.connect(self._take_pixels)
        self._loader.failed.connect(self._take_problem)
        self._opened: OpenedProject | None = None
        self.image_changed.connect(OpenPhoto(self, self._loader, self).follow)
        self._acts = Acts()
        self._order: list[int] = []
        self._places: dict[int, int] = {}
        self.order_title = ""
        """What `order` is called where a person chose it elsewhere than in the images panel; else ""."""
        self.resume_at: int | None = None
        """The image to open a project at where nobody asked for one; set while `project_changed` is told."""
        self.pixels: Pixels | None = None
        self.problem = ""
        """Why the open image cannot be shown, or ""."""
        self.may_leave: Callable[[], bool] = lambda: True
        """Asked before another image is opened: False while a drag is under way, which is the person's."""

    # --- what is open -----------------------------------------------------------------------------

    @property
    def project(self) -> Path | None:
        """The project file that is open."""
        return self._opened.path if self._opened else None

    @property
    def root(self) -> Path:
        """The folder that image paths are relative to."""
        return self._opened.root if self._opened else Path()

    @property
    def read_only(self) -> str:
        """Why nothing can be changed, or ""."""
        return self._opened.read_only if self._opened else ""

    @property
    def saved(self) -> str:
        """The last state told by `saved_changed`."""
        return self._link.saved

    @property
    def order(self) -> Sequence[int]:
        """The image ids that `step` walks: filtered and sorted as the images panel shows them."""
        return self._order

    @property
    def image(self) -> Image | None:
        """The open image."""
        return self.document.find_image(self.document.open_id)

    def image_path(self, image: Image) -> Path:
        """The file of an image."""
        return self.root / image.path

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would do something."""
        return self._acts.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether `redo` would do something."""
        return self._acts.can_redo

    # --- opening ----------------------------------------------------------------------------------

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
        if self._opened is not None:
            self.leaving.emit()
        self._link.close()
        self._loader.clear()
        if self._opened is not None:
            self._opened, self._acts = None, Acts()
            self.document.clear()
            self._reset()
            self.project_changed.emit()

    def shut_down(self) -> None:
        """Close, and wait until every edit is on disk: the window goes away."""
        self.close()
        self._link.shut_down()

    def reload(self) -> None:
        """Read everything again from the project file, after an import for example."""
        self._link.view()
        self._link.look_at_folder()

    def look_at_folder(self) -> None:
        """Find what was added to the folder, went from it, moved in it or was replaced."""
        self._link.look_at_folder()

    def _take_view(self, view: ProjectView, number: int) -> None:
        """Show what was read from a project: another one, or the same after it changed underneath.

        `number` is that of the last thing asked of the writer before it was read.
        """
        fresh = self._opened is None or self._opened.path != view.opened.path
        self._opened = view.opened
        document = self.document
        kept, before = document.open_id, self.image
        chosen: list[int] = []
        document.fill(view.images, view.categories, view.counts, view.models)
        if fresh:
            self._acts = Acts(view.tail)
            self._loader.clear()
            self._reset()
            self.measure.choose_first(self._link.segmenter_id)
            self.project_changed.emit()
        else:
            document.absorb(self._acts.after(number))
            known = {image.id for image in view.images}
            chosen = [key for key in self._order if key in known] if self.order_title else []
            self._order = []
            if number == self._link.asked:
                self._acts.learn(view.tail)
        document.images_changed.emit(())
        if not self._order:
            ids = chosen or [image.id for image in document.images]
            self.set_order(ids, title=self.order_title if chosen else "")
        self.focus.sync_category()
        self.history_changed.emit()
        first = view.images[0].id if view.images else None
        wanted = (view.start, self.resume_at, first)
        target = next((one for one in wanted if document.find_image(one) is not None), None)
        if target is not None and (fresh or document.find_image(kept) is None):
            self._open(target)
        elif kept is not None:
            self._read_open_image()
            self._see_again(before)

    def _see_again(self, before: Image | None) -> None:
        """Read the open photo anew where its file has moved, has come back or is another one."""
        image = self.image
        if before is None or image is None or before.id != image.id:
            return
        if (before.path, before.digest or image.digest) == (image.path, image.digest) and not (
            self.problem and before.note != image.note
        ):
            return
        self.problem = ""
        self.show_anew()
        self.document.images_changed.emit(
            (image.id,)
        )  # it is no other image: what is in progress on it goes on

    def show_anew(self) -> None:
        """Read the open photo again: its file is another one."""
        self._loader.forget(self.document.open_id or 0)
        self._want_pixels()

    def _take_sync(self, sync: Sync) -> None:
        """A look at the folder is done: say what came of it, and ask about photos that were replaced."""
        self.strangers.take(sync.replaced)
        if sentence := said_of(sync):
            self.told.emit(sentence)

    def _reset(self) -> None:
        self.document.open(None)
        self.strangers.clear()
        self._order, self.order_title = [], ""
        self.pixels, self.problem = None, ""
        self.measure.model = self.resume_at = None
        self.focus.leave()
        self.image_changed.emit()
        self.focus.selection_changed.emit()

    # --- going about ------------------------------------------------------------------------------

    def set_order(self, image_ids: Iterable[int], *, title: str = "") -> None:
        """The filtered and sorted order that `step` walks, as the images panel shows it.

        `title` says in words what these images are, where a person chose them in another place than that
        panel: it shows them under that name until the person takes it away.
        """
        self._order = list(image_ids)
        self.order_title = title
        self._places = {image_id: place for place, image_id in enumerate(self._order)}
        self.order_changed.emit()

    def place(self, image_id: int) -> int | None:
        """Where an image stands in the order, from 0; None when it is filtered out."""
        return self._places.get(image_id)

    def step(self, by: int) -> None:
        """Open the image `by` places further in the order; stays at the ends."""
        if not self._order:
            return
        here = self._places.get(self.document.open_id or 0, -1 if by > 0 else 0)
        self.go_to(self._order[min(max(here + by, 0), len(self._order) - 1)])

    def neighbours(self, count: int) -> list[Image]:
        """The next image, the one before, and then those after, at most `count`."""
        here = self._places.get(self.document.open_id or 0)
        if here is None:
            return []
        places = [here + 1, here - 1, *range(here + 2, here + count)]
        ids = [self._order[p] for p in places if 0 <= p < len(self._order)][:count]
        return [image for one in ids if (image := self.document.find_image(one)) is not None]

    def go_to(self, image_id: int) -> None:
        """Open an image."""
        if image_id == self.document.open_id or self.document.find_image(image_id) is None:
            return
        if self.may_leave():
            self._open(image_id)

    def _open(self, image_id: int) -> None:
        self.document.open(image_id)
        self.focus.clear()
        self.pixels, self.problem = self._loader.pixels(image_id), ""
        self.image_changed.emit()
        self.focus.selection_changed.emit()
        self._read_open_image()
        if self.pixels is not None:
            self.pixels_changed.emit()
        self._want_pixels()

    def _read_open_image(self) -> None:
        self._read(lambda store, key: (store.annotations(key), store.candidates(key)), self._take_labels)

    def refresh_candidates(self, image_id: int) -> None:
        """Read the candidates again where that image is open: a run has stored new ones."""
        if image_id == self.document.open_id:
            self._read(lambda store, key: store.candidates(key), self._take_candidates)

    def _read(self, work: Callable[[Store, int], T], take: Callable[[T, Iterable[Change]], None]) -> None:
        """Have something of the open image read; `take` gets it, and what was done since then."""
        image_id, acts, number = self.document.open_id, self._acts, self._link.asked

        def got(value: T) -> None:
            if acts is self._acts and image_id == self.document.open_id:
                take(value, acts.after(number))

        if image_id is not None:
            self._link.read(lambda store: work(store, image_id), got)

    def _take_labels(self, read: tuple[Iterable[Annotation], _Candidates], since: Iterable[Change]) -> None:
        others, found = self.document.read(*read, since)
        self.focus.select(self.focus.selection)
        self.document.changed.emit(Changed((), "open", "labels read", others, found))

    def _take_candidates(self, candidates: _Candidates, since: Iterable[Change]) -> None:
        others = self.document.read_candidates(candidates, since)
        self.document.changed.emit(Changed((), "predictions", "candidates read", candidates=others))

    def _want_pixels(self) -> None:
        wanted = [one for one in (self.image, *self.neighbours(2)) if one is not None]
        self._loader.want([(one.id, self.image_path(one)) for one in wanted])

    def _take_pixels(self, image_id: int, pixels: Pixels) -> None:
        height, width = pixels.rgb.shape[:2]
        image, found = self.document.find_image(image_id), self._loader.fingerprint(image_id)
        if image is not None and found is not None and image_id not in self.strangers:
            known = structs.replace(
                image, width=width, height=height, note=pixels.note, digest=image.digest or found.digest
            )
            stranger = Stranger(image, found)
            if self._is_labelled(image) and not can_be(image, known, found):
                self._suspect(stranger)
            elif known != image:
                self.document.note(known)
                self.document.images_changed.emit((image_id,))
            self._link.note_image(known, found, lambda: self._suspect(stranger))
        if image_id == self.document.open_id:
            self.pixels, self.problem = pixels, ""
            self.pixels_changed.emit()

    def _is_labelled(self, image: Image) -> bool:
        return image.reviewed or any(self.document.counts(image.id).values())

    def _suspect(self, stranger: Stranger) -> None:
        """Another photo lies where a labelled one did: nothing of its record is overwritten."""
        image = stranger.image
        if image.id in self.strangers:
            return
        self.document.note(structs.replace(image, note=CHANGED))
        self.strangers.add(stranger)
        self.document.images_changed.emit((image.id,))
        self._link.look_at_folder()  # it may have changed names with another, whose labels follow then

    def _take_problem(self, image_id: int, sentence: str) -> None:
        image = self.document.find_image(image_id)
        if image is not None and not image.note:
            self.document.note(structs.replace(image, note="cannot be read"))
            self.document.images_changed.emit((image_id,))
        if image_id == self.document.open_id:
            self.pixels, self.problem = self._loader.pixels(image_id), sentence
            self.pixels_changed.emit()
