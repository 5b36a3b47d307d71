"""The trainings of the project: a list whose chosen rows are shown, and what can be done with them."""

import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QItemSelectionModel, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QMessageBox,
    QPushButton,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labeler.gui.toolkit import theme
from labeler.gui.toolkit.cards import EmptyState, tool_button
from labeler.gui.toolkit.rows import Mark, Row, RowsModel, RowsView
from labeler.gui.toolkit.words import ago, counted
from labeler.gui.training.desk import TrainingDesk
from labeler.gui.training.model_exports import FORMS
from labeler.models.protocols import Form
from labeler.project.runs import Run, RunState, is_ours

_WORDS: dict[RunState, str] = {
    "running": "training",
    "stopped": "stopped",
    "interrupted": "was cut off",
    "failed": "failed",
    "finished": "",
}
RESUMABLE: frozenset[RunState] = frozenset({"stopped", "interrupted", "failed"})


class RunsModel(RowsModel):
    """Run ids, each shown with its name, its state and its main figure."""

    def __init__(self, desk: TrainingDesk, parent: QWidget) -> None:
        super().__init__(parent)
        self._desk = desk

    def row(self, item_id: int) -> Row:
        """The row of a run."""
        run = self._desk.list.find(item_id)
        if run is None:
            return Row("")
        metric = self._desk.metric_of(run)
        value = run.metrics.get(metric)
        mark, color = _mark(run.state)
        when = time.strftime("%d %b %Y %H:%M", time.localtime(run.started))
        figures = ", ".join(f"{name} {number:.3f}" for name, number in run.metrics.items())
        told = (
            run.name,
            f"{self._desk.trainer_title(run.trainer)}, {counted(run.images, 'image')}, {when}",
            _WORDS[run.state],
            figures,
            run.folder,
        )
        old = ago(max(time.time() - run.started, 0.0))
        return Row(
            run.name,
            quiet=_WORDS[run.state] or ("just now" if old == "now" else f"{old} ago"),
            # named and in one colour: trainers are chosen by different measures, which do not compare
            right=f"{metric} {value:.2f}" if value is not None else "",
            mark=mark,
            mark_color=color,
            tooltip="\n".join(part for part in told if part),
            strong=run.state == "running",
        )


def _mark(state: RunState) -> tuple[Mark, str]:
    colors = theme.colors()
    marks: dict[RunState, tuple[Mark, str]] = {
        "running": ("dot", colors.accent),
        "finished": ("check", colors.good),
        "failed": ("alert", colors.bad),
        "stopped": ("ring", colors.quiet),
        "interrupted": ("ring", colors.middling),
    }
    return marks[state]


class RunsList(QWidget):
    """The runs, newest first; several may be chosen to be compared."""

    chosen = Signal()
    """Other runs are chosen."""

    def __init__(self, desk: TrainingDesk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._model = RunsModel(desk, self)
        self.view = RowsView("Trainings", self)
        self.view.setModel(self._model)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.selectionModel().selectionChanged.connect(self._on_selection)
        self._empty = EmptyState("Trainings of this project are listed here.", parent=self)
        self.resume = QPushButton("Resume", self)
        self.resume.setToolTip("Go on from where it was last saved")
        self.resume.clicked.connect(lambda: self.each(self._desk.resume))
        self.compare = QPushButton("Compare", self)
        self.compare.setToolTip("Show the curves of this run and the one before it over each other")
        self.compare.clicked.connect(self._compare)
        self.again = tool_button("replay", "Train again with these settings and the labels as they are", self)
        self.again.clicked.connect(lambda: self.each(self._desk.again))
        self.export = tool_button("export-variant", "Export the run's model for other programs", self)
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.export.setMenu(self._export_menu())
        self.folder = tool_button("folder-open-outline", "Open the run's folder", self)
        self.folder.clicked.connect(lambda: self.each(self._open_folder))
        self.delete = tool_button("trash-can-outline", "Delete the run and its folder…", self)
        self.delete.clicked.connect(self.ask_to_delete)
        self._lay_out()
        desk.changed.connect(self.refresh)
        self.refresh()

    @property
    def ids(self) -> list[int]:
        """The chosen runs, in the order of the list."""
        rows = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        return [self._model.ids[row] for row in rows if row < len(self._model.ids)]

    @property
    def runs(self) -> list[Run]:
        """The chosen runs themselves."""
        return [run for run in map(self._desk.list.find, self.ids) if run is not None]

    def choose(self, run_ids: list[int]) -> None:
        """Choose these, and no other."""
        selection = self.view.selectionModel()
        selection.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for run_id in run_ids:
            if run_id in self._model.positions:
                index = self._model.index(self._model.positions[run_id], 0)
                selection.select(index, flags)
                selection.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)

    def refresh(self) -> None:
        """The list as it is now; what was chosen stays so, and where nothing is, the newest run is."""
        kept = self.ids
        ids = [run.id for run in self._desk.list.runs]
        fresh = [run_id for run_id in ids if run_id not in self._model.positions]
        live = self._desk.live
        self._model.set_ids(ids)
        self._stack.setCurrentIndex(int(not ids))
        wanted = [run_id for run_id in kept if run_id in ids]
        if live is not None and live.id in fresh:
            wanted = [live.id]
        if sorted(wanted or ids[:1]) != sorted(self.ids):
            self.choose(wanted or ids[:1])
        self._show_buttons()

    def _show_buttons(self) -> None:
        runs, busy = self.runs, self._desk.is_busy
        one = runs[0] if len(runs) == 1 else None
        live = self._desk.live
        self._bar.setVisible(bool(self._desk.list.runs))
        self.resume.setVisible(one is not None and one.state in RESUMABLE)
        self.resume.setEnabled(not busy)
        self.compare.setVisible(len(self._desk.list.runs) > 1 and not self.resume.isVisibleTo(self))
        self.compare.setEnabled(one is not None)
        self.again.setEnabled(one is not None and not busy)
        self.export.setEnabled(one is not None and self._desk.exports.can(one))
        self.folder.setEnabled(one is not None)
        self.delete.setEnabled(any(live is None or run.id != live.id for run in runs))

    def _on_selection(self) -> None:
        self._show_buttons()
        self.chosen.emit()

    def each(self, work: Callable[[int], None]) -> None:
        """Do something with the first of the chosen runs."""
        for run_id in self.ids[:1]:
            work(run_id)

    def _compare(self) -> None:
        """The chosen run and the next older one, or for the oldest the next newer one."""
        (here,) = self.ids
        place = self._model.positions[here]
        other = place + 1 if place + 1 < len(self._model.ids) else place - 1
        self.choose([here, self._model.ids[other]])

    def _open_folder(self, run_id: int) -> None:
        run = self._desk.list.find(run_id)
        # what a project names is opened only where it is a folder of ours: another one could be a program
        if run is not None and is_ours(Path(run.folder)):
            QDesktopServices.openUrl(QUrl.fromLocalFile(run.folder))

    def _export_menu(self) -> QMenu:
        """The forms in which a model can leave."""
        menu = QMenu(self)
        for form, title in FORMS.items():
            menu.addAction(f"{title}…").triggered.connect(lambda _=False, form=form: self.ask_to_export(form))
        return menu

    def ask_to_export(self, form: Form) -> None:
        """Ask where the model of the chosen run goes; a new folder is made there."""
        runs = self.runs[:1]
        if not runs:
            return
        dialog = QFileDialog(self, f"Export “{runs[0].name}” into a folder")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda name: self._desk.exports.start(runs[0], form, Path(name)))
        dialog.open()

    def ask_to_delete(self) -> None:
        """Delete the chosen runs, if the person means it."""
        live = self._desk.live
        runs = [run for run in self.runs if live is None or run.id != live.id]
        if not runs:
            return
        what = f"“{runs[0].name}”" if len(runs) == 1 else counted(len(runs), "run")
        box = QMessageBox(
            QMessageBox.Icon.Question,
            "Delete runs" if len(runs) > 1 else "Delete the run",
            f"Delete {what} with checkpoints, curves and copies of images?",
            QMessageBox.StandardButton.Cancel,
            self,
        )
        box.setInformativeText("Models made by it stay; remove those under Model, Models.")
        confirm = box.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
        confirm.clicked.connect(lambda: self._desk.list.delete([run.id for run in runs]))
        box.open()

    def _lay_out(self) -> None:
        lists = QWidget(self)
        self._stack = QStackedLayout(lists)
        self._stack.addWidget(self.view)
        self._stack.addWidget(self._empty)
        self._bar = QWidget(self)
        bar = QHBoxLayout(self._bar)
        bar.setContentsMargins(0, 0, 0, 0)
        bar.setSpacing(4)
        bar.addWidget(self.resume)
        bar.addWidget(self.compare)
        bar.addStretch(1)
        for button in (self.again, self.export, self.folder, self.delete):
            bar.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(lists, 1)
        column.addWidget(self._bar)
