"""Where and how the labels are written as COCO JSON."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from labeler.formats.writing import Writing
from labeler.gui.panels.common import Choice, counted
from labeler.gui.session import Session
from labeler.gui.settings import ExportHabits
from labeler.training.labels_out import Order, expected_files

_PARTS = [
    ("One file", ""),
    ("Train and val, by share", "share"),
    ("One for each folder of images", "folders"),
    ("As a run was trained", "run"),
]
_BOXES = [("With a rectangle as outline", "rectangle"), ("Without an outline", "empty")]
_MASKS = [("Polygons along the pixels", "polygons"), ("Run-length encoding", "rle")]
_HOLES = [("One outline through a seam", "seam"), ("Filled", "fill"), ("Run-length encoding", "rle")]


class ExportDialog(QDialog):
    """Asks for the file, which images, and how shapes are written; `order` has the answer."""

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, habits: ExportHabits | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._agreed: tuple[Path, ...] = ()
        self.setWindowTitle("Export COCO")
        self.setMinimumWidth(520)
        name = f"{session.root.name or 'labels'}-coco.json"
        folder = session.project.parent if session.project is not None else session.root
        self.path = QLineEdit(str(folder / name), self)
        self.path.setAccessibleName("File to write")
        self.run = QLineEdit(self, placeholderText="The run's folder")
        self.run.setAccessibleName("Folder of the run")
        self.images = Choice("Images to write", [("All images", False), ("Only reviewed images", True)], self)
        self.parts = Choice("Files", _PARTS, self)
        self.share = QSpinBox(self, minimum=1, maximum=99, suffix=" % of the images to val")
        self.share.setAccessibleName("Share of val")
        self.boxes = Choice("How boxes are written", _BOXES, self)
        self.masks = Choice("How masks are written", _MASKS, self)
        self.holes = Choice("How holes are written", _HOLES, self)
        self.tolerance = QDoubleSpinBox(self, maximum=100.0, singleStep=0.5, decimals=1, suffix=" px")
        self.tolerance.setSpecialValueText("Exact")
        self.tolerance.setAccessibleName("How far polygons of masks may stray")
        self.clip = QCheckBox("Shapes end at the border of their image", self)
        self.as_read = QCheckBox("What nobody touched stays letter by letter as it was imported", self)
        self.summary = QLabel(self, wordWrap=True)
        self.summary.setObjectName("quiet")
        self.standard_button = QPushButton("As most programs read it", self)
        self.standard_button.setToolTip("Write shapes as they are by default")
        self.standard_button.clicked.connect(lambda: self._show_writing(Writing()))
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.export_button = self._buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.export_button.setDefault(True)
        self._buttons.accepted.connect(self._export)
        self._buttons.rejected.connect(self.reject)
        self._arrange()
        self._show_habits(habits or ExportHabits())
        self._listen()
        self._refresh()

    def _arrange(self) -> None:
        self._form = form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._run_row = self._with_button(self.run, self._browse_run)
        rows: Sequence[tuple[str, QWidget]] = (
            ("&File", self._with_button(self.path, self._browse)),
            ("&Images", self.images),
            ("F&iles", self.parts),
            ("&Share", self.share),
            ("&Run", self._run_row),
            ("&Boxes", self.boxes),
            ("&Masks", self.masks),
            ("&Holes", self.holes),
            ("Sim&plify masks", self.tolerance),
            ("", self.clip),
            ("", self.as_read),
            ("", self.standard_button),
        )
        for text, widget in rows:
            form.addRow(text, widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        layout.addLayout(form)
        layout.addWidget(self.summary)
        layout.addWidget(self._buttons)

    def _with_button(self, line: QLineEdit, browse: object) -> QWidget:
        row = QWidget(self)
        inside = QHBoxLayout(row)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(8)
        button = QPushButton("Choose…", row)
        button.setAutoDefault(False)
        button.clicked.connect(browse)
        inside.addWidget(line, 1)
        inside.addWidget(button)
        row.setFocusProxy(line)
        return row

    def _listen(self) -> None:
        for line in (self.path, self.run):
            line.textChanged.connect(self._refresh)
        for choice in (self.images, self.parts, self.boxes, self.masks, self.holes):
            choice.currentIndexChanged.connect(self._refresh)
        for box in (self.clip, self.as_read):
            box.toggled.connect(self._refresh)
        self.tolerance.valueChanged.connect(self._refresh)

    def _show_habits(self, habits: ExportHabits) -> None:
        self.images.choose(habits.reviewed_only)
        self.parts.choose(habits.parts)
        self.share.setValue(round(habits.share * 100))
        self._show_writing(habits.writing)

    def _show_writing(self, writing: Writing) -> None:
        self.boxes.choose(writing.boxes)
        self.masks.choose(writing.masks)
        self.holes.choose(writing.holes)
        self.tolerance.setValue(writing.tolerance)
        self.clip.setChecked(writing.clip)
        self.as_read.setChecked(writing.as_read)

    def habits(self) -> ExportHabits:
        """What is chosen now and worth remembering."""
        writing = Writing(
            boxes=self.boxes.currentData(),
            masks=self.masks.currentData(),
            holes=self.holes.currentData(),
            clip=self.clip.isChecked(),
            tolerance=self.tolerance.value(),
            as_read=self.as_read.isChecked(),
        )
        return ExportHabits(
            writing, bool(self.images.currentData()), self.parts.currentData(), self.share.value() / 100
        )

    def order(self) -> Order:
        """What is to be written where."""
        habits = self.habits()
        return Order(
            out=Path(self.path.text().strip()).expanduser(),
            writing=habits.writing,
            reviewed_only=habits.reviewed_only,
            parts=habits.parts,
            share=habits.share,
            run=Path(self.run.text().strip()).expanduser() if habits.parts == "run" else None,
        )

    def _refresh(self) -> None:
        order = self.order()
        self._form.setRowVisible(self.share, order.parts == "share")
        self._form.setRowVisible(self._run_row, order.parts == "run")
        self.standard_button.setVisible(order.writing != Writing())
        trouble = self._trouble(order)
        self.export_button.setEnabled(not trouble)
        self.export_button.setToolTip(trouble)
        self._agreed = () if trouble else self._agreed
        self.export_button.setText("Export")
        self.summary.setText(trouble or f"Writes {self._counts(order)}. Photos are not copied, only named.")

    def _counts(self, order: Order) -> str:
        images = [one for one in self._session.images if one.reviewed or not order.reviewed_only]
        objects = sum(sum(self._session.counts(image.id).values()) for image in images)
        categories = counted(len(self._session.categories), "category", "categories")
        return f"{counted(len(images), 'image')}, {counted(objects, 'object')}, {categories}"

    def _trouble(self, order: Order) -> str:
        """Why nothing can be written there, or ""."""
        if not self.path.text().strip():
            return "Choose a file to write to."
        if order.out.is_dir():
            return f"{order.out} is a folder: add a file name."
        if not order.out.parent.is_dir():
            return f"The folder {order.out.parent} does not exist."
        if order.parts == "run" and not (order.run and (order.run / "run.json").is_file()):
            return "Choose the folder of a run: it has a file run.json."
        if order.reviewed_only and not any(image.reviewed for image in self._session.images):
            return "No image is marked as reviewed: choose all images, or mark some (Ctrl+Enter)."
        return ""

    def _export(self) -> None:
        """Accept; where files are there already, at the second press, which is on a button that says so."""
        there = tuple(path for path in expected_files(self.order()) if path.is_file())
        if not set(there) <= set(self._agreed):
            self._agreed = there
            names = " and ".join(path.name for path in there)
            are = "is" if len(there) == 1 else "are"
            self.summary.setText(f"{names} {are} there already. Press Replace to write over it.")
            self.export_button.setText("Replace")
            return
        self.accept()

    def _browse(self) -> None:
        dialog = QFileDialog(self, "Export COCO", self.path.text(), "COCO JSON (*.json)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("json")
        dialog.fileSelected.connect(self.take_file)
        dialog.open()

    def take_file(self, name: str) -> None:
        """A file that the file dialog has chosen, and has asked about where it is there."""
        self.path.setText(name)
        self._agreed = (Path(name),)

    def _browse_run(self) -> None:
        from labeler.gui.training_files import runs_folder  # noqa: PLC0415 - only here

        chosen = QFileDialog.getExistingDirectory(self, "The folder of a run", str(runs_folder()))
        if chosen:
            self.run.setText(chosen)
