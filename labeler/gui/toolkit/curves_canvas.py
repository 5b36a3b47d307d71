"""The pyqtgraph side of the plots of `curve_plot`: what is drawn, in the colours of the scheme in force."""

import os
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QFontMetrics
from PySide6.QtWidgets import QWidget

from labeler.gui.toolkit import theme

_MARGIN = 4
_HALF_A_NUMBER = 9.0

Floats: TypeAlias = NDArray[np.float64]


class Axis(Struct, frozen=True):
    """One axis: what it counts, and its ends where they are fixed."""

    label: str = ""
    low: float | None = None
    high: float | None = None
    ticks: tuple[tuple[float, str], ...] = ()
    """(place, words) of its marks; () for round numbers."""


class PlotCurve(Struct, frozen=True, eq=False):
    """One curve; `x` rises or stays, and both are (N,). A y that is NaN leaves a gap."""

    name: str
    """Unique in its plot."""
    color: str
    x: Floats
    y: Floats
    width: float = 2.0
    dashed: bool = False
    dots: bool = False
    """Whether each point has a dot."""
    label: str = ""
    """What the legend says; "" is the name, and a space is nothing."""


@cache
def library() -> Any:
    """What draws, pyqtgraph. The first call takes a second and more: for a thread that nobody waits for."""
    os.environ.setdefault("PYQTGRAPH_QT_LIB", "PySide6")
    import pyqtgraph  # noqa: PLC0415 - a window without plots does without it

    # its clean-up at exit takes widgets apart that Qt owns
    pyqtgraph.setConfigOptions(antialias=True, exitCleanup=False)
    return pyqtgraph


def is_at_hand() -> bool:
    """Whether `library` gives it at once."""
    return library.cache_info().currsize > 0


class PlotCanvas:
    """The surface of a plot. Made once the `library` is at hand."""

    def __init__(self, plot: QWidget) -> None:
        self._library = pyqtgraph = library()
        self.widget: Any = pyqtgraph.PlotWidget(plot)
        self.widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.widget.setFrameShape(self.widget.Shape.NoFrame)
        self._item: Any = self.widget.getPlotItem()
        self._box: Any = self._item.getViewBox()
        self._item.setMenuEnabled(False)
        self._item.hideButtons()
        self._item.setContentsMargins(_MARGIN, _MARGIN, 12, _MARGIN)
        self._box.setMouseEnabled(False, False)
        self._box.setDefaultPadding(0.02)
        self.viewport: QWidget = self.widget.viewport()
        self.viewport.setMouseTracking(True)
        self.viewport.installEventFilter(plot)
        self._axes = Axis(), Axis()
        self._box.sigResized.connect(self._set_ends)
        self._drawn: dict[str, Any] = {}
        self._line: Any = None
        self._marks: Any = pyqtgraph.ScatterPlotItem(size=9)
        self._cursor: Any = pyqtgraph.ScatterPlotItem(size=12)
        self._marks.setZValue(20)
        self._cursor.setZValue(21)
        self._place: Any = pyqtgraph.InfiniteLine(angle=90)
        self._place.hide()
        for points in (self._marks, self._cursor, self._place):
            self._box.addItem(points, ignoreBounds=True)

    def draw(self, curves: Sequence[PlotCurve], x: Axis, y: Axis) -> None:
        """The curves and axes anew; what is drawn already takes other points."""
        for name in self._drawn.keys() - {curve.name for curve in curves}:
            self._item.removeItem(self._drawn.pop(name))
        for curve in curves:
            if curve.name not in self._drawn:
                self._drawn[curve.name] = self._item.plot(connect="finite")
            self._draw_curve(self._drawn[curve.name], curve)
        for place, axis in (("bottom", x), ("left", y)):
            self._style(self._item.getAxis(place), axis)
        self._item.showGrid(y=True, alpha=0.25)
        self.widget.setBackground(QColor(theme.colors().card))
        self._axes = x, y
        self._set_ends()

    def _draw_curve(self, drawn: Any, curve: PlotCurve) -> None:
        style = Qt.PenStyle.DashLine if curve.dashed else Qt.PenStyle.SolidLine
        drawn.setPen(self._library.mkPen(curve.color, width=curve.width, style=style))
        symbol = "o" if curve.dots or len(curve.x) == 1 else None
        drawn.setSymbol(symbol)
        if symbol:
            drawn.setSymbolSize(6)
            drawn.setSymbolPen(None)
            drawn.setSymbolBrush(QColor(curve.color))
        drawn.setData(curve.x, curve.y)

    def _style(self, axis: Any, wanted: Axis) -> None:
        colors = theme.colors()
        small = theme.ui_font(11)
        axis.setPen(self._library.mkPen(colors.edge))
        axis.setTextPen(colors.quiet)
        axis.setTickPen(self._library.mkPen(colors.quiet))
        axis.setTickFont(small)
        axis.setStyle(tickLength=0, tickTextOffset=5, maxTickLevel=0, hideOverlappingLabels=False)
        # no ranges: switched off alone, it keeps the factor of what was drawn before, 1000 for "m"
        font = {"font-size": "11px", "font-family": "Inter"}
        axis.setLabel(wanted.label, siPrefixEnableRanges=(), color=colors.quiet, **font)
        axis.enableAutoSIPrefix(False)
        axis.showLabel(bool(wanted.label))
        axis.setTicks([wanted.ticks] if wanted.ticks else None)
        if axis.orientation == "left":
            # a width that does not change with the numbers, so that the plot does not jump
            axis.setWidth(QFontMetrics(small).horizontalAdvance("0.000") + (22 if wanted.label else 8))
        else:
            axis.setHeight(36 if wanted.label else 20)

    def _set_ends(self) -> None:
        x, y = self._axes
        # numbers at the ends of the left axis need room for half their height
        room = min(_HALF_A_NUMBER / max(self._box.height(), 1.0), 0.2)
        for place, axis, padding in ((self._box.XAxis, x, 0.02), (self._box.YAxis, y, room)):
            self._box.enableAutoRange(place)
            if axis.low is not None and axis.high is not None:
                name = "xRange" if place == self._box.XAxis else "yRange"
                self._box.setRange(**{name: (axis.low, axis.high)}, padding=padding)
        self._box.updateAutoRange()

    def draw_line(self, x: float | None, label: str) -> None:
        """The line with its words, or no line."""
        if self._line is not None:
            self._box.removeItem(self._line)
            self._line = None
        if x is None:
            return
        colors = theme.colors()
        self._line = self._library.InfiniteLine(
            pos=x,
            angle=90,
            pen=self._library.mkPen(colors.text, width=1.5),
            label=label,
            labelOpts={"position": 0.08, "color": colors.text, "fill": QColor(colors.raised)},
        )
        self._line.label.setFont(theme.ui_font(11))
        self._line.setZValue(10)
        self._box.addItem(self._line, ignoreBounds=True)

    def draw_marks(self, marks: Sequence[tuple[float, float, str]]) -> None:
        """Dots with a rim that sets them off the curves."""
        rim = self._library.mkPen(theme.colors().card, width=1.5)
        self._marks.setData([{"pos": (x, y), "brush": QColor(color), "pen": rim} for x, y, color in marks])

    def draw_cursor(self, at: tuple[float, float] | None) -> None:
        """A ring around a point, or none."""
        ring = self._library.mkPen(theme.colors().text, width=1.5)
        spots = [] if at is None else [{"pos": at, "brush": None, "pen": ring}]
        self._cursor.setData(spots)

    def draw_place(self, x: float | None) -> None:
        """A dotted line from top to bottom, or none."""
        self._place.setVisible(x is not None)
        if x is not None:
            self._place.setPen(self._library.mkPen(theme.colors().quiet, style=Qt.PenStyle.DotLine))
            self._place.setPos(x)

    def show_focus(self, shown: bool) -> None:
        """A frame in the accent while the keys go here."""
        pen = self._library.mkPen(theme.colors().accent, width=1.5) if shown else None
        self._box.setBorder(pen)

    def x_at(self, at: QPointF) -> float:
        """The x of a pixel."""
        return float(self._box.mapSceneToView(self.widget.mapToScene(at.toPoint())).x())

    def pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Columns and rows of points, in pixels of the surface."""
        (left, right), (low, high) = self._box.viewRange()
        area = self.widget.mapFromScene(self._box.sceneBoundingRect()).boundingRect()
        columns = area.left() + (x - left) / ((right - left) or 1.0) * area.width()
        rows = area.bottom() - (y - low) / ((high - low) or 1.0) * area.height()
        return columns, rows
