"""Labels files taken into the window: which folder they are of, what is asked, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from labeler.gui.courier import Courier, run_in_pool
from labeler.gui.importing import Few, Importer
from labeler.gui.notify import Notifier
from labeler.gui.session import Session

if TYPE_CHECKING:
    from labeler.formats.report import Report

KEY = "import"
"""Of the message that an import is under way; what came of one has no key, so that the next leaves it."""


class LabelsDesk(QObject):
    """Imports labels and results, and shows their report; formats are only loaded once there is a file."""

    def __init__(
        self,
        session: Session,
        notifier: Notifier,
        window: QWidget,
        *,
        open_folder: Callable[[Path], None],
    ) -> None:
        super().__init__(window)
        self._session = session
        self._notifier = notifier
        self._window = window
        self._open_folder = open_folder
        self._courier = Courier(self)
        self._waiting: tuple[Path, Path] | None = None
        self._path = Path()
        self.question: QMessageBox | None = None
        """What was asked last."""
        self.importer = Importer(session, self)
        self.importer.finished.connect(self._tell)
        self.importer.failed.connect(self._tell_failure)
        self.importer.few_found.connect(self._ask_where)
        session.project_changed.connect(self._take_waiting)

    def open_with(self, path: Path) -> None:
        """With nothing open: find the folder that the file's images are in, open it, and take the file in."""

        def find() -> Path:
            from labeler.formats.coco import file_names  # noqa: PLC0415
            from labeler.formats.coco_file import open_document  # noqa: PLC0415
            from labeler.formats.layouts import layout_of  # noqa: PLC0415

            return layout_of(path, file_names(open_document(path))).folder.root

        def found(folder: Path) -> None:
            self._waiting = path, folder
            self._open_folder(folder)

        run_in_pool(
            find,
            courier=self._courier,
            done=found,
            failed=lambda error: self._tell_failure(str(error)),
        )

    def take(self, path: Path, *, images: Path | None = None) -> None:
        """Take a labels file into the open project."""
        from labeler.formats.exchange import Importing  # noqa: PLC0415

        if self._begin(path):
            self.importer.labels(Importing(path, images=images), asking=images is None)

    def take_results(self, path: Path, model: str) -> None:
        """Take a results file in as the candidates of a model."""
        from labeler.formats.exchange import ImportingResults  # noqa: PLC0415

        if self._begin(path):
            self.importer.results(ImportingResults(path, model=model))

    def _begin(self, path: Path) -> bool:
        if self._session.project is None:
            sentence = f"{path.name} needs images to belong to. Open their folder first, then import it."
            self._tell_failure(sentence)
            return False
        if self._session.read_only:
            self._tell_failure(f"Nothing was imported. {self._session.read_only}")
            return False
        self._path = path
        self._notifier.info(f"Importing {path.name}…", action="Cancel", run=self.cancel, key=KEY)
        return True

    def cancel(self) -> None:
        """Stop the import that is running; nothing of it was written."""
        self.importer.cancel()
        self._notifier.take_back(KEY)
        self._notifier.info(f"{self._path.name} was not imported.")

    def _take_waiting(self) -> None:
        if self._waiting is None or self._session.project is None:
            return
        (path, folder), self._waiting = self._waiting, None
        if self._session.root.resolve() == folder.resolve():
            self.take(path)

    def _ask_where(self, few: Few) -> None:
        """Few of the images are there: ask where they are, or go on without them."""
        layout, path = few.layout, self._path
        self._notifier.take_back(KEY)
        box = QMessageBox(self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("Where are the images?")
        box.setText(
            f"{layout.found} of {layout.total} images of {path.name} were found in {layout.folder.root}."
        )
        box.setInformativeText("Where are the images?")
        choose = box.addButton("Choose their folder…", QMessageBox.ButtonRole.AcceptRole)
        without = box.addButton("Import without them", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(choose)
        choose.clicked.connect(lambda: self._choose(few, path))
        without.clicked.connect(few.go_on)
        self.question = box
        box.open()

    def _choose(self, few: Few, path: Path) -> None:
        chosen = QFileDialog.getExistingDirectory(
            self._window, f"Folder of the images of {path.name}", str(few.layout.folder.root)
        )
        if chosen:
            self.take(path, images=Path(chosen))

    def _tell(self, report: Report) -> None:
        if not self.importer.is_busy:  # the report of an overtaken file comes while the next one is read
            self._notifier.take_back(KEY)
        rows = "; ".join(row.strip() for row in report.summary().splitlines()[1:])
        tell = self._notifier.error if report.refused or report.missing else self._notifier.info
        if report.items:
            tell(f"{report.source}: {rows}", action="Reasons…", run=lambda: self.show(report))
        else:
            tell(f"{report.source}: {rows}")

    def _tell_failure(self, sentence: str) -> None:
        self._notifier.take_back(KEY)
        self._notifier.error(sentence)

    def show(self, report: Report) -> None:
        """The report with its reasons, in a window of its own."""
        from labeler.gui.dialogs.import_report import ImportReportDialog  # noqa: PLC0415

        ImportReportDialog(report, self._window).open()
