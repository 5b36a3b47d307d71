"""At the right of the top bar: whether all that was done is on disk."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from labeler.gui import theme
from labeler.gui.project_link import READ_ONLY, SAVED, SAVING


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
