"""A plugin whose trainers learn nothing, but say, save and resume everything as real ones do.

Copied into a plugin folder by tests. The file `fault` beside it is run after each epoch.
"""

import json
import time
from pathlib import Path

import cv2
import numpy as np

from labeler.api import Plugin
from labeler.core.files import atomic_write
from labeler.core.photos.images import read_pixels
from labeler.core.records import Box, Candidate
from labeler.models.protocols import FileSpec, ModelSpec
from labeler.training.events import Epoch, Sample, Started, Step
from labeler.training.specs import Option, StoppedError, TrainerSpec

FAULT = Path(__file__).parent / "fault"


def train(folder, report, should_stop):
    """As many epochs as are asked for, each as long as is asked for."""
    options = {"epochs": 3, "seconds": 0.0} | folder.spec.options
    last = folder.checkpoints / "last.json"
    done = json.loads(last.read_text())["epoch"] if last.exists() else 0
    for path in (folder.checkpoints, folder.samples):
        path.mkdir(exist_ok=True)
    report(Started("CPU, 1 thread", options["epochs"], done + 1, 1, 1))
    validation = folder.validation_set().images
    for epoch in range(done + 1, options["epochs"] + 1):
        for step in range(1, 5):
            if should_stop():
                raise StoppedError("It was stopped.")
            time.sleep(options["seconds"] / 4)
            report(Step(epoch, step, 4, {"loss": 1 / (epoch + step / 4)}, 10.0, 1 << 20))
        for image in validation:
            name = f"samples/{epoch:03d}-{image.name}.png"
            cv2.imwrite(str(folder.path / name), read_pixels(image.path).rgb[:64, :64])
            report(Sample(epoch, image.name, name))
        atomic_write(last, json.dumps({"epoch": epoch}).encode())
        report(Epoch(epoch, {"loss": 1 / epoch}, {"AP50": 1 - 1 / (epoch + 1)}, best=True, seconds=0.1))
        if FAULT.exists():
            exec(FAULT.read_text(), {"epoch": epoch, "folder": folder})
    path = folder.path / "weights.tiny"
    atomic_write(path, json.dumps({"labels": list(folder.train_set().names)}).encode())
    return path


class Finds:
    """Finds one object in the upper left corner."""

    def __init__(self, label):
        self._label = label

    def detect(self, image, text=None):
        height, width = np.shape(image)[:2]
        return (Candidate(0, 0, 0, 0, Box(0.0, 0.0, width / 2, height / 2), 0.9, self._label),)


def opened(path):
    label = json.loads(path.read_text())["labels"][0]
    return ModelSpec(id=f"tiny-{path.stem}", title=path.stem, task="detector", load=lambda: Finds(label))


OPTIONS = (
    Option("epochs", "Epochs", 3, "How often each image is seen", minimum=1, maximum=100),
    Option("seconds", "Seconds", 0.0, "Of an epoch", minimum=0.0, advanced=True),
    Option("mirror", "Mirror images", True, advanced=True),
    Option("order", "Order", "random", choices=("random", "sorted"), advanced=True),
)
plugin = Plugin(
    api=1,
    name="Tiny",
    version="1",
    trainers=(
        TrainerSpec(
            id="tiny", title="Tiny", task="detector", train=train, options=OPTIONS, metric="AP50", least=2
        ),
    ),
    files=(FileSpec("tiny", "Tiny", (".tiny",), lambda path: path.suffix == ".tiny", opened),),
)
