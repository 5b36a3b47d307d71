"""The one import of a plugin's author: what a plugin is made of, and the records that it gets and gives.

What stands here stays as it is within one `API`; everything else may change from version to version. A plugin
is one module with one name, `plugin`; `docs/adding.md` has a model, a trainer and a format step by step.
"""

from msgspec import Struct

from labeler.core.geometry import bounds, from_bits
from labeler.core.records import (
    Annotation,
    Box,
    Candidate,
    Category,
    Image,
    Mask,
    Polygons,
    Prompt,
    Proposal,
    Shape,
)
from labeler.errors import FormatError, LabelerError, ModelError
from labeler.formats.report import FieldNote
from labeler.formats.spec import Dataset, FormatSpec, Holds, Part, Reading, Source, Target
from labeler.models.protocols import (
    Detector,
    Embedding,
    FileSpec,
    Interrupt,
    InterruptedWorkError,
    ModelSpec,
    Rgb,
    Segmenter,
    SemanticSegmenter,
    Task,
    Weights,
)
from labeler.training.data import LabelledImage, LabelledSet, read_set
from labeler.training.events import Epoch, Note, Report, Sample, ShouldStop, Started, Step
from labeler.training.run import RunFolder
from labeler.training.specs import Option, StoppedError, TrainerSpec, Value, settings

__all__ = [
    "API",
    "Annotation",
    "Box",
    "Candidate",
    "Category",
    "Dataset",
    "Detector",
    "Embedding",
    "Epoch",
    "FieldNote",
    "FileSpec",
    "FormatError",
    "FormatSpec",
    "Holds",
    "Image",
    "Interrupt",
    "InterruptedWorkError",
    "LabelerError",
    "LabelledImage",
    "LabelledSet",
    "Mask",
    "ModelError",
    "ModelSpec",
    "Note",
    "Option",
    "Part",
    "Plugin",
    "Polygons",
    "Prompt",
    "Proposal",
    "Reading",
    "Report",
    "Rgb",
    "RunFolder",
    "Sample",
    "Segmenter",
    "SemanticSegmenter",
    "Shape",
    "ShouldStop",
    "Source",
    "Started",
    "Step",
    "StoppedError",
    "Target",
    "Task",
    "TrainerSpec",
    "Value",
    "Weights",
    "bounds",
    "from_bits",
    "read_set",
    "settings",
]

API = 1
"""The version of the plugin contract."""


class Plugin(Struct, frozen=True):
    """The one name, `plugin`, that a plugin module has."""

    api: int
    name: str
    version: str
    models: tuple[ModelSpec, ...] = ()
    trainers: tuple[TrainerSpec, ...] = ()
    formats: tuple[FormatSpec, ...] = ()
    files: tuple[FileSpec, ...] = ()

    @property
    def offers(self) -> list[str]:
        """The ids of everything it offers; a trainer and the kind of file that it makes may share one."""
        return list(dict.fromkeys(id_ for _, id_ in self.offers_by_kind))

    @property
    def offers_by_kind(self) -> list[tuple[str, str]]:
        """The kind and id of everything it offers: an id is taken among its own kind only."""
        return [
            *(("model", spec.id) for spec in self.models),
            *(("trainer", spec.id) for spec in self.trainers),
            *(("format", spec.id) for spec in self.formats),
            *(("file", spec.id) for spec in self.files),
        ]
