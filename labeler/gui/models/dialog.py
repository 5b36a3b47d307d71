"""The models there are and those that can be had: use, download, import, remove."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from labeler.errors import LabelerError
from labeler.gui.models.downloads import Downloads, Pace
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import Choice, ElidedLabel
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.toolkit.timing import timer
from labeler.gui.toolkit.words import counted
from labeler.models.files import weights
from labeler.models.files.model_list import ListedModel, megabytes, model_list

if TYPE_CHECKING:
    from labeler.models.protocols import ModelSpec
    from labeler.registry import Registry

_TASKS = (("All models", ""), ("Detectors", "detector"), ("Segmenters", "segmenter"))
_SURE_MS = 4000
"""How long the second click that removes a file may take."""


class ModelsDialog(QDialog):
    """A list of models in two parts: those that can be used at once, and those to be downloaded."""

    use = Signal(object)
    """The `ModelSpec` that a person wants to work with."""
    changed = Signal()
    """Files of weights have come or gone."""

    def __init__(
        self,
        registry: "Registry",
        parent: QWidget | None = None,
        *,
        downloads: Downloads | None = None,
        in_use: Collection[str] = (),
    ) -> None:
        """`downloads` go on after the dialog is closed; without it, it has its own, which end with it.

        `in_use`: the ids of the models that are in use.
        """
        super().__init__(parent)
        self._registry = registry
        self._in_use = in_use
        self._courier = Courier(self)
        self._downloads = downloads or Downloads(self)
        self._troubles: dict[str, str] = {}
        """One sentence for each entry whose download failed, as long as the dialog is open."""
        self._listed: tuple[ListedModel, ...] = ()
        self.rows: dict[str, ModelRow] = {}
        self.setWindowTitle("Models")
        self.resize(720, 620)
        self._build()
        self._downloads.progressed.connect(self._show_pace)
        self._downloads.finished.connect(self._take_download)
        self._downloads.failed.connect(self._take_failure)
        if downloads is None:
            self.finished.connect(self._downloads.stop)
        self.reload()

    def _build(self) -> None:
        self.task = Choice("Which models are shown", _TASKS, self)
        self.task.setFixedWidth(160)
        self.task.currentIndexChanged.connect(self._fill)
        self.import_button = QPushButton("Import file…", self)
        self.import_button.setAutoDefault(False)
        kinds = "\n".join(self._registry.files)
        self.import_button.setToolTip(f"Take in weights of your own; they are copied, never run:\n{kinds}")
        self.import_button.clicked.connect(self._browse)
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.task)
        top.addStretch(1)
        top.addWidget(self.import_button)
        self._scroll = QScrollArea(self)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.viewport().setAutoFillBackground(False)
        self.message = QLabel(self, wordWrap=True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.message.hide()
        where = ElidedLabel(f"Weights are kept in {weights.folder()}", self)
        where.setObjectName("quiet")
        where.setAccessibleName("Folder of weights")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(where, 1)
        foot.addWidget(buttons)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(12)
        column.addLayout(top)
        column.addWidget(self._scroll, 1)
        column.addWidget(self.message)
        column.addLayout(foot)

    def reload(self) -> None:
        """Look again at what is there; the rows follow."""
        registry = self._registry
        run_in_pool(
            lambda: model_list(registry.models, kinds=registry.kinds, open_file=registry.open_file),
            courier=self._courier,
            done=self._take_list,
            failed=self._say_error,
        )

    def _take_list(self, listed: tuple[ListedModel, ...]) -> None:
        before, self._listed = self._listed, listed
        if [_look(one) for one in before] != [_look(one) for one in listed]:
            self._fill()

    def changeEvent(self, event: QEvent) -> None:
        """Look again when the person comes back, who may have put a file into the folder by hand."""
        if event.type() == QEvent.Type.ActivationChange and self.isActiveWindow() and self._listed:
            self.reload()
        super().changeEvent(event)

    def _fill(self) -> None:
        """Make the rows anew, at the same place of the list."""
        at = self._scroll.verticalScrollBar().value()
        task = self.task.currentData()
        shown = [one for one in self._listed if not task or one.task in (task, "")]
        here = [one for one in shown if one.state != "available"]
        there = [one for one in shown if one.state == "available"]
        self.rows = {}
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 8, 0)
        column.setSpacing(8)
        for heading, models in (("Ready to use", here), ("To be downloaded", there)):
            if models:
                column.addWidget(theme.heading_label(heading))
                column.addWidget(self._section(models))
                column.addSpacing(8)
        column.addStretch(1)
        self._scroll.setWidget(content)
        self._scroll.verticalScrollBar().setValue(at)

    def _section(self, models: Iterable[ListedModel]) -> QFrame:
        frame = QFrame(self)
        frame.setObjectName("card")
        column = QVBoxLayout(frame)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(4)
        for model in models:
            row = ModelRow(model, in_use=model.id in self._in_use, parent=frame)
            row.download_wanted.connect(self._download)
            row.cancel_wanted.connect(self._downloads.cancel)
            row.use_wanted.connect(self._use)
            row.remove_wanted.connect(self._remove)
            row.show_trouble(self._troubles.get(model.id, ""))
            if model.id in self._downloads.running:
                row.show_pace(self._downloads.pace(model.id))
            self.rows[model.id] = row
            column.addWidget(row)
        return frame

    def _download(self, model: ListedModel) -> None:
        if model.entry is None:
            return
        self._troubles.pop(model.id, None)
        self.rows[model.id].show_trouble("")
        self._downloads.start(model.entry)
        self.rows[model.id].show_pace(None)

    def _show_pace(self, entry_id: str) -> None:
        if row := self.rows.get(entry_id):
            row.show_pace(self._downloads.pace(entry_id))

    def _take_download(self, _entry_id: str, path: Path) -> None:
        self._say(f"{path.name} is here.")
        self.changed.emit()
        self.reload()

    def _take_failure(self, entry_id: str, sentence: str) -> None:
        self._troubles[entry_id] = sentence
        if row := self.rows.get(entry_id):
            row.show_idle()
            row.show_trouble(sentence)

    def _use(self, model: ListedModel) -> None:
        if model.spec is not None:
            self._give(model.spec)
        elif model.path is not None:
            path, registry = model.path, self._registry
            run_in_pool(
                lambda: registry.open_file(weights.verified(path).path),
                courier=self._courier,
                done=self._give,
                failed=self._say_error,
            )

    def _give(self, spec: "ModelSpec") -> None:
        self.use.emit(spec)
        self.accept()

    def _remove(self, model: ListedModel) -> None:
        if model.path is None:
            return
        try:
            weights.remove(model.path)
        except LabelerError as error:
            self._say_error(error)
            return
        self._say(f"{model.path.name} is removed.")
        self.changed.emit()
        self.reload()

    def _browse(self) -> None:
        kinds = " ".join(f"*{suffix}" for suffix in weights.SUFFIXES)
        dialog = QFileDialog(self, "Import weights", "", f"Weights ({kinds});;All files (*)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda name: self.import_file(Path(name)))
        dialog.open()

    def import_file(self, path: Path) -> None:
        """Take in a person's file, on a thread, since it is copied."""
        registry = self._registry
        self.import_button.setEnabled(False)
        self._say(f"{path.name} is being copied…")
        run_in_pool(
            lambda: weights.import_file(path, open_file=registry.open_file),
            courier=self._courier,
            done=self._take_import,
            failed=self._refuse_import,
        )

    def _take_import(self, taken: weights.Installed) -> None:
        self.import_button.setEnabled(True)
        self._say(f"{taken.path.name} is here, {megabytes(taken.size)}.")
        self.changed.emit()
        self.reload()

    def _refuse_import(self, error: Exception) -> None:
        self.import_button.setEnabled(True)
        self._say_error(error)

    def _say(self, text: str) -> None:
        self.message.setStyleSheet("")
        self.message.setText(text)
        self.message.show()

    def _say_error(self, error: Exception) -> None:
        known = isinstance(error, LabelerError)
        self._say(str(error) if known else f"The models cannot be read: {error}.")
        self.message.setStyleSheet(f"color: {theme.colors().bad}")


class ModelRow(QWidget):
    """One model: what it is, and what can be done with it."""

    download_wanted = Signal(object)
    cancel_wanted = Signal(str)
    use_wanted = Signal(object)
    remove_wanted = Signal(object)

    def __init__(self, model: ListedModel, *, in_use: bool, parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model
        self.name = ElidedLabel(model.title, self, mode=Qt.TextElideMode.ElideMiddle)
        self.name.setFont(theme.ui_font(13, weight=theme.DEMIBOLD))
        facts = (model.task, model.licence, model.origin, model.about)
        self.facts = ElidedLabel(" · ".join(fact for fact in facts if fact), self)
        self.facts.setObjectName("quiet")
        size = QLabel(megabytes(model.size) if model.size else "", self)
        size.setObjectName("quiet")
        size.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        size.setFixedWidth(72)
        self._make_buttons(in_use=in_use)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.name)
        words.addWidget(self.facts)
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addLayout(words, 1)
        top.addWidget(size)
        for button in (self.use_button, self.remove_button, self.download_button, self.cancel_button):
            top.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 4)
        column.setSpacing(4)
        column.addLayout(top)
        column.addWidget(self._make_progress())
        column.addWidget(self._make_trouble())
        self.setAccessibleName(f"{model.title}, {model.state}")
        self.show_idle()

    def _make_buttons(self, *, in_use: bool) -> None:
        self.use_button = self._button("In use" if in_use else "Use", "Work with")
        self.use_button.setEnabled(not in_use)
        self.use_button.clicked.connect(lambda: self.use_wanted.emit(self._model))
        self.remove_button = self._button("Remove", "Delete the file of")
        self.remove_button.clicked.connect(self._remove)
        self._unsure = timer(self, lambda: self.remove_button.setText("Remove"), milliseconds=_SURE_MS)
        self.download_button = self._button("Download", "Download")
        self.download_button.clicked.connect(lambda: self.download_wanted.emit(self._model))
        self.cancel_button = self._button("Cancel", "Call off the download of")
        self.cancel_button.clicked.connect(lambda: self.cancel_wanted.emit(self._model.id))

    def _button(self, text: str, what: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setAutoDefault(False)
        button.setAccessibleName(f"{what} {self._model.title}")
        return button

    def _make_progress(self) -> QWidget:
        self._progress = QWidget(self)
        self.bar = QProgressBar(self._progress)
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1000)
        self.pace = QLabel(self._progress)
        self.pace.setObjectName("quiet")
        row = QHBoxLayout(self._progress)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addWidget(self.bar, 1)
        row.addWidget(self.pace)
        return self._progress

    def _make_trouble(self) -> QWidget:
        self._trouble = QWidget(self)
        self.trouble = QLabel(self._trouble, wordWrap=True)
        self.trouble.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.copy_button = self._button("Copy address", "Copy the address of")
        self.copy_button.clicked.connect(self._copy)
        row = QHBoxLayout(self._trouble)
        row.setContentsMargins(0, 0, 0, 4)
        row.setSpacing(8)
        row.addWidget(self.trouble, 1)
        row.addWidget(self.copy_button, 0, Qt.AlignmentFlag.AlignTop)
        return self._trouble

    def show_idle(self) -> None:
        """Nothing goes on: show what can be done."""
        model = self._model
        self.use_button.setVisible(model.state != "available" and model.task not in ("text encoder", ""))
        self.remove_button.setVisible(model.path is not None and model.state != "shipped")
        self.download_button.setVisible(model.state == "available")
        self.cancel_button.hide()
        self._progress.hide()

    def show_pace(self, pace: Pace | None) -> None:
        """It is being downloaded, or waits for it."""
        self.download_button.hide()
        self.cancel_button.show()
        self._progress.show()
        self.bar.setValue(round(1000 * pace.done / pace.total) if pace is not None and pace.total else 0)
        self.pace.setText("waiting…" if pace is None else _words(pace))

    def show_trouble(self, sentence: str) -> None:
        """Why the download failed, with the address to fetch by hand; "" for nothing."""
        self._trouble.setVisible(bool(sentence))
        self.trouble.setText(sentence)
        self.trouble.setStyleSheet(f"color: {theme.colors().bad}")

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "trouble"):
            self.trouble.setStyleSheet(f"color: {theme.colors().bad}")
        super().changeEvent(event)

    def _remove(self) -> None:
        if self._unsure.isActive():
            self.remove_wanted.emit(self._model)
        else:
            self.remove_button.setText("Really?")
            self._unsure.start()

    def _copy(self) -> None:
        if self._model.entry is not None:
            QGuiApplication.clipboard().setText(self._model.entry.url)


def _look(model: ListedModel) -> tuple[str, str, int]:
    """What a row shows of a model that may change."""
    return model.id, model.state, model.size


def _words(pace: Pace) -> str:
    """How far it is and how long it takes on."""
    words = f"{megabytes(pace.done)} of {megabytes(pace.total)}"
    left = pace.seconds_left
    if left is None:
        return words
    if left < 90:
        return f"{words}, {left:.0f} s left"
    return f"{words}, {counted(round(left / 60), 'minute')} left"
