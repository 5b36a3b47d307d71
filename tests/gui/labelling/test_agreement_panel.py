import numpy as np
from msgspec.structs import replace
from PySide6.QtCore import Qt

from labeler.core.records import Box, Candidate, Mask
from labeler.gui.labelling.agreement_panel import AgreementPanel
from labeler.gui.session.measure import OpenAgreement
from labeler.gui.toolkit.cards import UNBROKEN


def block(x, size=40):
    return Mask(x, 100, np.ones((size, size), dtype=bool))


def numbers(panel):
    return [figure.text() for figure in (panel._iou, panel._dice, panel._boundary)]


def test_it_says_what_to_do_while_there_is_nothing_to_measure_against(qtbot, session, shown):
    panel = shown(AgreementPanel(session, OpenAgreement(session)))
    session.edits.add(Box(1, 1, 20, 20), by="test")
    qtbot.waitUntil(lambda: panel._empty.isVisible() and "accept a proposal" in panel._empty.text())
    assert not panel._figures.isVisible()


def test_the_numbers_follow_a_drag_in_the_same_call(qtbot, session, shown):
    panel = shown(AgreementPanel(session, OpenAgreement(session)))
    made = session.edits.accept(block(100), 0.9, by="test")
    qtbot.waitUntil(lambda: numbers(panel)[:2] == ["1.00", "1.00"])
    assert panel.note.text() == "PERSON"
    session.focus.set_draft(replace(made, shape=block(110)))
    # 30 of 40 columns shared: 1200 / 2000 and 2400 / 3200; no event loop in between
    assert numbers(panel)[:2] == ["0.60", "0.75"]
    assert panel._iou.accessibleName() == "IoU 0.60 down 0.40"
    assert panel.note.text() == "PERSON, EDITED NOW"
    session.focus.set_draft(None)
    assert numbers(panel)[0] == "1.00"


def test_edits_leave_a_track_with_the_last_change_as_an_arrow(qtbot, session, shown):
    panel = shown(AgreementPanel(session, OpenAgreement(session)))
    made = session.edits.accept(block(100), 0.9, by="test")
    qtbot.waitUntil(lambda: numbers(panel)[0] == "1.00")
    session.edits.replace(made, block(120), label="Move person", by="test")
    session.edits.replace(session.document.annotations[made.id], block(110), label="Move person", by="test")
    qtbot.waitUntil(lambda: numbers(panel)[0] == "0.60")
    assert panel._iou.accessibleName() == "IoU 0.60 up 0.27"
    assert panel._sparkline.accessibleName() == "IoU in this session: 3 values, from 1.00 to 0.60"


def test_the_line_of_the_image_counts_and_its_parts_select(qtbot, session, shown):
    panel = shown(AgreementPanel(session, OpenAgreement(session)))
    measured = session.edits.accept(block(100), 0.9, by="test")
    drawn = session.edits.add(Box(1, 1, 20, 20), by="test")
    line = panel.image_line
    qtbot.waitUntil(lambda: "1 measured" in line.text() and "1 by hand" in line.text())
    assert f"mean{UNBROKEN}1.00" in panel.image_line.text()
    panel.image_line.linkActivated.emit("matched")
    assert session.focus.selection == {measured.id}
    panel.image_line.linkActivated.emit("missed")
    assert session.focus.selection == {drawn.id}


def test_an_object_without_a_prediction_says_so(qtbot, session, shown):
    panel = shown(AgreementPanel(session, OpenAgreement(session)))
    session.edits.accept(block(100), 0.9, by="test")
    session.edits.add(Box(1, 1, 20, 20), by="test")
    qtbot.waitUntil(lambda: "no prediction" in panel._empty.text() and panel._empty.isVisible())
    session.focus.select([])
    qtbot.waitUntil(lambda: panel._empty.text() == "Select one object to see its agreement.")
    session.focus.select(session.document.annotations)
    qtbot.waitUntil(lambda: panel.note.text() == "2 SELECTED")


def test_the_question_mark_explains_the_numbers(qtbot, session, shown):
    panel = shown(AgreementPanel(session, OpenAgreement(session)))
    assert not panel.explanation.isVisible()
    qtbot.mouseClick(panel.help_button, Qt.MouseButton.LeftButton)
    assert panel.explanation.isVisible()
    assert "|A ∩ B| / |A ∪ B|" in panel.explanation.text()
    qtbot.mouseClick(panel.help_button, Qt.MouseButton.LeftButton)
    assert not panel.explanation.isVisible()


def test_one_of_several_models_is_chosen_and_matched_missed_extra_are_counted(qtbot, session, shown):
    panel = shown(AgreementPanel(session, OpenAgreement(session)))
    drawn = session.edits.add(Box(100, 100, 140, 140), by="test")
    person = session.focus.category.id
    boxes = [Box(100, 100, 140, 130), Box(300, 300, 340, 340)]
    import_candidates(qtbot, session, "yolo11n", person, boxes)
    qtbot.waitUntil(lambda: panel.model.isVisible() and ">yolo11n<" in panel.model.text())
    qtbot.waitUntil(lambda: "1 matched" in panel.image_line.text() and "1 extra" in panel.image_line.text())
    session.focus.select([drawn.id])
    qtbot.waitUntil(lambda: numbers(panel) == ["0.75", "0.86", "–"])
    with qtbot.waitSignal(panel.extra_clicked) as told:
        panel.image_line.linkActivated.emit("extra")
    assert [candidate.shape for candidate in told.args[0]] == [boxes[1]]
    with qtbot.waitSignal(panel.model_asked):
        panel.model.linkActivated.emit("model")
    session.measure.choose_model(None)
    qtbot.waitUntil(lambda: "that were accepted" in panel.model.text())


def import_candidates(qtbot, session, name, category_id, boxes):
    image_id = session.place.image.id

    def work(store):
        model = store.predictions.ensure_model(name, "")
        store.predictions.add(
            model.id, [Candidate(0, image_id, model.id, category_id, box, 0.9) for box in boxes]
        )

    done = []
    session._link.write(work, done.append, failed=done.append)
    qtbot.waitUntil(lambda: done == [None])
    session.reload()
    qtbot.waitUntil(lambda: len(session.document.candidates) == len(boxes))
    session.measure.choose_model(next(model for model in session.document.models if model.name == name))
