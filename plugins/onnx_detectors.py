"""YOLO networks that ultralytics or Labeler exported to ONNX: detection and segmentation."""

import ast
from pathlib import Path
from typing import Any

import numpy as np

from labeler.api import Plugin
from labeler.errors import ModelError
from labeler.models.files import onnx_file
from labeler.models.files.opener import guarded, opened
from labeler.models.onnx_export import Arrays, OnnxNetwork
from labeler.models.protocols import FileSpec, ModelSpec, Weights
from labeler.models.ultralytics_home import class_names, image_side
from labeler.models.yolo_outputs import RawYolo

_TASKS = ("detect", "segment")
_LARGEST_STRIDE = 32
_SET_COLUMNS = 6
"""Of a model that chooses by itself: x0, y0, x1, y1, confidence and class, then coefficients of a mask."""


class _Exported:
    """The network of a file, whose outputs come as `RawYolo` wants them."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._network = OnnxNetwork(path, {})
        height, width = self._network.frame
        side = image_side(about["imgsz"])
        if height != width:
            raise ModelError(
                f"“{path.name}” takes images of {width} x {height} pixels only; export it for square ones, "
                "or with dynamic=True."
            )
        self._names: list[str] = about["names"]
        self._has_corners = about["boxes"] == "xyxy"
        # an image that is padded to a multiple of its longer side is padded to a square
        stride = max(int(about["stride"]), _LARGEST_STRIDE)
        self.facts: dict[str, Any] = {
            "names": self._names,
            "side": height or side,
            "stride": height or stride,
            "is_set": about["is_set"],
        }

    def __call__(self, frame: np.ndarray[Any, np.dtype[np.float32]]) -> Arrays:
        """See `Network`; (1, 4 + classes + coefficients, anchors) with corners, and prototypes."""
        found, *others = self._network(frame)
        if found.ndim == 3 and self.facts["is_set"] and not self._has_corners:
            found = self._spread(found[0])
        elif not self._has_corners:
            middle, half = found[:, :2], found[:, 2:4] / 2
            found = np.concatenate([middle - half, middle + half, found[:, 4:]], axis=1)
        return found, *others

    def _spread(self, rows: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Rows of a set as columns with a confidence for each class, 0 for all but one."""
        scores = np.zeros((len(self._names), len(rows)), dtype=np.float32)
        scores[rows[:, 5].astype(int).clip(0, len(self._names) - 1), np.arange(len(rows))] = rows[:, 4]
        return np.concatenate([rows[:, :4].T, scores, rows[:, _SET_COLUMNS:].T])[None]


def _about(path: Path) -> dict[str, Any]:
    """What the file says of its model. Raises ModelError where it says too little, and OSError."""
    said = onnx_file.metadata(path)
    try:
        names = class_names(ast.literal_eval(said["names"]))
        size = ast.literal_eval(said.get("imgsz", "640"))
        stride = int(float(said.get("stride", _LARGEST_STRIDE)))
    except (KeyError, ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ModelError(
            f"“{path.name}” does not say which classes it finds; export it anew by ultralytics or Labeler."
        ) from error
    if said.get("task") not in _TASKS or not names:
        raise ModelError(f"“{path.name}” finds no boxes or masks ({said.get('task')}); choose another file.")
    is_set = said.get("end2end", "False") == "True" or "'nms': True" in said.get("args", "")
    facts = {"names": names, "imgsz": size, "stride": stride, "is_set": is_set}
    return facts | {"boxes": said.get("boxes", ""), "title": said.get("title", "")}


def _sniff(path: Path) -> bool:
    try:
        return onnx_file.metadata(path).get("task") in _TASKS
    except ModelError:
        return False


def _open(path: Path) -> ModelSpec:
    about = _about(path)

    def load(weights: Weights) -> RawYolo:
        network = guarded(path.name, lambda: _Exported(weights.path, about))
        return RawYolo(network)

    return opened(
        path,
        load,
        task="detector",
        title=about["title"],
        categories=about["names"],
        licence="AGPL-3.0",
        needs_suppression=not about["is_set"],
    )


plugin = Plugin(
    api=1,
    name="ONNX detectors",
    version="1.0",
    files=(FileSpec("yolo-onnx", "YOLO exported to ONNX", (".onnx",), _sniff, _open),),
)
