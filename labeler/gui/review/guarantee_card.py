"""What can be accepted unseen, and what that rests on: a part of the review's card."""

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from labeler.core.measures.guarantee import ALL, ALLOWED, LEVEL, Promise, TooLittle
from labeler.gui.review.guarantees import DRAWN, Guarantees, Offer, Terms
from labeler.gui.session.session import Session
from labeler.gui.toolkit.cards import Choice, card_button
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted

_ROWS = 12
"""Categories that are told one by one."""


class GuaranteeCard(QWidget):
    """Asks for a promise, tells what it comes to, and accepts."""

    def __init__(self, session: Session, guarantees: Guarantees, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._guarantees = session, guarantees
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(4)
        title = QLabel("Accept unseen, with a guarantee", self)
        title.setObjectName("quiet")
        column.addWidget(title)
        column.addLayout(self._make_terms())
        self.said = QLabel(self, wordWrap=True)
        column.addWidget(self.said)
        column.addLayout(self._make_acts())
        self._later = timer(self, self._show)
        guarantees.changed.connect(self._later.start)
        session.document.changed.connect(self._later.start)
        session.project_changed.connect(self._later.start)
        self._show()

    def _make_terms(self) -> QHBoxLayout:
        self.allowed = QSpinBox(self, minimum=1, maximum=20, value=round(100 * ALLOWED), suffix=" %")
        self.allowed.setAccessibleName("Share of wrong ones that is not to be passed")
        self.allowed.setToolTip("How many of those accepted may be wrong at most")
        self.allowed.setObjectName("plain")
        self.allowed.setFixedWidth(64)
        self.allowed.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.parts = Choice(
            "What the promise is of", [("all together", False), ("each category", True)], self
        )
        self.parts.setToolTip("One threshold for all, or one for each category with a promise of its own")
        self.look_button = card_button("Work out", "Work out what can be accepted unseen", self)
        self.allowed.valueChanged.connect(self._guarantees.forget)
        self.parts.currentIndexChanged.connect(self._guarantees.forget)
        self.look_button.clicked.connect(self.look)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.allowed)
        row.addWidget(self.parts, 1)
        row.addWidget(self.look_button, 1)
        return row

    def _make_acts(self) -> QHBoxLayout:
        self.accept_button = card_button("", "Accept them on all images; one undo step", self)
        self.draw_button = card_button(
            "Draw images",
            f"Draw {DRAWN} images by lot and walk them: reviewed whole, in that order, they are fair",
            self,
        )
        self.accept_button.clicked.connect(self._guarantees.accept)
        self.draw_button.clicked.connect(self._guarantees.draw_lot)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.accept_button, 1)
        row.addWidget(self.draw_button, 1)
        return row

    def look(self) -> None:
        """Work out what can be promised on the terms that are set."""
        self._guarantees.look(Terms(self.allowed.value() / 100, bool(self.parts.currentData())))

    def _show(self) -> None:
        offer, looking = self._guarantees.offer, self._guarantees.is_looking
        self.look_button.setEnabled(not looking)
        text = ""
        if looking:
            done, images = self._guarantees.progress
            text = f"Looking through {counted(images, 'image')}: {done:,} done." if images else "Working out…"
        elif offer is not None:
            names = {key: one.name for key, one in self._session.document.categories.items()}
            text = offer_text(offer, names)
        self.said.setText(text)
        self.said.setVisible(bool(text))
        can = offer is not None and offer.is_fair and bool(offer.accepted)
        self.accept_button.setText(f"Accept {len(offer.accepted):,}" if can and offer else "")
        self.accept_button.setVisible(can)
        self.draw_button.setVisible(
            offer is not None
            and (not offer.is_fair or any(isinstance(one, TooLittle) for one in offer.parts))
        )


def offer_text(offer: Offer, names: Mapping[int, str]) -> str:
    """What can be accepted, and what that rests on, or why nothing can.

    `names` are those of the categories by id.
    """
    terms, based = offer.terms, f"{counted(offer.looked, 'prediction')} on {counted(offer.images, 'image')}"
    if not offer.waiting:
        return "No prediction waits on an image that is not reviewed."
    if not offer.looked:
        return (
            "No image with predictions counts as reviewed yet. Review some whole (Ctrl+Enter), best "
            "those that are drawn by lot."
        )
    if not offer.is_fair:
        return (
            f"The {counted(offer.images, 'reviewed image')} cannot stand for the others: the model is not as "
            "sure on them as on the rest. Draw images by lot, and review each of them whole."
        )
    promised = [part for part in offer.parts if isinstance(part, Promise)]
    ranked = sorted(offer.parts, key=lambda part: -part.waiting)
    lines = [_row(part, names, offer) for part in ranked[:_ROWS] if part.category_id != ALL]
    if len(offer.parts) > _ROWS:
        lines.append(f"and {counted(len(offer.parts) - _ROWS, 'category', 'categories')} more")
    if not promised or not offer.accepted:
        head = f"Too little is known from {based} reviewed." if lines else _missing(offer.parts[0], offer)
        return "\n".join([head, *lines])
    images = len({one.image_id for one in offer.accepted})
    head = (
        f"Would accept {len(offer.accepted):,} of {counted(offer.waiting, 'prediction')} on "
        f"{counted(images, 'image')}; at most {_percent(terms.allowed)} wrong with {_percent(LEVEL)} "
        f"confidence{' for each category' if lines else ''}, from {based} reviewed."
    )
    return "\n".join([head, *(lines or [_basis(promised[0])])])


def _row(part: Promise | TooLittle, names: Mapping[int, str], offer: Offer) -> str:
    name = names.get(part.category_id, "object")
    if isinstance(part, Promise):
        return f"{name}: {part.accepted:,} of {part.waiting:,}. {_basis(part)}"
    if part.more is None:
        why = "too many are wrong." if part.is_hopeless else "too few to promise anything."
        return f"{name}: none of {part.waiting:,}; {why}"
    return f"{name}: none of {part.waiting:,}; about {part.more:,} more to look at{_on_images(part, offer)}."


def _missing(part: Promise | TooLittle, offer: Offer) -> str:
    """Why one threshold for all does not hold, or holds for none that waits."""
    based = f"{counted(offer.looked, 'prediction')} on {counted(offer.images, 'image')} reviewed"
    if isinstance(part, Promise):
        return "No prediction that waits is over the threshold that holds."
    wrong = f"{part.wrong:,} of them wrong"
    if part.more is None:
        return f"Nothing can be promised from {based}, {wrong}: {_no_number(part)}"
    return (
        f"Too little to promise at most {_percent(offer.terms.allowed)} wrong: {based}, {wrong}. It takes "
        f"about {part.more:,} more{_on_images(part, offer)}, if they are as good."
    )


def _no_number(part: TooLittle) -> str:
    if part.is_hopeless:
        return "too many are wrong also among those that the model is surest of."
    return "so few wait that they are looked at as quickly."


def _on_images(part: TooLittle, offer: Offer) -> str:
    """As " on 9 images": how many that is at as many predictions an image as so far."""
    each = part.looked / offer.images if offer.images else 0.0
    return f", on {counted(max(1, round((part.more or 0) / each)), 'image')}" if each else ""


def _basis(part: Promise) -> str:
    interval = f"{_percent(part.low)} to {_percent(part.high)}"
    return (
        f"From a confidence of {part.confidence:.2f}: there {part.wrong:,} of {part.looked:,} reviewed are "
        f"wrong (interval {interval})."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
