"""The picker among 500 categories, from the key to its paint, against the menu of all of them before it."""

import pytest
from msgspec import structs
from PySide6.QtWidgets import QApplication, QMenu

from labeler.core.colors import next_color
from labeler.core.records import Box, Category, Change
from labeler.gui import app
from labeler.gui.toolkit.cards import swatch_icon
from tests.benchmarks.harness import compare, report

pytestmark = pytest.mark.benchmark
COUNT = 500


@pytest.fixture
def opened(qtbot, photos):
    made = app.make_window()
    made.frame.show()
    made.open(photos)
    qtbot.waitUntil(lambda: made.session.place.pixels is not None, timeout=20_000)
    yield made
    made.frame.close()
    made.frame.deleteLater()


def test_opening_and_searching_among_500_categories(opened):
    session, picker = opened.session, opened.naming.picker
    color = next_color(())
    changes = [
        Change(None, Category(at, f"class {at} of {COUNT}", color, supercategory=f"group {at % 20}"))
        for at in range(1, COUNT + 1)
    ]
    session.edits.commit("Add 500 categories", changes, by="test")
    session.focus.choose_category(7)
    made = session.edits.add(Box(100, 300, 300, 500), by="test")
    for at in range(1, 41):
        one = structs.replace(made, id=session.edits.new_annotation_id(), category_id=at * 3)
        session.edits.commit("Add", [Change(None, one)], by="test")
    opened.canvas.hand.take("select")
    session.focus.select([made.id])

    def ask():
        opened.naming.ask()
        assert picker.isVisible()
        picker.repaint()
        picker.close()

    def search():
        opened.naming.ask()
        for text in ("c", "cl", "class 4", "class 49"):
            picker.field.setText(text)
            picker.repaint()
        picker.close()

    def menu():
        shown = QMenu(opened.canvas)
        for category in session.document.categories.values():
            shown.addAction(swatch_icon(category.color), category.name)
        shown.sizeHint()
        shown.deleteLater()

    timings = compare({"opened": ask, "opened, four searches": search, "menu": menu}, baseline="menu")
    QApplication.processEvents()
    report("picker, 500 categories", "< 50 ms, <= 1 x a menu of all", timings.figure("opened"))
    report("picker, four searches", "<= 2 x a menu of all", timings.figure("opened, four searches"))
    assert timings.ratio("opened") <= 1
    assert timings.ratio("opened, four searches") <= 2
