"""What a torch run goes on from: one file that is whole or not there, and holds nothing that could run."""

import io
from pathlib import Path
from typing import Any

import msgspec
import torch
from msgspec import Struct

from labeler.core.files import atomic_write
from labeler.errors import LabelerError
from labeler.training.disk import unwritable
from labeler.training.events import Epoch


class Place(Struct):
    """Where a run stands; changed as it goes on."""

    batch: int
    epoch: int = 1
    """The epoch that is under way."""
    step: int = 0
    """Steps of it that are done."""
    halved: bool = False
    """Whether memory ran out once."""
    sums: dict[str, float] = {}
    """Of the epoch's losses so far, by name."""
    seconds: float = 0.0
    """Spent on the epoch so far."""
    best_epoch: int = 0
    """0 for none."""
    best: dict[str, float] = {}
    """The metrics of the best epoch."""
    last: Epoch | None = None
    """What was, or is about to be, said of the epoch before."""


def save(
    path: Path, place: Place, *, module: torch.nn.Module, optimizer: torch.optim.Optimizer, scaler: Any
) -> None:
    """Write everything that the next step depends on. Raises LabelerError where the disk does not take it."""
    state = {
        "place": msgspec.json.encode(place).decode(),
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "random": torch.get_rng_state(),
        "gpu_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    # into memory first: torch ends the process when a disk is full under its own writer
    buffer = io.BytesIO()
    torch.save(state, buffer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, buffer.getvalue())
    except OSError as error:
        raise unwritable(path, error) from error


def load(
    path: Path, *, module: torch.nn.Module, optimizer: torch.optim.Optimizer, scaler: Any
) -> Place | None:
    """Bring everything into the state that was saved; None where nothing was.

    Raises LabelerError with one sentence where the file cannot be read or is of another model.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        place = msgspec.json.decode(state["place"], type=Place)
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"])
        if torch.cuda.is_available() and len(state["gpu_random"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["gpu_random"])
    except Exception as error:  # torch and pickle raise a dozen kinds on foreign bytes
        raise LabelerError(
            f"Training cannot go on from {path} ({type(error).__name__}): delete that file to train this run "
            "from its beginning."
        ) from error
    return place
