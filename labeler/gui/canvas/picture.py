"""What the canvas shows: the open photo, what is on it, and what the tools add."""

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QObject, QRect, QRectF, Signal
from PySide6.QtGui import QColor, QPainter

from labeler.core.records import Annotation, Box, Category, Change
from labeler.gui.canvas.areas import Areas
from labeler.gui.canvas.hand import Hand
from labeler.gui.canvas.layers import ink
from labeler.gui.canvas.layers.active_layer import ActiveLayer
from labeler.gui.canvas.layers.drawing import ANNOTATION
from labeler.gui.canvas.layers.image_layer import ImageLayer
from labeler.gui.canvas.layers.overlay import Overlay
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.reasons import Reasons
from labeler.gui.canvas.stage import Options, Stage
from labeler.gui.session.document import Changed
from labeler.gui.toolkit import theme


class Picture(QObject):
    """The layers over each other, which follow what the session has on the open image."""

    stale = Signal()
    """Something looks different now."""

    def __init__(
        self, stage: Stage, prompt_desk: PromptDesk, hand: Hand, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._stage, self._hand = stage, hand
        self._layer = stage.layer
        self._image = ImageLayer(self)
        self._overlay = Overlay([(stage.scene, ANNOTATION)])
        self._active = ActiveLayer(stage, prompt_desk, self)
        self._reasons = Reasons(stage, stage.predictions, stage.layer)
        self._areas = Areas()
        self._peeks = False
        self._doubtful: tuple[Box, ...] = ()
        self._connect()

    def _connect(self) -> None:
        session, predictions = self._stage.session, self._stage.predictions
        session.document.changed.connect(self._take_changes)
        session.focus.selection_changed.connect(self._take_selection)
        session.focus.draft_changed.connect(self._active.forget_measure)
        session.focus.category_changed.connect(self.stale)
        session.veil.changed.connect(self._take_veil)
        predictions.changed.connect(self._take_predictions)
        predictions.selection_changed.connect(self._show_predictions)
        predictions.walked.connect(self._show_predictions)
        predictions.hovered_changed.connect(self.stale)
        self._stage.comparison.changed.connect(self.stale)
        self._active.faded.connect(self.stale)
        self._image.sharpened.connect(self.stale)

    def mark(self, boxes: Iterable[Box]) -> None:
        """Put a quiet dot on the upper right corner of each of these boxes of the image."""
        self._doubtful = tuple(boxes)
        self.stale.emit()

    # --- following the session --------------------------------------------------------------------

    def take_image(self) -> None:
        """Another image is open, or none: show what is on it."""
        self._stage.drafts = {}
        if self._stage.session.place.image is None:
            self._image.set_pixels(None)
        self._load()

    def take_pixels(self) -> None:
        """Show the new pixels; until they are there the last image stays, without its annotations."""
        place = self._stage.session.place
        if place.pixels is not None:
            self._image.set_pixels(place.pixels.rgb)
            self._overlay.invalidate()
            self._layer.invalidate()
        elif place.problem:
            self._image.set_pixels(None)
        self.stale.emit()

    def take_options(self, before: Options) -> None:
        """The stage's options are no longer these."""
        options = self._stage.options
        self._image.set_tone(options.brightness, options.contrast)
        if options.predictions != before.predictions:
            self._take_predictions()
        self.stale.emit()

    def peek(self, on: bool) -> None:
        """Show the bare photo, or all that is on it again."""
        if on != self._peeks:
            self._peeks = on
            self.stale.emit()

    def color_at(self, x: int, y: int) -> tuple[int, int, int] | None:
        """Red, green and blue of a pixel of the photo as it is, without brightness; None outside."""
        return self._image.color_at(x, y)

    def _load(self) -> None:
        document, scene = self._stage.session.document, self._stage.scene
        scene.load(document.annotations.values())
        scene.set_categories(document.categories)
        self._veil_scene()
        self._overlay.invalidate()
        self._take_selection()
        self._take_predictions()

    def _veil_scene(self) -> None:
        """Leave out of the scene what is hidden by itself, and out of the mouse's way what is locked."""
        document, veil = self._stage.session.document, self._stage.session.veil
        self._stage.scene.locked_ids = veil.locked
        self._stage.scene.show(key for key in document.annotations if not veil.hides(key))

    def _take_veil(self) -> None:
        self._veil_scene()
        self._stage.scene.version += 1  # their tags say that they are locked
        self._overlay.invalidate()
        self._take_selection()

    def _take_predictions(self) -> None:
        """What the chosen model predicts, and what was suppressed."""
        self._layer.take(on=self._stage.options.predictions)
        self._active.forget_measure()
        self.stale.emit()

    def _show_predictions(self) -> None:
        self._layer.show()
        self.stale.emit()

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
        image = self._stage.session.place.image
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
        scene, selection = self._stage.scene, self._stage.session.focus.selection
        for key in set(scene.lifted_ids()) ^ selection:
            self._dirty(key)
        scene.lift(selection)
        self._active.forget_measure()
        self.stale.emit()

    def _dirty(self, annotation_id: int) -> None:
        box = self._stage.scene.box_of(annotation_id)
        if box is not None:
            self._overlay.invalidate(box)

    # --- painting ---------------------------------------------------------------------------------

    def paint(
        self,
        painter: QPainter,
        rect: QRect,
        *,
        size: tuple[int, int],
        ratio: float,
        taken: Sequence[QRect],
        moving: bool,
    ) -> bool:
        """Paint a rectangle of a widget of this size (width, height); gives whether all of it is sharp.

        `ratio` is device pixels to a widget pixel. No words go under what floats on the rectangles `taken`.
        While `moving`, what is quickly drawn will do.
        """
        stage = self._stage
        self._paint_photo(painter, rect, ratio)
        if self._peeks or stage.session.place.pixels is None:
            return True
        sharp = True
        if stage.options.annotations:
            sharp = self._layer.paint(painter, stage.view, size, ratio, moving=moving)
            sharp &= self._overlay.paint(painter, stage.view, size, ratio, moving=moving)
            self._paint_comparison(painter, size, ratio)
            if stage.options.predictions:
                self._reasons.paint(painter, size, ratio)
        self._paint_tools(painter, size, ratio, [QRectF(one) for one in taken])
        return sharp

    def _paint_photo(self, painter: QPainter, rect: QRect, ratio: float) -> None:
        view, (width, height) = self._stage.view, self._stage.size
        clip = (rect.left(), rect.top(), rect.right() + 1, rect.bottom() + 1)
        x0, y0, x1, y1 = view.extent(clip)
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height or self._image.image is None:
            painter.fillRect(rect, QColor(theme.colors().background))
        self._image.paint(painter, view, clip, ratio)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)

    def _paint_comparison(self, painter: QPainter, size: tuple[int, int], ratio: float) -> None:
        comparison = self._stage.comparison
        sides = comparison.sides() if comparison.is_shown else None
        if sides is not None:
            shapes = sides[0].shape, sides[1].shape
            self._areas.paint(painter, shapes, self._stage.view, size, ratio)

    def _paint_tools(
        self, painter: QPainter, size: tuple[int, int], ratio: float, taken: list[QRectF]
    ) -> None:
        """What is in hand, what is half done with others, and the words that go round it all."""
        stage, hand = self._stage, self._hand
        for tool in hand.aside():
            tool.paint(painter)
        if stage.options.annotations:
            ink.paint_doubts(painter, [stage.view.point_on_screen(box.x1, box.y0) for box in self._doubtful])
        self._active.paint(painter, hand.tool, size, ratio, taken)
        if stage.options.annotations and stage.options.predictions:
            self._reasons.paint_tags(painter, size, [*taken, *self._active.tagged])
        if stage.pointer is not None and hand.aims:
            ink.paint_crosshair(painter, stage.pointer.sx, stage.pointer.sy, *size)
