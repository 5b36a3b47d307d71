"""Says on the photo that annotations are hidden, and shows them again when one is made."""

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QPushButton

from labeler.core.records import Annotation
from labeler.gui.canvas.view import Canvas
from labeler.gui.session.document import Changed
from labeler.gui.session.session import Session

_MARGIN = 12


class HiddenSign(QPushButton):
    """Stands at the foot of the canvas, at its left, while all labels are hidden, or some by themselves."""

    def __init__(self, canvas: Canvas, session: Session) -> None:
        super().__init__("", canvas)
        self._canvas, self._session = canvas, session
        self.setDefault(True)
        self.hide()
        self.clicked.connect(self._show_all)
        canvas.options_changed.connect(self._follow)
        session.document.changed.connect(self._take)
        for signal in (session.veil.changed, session.document.changed, session.place.image_changed):
            signal.connect(self._follow)
        canvas.installEventFilter(self)

    def _show_all(self) -> None:
        if self._canvas.options.annotations:
            self._session.veil.lift()
        self._canvas.set_options(annotations=True)
        self._canvas.setFocus()

    def _take(self, changed: Changed) -> None:
        """What a person draws is seen: else it would be drawn again and again."""
        made = [one for one in changed.changes if one.before is None and isinstance(one.after, Annotation)]
        if made and not self._canvas.options.annotations:
            self._canvas.set_options(annotations=True)

    def _follow(self) -> None:
        some = len(self._session.veil.hidden_here())
        if not self._canvas.options.annotations:
            self.setText("Annotations are hidden: show them (H)")
        else:
            are = "object is" if some == 1 else "objects are"
            self.setText(f"{some:,} {are} hidden: show all (Ctrl+Shift+H)")
        self.setVisible(bool(some) or not self._canvas.options.annotations)
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
