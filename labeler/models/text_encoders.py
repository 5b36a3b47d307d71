"""Words as vectors: CLIP (Radford et al. 2021) and MobileCLIP, for detectors that are told what to look for.

Their files are TorchScript, which is a program: only the very files that their publishers name, by SHA-256,
are opened.
"""

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from labeler.errors import ModelError
from labeler.models import devices
from labeler.models.files import weights
from labeler.models.files.catalog import entry
from labeler.models.files.opener import guarded

Encode: TypeAlias = Callable[[Sequence[str]], Any]
"""Gives a float32 tensor (1, N, D) of unit vectors for N phrases."""

EXTRA = "labeler[open-vocabulary]"
"""What to install for models that read."""


def phrases_of(text: str | None) -> tuple[str, ...]:
    """What to look for: the phrases of a text, which commas, semicolons, full stops or lines divide.

    In their order, each once; () for no text.
    """
    phrases = (" ".join(part.split()) for part in re.split(r"[,;.\n]", text or ""))
    return tuple(dict.fromkeys(phrase for phrase in phrases if phrase))


def phrases_told(text: str | None) -> tuple[str, ...]:
    """As `phrases_of`, for models that find nothing of themselves; ModelError where there is no phrase."""
    phrases = phrases_of(text)
    if not phrases:
        raise ModelError("This model finds what it is told; say what to look for (“a red bicycle, a dog”).")
    return phrases


def load_encoder(entry_id: str) -> Encode:
    """The text encoder of that entry of the catalogue. In a child only.

    Raises ModelError with one sentence where its file is not there or is another one, and where the
    packages for it are not installed.
    """
    wanted = entry(entry_id)
    path = weights.path_of(wanted)
    if not path.is_file():
        raise ModelError(
            f"To read text this model needs {wanted.title}; get it with `labeler models get {wanted.id}`, "
            f"or put {wanted.url} into {path.parent}."
        )
    if not wanted.sha256:
        raise ModelError(f"{wanted.title} is not opened, since its publisher states no SHA-256 for it.")
    weights.verified(path)
    load = _clip if path.suffix == ".pt" else _mobile_clip
    encode: Encode = guarded(path.name, lambda: load(path))
    return encode


def tokenizer() -> Callable[[list[str]], Any]:
    """CLIP's tokenizer: an integer tensor (N, 77) for N texts; ModelError where it is not installed."""
    try:
        module = import_module("open_clip.tokenizer")  # of an extra, so it may not be there
    except ImportError as error:
        raise ModelError(
            f"To read text this model needs the package open_clip, which is not installed; install {EXTRA}."
        ) from error
    made: Callable[[list[str]], Any] = module.SimpleTokenizer()
    return made


def _clip(path: Path) -> Encode:
    """OpenAI's CLIP: its text tower, on the best device."""
    tokenize = tokenizer()
    device = devices.chosen()
    model = import_module("open_clip.openai").load_openai_model(str(path), precision="fp32", device=device)
    return lambda phrases: _unit(model.encode_text(tokenize(list(phrases)).to(device)))


def _mobile_clip(path: Path) -> Encode:
    """Apple's MobileCLIP, as ultralytics offers it: a TorchScript from tokens to vectors."""
    import torch  # noqa: PLC0415  # heavy: in a child only

    tokenize, device = tokenizer(), devices.chosen()
    model = torch.jit.load(path, map_location=device).eval()
    return lambda phrases: _unit(model(tokenize(list(phrases)).to(device)))


def _unit(vectors: Any) -> Any:
    """(1, N, D) float32 of length 1 from (N, D)."""
    vectors = vectors.detach().float()
    return (vectors / vectors.norm(dim=-1, keepdim=True))[None]
