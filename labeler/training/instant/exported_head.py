"""A head with the detector by whose eyes it sees, as one network for others. Import it inside functions."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from labeler.models.detector_eyes import BINS, BOX, CLASS, COLOUR_SCALE, STRIDES, SURROUNDINGS
from labeler.training.instant.head import EPSILON, Head

_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
"""Of linear sRGB (ITU-R BT.709), as OpenCV has it."""
_WHITE = (0.950456, 1.0, 1.088754)
_LINEAR = 0.008856
"""Of CIE Lab: under it the cube root is a line."""


class ExportedHead(nn.Module):  # type: ignore[misc]  # torch is not followed
    """What `Head.look` says of all cells, from the pixels of the detector's input."""

    def __init__(self, detector: Any, head: Head) -> None:
        """`detector`: ultralytics' module of the detector that comes along, on the CPU."""
        super().__init__()
        *self._layers, self._last = detector.model
        self._kept = frozenset(detector.save)
        self.layers, self.last = nn.ModuleList(self._layers), self._last
        self._slope, self._shift = head.config.slope, head.config.shift
        self._width = head.config.width
        self.weights = nn.ParameterDict(
            {name.replace(".", "_"): torch.from_numpy(values.copy()) for name, values in head.weights.items()}
        )
        self.register_buffer("xyz", torch.tensor(_XYZ) / torch.tensor(_WHITE)[:, None])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of images (1, 3, h, w) from 0 to 1: boxes (N, 4) xyxy, confidences (N, C) and centres (N, 2).

        All of them in pixels of the input, by the cells in their order.
        """
        found = []
        lab = self._lab(images)
        for level, (features, stride) in enumerate(zip(self._features(images), STRIDES, strict=True)):
            cell = functional.avg_pool2d(lab, stride)
            seen = torch.cat([*features, *(_mean_around(cell, side) for side in SURROUNDINGS)], 1)
            rows, columns = seen.shape[2:]
            values = seen[0].flatten(1).T.half().float()  # as precise as the app keeps them
            y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            centres = (torch.stack([x, y], 2).flatten(0, 1) + 0.5) * stride
            found.append((*self._said(values, centres, level), centres))
        boxes, confidences, places = (torch.cat(parts) for parts in zip(*found, strict=True))
        return boxes, confidences, places

    def _features(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What the last layers of both branches are given, by level."""
        outputs: list[Tensor] = []
        for layer in self._layers:
            outputs.append(layer(_inputs(layer, outputs, images)))
        taken = _inputs(self._last, outputs, images)
        return [
            (self._last.cv2[level][:-1](values), self._last.cv3[level][:-1](values))
            for level, values in enumerate(taken)
        ]

    def _lab(self, images: Tensor) -> Tensor:
        """CIE Lab (1, 3, h, w), as `DetectorEyes` scales it."""
        bent = ((images + 0.055) / 1.055).clamp(min=0) ** 2.4
        linear = torch.where(images > 0.04045, bent, images / 12.92)
        xyz = torch.einsum("kc,nchw->nkhw", self.xyz, linear)
        root = torch.where(xyz > _LINEAR, xyz.clamp(min=_LINEAR) ** (1 / 3), 7.787 * xyz + 16 / 116)
        x, y, z = root.unbind(1)
        return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1) / COLOUR_SCALE

    def _said(self, values: Tensor, centres: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """Boxes and confidences of a level's cells."""
        width = self._width
        hidden = self._linear(values, f"input{level}")
        weight, bias = self.weights[f"norm{level}_weight"], self.weights[f"norm{level}_bias"]
        hidden = functional.silu(functional.layer_norm(hidden, [width], weight, bias, EPSILON))
        known = self._linear(values[:, BOX : BOX + CLASS], f"coco_category{level}")
        logits = known + self._linear(hidden, f"category{level}")
        sides = self._linear(values[:, :BOX], f"coco_box{level}") + self._linear(hidden, f"box{level}")
        shares = sides.unflatten(1, (4, BINS)).softmax(2)
        reach = shares @ torch.arange(BINS, dtype=torch.float32) * STRIDES[level]
        boxes = torch.cat([centres - reach[:, :2], centres + reach[:, 2:]], 1)
        return boxes, (logits * self._slope + self._shift).sigmoid()

    def _linear(self, values: Tensor, name: str) -> Tensor:
        return functional.linear(values, self.weights[f"{name}_weight"], self.weights[f"{name}_bias"])


def exported(detector: Any, head: Head) -> ExportedHead:
    """The network, in evaluation mode; nothing of it learns."""
    network = ExportedHead(detector, head)
    network.eval().requires_grad_(requires_grad=False)
    return network


EXAMPLE = np.zeros((1, 3, 480, 640), dtype=np.float32)
"""What it may be traced on."""
OUTPUTS = ("boxes", "confidences", "centres")


def _inputs(layer: Any, outputs: list[Tensor], images: Tensor) -> Any:
    """What a layer of ultralytics' is given: of the layer before, or of those that it names."""
    sources = [layer.f] if isinstance(layer.f, int) else layer.f
    given = [outputs[source] if outputs else images for source in sources]
    return given[0] if isinstance(layer.f, int) else given


def _mean_around(cells: Tensor, side: int) -> Tensor:
    """The mean of so many cells along each axis; at the edge they are mirrored without it (cv2.blur)."""
    reach = side // 2
    rows, columns = (_mirrored(length, reach) for length in cells.shape[2:])
    return functional.avg_pool2d(cells[:, :, rows][:, :, :, columns], side, 1)


def _mirrored(length: Any, reach: int) -> Tensor:
    """Places of so many cells and `reach` more at both ends."""
    place = torch.arange(length + 2 * reach) - reach
    period = torch.as_tensor(2 * (length - 1)).clamp(min=1)
    folded = place.abs() % period
    return torch.minimum(folded, (period - folded).abs()).clamp(max=length - 1)
