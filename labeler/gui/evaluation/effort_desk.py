"""What models would save a person on the project's own images: asked for here, worked out in a child."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from msgspec.structs import replace
from PySide6.QtCore import QObject, Signal

from labeler.core.files import atomic_write
from labeler.core.records import Annotation, Category, Image
from labeler.errors import FormatError
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.spec import Dataset
from labeler.gui.children.task_client import TaskClient
from labeler.gui.evaluation.files import Material, read_material
from labeler.gui.session.image_scan import ImageScan
from labeler.gui.session.session import Session
from labeler.gui.toolkit.courier import Courier, run_in_pool
from labeler.training.disk import remedy
from labeler.wire.job_protocol import EffortSpec

USUAL = 25
"""Images that are enough to see what models save, and done in minutes."""


class EffortDesk(QObject):
    """Has the reviewed images labelled once more, one study at a time. All methods return at once."""

    changed = Signal()
    """How far it is, or what came out."""
    found = Signal()
    """A study has come to its end, and `answer` is what it found."""
    failed = Signal(str)
    """One sentence: the study could not be made."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._courier = Courier(self)
        self._scan: ImageScan[Material | None] = ImageScan(session, self)
        self._folder: TemporaryDirectory[str] | None = None
        self.task = TaskClient(self)
        self.task.advanced.connect(self._take_progress)
        self.task.done.connect(self._load)
        self.task.failed.connect(self._fail)
        self.task.lost.connect(lambda sentence: self._fail(f"{sentence} Ask again."))
        self.progress = (0, 0)
        """Images that are labelled once more, of how many; (0, 0) before the first one is begun."""
        self.answer: dict[str, Any] | None = None
        """What `labeler effort --json` would print of them."""
        session.project_changed.connect(self._take_project)

    @property
    def is_running(self) -> bool:
        """Whether a study is under way."""
        return self._folder is not None

    def images(self) -> list[int]:
        """Ids of the images that it may be asked of: those that are reviewed and have objects."""
        document = self._session.document
        return [
            image.id
            for image in document.images
            if image.reviewed and any(document.counts(image.id).values())
        ]

    def start(self, limit: int) -> None:
        """Begin with at most `limit` of the images, drawn by chance; gives up the study before."""
        self.stop()
        images = self.images()
        if not images:
            self.failed.emit("No reviewed image has objects yet; label some, and mark them as reviewed.")
            return
        folder = self._folder = TemporaryDirectory(prefix="labeler-effort-", ignore_cleanup_errors=True)
        read: list[Material | None] = []
        categories = tuple(self._session.document.categories.values())
        root = self._session.root
        self._scan.start(
            images,
            lambda store, image_id: read_material(store, image_id, ()),
            took=read.extend,
            done=lambda: self._write(folder, read, categories, root, limit),
        )
        self.changed.emit()

    def stop(self) -> None:
        """Give up the study that is under way; what the last one found stays."""
        self._scan.stop()
        self.task.drop()
        folder, self._folder = self._folder, None
        self.progress = (0, 0)
        if folder is not None:
            folder.cleanup()
            self.changed.emit()

    def close(self) -> None:
        """Have what is under way end: the window goes away."""
        self.stop()

    def _write(
        self,
        folder: "TemporaryDirectory[str]",
        materials: Sequence[Material | None],
        categories: tuple[Category, ...],
        root: Path,
        limit: int,
    ) -> None:
        spec = EffortSpec(
            str(Path(folder.name) / "labels.json"), str(root), str(Path(folder.name) / "effort.json"), limit
        )

        def begin(_: None) -> None:
            if folder is self._folder:
                self.task.start(spec, title="The study")

        def fail(error: Exception) -> None:
            if folder is self._folder:
                self._fail(str(error))

        run_in_pool(
            lambda: _write_labels(Path(spec.labels), [one for one in materials if one], categories),
            courier=self._courier,
            done=begin,
            failed=fail,
        )

    def _take_progress(self, done: int, total: int) -> None:
        self.progress = (done, total)
        self.changed.emit()

    def _load(self) -> None:
        folder = self._folder
        if folder is None:
            return

        def take(answer: dict[str, Any]) -> None:
            if folder is self._folder:
                self.answer = answer
                self.stop()
                self.found.emit()

        def fail(error: Exception) -> None:
            if folder is self._folder:
                self._fail(f"What was found could not be read ({error}). Ask again.")

        run_in_pool(
            lambda: msgspec.json.decode(Path(folder.name, "effort.json").read_bytes(), type=dict[str, Any]),
            courier=self._courier,
            done=take,
            failed=fail,
        )

    def _fail(self, sentence: str) -> None:
        self.stop()
        self.failed.emit(sentence)

    def _take_project(self) -> None:
        self.stop()
        self.answer = None
        self.changed.emit()


def _write_labels(path: Path, materials: Sequence[Material], categories: tuple[Category, ...]) -> None:
    """The labels as COCO, with paths as the project has them.

    Raises FormatError where there is none any more, or the disk refuses.
    """

    def plain(record: Image | Category) -> Any:
        return replace(record, file_id=None, extra=b"")

    def bare(one: Annotation) -> Annotation:
        return replace(one, file_id=None, extra=b"", attributes={}, shape=replace(one.shape, origin=b""))

    known = {one.id for one in categories}
    dataset = Dataset(
        images=tuple(plain(one.image) for one in materials),
        categories=tuple(map(plain, categories)),
        annotations=tuple(
            bare(one) for material in materials for one in material.annotations if one.category_id in known
        ),
    )
    if not dataset.annotations:
        raise FormatError("No object is left on the reviewed images; label some, and ask again.")
    data, _ = write_coco(dataset)
    try:
        atomic_write(path, data)
    except OSError as error:
        said = f"{path.parent} cannot be written to ({error.strerror})"
        raise FormatError(f"{said}: {remedy(error)}, and ask again.") from error
