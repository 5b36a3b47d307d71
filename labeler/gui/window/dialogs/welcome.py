"""What the window shows while no project is open."""

import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QColor, QEnterEvent, QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from labeler.core.photos.patience import patiently
from labeler.errors import ImageError
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.cards import ElidedLabel, tool_button
from labeler.gui.toolkit.courier import Courier
from labeler.gui.toolkit.words import ago

_WIDTH = 560


class RecentState(Struct, frozen=True):
    """What is known of a recent path."""

    path: Path
    there: bool
    changed: float
    """When it was last changed, seconds since 1970; 0 when it is not there."""
    answers: bool = True
    """False where its disk says nothing."""


def look_at(path: Path) -> RecentState:
    """Whether a recent project or folder is still there; asks the disk, so it is called on a thread."""
    for candidate in (path / "labels.labeler", path):
        try:
            return RecentState(path, True, patiently(candidate, candidate.stat).st_mtime)
        except OSError:
            continue
        except ImageError:  # what `patiently` says of a disk that does not answer
            return RecentState(path, False, 0.0, answers=False)
    return RecentState(path, False, 0.0)


class WelcomePage(QWidget):
    """The name, one sentence, three ways to begin, and what was open lately."""

    open_folder = Signal()
    open_project = Signal()
    open_path = Signal(Path)
    demo = Signal()
    forgotten = Signal(Path)
    """The person removed a path from the recent ones."""

    def __init__(self, recent: Sequence[str | Path] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._courier = Courier(self)
        self.rows: list[RecentRow] = []
        self.setAutoFillBackground(True)
        column = QWidget(self)
        column.setMaximumWidth(_WIDTH)
        self._column = QVBoxLayout(column)
        self._column.setContentsMargins(24, 24, 24, 24)
        self._column.setSpacing(0)
        self._add_title()
        self._add_buttons()
        self._heading = theme.heading_label("Recent")
        self._column.addWidget(self._heading)
        self._column.addSpacing(6)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        # the rows' words line up with the heading, their hover reaches over it
        self._recent.setContentsMargins(-10, 0, -10, 0)
        self._column.addLayout(self._recent)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setRowStretch(0, 2)
        grid.setRowStretch(2, 3)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 100)
        grid.setColumnStretch(2, 1)
        centred = QHBoxLayout()
        centred.addStretch(1)
        centred.addWidget(column, 1000)
        centred.addStretch(1)
        grid.addLayout(centred, 1, 1)
        self.set_recent(recent)

    def set_recent(self, recent: Sequence[str | Path]) -> None:
        """Show these paths, newest first; whether they are still there is found out on a thread."""
        paths = [Path(path) for path in recent]
        if paths != [row.path for row in self.rows]:
            self._replace_rows(paths)
        for row in self.rows:
            self._look(row)
        self._heading.setVisible(bool(self.rows))

    def _replace_rows(self, paths: Sequence[Path]) -> None:
        for row in self.rows:
            self._recent.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = [RecentRow(path, self) for path in paths]
        for row in self.rows:
            row.opened.connect(self.open_path)
            row.removed.connect(self._forget)
            self._recent.addWidget(row)

    def _look(self, row: "RecentRow") -> None:
        path = row.path
        run_aside(  # a pool would hold up the others, and the program's end, for a disk that does not answer
            lambda: look_at(path),
            courier=self._courier,
            done=self._show_state,
            failed=lambda _: self._show_state(RecentState(path, False, 0.0)),
            name="recent",
        )

    def _show_state(self, state: RecentState) -> None:
        for row in self.rows:
            if row.path == state.path:
                row.show_state(state)

    def _forget(self, path: Path) -> None:
        self.set_recent([row.path for row in self.rows if row.path != path])
        self.forgotten.emit(path)

    def _add_title(self) -> None:
        title = QLabel("Labeler", self)
        title.setFont(theme.ui_font(32, weight=QFont.Weight.DemiBold))
        said = QLabel(
            "Label images together with models: click an object, correct its mask, and see with every "
            "edit how far you and the model agree.",
            self,
            wordWrap=True,
        )
        font = theme.ui_font(14)
        said.setFont(font)
        self._column.addWidget(title)
        self._column.addSpacing(4)
        self._column.addWidget(said)
        self._column.addSpacing(20)

    def _add_buttons(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(8)
        self.folder_button = QPushButton("Open folder…", self)
        self.folder_button.setDefault(True)
        self.project_button = QPushButton("Open project…", self)
        self.demo_button = QPushButton("Try the demo photos", self)
        for button, signal in (
            (self.folder_button, self.open_folder),
            (self.project_button, self.open_project),
            (self.demo_button, self.demo),
        ):
            button.setMinimumHeight(36)
            button.clicked.connect(signal.emit)
            row.addWidget(button)
        row.addStretch(1)
        hint = QLabel("Or drop it here: a folder, a photo, a project, labels of any format, a zip.", self)
        hint.setWordWrap(True)
        hint.setObjectName("quiet")
        self._column.addLayout(row)
        self._column.addSpacing(10)
        self._column.addWidget(hint)
        self._column.addSpacing(28)


class RecentRow(QFrame):
    """One recent path: its name, where it is, and when it was changed; a missing one can be removed."""

    opened = Signal(Path)
    removed = Signal(Path)

    def __init__(self, path: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.path = path
        self._there = True
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(f"Open {path}")
        self._name = ElidedLabel(path.name or str(path), self, mode=Qt.TextElideMode.ElideMiddle)
        self._place = ElidedLabel(str(path.parent), self, mode=Qt.TextElideMode.ElideMiddle)
        self._place.setObjectName("quiet")
        self._when = QLabel("", self)
        self._when.setObjectName("quiet")
        self._when.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        # what it will say fits without a new layout, so that the first paint shows all of it
        self._when.setMinimumWidth(self._when.fontMetrics().horizontalAdvance("no answer"))
        self.remove_button = tool_button("close", f"Remove {path.name} from the list", self)
        self.remove_button.hide()
        self.remove_button.clicked.connect(lambda: self.removed.emit(self.path))
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self._name)
        words.addWidget(self._place)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 6, 8, 6)
        row.setSpacing(12)
        row.addLayout(words, 1)
        row.addWidget(self._when)
        row.addWidget(self.remove_button)

    def show_state(self, state: RecentState) -> None:
        """Say when it was changed, or that it is gone."""
        self._there = state.there
        gone = "not there" if state.answers else "no answer"
        self._when.setText(ago(time.time() - state.changed) if state.there else gone)
        self.remove_button.setVisible(not state.there)
        self._name.setObjectName("" if state.there else "quiet")
        self._name.style().unpolish(self._name)
        self._name.style().polish(self._name)
        shape = Qt.CursorShape.PointingHandCursor if state.there else Qt.CursorShape.ArrowCursor
        self.setCursor(shape)
        self.setAccessibleName(f"Open {self.path}" if state.there else f"{self.path} is not there")

    def is_there(self) -> bool:
        """Whether the path can be opened, as far as is known."""
        return self._there

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click opens it."""
        inside = self.rect().contains(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and inside and self._there:
            self.opened.emit(self.path)
        super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter or Space opens it; Del removes it from the list."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._there:
            self.opened.emit(self.path)
        elif event.key() == Qt.Key.Key_Delete:
            self.removed.emit(self.path)
        else:
            super().keyPressEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        """Show the hover."""
        self.update()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Hide the hover."""
        self.update()
        super().leaveEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """A rounded field under the mouse, a ring with the focus."""
        hovered = self.underMouse() and self._there
        if not (hovered or self.hasFocus()):
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(theme.colors().raised) if hovered else Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(theme.colors().accent), 2) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 8, 8)
