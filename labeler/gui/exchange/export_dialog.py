"""Where, in which format and how the labels are written."""
# ruff: noqa: PTH110, PTH112, PTH113 - at a name that is too long `Path` raises, these say no

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
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
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from labeler.core.records import Image
from labeler.errors import FormatError
from labeler.formats.door import format_to_write
from labeler.formats.write_options import Writing
from labeler.gui.exchange.target_choice import BOXES, HOLES, MASKS, TargetChoice, effects
from labeler.gui.session.session import Session
from labeler.gui.toolkit.cards import Choice
from labeler.gui.toolkit.settings import ExportHabits
from labeler.gui.toolkit.words import counted
from labeler.project.runs import runs_folder
from labeler.training.labels_out import Order, among_photos, expected_files, is_project_name, said_there

_PARTS = [
    ("Not split", ""),
    ("Train and val, by share", "share"),
    ("As the images came, by folders or lists", "folders"),
    ("As a run was trained", "run"),
]


_MARGIN, _SPACING = 16, 12
_TITLE_BAR = 32
"""What the frame of a window may take of the screen."""
_LOWEST = 480
_BESIDE_BAR = 8


class ExportDialog(QDialog):
    """Asks for the file, which images, and how shapes are written; `order` has the answer."""

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, habits: ExportHabits | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._chosen: Path | None = None
        self._agreed: frozenset[Path] = frozenset()
        self.setWindowTitle("Export labels")
        self.setMinimumWidth(560)
        name = f"{session.root.name or 'labels'}-coco.json"
        folder = session.project.parent if session.project is not None else session.root
        self.path = QLineEdit(str(folder / name), self)
        self.path.setAccessibleName("File to write")
        self.target = TargetChoice(session, self)
        self.run = QLineEdit(self, placeholderText="The run's folder")
        self.run.setAccessibleName("Folder of the run")
        self.images = Choice("Images to write", [("All images", False), ("Only reviewed images", True)], self)
        self.parts = Choice("Files", _PARTS, self)
        self.share = QSpinBox(self, minimum=1, maximum=99, suffix=" % of the images to val")
        self.share.setAccessibleName("Share of val")
        self.boxes = Choice("How boxes are written", BOXES, self)
        self.masks = Choice("How masks are written", MASKS, self)
        self.holes = Choice("How holes are written", HOLES, self)
        self.tolerance = QDoubleSpinBox(self, maximum=100.0, singleStep=0.5, decimals=1, suffix=" px")
        self.tolerance.setSpecialValueText("Exact")
        self.tolerance.setAccessibleName("How far polygons of masks may stray")
        for spin in (self.share, self.tolerance):
            spin.setObjectName("plain")
        self.clip = QCheckBox("Shapes end at the border of their image", self)
        self.as_read = QCheckBox("What nobody touched stays letter by letter as it was imported", self)
        self.summary, self.effects, self.losses = _words(self), _words(self), _words(self)
        self._make_shapes_row()
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel, self)
        self.export_button = self._buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.export_button.setDefault(True)
        self._buttons.accepted.connect(self._export)
        self._buttons.rejected.connect(self.reject)
        self._arrange()
        self._show_habits(habits or ExportHabits())
        self._listen()
        self._refresh()

    def _make_shapes_row(self) -> None:
        """One line for whom the default is right, which are most; the choices open below it."""
        self.shapes = QLabel(self)
        self.change_button = QPushButton("Change…", self)
        self.change_button.setToolTip("Choose how boxes, masks and holes are written")
        self.change_button.clicked.connect(self.open_choices)
        self.standard_button = QPushButton("Back to the default", self)
        self.standard_button.setToolTip("Write shapes as most programs read them")
        self.standard_button.clicked.connect(lambda: self._show_writing(Writing()))
        self._shapes_row = QWidget(self)
        inside = QHBoxLayout(self._shapes_row)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.shapes, 1)
        for button in (self.change_button, self.standard_button):
            button.setAutoDefault(False)
            inside.addWidget(button)

    def _arrange(self) -> None:
        self._form = form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._run_row = self._with_button(self.run, self._browse_run)
        self._path_row = self._with_button(self.path, self._browse)
        rows: Sequence[tuple[str, QWidget]] = (
            ("Forma&t", self.target.format),
            ("Fil&e", self._path_row),
            ("&Images", self.images),
            ("&Categories", self.target.categories),
            ("&Photos", self.target.photos),
            ("", self.target.straighten),
            ("Sp&lit", self.parts),
            ("&Share", self.share),
            ("&Run", self._run_row),
            ("Shapes", self._shapes_row),
            ("&Boxes", self.boxes),
            ("&Masks", self.masks),
            ("&Holes", self.holes),
            ("Simpli&fy masks", self.tolerance),
            ("", self.clip),
            ("", self.as_read),
            ("", self.effects),
            ("Losses", self.losses),
        )
        for text, widget in rows:
            form.addRow(text, widget)
        self._order_tabs()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        layout.setSpacing(_SPACING)
        self._rows = QWidget()
        self._rows.setLayout(form)
        form.setContentsMargins(0, 0, 0, 0)
        self._scroll = QScrollArea(self, widgetResizable=True)
        self._scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(self._rows)
        layout.addWidget(self._scroll, 1)
        layout.addWidget(self.summary)
        layout.addWidget(self._buttons)

    def _order_tabs(self) -> None:
        """By Tab as by the eye, from row to row; what is open first is where the name can be changed."""
        stops = [
            self.target.format,
            *_stops(self._path_row, self.path),
            self.images,
            self.target.categories,
            self.target.photos,
            self.target.straighten,
            self.parts,
            self.share,
            *_stops(self._run_row, self.run),
            self.change_button,
            self.standard_button,
            self.boxes,
            self.masks,
            self.holes,
            self.tolerance,
            self.clip,
            self.as_read,
            *self._buttons.buttons(),
        ]
        for before, after in pairwise(stops):
            self.setTabOrder(before, after)
        self.path.setFocus()

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
        self.target.changed.connect(self._change_target)
        self.target.foreseen.connect(self._show_losses)

    def _show_habits(self, habits: ExportHabits) -> None:
        self.target.show_habits(habits)
        self.path.setText(str(self.target.named(Path(self.path.text()))))
        self.images.choose(habits.reviewed_only)
        self.parts.choose(habits.parts)
        self.share.setValue(round(habits.share * 100))
        self._show_writing(habits.writing)
        self._set_choices_open(habits.writing != Writing())

    def open_choices(self) -> None:
        """Show how each kind of shape is written."""
        self._set_choices_open(True)
        self._refresh()
        (self.masks if self.boxes.isHidden() else self.boxes).setFocus()

    def _set_choices_open(self, is_open: bool) -> None:
        for row in (self.boxes, self.masks, self.holes, self.tolerance, self.clip, self.as_read):
            self._form.setRowVisible(row, is_open)
        self.change_button.setVisible(not is_open)

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
            writing,
            bool(self.images.currentData()),
            self.parts.currentData(),
            self.share.value() / 100,
            self.target.format.currentData(),
            self.target.photos.currentData(),
            self.target.straighten.isChecked(),
        )

    def order(self) -> Order:
        """What is to be written where."""
        habits = self.habits()
        return Order(
            out=Path(self.path.text().strip()).expanduser(),
            format=habits.format,
            photos=habits.photos,
            straighten=habits.straighten,
            categories=self.target.chosen_categories(),
            writing=habits.writing,
            reviewed_only=habits.reviewed_only,
            parts=habits.parts,
            share=habits.share,
            run=Path(self.run.text().strip()).expanduser() if habits.parts == "run" else None,
            over=self._agreed,
        )

    def _change_target(self) -> None:
        """Another format has another ending, and a data set none."""
        self.path.setText(str(self.target.named(Path(self.path.text().strip()))))
        self._refresh()

    def _show_losses(self, words: str) -> None:
        self.losses.setText(words)
        self._form.setRowVisible(self.losses, bool(words))
        self._fit()

    def _refresh(self) -> None:
        self._agreed = frozenset()
        order = self.order()
        is_coco = self.target.spec is None
        label = self._form.labelForField(self._path_row)
        if isinstance(label, QLabel):
            label.setText("Fold&er" if self.target.is_folder else "Fil&e")
        self._form.setRowVisible(self.target.straighten, order.photos != "left")
        for row in (self.boxes, self.as_read):
            self._form.setRowVisible(row, is_coco and self.change_button.isHidden())
        self._form.setRowVisible(self.effects, is_coco)
        self.target.foresee(order)
        self._form.setRowVisible(self.share, order.parts == "share")
        self._form.setRowVisible(self._run_row, order.parts == "run")
        is_default = order.writing == Writing()
        self.standard_button.setVisible(not is_default)
        self.shapes.setText("As most programs read them" if is_default else "As chosen below")
        self.effects.setText(effects(order.writing))
        trouble = self._trouble(order)
        self.export_button.setEnabled(not trouble)
        self.export_button.setToolTip(trouble)
        self.export_button.setText("Export")
        self.summary.setText(trouble or f"Writes {self._counts(order)}. {self._left_out(order)}")
        self._fit()

    def _fit(self) -> None:
        """As tall as the words need at this width, but not over the window's edges: then the rows scroll."""
        if not self.isVisible():
            return
        self._form.activate()
        inner = self.width() - 2 * _MARGIN
        rows = self._form.totalHeightForWidth(inner)
        rest = self.summary.heightForWidth(inner) + self._buttons.sizeHint().height()
        height = rows + rest + 2 * _MARGIN + 2 * _SPACING
        most = self._tallest()
        self._rows.setContentsMargins(0, 0, _BESIDE_BAR if height > most else 0, 0)
        self.resize(self.width(), min(height, most))

    def _tallest(self) -> int:
        """How tall it may be: as the window that it belongs to, if that is not tiny, and as the screen."""
        window = self.parentWidget()
        room = self.screen().availableGeometry().height() - _TITLE_BAR
        return min(room, max(window.window().height() - _TITLE_BAR, _LOWEST)) if window else room

    def showEvent(self, event: QShowEvent) -> None:
        """From the first."""
        super().showEvent(event)
        self._fit()

    def _images(self, order: Order) -> list[Image]:
        return [one for one in self._session.document.images if one.reviewed or not order.reviewed_only]

    def _left_out(self, order: Order) -> str:
        """What stays behind."""
        told = "Predictions nobody accepted and the history stay here."
        if order.photos == "left":
            told = f"Photos are not copied, only named. {told}"
        if out := len(self._session.document.images) - len(self._images(order)):
            are = "image is" if out == 1 else "images are"
            told = f"{out:,} {are} left out, not being reviewed. {told}"
        return told

    def _counts(self, order: Order) -> str:
        images = self._images(order)
        objects = sum(sum(self._session.document.counts(image.id).values()) for image in images)
        categories = counted(len(self._session.document.categories), "category", "categories")
        return f"{counted(len(images), 'image')}, {counted(objects, 'object')}, {categories}"

    def _trouble(self, order: Order) -> str:
        """Why nothing can be written there, or ""."""
        if not self.path.text().strip():
            return "Choose a file to write to."
        out = order.out
        is_run = order.run is not None and os.path.isfile(order.run / "run.json")
        found = (
            (
                os.path.isdir(out) and not self.target.is_folder,
                f"{_short(out)} is a folder: add a file name.",
            ),
            (
                os.path.isfile(out) and self.target.is_folder,
                f"{_short(out)} is a file, but a data set is a folder: give it another name.",
            ),
            (bool(among := among_photos(order, self._session.root)), among),
            (order.categories == frozenset(), "Choose at least one category."),
            (not os.path.isdir(out.parent), f"The folder {_short(out.parent)} does not exist."),
            (is_project_name(out), f"{_short(Path(out.name))} is the name of a project: end it in .json."),
            (bool(ending := _ending_trouble(order)), ending),
            (order.parts == "run" and not is_run, "Choose the folder of a run: it has a file run.json."),
            (
                order.reviewed_only and not self._images(order),
                "No image is marked as reviewed: choose all images, or mark some (Ctrl+Enter).",
            ),
        )
        return next((sentence for holds, sentence in found if holds), "")

    def _export(self) -> None:
        """Accept; where files are there already, at the second press, which is on a button that says so."""
        order = self.order()
        there = frozenset(path for path in expected_files(order, self._images(order)) if os.path.exists(path))
        if self.export_button.text() != "Replace" and there - {self._chosen}:
            names = said_there([Path(_short(Path(path.name))) for path in sorted(there)])
            it = "it" if len(there) == 1 else "them"
            self.summary.setText(f"{names}. Press Replace to write over {it}.")
            self.export_button.setText("Replace")
            self._agreed = there
            self._fit()
            return
        # what came while the question stood was not agreed to: `deliver` refuses to write over it
        self._agreed = self._agreed or there
        self.accept()

    def _browse(self) -> None:
        dialog = QFileDialog(self, "Export labels", self.path.text())
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        if self.target.is_folder:
            dialog.setFileMode(QFileDialog.FileMode.Directory)
        else:
            dialog.setDefaultSuffix(self.target.spec.suffixes[0][1:] if self.target.spec else "json")
        dialog.fileSelected.connect(self.take_file)
        dialog.open()

    def take_file(self, name: str) -> None:
        """A file that the file dialog has chosen, and has asked about where it is there."""
        self._chosen = Path(name)
        self.path.setText(name)

    def _browse_run(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "The folder of a run", str(runs_folder()))
        if chosen:
            self.run.setText(chosen)


def _stops(row: QWidget, line: QLineEdit) -> list[QWidget]:
    """A line and the button beside it."""
    return [line, *row.findChildren(QPushButton)]


def _words(parent: QWidget) -> QLabel:
    """Words that wrap, and that make nothing wider."""
    label = QLabel(parent, wordWrap=True)
    label.setObjectName("quiet")
    policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    policy.setHeightForWidth(True)
    label.setSizePolicy(policy)
    return label


def _ending_trouble(order: Order) -> str:
    """Why a file of that ending cannot be written, or ""."""
    try:
        format_to_write(order.out, order.format)
    except FormatError as error:
        return str(error)
    return ""


def _short(path: Path) -> str:
    """A path of which the end fits into a line."""
    text = str(path)
    return text if len(text) <= _LINE else f"…{text[1 - _LINE :]}"


_LINE = 56
