"""Labels files taken into the window: which folder they are of, what is asked, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from labeler.gui.exchange.importer import Doubt, Few, Importer
from labeler.gui.session.session import Session
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.gui.toolkit.notify import Notifier
from labeler.gui.toolkit.words import counted

if TYPE_CHECKING:
    from labeler.formats.coco.coco_reading import Area
    from labeler.formats.coco.frames import Choice
    from labeler.formats.report import Report

KEY, FOUND = "import", "found-labels"
"""Of the messages that an import is under way, and that there is one to be had; what came of one has no key,
so that the next leaves it."""


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
        self._queue: list[Path] = []
        self._path = Path()
        self._images: Path | None = None
        self._frame: Choice = "auto"
        self._model = ""
        self.question: QMessageBox | None = None
        """What was asked last, or is to be asked once the hand is off the photo."""
        self._is_held = False
        self._unasked: QMessageBox | None = None
        self.importer = Importer(session, self)
        self.importer.finished.connect(self._tell)
        self.importer.failed.connect(self._tell_failure)
        self.importer.finished.connect(self._take_next)
        self.importer.failed.connect(self._take_next)
        self.importer.few_found.connect(self._ask_where)
        self.importer.frame_unclear.connect(self._ask_frame)
        self.importer.ids_unclear.connect(self._ask_whose)
        session.project_changed.connect(self._take_waiting)

    @property
    def is_waiting(self) -> bool:
        """Whether labels come in once their folder is open."""
        return self._waiting is not None

    def open_with(self, path: Path) -> None:
        """With nothing open: find the folder that the labels' images are in, open it, and take them in."""

        def find() -> tuple[Path, Path]:
            from labeler.formats.coco.coco_file import open_document  # noqa: PLC0415
            from labeler.formats.coco.image_names import file_names  # noqa: PLC0415
            from labeler.formats.door import labels_of  # noqa: PLC0415
            from labeler.formats.folder_layouts import layout_of  # noqa: PLC0415

            labels = labels_of(path)
            return labels, layout_of(labels, file_names(open_document(labels))).folder.root

        def found(labels_and_folder: tuple[Path, Path]) -> None:
            self._waiting = labels_and_folder
            self._open_folder(labels_and_folder[1])

        run_in_pool(
            find,
            courier=self._courier,
            done=found,
            failed=lambda error: self._tell_failure(str(error)),
        )

    def take(
        self,
        path: Path,
        *,
        images: Path | None = None,
        asking: bool = True,
        frame: Choice = "auto",
        area: Area = "shape",
    ) -> None:
        """Take a labels file into the open project; `asking` where its images are if few are found."""
        from labeler.formats.exchange import Importing  # noqa: PLC0415

        if self._begin(path):
            self._images, self._frame = images, frame
            source = Importing(path, images=images, frame=frame, area=area)
            self.importer.labels(source, asking=asking and images is None)

    def take_found(self, folder: Path, *, unpacked: bool = False) -> None:
        """Take in the labels that a folder of photos comes with: files of its photos at once, as one step.

        A file that lies beside the photos and stands for itself, as COCO's, is only offered, unless the
        folder was `unpacked` for it.
        """
        project = self._session.project

        def find() -> tuple[Path, ...]:
            from labeler.formats.door import labels_in  # noqa: PLC0415

            return labels_in(folder)

        def found(labels: tuple[Path, ...]) -> None:
            if self._session.project != project or not labels:
                return
            if labels == (folder,) or unpacked:
                self.take_all(labels)
                return
            names = labels[0].name if len(labels) == 1 else f"{labels[0].name} and {len(labels) - 1} more"
            self._notifier.info(
                f"Labels lie beside the photos: {names}.",
                action="Import",
                run=lambda: self.take_all(labels) if self._session.project == project else None,
                key=FOUND,
            )

        run_aside(
            find,
            courier=self._courier,
            done=found,
            failed=lambda error: self._notifier.error(str(error), key=FOUND),
            name="labels",
        )

    def take_all(self, labels: Sequence[Path]) -> None:
        """Take labels in one after another."""
        first, *self._queue = labels
        self.take(first)

    def _take_next(self, _: object) -> None:
        if self._queue and not self.importer.is_busy:
            self.take(self._queue.pop(0))

    def take_results(self, path: Path, model: str, *, of: Path | None = None) -> None:
        """Take a results file in as the candidates of a model, its ids being those of the file `of`."""
        from labeler.formats.exchange import ImportingResults  # noqa: PLC0415

        if self._begin(path):
            self._model = model
            self.importer.results(ImportingResults(path, model=model, of=of))

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
        self._queue.clear()
        self.importer.cancel()
        self._notifier.take_back(KEY)
        self._notifier.info(f"{self._path.name} was not imported.")

    def _take_waiting(self) -> None:
        self._queue.clear()
        if self._waiting is None or self._session.project is None:
            return
        (path, folder), self._waiting = self._waiting, None
        if self._session.root.resolve() == folder.resolve():
            self.take(path)

    def _ask(self, box: QMessageBox) -> None:
        """Have it answered; a question about one project is none in another, and goes with it."""
        self.question = box
        self._session.project_changed.connect(box.reject)
        if not self._is_held:
            box.open()
            return
        self._unasked = box
        box.finished.connect(self._drop_unasked)

    def _drop_unasked(self) -> None:
        self._unasked = None

    def hold(self, is_held: bool) -> None:
        """Whether something is dragged: a question would end that, so it waits for the end of it."""
        self._is_held = is_held
        if not is_held:
            # what was dragged is settled first
            QTimer.singleShot(0, self, self._ask_now)

    def _ask_now(self) -> None:
        if self._unasked is not None and not self._is_held:
            box, self._unasked = self._unasked, None
            box.open()

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
        self._ask(box)

    def _choose(self, few: Few, path: Path) -> None:
        chosen = QFileDialog.getExistingDirectory(
            self._window, f"Folder of the images of {path.name}", str(few.layout.folder.root)
        )
        if chosen:
            self.take(path, images=Path(chosen))

    def _ask_frame(self, doubt: Doubt) -> None:
        """Nothing says whether the labels of turned photos turn with them: a person sees it, so ask."""
        path, images = self._path, self._images
        self._notifier.take_back(KEY)
        many = "1 photo is" if doubt.photos == 1 else f"{doubt.photos:,} photos are"
        box = QMessageBox(self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("Turned photos")
        box.setText(f"{many} shown turned, as EXIF says. Are the labels of {path.name} to be turned too?")
        box.setInformativeText(
            "The file does not say whether it was made on the photos as they are shown or as they are "
            "stored. Where the labels then lie beside the objects, undo the import and choose the other."
        )
        turn = box.addButton("Turn the labels", QMessageBox.ButtonRole.AcceptRole)
        leave = box.addButton("Leave them", QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(leave)
        turn.clicked.connect(lambda: self.take(path, images=images, asking=False, frame="turn"))
        leave.clicked.connect(doubt.go_on)
        self._ask(box)

    def _ask_whose(self, sentence: str) -> None:
        """The ids of results may be those of two labels files: ask for the one, never take the first."""
        path, model = self._path, self._model
        self._notifier.take_back(KEY)
        box = QMessageBox(self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("Whose ids are these?")
        box.setText(sentence)
        choose = box.addButton("Choose the labels file…", QMessageBox.ButtonRole.AcceptRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(choose)
        choose.clicked.connect(lambda: self._choose_labels(path, model))
        self._ask(box)

    def _choose_labels(self, path: Path, model: str) -> None:
        chosen, _ = QFileDialog.getOpenFileName(
            self._window, f"Labels file whose ids {path.name} has", str(path.parent), "COCO JSON (*.json)"
        )
        if chosen:
            self.take_results(path, model, of=Path(chosen))

    def _tell(self, report: Report) -> None:
        is_last = not self.importer.is_busy
        if is_last:  # the report of an overtaken file comes while the next one is read
            self._notifier.take_back(KEY)
        path, images, frame, project = self._path, self._images, self._frame, self._session.project

        def keep_areas() -> None:
            if self._session.project == project:  # its report may still be read when another one is open
                self.take(path, images=images, asking=False, frame=frame, area="file")

        said = _said(report)
        tell = self._notifier.error if report.refused or report.missing else self._notifier.info
        if report.items:
            keep = keep_areas if is_last else None
            tell(said, action="Reasons…", run=lambda: self.show(report, keep))
        else:
            tell(said)

    def _tell_failure(self, sentence: str) -> None:
        self._notifier.take_back(KEY)
        self._notifier.error(sentence)

    def show(self, report: Report, keep_areas: Callable[[], None] | None = None) -> None:
        """The report with its reasons, in a window of its own, which may ask to `keep_areas` of the file."""
        from labeler.gui.exchange.report_dialog import ImportReportDialog  # noqa: PLC0415

        dialog = ImportReportDialog(report, self._window)
        dialog.areas_button.setEnabled(keep_areas is not None)
        if keep_areas is not None:
            dialog.areas_wanted.connect(keep_areas)
        dialog.open()


def _said(report: Report) -> str:
    """What came in, and as what the file was read; the counts of all verdicts where not all is as it was."""
    name = f"{report.source} ({report.format})" if report.format else report.source
    tallies = report.tallies
    all_taken = all(tally.taken == tally.total for tally in tallies.values())
    if all_taken and {"images", "annotations", "categories"} <= tallies.keys():
        objects = counted(tallies["annotations"].total, "object")
        images = counted(tallies["images"].total, "image")
        categories = counted(tallies["categories"].total, "category", "categories")
        return f"{name}: {objects} on {images} came in, {categories}."
    return f"{name}: {'; '.join(row.strip() for row in report.summary().splitlines()[1:])}"
