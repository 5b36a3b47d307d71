"""A decoder that learnt from clicks, as a file: its last layers, and for which prompts it may be used.

It is used only for the kinds of prompts for which it did better than the frozen decoder on objects that it
did not learn from.
"""

from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from labeler.errors import ModelError
from labeler.models.files import made, safetensors_file
from labeler.models.files.made import Made
from labeler.models.protocols import FileSpec, ModelSpec, Portable, Weights
from labeler.models.sam import mobile_sam
from labeler.models.sam.mobile_sam import DECODER, SPEC, MobileSam
from labeler.models.sam.onnx_decoder import Tensors
from labeler.models.sam.torch_segmenters import PromptKind

MAKER = "clicks"
"""The id of its trainer."""


class Gate(Struct, frozen=True):
    """What was seen on the objects held out, by one kind of prompt."""

    kind: PromptKind
    objects: int
    frozen: tuple[float, ...]
    """Mean IoU after one click, two and so on; by a box after the box alone."""
    learnt: tuple[float, ...]
    """The same by what was learnt."""
    is_open: bool
    """Whether what was learnt is used for such prompts."""

    @property
    def told(self) -> str:
        """How the two compare: "a click IoU 0.60 → 0.71"."""
        what = "a click" if self.kind == "point" else "a box"
        return f"{what} IoU {self.frozen[0]:.2f} → {self.learnt[0]:.2f}"


class Taught(Struct, frozen=True):
    """What a file says of the decoder in it."""

    decoder: str
    """SHA-256 of the decoder that it was taught from."""
    gates: tuple[Gate, ...]
    lessons: int
    """Objects that it learnt from."""

    @property
    def kinds(self) -> tuple[PromptKind, ...]:
        """Of prompts that it is used for."""
        return tuple(gate.kind for gate in self.gates if gate.is_open)

    @property
    def told(self) -> str:
        """What it gains where it is used, in a few words."""
        gains = ", ".join(gate.told for gate in self.gates if gate.is_open)
        return f"learnt: {gains}" if gains else "learnt nothing that is better; as MobileSAM"


def save(path: Path, learnt: Tensors, taught: Taught, *, categories: tuple[str, ...], title: str) -> None:
    """Write what was learnt. Raises OSError."""
    made.save(path, learnt, maker=MAKER, categories=categories, config=taught, title=title)


def load(weights: Weights, about: Made) -> MobileSam:
    """The shipped model with what a file has learnt. Raises ModelError with one sentence."""
    return MobileSam(*_learnt(weights, about))


def portable(weights: Weights, about: Made) -> Portable:
    """The same as it leaves the app. Raises ModelError with one sentence."""
    return mobile_sam.portable(*_learnt(weights, about))


def _learnt(weights: Weights, about: Made) -> tuple[dict[str, Any], tuple[PromptKind, ...]]:
    taught = about.config_as(Taught)
    if taught.decoder != DECODER.sha256:
        raise ModelError(
            f"“{weights.path.name}” was taught from another version of MobileSAM; train it again."
        )
    arrays: dict[str, Any] = safetensors_file.load(weights.path)
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise ModelError(f"“{weights.path.name}” holds numbers that are none; train it again.")
    return arrays, taught.kinds


def file_spec() -> FileSpec:
    """The kind of file, for its plugin: embeddings are MobileSAM's own, so none is made twice."""
    plain = made.kind(
        MAKER, "Clicks learnt by Labeler", maker=MAKER, task="segmenter", load=load, portable=portable
    )

    def opened(path: Path) -> ModelSpec:
        taught = made.read(path, MAKER).config_as(Taught)
        return replace(plain.open(path), categories=(), embeds_as=SPEC.fingerprint, note=taught.told)

    return replace(plain, open=opened)
