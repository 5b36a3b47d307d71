"""The checkpoints of a training by ultralytics: how far one is, and what of the best one is kept."""

import io
from pathlib import Path

from labeler.core.files import atomic_write
from labeler.models.files.checkpoints import check_pickles
from labeler.models.ultralytics_home import load_checkpoint

_KEPT_ARGUMENTS = (
    "task",
    "imgsz",
    "epochs",
    "batch",
    "optimizer",
    "lr0",
    "seed",
    "overlap_mask",
    "mask_ratio",
)
"""Of a training: what its weights say of it. The others are paths of this machine, or defaults."""
_LICENCE = "AGPL-3.0 License (https://ultralytics.com/license)"


def epochs_done(checkpoint: Path) -> int:
    """How many epochs a `last.pt` has behind it."""
    import torch  # noqa: PLC0415  # heavy: in a child only
    from ultralytics.nn.tasks import _SafeLoad  # noqa: PLC0415

    with _SafeLoad.loading(str(checkpoint)):
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return int(content["epoch"]) + 1


def write_final(best: Path, path: Path, title: str) -> None:
    """The best checkpoint without what only training needs, and without paths of this machine."""
    import torch  # noqa: PLC0415  # heavy: in a child only
    import ultralytics  # noqa: PLC0415

    model = load_checkpoint(best)
    arguments = {name: model.args[name] for name in _KEPT_ARGUMENTS if name in model.args}
    model.args, model.criterion, model.pt_path = arguments, None, None
    model.half().requires_grad_(requires_grad=False)
    content = {
        "epoch": -1,
        "model": model,
        "train_args": arguments,
        "title": title,
        "version": ultralytics.__version__,
        "license": _LICENCE,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    atomic_write(path, buffer.getvalue())
    check_pickles(path)
