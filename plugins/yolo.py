"""YOLO by ultralytics, v3u to v12 and 26: detection and segmentation checkpoints, raw before their NMS."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from labeler.api import Plugin
from labeler.errors import LabelerError, ModelError
from labeler.models.files import catalog
from labeler.models.files.opener import guarded, opened
from labeler.models.files.pickles import Opaque, outline, try_outline
from labeler.models.onnx_export import TorchNetwork, fast_network
from labeler.models.protocols import FileSpec, ModelSpec, Portable, Weights
from labeler.models.ultralytics_home import class_names, image_side, load_checkpoint
from labeler.models.yolo_outputs import MARGIN_OF_VAL, RawYolo
from labeler.training import options
from labeler.training.events import Report, ShouldStop
from labeler.training.run import RunFolder
from labeler.training.specs import Option, TrainerSpec, settings
from labeler.training.start_weights import starting_file

_TASKS = "ultralytics.nn.tasks."
_MODELS = {_TASKS + name for name in ("DetectionModel", "SegmentationModel", "YOLOv10DetectionModel")}
_HEADS = {"Detect", "v10Detect", "Segment", "Segment26"}


def _load(weights: Weights) -> RawYolo:
    network = guarded(weights.path.name, lambda: fast_network(weights, lambda: _bare_network(weights.path)))
    return RawYolo(network)


def _bare_network(path: Path) -> TorchNetwork:
    """The network, fused, with a head that decodes boxes to corners in pixels and stops there."""
    model = load_checkpoint(path)
    head = model.model[-1]
    if type(head).__name__ not in _HEADS:
        raise ModelError(f"“{path.name}” is no model that finds boxes or masks; choose another file.")
    head.end2end = is_set = getattr(head, "one2one_cv2", None) is not None
    if is_set:
        head.postprocess = _channels_first
    model = model.fuse(verbose=False)
    head.export = head.dynamic = head.xyxy = True
    facts = {
        "names": class_names(model.names),
        "side": image_side(model.args.get("imgsz")),
        "stride": max(int(model.stride.max()), 32),
        "is_set": is_set,
    }
    return TorchNetwork(model, facts)


def _portable(weights: Weights) -> Portable:
    """The network as it is exported for the app's own use, but that others may run it."""
    path = weights.path
    network = guarded(path.name, lambda: _bare_network(path))
    facts = network.facts
    example = np.zeros((1, 3, 480, 640), dtype=np.float32)
    has_masks = len(network(example)) > 1
    names, side, stride = facts["names"], facts["side"], facts["stride"]
    return Portable(
        module=network.module.cpu(),
        example=example,
        outputs=("output0", "output1") if has_masks else ("output0",),
        runner="run_yolo_masks.py" if has_masks else "run_yolo.py",
        classes=tuple(names),
        settings={"side": side, "stride": stride, "margin": MARGIN_OF_VAL, "is_set": facts["is_set"]}
        | ({"iou": 1.0} if has_masks and facts["is_set"] else {}),  # one that suppresses by itself
        free={2: "height", 3: "width"},
        metadata={
            "task": "segment" if has_masks else "detect",
            "names": dict(enumerate(names)),
            "imgsz": [side, side],
            "stride": stride,
            "boxes": "xyxy",
            "end2end": facts["is_set"],
        },
    )


def _channels_first(predicted: Any) -> Any:
    """In place of the head's choice of the best: everything, as the other heads give it."""
    return predicted.permute(0, 2, 1)


def _model_in(content: Any) -> Opaque | None:
    """The outline of the network in a checkpoint; None where it holds none of those that this opens."""
    for key in ("ema", "model"):
        model = content.get(key) if isinstance(content, dict) else None
        if isinstance(model, Opaque) and model.name in _MODELS:
            head = _head_of(model)
            known = head is not None and head.name.rpartition(".")[2] in _HEADS
            return model if known else None
    return None


def _head_of(model: Opaque) -> Opaque | None:
    layers = model.modules.get("model")
    parts = list(layers.modules.values()) if isinstance(layers, Opaque) else []
    return parts[-1] if parts and isinstance(parts[-1], Opaque) else None


def _sniff(path: Path) -> bool:
    return _model_in(try_outline(path)) is not None


def _open(path: Path) -> ModelSpec:
    """The model in a checkpoint; nothing of it is loaded before `load` is called."""
    content = outline(path)
    model = _model_in(content)
    head = _head_of(model) if model is not None else None
    if model is None or head is None:
        raise ModelError(f"“{path.name}” is no YOLO checkpoint; choose another file.")
    title = content.get("title")  # of one that was trained here
    return opened(
        path,
        _load,
        task="detector",
        title=title if isinstance(title, str) else "",
        categories=class_names(model.part("names")),
        licence="AGPL-3.0",
        needs_suppression="one2one_cv2" not in head.modules,
        portable=_portable,
    )


def _train(folder: RunFolder, report: Report, should_stop: ShouldStop) -> Path:
    """Fine-tune a checkpoint on the run's images, by ultralytics itself."""
    from labeler.training.yolo import trainer as yolo_trainer  # noqa: PLC0415 - a window that trains nothing need not pay for it

    chosen: dict[str, Any] = settings(_TRAINER, folder.spec.options)
    last = folder.checkpoints / "last.pt"
    weights = last if last.is_file() else _start(chosen["weights"])
    plan = msgspec.convert(chosen | {"weights": weights}, yolo_trainer.YoloPlan)
    return yolo_trainer.train(folder, plan, report, should_stop)


def _start(choice: str) -> Path:
    found = starting_file(choice, fits=_sniff, kind="a YOLO checkpoint", first=catalog.DEFAULT_DETECTOR)
    if found is None:
        raise LabelerError(
            "There are no YOLO weights to start from: download some in Model > Models, or by "
            f"`labeler models get {catalog.DEFAULT_DETECTOR}`, or choose a checkpoint."
        )
    return found


_TRAINER = TrainerSpec(
    id="yolo",
    title="YOLO",
    task="detector",
    train=_train,
    summary="Fine-tunes a YOLO checkpoint: quick boxes (or masks), good from some tens of images on.",
    options=(
        options.start_from(
            "A YOLO checkpoint, as a file or a name of Model > Models; none for YOLO11n, which comes along. "
            "One that ends in -seg learns masks."
        ),
        options.epochs(),
        options.batch(),
        options.size(about="Longer side in pixels; 0 for the one that the weights were made with."),
        options.patience(),
        options.rate(about="Of AdamW; 0 for one that suits the number of steps."),
        Option(
            "frozen",
            "Frozen layers",
            0,
            "So many of the first layers keep their weights; 10 are YOLOv8's and YOLO11's backbone.",
            minimum=0,
            maximum=100,
            advanced=True,
        ),
        Option(
            "mosaic",
            "Mosaic",
            default=True,
            help="Puts four images together into one, in the first two thirds of runs of over 1,000 steps.",
            advanced=True,
        ),
        Option(
            "workers",
            "Reading processes",
            -1,
            "-1 for none on a CPU and up to 8 on a GPU.",
            minimum=-1,
            maximum=64,
            advanced=True,
        ),
    ),
)

plugin = Plugin(
    api=1,
    name="YOLO",
    version="1.0",
    trainers=(_TRAINER,),
    files=(FileSpec("yolo", "YOLO checkpoint by Ultralytics", (".pt",), _sniff, _open),),
)
