"""Plots of curves and the confusion matrix: what the mouse and the keys do, and what is told."""

import subprocess
import sys

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from labeler.gui.evaluation.confusion_view import ConfusionMatrix
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.curve_plot import Axis, CurvePlot, PlotCurve, line_color

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def plot(shown):
    made = shown(
        CurvePlot("Rates", x=Axis("confidence", 0.0, 1.0), y=Axis("", 0.0, 1.0)), width=400, height=240
    )
    x = np.linspace(0, 1, 11)
    made.show_curves([PlotCurve("rise", line_color(0), x, x), PlotCurve("fall", line_color(1), x, 1 - x)])
    QApplication.processEvents()
    return made


def click(qtbot, plot, x, y):
    qtbot.mouseClick(plot.surface, LEFT, pos=plot.pixel_of(x, y).toPoint())


def test_nothing_is_imported_until_a_plot_is_shown():
    code = (
        "import sys, labeler.gui.evaluation.panel, labeler.gui.toolkit.curve_plot;"
        "print('pyqtgraph' in sys.modules, 'faster_coco_eval' in sys.modules, 'torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False", "False"]


def test_the_window_goes_on_while_the_first_plot_waits_for_its_library():
    """The importing thread shares the interpreter, so a turn of the loop may take a little longer."""
    code = """
import sys, time
from PySide6.QtCore import QTimer
from labeler.gui import app
from labeler.gui.toolkit.curve_plot import Axis, CurvePlot, PlotCurve
import numpy as np
application = app.make_application()
plot, other = (CurvePlot(name, x=Axis(), y=Axis()) for name in "ab")
x = np.arange(3.0)
turns = []
timer = QTimer(interval=5)
timer.timeout.connect(lambda: turns.append("pyqtgraph" in sys.modules and not plot.is_drawn))
timer.timeout.connect(lambda: plot.is_drawn and other.is_drawn and application.quit())
timer.start()
plot.show(), other.show()
print(plot.is_drawn)
plot.show_curves([PlotCurve("a", "#ff0000", x, x)])
QTimer.singleShot(60_000, application.quit)
application.exec()
print(turns.count(True) > 5, plot.pixel_of(0, 0) != plot.pixel_of(2, 2), other.is_drawn)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True", "True", "True"], ran.stderr


def test_a_click_tells_the_nearest_point(qtbot, plot):
    with qtbot.waitSignal(plot.clicked) as told:
        click(qtbot, plot, 0.8, 0.8)
    assert told.args == ["rise", 8]
    with qtbot.waitSignal(plot.clicked) as told:
        click(qtbot, plot, 0.8, 0.2)
    assert told.args == ["fall", 8]
    assert plot.told() == "fall\nconfidence 0.8, value 0.2"


def test_the_line_is_dragged_and_stays_within_the_axis(qtbot, plot):
    plot.show_line(0.25, label="0.25")
    moved = []
    plot.line_moved.connect(moved.append)
    at = plot.pixel_of(0.25, 0.6).toPoint()
    qtbot.mousePress(plot.surface, LEFT, pos=at)
    qtbot.mouseMove(plot.surface, plot.pixel_of(0.6, 0.55).toPoint())
    assert moved[-1] == pytest.approx(0.6, abs=0.01)
    qtbot.mouseMove(plot.surface, plot.pixel_of(1.0, 0.6).toPoint() + QPoint(40, 0))
    qtbot.mouseRelease(plot.surface, LEFT, pos=at)
    assert moved[-1] == plot.line == 1.0


def test_a_click_beside_all_points_brings_the_line_there(qtbot, plot):
    plot.show_line(0.25)
    with qtbot.waitSignal(plot.line_moved) as told:
        click(qtbot, plot, 0.5, 0.95)
    assert told.args[0] == pytest.approx(0.5, abs=0.01)


def test_keys_move_the_line(qtbot, plot):
    plot.show_line(0.25)
    plot.setFocus()
    for key, at in (
        (Qt.Key.Key_Right, 0.26),
        (Qt.Key.Key_PageUp, 0.36),
        (Qt.Key.Key_Left, 0.35),
        (Qt.Key.Key_Home, 0.0),
        (Qt.Key.Key_Left, 0.0),
        (Qt.Key.Key_End, 1.0),
    ):
        qtbot.keyClick(plot, key)
        assert plot.line == pytest.approx(at)
    assert plot.accessibleDescription().startswith("confidence 1.00")


def test_keys_walk_the_points_where_there_is_no_line(qtbot, plot):
    plot.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down):
        qtbot.keyClick(plot, key)
    assert plot.accessibleDescription() == "fall, confidence 0.1, value 0.9"
    with qtbot.waitSignal(plot.clicked) as told:
        qtbot.keyClick(plot, Qt.Key.Key_Return)
    assert told.args == ["fall", 1]


def test_the_wheel_is_left_to_what_the_plot_scrolls_in(plot):
    at = QPointF(50, 50)
    turned = QWheelEvent(
        at,
        plot.surface.mapToGlobal(at),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(plot.surface, turned)
    assert not turned.isAccepted()


def test_other_curves_take_the_place_of_the_first(plot):
    plot.show_curves([PlotCurve("loss", line_color(0), np.arange(3.0), np.array([3.0, np.nan, 1.0]))])
    plot.set_y(Axis("loss"))
    QApplication.processEvents()
    high, low = plot.pixel_of(0, 3).y(), plot.pixel_of(2, 1).y()
    assert 0 < high < low < plot.surface.height()
    plot.show_curves([], note="Nothing yet.")
    assert plot._note.isVisible()
    assert plot._note.text() == "Nothing yet."


def test_it_follows_the_theme(qapp, plot):
    dark = plot.grab().toImage().pixelColor(200, 40).name()
    theme.apply(qapp, "light")
    QApplication.sendEvent(plot, QEvent(QEvent.Type.PaletteChange))
    QApplication.processEvents()
    light = plot.grab().toImage()
    assert dark != light.pixelColor(200, 40).name()
    assert line_color(0) != "#4bc3ff"


# --- places -----------------------------------------------------------------------------------------


@pytest.fixture
def days(shown):
    made = shown(CurvePlot("Agreement", x=Axis("", -0.5, 2.5), y=Axis("", 0.0, 1.0)), width=300, height=160)
    x = np.arange(3.0)
    curves = [
        PlotCurve("IoU", "#00ff00", x, np.array([0.5, np.nan, 0.75])),
        PlotCurve("F1", "#888888", x, x / 4),
    ]
    made.show_curves(curves, places=["Mon", "Tue", "Wed"])
    QApplication.processEvents()
    return made


def pressed(qtbot, plot, *keys):
    told = []
    plot.clicked.connect(lambda _, place: told.append(place))
    for key in keys:
        qtbot.keyClick(plot, key)
    return told


def test_the_nearest_place_is_meant_however_far_from_a_curve(qtbot, days):
    for x, place in ((-0.4, 0), (0.9, 1), (2.4, 2)):
        with qtbot.waitSignal(days.clicked) as told:
            click(qtbot, days, x, 0.99)
        assert told.args == ["IoU", place]
    # a gap is not told
    days.at = days.point_at(days.pixel_of(1.1, 0.02))
    assert days.told() == "Tue\nF1 0.250"


def test_keys_walk_the_places_and_choose_one(qtbot, days):
    right, enter = Qt.Key.Key_Right, Qt.Key.Key_Return
    assert pressed(
        qtbot, days, enter, right, right, enter, Qt.Key.Key_Up, right, right, Qt.Key.Key_Space
    ) == [1, 2]
    assert days.accessibleDescription() == "Wed, IoU 0.750, F1 0.500"


def test_left_comes_from_the_right_end_and_what_loses_the_keys_marks_nothing(qtbot, days):
    days.setFocus()
    assert pressed(qtbot, days, Qt.Key.Key_Left, Qt.Key.Key_Return) == [2]
    assert days._canvas._place.isVisible()
    days.clearFocus()
    assert days.at is None
    assert not days._canvas._place.isVisible()


def test_without_places_keys_do_nothing(qtbot, days):
    days.show_curves([], places=[])
    assert pressed(qtbot, days, Qt.Key.Key_Right, Qt.Key.Key_Return) == []


def test_a_plot_that_only_tab_reaches_leaves_the_keys_where_they_are(qtbot, days):
    days.clearFocus()
    days.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    click(qtbot, days, 1, 0.5)
    assert not days.hasFocus()
    days.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    click(qtbot, days, 1, 0.5)
    assert days.hasFocus()


# --- the matrix -------------------------------------------------------------------------------------


@pytest.fixture
def matrix(shown):
    made = shown(ConfusionMatrix(), width=360, height=240)
    made.show_counts(["cat", "dog"], np.array([[8, 1, 1], [0, 5, 5], [2, 0, 0]]))
    return made


def test_a_cell_is_told_and_clicked(qtbot, matrix):
    assert matrix.told((0, 0)) == "cat found: 8 of 10 (80%)"
    assert matrix.told((0, 1)) == "cat taken for dog: 1 of 10 (10%)"
    assert matrix.told((1, 2)) == "dog missed: 5 of 10 (50%)"
    assert matrix.told((2, 0)) == "cat predicted where nothing is: 2"
    with qtbot.waitSignal(matrix.clicked) as told:
        qtbot.mouseClick(matrix, LEFT, pos=matrix.rect_of((1, 2)).center().toPoint())
    assert told.args == [1, 2]
    assert matrix.cell_at(matrix.rect_of((2, 2)).center()) is None
    assert matrix.cell_at(QPointF(2, 2)) is None


def test_keys_walk_the_cells_but_not_onto_background(qtbot, matrix):
    matrix.setFocus()
    right, down = Qt.Key.Key_Right, Qt.Key.Key_Down
    # the first key goes to the first cell
    for key in (right, down, right, right, down):
        qtbot.keyClick(matrix, key)
    assert matrix.current == (1, 2)
    assert matrix.accessibleDescription() == "dog missed: 5 of 10 (50%)"
    with qtbot.waitSignal(matrix.clicked) as told:
        qtbot.keyClick(matrix, Qt.Key.Key_Return)
    assert told.args == [1, 2]


def test_cells_have_the_colours_of_what_they_mean(matrix):
    picture = matrix.grab().toImage()
    ratio = picture.devicePixelRatio()

    def color(cell):
        # beside the number
        corner = matrix.rect_of(cell).topLeft() + QPointF(8, 6)
        return picture.pixelColor((corner * ratio).toPoint())

    found, swapped, missed = color((0, 0)), color((0, 1)), color((1, 2))
    assert found.green() > max(found.red(), found.blue())
    assert swapped.red() > swapped.green()
    assert min(missed.red(), missed.green()) > missed.blue()
    assert color((1, 0)).name() == theme.colors().raised


def test_names_and_counts_must_fit(matrix):
    with pytest.raises(ValueError, match="1 names for 3 rows"):
        matrix.show_counts(["cat"], np.zeros((3, 3), dtype=np.int64))


def test_small_values_are_written_as_they_are_however_often_they_are_drawn(shown):
    plot = shown(CurvePlot("Losses", x=Axis("epoch"), y=Axis("loss")), width=400, height=240)
    x = np.linspace(0.08, 0.12, 11)
    for _ in range(3):
        plot.show_curves([PlotCurve("loss", line_color(0), x, 5 * x)])
        QApplication.processEvents()
    item = plot._canvas.widget.getPlotItem()
    for place, value in (("bottom", 0.1), ("left", 0.5)):
        axis = item.getAxis(place)
        # as pyqtgraph writes the numbers beside its ticks
        assert axis.tickStrings([value], axis.autoSIPrefixScale * axis.scale, 0.1) == [str(value)]
