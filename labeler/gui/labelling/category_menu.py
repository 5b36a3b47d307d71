"""The context menu of a category."""

from collections.abc import Mapping

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QGridLayout, QMenu, QToolButton, QWidget, QWidgetAction

from labeler.core.colors import CATEGORY_COLORS
from labeler.core.records import Category
from labeler.gui.labelling import category_edits as edits
from labeler.gui.toolkit.cards import swatch_icon
from labeler.gui.toolkit.words import counted

_KEYS = "1234567890"


class CategoryMenu(QMenu):
    """Rename, colour, key, merge, hide, lock, delete."""

    edited = Signal(edits.CategoryEdit)
    rename_asked = Signal()
    color_asked = Signal()
    """A colour that is not one of the twenty."""
    merge_asked = Signal(int, int)
    """Source and target category."""
    select_asked = Signal()
    """Its objects on the open image."""
    move_asked = Signal()
    """All its objects are to be of another category."""
    empty_asked = Signal()
    """All its objects are to go."""

    def __init__(
        self, category: Category, categories: Mapping[int, Category], *, uses: int, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._category = category
        self._categories = categories
        self.addAction("Rename\tF2", self.rename_asked.emit)
        self._add_colors()
        self._add_keys()
        self._add_merge()
        self.addSeparator()
        self._add_switch("Hide", category.hidden, edits.hidden)
        self._add_switch("Lock", category.locked, edits.locked)
        self.addSeparator()
        self._add_uses(uses)
        delete = self.addAction("Delete", lambda: self.edited.emit(edits.deleted(category)))
        if uses:
            have = "uses" if uses == 1 else "use"
            delete.setText(f"Delete ({counted(uses, 'object')} {have} it: merge it instead)")
            delete.setEnabled(False)

    def _add_uses(self, uses: int) -> None:
        """What is done to all that are of it."""
        if not uses:
            return
        every = counted(uses, "object")
        self.addAction("Select on this image", self.select_asked.emit)
        for text, asked in (
            (f"Change {every} on all images to…", self.move_asked),
            (f"Delete {every} on all images", self.empty_asked),
        ):
            self.addAction(text, asked.emit).setEnabled(not self._category.locked)
        self.addSeparator()

    def _add_switch(self, text: str, is_set: bool, edit: edits.Switch) -> None:
        action = self.addAction(text)
        action.setCheckable(True)
        action.setChecked(is_set)
        action.triggered.connect(lambda wanted: self.edited.emit(edit(self._category, wanted)))

    def _add_colors(self) -> None:
        menu = self.addMenu(swatch_icon(self._category.color), "Colour")
        grid = QWidget(menu)
        layout = QGridLayout(grid)
        layout.setContentsMargins(8, 8, 8, 4)
        layout.setSpacing(4)
        for place, color in enumerate(CATEGORY_COLORS):
            button = QToolButton(grid)
            button.setIcon(swatch_icon(color, 20))
            button.setIconSize(QSize(20, 20))
            button.setToolTip(color)
            button.setAccessibleName(f"Colour {color}")
            button.setCheckable(True)
            button.setChecked(color == self._category.color.lower())
            button.clicked.connect(lambda _, chosen=color: self._recolor(chosen))
            layout.addWidget(button, place // 5, place % 5)
        action = QWidgetAction(menu)
        action.setDefaultWidget(grid)
        menu.addAction(action)
        menu.addAction("Other colour…", self.color_asked.emit)

    def _recolor(self, color: str) -> None:
        self.close()
        if color != self._category.color:
            self.edited.emit(edits.recolored(self._category, color))

    def _add_keys(self) -> None:
        owners = {one.key: one.name for one in self._categories.values() if one.key}
        menu = self.addMenu("Key")
        group = QActionGroup(menu)
        for key in (*_KEYS, ""):
            owner = owners.get(key, "")
            taken = f"{key}  (now {owner})" if owner and key != self._category.key else key
            action = menu.addAction(taken or "None")
            action.setCheckable(True)
            action.setChecked(key == self._category.key)
            group.addAction(action)
            action.triggered.connect(lambda _, chosen=key: self._rekey(chosen))

    def _rekey(self, key: str) -> None:
        if key != self._category.key:
            self.edited.emit(edits.rekeyed(self._categories, self._category, key))

    def _add_merge(self) -> None:
        menu = self.addMenu("Merge into")
        others = [one for one in self._categories.values() if one.id != self._category.id]
        menu.setEnabled(bool(others))
        for other in sorted(others, key=lambda one: one.name.casefold()):
            action = menu.addAction(swatch_icon(other.color), other.name.replace("&", "&&"))
            action.triggered.connect(
                lambda _, target=other.id: self.merge_asked.emit(self._category.id, target)
            )
