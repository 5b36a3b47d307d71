"""The review of predictions: one after the other, with how many are left and how long that takes."""

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from labeler.core.review_order import Order, ReviewPace
from labeler.gui.review.decisions import Reviewing
from labeler.gui.review.guarantee_card import GuaranteeCard
from labeler.gui.review.guarantees import Guarantees
from labeler.gui.review.queue import ReviewQueue
from labeler.gui.review.second_look import SecondLook
from labeler.gui.review.second_look_card import SecondLookCard
from labeler.gui.session.session import Session
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import Card, Choice, EmptyState, card_button, paint_swatch
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted

_ORDERS: tuple[tuple[str, Order], ...] = (
    ("Most uncertain image first", "uncertain"),
    ("Most disagreeing image first", "disagreeing"),
    ("In order", "in order"),
    ("Most uncertain object of all first", "scattered"),
)

_KEYS = "A click picks another one, Tab leaves it for later, Esc ends the review."


class ReviewPanel(Card):
    """The current prediction with what a person can say of it; a review is on or off."""

    show_item = Signal(int, int)
    """(image id, candidate id): the current prediction's image is open, and the view is to go there."""
    active_changed = Signal(bool)
    """A review began or ended: the keys for it are in force, or not."""

    def __init__(
        self,
        session: Session,
        reviewing: Reviewing,
        queue: ReviewQueue,
        parent: QWidget | None = None,
        *,
        guarantees: Guarantees,
        looks: SecondLook,
    ) -> None:
        super().__init__("Review", parent)
        self._session = session
        self._reviewing = reviewing
        self.queue = queue
        self._make_start()
        self._make_review()
        self._make_accept_all()
        self.guarantee = GuaranteeCard(session, guarantees, self)
        self.body.addWidget(self.guarantee)
        self.body.addWidget(SecondLookCard(session, looks, self))
        self.body.addStretch(1)
        self._left_out = False
        """Whether predictions wait that are of no category, as far as was asked."""
        self._later = timer(self, self._show)
        self.queue.changed.connect(self._later.start)
        self.queue.show_item.connect(self.show_item)
        for signal in (
            session.project_changed,
            session.measure.model_changed,
            session.document.changed,
            session.focus.category_changed,
            session.place.image_changed,
        ):
            signal.connect(self._later.start)
        self._show()

    @property
    def active(self) -> bool:
        """Whether a review is on."""
        return self.queue.active

    def set_active(self, active: bool) -> None:
        """Begin or end a review; it cannot begin without a model's predictions, or read-only."""
        wanted = active and self._why_not() == ""
        if wanted != self.queue.active:
            self.queue.set_active(wanted)
            self.active_changed.emit(wanted)
        self._show()

    def accept_current(self) -> None:
        """Accept the current prediction, and go on."""
        self.queue.accept_current()

    def reject_current(self) -> None:
        """Reject the current prediction, and go on."""
        self.queue.reject_current()

    def next_item(self) -> None:
        """Leave the current prediction for later, and go on."""
        self.queue.next_item()

    def previous_item(self) -> None:
        """Go back to the prediction before."""
        self.queue.previous_item()

    def image_done(self) -> None:
        """Mark the open image as reviewed, and go on with the next one."""
        self.queue.image_done()

    # --- widgets ----------------------------------------------------------------------------------

    def _make_start(self) -> None:
        self._start = EmptyState("", "Start the review", self)
        self._start.acted.connect(lambda: self.set_active(True))
        self.body.addWidget(self._start)

    def _make_review(self) -> None:
        self._review = QWidget(self)
        column = QVBoxLayout(self._review)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self.order = Choice("Order of the review", list(_ORDERS), self)
        self.order.currentIndexChanged.connect(lambda: self.queue.set_order(self.order.currentData()))
        self.end_button = card_button("End", "End the review", self)
        self.end_button.clicked.connect(lambda: self.set_active(False))
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.order, 1)
        top.addWidget(self.end_button)
        self.item = ItemCard(self)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(4)
        self.bar.setAccessibleName("How far the review is")
        self.accept_button = card_button("Accept  ↵", "Accept the prediction (Enter)", self)
        self.accept_button.setDefault(True)
        self.reject_button = card_button("Reject  ⌫", "Reject the prediction (Backspace)", self)
        self.back_button = card_button(
            "Back  ⇧⇥", "Go back to the one before that still waits (Shift+Tab)", self
        )
        self.next_button = card_button("Next  ⇥", "Leave it for later (Tab)", self)
        self.done_button = card_button(
            "Image reviewed, next",
            "Mark the image as reviewed, and go on with the next one (Ctrl+Enter)",
            self,
        )
        words = QGridLayout()
        words.setSpacing(8)
        for place, (button, act) in enumerate(
            (
                (self.accept_button, self.accept_current),
                (self.reject_button, self.reject_current),
                (self.back_button, self.previous_item),
                (self.next_button, self.next_item),
            )
        ):
            button.clicked.connect(act)
            words.addWidget(button, place // 2, place % 2)
        self.done_button.clicked.connect(self.image_done)
        self.pace = QLabel(self, wordWrap=True)
        self.pace.setObjectName("quiet")
        column.addLayout(top)
        column.addWidget(self.item)
        column.addWidget(self.bar)
        column.addLayout(words)
        column.addWidget(self.done_button)
        column.addWidget(self.pace)
        self.body.addWidget(self._review)

    def _make_accept_all(self) -> None:
        self._all = QWidget(self)
        column = QVBoxLayout(self._all)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(4)
        self.from_box = QDoubleSpinBox(self, minimum=0.01, maximum=1.0, singleStep=0.05, value=0.8)
        self.from_box.setAccessibleName("Confidence from which all are accepted")
        self.from_box.setObjectName("plain")
        self.from_box.setFixedWidth(64)
        self.from_box.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.on_image = card_button("This image", "Accept all predictions on the open image from there", self)
        self.on_set = card_button(
            "All images", "Accept all predictions on all images from there; one undo step", self
        )
        self.on_image.clicked.connect(lambda: self._accept_all(whole_set=False))
        self.on_set.clicked.connect(lambda: self._accept_all(whole_set=True))
        label = QLabel("Accept all from a confidence of", self)
        label.setObjectName("quiet")
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.from_box)
        row.addWidget(self.on_image, 1)
        row.addWidget(self.on_set, 1)
        column.addWidget(label)
        column.addLayout(row)
        self.body.addWidget(self._all)

    def _accept_all(self, *, whole_set: bool) -> None:
        self._reviewing.accept_all_above(self.from_box.value(), whole_set=whole_set)

    # --- showing ----------------------------------------------------------------------------------

    def _show(self) -> None:
        queue, why = self.queue, self._why_not()
        self._start.setVisible(not queue.active)
        self._review.setVisible(queue.active)
        self._all.setVisible(not why)
        self.guarantee.setVisible(not why)
        if not queue.active:
            self.set_note("")
            told = why or "Look at the predictions one after the other, and accept or reject each."
            self._start.set_text(told, "" if why else "Start the review")
            return
        left = queue.remaining
        done, images = queue.preparing
        self.set_note(f"{left:,} left" if not images else "")
        self.bar.setRange(0, images or max(queue.total, 1))
        self.bar.setValue(done if images else queue.total - left)
        if not left and not images:
            self._ask_what_waits()
        there = queue.current is not None
        for button in (self.accept_button, self.back_button, self.next_button):
            button.setEnabled(there)
        # what is on another image is first brought into sight, by the button as by its key
        away = there and not queue.is_on_open_image
        self.accept_button.setText("Show it  ↵" if away else "Accept  ↵")
        self.reject_button.setEnabled(there and not away)
        self._show_item(looking=bool(images))
        self.pace.setText(self._pace_text(left, looking=(done, images)))

    def _show_item(self, *, looking: bool) -> None:
        queue, session = self.queue, self._session
        item = queue.current
        if item is None:
            done = "What is left has no category." if self._left_out else "Nothing is left to review."
            title = "Looking for what waits…" if looking else done
            self.item.show_item(title, "", color="", confidence=None)
            return
        category = session.document.categories.get(item.category_id) or (
            session.focus.category if not item.label else None
        )
        image = session.document.find_image(item.image_id)
        name = image.path.rpartition("/")[2] if image else ""
        self.item.show_item(
            category.name if category else item.label or "object",
            f"{queue.position:,} of {queue.total:,} · {name}",
            color=category.color if category else theme.colors().quiet,
            confidence=item.confidence,
        )

    def _pace_text(self, left: int, *, looking: tuple[int, int]) -> str:
        done, images = looking
        if images:
            return f"Looking through {counted(images, 'image')}: {done:,} done."
        found = self.queue.pace()
        if not left:
            return self._what_waits()
        return pace_text(found) if found else _KEYS

    def _what_waits(self) -> str:
        """What an empty queue leaves out: classes without a category, if there are any."""
        if self._left_out:
            return "Classes without a category are left out: map them by Classes… in Pre-annotate."
        return ""

    def _ask_what_waits(self) -> None:
        """Look, on all images, for predictions that nobody can be asked about; the card follows."""
        session, model, least = self._session, self._session.measure.model, self.queue.filter.confidence
        if model is None:
            return

        def take(left_out: bool) -> None:
            if session.measure.model == model and left_out != self._left_out:
                self._left_out = left_out
                self._later.start()

        session.ask(lambda store: store.predictions.waits_unmapped(model.id, least), take)

    def _why_not(self) -> str:
        """Why no review can begin, or ""."""
        session = self._session
        if session.project is None or session.measure.model is None:
            return "Predictions to review come from a model's run or from imported results."
        if not session.document.categories and any(one.label for one in session.document.candidates.values()):
            return "The model's classes mean no category here yet: map them by Classes… in Pre-annotate."
        if session.read_only:
            return "The project is open read-only, so nothing can be accepted or rejected."
        return ""

    def changeEvent(self, event: QEvent) -> None:
        """The item carries colours of the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_later"):
            self._later.start()


class ItemCard(QWidget):
    """What is asked about: the category and where it is at the left, the confidence large at the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = self._quiet = self._color = ""
        self._confidence: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_item(self, title: str, quiet: str, *, color: str, confidence: float | None) -> None:
        """Show a category's name and colour, a quiet line under it, and a confidence."""
        self._title, self._quiet, self._color, self._confidence = title, quiet, color, confidence
        said = f", confidence {confidence:.2f}" if confidence is not None else ""
        self.setAccessibleName(f"{title}{said}, {quiet}")
        self.setToolTip(quiet)
        self.update()

    def text(self) -> str:
        """The title that is shown."""
        return self._title

    def sizeHint(self) -> QSize:
        """Two lines."""
        return QSize(200, 44)

    def minimumSizeHint(self) -> QSize:
        """Two lines, however narrow."""
        return QSize(100, 44)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002 - Qt's signature
        """Swatch, name, confidence, and the quiet line."""
        colors = theme.colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        right = 0
        if self._confidence is not None:
            painter.setFont(theme.ui_font(24, weight=QFont.Weight.DemiBold))
            painter.setPen(QColor(colors.text))
            right = painter.fontMetrics().horizontalAdvance("0.00") + 8
            painter.drawText(self.rect().adjusted(0, 0, 0, -14), _RIGHT, f"{self._confidence:.2f}")
            painter.setFont(theme.ui_font(11))
            painter.setPen(QColor(colors.quiet))
            painter.drawText(QRectF(self.width() - 100, 28, 100, 16), _RIGHT, "confidence")
        left = 0
        if self._color:
            paint_swatch(painter, QRectF(0, 7, 12, 12), self._color)
            left = 20
        title = theme.ui_font(15, weight=theme.DEMIBOLD)
        room = self.width() - left - right
        painter.setFont(title)
        painter.setPen(QColor(colors.text if self._color else colors.quiet))
        painter.drawText(QRectF(left, 0, room, 26), _LEFT, _elided(title, self._title, room))
        small = theme.ui_font(12)
        room = self.width() - max(right, 72)
        painter.setFont(small)
        painter.setPen(QColor(colors.quiet))
        painter.drawText(QRectF(0, 27, room, 17), _LEFT, _elided(small, self._quiet, room))


def pace_text(pace: ReviewPace) -> str:
    """As "18 a minute, about 5 min left."."""
    left = pace.seconds_left
    if left < 90:
        time = f"{max(left, 1):.0f} s"
    else:
        time = f"{left / 60:.0f} min" if left < 5400 else f"{left / 3600:.1f} h"
    return f"{pace.per_minute:.0f} a minute, about {time} left."


def _elided(font: QFont, text: str, room: int) -> str:
    return QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, room)


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
