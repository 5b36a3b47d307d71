"""What stands beside each other on the photo is told apart: neighbours, labels and reasons, proposals."""

import numpy as np
import pytest
from msgspec.structs import replace
from PySide6.QtCore import QRectF
from PySide6.QtWidgets import QApplication

from labeler.core.colors import rgb
from labeler.core.records import Box, Candidate, Change, Mask
from labeler.gui.canvas.layers.drawing import AMONG, SELECTED, draw_shape
from labeler.gui.canvas.reasons import _free
from labeler.gui.canvas.viewport import Viewport
from labeler.gui.toolkit import theme


def half(x, y):
    return Mask(x, y, np.ones((160, 120), dtype=bool))


def recolor(session, color):
    category = session.focus.category
    session.edits.commit("Recolour", [Change(category, replace(category, color=color))], by="test")


def test_selected_neighbours_of_one_category_have_a_dark_seam(canvas, session):
    """Whatever the photo is like, something nearly black lies along the line between them."""
    recolor(session, "#ffffff")
    left, right = (session.edits.add(half(x, 300), by="test") for x in (300, 420))
    session.focus.select([left.id, right.id])
    canvas.grab()
    assert [job.look for job in canvas.picture._active._selected._jobs] == [AMONG, AMONG]
    dark = {}
    for look in (AMONG, SELECTED):
        buffer = np.zeros((300, 400, 4), dtype=np.uint8)
        for x in (80, 200):
            draw_shape(buffer, Viewport(1.0, (0.0, 0.0)), half(x, 80), (255, 255, 255), look, ratio=1.0)
        row = buffer[160, 190:211].astype(int)
        dark[look] = int(((row[:, :3].max(axis=1) < 120) & (row[:, 3] > 180)).sum())
        assert row[:, :3].max() > 200, "the line itself keeps the colour"
    assert dark == {AMONG: dark[AMONG], SELECTED: 0}
    assert dark[AMONG] >= 1
    session.focus.select([left.id])
    canvas.grab()
    assert [job.look for job in canvas.picture._active._selected._jobs] == [SELECTED]


def test_a_proposal_and_its_preview_have_the_colour_of_what_they_become(canvas, hand, session):
    canvas.hand.take("sam-point")
    hand.move(300, 300)
    canvas.grab()
    drawn = canvas.picture._active._proposed
    color = rgb(session.focus.category.color)
    assert [job.color for job in drawn._jobs] == [color]
    hand.click(300, 300)
    QApplication.processEvents()
    canvas.grab()
    assert canvas.prompt_desk.current is not None
    assert [job.color for job in drawn._jobs] == [color]
    recolor(session, "#123456")
    canvas.grab()
    assert [job.color for job in drawn._jobs] == [rgb("#123456")]
    session.edits.add_category("other", by="test")
    canvas.grab()
    assert [job.color for job in drawn._jobs] == [rgb(session.focus.category.color)]


def test_without_a_category_a_proposal_is_violet(canvas, hand, session):
    session.focus.choose_category(0)
    canvas.hand.take("sam-point")
    hand.move(340, 320)
    canvas.grab()
    assert [job.color for job in canvas.picture._active._proposed._jobs] == [rgb(theme.PROPOSAL)]


def test_a_reason_stands_on_no_label(canvas, predict, qtbot):
    """The two frames share their upper left corner, where the kept one's label is."""
    boxes = [(Box(100.0, 100.0, 300.0, 500.0), 0.9), (Box(100.0, 100.0, 290.0, 480.0), 0.8)]
    predict({1: [Candidate(0, 1, 0, 1, box, confidence, "person") for box, confidence in boxes]})
    qtbot.waitUntil(lambda: len(canvas.predictions.candidates) == 2)
    hovered = next(key for key, one in canvas.predictions.candidates.items() if one.confidence == 0.8)
    canvas.predictions.hover(hovered)
    canvas.grab()
    (reason,) = canvas.picture._reasons.tagged
    assert canvas.picture._active.tagged
    assert not any(reason.intersects(label) for label in canvas.picture._active.tagged)
    assert canvas.rect().contains(reason.toAlignedRect())


@pytest.mark.parametrize("top", [0.0, 40.0, 80.0])
def test_the_nearest_free_place_is_taken_also_at_the_edges(top):
    wanted = QRectF(10, top, 50, 20)
    assert _free(wanted, [], 100) == wanted
    found = _free(wanted, [wanted], 100)
    assert not found.intersects(wanted)
    assert 0 <= found.top() <= 80
    assert abs(found.top() - top) == 22
    assert _free(wanted, [QRectF(0, 0, 100, 100)], 100) == wanted, "nowhere is free"
