"""The labelled photos beside the checkout, as runs of the instant trainer."""

import json
import os
import shutil
from pathlib import Path

from labeler import paths
from labeler.models.embeddings import EmbeddingCache
from labeler.models.protocols import Segmenter
from labeler.registry import discover
from labeler.training.data import LabelledImage, LabelledSet, read_set
from labeler.training.instant.trainer import Instant
from labeler.training.run import RunFolder, RunSpec


def read(folder: Path) -> LabelledSet:
    """A data set, its images by name."""
    found = read_set(folder / "annotations.json", folder / "images")
    return LabelledSet(found.categories, tuple(sorted(found.images, key=lambda image: image.name)))


def instant() -> Instant:
    """The embedded models with the cache of the home in force."""

    def segmenter() -> tuple[Segmenter, str]:
        spec = discover(safe_mode=True).model("mobilesam")
        return spec.load(), spec.fingerprint

    return Instant(EmbeddingCache(paths.cache_dir() / "embeddings"), segmenter)


def run_of(
    data: Path, path: Path, learnt: list[LabelledImage], validation: list[LabelledImage], seed: int = 0
) -> RunFolder:
    """A run whose parts are these images of the data set in `data`."""
    folder = RunFolder.create(path, RunSpec("instant", path.name, seed=seed))
    folder.images.mkdir()
    whole = json.loads((data / "annotations.json").read_bytes())
    for images, labels in ((learnt, folder.train_labels), (validation, folder.validation_labels)):
        ids = {image.id for image in images}
        part = {
            "categories": whole["categories"],
            "images": [one for one in whole["images"] if one["id"] in ids],
            "annotations": [one for one in whole["annotations"] if one["image_id"] in ids],
        }
        labels.write_text(json.dumps(part))
        for image in images:
            _copied(image.path, folder.images / image.name)
    return folder


def _copied(source: Path, target: Path) -> None:
    if not target.exists():
        try:
            os.link(source, target)
        except OSError:  # another disk
            shutil.copy(source, target)
