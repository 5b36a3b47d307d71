"""Torchvision's detectors, built without weights; import it inside functions, for it imports torch.

Besides torchvision's own builders there is one of ours: Mask R-CNN on the small backbone that torchvision
has for Faster R-CNN only.
"""

from typing import Any

import torch
from torchvision.models import detection
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone
from torchvision.models.detection.mask_rcnn import MaskRCNN
from torchvision.ops import FrozenBatchNorm2d

SMALL_MASK_RCNN = "maskrcnn_mobilenet_v3_large_fpn"
"""The builder of ours."""

_ANCHOR_SIZES = ((32, 64, 128, 256, 512),) * 3
_ASPECT_RATIOS = ((0.5, 1.0, 2.0),) * 3
_ALL_LAYERS = 6
_LONGEST = 5 / 3
"""The longest side of an image as a multiple of the shorter one's target, as torchvision's 1333 to 800."""


def build(builder: str, classes: int, *, side: int = 0) -> Any:
    """The model that a builder of torchvision, or ours, makes: random weights, nothing fetched, all learnt.

    `classes` counts the background. `side`: what the shorter side of images is scaled to, with the longer
    one at most five thirds of it; 0 for the builder's own.
    """
    sizes = {"min_size": side, "max_size": longest(side)} if side else {}
    if builder == SMALL_MASK_RCNN:
        backbone = mobilenet_backbone(
            backbone_name="mobilenet_v3_large",
            weights=None,
            fpn=True,
            norm_layer=torch.nn.BatchNorm2d,
            trainable_layers=_ALL_LAYERS,
        )
        anchors = AnchorGenerator(_ANCHOR_SIZES, _ASPECT_RATIOS)
        return MaskRCNN(backbone, classes, rpn_anchor_generator=anchors, **sizes)
    make = getattr(detection, builder)
    return make(weights=None, weights_backbone=None, num_classes=classes, **sizes)


class TwoStages(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Faster or Mask R-CNN for others than us: one image in, what is sure enough out, before suppression."""

    def __init__(self, model: Any, least: float) -> None:
        """`model` is one that `build` made, on the CPU; `least` is the confidence of what is given."""
        super().__init__()
        self.model = model
        self.least = least

    def forward(self, images: Any) -> tuple[Any, ...]:
        """Of one image (1, 3, H, W) from 0 to 1: boxes (N, 4) in its pixels, confidences and classes (N,).

        And, of Mask R-CNN, the probabilities (N, 28, 28) over the boxes.
        """
        model, heads = self.model, self.model.roi_heads
        scaled, _ = model.transform([images[0]])
        features = model.backbone(scaled.tensors)
        proposals, _ = model.rpn(scaled, features)
        pooled = heads.box_head(heads.box_roi_pool(features, proposals, scaled.image_sizes))
        logits, regression = heads.box_predictor(pooled)
        chances = logits.softmax(dim=1)[:, 1:]  # the first is the background
        boxes = heads.box_coder.decode(regression, proposals)[:, 1:]
        row, column = torch.where(chances >= self.least)
        (height, width), whole = scaled.image_sizes[0], images.shape[2:]
        ends = torch.stack([torch.as_tensor(side) for side in (width, height, width, height)])
        kept = boxes[row, column].clamp(min=0).minimum(ends.to(boxes))
        sides = torch.stack([torch.as_tensor(side) for side in (whole[1], whole[0], whole[1], whole[0])])
        found = (kept * (sides.to(boxes) / ends.to(boxes)), chances[row, column], column + 1)
        if not heads.has_mask():
            return found
        masks = heads.mask_head(heads.mask_roi_pool(features, [kept], scaled.image_sizes))
        each = torch.ones_like(column).cumsum(dim=0) - 1  # a length would be traced as a number
        cells = heads.mask_predictor(masks)[each, column + 1].sigmoid()
        return *found, cells


def longest(side: int) -> int:
    """The most pixels that the longer side of an image may have, where the shorter one's target is `side`."""
    return round(side * _LONGEST)


def freeze_norms(module: torch.nn.Module) -> None:
    """Put fixed statistics in place of batch norms, whose own are of no use with a few images a batch.

    The names in the state dict stay; only the counts of batches go, which loading does not miss.
    """
    for name, child in module.named_children():
        if isinstance(child, torch.nn.BatchNorm2d):
            frozen = FrozenBatchNorm2d(child.num_features, eps=child.eps)
            frozen.load_state_dict(child.state_dict())
            setattr(module, name, frozen)
        else:
            freeze_norms(child)
