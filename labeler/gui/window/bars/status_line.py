"""The line at the foot of the window: pixel, colour and zoom on the left, the model's state on the right."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QLabel, QStatusBar, QWidget

from labeler.gui.children.host_client import HostState
from labeler.gui.session.project_link import READ_ONLY, SAVED, SAVING
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import ElidedLabel


class _Clickable(QLabel):
    """Words that can be clicked."""

    clicked = Signal()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Where it was pressed, too."""
        super().mouseReleaseEvent(event)
        if self.rect().contains(event.position().toPoint()):
            self.clicked.emit()


class StatusLine(QStatusBar):
    """Quiet numbers, in tabular figures so that they stand still."""

    checkup_wanted = Signal()
    """A person asks what this machine has."""
    switch_wanted = Signal()
    """A person wants the model without what it has learnt, or with it again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self._pixel, self._color, self._zoom = QLabel(), QLabel(), QLabel()
        self._note, self.learning = QLabel(), ElidedLabel()
        self._model, self._learnt, self._device = QLabel(), _Clickable(), _Clickable()
        for label in (self._zoom, self._pixel, self._color, self._note):
            self.addWidget(label)
        self.addWidget(self.learning, 1)  # which gives way where the window is narrow
        for label in (self._model, self._learnt, self._device):
            self.addPermanentWidget(label)
        for clickable in (self._learnt, self._device):
            clickable.setCursor(Qt.CursorShape.PointingHandCursor)
        self._learnt.clicked.connect(self.switch_wanted)
        self._learnt.hide()
        self._device.clicked.connect(self.checkup_wanted)

    def show_pointer(self, x: float, y: float, rgb: tuple[int, int, int] | None) -> None:
        """The pixel under the pointer; outside the image its colour is None."""
        inside = rgb is not None
        self._pixel.setText(f"x {int(x)}  y {int(y)}" if inside else "")
        self._color.setText(f"rgb {rgb[0]} {rgb[1]} {rgb[2]}" if rgb is not None else "")

    def show_zoom(self, scale: float) -> None:
        """The zoom as a percentage of image pixels to screen pixels."""
        self._zoom.setText(f"{scale * 100:.0f} %" if scale >= 0.1 else f"{scale * 100:.1f} %")

    def show_note(self, note: str) -> None:
        """What a person must know about the open image, such as that it is damaged."""
        self._note.setText(note)

    def show_learning(self, words: str, why: str, *, is_on: bool) -> None:
        """That "Learn while I label" is on, what it is at, and what its last round found out of itself."""
        self.learning.setText(" · ".join(filter(None, ["Learns while you label", words])) if is_on else "")
        self.learning.setToolTip(why if is_on else "")

    def show_learnt(self, gain: str, *, is_used: bool) -> None:
        """What the SAM tools have gained by learning, and whether that is used; "" for nothing."""
        self._learnt.setVisible(bool(gain))
        first = gain.partition(",")[0]  # all of it would keep the window from being narrow
        self._learnt.setText(first if is_used else "learnt clicks are off")
        other = "go back to MobileSAM as it comes" if is_used else "use what was learnt again"
        self._learnt.setToolTip(f"Measured on objects that were held out ({gain}).\nClick to {other}.")

    def show_host(self, state: HostState) -> None:
        """What the model process is doing."""
        self._model.setText(_sentence(state))
        self._model.setToolTip(state.message)
        self._device.setText(state.device)
        self._device.setToolTip(f"{state.device_why} Click to check this machine.".strip())


def _sentence(state: HostState) -> str:
    if state.phase == "ready":
        ahead = f" · next {state.ahead} encoded" if state.ahead else ""
        return f"{state.title} ready{ahead}" if state.encoded else f"{state.title} ready"
    words = {
        "starting": "Model process starts…",
        "encoding": f"{state.title} reads this image…",
        "restarting": "Model process restarts…",
        "stopped": "No model: see Model ▸ Restart",
    }
    return words[state.phase]


class SavedLabel(QLabel):
    """A coloured dot and one or two words."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.RichText)
        self.trouble = ""
        """Why edits are not saved, or ""."""

    def show_state(self, state: str, *, read_only: str = "") -> None:
        """Show what `Session.saved_changed` told; `read_only` is why nothing can be changed, if so."""
        colors = theme.colors()
        known = {
            SAVED: ("Saved", colors.good, "Every edit is on disk"),
            SAVING: ("Saving", colors.middling, "The last edit is being written"),
            READ_ONLY: ("Read-only", colors.middling, read_only or "Nothing can be changed"),
        }
        text, color, tip = known.get(state, ("Not saved", colors.bad, state))
        self.trouble = "" if state in known else state
        self.setText(f'<span style="color:{color}">●</span> {text}')
        self.setToolTip(tip)
