"""Labels files taken into the real window: beside the thread that saves, asked about, told with reasons."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from labeler.core.records import Annotation, Box, Category
from labeler.core.records import Image as DataImage
from labeler.formats.exchange import Importing
from labeler.formats.report import Report
from labeler.formats.spec import Dataset, FormatSpec, Reading, Source, come_from
from labeler.gui.exchange.desk import LabelsDesk
from labeler.gui.exchange.importer import Importer
from labeler.gui.exchange.report_dialog import ImportReportDialog
from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import Message, Toast
from labeler.gui.window.main_window import MainWindow

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")  # of the off-screen platform


def labels(path: Path, names: list[str], **more: object) -> Path:
    """A COCO file with one box on each of these images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {
                "images": [{"id": n, "file_name": name} for n, name in enumerate(names, 1)],
                "categories": [{"id": 1, "name": "thing"}],
                "annotations": [
                    {"id": n, "image_id": n, "category_id": 1, "bbox": [5, 5, 20, 20], "area": 400} | more
                    for n in range(1, len(names) + 1)
                ],
            }
        )
    )
    return path


@pytest.fixture
def desk(opened: MainWindow) -> LabelsDesk:
    return opened.frame.findChild(LabelsDesk)


def all_annotations(qtbot: QtBot, session: Session) -> list[Annotation]:
    found: list[list[Annotation]] = []
    session.ask(lambda store: list(store.all_annotations()), found.append)
    qtbot.waitUntil(lambda: bool(found), timeout=20_000)
    return found[0]


def told(desk: LabelsDesk) -> list[Message]:
    messages: list[Message] = []
    desk._notifier.told.connect(messages.append)
    return messages


def test_the_reasons_are_shown_searched_copied_and_saved(
    qtbot: QtBot, opened: MainWindow, desk: LabelsDesk, photos: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in photos.iterdir() if path.suffix == ".jpg")
    messages = told(desk)
    with qtbot.waitSignal(desk.importer.finished, timeout=20_000):
        desk.take(labels(tmp_path / "l.json", names, iscrowd=False, area=-1))
    assert messages[-1].action == "Reasons…"
    assert messages[-1].run is not None
    messages[-1].run()
    dialog = opened.frame.findChild(ImportReportDialog)
    assert any("is not the area" in sentence for sentence in dialog.shown())
    counts = [dialog.reasons.topLevelItem(n).text(0) for n in range(dialog.reasons.topLevelItemCount())]
    assert counts.count(str(len(names))) >= 2, "equal sentences are one row"
    dialog.search.setText("iscrowd")
    assert dialog.shown() == ["Was false, read as 0."]
    dialog.copy()
    assert "iscrowd" in QGuiApplication.clipboard().text()
    dialog.save(tmp_path / "report.json")
    assert len(json.loads((tmp_path / "report.json").read_bytes())["items"]) >= 2 * len(names)
    dialog.save(tmp_path / "none" / "report.json")
    assert "was not written" in dialog.told.text()
    dialog.close()


class Held(Importing):
    """A file that takes as long to read as a test wants."""

    def __init__(self, path: Path, at: str = "read") -> None:
        super().__init__(path)
        self.reached, self.go = threading.Event(), threading.Event()
        self.looks = 0
        self._at = at

    def look(self, project: object) -> None:
        self.looks += 1
        super().look(project)

    def read(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        if self._at == "read":
            self._hold(should_stop)
        super().read(should_stop)

    def plan(self, annotations: object) -> object:
        if self._at == "plan" and not self.go.is_set():
            self._hold(lambda: False)
        return super().plan(annotations)

    def _hold(self, should_stop: Callable[[], bool]) -> None:
        self.reached.set()
        while not self.go.wait(0.01) and not should_stop():
            pass


@pytest.mark.parametrize("at", ["read", "plan"])
def test_edits_are_saved_while_a_file_is_read_and_none_is_lost(
    qtbot: QtBot, session: Session, photos: Path, tmp_path: Path, at: str
) -> None:
    importer = Importer(session)
    source = Held(labels(tmp_path / "l.json", [session.place.image.path]), at)
    reports: list[Report] = []
    importer.finished.connect(reports.append)
    importer.labels(source)
    qtbot.waitUntil(source.reached.is_set, timeout=20_000)
    made = session.edits.add(Box(30, 30, 50, 50), by="test")
    assert made is not None
    qtbot.waitUntil(lambda: session.saved == "saved", timeout=20_000)
    assert not reports, "the edit did not wait for the import"
    source.go.set()
    qtbot.waitUntil(lambda: bool(reports), timeout=20_000)
    found = all_annotations(qtbot, session)
    assert len(found) == 2
    assert len({one.id for one in found}) == 2
    assert made in found
    assert source.looks == (2 if at == "read" else 3), "matched anew with what was saved meanwhile"
    session.history.undo()
    qtbot.waitUntil(lambda: all_annotations(qtbot, session) == [made], timeout=20_000)


def test_a_cancelled_import_and_one_of_a_project_that_was_left_write_nothing(
    qtbot: QtBot, session: Session, tmp_path: Path, photos: Path
) -> None:
    importer = Importer(session)
    heard: list[object] = []
    importer.finished.connect(heard.append)
    importer.failed.connect(heard.append)
    for leave in (importer.cancel, session.close):
        source = Held(labels(tmp_path / "l.json", [session.place.image.path]))
        importer.labels(source)
        qtbot.waitUntil(source.reached.is_set, timeout=20_000)
        leave()
    session.open(photos)
    qtbot.waitUntil(lambda: session.place.pixels is not None, timeout=20_000)
    assert all_annotations(qtbot, session) == []
    assert heard == []


def test_a_file_of_a_plugins_format_is_taken_as_a_coco_file_is(
    qtbot: QtBot, opened: MainWindow, photos: Path, tmp_path: Path
) -> None:
    def read(source: Source) -> Reading:
        image = DataImage(1, source.path.read_text(), 0, 0)
        box = Annotation(1, 1, 1, Box(5, 5, 25, 25))
        return Reading(Dataset((image,), (Category(1, "thing", ""),), (box,)))

    name = next(path.name for path in photos.iterdir() if path.suffix == ".jpg")
    (tmp_path / "l.toy").write_text(name)
    toy = FormatSpec("toy", "Toy", (".toy",), lambda _: True, read)
    come_from(lambda: [toy])
    try:
        desk = opened.frame.findChild(LabelsDesk)
        with qtbot.waitSignal(desk.importer.finished, timeout=20_000):
            opened.open(tmp_path / "l.toy")
        assert len(all_annotations(qtbot, opened.session)) == 1
    finally:
        come_from(tuple)


def test_where_few_images_are_there_it_is_asked_where_they_are(
    qtbot: QtBot, desk: LabelsDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("x1.png", "x2.png"):
        PilImage.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(elsewhere / name)
    path = labels(tmp_path / "one" / "two" / "l.json", ["x1.png", "x2.png"])
    with qtbot.waitSignal(desk.importer.few_found, timeout=20_000):
        desk.take(path)
    assert desk.question is not None
    assert "0 of 2 images of l.json" in desk.question.text()
    monkeypatch.setattr(
        "labeler.gui.exchange.desk.QFileDialog.getExistingDirectory", lambda *_: str(elsewhere)
    )
    with qtbot.waitSignal(desk.importer.finished, timeout=20_000) as caught:
        next(b for b in desk.question.buttons() if "folder" in b.text()).click()
    (report,) = caught.args
    assert (report.missing, report.refused) == (0, 0)


def test_without_the_images_the_labels_come_in_and_are_counted_as_missing(
    qtbot: QtBot, desk: LabelsDesk, tmp_path: Path
) -> None:
    with qtbot.waitSignal(desk.importer.few_found, timeout=20_000):
        desk.take(labels(tmp_path / "one" / "two" / "l.json", ["y1.png", "y2.png"]))
    assert isinstance(desk.question, QMessageBox)
    messages = told(desk)
    with qtbot.waitSignal(desk.importer.finished, timeout=20_000) as caught:
        next(b for b in desk.question.buttons() if "without" in b.text()).click()
    (report,) = caught.args
    assert report.missing == 2
    assert "2 without a file" in messages[-1].text


@pytest.mark.parametrize("answer", ["Turn", "Leave", "Cancel"])
def test_where_nothing_tells_the_frame_of_a_turned_photo_it_is_asked(
    qtbot: QtBot, desk: LabelsDesk, tmp_path: Path, answer: str
) -> None:
    exif = PilImage.Exif()
    exif[0x0112] = 3
    turned = tmp_path / "turned"
    turned.mkdir()
    PilImage.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(turned / "t.jpg", exif=exif)
    with qtbot.waitSignal(desk.importer.frame_unclear, timeout=20_000):
        desk.take(labels(turned / "l.json", ["t.jpg"]), images=turned)
    assert desk.question is not None
    assert "1 photo" in desk.question.text()
    button = next(b for b in desk.question.buttons() if answer in b.text())
    if answer == "Cancel":
        button.click()
        assert all_annotations(qtbot, desk._session) == []
        return
    with qtbot.waitSignal(desk.importer.finished, timeout=20_000):
        button.click()
    (one,) = all_annotations(qtbot, desk._session)
    assert one.shape.x0 == (55 if answer == "Turn" else 5)


def test_results_whose_ids_two_files_gave_ask_for_the_file(
    qtbot: QtBot, desk: LabelsDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = []
    for name in ("A", "B"):
        folder = tmp_path / name
        folder.mkdir()
        PilImage.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(folder / f"{name}.png")
        paths.append(labels(tmp_path / f"{name}.json", [f"{name}.png"]))
        with qtbot.waitSignal(desk.importer.finished, timeout=20_000):
            desk.take(paths[-1], images=folder)
    found = tmp_path / "results.json"
    row = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.5}
    found.write_text(json.dumps([row]))
    with qtbot.waitSignal(desk.importer.ids_unclear, timeout=20_000):
        desk.take_results(found, "model")
    assert desk.question is not None
    assert "A.png" in desk.question.text()
    assert "as the project exports it" in desk.question.text(), "the photo of the folder was in no file"
    monkeypatch.setattr(
        "labeler.gui.exchange.desk.QFileDialog.getOpenFileName", lambda *_: (str(paths[1]), "")
    )
    with qtbot.waitSignal(desk.importer.finished, timeout=20_000):
        next(b for b in desk.question.buttons() if "labels file" in b.text()).click()
    hit: list[list[str]] = []
    desk._session.ask(
        lambda store: [i.path for i in store.images() if store.predictions.candidates(i.id)], hit.append
    )
    qtbot.waitUntil(lambda: bool(hit), timeout=20_000)
    assert [Path(path).name for path in hit[0]] == ["B.png"]


def test_the_files_areas_are_kept_where_the_report_is_asked_to(
    qtbot: QtBot, opened: MainWindow, desk: LabelsDesk, photos: Path, tmp_path: Path
) -> None:
    messages = told(desk)
    path = labels(
        tmp_path / "l.json", [min(path.name for path in photos.iterdir() if path.suffix == ".jpg")], area=3000
    )
    with qtbot.waitSignal(desk.importer.finished, timeout=20_000):
        desk.take(path)
    assert messages[-1].run is not None
    messages[-1].run()
    dialog = opened.frame.findChild(ImportReportDialog)
    assert dialog.areas_button.isVisible()
    with qtbot.waitSignal(desk.importer.finished, timeout=20_000):
        dialog.areas_button.click()
    (one,) = all_annotations(qtbot, desk._session)
    assert b'"area":3000' in one.shape.origin.replace(b" ", b"")


@pytest.mark.parametrize("layout", ["cvat", "coco"])
def test_a_file_dropped_on_an_empty_window_opens_the_folder_of_its_images(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, layout: str
) -> None:
    folder = tmp_path / "set" / ("images/default" if layout == "cvat" else "val2017")
    folder.mkdir(parents=True)
    PilImage.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(folder / "a.png")
    name = "instances_default.json" if layout == "cvat" else "instances_val2017.json"
    desk = window.frame.findChild(LabelsDesk)
    with qtbot.waitSignal(desk.importer.finished, timeout=20_000):
        window.open(labels(tmp_path / "set" / "annotations" / name, ["a.png"]))
    assert window.session.root == folder
    qtbot.waitUntil(lambda: len(window.session.document.annotations) == 1, timeout=20_000)
    assert [image.note for image in window.session.document.images] == [""]


def test_two_reports_can_both_be_read_and_neither_takes_the_message_of_the_next(
    qtbot: QtBot, opened: MainWindow, desk: LabelsDesk, photos: Path, tmp_path: Path
) -> None:
    name = next(path.name for path in sorted(photos.iterdir()) if path.suffix == ".jpg")
    toast = opened.frame.findChild(Toast)
    for file in ("first.json", "second.json"):
        with qtbot.waitSignal(desk.importer.finished, timeout=20_000):
            desk.take(labels(tmp_path / file, [name]))
    assert [text.split()[0] for text in toast.texts] == ["first.json", "second.json"]
    desk.take(tmp_path / "none.json")
    qtbot.waitUntil(lambda: any("none.json" in text for text in toast.texts), timeout=20_000)
    qtbot.waitUntil(lambda: not desk.importer.is_busy, timeout=20_000)
    assert [text.split()[0] for text in toast.texts[:2]] == ["first.json", "second.json"]
    assert not any(text.startswith("Importing") for text in toast.texts)


def test_the_report_of_an_overtaken_file_leaves_the_message_of_the_next(
    qtbot: QtBot, opened: MainWindow, desk: LabelsDesk, photos: Path, tmp_path: Path
) -> None:
    name = next(path.name for path in sorted(photos.iterdir()) if path.suffix == ".jpg")
    toast = opened.frame.findChild(Toast)
    desk.take(labels(tmp_path / "next.json", [name]))
    assert desk.importer.is_busy
    desk.importer.finished.emit(Report("overtaken.json", {}, ()))
    assert any(text == "Importing next.json…" for text in toast.texts)
    qtbot.waitUntil(lambda: not desk.importer.is_busy, timeout=20_000)
    assert [text.split()[0] for text in toast.texts] == ["overtaken.json:", "next.json"]


def test_a_question_about_one_project_goes_as_another_one_opens(
    qtbot: QtBot, desk: LabelsDesk, opened: MainWindow, tmp_path: Path
) -> None:
    with qtbot.waitSignal(desk.importer.few_found, timeout=20_000):
        desk.take(labels(tmp_path / "one" / "two" / "l.json", ["y1.png", "y2.png"]))
    question = desk.question
    assert question is not None
    asked = []
    question.finished.connect(asked.append)
    other = tmp_path / "other"
    other.mkdir()
    PilImage.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(other / "z.png")
    opened.session.open(other)
    qtbot.waitUntil(lambda: opened.session.root == other and bool(asked))
    assert not desk.importer.is_busy
    assert all_annotations(qtbot, opened.session) == []


def test_the_areas_of_a_report_are_kept_in_its_own_project_alone(
    qtbot: QtBot, desk: LabelsDesk, opened: MainWindow, tmp_path: Path
) -> None:
    here = opened.session.root
    name = next(here.glob("*.jpg")).name
    messages = told(desk)
    with qtbot.waitSignal(desk.importer.finished, timeout=20_000):
        desk.take(labels(tmp_path / "l.json", [name], segmentation=[[5, 5, 25, 5, 25, 25]]), images=here)
    assert messages[-1].action == "Reasons…"
    messages[-1].run()
    dialog = opened.frame.findChild(ImportReportDialog)
    other = tmp_path / "other"
    other.mkdir()
    PilImage.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(other / "z.png")
    opened.session.open(other)
    qtbot.waitUntil(lambda: opened.session.root == other)
    dialog.areas_wanted.emit()
    assert not desk.importer.is_busy


@pytest.mark.parametrize("way", ["released", "dropped", "another project"])
def test_a_question_waits_for_the_end_of_a_drag(
    qtbot: QtBot, desk: LabelsDesk, opened: MainWindow, tmp_path: Path, way: str
) -> None:
    canvas, none = opened.canvas, Qt.KeyboardModifier.NoModifier
    canvas.hand.take("box")
    start = canvas.rect().center()
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, none, start)
    QTest.mouseMove(canvas, start + QPoint(40, 30))
    assert canvas.progress.is_dragging
    with qtbot.waitSignal(desk.importer.few_found, timeout=20_000):
        desk.take(labels(tmp_path / "one" / "two" / "l.json", ["y1.png", "y2.png"]))
    question = desk.question
    assert question is not None
    heard = []
    question.finished.connect(heard.append)
    QApplication.processEvents()
    assert not question.isVisible()
    assert canvas.progress.is_dragging, "the question ended the drag"
    if way == "another project":
        other = tmp_path / "other"
        other.mkdir()
        PilImage.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(other / "z.png")
        opened.session.open(other)
        qtbot.waitUntil(lambda: opened.session.root == other and bool(heard))
        QApplication.processEvents()
        assert QApplication.activeModalWidget() is None
        return
    if way == "released":
        QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, none, start + QPoint(60, 50))
    else:
        QTest.keyClick(canvas, Qt.Key.Key_Escape)
    qtbot.waitUntil(question.isVisible)
    assert len(opened.session.document.annotations) == (way == "released")
    with qtbot.waitSignal(desk.importer.finished, timeout=20_000):
        next(b for b in question.buttons() if "without" in b.text()).click()
