"""A person at the window: mouse and keys in image coordinates, and patience."""

from collections.abc import Callable
from pathlib import Path

import psutil
from PySide6.QtCore import QEvent, QMimeData, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeySequence, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QApplication, QWidget
from pytestqt.qtbot import QtBot

from labeler.core.records import Annotation, Box, Candidate
from labeler.gui.exchange.export_dialog import ExportDialog
from labeler.gui.images.film_strip import FilmStrip
from labeler.gui.labelling.agreement_panel import AgreementPanel
from labeler.gui.labelling.categories_panel import CategoriesPanel
from labeler.gui.predictions.mapping_dialog import MappingDialog
from labeler.gui.predictions.run_panel import RunPanel
from labeler.gui.toolkit.figures import Figure
from labeler.gui.window.main_window import MainWindow
from tests.child_processes import workers
from tests.patient_bot import PATIENCE

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE = Qt.KeyboardModifier.NoModifier
CTRL, SHIFT, ALT = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
)


class User:
    """Does to a real window what a person does, and sees what a person sees."""

    def __init__(self, qtbot: QtBot, window: MainWindow) -> None:
        self._qtbot = qtbot
        self.window = window
        self.session = window.session
        self.canvas = window.canvas

    # --- patience ---------------------------------------------------------------------------------

    def wait(self, condition: Callable[[], object], timeout: int = PATIENCE) -> None:
        """Let the window work until a condition holds; what the window said last is in the failure."""

        def check() -> None:
            assert condition(), f"the window said {self.said()!r}"

        self._qtbot.waitUntil(check, timeout=timeout)

    def wait_saved(self) -> None:
        """Every edit is on disk."""
        self.wait(lambda: self.session.saved == "saved")

    def wait_shown(self) -> None:
        """The open image is painted, with its annotations read."""
        self.wait(lambda: self.session.place.pixels is not None)
        self.read_all()

    def wait_encoded(self) -> None:
        """A click is answered at once from now on."""
        self.wait(lambda: self.window.bench.host.state.encoded)

    def read_all(self) -> None:
        """Whatever was asked of the project's thread so far is answered."""
        answers: list[bool] = []
        self.session.ask(lambda store: True, answers.append)
        self.wait(lambda: answers)

    # --- opening ----------------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Open a folder or project, and wait until its first image is there."""
        self.window.open(path)
        self.wait(lambda: self.session.project is not None)
        self.wait_shown()

    def go_to(self, name: str) -> None:
        """Click the image's thumbnail in the film strip."""
        strip, session = self.window.panels[FilmStrip], self.session
        column = [session.document.find_image(i).path for i in session.place.order].index(name)  # type: ignore[union-attr]
        index = strip.model().index(0, column)
        strip.scrollTo(index)
        QTest.mouseClick(strip.viewport(), LEFT, NONE, strip.visualRect(index).center())
        assert self.image == name

    def drag_over(self, *paths: Path) -> QMimeData:
        """Drag something from a file manager over the window; the button is still down."""
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        entering = QDragEnterEvent(self._middle().toPoint(), Qt.DropAction.CopyAction, mime, LEFT, NONE)
        QApplication.sendEvent(self.window.frame, entering)
        assert entering.isAccepted()
        assert self.window.drop_sign.isVisible()
        assert paths[0].name in self.window.drop_sign.said.text()
        return mime

    def drop(self, *paths: Path) -> None:
        """Drag something from a file manager onto the window."""
        mime = self.drag_over(*paths)
        dropping = QDropEvent(self._middle(), Qt.DropAction.CopyAction, mime, LEFT, NONE)
        QApplication.sendEvent(self.window.frame, dropping)
        assert dropping.isAccepted()
        assert not self.window.drop_sign.isVisible()

    def _middle(self) -> QPointF:
        return QPointF(self.window.frame.width() / 2, self.window.frame.height() / 2)

    def close(self) -> None:
        """Close the window as its cross does."""
        self.window.frame.close()

    # --- the mouse, in image pixels ---------------------------------------------------------------

    def _mouse(
        self, kind: QEvent.Type, x: float, y: float, button: Qt.MouseButton, held: Qt.KeyboardModifier
    ) -> None:
        spot = QPointF(*self.canvas.sight.view.point_on_screen(x, y))
        over = self.canvas.childAt(spot.toPoint())
        assert over is None or not over.isVisible(), f"{over.parent()} lies over ({x}, {y})"
        up = kind == QEvent.Type.MouseButtonRelease
        moves = kind == QEvent.Type.MouseMove
        event = QMouseEvent(
            kind,
            spot,
            self.canvas.mapToGlobal(spot),
            Qt.MouseButton.NoButton if moves else button,
            Qt.MouseButton.NoButton if up else button,
            held,
        )
        QApplication.sendEvent(self.canvas, event)

    def move_to(self, x: float, y: float, *, held: Qt.KeyboardModifier = NONE) -> None:
        """Move the mouse with no button down."""
        self._mouse(QEvent.Type.MouseMove, x, y, Qt.MouseButton.NoButton, held)

    def press(
        self, x: float, y: float, *, button: Qt.MouseButton = LEFT, held: Qt.KeyboardModifier = NONE
    ) -> None:
        """A button goes down."""
        self.move_to(x, y, held=held)
        self._mouse(QEvent.Type.MouseButtonPress, x, y, button, held)

    def move_held(
        self, x: float, y: float, *, button: Qt.MouseButton = LEFT, held: Qt.KeyboardModifier = NONE
    ) -> None:
        """Move with that button down."""
        self._mouse(QEvent.Type.MouseMove, x, y, button, held)

    def release(
        self, x: float, y: float, *, button: Qt.MouseButton = LEFT, held: Qt.KeyboardModifier = NONE
    ) -> None:
        """The button comes up."""
        self._mouse(QEvent.Type.MouseButtonRelease, x, y, button, held)

    def click_at(
        self, x: float, y: float, *, button: Qt.MouseButton = LEFT, held: Qt.KeyboardModifier = NONE
    ) -> None:
        """One click on the image."""
        self.move_to(x, y, held=held)
        self._mouse(QEvent.Type.MouseButtonPress, x, y, button, held)
        self._mouse(QEvent.Type.MouseButtonRelease, x, y, button, held)

    def double_click_at(self, x: float, y: float) -> None:
        """Two quick clicks, as Qt delivers them."""
        self.click_at(x, y)
        self._mouse(QEvent.Type.MouseButtonDblClick, x, y, LEFT, NONE)
        self._mouse(QEvent.Type.MouseButtonRelease, x, y, LEFT, NONE)

    def drag(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        *,
        held: Qt.KeyboardModifier = NONE,
        steps: int = 8,
        during: Callable[[], None] = lambda: None,
    ) -> None:
        """Press, move in steps, release; `during` is called after each step, with the button down."""
        self.press(*start, held=held)
        for step in range(1, steps + 1):
            part = step / steps
            x, y = (a + (b - a) * part for a, b in zip(start, end, strict=True))
            self.move_held(x, y, held=held)
            during()
        self.release(*end, held=held)

    # --- keys -------------------------------------------------------------------------------------

    def key(self, keys: str) -> None:
        """Press and release keys such as "Q" or "Ctrl+Z" where the focus is, shortcuts first."""
        combination = QKeySequence(keys)[0]
        target = QApplication.activePopupWidget() or QApplication.focusWidget() or self.window
        QTest.keyClick(target, combination.key(), combination.keyboardModifiers())

    def type(self, text: str, into: QWidget) -> None:
        """Click into a text field and type."""
        QTest.mouseClick(into, LEFT)
        assert into.hasFocus()
        for character in text:
            QTest.keyClick(QApplication.focusWidget(), character)

    def double_click_row(self, view: QAbstractItemView, row: int) -> None:
        """Double click a row of a list, once it has settled where it can be seen."""
        index = view.model().index(row, 0)
        inside = view.viewport().rect()
        self.wait(lambda: inside.contains(view.visualRect(index).center()) or view.scrollTo(index))
        spot = view.visualRect(index).center()
        QTest.mouseClick(view.viewport(), LEFT, NONE, spot)
        QTest.mouseDClick(view.viewport(), LEFT, NONE, spot)

    def come_to_front(self) -> None:
        """The keys are the window's: off the screen there is no window manager to see to that."""
        self.window.frame.activateWindow()
        self.wait(self.window.frame.isActiveWindow)

    def undo(self) -> None:
        """Ctrl+Z, and wait for it."""
        self._history("undo", "Ctrl+Z")

    def redo(self) -> None:
        """Ctrl+Shift+Z, and wait for it."""
        self._history("redo", "Ctrl+Shift+Z")

    def _history(self, action: str, keys: str) -> None:
        self.come_to_front()
        self.wait(self.window.actions[action].isEnabled)
        with self._qtbot.waitSignal(self.session.document.changed, timeout=PATIENCE):
            self.key(keys)
        self.wait_saved()
        self.read_all()

    # --- what a person does with several of these -------------------------------------------------

    def add_category(self, name: str) -> None:
        """The plus of the categories panel, the name, Enter, Esc."""
        panel = self.window.panels[CategoriesPanel]
        QTest.mouseClick(panel.add_button, LEFT)
        self.type(name, panel.name_field)
        self.key("Return")
        self.key("Esc")
        self.canvas.setFocus()

    def prompt_at(self, x: float, y: float) -> None:
        """Click with the SAM tool, and wait for what the model proposes."""
        self.wait_encoded()
        self.key("Q")
        self.click_at(x, y)
        self.wait(lambda: self.canvas.prompt_desk.proposals)

    def accept(self) -> Annotation:
        """Enter: the proposal becomes an annotation."""
        self.key("Return")
        assert not self.canvas.prompt_desk.proposals
        return self.selected()

    def draw_box(self, x0: float, y0: float, x1: float, y1: float) -> Annotation:
        """A box by drag."""
        self.key("R")
        self.drag((x0, y0), (x1, y1))
        return self.selected()

    def draw_polygon(self, *corners: tuple[float, float], held: Qt.KeyboardModifier = NONE) -> Annotation:
        """A polygon by clicks and Enter."""
        self.key("P")
        for corner in corners:
            self.click_at(*corner, held=held)
        self.key("Return")
        return self.selected()

    def export(self, path: Path) -> None:
        """Ctrl+E, the file's name, and the Export button."""

        def fill() -> None:
            dialog = QApplication.activeModalWidget()
            assert isinstance(dialog, ExportDialog)
            dialog.path.setText(str(path))
            QTest.mouseClick(dialog.export_button, LEFT)

        QTimer.singleShot(0, self.window, fill)
        self.key("Ctrl+E")
        self.wait(path.is_file)
        self.wait(lambda: f"{path.name}: " in self.said())

    # --- predictions ------------------------------------------------------------------------------

    def press_button(self, button: QAbstractButton) -> None:
        """Click a button that can be seen and is not greyed."""
        QApplication.processEvents()  # a panel that has just opened is laid out
        self.wait(lambda: button.isVisible() and button.isEnabled())
        QTest.mouseClick(button, LEFT)

    def open_panel(self, name: str) -> None:
        """As by its entry in the View menu; the column makes room for it."""
        self.window.panels.open(name)
        QApplication.processEvents()

    def choose_detector(self, title: str) -> None:
        """Open the panel and pick a detector, once the plugins and the files are looked up."""
        self.window.model_menu.look_up()
        self.window.panels.open("Pre-annotate")
        picker = self.window.panels[RunPanel].model
        self.wait(lambda: picker.findText(title) >= 0)
        picker.setCurrentIndex(picker.findText(title))

    def run_detector(self) -> str:
        """The Run button, and wait for the end; what the panel says then."""
        ends: list[str] = []
        batch = self.window.bench.batch
        batch.ended.connect(ends.append)
        self.press_button(self.window.panels[RunPanel].button)
        self.wait(lambda: ends and not batch.is_running)
        batch.ended.disconnect(ends.append)
        self.read_all()
        return ends[0]

    def map_classes(self) -> None:
        """The table of classes: create a category for each that has none, and save."""
        self.press_button(self.window.panels[RunPanel].classes)
        (dialog,) = (one for one in self.window.frame.findChildren(MappingDialog) if one.isVisible())
        self.press_button(dialog.create_button)
        self.press_button(dialog.save_button)
        self.wait(lambda: not self.window.bench.batch.unmapped)
        self.window.frame.activateWindow()
        self.wait(self.window.frame.isActiveWindow)
        self.canvas.setFocus()
        self.wait_saved()
        self.read_all()

    def kept(self) -> list[Candidate]:
        """The predictions of the open image, the most confident first."""
        predictions = self.window.bench.predictions
        return [predictions.candidates[key] for key in predictions.kept]

    def looks_at(self, candidate_id: int) -> bool:
        """Whether this prediction alone is selected."""
        return self.window.bench.predictions.selection == {candidate_id}

    def chosen_prediction(self) -> Candidate:
        """The only selected prediction."""
        (key,) = self.window.bench.predictions.selection
        return self.window.bench.predictions.candidates[key]

    # --- what a person sees -----------------------------------------------------------------------

    @property
    def image(self) -> str:
        """The path of the open image."""
        image = self.session.place.image
        return image.path if image is not None else ""

    def said(self) -> str:
        """The sentence at the foot of the canvas, or of the welcome page."""
        toasts = (self.window.toast, self.window.frame.welcome_toast)
        return next((toast.text for toast in toasts if toast.isVisible()), "")

    def annotations(self) -> list[Annotation]:
        """Those of the open image, oldest first."""
        return list(self.session.document.annotations.values())

    def selected(self) -> Annotation:
        """The only selected annotation."""
        (chosen,) = self.session.focus.selection
        return self.session.document.annotations[chosen]

    def category_of(self, annotation: Annotation) -> str:
        """The name of its category."""
        return self.session.document.categories[annotation.category_id].name

    def figures(self) -> dict[str, str]:
        """The numbers of the agreement panel by name, as a screen reader would read them."""
        figures = self.window.panels[AgreementPanel].findChildren(Figure)
        said = [figure.accessibleName().split() for figure in figures]
        return {words[0]: words[1] for words in said}

    def hosts(self) -> list[psutil.Process]:
        """The model processes that this program has started and that live."""
        return workers()


def near(box: Box, x0: float, y0: float, x1: float, y1: float, *, by: float = 0.05) -> bool:
    """Whether a box is that one, up to the hundredths that the canvas rounds to."""
    pairs = zip((box.x0, box.y0, box.x1, box.y1), (x0, y0, x1, y1), strict=True)
    return all(abs(a - b) <= by for a, b in pairs)
