"""What the canvas shows: the open image, what is on it, and what the tool in hand adds."""

import math

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QWidget

from labeler.core.records import Annotation, Box, Category, Change
from labeler.gui.canvas.areas import Areas
from labeler.gui.canvas.chooser import Chooser, place_beside
from labeler.gui.canvas.gestures import Gestures
from labeler.gui.canvas.in_progress import InProgress
from labeler.gui.canvas.layers import ink
from labeler.gui.canvas.layers.active_layer import ActiveLayer
from labeler.gui.canvas.layers.drawing import ANNOTATION
from labeler.gui.canvas.layers.image_layer import ImageLayer
from labeler.gui.canvas.layers.overlay import Overlay
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.reasons import Reasons
from labeler.gui.canvas.stage import AcceptToEdit, Options, Stage, accepts_nothing
from labeler.gui.canvas.tools.base import Tool
from labeler.gui.canvas.tools.table import TOOLS
from labeler.gui.canvas.viewport import LARGEST, SMALLEST, Viewport, fitted, looking_at
from labeler.gui.children.host_client import HostClient
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.session.document import Changed
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme

_SETTLE = 40
"""Milliseconds after the last step of a zoom until everything is drawn sharp again."""
_AROUND, _TAG_WIDTH = 30, 180
"""Widget pixels that handles and tags stand out of a shape, and that a tag is wide at most."""


class PhotoView(QWidget):
    """Shows the session's open image in a view that zooms and pans, and follows the session."""

    pointer_moved = Signal(float, float, object)
    """x, y in the image, and its (R, G, B) there, None outside."""
    zoom_changed = Signal(float)
    """Device pixels to an image pixel."""
    tool_changed = Signal(str)
    proposal_changed = Signal()
    """Prompts, proposals, or which of them is looked at."""
    options_changed = Signal()
    outlook_changed = Signal()
    """The next stroke would do something else."""
    progress_changed = Signal()
    """Something was begun or ended, or can be taken or brought back now."""
    told = Signal(str)
    """A line for the person: why nothing happened, what was kept."""
    kept = Signal(str, int)
    """A line, and the image on which something half done was kept."""

    def __init__(
        self,
        session: Session,
        host: HostClient | None,
        predictions: Predictions | None = None,
        parent: QWidget | None = None,
        *,
        accept_to_edit: AcceptToEdit = accepts_nothing,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("canvas")
        self.setAccessibleName("Image")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(240, 180)
        self._session = session
        self.predictions = predictions if predictions is not None else Predictions(session, self)
        self._stage = Stage(session, self.predictions, self, accept_to_edit=accept_to_edit)
        self.comparison = self._stage.comparison
        self._layer = self._stage.layer
        self._image = ImageLayer(self)
        self._overlay = Overlay([(self._stage.scene, ANNOTATION)])
        self._prompt_desk = PromptDesk(session, host, self)
        self._active = ActiveLayer(self._stage, self._prompt_desk, self)
        self._reasons = Reasons(self._stage, self.predictions, self._layer)
        self._areas = Areas()
        self._chooser = Chooser(self)
        self._gestures = Gestures(self._stage, self.pan)
        self._tools = self._make_tools()
        self._progress = InProgress(self._stage, self._gestures, self._tools, self)
        self._shown_size = (0, 0)
        self._fits = True
        self._peeks = False
        self._moving = False
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE)
        self._connect()
        self._take_image()

    @property
    def _tool(self) -> Tool:
        return self._progress.tool

    def _make_tools(self) -> dict[str, Tool]:
        return {spec.name: spec.kind(self._stage, self._prompt_desk) for spec in TOOLS}

    def _connect(self) -> None:
        session = self._session
        session.place.image_changed.connect(self._take_image)
        session.place.pixels_changed.connect(self._take_pixels)
        session.document.changed.connect(self._take_changes)
        session.focus.selection_changed.connect(self._take_selection)
        session.focus.draft_changed.connect(self._active.forget_measure)
        predictions = self.predictions
        predictions.changed.connect(self._take_predictions)
        predictions.selection_changed.connect(self._show_predictions)
        predictions.walked.connect(self._show_predictions)
        predictions.hovered_changed.connect(self.update)
        self.comparison.changed.connect(self.update)
        session.focus.category_changed.connect(self.update)
        for signal in (
            session.focus.category_changed,
            session.focus.selection_changed,
            session.document.changed,
        ):
            signal.connect(self.outlook_changed)
        self._stage.repaint.connect(self.update)
        self._stage.moved.connect(self._update_around)
        self._active.faded.connect(self.update)
        self._image.sharpened.connect(self.update)
        self._stage.repaint.connect(self._progress.look)
        self._stage.told.connect(self.told)
        self._progress.changed.connect(self.progress_changed)
        self._progress.told.connect(self.told)
        self._progress.kept.connect(self.kept)
        self._progress.came_back.connect(self._take_in_hand)
        self._prompt_desk.changed.connect(self._take_proposal)
        self._chooser.chosen.connect(self._prompt_desk.choose)
        self._settle.timeout.connect(self._come_to_rest)

    @property
    def options(self) -> Options:
        """What is set for the canvas and its tools."""
        return self._stage.options

    # --- the view ---------------------------------------------------------------------------------

    @property
    def view(self) -> Viewport:
        """Where the image lies in the widget."""
        return self._stage.view

    def fit(self) -> None:
        """Show the whole image."""
        if all(self._stage.size):
            self._show(fitted(self._stage.size, (self.width(), self.height())))
            self._fits = True

    def zoom_to(self, scale: float) -> None:
        """Show the image with `scale` device pixels to its pixel; the middle stays."""
        self.zoom_by(scale / (self.view.scale * self.devicePixelRatioF()))

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom around a point of the widget, its middle by default."""
        middle = QPointF(self.width() / 2, self.height() / 2)
        spot = at or middle
        self._moving = True
        self._settle.start()
        self._show(self.view.zoomed(factor, at=(spot.x(), spot.y())))

    def look_at(self, box: Box) -> None:
        """Bring a part of the image into the middle, with its surroundings; not under a drag."""
        if all(self._stage.size) and not self._gestures.working:
            corners = (box.x0, box.y0, box.x1, box.y1)
            self._show(looking_at(corners, self._stage.size, (self.width(), self.height())))

    def sight(self) -> tuple[float, float, float] | None:
        """The image point in the middle, x and y, and the scale there; None while the whole image shows."""
        if self._fits or not all(self._stage.size):
            return None
        return (*self.view.point_in_image(self.width() / 2, self.height() / 2), self.view.scale)

    def look_from(self, sight: tuple[float, float, float]) -> None:
        """Show the part of the image that `sight` gave, within the limits of the zoom."""
        x, y, scale = sight
        if all(map(math.isfinite, sight)) and scale > 0:
            scale = min(max(scale, SMALLEST), LARGEST)
            self._show(Viewport(scale, (self.width() / 2 - x * scale, self.height() / 2 - y * scale)))

    def pan(self, dx: float, dy: float) -> None:
        """Move the image by widget pixels."""
        self._show(self.view.panned(dx, dy))

    def _show(self, view: Viewport) -> None:
        """Look at another part, with at least a corner of the image in sight."""
        if not all(self._stage.size):
            return
        before = self.view.scale
        room = (self.width(), self.height())
        view = view.within_reach(self._stage.size, room).snapped(self.devicePixelRatioF())
        self._stage.view = view
        self._fits = False
        self._place_chooser()
        if view.scale != before:
            self.zoom_changed.emit(view.scale * self.devicePixelRatioF())
        self.update()

    def _come_to_rest(self) -> None:
        self._moving = False
        self.update()

    def _take_in_hand(self, name: str) -> None:
        """The mouse drives this tool from now on."""
        self._tool.in_hand = False
        self._progress.tool = tool = self._tools[name]
        tool.in_hand = True
        self.setCursor(tool.cursor)
        self.tool_changed.emit(name)
        self._place_chooser()
        self._progress.look()
        self.update()

    # --- following the session --------------------------------------------------------------------

    def _take_image(self) -> None:
        self._progress.change_image()
        self._stage.drafts = {}
        if self._session.place.image is None:
            self._image.set_pixels(None)
        self._load()
        self._take_pixels()

    def _take_pixels(self) -> None:
        """Show the new pixels; until they are there the last image stays, without its annotations."""
        pixels = self._session.place.pixels
        if pixels is None:
            if self._session.place.problem:
                self._image.set_pixels(None)
            self.update()
            return
        self._image.set_pixels(pixels.rgb)
        same = self._shown_size == self._stage.size and self.options.keep_view
        self._shown_size = self._stage.size
        if not same or self._fits:
            self.fit()
        self._overlay.invalidate()
        self._layer.invalidate()
        self.update()

    def _load(self) -> None:
        self._stage.scene.load(self._session.document.annotations.values())
        self._stage.scene.set_categories(self._session.document.categories)
        self._overlay.invalidate()
        self._take_selection()
        self._take_predictions()

    def _take_predictions(self) -> None:
        """What the chosen model predicts, and what was suppressed."""
        self._layer.take(on=self.options.predictions)
        self._active.forget_measure()
        self.update()

    def _show_predictions(self) -> None:
        self._layer.show()
        self.update()

    def _take_changes(self, changed: Changed) -> None:
        """Show what changed. A drag goes on: what it ends with is made to what is there then."""
        if changed.what in ("candidates read", "refused"):
            return  # the predictions come by their own signal
        records = [change.record for change in changed.changes]
        if not records or any(isinstance(record, Category) for record in records):
            self._load()
            return
        for change in changed.changes:
            if isinstance(change.record, Annotation):
                self._take_change(change, change.record)
        self._active.forget_measure()
        self._take_selection()

    def _take_change(self, change: Change, record: Annotation) -> None:
        image = self._session.place.image
        if image is None or record.image_id != image.id:
            return
        scene = self._stage.scene
        self._dirty(record.id)
        if isinstance(change.after, Annotation):
            scene.put(change.after)
        else:
            scene.remove(record.id)
        self._dirty(record.id)

    def _take_selection(self) -> None:
        """Lift the selected annotations out of the overlay, and lay the others back."""
        scene = self._stage.scene
        before = set(scene.lifted_ids())
        for key in before ^ self._session.focus.selection:
            self._dirty(key)
        scene.lift(self._session.focus.selection)
        self._active.forget_measure()
        self.update()

    def _dirty(self, annotation_id: int) -> None:
        box = self._stage.scene.box_of(annotation_id)
        if box is not None:
            self._overlay.invalidate(box)

    def _update_around(self, box: Box) -> None:
        """Paint again where a shape and its handles and tag are."""
        x0, y0 = self.view.point_on_screen(box.x0, box.y0)
        x1, y1 = self.view.point_on_screen(box.x1, box.y1)
        left = min(x0 - _AROUND, self.width() - _TAG_WIDTH)
        right = max(x1 + _AROUND, x0 + _TAG_WIDTH)
        self.update(QRectF(left, y0 - _AROUND, right - left, y1 - y0 + 2 * _AROUND).toAlignedRect())

    def _take_proposal(self) -> None:
        prompt_desk = self._prompt_desk
        self._chooser.show_rows(
            prompt_desk.names(),
            [proposal.confidence for proposal in prompt_desk.proposals],
            prompt_desk.index,
        )
        self._place_chooser()
        self._progress.look()
        self.proposal_changed.emit()
        self.update()

    def _place_chooser(self) -> None:
        """Beside the proposal, where nothing else floats; hidden where there is no room."""
        current = self._prompt_desk.current
        place = None
        if current is not None and len(self._prompt_desk.proposals) > 1 and self._tool.pending:
            taken = [rect for rect in self._floating() if rect != self._chooser.geometry()]
            place = place_beside(current.mask, self.view, self._chooser.sizeHint(), self.size(), taken)
        self._chooser.setVisible(place is not None)
        if place is not None:
            self._chooser.setGeometry(place)

    def _floating(self) -> list[QRect]:
        """Where something stands on the canvas: bars, notices, the chooser."""
        children = self.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
        return [child.geometry() for child in children if child.isVisible()]

    # --- painting ---------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        rect = event.rect()
        painter = QPainter(self)
        ratio, size = self.devicePixelRatioF(), (self.width(), self.height())
        clip = (rect.left(), rect.top(), rect.right() + 1, rect.bottom() + 1)
        x0, y0, x1, y1 = self.view.extent(clip)
        width, height = self._stage.size
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height or self._image.image is None:
            painter.fillRect(rect, QColor(theme.colors().background))
        self._image.paint(painter, self.view, clip, ratio)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        if self._peeks or self._session.place.pixels is None:
            return
        if self.options.annotations:
            sharp = self._layer.paint(painter, self.view, size, ratio, moving=self._moving)
            sharp &= self._overlay.paint(painter, self.view, size, ratio, moving=self._moving)
            if not sharp and not self._settle.isActive():
                self._settle.start()
            self._paint_comparison(painter, size, ratio)
            if self.options.predictions:
                self._reasons.paint(painter, size, ratio)
        for tool in self._tools.values():
            if tool is not self._tool and tool.pending:
                tool.paint(painter)
        floating = [QRectF(one) for one in self._floating()]
        self._active.paint(painter, self._tool, size, ratio, floating)
        if self.options.annotations and self.options.predictions:
            self._reasons.paint_tags(painter, size, [*floating, *self._active.tagged])
        pointer = self._stage.pointer
        if pointer is not None and self._tool.crosshair and not self._gestures.panning:
            ink.paint_crosshair(painter, pointer.sx, pointer.sy, *size)

    def _paint_comparison(self, painter: QPainter, size: tuple[int, int], ratio: float) -> None:
        sides = self.comparison.sides() if self.comparison.is_shown else None
        if sides is not None:
            self._areas.paint(painter, (sides[0].shape, sides[1].shape), self.view, size, ratio)

    def resizeEvent(self, event: QResizeEvent) -> None:
        if self._fits:
            self.fit()
        else:
            old = event.oldSize()
            self.pan((self.width() - old.width()) / 2, (self.height() - old.height()) / 2)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()
