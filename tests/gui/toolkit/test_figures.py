"""Big numbers and the small curve: what they say, and where the points lie."""

import pytest

from labeler.gui.toolkit.figures import Figure, Sparkline


@pytest.mark.parametrize(
    ("value", "change", "said"),
    [
        (None, 0.0, "IoU –"),
        (0.5, 0.0, "IoU 0.50"),
        (0.876, 0.0049, "IoU 0.88"),  # two decimals would not show it
        (0.876, 0.005, "IoU 0.88 up 0.01"),
        (0.2, -0.25, "IoU 0.20 down 0.25"),
    ],
)
def test_a_figure_is_said_with_its_change(qtbot, value, change, said) -> None:
    figure = Figure("IoU")
    qtbot.addWidget(figure)
    figure.show_value(value, change=change)
    assert figure.accessibleName() == said


def points(qtbot, *values: float) -> list[tuple[float, float]]:
    line = Sparkline()
    qtbot.addWidget(line)
    line.resize(109, 36)
    line.show_values(list(values))
    assert not line.grab().isNull()
    return [(point.x(), point.y()) for point in line._points()]


def test_the_curve_goes_from_edge_to_edge_and_higher_is_better(qtbot) -> None:
    found = points(qtbot, 0.2, 0.8, 0.5)
    assert [x for x, _ in found] == pytest.approx([4, 54, 104])
    assert [y for _, y in found] == pytest.approx([30, 5, 17.5])


def test_a_small_change_is_no_jump_and_one_value_a_level_line(qtbot) -> None:
    found = points(qtbot, 0.5, 0.51)
    assert found[0][1] - found[1][1] == pytest.approx(2.5)
    assert points(qtbot, 0.7) == [(4, 17.5), (104, 17.5)]


def test_what_it_shows_is_said(qtbot) -> None:
    line = Sparkline()
    qtbot.addWidget(line)
    line.show_values([])
    assert line.toolTip() == ""
    assert not line.grab().isNull()
    line.show_values([0.25, 0.5, 0.75])
    assert line.toolTip() == "IoU in this session: 3 values, from 0.25 to 0.75"
