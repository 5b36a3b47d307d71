"""A trained network as a model: what every pixel of an image is, and which objects are on it.

Imports torch, so it is for a training or model process only.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.records import Candidate
from labeler.errors import ModelError
from labeler.models import devices
from labeler.models.files import made, safetensors_file
from labeler.models.files.made import Made
from labeler.models.input_pixels import blended, candidates
from labeler.models.protocols import Rgb
from labeler.training.unet.network import Architecture, Segmenting, build

MAKER = "unet"
"""What its files say that they are of."""


class Recipe(Struct, frozen=True):
    """What a file of weights says of its model, besides its categories."""

    architecture: Architecture
    tile: int
    """Longest side in pixels of what goes through the network at once."""
    whole: bool = False
    """Whether an image is scaled to fit into one tile; else it is cut into tiles at its own size."""
    seams: bool = False
    """Whether it was taught to leave a line between touching objects."""
    least: int = 1
    """Pixels of the smallest object that is worth reporting."""


class PixelModel:
    """A semantic segmenter whose objects are candidates as well."""

    def __init__(self, module: Segmenting, recipe: Recipe, names: Sequence[str]) -> None:
        self.module = module
        self.recipe = recipe
        self.names = tuple(names)

    def label(self, image: Rgb) -> NDArray[np.float32]:
        """Probabilities (1 + C, H, W) float32, adding up to 1: of the background, then of the categories.

        Raises MemoryError where the device has too little.
        """
        height, width = image.shape[:2]
        tile = self.recipe.tile
        if not self.recipe.whole or max(height, width) <= tile:
            multiple = self.recipe.architecture.multiple
            return blended(image, self._run, tile=tile, overlap=tile // 4, multiple=multiple)
        small = cv2.resize(image, scaled_size(width, height, tile), interpolation=cv2.INTER_AREA)
        planes = [cv2.resize(plane, (width, height)) for plane in self._run(small)]
        return np.stack(planes)

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:  # noqa: ARG002
        """The connected components of each category as masks; confidence is their mean probability."""
        return self.found(self.label(image))

    def found(self, probabilities: NDArray[np.float32]) -> tuple[Candidate, ...]:
        """The candidates in what `label` gave."""
        return candidates(probabilities, self.names, seams=self.recipe.seams, least=self.recipe.least)

    def _run(self, image: Rgb) -> NDArray[np.float32]:
        where = self.module.mean.device
        with devices.inference():
            pixels = torch.from_numpy(np.array(image)).to(where)
            logits = self.module(pixels.permute(2, 0, 1)[None]).float()
            values: NDArray[np.float32] = logits.softmax(dim=1)[0].cpu().numpy()
        return values


class Probabilities(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
    """The network for others than us: it also says how probable each class is."""

    def __init__(self, network: Segmenting) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Any) -> Any:
        """RGB (N, 3, H, W) uint8 of any size to probabilities (N, classes, H, W)."""
        return self.network(images).softmax(dim=1)


def scaled_size(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) of an image scaled down so that its longer side is `side` pixels."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def save(path: Path, model: PixelModel, title: str) -> None:
    """Write the model as a file, with all that `load` needs. Raises OSError."""
    made.save(
        path,
        made.arrays_of(model.module),
        maker=MAKER,
        categories=model.names,
        config=model.recipe,
        title=title,
    )


def load(file: Made) -> PixelModel:
    """The model of a file, on the GPU where there is one; ModelError with one sentence for another file."""
    recipe = file.config_as(Recipe)
    module = build(recipe.architecture)
    arrays = safetensors_file.load(file.path)
    try:
        module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    except RuntimeError as error:
        raise ModelError(
            f"“{file.path.name}” does not hold the U-Net that it says it does; choose another file."
        ) from error
    where = devices.chosen()
    module = module.to(where, memory_format=devices.image_layout(where)).eval()
    return PixelModel(module, recipe, file.categories)
