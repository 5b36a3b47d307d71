"""Curves in the look of the app, drawn by pyqtgraph, which is imported aside when the first one is shown.

A plot is never panned or zoomed: it shows all there is, leaves the wheel to the panel that it scrolls in,
and tells which point was clicked. Arrow keys do what the mouse does.
"""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QShowEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QStackedLayout, QToolTip, QVBoxLayout, QWidget

from labeler.gui.toolkit import theme
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.bars import CHOOSING
from labeler.gui.toolkit.courier import Courier
from labeler.gui.toolkit.curves_canvas import Axis, Floats, PlotCanvas, PlotCurve, is_at_hand, library

__all__ = ["Axis", "CurvePlot", "Floats", "PlotCurve", "line_color"]

_REACH = 14.0
"""Pixels from a point or the line within which it is meant."""
STEP, LEAP = 0.01, 0.1
"""What the arrow and the page keys move the line by, as shares of the axis."""

_ON_DARK = ("#4bc3ff", "#f0a04b", "#7ee787", "#d2a8ff", "#ff7b72", "#e3b341")
_ON_LIGHT = ("#1f7fd0", "#b35309", "#1a7f37", "#8250df", "#cf222e", "#8f6000")


def line_color(place: int) -> str:
    """The colour of the first, second, ... curve of a plot, in the scheme in force."""
    colors = _ON_DARK if theme.colors().dark else _ON_LIGHT
    return colors[place % len(colors)]


class CurvePlot(QWidget):
    """Curves over two axes, with a legend above, and at will a line to drag from left to right."""

    clicked = Signal(str, int)
    """The name of a curve and the place of its point that was clicked, or chosen by Enter or Space."""
    line_moved = Signal(float)
    """Where a person moved the line to, along x."""

    def __init__(self, name: str, *, x: Axis, y: Axis, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self.curves: list[PlotCurve] = []
        self.line: float | None = None
        """Where the line stands; None for no line."""
        self.at: tuple[str, int] | None = None
        """The point that the pointer or the keys are at."""
        self._axes = x, y
        self._places: list[str] = []
        self._line_label = ""
        self._marks: list[tuple[float, float, str]] = []
        self._dragged = False
        self._is_wanted = False
        self._canvas: PlotCanvas | None = None
        self._legend = QLabel(self, wordWrap=True)
        self._legend.setObjectName("quiet")
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._note = QLabel(self, wordWrap=True)
        self._note.setObjectName("quiet")
        self._note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedLayout()
        self._stack.addWidget(self._note)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._legend)
        column.addLayout(self._stack, 1)
        self._legend.hide()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    # --- what it shows ----------------------------------------------------------------------------

    def show_curves(self, curves: Sequence[PlotCurve], *, note: str = "", places: Sequence[str] = ()) -> None:
        """Show these instead; `note` is said where there is no point at all.

        With `places`, which say in words what each point of every curve stands for, points over each other
        are one: the pointer means the nearest place, however far from a curve, and all of them are told.
        """
        self.curves, self._places = list(curves), list(places)
        if self.at is not None and self._point(*self.at) is None:
            self.at = None
        self._note.setText(note)
        words = [_legend_entry(curve) for curve in self.curves if (curve.label or curve.name).strip()]
        self._legend.setText(" &nbsp; ".join(words))
        self._legend.setVisible(bool(words))
        self._draw()

    def show_line(self, x: float | None, *, label: str = "") -> None:
        """Put the line there, with words beside it; None takes it away."""
        self.line, self._line_label = x, label
        told = "" if x is None else f"{self._axes[0].label} {x:.2f}. {label}".strip()
        self.setAccessibleDescription(told)
        if self._canvas is not None:
            self._canvas.draw_line(x, label)

    def show_marks(self, marks: Sequence[tuple[float, float, str]]) -> None:
        """Put a dot of a colour at each (x, y)."""
        self._marks = list(marks)
        if self._canvas is not None:
            self._canvas.draw_marks(self._marks)

    def set_x(self, axis: Axis) -> None:
        """Count something else from left to right."""
        self._axes = axis, self._axes[1]
        self._draw()

    def set_y(self, axis: Axis) -> None:
        """Count something else upwards."""
        self._axes = self._axes[0], axis
        self._draw()

    def sizeHint(self) -> QSize:
        """Wider than high."""
        return QSize(320, 200)

    def minimumSizeHint(self) -> QSize:
        """Enough for a curve and the numbers beside it."""
        return QSize(160, 120)

    def _draw(self) -> None:
        if self._canvas is None:
            return
        shown = any(len(curve.x) for curve in self.curves)
        self._stack.setCurrentIndex(int(shown))
        self._canvas.draw(self.curves, *self._axes)
        self._canvas.draw_line(self.line, self._line_label)
        self._canvas.draw_marks(self._marks)
        self._draw_cursor()

    def _draw_cursor(self) -> None:
        if self._canvas is not None:
            at = self._point(*self.at) if self.at else None
            self._canvas.draw_cursor(None if self._places else at)
            self._canvas.draw_place(at[0] if at is not None and self._places else None)

    def _point(self, name: str, place: int) -> tuple[float, float] | None:
        curve = next((curve for curve in self.curves if curve.name == name), None)
        if curve is None or not 0 <= place < len(curve.x):
            return None
        return float(curve.x[place]), float(curve.y[place])

    # --- the mouse --------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """All that the mouse does on the plot; pyqtgraph's own panning and menus stay out of it."""
        if event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        if isinstance(event, QMouseEvent):
            self._take_mouse(event)
            return True
        if event.type() == QEvent.Type.Leave and self.at is not None and not self.hasFocus():
            self.at = None
            self._draw_cursor()
        return super().eventFilter(watched, event)

    def _take_mouse(self, event: QMouseEvent) -> None:
        left = Qt.MouseButton.LeftButton
        at = event.position()
        match event.type():
            case QEvent.Type.MouseButtonPress if event.button() == left:
                if self.focusPolicy() & Qt.FocusPolicy.ClickFocus:
                    self.setFocus(Qt.FocusReason.MouseFocusReason)
                self._dragged = self._on_line(at) and not self._is_point_nearer(at)
            case QEvent.Type.MouseMove if self._dragged:
                self._drag_to(at)
            case QEvent.Type.MouseMove:
                self._hover(at)
            case QEvent.Type.MouseButtonRelease if event.button() == left:
                dragged, self._dragged = self._dragged, False
                if not dragged:
                    self._click(at)

    def _click(self, at: QPointF) -> None:
        """The point under the pointer; beside all points, the line comes there."""
        self.at = self.point_at(at)
        if self.at is not None:
            self._draw_cursor()
            self.clicked.emit(*self.at)
        elif self.line is not None:
            self._drag_to(at)

    def _drag_to(self, at: QPointF) -> None:
        if self._canvas is not None:
            self._move_line(self._canvas.x_at(at))

    def _move_line(self, x: float) -> None:
        low, high = self._axes[0].low, self._axes[0].high
        x = min(max(x, low if low is not None else x), high if high is not None else x)
        self.show_line(x, label=self._line_label)
        self.line_moved.emit(x)

    def _hover(self, at: QPointF) -> None:
        found = self.point_at(at)
        if self._canvas is not None:
            shape = Qt.CursorShape.PointingHandCursor if found else Qt.CursorShape.ArrowCursor
            near = self._on_line(at) and found is None
            self._canvas.viewport.setCursor(Qt.CursorShape.SizeHorCursor if near else shape)
        if found == self.at:
            return
        self.at = found
        self._draw_cursor()
        if found is not None and self._canvas is not None:
            QToolTip.showText(self._canvas.viewport.mapToGlobal(at.toPoint()), self.told(), self)

    def told(self) -> str:
        """The point at the cursor in words."""
        at = self._point(*self.at) if self.at else None
        if self.at is None or at is None:
            return ""
        if self._places:
            values = ((curve.name, float(curve.y[self.at[1]])) for curve in self.curves)
            told = (f"{name} {value:.3f}" for name, value in values if not np.isnan(value))
            return "\n".join([self._places[self.at[1]], *told])
        x, y = self._axes
        return f"{self.at[0]}\n{x.label} {at[0]:.4g}, {y.label or 'value'} {at[1]:.4g}"

    def point_at(self, at: QPointF) -> tuple[str, int] | None:
        """The curve and the place of the point nearest to a pixel of the plot; None where none is near."""
        if self._places:
            return self._nearest_place(at)
        best, found = _REACH, None
        for curve in self.curves:
            place, distance = self._nearest(curve, at)
            if distance < best:
                best, found = distance, (curve.name, place)
        return found

    def pixel_of(self, x: float, y: float) -> QPointF:
        """Where (x, y) is on the plot's own surface, in pixels; for a plot that is drawn."""
        assert self._canvas is not None
        column, row = self._canvas.pixels(np.array([x]), np.array([y]))
        return QPointF(float(column[0]), float(row[0]))

    @property
    def is_drawn(self) -> bool:
        """Whether the plot itself is there; before it was shown, and while its library is read, it is not."""
        return self._canvas is not None

    @property
    def surface(self) -> QWidget:
        """What the mouse is over when it is over the plot; for a plot that is drawn."""
        assert self._canvas is not None
        return self._canvas.viewport

    def _nearest(self, curve: PlotCurve, at: QPointF) -> tuple[int, float]:
        if self._canvas is None or not len(curve.x):
            return 0, np.inf
        columns, rows = self._canvas.pixels(curve.x, curve.y)
        distances = np.nan_to_num(np.hypot(columns - at.x(), rows - at.y()), nan=np.inf)
        place = int(np.argmin(distances))
        return place, float(distances[place])

    def _nearest_place(self, at: QPointF) -> tuple[str, int] | None:
        first = next((curve for curve in self.curves if len(curve.x)), None)
        if first is None or self._canvas is None:
            return None
        columns, _ = self._canvas.pixels(first.x, np.zeros_like(first.x))
        return first.name, int(np.argmin(np.abs(columns - at.x())))

    def _on_line(self, at: QPointF) -> bool:
        if self.line is None or self._canvas is None:
            return False
        return abs(self.pixel_of(self.line, 0.0).x() - at.x()) < _REACH / 2

    def _is_point_nearer(self, at: QPointF) -> bool:
        if self.line is None or (found := self.point_at(at)) is None:
            return False
        where = self._point(*found)
        assert where is not None
        pixel = self.pixel_of(*where)
        return float(np.hypot(pixel.x() - at.x(), pixel.y() - at.y())) < abs(
            self.pixel_of(self.line, 0.0).x() - at.x()
        )

    # --- the keys ---------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right move the line, or without one walk the points; up and down change the curve."""
        key = Qt.Key(event.key())
        if key in CHOOSING and self.at is not None:
            self.clicked.emit(*self.at)
        elif not (self._step_line(key) if self.line is not None else self._step_cursor(key)):
            super().keyPressEvent(event)

    def _step_line(self, key: Qt.Key) -> bool:
        low, high = self._x_ends()
        step, leap = (high - low) * STEP, (high - low) * LEAP
        assert self.line is not None
        targets = {
            Qt.Key.Key_Left: self.line - step,
            Qt.Key.Key_Right: self.line + step,
            Qt.Key.Key_PageDown: self.line - leap,
            Qt.Key.Key_PageUp: self.line + leap,
            Qt.Key.Key_Home: low,
            Qt.Key.Key_End: high,
        }
        if key not in targets:
            return False
        self._move_line(min(max(round(targets[key], 6), low), high))
        return True

    def _step_cursor(self, key: Qt.Key) -> bool:
        names = [curve.name for curve in self.curves if len(curve.x)]
        if not names:
            return False
        lengths = {curve.name: len(curve.x) for curve in self.curves}
        name, place = self.at or (names[0], lengths[names[0]] if key == Qt.Key.Key_Left else -1)
        here = names.index(name)
        match key:
            case Qt.Key.Key_Left | Qt.Key.Key_Right:
                place += 1 if key == Qt.Key.Key_Right else -1
            case Qt.Key.Key_Home | Qt.Key.Key_End:
                place = 0 if key == Qt.Key.Key_Home else lengths[name]
            case Qt.Key.Key_Up | Qt.Key.Key_Down if not self._places:
                name = names[(here + (1 if key == Qt.Key.Key_Down else -1)) % len(names)]
            case _:
                return False
        self.at = name, min(max(place, 0), lengths[name] - 1)
        self._draw_cursor()
        self.setAccessibleDescription(self.told().replace("\n", ", "))
        return True

    def _x_ends(self) -> tuple[float, float]:
        axis = self._axes[0]
        filled = [curve.x for curve in self.curves if len(curve.x)]
        low = axis.low if axis.low is not None else min((float(x[0]) for x in filled), default=0.0)
        high = axis.high if axis.high is not None else max((float(x[-1]) for x in filled), default=1.0)
        return low, high

    # --- coming into sight ------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """The plot itself is made now, or as soon as its library is there."""
        super().showEvent(event)
        if self._is_wanted:
            return
        self._is_wanted = True
        if is_at_hand():
            self._make()
        else:
            run_aside(
                library,
                courier=Courier(self),
                done=lambda _: self._make(),
                failed=self._give_up,
                name="plot library",
            )

    def _make(self) -> None:
        self._canvas = PlotCanvas(self)
        self._stack.addWidget(self._canvas.widget)
        self._draw()
        self._canvas.show_focus(self.hasFocus())

    def _give_up(self, error: Exception) -> None:
        self._is_wanted = False
        raise error  # here it is told, as whatever else is unexpected

    def changeEvent(self, event: QEvent) -> None:
        """Axes follow the theme; the curves' colours are their owner's to change."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and getattr(self, "_canvas", None) is not None:
            self._draw()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the keys' place."""
        super().focusInEvent(event)
        if self._canvas is not None:
            self._canvas.show_focus(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """As without keys."""
        super().focusOutEvent(event)
        self.at = None
        self._draw_cursor()
        if self._canvas is not None:
            self._canvas.show_focus(False)


def _legend_entry(curve: PlotCurve) -> str:
    dash = "┅" if curve.dashed else "━"
    words = (curve.label or curve.name).replace("&", "&amp;").replace("<", "&lt;").replace(" ", "&nbsp;")
    return f'<span style="color: {curve.color}">{dash}</span>&nbsp;{words}'
