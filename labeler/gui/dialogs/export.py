"""Where and how the labels are written as COCO JSON."""

from pathlib import Path

from msgspec import Struct
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from labeler.gui.panels.common import Choice, counted
from labeler.gui.session import Session


class ExportChoice(Struct, frozen=True):
    """What the person chose."""

    path: Path
    reviewed_only: bool
    polygons: bool
    """Masks without holes are written as polygons instead of RLE."""


class ExportDialog(QDialog):
    """Asks for the file, which images, and how masks are written; `choice` has the answer."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setWindowTitle("Export COCO")
        self.setMinimumWidth(480)
        name = f"{session.root.name or 'labels'}-coco.json"
        folder = session.project.parent if session.project is not None else session.root
        self.path = QLineEdit(str(folder / name), self)
        self.path.setAccessibleName("File to write")
        self.path.textChanged.connect(self._refresh)
        browse = QPushButton("Choose…", self)
        browse.clicked.connect(self._browse)
        file_row = QHBoxLayout()
        file_row.setSpacing(8)
        file_row.addWidget(self.path, 1)
        file_row.addWidget(browse)
        self.images = Choice("Images to write", [("All images", False), ("Only reviewed images", True)], self)
        self.images.currentIndexChanged.connect(self._refresh)
        ways = [
            ("Run-length encoding (exact, with holes)", False),
            ("Polygons (masks with holes stay RLE)", True),
        ]
        self.masks = Choice("How masks are written", ways, self)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(10)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        label = QLabel("&File", self)
        label.setBuddy(self.path)
        form.addRow(label, file_row)
        form.addRow("&Images", self.images)
        form.addRow("&Masks as", self.masks)
        self.summary = QLabel(self, wordWrap=True)
        self.summary.setObjectName("quiet")
        self.replace = QCheckBox("Replace the file that is there", self)
        self.replace.toggled.connect(self._refresh)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.export_button = self._buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.export_button.setDefault(True)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        layout.addLayout(form)
        layout.addWidget(self.replace)
        layout.addWidget(self.summary)
        layout.addWidget(self._buttons)
        self._refresh()

    def choice(self) -> ExportChoice:
        """What is chosen now."""
        return ExportChoice(
            path=Path(self.path.text().strip()).expanduser(),
            reviewed_only=bool(self.images.currentData()),
            polygons=bool(self.masks.currentData()),
        )

    def _refresh(self) -> None:
        choice = self.choice()
        images = [one for one in self._session.images if one.reviewed or not choice.reviewed_only]
        objects = sum(sum(self._session.counts(image.id).values()) for image in images)
        categories = len(self._session.categories)
        what = ", ".join(
            (
                counted(len(images), "image"),
                counted(objects, "object"),
                counted(categories, "category", "categories"),
            )
        )
        trouble = self._trouble(choice.path)
        exists = not trouble and choice.path.is_file()
        self.replace.setVisible(exists)
        self.summary.setText(trouble or f"Writes {what}. Photos are not copied, only named.")
        self.export_button.setEnabled(not trouble and (not exists or self.replace.isChecked()))

    def _trouble(self, path: Path) -> str:
        """Why nothing can be written there, or ""."""
        if not self.path.text().strip():
            return "Choose a file to write to."
        if path.is_dir():
            return f"{path} is a folder: add a file name."
        if not path.parent.is_dir():
            return f"The folder {path.parent} does not exist."
        return ""

    def _browse(self) -> None:
        dialog = QFileDialog(self, "Export COCO", self.path.text(), "COCO JSON (*.json)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("json")
        dialog.fileSelected.connect(self._take_file)
        dialog.open()

    def _take_file(self, name: str) -> None:
        self.path.setText(name)
        # the file dialog has asked already
        self.replace.setChecked(True)
