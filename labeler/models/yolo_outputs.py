"""What YOLO networks by ultralytics give, before their NMS, as candidates."""

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from labeler.core.records import Candidate, Mask
from labeler.models.detections import FLOOR, Letterbox, letterbox, to_candidates, upsampled
from labeler.models.onnx_export import Network
from labeler.models.protocols import Rgb

MARGIN_OF_VAL = 0.5
"""Of a stride: what its validation pads images with beyond what is needed."""
_MOST_OF_A_SET = 300
"""Of a model that predicts a set: how many candidates, as in its own postprocessing."""


class RawYolo:
    """A network with its head's decoding, but none of its NMS."""

    def __init__(self, network: Network) -> None:
        """See `Network`; its facts are `names`, `side` (of images), `stride` and `is_set`.

        It gives (1, 4 + classes + mask coefficients, anchors), boxes first, as corners in its input, and
        prototypes (1, coefficients, h, w) where it has masks.
        """
        self._network = network
        facts = network.facts
        self._names: list[str] = facts["names"]
        self._side: int = facts["side"]
        self._stride: int = facts["stride"]
        self._is_set: bool = facts["is_set"]

    def detect(self, image: Rgb, text: str | None = None) -> tuple[Candidate, ...]:  # noqa: ARG002
        """What ultralytics' `predict` has before its NMS: of each anchor its most probable class."""
        return self._detect(image, margin=0.0, every_class=self._is_set)

    def detect_as_evaluated(self, image: Rgb) -> tuple[Candidate, ...]:
        """What ultralytics' `val` has before its NMS: every class of each anchor, and wider padding."""
        return self._detect(image, margin=MARGIN_OF_VAL, every_class=True)

    def _detect(self, image: Rgb, *, margin: float, every_class: bool) -> tuple[Candidate, ...]:
        """Candidates from a confidence of 0.001, with masks from one of 0.05."""
        frame, place = letterbox(image, side=self._side, stride=self._stride, margin=margin)
        outputs = self._network(frame)
        predicted = outputs[0][0]  # (4 + classes + mask coefficients, anchors)
        scores = predicted[4 : 4 + len(self._names)]
        classes, anchors = _over_floor(scores) if every_class else _best(scores)
        if self._is_set:
            leading = np.argsort(-scores[classes, anchors], kind="stable")[:_MOST_OF_A_SET]
            classes, anchors = classes[leading], anchors[leading]
        boxes = place.to_image(predicted[:4, anchors].T)
        mask = None
        if len(outputs) > 1:
            coefficients = predicted[4 + len(self._names) :, anchors]
            mask = _Masks(boxes, coefficients, outputs[1][0], place, frame.shape[3])
        return to_candidates(boxes, scores[classes, anchors], classes, self._names, mask=mask)


def _over_floor(scores: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Classes and anchors of all `scores` (C, N) over the floor."""
    anchors = np.flatnonzero(scores.max(axis=0) > FLOOR)
    classes, places = np.nonzero(scores[:, anchors] > FLOOR)
    return classes, anchors[places]


def _best(scores: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Classes and anchors of the best of each anchor's `scores` (C, N), where it is over the floor."""
    anchors = np.flatnonzero(scores.max(axis=0) > FLOOR)
    return scores[:, anchors].argmax(axis=0), anchors


class _Masks:
    """The mask of each candidate: the prototypes weighted by its coefficients, inside its box."""

    def __init__(
        self,
        boxes: NDArray[np.float64],
        coefficients: NDArray[np.float32],
        prototypes: NDArray[np.float32],
        place: Letterbox,
        width: int,
    ) -> None:
        """`boxes` (N, 4), `coefficients` (M, N), `prototypes` (M, h, w) of a frame `width` pixels wide."""
        self._boxes = boxes
        self._coefficients = coefficients
        self._prototypes = prototypes
        scale = prototypes.shape[2] / width
        self._place = structs.replace(
            place,
            scale_x=place.scale_x * scale,
            scale_y=place.scale_y * scale,
            pad_x=place.pad_x * scale,
            pad_y=place.pad_y * scale,
        )

    def __call__(self, index: int) -> Mask | None:
        """The mask of a candidate, None for an empty one."""
        logits = np.tensordot(self._coefficients[:, index], self._prototypes, axes=1)
        return upsampled(logits, self._boxes[index], self._place)
