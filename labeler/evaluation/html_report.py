"""The report: one HTML file that needs nothing else, neither the network nor a script."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import numpy as np

from labeler.core.files import atomic_write
from labeler.errors import FormatError
from labeler.evaluation.cases import worst_cases
from labeler.evaluation.confusion import Confusion, confusion
from labeler.evaluation.curves import RECALLS, curve, mean_precision
from labeler.evaluation.findings import Evaluation
from labeler.evaluation.operating_points import Operating, Rates, ThresholdSweep
from labeler.evaluation.plots import PlotLine, plot
from labeler.evaluation.report_style import STYLE
from labeler.evaluation.tables import FIGURES, shown_figure

_COLORS = ("var(--a)", "var(--b)")
_CLASSES = ("a", "b")
_TILES = ("AP", "AP50", "AP75", "AR 100")
_WIDEST = 16
"""So many categories a confusion matrix shows, those that are confused most."""
_FOOTER = (
    "<footer>Figures as COCO defines them: average precision (AP) over IoU 0.50 to 0.95, recall (AR) with at "
    "most 1, 10 or 100 predictions an image and category. Crowds are left out. Made by Labeler.</footer>"
)
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(
    path: Path,
    evaluations: Sequence[Evaluation],
    *,
    images: Mapping[int, Path] | None = None,
    confidence: float | None = None,
) -> None:
    """Write the report of one model, or of two side by side, in one atomic step.

    `images`: the files that are at hand for pictures, by the ids of the labels file. Judged at
    `confidence`, where that is None each at that of its best F1. Raises FormatError where the file cannot
    be written.
    """
    try:
        atomic_write(path, report(evaluations, images=images or {}, confidence=confidence).encode("utf-8"))
    except OSError as error:
        raise FormatError(f"“{path}” cannot be written: {error.strerror or error}.") from error


def report(
    evaluations: Sequence[Evaluation], *, images: Mapping[int, Path], confidence: float | None = None
) -> str:
    """The HTML text; see `write_report`. Raises ValueError for more than two models, or none."""
    if not 1 <= len(evaluations) <= len(_COLORS):
        raise ValueError(f"A report is of one model or of two, not of {len(evaluations)}.")
    sweeps = [ThresholdSweep(one) for one in evaluations]
    points = [sweep.at(sweep.best() if confidence is None else confidence) for sweep in sweeps]
    title = " and ".join(one.summary.title or "Evaluation" for one in evaluations)
    body = "".join(
        [
            _head(evaluations),
            _tiles(evaluations, points),
            "<h2>Precision and recall</h2>",
            _plots(evaluations, sweeps, points),
            "<h2>All figures</h2>",
            _figures(evaluations, points),
            "<h2>By category</h2>",
            _categories(evaluations, points),
            "<h2>What is taken for what</h2>",
            *(
                _matrix(one, point, len(evaluations) > 1)
                for one, point in zip(evaluations, points, strict=True)
            ),
            _cases(evaluations, points, images),
            _FOOTER,
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def _head(evaluations: Sequence[Evaluation]) -> str:
    names = [escape(one.summary.title or "Evaluation") for one in evaluations]
    if len(names) > 1:
        names = [f'<span class="{css}">{name}</span>' for css, name in zip(_CLASSES, names, strict=False)]
    summary = evaluations[0].summary
    day = datetime.fromtimestamp(summary.created, tz=UTC).strftime("%Y-%m-%d")
    kind = "Masks" if summary.by == "mask" else "Boxes"
    return (
        f"<h1>{' against '.join(names)}</h1><p class='quiet'>{kind} compared on {summary.images:,} images "
        f"with {summary.truths:,} objects · {day}</p>"
    )


def _tiles(evaluations: Sequence[Evaluation], points: Sequence[Operating]) -> str:
    rows: list[tuple[str, list[float | None]]] = [
        (name, [getattr(one.summary.figures, FIGURES[name]) for one in evaluations]) for name in _TILES
    ]
    rows.append(
        (
            "best F1" if len({p.confidence for p in points}) > 1 else _at(points[0], "F1"),
            [p.total.f1 for p in points],
        )
    )
    return f'<div class="tiles">{"".join(_tile(name, values) for name, values in rows)}</div>'


def _at(point: Operating, name: str) -> str:
    return f"{name} at {point.confidence:.2f}"


def _tile(name: str, values: Sequence[float | None]) -> str:
    if len(values) == 1:
        return f'<div class="tile"><span>{escape(name)}</span><b>{shown_figure(values[0])}</b></div>'
    first, second = values
    numbers = f'<b class="a">{shown_figure(first)}</b> <b class="b">{shown_figure(second)}</b>'
    change = ""
    if first is not None and second is not None:
        gain = first - second
        css = "good" if gain > 0 else "bad" if gain < 0 else "quiet"
        change = f'<small class="{css}">{gain:+.3f}</small>'
    return f'<div class="tile"><span>{escape(name)}</span>{numbers}{change}</div>'


def _plots(
    evaluations: Sequence[Evaluation], sweeps: Sequence[ThresholdSweep], points: Sequence[Operating]
) -> str:
    several = len(evaluations) > 1
    over_recall: list[PlotLine] = []
    over_confidence: list[PlotLine] = []
    steps = np.linspace(0.0, 1.0, 101)
    for color, one, sweep, point in zip(_COLORS, evaluations, sweeps, points, strict=False):
        of, name = curve(one), f"{one.summary.title}: " if several else ""
        total = point.total
        here = (
            None if None in (total.precision, total.recall) else (total.recall or 0.0, total.precision or 0.0)
        )
        over_recall += [
            PlotLine(f"{name}all predictions, IoU 0.50", of.recall, of.precision, color, mark=here),
            PlotLine(f"{name}mean of categories and IoU", RECALLS, mean_precision(one), color, dashed=True),
        ]
        rates = [sweep.at(float(step)).total for step in steps]
        wanted = ("f1",) if several else ("precision", "recall", "f1")
        for field, shade in zip(
            wanted, (color,) if several else ("var(--a)", "var(--b)", "var(--good)"), strict=True
        ):
            label = "F1" if field == "f1" else field
            over_confidence.append(_rate_line(f"{name}{label}", rates, field, shade, point))
    return (
        f'<div class="plots"><figure><figcaption>Precision over recall</figcaption>'
        f"{plot(over_recall, x='recall', y='precision')}</figure>"
        f"<figure><figcaption>What a confidence comes to, at IoU 0.50</figcaption>"
        f"{plot(over_confidence, x='confidence', y='share')}</figure></div>"
    )


def _rate_line(name: str, rates: Sequence[Rates], field: str, color: str, point: Operating) -> PlotLine:
    values = [getattr(one, field) for one in rates]
    here = getattr(point.total, field)
    return PlotLine(
        name,
        np.linspace(0.0, 1.0, len(values)),
        np.array([np.nan if value is None else value for value in values]),
        color,
        mark=None if here is None else (point.confidence, here),
    )


def _figures(evaluations: Sequence[Evaluation], points: Sequence[Operating]) -> str:
    rows = [
        (name, [getattr(one.summary.figures, field) for one in evaluations])
        for name, field in FIGURES.items()
    ]
    rows += [
        (label, [getattr(point.total, field) for point in points])
        for label, field in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))
    ]
    rows.append(("at confidence", [point.confidence for point in points]))
    half = (len(rows) + 1) // 2
    head = "".join(f"<th>{escape(one.summary.title)}</th>" for one in evaluations)
    tables = "".join(
        f"<table><thead><tr><th></th>{head}</tr></thead><tbody>"
        + "".join(
            f"<tr><td>{name}</td>{''.join(f'<td>{shown_figure(value)}</td>' for value in values)}</tr>"
            for name, values in part
        )
        + "</tbody></table>"
        for part in (rows[:half], rows[half:])
    )
    return f'<div class="plots wide">{tables}</div>'


def _categories(evaluations: Sequence[Evaluation], points: Sequence[Operating]) -> str:
    by_mask = evaluations[0].summary.by == "mask"
    head = ["category", "objects", "AP", "", "AP50", "AR", "found", "missed", "false", "F1"]
    head += ["IoU", "Dice"] if by_mask else []
    rows = []
    for place, one in enumerate(evaluations[0].categories):
        if not (one.truths or any(point.categories[place].false_alarms for point in points)):
            continue
        cells = [
            _stacked(
                [
                    _cells(model, point, place, by_mask)[at]
                    for model, point in zip(evaluations, points, strict=True)
                ]
            )
            for at in range(len(head) - 2)
        ]
        name = escape(one.name)
        rows.append(
            f'<tr><td class="name" title="{name}">{name}</td><td>{one.truths:,}</td>{"".join(cells)}</tr>'
        )
    titles = "".join(f"<th>{title}</th>" for title in head)
    return (
        f'<div class="wide"><table class="full"><thead><tr>{titles}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cells(evaluation: Evaluation, point: Operating, place: int, by_mask: bool) -> list[str]:
    one, rates = evaluation.categories[place], point.categories[place]
    figures = one.figures
    bar = f'<span class="bar"><i style="width:{100 * (figures.ap or 0.0):.1f}%"></i></span>'
    cells = [
        shown_figure(figures.ap),
        bar,
        shown_figure(figures.ap50),
        shown_figure(figures.ar100),
        f"{rates.hits:,}",
        f"{rates.missed:,}",
        f"{rates.false_alarms:,}",
        shown_figure(rates.f1),
    ]
    return [*cells, shown_figure(one.pixel_iou), shown_figure(one.pixel_dice)] if by_mask else cells


def _stacked(values: Sequence[str]) -> str:
    if len(values) == 1:
        return f'<td class="a">{values[0]}</td>' if "bar" in values[0] else f"<td>{values[0]}</td>"
    inside = "".join(
        f'<div class="{css}">{value}</div>' for css, value in zip(_CLASSES, values, strict=False)
    )
    return f"<td>{inside}</td>"


def _matrix(evaluation: Evaluation, point: Operating, named: bool) -> str:
    table = confusion(evaluation, confidence=point.confidence)
    shown, rest = _most_confused(table)
    names = [*(escape(one.name) for one in evaluation.categories), "nothing"]
    head = "".join(f'<th title="{names[at]}">{names[at]}</th>' for at in shown)
    rows = []
    for row in shown:
        whole = max(int(table.counts[row].sum()), 1)
        cells = "".join(_cell(int(table.counts[row, at]), whole, right=row == at) for at in shown)
        rows.append(f'<tr><th title="{names[row]}">{names[row]}</th>{cells}</tr>')
    title = f"<h3>{escape(evaluation.summary.title)}</h3>" if named else ""
    more = f" The {rest} categories that are confused least are not shown." if rest else ""
    return (
        f"{title}<p class='quiet'>Rows are what is there, columns what the model says, at confidence "
        f"{point.confidence:.2f} and from IoU 0.50. The last column is missed, the last row false.{more}</p>"
        f'<div class="wide"><table class="matrix"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(count: int, whole: int, *, right: bool) -> str:
    if not count:
        return "<td></td>"
    share = round(100 * count / whole)
    depth = min(10 + share * 0.6, 70)
    color = f"color-mix(in srgb, var(--{'good' if right else 'bad'}) {depth:.0f}%, var(--raised))"
    return f'<td style="background:{color}" title="{share} % of the row">{count:,}</td>'


def _most_confused(table: Confusion) -> tuple[list[int], int]:
    """The rows that are shown, background last, and how many are not."""
    counts = table.counts
    count = len(counts) - 1
    used = [at for at in range(count) if counts[at].any() or counts[:, at].any()]
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    chosen = sorted(sorted(used, key=lambda at: (-int(wrong[at]), at))[:_WIDEST])
    return [*chosen, count], len(used) - len(chosen)


def _cases(evaluations: Sequence[Evaluation], points: Sequence[Operating], images: Mapping[int, Path]) -> str:
    parts = []
    for one, point in zip(evaluations, points, strict=True):
        cases = worst_cases(one, images=images, confidence=point.confidence)
        if cases:
            title = f"<h3>{escape(one.summary.title)}</h3>" if len(evaluations) > 1 else ""
            parts.append(f'{title}<div class="cases">{cases}</div>')
    if not parts:
        return ""
    keys = "".join(
        f'<span><i class="{css}" style="color:{color}"></i>{name}</span>'
        for css, color, name in (
            ("", "#35d07f", "found"),
            ("dashed", "#ffb02e", "missed"),
            ("", "#ff4d5e", "false"),
        )
    )
    return f'<h2>Worst images</h2><div class="keys">{keys}</div>{"".join(parts)}'
