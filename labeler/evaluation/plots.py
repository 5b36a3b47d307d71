"""Curves as inline SVG, which needs no library, scales, and takes the colours of the page."""

from collections.abc import Sequence
from html import escape

import numpy as np
from msgspec import Struct

from labeler.evaluation.findings import Floats

_WIDTH, _HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 10, 40
_MOST_POINTS = 400


class PlotLine(Struct, frozen=True, eq=False):
    """A curve of numbers from 0 to 1."""

    name: str
    x: Floats
    y: Floats
    color: str
    """A CSS colour."""
    dashed: bool = False
    mark: tuple[float, float] | None = None
    """A point that stands out."""


def plot(lines: Sequence[PlotLine], *, x: str, y: str) -> str:
    """A figure's inside: the keys of the lines, and the lines in a frame from 0 to 1 on both axes."""
    inside = "".join(_grid()) + "".join(_line(line) for line in lines)
    middle_x, middle_y = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    names = (
        f'<text x="{middle_x}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x)}</text>'
        f'<text x="12" y="{middle_y}" text-anchor="middle" transform="rotate(-90 12 {middle_y})">'
        f"{escape(y)}</text>"
    )
    keys = "".join(
        f'<span><i class="{"dashed" if line.dashed else ""}" style="color:{line.color}"></i>'
        f"{escape(line.name)}</span>"
        for line in lines
    )
    title = escape(f"{y} over {x}")
    return (
        f'<div class="keys">{keys}</div><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{title}">{inside}{names}</svg>'
    )


def _across(value: float) -> float:
    return _LEFT + value * (_WIDTH - _LEFT - _RIGHT)


def _down(value: float) -> float:
    return _HEIGHT - _BOTTOM - value * (_HEIGHT - _TOP - _BOTTOM)


def _grid() -> list[str]:
    parts = []
    for step in range(6):
        value = step / 5
        x, y = _across(value), _down(value)
        parts.append(
            f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.1f}</text>'
            f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 15}" text-anchor="middle">{value:.1f}</text>'
        )
    return parts


def _line(line: PlotLine) -> str:
    known = np.flatnonzero(np.isfinite(line.x) & np.isfinite(line.y))
    if len(known) > _MOST_POINTS:
        known = known[np.linspace(0, len(known) - 1, _MOST_POINTS).astype(int)]
    points = " ".join(f"{_across(line.x[at]):.1f},{_down(line.y[at]):.1f}" for at in known)
    dashes = ' stroke-dasharray="6 4"' if line.dashed else ""
    drawn = f'<polyline class="curve" stroke="{line.color}"{dashes} points="{points}"/>' if points else ""
    if line.mark is None:
        return drawn
    x, y = _across(line.mark[0]), _down(line.mark[1])
    return (
        f'{drawn}<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{line.color}" '
        'stroke="var(--paper)" stroke-width="2"/>'
    )
