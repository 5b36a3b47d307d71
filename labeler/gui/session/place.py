"""Where the person is: the order of the images, which one is open, its pixels, and what is read ahead."""

from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from msgspec import structs
from PySide6.QtCore import QObject, Signal

from labeler.core.photos.images import Pixels
from labeler.core.records import Image
from labeler.gui.session.document import Document
from labeler.gui.session.focus import Focus
from labeler.gui.session.label_reader import LabelReader
from labeler.gui.session.loader import PixelLoader
from labeler.gui.session.open_photo import OpenPhoto
from labeler.gui.session.project_link import ProjectLink
from labeler.gui.session.strangers import Strangers, can_be
from labeler.project.photos.survey import CHANGED, Stranger


class Leave:
    """Another image is asked for; whoever has something under way on the open one may refuse."""

    def __init__(self) -> None:
        self.is_refused = False

    def refuse(self) -> None:
        """The open image stays; say why."""
        self.is_refused = True


class Place(QObject):
    """The open image and the way to others. All methods are called on the GUI thread and return at once."""

    order_changed = Signal()
    """`order` is another one."""
    leaving = Signal(object)
    """A `Leave`, before another image is opened at a person's wish."""
    image_changed = Signal()
    """Another image is open (its pixels come later), or none."""
    pixels_changed = Signal()
    """The pixels of the open image are there, or it turned out that they cannot be read."""

    def __init__(
        self,
        document: Document,
        focus: Focus,
        strangers: Strangers,
        *,
        link: ProjectLink,
        labels: LabelReader,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._focus = focus
        self._strangers = strangers
        self._link = link
        self._labels = labels
        self._loader = PixelLoader(self)
        self._loader.loaded.connect(self._take_pixels)
        self._loader.failed.connect(self._take_problem)
        self.image_changed.connect(OpenPhoto(self, link, self._loader, self).follow)
        self._order: list[int] = []
        self._places: dict[int, int] = {}
        self._kept_order: list[int] = []
        self.order_title = ""
        """What `order` is called where a person chose it elsewhere than in the images panel; else ""."""
        self.resume_at: int | None = None
        """The image to open a project at where nobody asked for one; set while `project_changed` is told."""
        self.pixels: Pixels | None = None
        self.problem = ""
        """Why the open image cannot be shown, or ""."""

    @property
    def image(self) -> Image | None:
        """The open image."""
        return self._document.find_image(self._document.open_id)

    def image_path(self, image: Image) -> Path:
        """The file of an image."""
        return self._link.root / image.path

    # --- the order --------------------------------------------------------------------------------

    @property
    def order(self) -> Sequence[int]:
        """The image ids that `step` walks: filtered and sorted as the images panel shows them."""
        return self._order

    def set_order(self, image_ids: Iterable[int], *, title: str = "") -> None:
        """The filtered and sorted order that `step` walks, as the images panel shows it.

        `title` says in words what these images are, where a person chose them in another place than that
        panel: it shows them under that name until the person takes it away.
        """
        self._order = list(image_ids)
        self.order_title = title
        self._places = {image_id: place for place, image_id in enumerate(self._order)}
        self.order_changed.emit()

    def drop_order(self) -> None:
        """The images were read anew: only an order that a person chose elsewhere is kept."""
        there = [key for key in self._order if self._document.find_image(key) is not None]
        self._kept_order = there if self.order_title else []
        self._order = []

    def ensure_order(self) -> None:
        """Walk what was kept, else all images as they lie in the folder, unless one was set since."""
        if not self._order:
            title = self.order_title if self._kept_order else ""
            self.set_order(self._kept_order or [image.id for image in self._document.images], title=title)
        self._kept_order = []

    def position(self, image_id: int) -> int | None:
        """Where an image stands in the order, from 0; None when it is filtered out."""
        return self._places.get(image_id)

    def neighbours(self, count: int) -> list[Image]:
        """The next image, the one before, and then those after, at most `count`."""
        here = self._places.get(self._document.open_id or 0)
        if here is None:
            return []
        places = [here + 1, here - 1, *range(here + 2, here + count)]
        ids = [self._order[p] for p in places if 0 <= p < len(self._order)][:count]
        return [image for one in ids if (image := self._document.find_image(one)) is not None]

    # --- going about ------------------------------------------------------------------------------

    def step(self, by: int) -> None:
        """Open the image `by` places further in the order; stays at the ends."""
        if not self._order:
            return
        here = self._places.get(self._document.open_id or 0, -1 if by > 0 else 0)
        self.go_to(self._order[min(max(here + by, 0), len(self._order) - 1)])

    def go_to(self, image_id: int) -> None:
        """Open an image."""
        if image_id == self._document.open_id or self._document.find_image(image_id) is None:
            return
        leave = Leave()
        self.leaving.emit(leave)
        if not leave.is_refused:
            self.open(image_id)

    def open(self, image_id: int) -> None:
        """`go_to` for an image that is there, whatever is under way on the open one."""
        self._document.open(image_id)
        self._focus.clear()
        self.pixels, self.problem = self._loader.pixels(image_id), ""
        self.image_changed.emit()
        self._focus.selection_changed.emit()
        self._labels.read()
        if self.pixels is not None:
            self.pixels_changed.emit()
        self._want_pixels()

    def leave(self, gone: Container[int]) -> None:
        """Go to the next image that stays, or the one before, where the open one goes out of the project."""
        here = self._document.open_id
        order = list(self._order) or [image.id for image in self._document.images]
        if here is None or here not in gone:
            return
        at = order.index(here) if here in order else 0
        staying = [one for one in (*order[at:], *reversed(order[:at])) if one not in gone]
        if staying:
            self.open(staying[0])
        else:
            self._document.open(None)
            self._focus.clear()
            self.pixels, self.problem = None, ""
            self.image_changed.emit()

    def clear(self) -> None:
        """Another project is opened, or none: there is no order and no image. The caller tells of it."""
        self._loader.clear()
        self._order, self._kept_order, self.order_title = [], [], ""
        self.pixels, self.problem = None, ""
        self.resume_at = None

    # --- its pixels -------------------------------------------------------------------------------

    def show_anew(self) -> None:
        """Read the open photo again: its file is another one."""
        self._loader.forget(self._document.open_id or 0)
        self._want_pixels()

    def see_again(self, before: Image | None) -> None:
        """Read the open image's labels anew, and its photo where its file has moved, is back or another one.

        `before` is its record before everything was read anew.
        """
        self._labels.read()
        image = self.image
        if before is None or image is None or before.id != image.id:
            return
        if (before.path, before.digest or image.digest) == (image.path, image.digest) and not (
            self.problem and before.note != image.note
        ):
            return
        self.problem = ""
        self.show_anew()
        # it is no other image: what is in progress on it goes on
        self._document.images_changed.emit((image.id,))

    def _want_pixels(self) -> None:
        wanted = [one for one in (self.image, *self.neighbours(2)) if one is not None]
        self._loader.want([(one.id, self.image_path(one)) for one in wanted])

    def _take_pixels(self, image_id: int, pixels: Pixels) -> None:
        height, width = pixels.rgb.shape[:2]
        image, found = self._document.find_image(image_id), self._loader.fingerprint(image_id)
        if image is not None and found is not None and image_id not in self._strangers:
            known = structs.replace(
                image, width=width, height=height, note=pixels.note, digest=image.digest or found.digest
            )
            stranger = Stranger(image, found)
            if self._is_labelled(image) and not can_be(image, known, found):
                self._suspect(stranger)
            elif known != image:
                self._document.note(known)
                self._document.images_changed.emit((image_id,))
            self._link.note_image(known, found, lambda: self._suspect(stranger))
        if image_id == self._document.open_id:
            self.pixels, self.problem = pixels, ""
            self.pixels_changed.emit()

    def _is_labelled(self, image: Image) -> bool:
        return image.reviewed or any(self._document.counts(image.id).values())

    def _suspect(self, stranger: Stranger) -> None:
        """Another photo lies where a labelled one did: nothing of its record is overwritten."""
        image = stranger.image
        if image.id in self._strangers:
            return
        self._document.note(structs.replace(image, note=CHANGED))
        self._strangers.add(stranger)
        self._document.images_changed.emit((image.id,))
        self._link.look_at_folder()  # it may have changed names with another, whose labels follow then

    def _take_problem(self, image_id: int, sentence: str) -> None:
        image = self._document.find_image(image_id)
        if image is not None and not image.note:
            self._document.note(structs.replace(image, note="cannot be read"))
            self._document.images_changed.emit((image_id,))
        if image_id == self._document.open_id:
            self.pixels, self.problem = self._loader.pixels(image_id), sentence
            self.pixels_changed.emit()
