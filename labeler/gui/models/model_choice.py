"""Chooses the model whose predictions are shown and measured against: there is one, the session's."""

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QWidget

from labeler.core.model_titles import full_title, titles
from labeler.core.records import Model
from labeler.gui.session.session import Session
from labeler.gui.toolkit.cards import Choice


class ModelChoice(Choice):
    """The models of the project; what is chosen in one of these is what all of them show."""

    def __init__(self, session: Session, name: str, parent: QWidget | None = None, *, none: str = "") -> None:
        """`none` is what it is called to choose no model; without it one of them is always chosen."""
        super().__init__(name, parent=parent)
        self._session = session
        self._none = none
        self.currentIndexChanged.connect(self._choose)

    def fill(self, chosen: Model | None) -> None:
        """List the models there are now, with this one as the chosen one."""
        models = self._session.document.models
        called = titles(models)
        with QSignalBlocker(self):
            self.clear()
            if self._none:
                self.addItem(self._none, None)
            for model in models:
                self.addItem(called[model.id], model.id)
                self.setItemData(self.count() - 1, full_title(model), Qt.ItemDataRole.ToolTipRole)
            self.choose(chosen.id if chosen is not None else None)
        self.setToolTip(full_title(chosen) if chosen is not None else "")

    def _choose(self) -> None:
        wanted = self.currentData()
        self._session.measure.choose_model(
            next((one for one in self._session.document.models if one.id == wanted), None)
        )
