"""A run's model leaves the app from the window: made in a child, told in a sentence."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from labeler.gui.children.client import Limits
from labeler.gui.children.task_client import TaskClient
from labeler.models.protocols import Form
from labeler.project.runs import Run, is_ours
from labeler.wire.job_protocol import ExportSpec

FORMS: dict[Form, str] = {"onnx": "ONNX", "torchscript": "TorchScript", "openvino": "OpenVINO"}
"""What a person calls the forms in which a model can leave (`models.portable.FORMS`)."""


class ModelExports(QObject):
    """One export at a time. All methods return at once."""

    changed = Signal()
    """One has begun or ended."""
    told = Signal(str)
    """What became of it, in a sentence."""

    def __init__(self, parent: QObject | None = None, *, limits: Limits | None = None) -> None:
        super().__init__(parent)
        self.client = TaskClient(self, limits=limits)
        self._out = Path()
        self.client.done.connect(lambda: self._end(f"The model is in {self._out}."))
        self.client.stopped.connect(lambda: self._end(""))
        self.client.failed.connect(self._end)
        self.client.lost.connect(lambda sentence: self._end(f"{sentence} Export it again."))

    @property
    def is_busy(self) -> bool:
        """Whether an export is going on."""
        return self.client.is_running

    def can(self, run: Run) -> bool:
        """Whether a run has a model that could leave now: a project names folders, and only ours is read."""
        return run.state == "finished" and not self.is_busy and is_ours(Path(run.folder))

    def start(self, run: Run, form: Form, place: Path) -> None:
        """Write a run's model into a new folder in `place`, called as the run and the form are."""
        if not self.can(run):
            return
        self._out = _free(place, f"{run.name} {FORMS[form]}".replace("/", "-").replace("\\", "-"))
        self.client.start(ExportSpec(run.folder, form, str(self._out)), title="The export")
        self.told.emit(f"{run.name} is exported to {self._out}…")
        self.changed.emit()

    def close(self) -> None:
        """Have an export that is under way end; it leaves nothing."""
        self.client.drop()

    def _end(self, sentence: str) -> None:
        if sentence:
            self.told.emit(sentence)
        self.changed.emit()


def _free(place: Path, name: str) -> Path:
    """A folder in `place` that is not there yet."""
    number, found = 1, place / name
    while found.exists():
        number += 1
        found = place / f"{name} {number}"
    return found
