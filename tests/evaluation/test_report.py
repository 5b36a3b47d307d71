"""An evaluation as text, as curves and as a page: what stands there, and what is left out."""

import html.parser
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from labeler.core.records import Annotation, Box, Candidate, Category, Image, Mask
from labeler.errors import FormatError
from labeler.evaluation.cases import worst_cases
from labeler.evaluation.confusion import confusion
from labeler.evaluation.evaluator import evaluate
from labeler.evaluation.findings import Evaluation
from labeler.evaluation.html_report import report, write_report
from labeler.evaluation.items import ObjectItem, around, images_of
from labeler.evaluation.operating_points import Rates, ThresholdSweep, at, level
from labeler.evaluation.plots import PlotLine, plot
from labeler.evaluation.tables import confused, shown_figure, table
from labeler.formats.spec import Dataset

CAT, DOG, RARE = (Category(key, name, "#fff") for key, name in ((1, "cat"), (2, "<dog>"), (3, "rare")))
HERE, THERE, AWAY = Box(0, 0, 20, 20), Box(40, 40, 60, 60), Box(70, 70, 90, 90)


def evaluated(truths, predictions, *, title: str = "Model", by: str = "box") -> Evaluation:
    """Of (image, category, shape) and of (image, category, shape, confidence)."""
    images = tuple(Image(key, f"{key}&.png", 100, 100) for key in (1, 2, 3))
    annotations = tuple(Annotation(n, *one) for n, one in enumerate(truths, 1))
    given = tuple(
        Candidate(n, image, 1, category, shape, confidence)
        for n, (image, category, shape, confidence) in enumerate(predictions, 1)
    )
    data = Dataset(images, (CAT, DOG, RARE), annotations)
    return evaluate(data, given, title=title, by=by)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    """A cat is found, and a dog taken for one; on image 2 a cat is missed, and one seen in nothing."""
    truths = [(1, 1, HERE), (1, 2, THERE), (2, 1, HERE)]
    predictions = [(1, 1, HERE, 0.9), (1, 1, THERE, 0.8), (2, 1, AWAY, 0.7), (3, 2, AWAY, 0.1)]
    return evaluated(truths, predictions)


def cells(text: str, first: str) -> list[str]:
    """The cells of the line of a table that begins so."""
    line = next(one for one in text.splitlines() if one.startswith(f"{first} "))
    return line.split()


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.0, "0.000"), (0.12349, "0.123"), (1.0, "1.000")]
)
def test_a_figure_has_three_digits(value, shown) -> None:
    assert shown_figure(value) == shown


def test_the_table_says_what_became_of_each_category(found) -> None:
    text = table([found], [at(found, 0.5)])
    assert text.startswith("Boxes compared on 3 images with 3 objects.")
    assert "By category, at confidence 0.50:" in text
    assert cells(text, "cat")[:5] == ["cat", "2", "1", "1", "2"]
    assert cells(text, "<dog>")[:5] == ["<dog>", "1", "0", "1", "0"]
    assert cells(text, "cat")[-1] == "0.400"  # two hits of the five on both sides
    assert not any(line.startswith("rare") for line in text.splitlines()), "nothing is there to be said of it"
    assert text.endswith("Taken for another:\n  <dog> for cat: 1")


def test_lines_are_aligned_and_have_nothing_behind_them(found) -> None:
    text = table([found], [at(found, 0.5)])
    assert all(line == line.rstrip() for line in text.splitlines())
    ends = {len(line) for line in text.splitlines() if line.startswith(("cat", "<dog>", "category"))}
    assert len(ends) == 1


def test_a_category_that_is_only_seen_where_nothing_is_has_a_line(found) -> None:
    seen = evaluated([(1, 1, HERE)], [(1, 3, AWAY, 0.9)])
    assert cells(table([seen], [at(seen, 0.5)]), "rare")[:5] == ["rare", "0", "0", "0", "1"]
    assert "rare" not in table([seen], [at(seen, 0.95)])


def test_two_models_stand_side_by_side(found) -> None:
    other = evaluated([(1, 1, HERE), (1, 2, THERE), (2, 1, HERE)], [], title="Nothing")
    text = table([found, other], [at(found, 0.5), at(other, 0.3)])
    assert cells(text, "confidence") == ["confidence", "0.500", "0.300"]
    assert cells(text, "precision") == ["precision", "0.333", "–"]
    assert cells(text, "recall") == ["recall", "0.333", "0.000"]
    assert "Model, by category, at confidence 0.50:" in text
    assert "Nothing, by category, at confidence 0.30:" in text


def test_masks_have_their_pixels_too() -> None:
    square = Mask(10, 10, np.ones((10, 10), bool))
    half = Mask(10, 10, np.ones((10, 5), bool))
    made = evaluated([(1, 1, square)], [(1, 1, half, 0.9)], by="mask")
    text = table([made], [at(made, 0.5)])
    assert text.startswith("Masks compared")
    assert cells(text, "category")[-2:] == ["IoU", "Dice"]
    assert cells(text, "cat")[-2:] == ["0.500", "0.667"]


def test_what_is_confused_most_comes_first() -> None:
    truths = [(1, 2, HERE), (1, 2, THERE), (2, 1, HERE), (2, 1, AWAY), (3, 3, HERE)]
    predictions = [
        (1, 1, HERE, 0.9),
        (1, 1, THERE, 0.9),
        (2, 2, HERE, 0.9),
        (2, 1, AWAY, 0.9),
        (3, 1, HERE, 0.9),
    ]
    of = confusion(evaluated(truths, predictions), confidence=0.5)
    assert confused(of) == [("<dog>", "cat", 2), ("cat", "<dog>", 1), ("rare", "cat", 1)]
    assert [one.truth_id for one in of.cell(1, 0)] == [1, 2]
    assert of.cell(0, 0)[0].confidence == pytest.approx(0.9)
    assert of.cell(0, 2) == ()


# --- a threshold ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rates", "missed", "precision", "recall", "f1"),
    [
        (Rates(4, 3, 1), 1, 0.75, 0.75, 0.75),
        (Rates(4, 0, 0), 4, None, 0.0, 0.0),
        (Rates(0, 0, 3), 0, 0.0, None, 0.0),
        (Rates(0, 0, 0), 0, None, None, None),
        (Rates(3, 1, 2), 2, 1 / 3, 1 / 3, 1 / 3),
    ],
)
def test_rates(rates, missed, precision, recall, f1) -> None:
    assert (rates.missed, rates.precision, rates.recall, rates.f1) == (missed, precision, recall, f1)


@pytest.mark.parametrize(
    ("confidence", "hits", "alarms"),
    [(0.95, 0, 0), (0.9, 1, 0), (0.85, 1, 0), (0.8, 1, 1), (0.7, 1, 2), (0.1, 1, 3), (0.0, 1, 3)],
)
def test_a_threshold_takes_what_is_as_confident_as_it(found, confidence, hits, alarms) -> None:
    total = at(found, confidence).total
    assert (total.hits, total.false_alarms, total.truths) == (hits, alarms, 3)


def test_the_best_threshold_is_the_largest_of_the_best_ones(found) -> None:
    sweep = ThresholdSweep(found)
    assert sweep.best() == pytest.approx(0.9)
    assert sweep.best(0) == pytest.approx(0.9)
    assert sweep.best(2) == 0.5, "nothing was predicted"
    same = evaluated([(1, 1, HERE), (2, 1, HERE)], [(1, 1, HERE, 0.6), (2, 1, HERE, 0.6)])
    assert ThresholdSweep(same).best() == pytest.approx(0.6)


def test_a_threshold_that_was_not_evaluated_is_said(found) -> None:
    assert [level(found, value) for value in (0.5, 0.75, 0.95)] == [0, 5, 9]
    with pytest.raises(ValueError, match=r"IoU 0\.3 was not evaluated"):
        level(found, 0.3)


@pytest.mark.parametrize(
    ("index", "count", "places"),
    [(0, 2, [0, 1]), (2, 2, [1, 2]), (3, 2, [2, 3]), (3, 99, [0, 1, 2, 3]), (1, 1, [1])],
)
def test_what_is_about_a_point_of_a_curve(found, index, count, places) -> None:
    from labeler.evaluation.curves import curve

    of = curve(found)
    ids = [int(found.predictions.ids[place]) for place in of.predictions.tolist()]
    items = around(found, of, index, count=count)
    assert [one.prediction_id for one in items] == [ids[place] for place in places]


def test_images_are_named_once_in_their_order() -> None:
    items = [ObjectItem(key) for key in (3, 1, 3, 2, 1)]
    assert images_of(items) == (3, 1, 2)
    assert images_of([]) == ()


# --- curves ---------------------------------------------------------------------------------------


def line(x, y, **more) -> PlotLine:
    return PlotLine("a < b", np.array(x, float), np.array(y, float), "red", **more)


def test_a_curve_goes_from_corner_to_corner_of_the_frame() -> None:
    text = plot([line([0, 1], [0, 1])], x="recall", y="precision")
    assert 'points="44.0,260.0 410.0,10.0"' in text
    assert "a &lt; b" in text
    assert 'aria-label="precision over recall"' in text
    assert "<circle" not in text
    assert "stroke-dasharray" not in text


def test_what_is_not_known_is_left_out_and_a_curve_of_nothing_is_not_drawn() -> None:
    nan = float("nan")
    assert 'points="44.0,260.0 410.0,260.0"' in plot([line([0, 0.5, nan, 1], [0, nan, 1, 0])], x="x", y="y")
    assert "polyline" not in plot([line([0, 1], [nan, nan])], x="x", y="y")


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    steps = np.linspace(0, 1, 5000)
    text = plot([line(steps, steps)], x="x", y="y")
    points = re.search('points="([^"]*)"', text)[1].split()
    assert len(points) == 400
    assert (points[0], points[-1]) == ("44.0,260.0", "410.0,10.0")


def test_a_mark_and_dashes_are_drawn() -> None:
    text = plot([line([], [], mark=(0.5, 0.5), dashed=True), line([0, 1], [0, 1], dashed=True)], x="x", y="y")
    assert '<circle cx="227.0" cy="135.0"' in text
    assert text.count("stroke-dasharray") == 1
    assert text.count('class="dashed"') == 2


# --- the page -------------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """The tags of a page that need an end, checked to have one; and what it would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs) -> None:
        self.loads += [value for key, value in attrs if key in ("src", "href")]
        assert tag != "script"
        if tag not in ("meta", "br", "image", "path", "rect", "circle", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        if tag not in ("path", "rect", "circle", "polyline", "image"):
            assert self.open.pop() == tag


def test_the_page_is_whole_says_what_the_table_says_and_loads_nothing(found) -> None:
    text = report([found], images={})
    assert not Page(text).loads
    assert "Content-Security-Policy" in text
    assert "<h1>Model</h1>" in text
    assert "Boxes compared on 3 images with 3 objects" in text
    assert "<span>F1 at 0.90</span><b>0.500</b>" in text
    assert "&lt;dog&gt;" in text
    assert "<dog>" not in text
    assert "rare" not in text


def test_the_page_of_two_says_which_is_better(found) -> None:
    worse = evaluated([(1, 1, HERE), (1, 2, THERE), (2, 1, HERE)], [(1, 1, AWAY, 0.3)], title="Worse")
    text = report([found, worse], images={})
    Page(text)
    assert '<span class="a">Model</span> against <span class="b">Worse</span>' in text
    assert "<span>best F1</span>" in text, "each is judged at its own"
    gain = found.summary.figures.ap - worse.summary.figures.ap
    assert f'<small class="good">{gain:+.3f}</small>' in text
    assert f'<small class="bad">{-gain:+.3f}</small>' in report([worse, found], images={})
    assert 'class="quiet">+0.000</small>' in report([found, found], images={})
    assert "best F1" not in report([found, worse], images={}, confidence=0.4)


@pytest.mark.parametrize("count", [0, 3])
def test_a_report_is_of_one_or_two(found, count) -> None:
    with pytest.raises(ValueError, match=f"not of {count}"):
        report([found] * count, images={})


def test_a_model_without_a_name_is_called_an_evaluation(found) -> None:
    nameless = replace(found, summary=replace(found.summary, title=""))
    assert "<title>Evaluation</title>" in report([nameless], images={})


def test_a_report_that_cannot_be_written_is_said_and_leaves_nothing(found, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match="cannot be written"):
        write_report(tmp_path / "file" / "report.html", [found])
    write_report(tmp_path / "report.html", [found], confidence=0.5)
    assert "F1 at 0.50" in (tmp_path / "report.html").read_text("utf-8")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "report.html"]


def test_the_worst_images_are_shown_with_what_is_wrong_on_them(found, tmp_path: Path) -> None:
    photo = tmp_path / "1.png"
    cv2.imwrite(str(photo), np.zeros((100, 100, 3), np.uint8))
    (tmp_path / "2.png").write_bytes(b"no photo")
    text = worst_cases(found, images={1: photo, 2: tmp_path / "2.png"}, confidence=0.5)
    one, two = sorted(text.split("</figure>")[:2], key=lambda part: "2&amp;.png" in part)
    assert text.count("<figure") == 2, "what has no mistake is no case"
    assert "1 found, 1 missed, 1 false" in one
    assert [one.count(f'class="mark {kind}"') for kind in ("hit", "miss", "alarm")] == [1, 1, 1]
    assert "<title>&lt;dog&gt;: missed</title>" in one
    assert 'href="data:image/jpeg;base64,' in one
    assert "0 found, 1 missed, 1 false" in two
    assert "<svg" not in two, "a photo that cannot be read is only named"
    assert "2&amp;.png" in two
    assert worst_cases(evaluated([(1, 1, HERE)], [(1, 1, HERE, 0.9)]), images={}, confidence=0.5) == ""
