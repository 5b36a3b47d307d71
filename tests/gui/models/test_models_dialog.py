"""The list of models in a real window, with downloads from a server on this computer."""

import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QLabel

from labeler.api import Plugin
from labeler.gui.models.dialog import ModelRow, ModelsDialog
from labeler.gui.models.downloads import Downloads, Pace
from labeler.gui.toolkit import theme
from labeler.models.files import catalog, fetch, weights
from labeler.models.protocols import FileSpec, ModelSpec
from labeler.registry import Registry, discover
from tests.file_server import FileServer, serving

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints")

CONTENT = random.Random(7).randbytes(1_500_000)


def opened(path: Path) -> ModelSpec:
    return ModelSpec(id=path.stem, title=path.stem, task="detector", load=dict, licence="MIT")


EMBEDDED = ModelSpec(id="inside", title="Inside", task="segmenter", load=dict, licence="MIT")
REGISTRY = Registry(
    (
        Plugin(
            api=1,
            name="test",
            version="1",
            models=(EMBEDDED,),
            files=(FileSpec("any", "Any file", (".pt", ".onnx"), lambda path: True, opened),),
        ),
    )
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """The catalogue is one file of a server on this computer."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.0)
    with serving(CONTENT) as server:
        entries = (server.entry(opened_by="any"),)
        monkeypatch.setattr(catalog, "entries", lambda: entries)
        yield server


@pytest.fixture
def dialog(qtbot, server) -> Iterator[ModelsDialog]:
    theme.load_fonts()
    theme.apply(QGuiApplication.instance(), "dark")
    made = ModelsDialog(REGISTRY)
    qtbot.addWidget(made)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(lambda: bool(made.rows) and made.isActiveWindow())
    yield made
    made.reject()
    QGuiApplication.instance().setStyleSheet("")


def offers(dialog: ModelsDialog, button: str) -> Callable[[], bool]:
    """Whether the row of the server's file, which is made anew at times, has that button."""
    return lambda: getattr(dialog.rows["tiny"], f"{button}_button").isVisible()


def click(qtbot, button) -> None:
    assert button.isVisible()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_each_model_says_what_it_is_and_what_can_be_done(dialog) -> None:
    inside, tiny = dialog.rows["inside"], dialog.rows["tiny"]
    assert (inside.name.text(), inside.facts.text()) == ("Inside", "segmenter · MIT · comes with Labeler")
    assert tiny.facts.text() == "detector · MIT · this computer · a test"
    assert "1.5 MB" in {label.text() for label in tiny.findChildren(QLabel)}
    assert inside.use_button.isVisible()
    assert not inside.remove_button.isVisible()
    assert tiny.download_button.isVisible()
    assert not tiny.use_button.isVisible()


def test_the_list_can_be_kept_to_a_task(dialog) -> None:
    dialog.task.choose("segmenter")
    assert list(dialog.rows) == ["inside"]
    dialog.task.choose("")
    assert list(dialog.rows) == ["inside", "tiny"]


def test_a_model_is_downloaded_used_and_removed(qtbot, dialog) -> None:
    with qtbot.waitSignal(dialog.changed):
        click(qtbot, dialog.rows["tiny"].download_button)
        assert dialog.rows["tiny"].cancel_button.isVisible()
    qtbot.waitUntil(offers(dialog, "use"))
    assert dialog.message.text() == "model.pt is here."

    remove = dialog.rows["tiny"].remove_button
    click(qtbot, remove)
    assert remove.text() == "Really?"
    with qtbot.waitSignal(dialog.changed):
        click(qtbot, remove)
    qtbot.waitUntil(offers(dialog, "download"))
    assert weights.installed() == ()

    with qtbot.waitSignal(dialog.changed):
        click(qtbot, dialog.rows["tiny"].download_button)
    qtbot.waitUntil(offers(dialog, "use"))
    with qtbot.waitSignal(dialog.use) as told:
        click(qtbot, dialog.rows["tiny"].use_button)
    assert told.args[0].id == "model"
    assert not dialog.isVisible()


def test_a_download_is_called_off_and_gone_on_with(qtbot, dialog, server) -> None:
    server.stalls = 600_000
    row = dialog.rows["tiny"]
    click(qtbot, row.download_button)
    qtbot.waitUntil(lambda: row.pace.text().startswith("0.6 MB of 1.5 MB"))
    assert row.bar.value() == 400
    click(qtbot, row.cancel_button)
    qtbot.waitUntil(row.download_button.isVisible)
    assert not row.trouble.isVisible()
    server.stalls = None
    with qtbot.waitSignal(dialog.changed):
        click(qtbot, row.download_button)
    assert server.asked == ["", "bytes=600000-"]


def test_no_network_is_told_in_the_row_and_the_address_can_be_copied(
    qtbot, dialog, server, monkeypatch
) -> None:
    def none(*args: object, **options: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with monkeypatch.context() as offline:
        offline.setattr(socket, "getaddrinfo", none)
        row = dialog.rows["tiny"]
        click(qtbot, row.download_button)
        qtbot.waitUntil(row.trouble.isVisible)
    assert row.trouble.text() == (
        f"Tiny could not be downloaded (Name or service not known): fetch {server.url} by hand "
        f"and put it into {weights.folder()}."
    )
    assert row.trouble.textInteractionFlags() & Qt.TextInteractionFlag.TextSelectableByMouse
    click(qtbot, row.copy_button)
    assert QGuiApplication.clipboard().text() == server.url
    with qtbot.waitSignal(dialog.changed):
        click(qtbot, row.download_button)
        assert not row.trouble.isVisible()


def test_a_file_put_there_by_hand_is_checked_before_it_is_used(qtbot, dialog, server) -> None:
    (weights.folder() / "model.pt").write_bytes(b"something else")
    QGuiApplication.sendEvent(dialog, QEvent(QEvent.Type.ActivationChange))
    qtbot.waitUntil(offers(dialog, "use"))
    with qtbot.assertNotEmitted(dialog.use):
        click(qtbot, dialog.rows["tiny"].use_button)
        qtbot.waitUntil(lambda: "not the one that belongs here" in dialog.message.text())
    assert dialog.isVisible()


def test_a_file_of_one_s_own_is_taken_in_by_the_button(qtbot, dialog, tmp_path) -> None:
    mine = tmp_path / "best.onnx"
    mine.write_bytes(CONTENT[:1000])
    click(qtbot, dialog.import_button)
    (chooser,) = dialog.findChildren(QFileDialog)
    with qtbot.waitSignal(dialog.changed):
        chooser.fileSelected.emit(str(mine))
        chooser.close()
    qtbot.waitUntil(lambda: "best.onnx" in dialog.rows)
    assert dialog.rows["best.onnx"].facts.text() == "detector · MIT · your own file"
    assert dialog.import_button.isEnabled()


def test_a_file_that_is_no_model_is_refused_in_words(qtbot, dialog, tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    dialog.import_file(tmp_path / "notes.txt")
    qtbot.waitUntil(lambda: "“notes.txt” is not a model file" in dialog.message.text())
    assert dialog.import_button.isEnabled()
    assert weights.installed() == ()


def test_a_download_outlives_the_dialog_where_it_is_another_s(qtbot, server) -> None:
    downloads = Downloads()
    dialog = ModelsDialog(REGISTRY, downloads=downloads, in_use=("inside",))
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: bool(dialog.rows))
    assert not dialog.rows["inside"].use_button.isEnabled()
    with qtbot.waitSignal(downloads.finished):
        click(qtbot, dialog.rows["tiny"].download_button)
        dialog.reject()
    assert (weights.folder() / "model.pt").is_file()
    downloads.stop()


def test_what_comes_along_can_be_used_but_neither_fetched_nor_removed(qtbot) -> None:
    registry = discover(safe_mode=True)
    dialog = ModelsDialog(registry)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: catalog.DEFAULT_DETECTOR in dialog.rows, timeout=20_000)
    row, other = dialog.rows[catalog.DEFAULT_DETECTOR], dialog.rows["yolo11s"]
    assert row.use_button.isVisible()
    assert not row.download_button.isVisible()
    assert not row.remove_button.isVisible()
    assert row.facts.text().startswith("detector · AGPL-3.0 · Ultralytics · ")
    assert other.download_button.isVisible()
    with qtbot.waitSignal(dialog.use) as told:
        click(qtbot, row.use_button)
    assert told.args[0].weights[0].sha256 == catalog.entry(catalog.DEFAULT_DETECTOR).sha256


def test_a_long_name_gives_way(qtbot, server) -> None:
    path = weights.folder() / f"{'street scenes at night ' * 8}.pt"
    path.write_bytes(CONTENT)
    dialog = ModelsDialog(REGISTRY)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(lambda: path.name in dialog.rows)
    row = dialog.rows[path.name]
    assert "…" in row.name.shown_text()
    assert row.remove_button.visibleRegion().boundingRect() == row.remove_button.rect()
    dialog.reject()


def test_the_pace_is_told_in_words(qtbot, dialog) -> None:
    row: ModelRow = dialog.rows["tiny"]
    for pace, words in (
        (None, "waiting…"),
        (Pace(1_000_000, 4_000_000), "1.0 MB of 4.0 MB"),
        (Pace(1_000_000, 4_000_000, 100_000), "1.0 MB of 4.0 MB, 30 s left"),
        (Pace(100_000_000, 400_000_000, 1_000_000), "100 MB of 400 MB, 5 minutes left"),
    ):
        row.show_pace(pace)
        assert row.pace.text() == words
