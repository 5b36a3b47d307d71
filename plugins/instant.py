"""A detector that learns within seconds from what the detector that comes along sees; SAM draws its masks."""

from pathlib import Path

from labeler import paths
from labeler.api import Plugin
from labeler.core.records import Candidate
from labeler.errors import ModelError
from labeler.models.detector_eyes import DetectorEyes
from labeler.models.embeddings import EmbeddingCache
from labeler.models.files import catalog, made
from labeler.models.files.made import Made
from labeler.models.files.opener import guarded
from labeler.models.protocols import Portable, Rgb, Segmenter, Weights, verify
from labeler.models.sam import mobile_sam
from labeler.models.ultralytics_home import load_checkpoint
from labeler.registry import discover
from labeler.training.events import Report, ShouldStop
from labeler.training.instant import head as instant_head
from labeler.training.instant import objects
from labeler.training.instant import trainer as instant_trainer
from labeler.training.run import RunFolder
from labeler.training.specs import Option, TrainerSpec, settings


class InstantModel:
    """A trained head, with the detector by whose eyes it sees, and the segmenter that draws."""

    def __init__(self, weights: Weights, _: Made) -> None:
        self._head = instant_head.load(weights.path)
        self._instant = _instant()
        _check_eyes(weights, self._head, self._instant.eyes.fingerprint)

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:  # noqa: ARG002 - it reads none
        """Objects after suppression, best first; nothing of the image is cached."""
        return self._instant.objects_in(self._head, image)

    def detect_file(self, path: Path, image: Rgb) -> tuple[Candidate, ...]:  # noqa: ARG002 - known by its file
        """As `detect`; an image that was seen before is not looked at again."""
        return self._instant.objects(self._head, path)


def _portable(weights: Weights, _: Made) -> Portable:
    """The head and the detector as one network, with MobileSAM where that draws what they find."""
    from labeler.training.instant.exported_head import EXAMPLE, OUTPUTS, exported  # noqa: PLC0415  # heavy

    head = instant_head.load(weights.path)
    if head.config.alike:
        raise ModelError(
            "What finds look-alikes stays in the app: label three images or more, and export what is learnt."
        )
    _check_eyes(weights, head, DetectorEyes().fingerprint)
    shipped = _detector()
    masks = mobile_sam.portable().beside if head.config.masks else {}
    return Portable(
        module=exported(guarded(shipped.name, lambda: load_checkpoint(shipped)), head),
        example=EXAMPLE,
        outputs=OUTPUTS,
        free={2: "height", 3: "width"},
        runner="run_instant.py",
        classes=head.names,
        settings={**objects.settings(masks=head.config.masks), "learnt": []},
        beside=masks,
    )


def _detector() -> Path:
    """The checkpoint whose export the eyes are."""
    entry = catalog.entry(catalog.DEFAULT_DETECTOR)
    folder = catalog.shipped_folder(entry)
    if folder is None:
        raise ModelError(
            "The detector that comes with Labeler is missing; install Labeler again to restore it."
        )
    verify(Weights(folder / entry.file, entry.sha256))
    return folder / entry.file


def _check_eyes(weights: Weights, head: instant_head.Head, eyes: str) -> None:
    if head.config.eyes != eyes:
        raise ModelError(
            f"“{weights.path.name}” was trained with another version of YOLO11n; train it again."
        )


def _instant() -> instant_trainer.Instant:
    return instant_trainer.Instant(EmbeddingCache(paths.cache_dir() / "embeddings"), _segmenter)


def _segmenter() -> tuple[Segmenter, str]:
    spec = discover(safe_mode=True).model("mobilesam")
    segmenter = spec.load()
    if not isinstance(segmenter, Segmenter):
        raise ModelError(
            "The embedded MobileSAM is no promptable model; install Labeler again to restore it."
        )
    return segmenter, spec.fingerprint


def _train(folder: RunFolder, report: Report, should_stop: ShouldStop) -> Path:
    steps = int(settings(_TRAINER, folder.spec.options)["steps"])
    return instant_trainer.train(folder, _instant(), steps=steps, report=report, should_stop=should_stop)


_TRAINER = TrainerSpec(
    id=instant_head.ID,
    title="Instant",
    task="detector",
    train=_train,
    summary="Learns within seconds on any computer, from a few images; one object is enough for look-alikes.",
    least=1,
    metric="AP50",
    options=(
        Option(
            "steps",
            "Steps at most",
            240,
            "Fewer are taken where little is labelled; more pay with many objects. 0: look-alikes only.",
            minimum=0,
            maximum=20_000,
        ),
    ),
)

plugin = Plugin(
    api=1,
    name="Instant",
    version="1.0",
    trainers=(_TRAINER,),
    files=(
        made.kind(
            "instant",
            "Instant head by Labeler",
            maker=instant_head.ID,
            task="detector",
            load=InstantModel,
            portable=_portable,
        ),
    ),
)
