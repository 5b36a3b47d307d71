"""What the detector that comes along sees of an image before it names it, to learn other things from.

YOLO11n looks at three grids of cells, 8, 16 and 32 pixels of its input apart. The last layers of its two
branches, for boxes and for COCO's 80 classes, are linear: what they are given (`BOX` and `CLASS` values a
cell) holds all that the network knows of a cell. Beside it stands the cell's colour, alone and with its
surroundings, which the network forgets: without it AP50 of blood cells was 0.70 instead of 0.84.
"""

import hashlib
from functools import cache

import cv2
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.errors import ModelError
from labeler.models.detections import Letterbox, letterbox, placed
from labeler.models.files import catalog
from labeler.models.onnx_export import OnnxNetwork, shipped_export
from labeler.models.protocols import Embedding, Interrupt, Rgb

STRIDES = (8, 16, 32)
"""Pixels of the network's input between the cells of a level."""
BOX, CLASS, COLOUR = 64, 80, 9
"""Values of a cell, in this order: of the box branch, of the class branch, and its colours."""
SEEN = BOX + CLASS + COLOUR
BINS = 16
"""Of the distribution by which a side's distance is said, in strides (Li et al., NeurIPS 2020)."""

SIDE = 640
SURROUNDINGS = (1, 3, 7)
"""Cells along each axis that a colour is the mean of."""
COLOUR_SCALE = 50.0
"""What Lab values are divided by, to be about as large as the others."""
_VERSION = 1
"""Of what is kept in the cache."""

Floats = NDArray[np.float32]


class Linear(Struct, frozen=True, eq=False):
    """A layer."""

    weight: Floats
    """(out, in)"""
    bias: Floats
    """(out,)"""


class CocoLayers(Struct, frozen=True, eq=False):
    """The last layers of the network, by level."""

    boxes: tuple[Linear, ...]
    """From `BOX` values to 4 * `BINS` logits: left, top, right, bottom."""
    classes: tuple[Linear, ...]
    """From `CLASS` values to a logit for each name."""
    names: tuple[str, ...]


class DetectorEyes:
    """Makes what `SEEN` values a cell there are on an image; for an `Embedder`."""

    def __init__(self, *, flipped: bool = False) -> None:
        """`flipped`: looks at the mirror image. Raises ModelError where the network is not as shipped."""
        self._network, self.layers, digest = _opened()
        self._flipped = flipped
        self.fingerprint = hashlib.sha256(
            f"eyes {_VERSION} {digest} {'flipped' if flipped else ''}".encode()
        ).hexdigest()[:16]
        """What it makes is cached under this."""

    def embed(
        self,
        image: Rgb,
        *,
        threads: int = 0,  # noqa: ARG002 - the session has its own
        interrupt: Interrupt | None = None,  # noqa: ARG002 - it takes a twentieth of a second
    ) -> Embedding:
        """Arrays "8", "16" and "32" (rows, columns, `SEEN`) float32, by the level's stride."""
        if self._flipped:
            image = np.ascontiguousarray(image[:, ::-1])
        frame, _ = letterbox(image, side=SIDE, stride=STRIDES[-1])
        outputs = self._network(frame)
        lab = (
            cv2.cvtColor(np.ascontiguousarray(frame[0].transpose(1, 2, 0)), cv2.COLOR_RGB2LAB) / COLOUR_SCALE
        )
        levels = {}
        for number, stride in enumerate(STRIDES):
            branches = [values[0].transpose(1, 2, 0) for values in outputs[2 * number : 2 * number + 2]]
            rows, columns = branches[0].shape[:2]
            cell = cv2.resize(lab, (columns, rows), interpolation=cv2.INTER_AREA)
            colours = [cv2.blur(cell, (side, side)) for side in SURROUNDINGS]
            levels[str(stride)] = np.concatenate([*branches, *colours], axis=2).astype(np.float32)
        return Embedding(levels, (image.shape[0], image.shape[1]))


def place_of(size: tuple[int, int]) -> Letterbox:
    """How an image of size (H, W) lies in the network's input."""
    return placed(size, side=SIDE, stride=STRIDES[-1])[1]


@cache
def _opened() -> tuple[OnnxNetwork, CocoLayers, str]:
    """The network that gives what its last layers are given, these layers, and its SHA-256."""
    import onnx  # noqa: PLC0415  # heavy: in a child only
    from onnx import numpy_helper  # noqa: PLC0415

    folder = catalog.shipped_folder(catalog.entry(catalog.DEFAULT_DETECTOR))
    if folder is None:
        raise ModelError(
            "The detector that comes with Labeler is missing; install Labeler again to restore it."
        )
    data, facts = shipped_export(folder)
    model = onnx.load_model_from_string(data)
    arrays = {one.name: one for one in model.graph.initializer}
    taken = {node.input[1]: node.input[0] for node in model.graph.node if node.op_type == "Conv"}
    layers: dict[str, list[Linear]] = {"cv2": [], "cv3": []}
    del model.graph.output[:]
    for level in range(len(STRIDES)):
        for branch, found in layers.items():
            name = next(one for one in taken if one.endswith(f".{branch}.{level}.2.weight"))
            weight = numpy_helper.to_array(arrays[name])
            bias = numpy_helper.to_array(arrays[name.removesuffix("weight") + "bias"])
            found.append(Linear(weight[:, :, 0, 0].astype(np.float32), bias.astype(np.float32)))
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(taken[name]))
    network = OnnxNetwork(model.SerializeToString(), facts)
    coco = CocoLayers(tuple(layers["cv2"]), tuple(layers["cv3"]), tuple(facts["names"]))
    return network, coco, hashlib.sha256(data).hexdigest()
