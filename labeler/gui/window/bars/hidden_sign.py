"""Says on the photo that its annotations are hidden, and shows them again when one is made."""

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QPushButton

from labeler.core.records import Annotation
from labeler.gui.canvas.view import Canvas
from labeler.gui.session.document import Changed
from labeler.gui.session.session import Session

_MARGIN = 12


class HiddenSign(QPushButton):
    """Stands at the foot of the canvas, at its left, for as long as nothing of the labels is seen."""

    def __init__(self, canvas: Canvas, session: Session) -> None:
        super().__init__("Annotations are hidden: show them (H)", canvas)
        self._canvas = canvas
        self.setDefault(True)
        self.hide()
        self.clicked.connect(self._show_all)
        canvas.options_changed.connect(self._follow)
        session.document.changed.connect(self._take)
        canvas.installEventFilter(self)

    def _show_all(self) -> None:
        self._canvas.set_options(annotations=True)
        self._canvas.setFocus()

    def _take(self, changed: Changed) -> None:
        """What a person draws is seen: else it would be drawn again and again."""
        made = [one for one in changed.changes if one.before is None and isinstance(one.after, Annotation)]
        if made and not self._canvas.options.annotations:
            self._canvas.set_options(annotations=True)

    def _follow(self) -> None:
        hidden = not self._canvas.options.annotations
        self.setVisible(hidden)
        self._place()

    def _place(self) -> None:
        self.adjustSize()
        self.move(_MARGIN, self._canvas.height() - self.height() - _MARGIN)
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay at the foot of the canvas."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)
