"""A localizer: which category an image shows, and in which box. For images of one object at most."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from labeler.api import Plugin
from labeler.core.records import Candidate
from labeler.models import devices
from labeler.models.files import made
from labeler.models.files.made import Made
from labeler.models.files.opener import guarded
from labeler.models.files.pickles import load_state_dict, tensor_shapes
from labeler.models.protocols import Portable, Rgb, Weights
from labeler.training import options
from labeler.training.events import Report, ShouldStop
from labeler.training.run import RunFolder
from labeler.training.specs import Option, TrainerSpec, settings
from labeler.training.start_weights import starting_file

_ID = "localizer"
_SIGN = ("features.12.0.weight", (576, 96, 1, 1))
"""A tensor of MobileNetV3-Small that no other model of torchvision has, and its shape."""


class _Config(Struct):
    side: int


class LocalizerModel:
    """A trained localizer, on the GPU where there is one."""

    def __init__(self, weights: Weights, file: Made) -> None:
        from labeler.training import localizer  # noqa: PLC0415  # heavy: in a child only

        self._library = localizer
        self._names = file.categories
        self._side = file.config_as(_Config).side
        self.device = devices.chosen()

        self._network = _network(weights, len(self._names)).to(self.device)

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:  # noqa: ARG002
        """One candidate: its confidence is the probability of its category."""
        small = self._library.tensor(self._library.seen(image, self._side))
        with devices.inference():
            logits, boxes = self._network(small[None].to(self.device))
        size = image.shape[0], image.shape[1]
        return tuple(self._library.decoded(logits, boxes, [size], self._names))


def _network(weights: Weights, categories: int) -> Any:
    """The network of a file, on the CPU."""
    from labeler.training import localizer  # noqa: PLC0415  # heavy: in a child only

    def built() -> Any:
        network = localizer.Localizer(categories)
        network.load_state_dict(load_state_dict(weights.path))
        return network.eval().requires_grad_(requires_grad=False)

    return guarded(weights.path.name, built)


def _portable(weights: Weights, file: Made) -> Portable:
    from labeler.training import localizer  # noqa: PLC0415  # heavy: in a child only

    side = file.config_as(_Config).side
    return Portable(
        module=localizer.portable_network(_network(weights, len(file.categories)), side),
        example=np.zeros((1, 3, side, side), dtype=np.float32),
        outputs=("logits", "boxes"),
        runner="run_localizer.py",
        classes=file.categories,
        settings={"side": side},
    )


def _train(folder: RunFolder, report: Report, should_stop: ShouldStop) -> Path:
    from labeler.training import localizer  # noqa: PLC0415  # heavy: in a child only

    chosen: dict[str, Any] = settings(_TRAINER, folder.spec.options)
    start = starting_file(
        chosen["weights"], fits=_is_backbone, kind="a file of torchvision's MobileNetV3-Small"
    )
    plan = msgspec.convert(chosen | {"weights": start}, localizer.LocalizerPlan)
    return localizer.train(folder, plan, report, should_stop)


def _is_backbone(path: Path) -> bool:
    name, shape = _SIGN
    return tensor_shapes(path).get(name) == shape


_TRAINER = TrainerSpec(
    id=_ID,
    title="Localizer",
    task="detector",
    train=_train,
    summary="Says which category an image shows and where, for images of one object each.",
    metric="IoU",
    options=(
        options.epochs(60),
        options.batch(16, minimum=2),
        Option(
            "lambda",
            "Lambda",
            5.0,
            "How much the box counts: total = class loss + lambda x Smooth L1 of the box.",
            minimum=0.0,
            maximum=1000.0,
        ),
        options.size(160, about="Width and height that images are scaled to.", minimum=32, maximum=1024),
        options.start_from(
            "A file of torchvision's MobileNetV3-Small; none for one at hand, else for nothing.",
            advanced=True,
        ),
        options.patience(20),
        options.rate(1e-3),
    ),
)

plugin = Plugin(
    api=1,
    name="Localizer",
    version="1.0",
    trainers=(_TRAINER,),
    files=(
        made.kind(
            _ID, "localizer trained here", maker=_ID, task="detector", load=LocalizerModel, portable=_portable
        ),
    ),
)
