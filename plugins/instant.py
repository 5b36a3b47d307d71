"""A detector that learns within seconds from the embeddings that the embedded MobileSAM has made already."""

from pathlib import Path

from labeler import paths
from labeler.api import Plugin
from labeler.core.records import Candidate
from labeler.errors import ModelError
from labeler.models.embedder import Embedder
from labeler.models.embeddings import EmbeddingCache
from labeler.models.files import made
from labeler.models.files.made import Made
from labeler.models.protocols import Rgb, Segmenter, Weights
from labeler.registry import discover
from labeler.training.events import Report, ShouldStop
from labeler.training.instant import head as instant_head
from labeler.training.instant import trainer as instant_trainer
from labeler.training.instant.objects import objects
from labeler.training.run import RunFolder
from labeler.training.specs import Option, TrainerSpec, settings


class InstantModel:
    """A trained head, with the segmenter whose embeddings it reads and whose masks it hands on."""

    def __init__(self, weights: Weights, _: Made) -> None:
        self._head = instant_head.load(weights.path)
        self._instant = _instant()
        if self._head.config.embeddings != self._instant.fingerprint:
            raise ModelError(
                f"“{weights.path.name}” was trained with another version of MobileSAM; train it again."
            )

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:  # noqa: ARG002 - it reads none
        """Objects with their masks, after suppression, best first; the image is encoded."""
        return objects(self._head, self._instant.segmenter, self._instant.segmenter.embed(image))

    def detect_file(self, path: Path, image: Rgb) -> tuple[Candidate, ...]:  # noqa: ARG002 - known by its file
        """As `detect`; an image that was opened before is not encoded again."""
        return self._instant.objects(self._head, path)


def _instant() -> instant_trainer.Instant:
    spec = discover(safe_mode=True).model("mobilesam")
    segmenter = spec.load()
    if not isinstance(segmenter, Segmenter):
        raise ModelError(
            "The embedded MobileSAM is no promptable model; install Labeler again to restore it."
        )
    cache = EmbeddingCache(paths.cache_dir() / "embeddings")
    return instant_trainer.Instant(segmenter, Embedder(segmenter, spec.fingerprint, cache), spec.fingerprint)


def _train(folder: RunFolder, report: Report, should_stop: ShouldStop) -> Path:
    steps = int(settings(_TRAINER, folder.spec.options)["steps"])
    return instant_trainer.train(folder, _instant(), steps=steps, report=report, should_stop=should_stop)


_TRAINER = TrainerSpec(
    id=instant_head.ID,
    title="Instant",
    task="detector",
    train=_train,
    summary="Learns within seconds on any computer, from a few images that the SAM tool has seen.",
    metric="AP50",
    options=(
        Option(
            "steps", "Steps", 240, "More take longer, and pay with many images.", minimum=20, maximum=20_000
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
        ),
    ),
)
