"""Opens a project where one was: image, zoom, tool, category and filter, kept in the settings by project."""

from PySide6.QtCore import QObject, QTimer

from labeler.gui.canvas.view import Canvas
from labeler.gui.images.panel import ImageFilter, ImagesPanel
from labeler.gui.session.session import Session
from labeler.gui.toolkit.settings import LastPlace, Settings

PAUSE_MS = 3000
"""After this pause on an image the place is kept on disk too, should the app not get to its end."""


class PlaceKeeper(QObject):
    """Notes where one is in the open project, and goes there when it is opened again.

    None of it is in the project file: it is of this person on this computer. What has gone meanwhile, an
    image, a category, a tool, is left aside by itself and holds up nothing else.
    """

    def __init__(
        self, session: Session, canvas: Canvas, images: ImagesPanel, settings: Settings, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session, self._canvas, self._images = session, canvas, images
        self._settings = settings
        self._awaited: LastPlace | None = None
        self._pause = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._pause.timeout.connect(self.keep)
        session.leaving.connect(self.keep)
        session.place.image_changed.connect(self._pause.start)
        session.place.pixels_changed.connect(self._resume_view)

    def keep(self) -> None:
        """Keep where one is now, in the settings and on disk."""
        self._pause.stop()
        session, image = self._session, self._session.place.image
        if session.project is None or image is None:
            return
        wanted = self._images.filter()
        kept = session.document.categories.get(wanted.category_id)
        # a view that has not been shown yet is still the one to come back to
        waits = self._awaited is not None and self._awaited.image == image.path
        here = LastPlace(
            image=image.path,
            view=self._awaited.view if self._awaited is not None and waits else self._canvas.sight.spot(),
            tool=self._canvas.hand.name,
            category=session.focus.category.name if session.focus.category else "",
            name_filter=wanted.name,
            status_filter=wanted.status,
            category_filter=kept.name if kept else "",
            sorting=wanted.sorting,
        )
        self._settings.keep_place(str(session.project), here)
        self._settings.save()

    def resume(self) -> None:
        """Another project is open: take up what was chosen in it, and say which image comes first."""
        session, self._awaited = self._session, None
        there = self._settings.places.get(str(session.project)) if session.project else None
        if there is None:
            return
        ids = {category.name: category.id for category in session.document.categories.values()}
        if there.category in ids:
            session.focus.choose_category(ids[there.category])
        if there.tool in self._canvas.hand.names:
            self._canvas.hand.take(there.tool)
        image = next((one for one in session.document.images if one.path == there.image), None)
        if image is not None:
            session.place.resume_at, self._awaited = image.id, there
        self._images.use_filter(
            ImageFilter(
                name=there.name_filter,
                status=there.status_filter,
                category_id=ids.get(there.category_filter, 0),
                sorting=there.sorting,
            )
        )

    def _resume_view(self) -> None:
        """The pixels of the first image are there: look at the part of it that one looked at."""
        there, image = self._awaited, self._session.place.image
        if there is None or image is None or self._session.place.pixels is None:
            return
        self._awaited = None
        if there.image == image.path and there.view is not None:
            self._canvas.sight.look_from(there.view)
