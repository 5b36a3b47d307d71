"""The demo as a guided first session: a quiet card at the photo's foot says what comes next, or does it."""

import time

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.errors import LabelerError
from labeler.gui.toolkit import theme
from labeler.gui.window.demo.person import Acts, DemoStep, Person, Until
from labeler.gui.window.demo.tour import DEMO_STEPS, PATIENCE
from labeler.gui.window.main_window import MainWindow

_WIDEST, _MARGIN, _GAP = 620, 12, 6
_LOOK_MS, _ACT_MS = 250, 30
_OWN = (
    QEvent.Type.MouseButtonPress,
    QEvent.Type.MouseButtonDblClick,
    QEvent.Type.KeyPress,
    QEvent.Type.ShortcutOverride,
    QEvent.Type.Drop,
)
"""What a person's hand does in the window."""
_HELD = (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_AltGr, Qt.Key.Key_Meta)
"""Keys that do nothing alone, and are pressed on the way to another window."""
_TAKEN_OVER = "You took over. Go on by yourself, or have the rest done."
_BEGIN = f"A first session with real photos, in {len(DEMO_STEPS)} steps: by yourself, or on request."
_END = "That was the whole job: label, train, and label faster with your own photos (Ctrl+O)."


class GuideCard(QFrame):
    """Stands at the foot of the canvas until it is closed, which is remembered."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window.canvas)
        self._window, self._canvas, self._session = window, window.canvas, window.session
        root = window.session.root
        self._person = Person(window, root.with_name(f"{root.name}-result"))
        self._project = window.session.project
        self._acts: Acts | None = None
        self._until: Until | None = None
        self._since = 0.0
        self._acting = False
        self._guard = _Guard(self, window)
        self.setObjectName("card")
        self._make()
        done = [place for place, step in enumerate(DEMO_STEPS) if step.is_done(self._person)]
        self._at = done[-1] + 1 if done else 0
        self._looking = QTimer(self, interval=_LOOK_MS)
        self._looking.timeout.connect(self._look)
        self._going = QTimer(self, interval=_ACT_MS)
        self._going.timeout.connect(self._go_on)
        self._canvas.installEventFilter(self)
        self._session.project_changed.connect(self._leave)
        self._looking.start()
        self._show_step()
        self.show()
        self._place()

    def _make(self) -> None:
        self.said = QLabel(_BEGIN, self, wordWrap=True)
        self.said.setObjectName("quiet")
        self.title = QLabel(self)
        self.title.setFont(theme.ui_font(13, weight=theme.DEMIBOLD))
        self.todo = QLabel(self, wordWrap=True)
        for label in (self.said, self.title, self.todo):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.do_button = QPushButton("Do it for me", self)
        self.do_button.clicked.connect(self.do)
        self.skip_button = QPushButton("Skip", self)
        self.skip_button.clicked.connect(self.skip)
        self.close_button = QToolButton(self)
        self.close_button.setText("✕")
        self.close_button.setAccessibleName("Close the guide")
        self.close_button.setToolTip("Close the guide for good; Help has it again")
        self.close_button.clicked.connect(self.dismiss)
        for button in (self.do_button, self.skip_button, self.close_button):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the keys with the canvas
        words, above, below = QVBoxLayout(), QHBoxLayout(), QHBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.title)
        words.addWidget(self.todo)
        above.addWidget(self.said, 1)
        below.setSpacing(8)
        below.addLayout(words, 1)
        for button in (self.skip_button, self.do_button):
            below.addWidget(button, 0, Qt.AlignmentFlag.AlignBottom)
        above.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight)
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(14, 8, 10, 10)
        column.setSpacing(4)
        column.addLayout(above)
        column.addLayout(below)

    @property
    def step(self) -> DemoStep | None:
        """What comes next; None at the end."""
        return DEMO_STEPS[self._at] if self._at < len(DEMO_STEPS) else None

    # --- what a person wants ----------------------------------------------------------------------

    def do(self) -> None:
        """Have the next thing done, in sight."""
        if self.step is None or self._acts is not None:
            return
        if begun := self._canvas.progress.sentence():
            self.said.setText(begun)  # what a person has in hand is theirs to end
            self._show_step()
            return
        self._acts, self._until = self.step.do(self._person), None
        app = QApplication.instance()
        assert app is not None, "there is a window"
        app.installEventFilter(self._guard)
        self._going.start()
        self._show_step()

    def take_over(self) -> None:
        """A person's own hand is in the window: it goes first, and what is being done is given up."""
        if self._acts is not None:
            self._give_up()
            self.said.setText(_TAKEN_OVER)
            self._show_step()

    def skip(self) -> None:
        """On to what comes after it; what is being done is given up."""
        self._give_up()
        self._at = min(self._at + 1, len(DEMO_STEPS))
        self.said.setText("Skipped.")
        self._show_step()

    def dismiss(self) -> None:
        """Be gone, and remember it."""
        self._window.settings.guide_closed = True
        self._window.settings.save()
        self._leave(closed=True)

    def remove(self) -> None:
        """Make room for another one."""
        self._leave(closed=True)
        self.deleteLater()

    def _leave(self, *, closed: bool = False) -> None:
        """It is closed, or its photos are not the ones that are open."""
        if closed or self._session.project != self._project:
            self._give_up()
            self._looking.stop()
            self._canvas.removeEventFilter(self)
            self._window.toast.keep_free(0)
            self.hide()
            self._canvas.setFocus()

    # --- doing it ---------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """One act, as soon as what it waits for holds; never in itself."""
        if self._acts is None or self._acting:
            return  # a dialog that an act has opened runs this too
        if self._until is not None and not self._until.holds():
            if time.monotonic() - self._since > PATIENCE:
                self._fail(f"It took too long to wait for {self._until.what}.")
            return
        self._acting, acts = True, self._acts
        try:
            self._until, self._since = next(acts), time.monotonic()
        except StopIteration:
            self._give_up()
            self._look()
        except LabelerError as error:
            self._fail(str(error))
        finally:
            self._acting = False
            if self._acts is not acts:
                acts.close()  # it was given up while it was in a dialog

    def _fail(self, sentence: str) -> None:
        self._give_up()
        self.said.setText(sentence)
        self._show_step()

    def _give_up(self) -> None:
        """End what is being done; the mouse button is up again."""
        acts, self._acts, self._until = self._acts, None, None
        self._going.stop()
        if (app := QApplication.instance()) is not None:
            app.removeEventFilter(self._guard)
        if acts is not None and not self._acting:
            acts.close()

    # --- showing ----------------------------------------------------------------------------------

    def _look(self) -> None:
        """On to the next step where this one is done, by whomever."""
        step = self.step
        if step is not None and self._acts is None and step.is_done(self._person):
            self.said.setText(step.said(self._person))
            self._at += 1
        self._show_step()

    def _show_step(self) -> None:
        step, busy = self.step, self._acts is not None
        self.title.setText("Done" if step is None else f"Next: {step.title}")
        self.todo.setText(_END if step is None else step.todo)
        self.do_button.setText("Doing it…" if busy else "Do it for me")
        self.do_button.setEnabled(not busy)
        self.do_button.setVisible(step is not None)
        self.skip_button.setVisible(step is not None)
        self._place()

    def _place(self) -> None:
        """Centred at the foot, as wide as there is room for; messages stand above it."""
        width = min(_WIDEST, max(self._canvas.width() - 2 * _MARGIN, 240))
        height = max(self._column.heightForWidth(width), self.minimumSizeHint().height())
        place = (self._canvas.width() - width) // 2, self._canvas.height() - height - _MARGIN, width, height
        if self.geometry().getRect() != place:
            self.setGeometry(*place)
            self._window.toast.keep_free(height + _GAP)
            self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay at the foot of the canvas."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)


class _Guard(QObject):
    """Hears what a person does in the window while something is done for them."""

    def __init__(self, guide: GuideCard, window: MainWindow) -> None:
        super().__init__(guide)
        self._guide, self._canvas = guide, window.canvas

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A press or key anywhere but on the card takes over, before it is heard; the mouse alone does not.

        What the steps do themselves comes from no window system, and asks for no shortcut: it passes. A move
        of the real mouse would end a stroke that the steps are drawing, since its button is up.
        """
        is_real = event.spontaneous() or event.type() == QEvent.Type.ShortcutOverride
        if not is_real or not isinstance(watched, QWidget):
            return False
        if event.type() in _OWN:
            if isinstance(event, QKeyEvent) and event.key() in _HELD:
                return False
            if watched is not self._guide and not self._guide.isAncestorOf(watched):
                self._guide.take_over()
        elif event.type() == QEvent.Type.MouseMove:
            return watched is self._canvas and self._canvas.progress.is_dragging
        return False
