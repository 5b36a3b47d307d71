from PySide6.QtCore import Qt

from labeler.core.records import Box, Change, Image
from labeler.gui.images.panel import ImageFilter, ImagesPanel, find_image
from labeler.gui.toolkit.rows import ROW_ROLE


def names(panel):
    model = panel.view.model()
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def test_it_lists_every_image_in_folder_order_and_says_how_many(session, shown):
    panel = shown(ImagesPanel(session))
    assert names(panel) == ["bus.jpg", "grace_hopper.jpg", "zidane.jpg"]
    assert panel.note.text() == "3 OF 3"


def test_a_click_opens_the_image_and_the_open_image_is_selected(qtbot, session, shown, click_row):
    panel = shown(ImagesPanel(session))
    click_row(panel.view, 2)
    assert session.place.image.path == "zidane.jpg"
    session.place.step(-1)
    assert [index.row() for index in panel.view.selectionModel().selectedRows()] == [1]


def test_typing_a_name_filters_and_is_the_order_that_one_steps_through(qtbot, session, shown):
    panel = shown(ImagesPanel(session))
    qtbot.keyClicks(panel.search, "ZI")
    qtbot.waitUntil(lambda: names(panel) == ["zidane.jpg"])
    assert panel.note.text() == "1 OF 3"
    session.place.step(1)
    assert session.place.image.path == "zidane.jpg"


def test_a_filter_that_nothing_passes_says_so_and_one_click_shows_all(qtbot, session, shown):
    panel = shown(ImagesPanel(session))
    qtbot.keyClicks(panel.search, "no such")
    qtbot.keyClick(panel.search, Qt.Key.Key_Return)
    assert "No image passes" in panel._empty.text()
    assert panel._empty.isVisible()
    qtbot.mouseClick(panel._empty._button, Qt.MouseButton.LeftButton)
    assert len(names(panel)) == 3
    assert panel.search.text() == ""


def test_status_filters_and_a_changed_image_stays_until_asked(qtbot, session, shown):
    panel = shown(ImagesPanel(session))
    panel.status.choose("unlabelled")
    assert len(names(panel)) == 3
    session.edits.add(Box(1, 1, 20, 20), by="test")
    assert names(panel) == ["bus.jpg", "grace_hopper.jpg", "zidane.jpg"]
    assert panel._refresh.isVisible()
    qtbot.mouseClick(panel._refresh, Qt.MouseButton.LeftButton)
    assert names(panel) == ["grace_hopper.jpg", "zidane.jpg"]
    panel.status.choose("reviewed")
    assert names(panel) == []
    session.edits.mark_reviewed(True, by="test")
    panel.apply()
    assert names(panel) == ["bus.jpg"]


def test_category_filter_and_sorting_by_objects(session, shown):
    panel = shown(ImagesPanel(session))
    session.place.step(1)
    session.edits.add(Box(1, 1, 20, 20), by="test")
    session.edits.add(Box(1, 1, 30, 30), by="test")
    session.place.step(1)
    session.edits.add_category("bus", by="test")
    session.edits.add(Box(1, 1, 20, 20), by="test")
    panel.sorting.choose("most")
    assert names(panel) == ["grace_hopper.jpg", "zidane.jpg", "bus.jpg"]
    panel.sorting.choose("fewest")
    assert names(panel) == ["bus.jpg", "zidane.jpg", "grace_hopper.jpg"]
    panel.category.setCurrentText("bus")
    assert names(panel) == ["zidane.jpg"]


def test_a_row_shows_the_objects_and_how_far_the_image_is(session, shown):
    panel = shown(ImagesPanel(session))
    index = panel.view.model().index(0, 0)
    assert (index.data(ROW_ROLE).mark, index.data(ROW_ROLE).right) == ("ring", "")
    session.edits.add(Box(1, 1, 20, 20), by="test")
    assert (index.data(ROW_ROLE).mark, index.data(ROW_ROLE).right) == ("dot", "1")
    session.edits.mark_reviewed(True, by="test")
    assert index.data(ROW_ROLE).mark == "check"
    assert "reviewed" in index.data(Qt.ItemDataRole.ToolTipRole)


def test_closing_the_project_leaves_an_empty_list_that_says_what_to_do(session, shown):
    panel = shown(ImagesPanel(session))
    session.close()
    assert names(panel) == []
    assert panel._empty.text() == "No images yet. Open a folder of photos to begin."
    assert panel.note.text() == ""


def test_go_to_takes_a_number_or_a_part_of_a_name(session):
    images = session.document.images
    assert find_image(images, " 2 ").path == "grace_hopper.jpg"
    assert find_image(images, "IDA").path == "zidane.jpg"
    assert find_image(images, "9") is None
    assert find_image(images, "") is None


def test_images_that_an_undo_takes_away_leave_the_list(qtbot, session, shown):
    panel = shown(ImagesPanel(session))
    panel.search.setText("jpg")
    panel.apply()
    added = Image(id=77, path="later.jpg", width=10, height=10)
    session.edits.commit("Import one", [Change(None, added)], by="test")
    assert names(panel)[-1] == "later.jpg"
    session.history.undo()
    qtbot.waitUntil(lambda: names(panel) == ["bus.jpg", "grace_hopper.jpg", "zidane.jpg"])
    assert 77 not in session.place.order


def test_worst_agreement_first_leaves_what_is_not_measured_at_the_end(qtbot, session, shown):
    first, second, third = session.place.order
    panel = shown(ImagesPanel(session, worst_first=lambda: [third, first]))
    panel.sorting.choose("worst")
    assert list(session.place.order) == [third, first, second]


def test_images_chosen_elsewhere_are_shown_by_their_name_until_it_is_taken_away(qtbot, session, shown):
    panel = shown(ImagesPanel(session))
    panel.status.choose("unlabelled")
    assert not panel.chip.isVisible()
    first, second, third = session.place.order
    session.place.set_order([third, first], title="bus, worst first")
    assert panel.chip.text() == panel.narrowed == "2 images: bus, worst first"
    assert panel.chip.isVisible()
    assert names(panel) == ["zidane.jpg", "bus.jpg"]
    assert panel.note.text() == "2 OF 3"
    panel.sorting.choose("name")
    assert session.place.order == [first, third]
    qtbot.keyClicks(panel.search, "zidane")
    qtbot.keyClick(panel.search, Qt.Key.Key_Return)
    assert session.place.order == [third]
    session.place.set_order([second], title="labelled 12:04")
    assert names(panel) == ["grace_hopper.jpg"]
    session.reload()
    qtbot.waitSignal(session.document.images_changed).wait()
    assert names(panel) == ["grace_hopper.jpg"]
    qtbot.mouseClick(panel.chip, Qt.MouseButton.LeftButton)
    assert session.place.order == [first, second, third]
    assert not panel.chip.isVisible()
    assert panel.sorting.itemText(0) == "Folder order"


def test_validation_images_say_that_they_are_held_out(session, shown):
    panel = shown(ImagesPanel(session))
    first, second = session.document.images[:2]
    panel.mark_validation(frozenset({first.id}))
    rows = {image.id: panel._model.row(image.id) for image in (first, second)}
    assert rows[first.id].quiet == "held out"
    assert "held out of the training" in rows[first.id].tooltip
    assert rows[second.id].quiet == ""


def test_no_filter_and_no_choice_of_another_goes_unsaid(qtbot, session, shown):
    panel = shown(ImagesPanel(session))
    said = []
    panel.narrowed_changed.connect(lambda: said.append(panel.narrowed))
    assert panel.narrowed == ""
    panel.sorting.choose("name")
    assert panel.narrowed == ""  # another order leaves nobody out
    panel.status.choose("unlabelled")
    assert said[-1] == "3 images: unlabelled"
    qtbot.keyClicks(panel.search, "bus")
    qtbot.keyClick(panel.search, Qt.Key.Key_Return)
    assert said[-1] == "1 image: “bus” · unlabelled"
    panel.clear_filter()
    assert said[-1] == ""
    session.place.set_order(session.place.order[:2])  # by somebody who gave it no name
    assert said[-1] == "2 images: chosen elsewhere"
    assert panel.chip.isVisible()
    panel.chip.click()
    assert len(session.place.order) == 3
    assert said[-1] == ""


def test_a_filter_is_set_as_a_whole_and_not_where_nothing_passes_it(session, shown):
    panel = shown(ImagesPanel(session))
    wanted = ImageFilter(name="a", status="unlabelled", sorting="fewest")
    panel.use_filter(wanted)
    assert panel.filter() == wanted
    assert names(panel) == ["grace_hopper.jpg", "zidane.jpg"]
    panel.use_filter(ImageFilter(name="no such"))
    assert panel.filter() == ImageFilter()
    assert len(session.place.order) == 3
