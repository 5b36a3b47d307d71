"""The canvas: the open image, what is on it, and the tools that change that."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from msgspec import structs
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from labeler.core.records import Annotation, Box
from labeler.gui.canvas.chooser import Chooser, place_beside
from labeler.gui.canvas.gestures import Gestures
from labeler.gui.canvas.hand import Hand
from labeler.gui.canvas.in_progress import InProgress
from labeler.gui.canvas.key_acts import KeyActs
from labeler.gui.canvas.picture import Picture
from labeler.gui.canvas.prompt_desk import PromptDesk
from labeler.gui.canvas.sight import Sight
from labeler.gui.canvas.stage import Options, Reject, Stage, TakeOver, frame_of, takes_nothing
from labeler.gui.canvas.tools.table import TOOLS
from labeler.gui.children.host_client import HostClient
from labeler.gui.predictions.predictions import Predictions
from labeler.gui.session.session import Session

_MODIFIERS = (Qt.Key.Key_Control, Qt.Key.Key_Shift, Qt.Key.Key_Alt)
_RELEASE_UNHEARD = (QEvent.Type.WindowBlocked, QEvent.Type.Hide, QEvent.Type.TouchCancel)
"""After these the mouse button comes up unheard: under a dialog, on a hidden canvas, off the touchscreen."""
_AROUND, _TAG_WIDTH = 30, 180
"""Widget pixels that handles and tags stand out of a shape, and that a tag is wide at most."""


class Canvas(QWidget):
    """Takes mouse, keys and the screen, and hands each to the part whose it is."""

    pointer_moved = Signal(float, float, object)
    """x, y in the image, and its (R, G, B) there, None outside."""
    menu_asked = Signal(QPoint, bool)
    """A context menu at a place of the screen: of what is selected (True), or of the photo."""
    predicted_menu_asked = Signal(QPoint)
    """The context menu of the selected predictions, at a place of the screen."""
    options_changed = Signal()
    told = Signal(str)
    """A line for the person: why nothing happened, what was kept."""

    def __init__(
        self,
        session: Session,
        host: HostClient | None,
        predictions: Predictions | None = None,
        parent: QWidget | None = None,
        *,
        take_over: TakeOver = takes_nothing,
        reject: Reject = takes_nothing,
        step_elsewhere: Callable[[int], bool] = lambda _: False,
        leave_elsewhere: Callable[[], bool] = lambda: False,
    ) -> None:
        """The last four are what else a press on a prediction, Tab and Esc mean: `Stage`, `KeyActs`."""
        super().__init__(parent)
        self.setObjectName("canvas")
        self.setAccessibleName("Image")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(240, 180)
        self._place = session.place
        self.predictions = predictions if predictions is not None else Predictions(session, self)
        self._stage = stage = Stage(session, self.predictions, self, take_over=take_over, reject=reject)
        self.comparison = stage.comparison
        self.sight = Sight(stage, self)
        """What part of the photo is looked at."""
        self.prompt_desk = prompt_desk = PromptDesk(session, host, self)
        """What the model was asked and offers."""
        tools = {spec.name: spec.kind(stage, prompt_desk) for spec in TOOLS}
        self._gestures = gestures = Gestures(stage, self.sight.pan)
        self.progress = progress = InProgress(stage, gestures, tools, self)
        """What is dragged or half done."""
        self.hand = Hand(stage, tools, gestures=gestures, progress=progress, parent=self)
        """The tool that the mouse drives."""
        self.keys = KeyActs(
            stage,
            prompt_desk,
            gestures=gestures,
            progress=progress,
            step_elsewhere=step_elsewhere,
            leave_elsewhere=leave_elsewhere,
            parent=self,
        )
        self.picture = Picture(stage, prompt_desk, self.hand, self)
        """What is painted."""
        self._chooser = Chooser(self)
        self._connect()
        self._take_image()

    def _connect(self) -> None:
        self._place.image_changed.connect(self._take_image)
        self._place.pixels_changed.connect(self._take_pixels)
        self.picture.stale.connect(self.update)
        self._stage.repaint.connect(self.update)
        self._stage.moved.connect(self._update_around)
        self._stage.told.connect(self.told)
        self.progress.told.connect(self.told)
        self.hand.changed.connect(self._take_tool)
        self.sight.moved.connect(self._take_sight)
        self.prompt_desk.changed.connect(self._take_proposal)
        self._chooser.chosen.connect(self.prompt_desk.choose)
        self.predictions.changed.connect(self._aim_anew)
        self._stage.session.focus.selection_changed.connect(self._aim_at_none)

    @property
    def options(self) -> Options:
        """What is set for the canvas and its tools."""
        return self._stage.options

    def set_options(self, **values: Any) -> None:
        """Change some of the options, by name."""
        before = self.options
        self._stage.options = structs.replace(before, **values)
        if self.options != before:
            self.picture.take_options(before)
            self.options_changed.emit()

    def show_drafts(self, drafts: Iterable[Annotation]) -> None:
        """Show uncommitted versions of annotations in place of them; none for what they are."""
        self._stage.show_drafts(drafts)

    def look_at(self, box: Box) -> None:
        """Bring a part of the image into the middle, with its surroundings; not under a drag."""
        if not self.progress.is_dragging:
            self.sight.look_at(box)

    @property
    def aimed(self) -> int | None:
        """The prediction that the mouse was moved onto, by its candidate's id."""
        return self._stage.aimed if self._stage.aimed in self.predictions.kept else None

    @property
    def offers_predictions(self) -> bool:
        """Whether predictions are in sight, and no object is selected that comes before them."""
        return self._shows_predictions and not self._stage.session.focus.selection

    @property
    def _shows_predictions(self) -> bool:
        shown = self.options.annotations and self.options.predictions
        return shown and bool(self.predictions.kept)

    def spot_of(self, ids: Iterable[int]) -> QRect:
        """Where annotations of the open image stand, in widget pixels, as far as they are in sight.

        Without any of them, where the pointer is, or else the middle.
        """
        stage, room = self._stage, self.rect()
        known = stage.session.document.annotations
        shapes = [known[key].shape for key in ids if key in known]
        if shapes:
            frame = frame_of(shapes)
            corners = stage.view.to_screen([(frame.x0, frame.y0), (frame.x1, frame.y1)]).tolist()
            seen = QRectF(QPointF(*corners[0]), QPointF(*corners[1])).toAlignedRect().intersected(room)
            if not seen.isEmpty():
                return seen
        pointer = stage.pointer
        return QRect(QPoint(round(pointer.sx), round(pointer.sy)) if pointer else room.center(), QSize(1, 1))

    # --- following the parts ----------------------------------------------------------------------

    def _take_image(self) -> None:
        self.progress.change_image()
        self.picture.take_image()
        self._take_pixels()

    def _take_pixels(self) -> None:
        self.picture.take_pixels()
        if self._place.pixels is not None:
            self.sight.take_photo()

    def _aim_anew(self) -> None:
        """Other predictions may be under the mouse, which stands still."""
        pointer = self._stage.pointer
        if pointer is not None and not self._gestures.dragging:
            self._stage.aim(self.hand.tool.aims_at(pointer))

    def _aim_at_none(self) -> None:
        """An object was selected since the mouse was moved: the keys are for that."""
        self._stage.aim(None)

    def _take_tool(self) -> None:
        self._aim_anew()
        self.setCursor(self.hand.tool.cursor)
        self._place_chooser()
        self.update()

    def _take_sight(self) -> None:
        self._place_chooser()
        self.update()

    def _take_proposal(self) -> None:
        prompt_desk = self.prompt_desk
        self._chooser.show_rows(
            prompt_desk.names(),
            [proposal.confidence for proposal in prompt_desk.proposals],
            prompt_desk.index,
        )
        self._place_chooser()
        self.progress.look()
        self.update()

    def _place_chooser(self) -> None:
        """Beside the proposal, where nothing else floats; hidden where there is no room."""
        current = self.prompt_desk.current
        place = None
        if current is not None and len(self.prompt_desk.proposals) > 1 and self.hand.tool.pending:
            taken = [rect for rect in self._floating() if rect != self._chooser.geometry()]
            place = place_beside(current.mask, self.sight.view, self._chooser.sizeHint(), self.size(), taken)
        self._chooser.setVisible(place is not None)
        if place is not None:
            self._chooser.setGeometry(place)

    def _floating(self) -> list[QRect]:
        """Where something stands on the canvas: bars, notices, the chooser."""
        children = self.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
        return [child.geometry() for child in children if child.isVisible()]

    # --- the screen -------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        sharp = self.picture.paint(
            painter,
            event.rect(),
            size=(self.width(), self.height()),
            ratio=self.devicePixelRatioF(),
            taken=self._floating(),
            moving=self.sight.is_moving,
        )
        if not sharp:
            self.sight.sharpen_soon()

    def _update_around(self, box: Box) -> None:
        """Paint again where a shape and its handles and tag are."""
        x0, y0 = self.sight.view.point_on_screen(box.x0, box.y0)
        x1, y1 = self.sight.view.point_on_screen(box.x1, box.y1)
        left = min(x0 - _AROUND, self.width() - _TAG_WIDTH)
        right = max(x1 + _AROUND, x0 + _TAG_WIDTH)
        self.update(QRectF(left, y0 - _AROUND, right - left, y1 - y0 + 2 * _AROUND).toAlignedRect())

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.sight.take_room(event.oldSize())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    # --- the mouse --------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        tool = self.hand.tool
        right = event.button() == Qt.MouseButton.RightButton and not event.modifiers()
        # what is half done has its own use for a right click
        is_free = right and tool.leaves_right and not tool.pending and not self._gestures.dragging
        if self._can_see(event):
            self._gestures.press(event, tool)
            if is_free and not self._gestures.dragging:
                self._offer_menu(event)
            elif self._is_for_predicted(event) and not self._gestures.dragging:
                self._offer_predicted(event)
        self.progress.look()
        self._show_cursor(None)

    def _is_for_predicted(self, event: QMouseEvent) -> bool:
        """Ctrl+right click, with a tool that has no other use for it; without Ctrl it rejects."""
        right = event.button() == Qt.MouseButton.RightButton
        held = event.modifiers() == Qt.KeyboardModifier.ControlModifier
        return right and held and self.hand.tool.leaves_right and not self.hand.tool.pending

    def _offer_predicted(self, event: QMouseEvent) -> None:
        key = self.hand.tool.aims_at(self._gestures.pointer(event.position(), event.modifiers()))
        if key is not None:
            if key not in self.predictions.selection:
                self.predictions.select([key])
            self.predicted_menu_asked.emit(event.globalPosition().toPoint())

    def _offer_menu(self, event: QMouseEvent) -> None:
        """Of the object under the mouse, which is selected with it if it was not; else of the photo.

        Not of the photo where predictions are in sight: a right click that misses one does nothing.
        """
        focus, place = self._stage.session.focus, event.position()
        pointer = self._gestures.pointer(place, event.modifiers())
        found = self._stage.scene.pick(pointer.x, pointer.y, reach=self._stage.reach() / 2)
        under = [one.id for one in found] if self.options.annotations else []
        if under and focus.selection.isdisjoint(under):
            focus.select(under[:1])
        if under or not self._shows_predictions:
            self.menu_asked.emit(event.globalPosition().toPoint(), bool(under))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The key for the menu; a right click has done already what it means."""
        event.accept()
        focus = self._stage.session.focus
        if event.reason() == QContextMenuEvent.Reason.Keyboard and not self.progress.is_on:
            spot = self.mapToGlobal(self.spot_of(focus.selection).center())
            if self.predictions.selection and not focus.selection:
                self.predicted_menu_asked.emit(spot)
            else:
                self.menu_asked.emit(spot, bool(focus.selection))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        left = event.button() == Qt.MouseButton.LeftButton and not self._gestures.space_held
        if left and self._can_see(event):
            self.hand.tool.double(self._gestures.pointer(event.position(), event.modifiers(), "left"))
            self.progress.look()

    def _can_see(self, event: QMouseEvent) -> bool:
        """Whether the open photo is on the screen, so that a person sees what is drawn on; tells why not.

        Until it is there the one before it stays in sight. To look around is always free.
        """
        image = self._place.image
        looks_around = event.button() == Qt.MouseButton.MiddleButton or self._gestures.space_held
        if image is None or self._place.pixels is not None or looks_around:
            return True
        name = Path(image.path).name
        self.told.emit(
            f"Nothing was drawn: {name} cannot be shown."
            if self._place.problem
            else f"Nothing was drawn: {name} is still being read."
        )
        return False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._show_cursor(self._gestures.move(event, self.hand.tool))
        pointer = self._stage.pointer
        if pointer is not None:
            color = self.picture.color_at(math.floor(pointer.x), math.floor(pointer.y))
            self.pointer_moved.emit(pointer.x, pointer.y, color)
            if self.hand.tool.follows(pointer):
                self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._gestures.release(event)
        self._aim_anew()
        self.progress.look()
        self._show_cursor(None)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._stage.pointer = None
        self._stage.aim(None)
        self.hand.tool.leave()
        self.update()

    def _show_cursor(self, wanted: Qt.CursorShape | None) -> None:
        if self._gestures.panning:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self._gestures.space_held:
            self.setCursor(Qt.CursorShape.OpenHandCursor)
        elif not self._gestures.dragging:
            self.setCursor(wanted if wanted is not None else self.hand.tool.cursor)

    def wheelEvent(self, event: QWheelEvent) -> None:
        turn, held = event.angleDelta(), event.modifiers()
        shift = bool(held & Qt.KeyboardModifier.ShiftModifier)
        zooms = self.options.wheel_zoom or bool(held & Qt.KeyboardModifier.ControlModifier)
        if zooms and not shift:
            self.sight.zoom_by(1.2 ** (turn.y() / 120), event.position())
        else:
            # a plain wheel goes sideways with Shift, a touchpad both ways
            moved = turn if event.pixelDelta().isNull() else event.pixelDelta()
            moved = QPoint(moved.y(), 0) if shift and moved.x() == 0 else moved
            self.sight.pan(moved.x(), moved.y())
        event.accept()

    # --- the keys ---------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        if event.type() in _RELEASE_UNHEARD:
            self._gestures.finish()
            self.progress.look()
        # Tab would move the focus, and a shortcut of the window would come before the tool's own keys
        if isinstance(event, QKeyEvent):
            if event.type() == QEvent.Type.KeyPress and self.keys.press_tab(event):
                return True
            if event.type() == QEvent.Type.ShortcutOverride and self.keys.comes_first(event):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self.keys.press(event) and not self._hold(event):
            super().keyPressEvent(event)

    def _hold(self, event: QKeyEvent) -> bool:
        """What a key means for as long as it is held; False where it means nothing."""
        match Qt.Key(event.key()):
            case Qt.Key.Key_Space:
                self._gestures.space_held = True
                self._show_cursor(None)
            case Qt.Key.Key_QuoteLeft:
                self.picture.peek(True)
            case key if key in _MODIFIERS:
                self._take_modifiers(event)
            case _:
                return False
        return True

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.isAutoRepeat():
            return
        if event.key() == Qt.Key.Key_Space:
            self._gestures.space_held = False
            self._show_cursor(None)
        elif event.key() == Qt.Key.Key_QuoteLeft:
            self.picture.peek(False)
        else:
            self._take_modifiers(event)
            super().keyReleaseEvent(event)

    def _take_modifiers(self, event: QKeyEvent) -> None:
        """Show at once what a modifier changes, such as a brush that erases."""
        pointer = self._stage.pointer
        if pointer is not None:
            place = QPointF(pointer.sx, pointer.sy)
            self._stage.pointer = self._gestures.pointer(place, event.modifiers())
            self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._gestures.space_held = False
        self.picture.peek(False)
