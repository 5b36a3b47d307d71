"""Detectors that are told in words what to look for: YOLO-World, YOLOE, OWLv2 and Grounding DINO."""

import json
import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from labeler.api import Plugin
from labeler.core.records import Candidate, Mask
from labeler.errors import ModelError
from labeler.models import devices
from labeler.models.detections import FLOOR, Letterbox, corners_of, letterbox, to_candidates, upsampled
from labeler.models.files.opener import guarded, opened
from labeler.models.files.pickles import Opaque, try_outline
from labeler.models.protocols import FileSpec, ModelSpec, Rgb, Weights
from labeler.models.sam.torch_segmenters import running, to_numpy
from labeler.models.text_encoders import EXTRA, Encode, load_encoder, phrases_of, phrases_told
from labeler.models.ultralytics_home import load_checkpoint

_SIDE = 640
_STRIDE = 32
_WORLD = ("WorldModel",)
_YOLOE = ("YOLOEModel", "YOLOESegModel")
_CLIP = "clip-vit-b-32"
_MOBILE_CLIPS = {"mobileclip:blt": "mobileclip-blt", "mobileclip2:b": "mobileclip2-b"}
"""The catalogue's text encoders by what YOLOE checkpoints call them."""

_OWL, _DINO = "owlv2", "grounding-dino"


class YoloReading:
    """YOLO-World or YOLOE: the network's head compares what it sees with the vectors of the phrases."""

    def __init__(self, weights: Weights, *, encode: Encode | None = None) -> None:
        """`encode`: how phrases become vectors; by default the checkpoint's own text encoder, once needed."""
        self._model = guarded(weights.path.name, lambda: _bare(weights.path))
        self._head = self._model.model[-1]
        self._is_world = type(self._model).__name__ in _WORLD
        self._encode = encode
        self._encoded: tuple[tuple[str, ...], Any] = ((), None)

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:
        """Candidates labelled with the phrases of `text`; without any, YOLO-World's own classes.

        Of each anchor the most probable phrase; masks where the model has them. Raises ModelError where
        YOLOE is told nothing, and where the text encoder is missing.
        """
        frame, place = letterbox(image, side=_SIDE, stride=_STRIDE)
        with running():
            labels, vectors = self._vectors(text)
            predicted, prototypes = self._run(frame, labels, vectors)
        scores = predicted[4 : 4 + len(labels)]
        classes = scores.argmax(axis=0)
        confidences = scores[classes, np.arange(scores.shape[1])]
        chosen = np.flatnonzero(confidences > FLOOR)
        boxes = place.to_image(predicted[:4, chosen].T)
        mask = None
        if prototypes is not None:
            mask = _masks(boxes, predicted[4 + len(labels) :, chosen], prototypes, place, frame.shape[3])
        return to_candidates(boxes, confidences[chosen], classes[chosen], labels, mask=mask)

    def _vectors(self, text: str | None) -> tuple[list[str], Any]:
        """The labels, and their vectors (1, N, D)."""
        if self._is_world and not phrases_of(text):
            return [str(name) for _, name in sorted(self._model.names.items())], self._model.txt_feats
        phrases = phrases_told(text)
        if self._encoded[0] != phrases:
            if self._encode is None:
                name = _CLIP if self._is_world else getattr(self._model, "text_model", "mobileclip:blt")
                self._encode = load_encoder(_MOBILE_CLIPS.get(name, name))
            self._encoded = (phrases, self._encode(phrases))
        return list(phrases), self._encoded[1]

    def _run(self, frame: NDArray[np.float32], labels: list[str], vectors: Any) -> tuple[Any, Any]:
        """The head's decoded output (4 + N + mask coefficients, anchors), and mask prototypes or None."""
        import torch  # noqa: PLC0415  # heavy: in a child only

        pixels = torch.from_numpy(frame).to(devices.chosen())
        self._head.nc = len(labels)
        words = {"txt_feats" if self._is_world else "tpe": vectors.to(pixels.device)}
        output = self._model.predict(pixels, **words)
        parts = output if isinstance(output, tuple) else (output, None)
        first, second = (None if part is None else to_numpy(part[0]) for part in parts)
        return first, second


def _masks(
    boxes: NDArray[np.float64],
    coefficients: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    place: Letterbox,
    width: int,
) -> Callable[[int], Mask | None]:
    """Gives each candidate's mask: the prototypes (M, h, w) weighted by its coefficients, inside its box."""
    scale = prototypes.shape[2] / width
    scaled = {name: getattr(place, name) * scale for name in ("scale_x", "scale_y", "pad_x", "pad_y")}
    inside = structs.replace(place, **scaled)

    def mask(index: int) -> Mask | None:
        return upsampled(np.tensordot(coefficients[:, index], prototypes, axes=1), boxes[index], inside)

    return mask


def _bare(path: Path) -> Any:
    """The network on the best device, with a head that decodes boxes to corners in pixels and stops there."""
    model = load_checkpoint(path)
    head = model.model[-1]
    head.end2end = False
    head.export = head.dynamic = head.xyxy = True
    return model.eval().requires_grad_(requires_grad=False).to(devices.chosen())


class Grounded:
    """OWLv2 (Minderer et al. 2023) or Grounding DINO (Liu et al. 2023) by transformers, from a folder."""

    def __init__(self, weights: Weights) -> None:
        folder = weights.path.parent
        os.environ["HF_HUB_OFFLINE"] = "1"  # read when it is imported; all that is needed is in the folder
        try:
            transformers = import_module("transformers")  # of an extra, so it may not be there
        except ImportError as error:
            raise ModelError(
                f"To open “{folder.name}” the package transformers is needed; install {EXTRA}."
            ) from error
        here = {"local_files_only": True, "trust_remote_code": False}
        self._processor = guarded(
            folder.name, lambda: transformers.AutoProcessor.from_pretrained(folder, **here)
        )
        models = transformers.AutoModelForZeroShotObjectDetection
        self._model = guarded(
            folder.name,
            lambda: models.from_pretrained(folder, use_safetensors=True, **here),
        )
        self._model.eval().to(devices.chosen())
        self._is_dino = _model_type(folder) == _DINO

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:
        """Boxes labelled with the phrase of `text` that fits best. Raises ModelError where there is none."""
        phrases = phrases_told(text)
        with running():
            find = self._by_dino if self._is_dino else self._by_owl
            boxes, scores = find(image, phrases)
        classes = scores.argmax(axis=1)
        confidences = scores.max(axis=1)
        chosen = np.flatnonzero(confidences > FLOOR)
        corners = Letterbox((image.shape[0], image.shape[1])).to_image(boxes[chosen])
        return to_candidates(corners, confidences[chosen], classes[chosen], phrases)

    def _by_owl(self, image: Rgb, phrases: tuple[str, ...]) -> tuple[Any, Any]:
        """Boxes (Q, 4) in image pixels, and each one's score for each phrase (Q, N)."""
        asked = [f"a photo of {phrase.lower()}" for phrase in phrases]  # as it was trained
        inputs = self._processor(text=[asked], images=image.copy(), return_tensors="pt").to(
            self._model.device
        )
        found = self._model(**inputs.to(self._model.device))
        side = max(image.shape[:2])  # it pads the image to a square at bottom and right
        return corners_of(to_numpy(found.pred_boxes[0]), (side, side)), to_numpy(found.logits[0].sigmoid())

    def _by_dino(self, image: Rgb, phrases: tuple[str, ...]) -> tuple[Any, Any]:
        """The same of Grounding DINO: a phrase scores as its most certain token does."""
        asked = "".join(f"{phrase.lower()}. " for phrase in phrases)
        inputs = self._processor(images=image.copy(), text=asked, return_tensors="pt")
        found = self._model(**inputs.to(self._model.device))
        tokens = inputs["input_ids"][0].cpu().numpy()
        stop = self._processor.tokenizer.convert_tokens_to_ids(".")
        of_phrase = np.cumsum(tokens == stop)  # of which phrase each token is
        is_word = ~np.isin(tokens, [stop, *self._processor.tokenizer.all_special_ids])
        by_token = to_numpy(found.logits[0].sigmoid())[:, : len(tokens)]
        scores = np.zeros((len(by_token), len(phrases)), dtype=np.float32)
        for index in range(len(phrases)):
            own = by_token[:, is_word & (of_phrase == index)]
            scores[:, index] = own.max(axis=1) if own.shape[1] else 0.0
        return corners_of(to_numpy(found.pred_boxes[0]), (image.shape[0], image.shape[1])), scores


def _model_type(folder: Path) -> str:
    """What the configuration beside the weights says that they are; "" where it says nothing."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    return str(config.get("model_type", "")) if isinstance(config, dict) else ""


def _yolo_in(path: Path, kinds: tuple[str, ...]) -> bool:
    """Whether a checkpoint holds one of these models with a head that still reads."""
    content = try_outline(path)
    for key in ("ema", "model"):
        model = content.get(key) if isinstance(content, dict) else None
        if isinstance(model, Opaque) and model.name in {f"ultralytics.nn.tasks.{kind}" for kind in kinds}:
            layers = model.modules.get("model")
            parts = list(layers.modules.values()) if isinstance(layers, Opaque) else []
            head = parts[-1] if parts else None
            return isinstance(head, Opaque) and "lrpc" not in head.modules and not head.part("is_fused")
    return False


def _open_yolo(path: Path) -> ModelSpec:
    return opened(path, YoloReading, task="detector", licence="AGPL-3.0", reads_text=True)


def _open_folder(path: Path, *, needs_suppression: bool) -> ModelSpec:
    name = path.resolve().parent.name
    return opened(
        path,
        Grounded,
        task="detector",
        title=name,
        model_id=name,
        licence="Apache-2.0",
        reads_text=True,
        needs_suppression=needs_suppression,
    )


plugin = Plugin(
    api=1,
    name="Open vocabulary",
    version="1.0",
    files=(
        FileSpec(
            "yolo-world", "YOLO-World checkpoint", (".pt",), lambda path: _yolo_in(path, _WORLD), _open_yolo
        ),
        FileSpec("yoloe", "YOLOE checkpoint", (".pt",), lambda path: _yolo_in(path, _YOLOE), _open_yolo),
        FileSpec(
            "owlv2",
            "OWLv2, a folder with config.json",
            (".safetensors",),
            lambda path: _model_type(path.parent) == _OWL,
            partial(_open_folder, needs_suppression=True),
        ),
        FileSpec(
            "grounding-dino",
            "Grounding DINO, a folder with config.json",
            (".safetensors",),
            lambda path: _model_type(path.parent) == _DINO,
            partial(_open_folder, needs_suppression=False),
        ),
    ),
)
