"""Doubtful labels, one after the other: a part of the review's card."""

from collections.abc import Mapping

from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from labeler.core.measures.doubts import Doubt
from labeler.gui.review.second_look import SecondLook
from labeler.gui.session.session import Session
from labeler.gui.toolkit.cards import card_button
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted


class SecondLookCard(QWidget):
    """Says how many labels are doubtful, and asks about one; it is there only while some are."""

    def __init__(self, session: Session, looks: SecondLook, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._looks = session, looks
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(4)
        self.said = QLabel(self, wordWrap=True)
        self.said.setObjectName("quiet")
        self.next_button = card_button("Second look", "Go to the next doubtful label, worst first", self)
        self.right_button = card_button("It is right", "Leave it as it is, and ask no more about it", self)
        self.next_button.clicked.connect(looks.next_one)
        self.right_button.clicked.connect(looks.dismiss)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.next_button, 1)
        row.addWidget(self.right_button, 1)
        column.addWidget(self.said)
        column.addLayout(row)
        self._later = timer(self, self._show)
        looks.changed.connect(self._later.start)
        self._show()

    def _show(self) -> None:
        queue, current = self._looks.queue, self._looks.current
        self.setVisible(bool(queue))
        names = {key: one.name for key, one in self._session.document.categories.items()}
        count = counted(len(queue), "label") + (" is" if len(queue) == 1 else " are")
        on = counted(self._looks.images, "reviewed image")
        text = f"{count} doubtful on {on}, by the predictions of the model at hand."
        if current is not None:
            own = self._session.document.annotations.get(current.annotation_id)
            name = names.get(own.category_id, "object") if own is not None else ""
            text = doubt_text(current, names, name)
        self.said.setText(text)
        self.right_button.setVisible(current is not None)


def doubt_text(doubt: Doubt, names: Mapping[int, str], name: str = "") -> str:
    """What is doubtful, as a sentence; `names` are those of the categories, `name` is the label's own."""
    meant = names.get(doubt.category_id, "object")
    said = {
        "missed": f"“{meant}” may be missing here.",
        "doubled": f"This “{meant}” lies on another one.",
        "loose": f"This “{meant}” may lie elsewhere.",
        "misnamed": f"This “{name or 'object'}” may be “{meant}”.",
    }[doubt.kind]
    return f"{said} ({doubt.score:.2f})"
