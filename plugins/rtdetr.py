"""RT-DETR by ultralytics: a detector that predicts a set, so there is nothing to suppress."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labeler.api import Plugin
from labeler.core.records import Candidate
from labeler.errors import ModelError
from labeler.models.detections import FLOOR, to_candidates
from labeler.models.files.opener import guarded, opened
from labeler.models.files.pickles import Opaque, outline, try_outline
from labeler.models.onnx_export import TorchNetwork
from labeler.models.protocols import FileSpec, ModelSpec, Rgb, Weights
from labeler.models.ultralytics_home import class_names, image_side, load_checkpoint

_MODEL = "ultralytics.nn.tasks.RTDETRDetectionModel"


class RtDetr:
    """A checkpoint's network, on images that are stretched to a square as it was trained with."""

    def __init__(self, weights: Weights) -> None:
        self._network: TorchNetwork = guarded(weights.path.name, lambda: _network(weights.path))
        self._names: list[str] = self._network.facts["names"]
        self._side: int = self._network.facts["side"]

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:  # noqa: ARG002
        """The set, from a confidence of 0.001: of each of 300 queries at most a few classes."""
        height, width = image.shape[:2]
        square = cv2.resize(image, (self._side, self._side), interpolation=cv2.INTER_LINEAR)
        frame = np.ascontiguousarray(square.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)
        found = self._network(frame)[0][0]  # (300, 6): centre, size, confidence, class
        found = found[found[:, 4] > FLOOR]
        boxes = _corners(found[:, :4].astype(np.float64)) * (width, height, width, height)
        boxes = boxes.clip(0, (width, height, width, height))
        return to_candidates(boxes, found[:, 4], found[:, 5].astype(np.intp), self._names)


def _corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes (N, 4) of centre and size as x0, y0, x1, y1."""
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def _network(path: Path) -> TorchNetwork:
    model = load_checkpoint(path)
    model.model[-1].export = True  # else it gives what training needs, too
    facts = {"names": class_names(model.names), "side": image_side(model.args.get("imgsz"))}
    return TorchNetwork(model.fuse(verbose=False), facts)


def _model_in(content: Any) -> Opaque | None:
    """The outline of the network in a checkpoint; None where it is of another kind."""
    for key in ("ema", "model"):
        model = content.get(key) if isinstance(content, dict) else None
        if isinstance(model, Opaque):
            return model if model.name == _MODEL else None
    return None


def _sniff(path: Path) -> bool:
    return _model_in(try_outline(path)) is not None


def _open(path: Path) -> ModelSpec:
    """The model in a checkpoint; nothing of it is loaded before `load` is called."""
    model = _model_in(outline(path))
    if model is None:
        raise ModelError(f"“{path.name}” is no RT-DETR checkpoint; choose another file.")
    return opened(
        path,
        RtDetr,
        task="detector",
        categories=class_names(model.part("names")),
        licence="AGPL-3.0",
        needs_suppression=False,
    )


plugin = Plugin(
    api=1,
    name="RT-DETR",
    version="1.0",
    files=(FileSpec("rtdetr", "RT-DETR checkpoint by Ultralytics", (".pt",), _sniff, _open),),
)
