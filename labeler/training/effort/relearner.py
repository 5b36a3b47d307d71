"""A model that is trained anew on what was labelled so far, as the window's "Learn while I label" does it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from labeler.core.files import atomic_write
from labeler.core.records import Annotation, Category, Image
from labeler.errors import LabelerError
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.spec import Dataset
from labeler.models.protocols import ModelSpec
from labeler.training.disk import unwritable
from labeler.training.events import unheard
from labeler.training.preparation import prepare
from labeler.training.run import RunFolder, RunSpec
from labeler.training.specs import TrainerSpec, settings


class LabelledPhoto(Struct, frozen=True, eq=False):
    """An image with all that is on it."""

    image: Image
    """Its size is that of the photo as displayed."""
    path: Path
    annotations: tuple[Annotation, ...]


class Relearner:
    """Trains in folders below `folder`, a run each time; `open_file` opens what comes out."""

    def __init__(
        self,
        trainer: TrainerSpec,
        categories: Sequence[Category],
        folder: Path,
        open_file: Callable[[Path], ModelSpec],
        *,
        seed: int = 0,
    ) -> None:
        self.title = trainer.title
        self.least = trainer.least
        """Images with objects that it needs."""
        self._trainer = trainer
        self._categories = tuple(categories)
        self._folder = folder
        self._open_file = open_file
        self._seed = seed

    def learnt(self, photos: Sequence[LabelledPhoto]) -> ModelSpec:
        """The model trained on these images, of which none is held out.

        Raises LabelerError with one sentence where they are too few, or the training fails.
        """
        spec = RunSpec(
            trainer=self._trainer.id,
            name=f"{self._trainer.title} after {len(photos)} {'image' if len(photos) == 1 else 'images'}",
            options=settings(self._trainer, {}),
            seed=self._seed,
            validation_share=0.0,
            register=False,
        )
        run = RunFolder.create(self._folder / f"after-{len(photos)}", spec)
        images = tuple(
            replace(photo.image, path=str(photo.path.absolute()), file_id=None, extra=b"") for photo in photos
        )
        annotations = tuple(one for photo in photos for one in photo.annotations)
        data, _ = write_coco(Dataset(images, self._categories, annotations), source=spec.name)
        try:
            atomic_write(run.source, data)
        except OSError as error:
            raise unwritable(run.source, error) from error
        prepare(run, unheard, _never, needs_masks=self._trainer.needs_masks, least=self._trainer.least)
        try:
            return self._open_file(self._trainer.train(run, unheard, _never))
        except LabelerError:
            raise
        except Exception as error:  # a plugin may raise anything
            raise LabelerError(
                f"The trainer “{self._trainer.id}” failed ({type(error).__name__}: {error})."
            ) from error


def _never() -> bool:
    return False
