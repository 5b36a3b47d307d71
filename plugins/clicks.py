"""MobileSAM's decoder, taught by what a person outlined: the same model, better at one's own objects."""

from pathlib import Path

from labeler import paths
from labeler.api import Plugin
from labeler.models.embedder import Embedder
from labeler.models.embeddings import EmbeddingCache, as_kept
from labeler.models.protocols import Embedding
from labeler.models.sam import clicks_file
from labeler.models.sam.mobile_sam import SPEC, MobileSam
from labeler.training.clicks import trainer as clicks_trainer
from labeler.training.events import Report, ShouldStop
from labeler.training.run import RunFolder
from labeler.training.specs import Option, TrainerSpec, settings


def _train(folder: RunFolder, report: Report, should_stop: ShouldStop) -> Path:
    cache = EmbeddingCache(paths.cache_dir() / "embeddings")
    embedder = Embedder(MobileSam(), SPEC.fingerprint, cache)

    def embed(path: Path) -> Embedding:
        embedded = embedder.embed(path, keep=False)
        embedded.store()
        return as_kept(embedded.embedding)

    steps = int(settings(_TRAINER, folder.spec.options)["steps"])
    return clicks_trainer.train(folder, embed, steps=steps, report=report, should_stop=should_stop)


_TRAINER = TrainerSpec(
    id=clicks_file.MAKER,
    title="Clicks",
    task="segmenter",
    train=_train,
    summary="Teaches the SAM tool by what you outlined; used only where it does better on objects held out.",
    needs_masks=True,
    metric="IoU 1 click",
    options=(
        Option(
            "steps", "Steps", 160, "More take longer, and pay with many objects.", minimum=20, maximum=20_000
        ),
    ),
)

plugin = Plugin(
    api=1,
    name="Clicks",
    version="1.0",
    trainers=(_TRAINER,),
    files=(clicks_file.file_spec(),),
)
