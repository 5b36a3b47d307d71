"""The line at the top: the app's name, the menus, where one is, and whether all that was done is on disk."""

from pathlib import Path

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QMenuBar, QPushButton, QWidget

from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import ElidedLabel

MENUS = ("Project", "Edit", "Objects", "Shape", "Images", "View", "Model", "Help")
CHIP_WIDTH = 260
"""Of the words on the chip, in pixels: what does not fit is told by the mouse."""


class TopBar(QFrame):
    """Stands over everything; `add` puts what is made later at its right end."""

    all_wanted = Signal()
    """A person wants every image again, not only those that were chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("top")
        bar = QMenuBar()
        self.menus: dict[str, QMenu] = {name: bar.addMenu(name) for name in MENUS}
        self._row = row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 12, 0)
        row.setSpacing(8)
        name = QLabel("Labeler")
        name.setFont(theme.ui_font(13, weight=theme.DEMIBOLD))
        self.where = ElidedLabel(mode=Qt.TextElideMode.ElideMiddle)
        self.where.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.chip = QPushButton()
        self.chip.setObjectName("chip")
        self.chip.setIcon(theme.icon("close"))
        self.chip.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.chip.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.chip.clicked.connect(self.all_wanted)
        self.chip.hide()
        row.addWidget(name)
        row.addWidget(bar)
        row.addWidget(self.where, 1)
        row.addWidget(self.chip)
        row.addSpacing(8)

    def add(self, widget: QWidget) -> None:
        """Put something at the right end."""
        self._row.addWidget(widget)

    def show_narrowed(self, text: str) -> None:
        """Say that only some images are walked ("6 images: Wrong · person"); "" for all of them."""
        self.chip.setVisible(bool(text))
        self.chip.setText(self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, CHIP_WIDTH))
        self.chip.setToolTip(f"D and A walk only these: {text}\nA click shows all images again")
        self.chip.setAccessibleName(f"{text}: show all images")

    def show_place(self, folder: str, image: str, place: int | None, total: int) -> None:
        """Where one is: the image of that path at `place` of `total`, None where it is not among them.

        No image where `image` is "", and nothing at all where `folder` is "".
        """
        if not folder or not image:
            self.where.setText(folder and f"{folder} · no images")
            return
        at = f"{place + 1:,} of {total:,}" if place is not None else f"not among the {total:,} shown"
        self.where.setText(f"{folder} · {Path(image).name} · {at}")

    def changeEvent(self, event: QEvent) -> None:
        """Draw the chip's cross in the other theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "chip"):
            self.chip.setIcon(theme.icon("close"))
