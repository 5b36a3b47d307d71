"""What plugins there are, and why one was left out."""

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from labeler.gui.toolkit import theme
from labeler.registry import LeftOut, Registry, user_folder


class PluginsDialog(QDialog):
    """A list of the plugins that work and of those that don't, with the traceback of the chosen one."""

    def __init__(self, registry: Registry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Plugins")
        self.resize(640, 420)
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(["Plugin", "Version", "Offers"])
        self.tree.setRootIsDecorated(False)
        self.tree.setAccessibleName("Plugins")
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setFont(theme.ui_font(12))
        self.details.setAccessibleName("Why it was left out")
        self.details.hide()
        for plugin in registry.plugins:
            QTreeWidgetItem(self.tree, [plugin.name, plugin.version, ", ".join(plugin.offers)])
        for left_out in registry.left_out:
            self._add_left_out(left_out)
        self.tree.currentItemChanged.connect(self._show_details)
        where = QLabel(f"Your own plugins go into {user_folder()}")
        where.setObjectName("quiet")
        where.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        open_folder = buttons.addButton("Open the folder", QDialogButtonBox.ButtonRole.ActionRole)
        copy = buttons.addButton("Copy the details", QDialogButtonBox.ButtonRole.ActionRole)
        open_folder.clicked.connect(_open_user_folder)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.details.toPlainText()))
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 12, 12, 12)
        column.setSpacing(8)
        column.addWidget(self.tree, 1)
        column.addWidget(self.details, 1)
        column.addWidget(where)
        column.addWidget(buttons)

    def _add_left_out(self, left_out: LeftOut) -> None:
        item = QTreeWidgetItem(
            self.tree, [left_out.source.rpartition("/")[2], "", f"left out: {left_out.reason}"]
        )
        item.setForeground(2, self.palette().brightText())
        item.setToolTip(2, left_out.reason)
        item.setData(0, 0x100, left_out.details or left_out.reason)

    def _show_details(self, item: QTreeWidgetItem | None) -> None:
        details = item.data(0, 0x100) if item is not None else None
        self.details.setVisible(bool(details))
        self.details.setPlainText(details or "")


def _open_user_folder() -> None:
    folder = user_folder()
    folder.mkdir(parents=True, exist_ok=True)
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
