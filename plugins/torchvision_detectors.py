"""Torchvision's detectors from files of weights: their own NMS is opened, so that ours decides.

And trainers of two of them, Faster R-CNN and Mask R-CNN.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.api import Plugin
from labeler.core.records import Candidate, Mask
from labeler.errors import ModelError
from labeler.models import devices
from labeler.models.detections import FLOOR, MASK_FLOOR, Letterbox, to_candidates, upsampled
from labeler.models.files import made
from labeler.models.files.opener import guarded, opened
from labeler.models.files.pickles import class_names, load_state_dict, tensor_shapes
from labeler.models.protocols import FileSpec, ModelSpec, Portable, Rgb, Weights
from labeler.training import options
from labeler.training.events import Note, Report, ShouldStop
from labeler.training.run import RunFolder
from labeler.training.specs import TrainerSpec, settings
from labeler.training.start_weights import starting_file

_MOST = 1000
"""Candidates of an image: what the first stage proposes, or what a level of the others may give."""
_COCO_CLASSES = 91
_SUFFIXES = (".pth", ".safetensors")

Shapes = Mapping[str, tuple[int, ...]]


class _Architecture(Struct, frozen=True):
    """A model of torchvision, and how its weights are told from those of the others."""

    builder: str
    """The function of torchvision.models.detection that makes it."""
    title: str
    signs: tuple[str, ...]
    """Tensors that it has; the first architecture of the list that has all its signs is meant."""
    classes: str
    """The tensor whose first side counts the classes, the background among them where there is one."""
    anchors: int = 1
    """How many times that side counts them."""
    file: str = ""
    """What must be in the file's name, where the weights alone don't tell."""


_BOXES = "roi_heads.box_predictor.cls_score.weight"
_MASKS = "roi_heads.mask_predictor.mask_fcn_logits.weight"
_DENSE = "head.classification_head.cls_logits.weight"
_SECOND_RPN = "rpn.head.conv.1.0.weight"
_RESNET = "backbone.body.conv1.weight"
_MOBILENET = "backbone.body.0.0.weight"

_ARCHITECTURES = (
    _Architecture("maskrcnn_resnet50_fpn_v2", "Mask R-CNN v2", (_MASKS, _SECOND_RPN, _RESNET), _BOXES),
    _Architecture("maskrcnn_resnet50_fpn", "Mask R-CNN", (_MASKS, _RESNET), _BOXES),
    _Architecture("maskrcnn_mobilenet_v3_large_fpn", "Mask R-CNN MobileNet", (_MASKS, _MOBILENET), _BOXES),
    _Architecture("fasterrcnn_resnet50_fpn_v2", "Faster R-CNN v2", (_BOXES, _SECOND_RPN, _RESNET), _BOXES),
    _Architecture("fasterrcnn_resnet50_fpn", "Faster R-CNN", (_BOXES, _RESNET), _BOXES),
    _Architecture(
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "Faster R-CNN MobileNet 320",
        (_BOXES, _MOBILENET),
        _BOXES,
        file="320",
    ),
    _Architecture(
        "fasterrcnn_mobilenet_v3_large_fpn", "Faster R-CNN MobileNet", (_BOXES, _MOBILENET), _BOXES
    ),
    _Architecture("fcos_resnet50_fpn", "FCOS", (_DENSE, "head.regression_head.bbox_ctrness.weight"), _DENSE),
    _Architecture(
        "retinanet_resnet50_fpn_v2",
        "RetinaNet v2",
        (_DENSE, "head.classification_head.conv.0.1.weight"),
        _DENSE,
        anchors=9,
    ),
    _Architecture("retinanet_resnet50_fpn", "RetinaNet", (_DENSE, _RESNET), _DENSE, anchors=9),
    _Architecture(
        "ssdlite320_mobilenet_v3_large",
        "SSDlite",
        ("backbone.features.0.0.0.weight", "head.classification_head.module_list.0.1.weight"),
        "head.classification_head.module_list.0.1.weight",
        anchors=6,
    ),
    _Architecture(
        "ssd300_vgg16",
        "SSD",
        ("backbone.scale_weight", "head.classification_head.module_list.0.weight"),
        "head.classification_head.module_list.0.weight",
        anchors=4,
    ),
)


class _Found(Struct, frozen=True):
    """What a file of weights is for."""

    architecture: _Architecture
    classes: int
    """The background among them where the model counts it."""
    side: int = 0
    """What the shorter side of images is scaled to; 0 for the model's own."""


class _Config(Struct):
    """What a file of our trainers says of its model."""

    builder: str
    side: int


class TorchvisionDetector:
    """One of torchvision's models, on the GPU where there is one."""

    def __init__(self, weights: Weights, found: _Found) -> None:
        import torch  # noqa: PLC0415  # heavy: in a child only

        self._torch = torch
        self.device = devices.chosen()
        path = weights.path
        self._model = guarded(path.name, lambda: _built(path, found)).to(self.device)
        self._names = _names(path, found.classes)

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:  # noqa: ARG002
        """At most 1,000 candidates from a confidence of 0.001; Mask R-CNN's have masks from one of 0.05."""
        torch = self._torch
        with devices.inference():
            pixels = torch.from_numpy(image.copy()).to(self.device).permute(2, 0, 1).float() / 255
            if hasattr(self._model, "roi_heads"):
                return self._in_two_stages(pixels)
            found = self._model([pixels])[0]
            found = {name: values.cpu().numpy() for name, values in found.items()}
        return to_candidates(found["boxes"], found["scores"], found["labels"], self._names)

    def _in_two_stages(self, pixels: Any) -> tuple[Candidate, ...]:
        """As GeneralizedRCNN.forward, but that masks are worked out for confident boxes, and crops only."""
        model, heads = self._model, self._model.roi_heads
        images, _ = model.transform([pixels])
        features = model.backbone(images.tensors)
        proposals, _ = model.rpn(images, features)
        pooled = heads.box_head(heads.box_roi_pool(features, proposals, images.image_sizes))
        logits, regression = heads.box_predictor(pooled)
        (boxes,), (scores,), (labels,) = heads.postprocess_detections(
            logits, regression, proposals, images.image_sizes
        )
        (height, width), (new_height, new_width) = pixels.shape[1:], images.image_sizes[0]
        corners = Letterbox((height, width), new_width / width, new_height / height).to_image(
            boxes.cpu().numpy()
        )
        mask: Callable[[int], Mask | None] | None = None
        (sure,) = self._torch.where(scores >= MASK_FLOOR)
        if heads.has_mask() and len(sure):
            values = self._masks(features, images.image_sizes, boxes[sure], labels[sure])
            places = {index: place for place, index in enumerate(sure.tolist())}

            def mask(index: int) -> Mask | None:
                return _in_box(values[places[index]], corners[index], (height, width))

        return to_candidates(corners, scores.cpu().numpy(), labels.cpu().numpy(), self._names, mask=mask)

    def _masks(self, features: Any, sizes: Any, boxes: Any, labels: Any) -> NDArray[np.float32]:
        """Probabilities (N, 28, 28) over the boxes (N, 4) of the scaled image, of the classes (N,)."""
        heads = self._model.roi_heads
        pooled = heads.mask_head(heads.mask_roi_pool(features, [boxes], sizes))
        logits = heads.mask_predictor(pooled)[self._torch.arange(len(labels)), labels]
        probabilities: NDArray[np.float32] = logits.sigmoid().cpu().numpy()
        return probabilities


def _in_box(values: NDArray[np.float32], box: NDArray[np.float64], size: tuple[int, int]) -> Mask | None:
    """The mask in an image of size (H, W) whose probabilities (h, w) are spread over the box."""
    scale_x, scale_y = values.shape[1] / (box[2] - box[0]), values.shape[0] / (box[3] - box[1])
    place = Letterbox(size, scale_x, scale_y, -box[0] * scale_x, -box[1] * scale_y)
    return upsampled(values, box, place, threshold=0.5)


def _built(path: Path, found: _Found) -> Any:
    """The model with the file's weights, its thresholds and NMS opened."""
    from labeler.models.torchvision_models import build  # noqa: PLC0415  # heavy: in a child only

    model = build(found.architecture.builder, found.classes, side=found.side)
    model.load_state_dict(load_state_dict(path))
    stage = getattr(model, "roi_heads", model)
    stage.score_thresh = FLOOR
    stage.nms_thresh = 1.0
    stage.detections_per_img = _MOST
    return model.eval().requires_grad_(requires_grad=False)


def _portable(weights: Weights, found: _Found) -> Portable:
    """The network up to what is sure enough; suppression is the runner's."""
    from labeler.models.torchvision_models import TwoStages  # noqa: PLC0415  # heavy: in a child only

    path = weights.path
    model = guarded(path.name, lambda: _built(path, found))
    if not hasattr(model, "roi_heads"):
        raise ModelError(
            f"“{path.name}” ({found.architecture.title}) cannot be exported; of torchvision's detectors only "
            "Faster and Mask R-CNN can."
        )
    outputs = ("boxes", "scores", "classes", *(("masks",) if model.roi_heads.has_mask() else ()))
    return Portable(
        module=TwoStages(model, MASK_FLOOR).eval(),
        example=np.random.default_rng(0).random((1, 3, 240, 320), dtype=np.float32),
        outputs=outputs,
        runner="run_two_stages.py",
        classes=tuple(_names(path, found.classes)[1:]),
        settings={"least": MASK_FLOOR},
        free={2: "height", 3: "width"},
    )


def _names(path: Path, classes: int) -> list[str]:
    """The class names by label: the file's own, COCO's where the number of classes is COCO's, or numbers."""
    own = class_names(path)
    if len(own) == classes:
        return list(own)
    if len(own) == classes - 1:
        return ["background", *own]
    if classes == _COCO_CLASSES:
        from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights  # noqa: PLC0415

        return list(FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"])
    return [str(number) for number in range(classes)]


def _found(path: Path) -> _Found | None:
    """Which model a file of weights is for; None for none of these."""
    shapes: Shapes = tensor_shapes(path)
    config = _config(path)
    for one in _ARCHITECTURES:
        if not all(sign in shapes for sign in one.signs):
            continue
        if one.builder == config.builder or (not config.builder and one.file in path.name):
            return _Found(one, shapes[one.classes][0] // one.anchors, config.side)
    return None


def _config(path: Path) -> _Config:
    """What our trainers say in the file; nothing for the files of others."""
    if made.maker_of(path) in _TRAINED:
        try:
            return made.read(path).config_as(_Config)
        except ModelError:
            pass  # it is told by its tensors
    return _Config("", 0)


def _title(path: Path, architecture: _Architecture) -> str:
    """The name of the run that made the file, else what model it is."""
    own = made.read(path).title if made.maker_of(path) in _TRAINED else ""
    return own or f"{architecture.title} ({path.stem})"


def _sniff(path: Path) -> bool:
    return _found(path) is not None


def _open(path: Path) -> ModelSpec:
    """The model of a file of weights; nothing of it is loaded before `load` is called."""
    found = _found(path)
    if found is None:
        raise ModelError(f"“{path.name}” holds the weights of none of torchvision's detectors.")
    return opened(
        path,
        lambda weights: TorchvisionDetector(weights, found),
        task="detector",
        title=_title(path, found.architecture),
        categories=class_names(path),
        licence="BSD-3-Clause",
        portable=lambda weights: _portable(weights, found),
    )


def _train_boxes(folder: RunFolder, report: Report, should_stop: ShouldStop) -> Path:
    return _train(_FASTER, folder, report, should_stop)


def _train_masks(folder: RunFolder, report: Report, should_stop: ShouldStop) -> Path:
    return _train(_MASK, folder, report, should_stop)


def _train(spec: TrainerSpec, folder: RunFolder, report: Report, should_stop: ShouldStop) -> Path:
    """From weights that are at hand, or from nothing with the small network."""
    chosen: dict[str, Any] = settings(spec, folder.spec.options)
    family = spec.id.replace("-", "")  # what the names of the builders begin with
    start = starting_file(
        chosen["weights"],
        fits=lambda path: (
            (found := _found(path)) is not None and found.architecture.builder.startswith(family)
        ),
        kind=f"a file of torchvision's {spec.title}",
    )
    found = _found(start) if start is not None else None
    if found is None:
        report(
            Note(
                "There are no weights to start from, so the model learns from nothing, which takes "
                f"thousands of labelled objects; choose a file of torchvision's {spec.title} trained on COCO "
                "to get there with tens."
            )
        )
    builder = found.architecture.builder if found is not None else _FROM_NOTHING[spec.id]
    from labeler.training import detection  # noqa: PLC0415  # heavy: in a child only

    found_out = {
        "trainer": spec.id,
        "builder": builder,
        "weights": start,
        "weights_names": _names(start, found.classes) if start is not None and found is not None else (),
        "size": chosen["size"] or (found.side if found is not None else 0) or _own_side(builder),
        "rate": chosen["rate"] or (_RATE_FROM_NOTHING if found is None else _RATE),
        "masks": spec.needs_masks,
    }
    plan = msgspec.convert(chosen | found_out, detection.DetectionPlan)
    return detection.train(folder, plan, report, should_stop)


def _own_side(builder: str) -> int:
    """What the shorter side of images was scaled to when torchvision made its weights, in pixels."""
    return 320 if "mobilenet" in builder else 800


def _trainer(id_: str, title: str, summary: str, train: Any, *, masks: bool) -> TrainerSpec:
    return TrainerSpec(
        id=id_,
        title=title,
        task="detector",
        train=train,
        summary=summary,
        needs_masks=masks,
        metric="mask AP" if masks else "AP",
        options=(
            options.start_from(
                f"A file of torchvision's {title} trained on COCO; none for the first that is at hand."
            ),
            options.epochs(20),
            options.batch(2),
            options.size(about="Shorter side in pixels; 0 for the one that the weights were made with."),
            options.patience(8),
            options.rate(
                about=f"Of AdamW; 0 for {_RATE:g} from weights, {_RATE_FROM_NOTHING:g} from nothing."
            ),
        ),
    )


_RATE, _RATE_FROM_NOTHING = 1e-4, 3e-4
_FROM_NOTHING = {
    "faster-rcnn": "fasterrcnn_mobilenet_v3_large_320_fpn",
    "mask-rcnn": "maskrcnn_mobilenet_v3_large_fpn",
}
_TRAINED = tuple(_FROM_NOTHING)
_FASTER = _trainer(
    "faster-rcnn",
    "Faster R-CNN",
    "Careful boxes in two stages: slower than YOLO, under a freer licence; wants weights to start from.",
    _train_boxes,
    masks=False,
)
_MASK = _trainer(
    "mask-rcnn",
    "Mask R-CNN",
    "Boxes and a mask in each: slow without a GPU; learns from outlines, wants weights to start from.",
    _train_masks,
    masks=True,
)

plugin = Plugin(
    api=1,
    name="Torchvision detectors",
    version="1.0",
    trainers=(_FASTER, _MASK),
    files=(FileSpec("torchvision", "weights of a torchvision detector", _SUFFIXES, _sniff, _open),),
)
