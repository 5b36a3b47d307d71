"""What the panels share: the card, labels that elide, empty states, painted marks, small timers."""

from collections.abc import Iterable

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QHelpEvent,
    QIcon,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from labeler.gui.toolkit import theme


def paint_swatch(painter: QPainter, rect: QRectF, color: str, *, outline: bool = False) -> None:
    """A category's rounded square; only its outline for a hidden category."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if outline:
        painter.setPen(QPen(QColor(color), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        rect = rect.adjusted(0.75, 0.75, -0.75, -0.75)
    else:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(color))
    painter.drawRoundedRect(rect, 3, 3)
    painter.restore()


def swatch_icon(color: str, size: int = 16) -> QIcon:
    """A category's colour as an icon for menus and buttons."""
    pixmap = QPixmap(size * 2, size * 2)
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    paint_swatch(painter, QRectF(2, 2, size - 4, size - 4), color)
    painter.end()
    return QIcon(pixmap)


def tool_button(icon: str, text: str, parent: QWidget | None = None) -> QToolButton:
    """A small button that shows an icon; `text` is its tooltip and accessible name."""
    button = IconButton(icon, parent)
    button.setToolTip(text)
    button.setAccessibleName(text)
    return button


class IconButton(QToolButton):
    """A tool button whose icon follows the theme."""

    def __init__(self, icon: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon = icon
        self.setIconSize(QSize(16, 16))
        self.setFixedSize(24, 24)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setIcon(theme.icon(icon))

    def changeEvent(self, event: QEvent) -> None:
        """Colour the icon anew when the theme changes."""
        if event.type() == QEvent.Type.PaletteChange:
            self.setIcon(theme.icon(self._icon))
        super().changeEvent(event)


class Choice(QComboBox):
    """A combo box that gives way in width and shows a chevron in the theme's colour."""

    def __init__(
        self, name: str, items: Iterable[tuple[str, object]] = (), parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setMinimumContentsLength(5)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for text, value in items:
            self.addItem(text, value)

    def choose(self, value: object) -> None:
        """Make the item of that value the current one; the first where there is none."""
        self.setCurrentIndex(max(self.findData(value), 0))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """The style sheet leaves the arrow out, and would cut a long text in the middle of a letter."""
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        icon = 0 if option.currentIcon.isNull() else option.iconSize.width() + 4
        room = self.width() - 34 - icon
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideRight, room
        )
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.colors().quiet), 1.5))
        x, y = self.width() - 14.0, self.height() / 2
        painter.drawPolyline([QPointF(x - 3.5, y - 1.5), QPointF(x, y + 2), QPointF(x + 3.5, y - 1.5)])


def card_button(text: str, tooltip: str, parent: QWidget) -> QPushButton:
    """A button of a card; what comes after two spaces is its key."""
    button = QPushButton(text, parent)
    button.setAccessibleName(text.partition("  ")[0])
    button.setToolTip(tooltip)
    # the keys of the review go to the window, not to a button that was clicked last
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


class Yields(QWidget):
    """Shows its content, and a gap above it, whole or, where there is no room, not at all: it goes first."""

    GAP = 8

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._content = content
        content.setParent(self)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def sizeHint(self) -> QSize:
        """The content's and the gap's."""
        return self._content.sizeHint() + QSize(0, self.GAP)

    def minimumSizeHint(self) -> QSize:
        """The content's width, and no height."""
        return QSize(self._content.minimumSizeHint().width(), 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the content if it fits."""
        super().resizeEvent(event)
        wanted = self._content.sizeHint().height()
        self._content.setGeometry(0, self.GAP, self.width(), wanted)
        self._content.setVisible(self.height() >= wanted + self.GAP)


UNBROKEN = "\u00a0"
"""A space at which no line ends: between a number and its word, so that neither stands alone."""


class ElidedLabel(QLabel):
    """One line that gives way: what does not fit is cut with "…" and told in the tooltip."""

    def __init__(
        self,
        text: str = "",
        parent: QWidget | None = None,
        *,
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ) -> None:
        super().__init__(text, parent)
        self._mode = mode
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        """As narrow as the ellipsis."""
        return QSize(self.fontMetrics().horizontalAdvance("…"), super().minimumSizeHint().height())

    def shown_text(self) -> str:
        """The text as it fits the present width."""
        return self.fontMetrics().elidedText(self.text(), self._mode, self.contentsRect().width())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """Draw what fits."""
        painter = QPainter(self)
        painter.setFont(self.font())
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.contentsRect(), self.alignment(), self.shown_text())

    def event(self, event: QEvent) -> bool:
        """What is cut off, and then what the tooltip says beside it."""
        if isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.told(), self)
            return True
        return super().event(event)

    def told(self) -> str:
        """What the mouse is told here."""
        cut = self.text() if self.shown_text() != self.text() else ""
        return "\n".join(filter(None, [cut, self.toolTip()]))


class _Heading(QAbstractButton):
    """The card's name in small capitals; a click folds the card, and a chevron says so when it matters."""

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setFont(theme.heading_label("").font())
        self.setAccessibleName(f"{text}: fold or unfold")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def sizeHint(self) -> QSize:
        """The text with room for the chevron."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self.text().upper()) + 20, metrics.height() + 6)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """Text, then the chevron when folded, hovered or focused."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self.font())
        painter.setPen(QColor(theme.colors().quiet))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter, self.text().upper())
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.colors().accent), 1.5))
            painter.drawLine(0, self.height() - 1, self.width() - 18, self.height() - 1)
        if self.isChecked() and not self.underMouse() and not self.hasFocus():
            return
        painter.setPen(QPen(QColor(theme.colors().quiet), 1.5))
        x, y = self.width() - 9.0, self.height() / 2
        if self.isChecked():
            painter.drawPolyline([QPointF(x - 3.5, y - 1.5), QPointF(x, y + 2), QPointF(x + 3.5, y - 1.5)])
        else:
            painter.drawPolyline([QPointF(x - 1.5, y - 3.5), QPointF(x + 2, y), QPointF(x - 1.5, y + 3.5)])

    def enterEvent(self, event: QEnterEvent) -> None:
        """Show the chevron."""
        self.update()
        super().enterEvent(event)


_AROUND, _AROUND_NAME = (12, 6, 12, 10), (12, 3, 12, 3)
"""Margins of a card that shows all, and of one that shows its name alone."""


class Card(QFrame):
    """A panel's frame: a heading left, a quiet note right, and a body that folds away."""

    unfolded = Signal()
    """Its content can be seen again."""
    folded = Signal(bool)

    def __init__(self, heading: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setAccessibleName(heading)
        self._heading = _Heading(heading, self)
        self._heading.toggled.connect(self._unfold)
        self._heading.setFixedHeight(24)
        self.note = ElidedLabel("", self)
        self.note.setObjectName("heading")
        self.note.setFont(theme.heading_label("").font())
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.header = QHBoxLayout()
        self.header.setSpacing(4)
        self.header.addWidget(self._heading)
        self.header.addWidget(self.note, 1)
        self._content = QWidget(self)
        self.body = QVBoxLayout(self._content)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(8)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(*_AROUND)
        outer.setSpacing(4)
        outer.addLayout(self.header)
        outer.addWidget(self._content, 1)

    def set_note(self, text: str, *, more: str = "") -> None:
        """The quiet words right of the heading, in capitals as that is; `more` is told by the mouse."""
        self.note.setText(text.upper())
        self.note.setToolTip(more)

    def add_close(self, text: str) -> SignalInstance:
        """A button at the right end that closes the card; gives what tells that it was pressed."""
        button = tool_button("close", text, self)
        self.header.addWidget(button)
        return button.clicked

    def is_folded(self) -> bool:
        """Whether only the heading shows."""
        return not self._heading.isChecked()

    def set_folded(self, folded: bool) -> None:
        """Show only the heading, or all."""
        self._heading.setChecked(not folded)

    def _unfold(self, shown: bool) -> None:
        self._content.setVisible(shown)
        if (outer := self.layout()) is not None:
            outer.setContentsMargins(*(_AROUND if shown else _AROUND_NAME))
        policy = QSizePolicy.Policy.Preferred if shown else QSizePolicy.Policy.Maximum
        self.setSizePolicy(QSizePolicy.Policy.Preferred, policy)
        self.folded.emit(not shown)
        if shown:
            self.unfolded.emit()


class EmptyState(QWidget):
    """What a panel says when it has nothing to show: one short line and, where it helps, one action."""

    acted = Signal()

    def __init__(self, text: str, action: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 4)
        layout.setSpacing(8)
        self._label = QLabel(text, self, wordWrap=True)
        self._label.setObjectName("quiet")
        self._button = QPushButton(action, self)
        self._button.setVisible(bool(action))
        self._button.clicked.connect(self.acted)
        layout.addWidget(self._label)
        layout.addWidget(self._button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(1)

    def set_text(self, text: str, action: str = "") -> None:
        """Say something else."""
        self._label.setText(text)
        self._button.setText(action)
        self._button.setVisible(bool(action))

    def text(self) -> str:
        """The line that is shown."""
        return self._label.text()
