"""Networks as ONNX files of our own making, kept in the cache: on a CPU often three times as fast as torch.

A network is exported once, by torch itself, compared with what it was made from, and timed against it.
Later starts need neither torch nor the checkpoint. Weights that ship have their export beside them, so that
the first start needs neither. Whatever goes wrong, torch does the work.
"""

import hashlib
import logging
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler import paths
from labeler.core.files import atomic_write
from labeler.errors import ModelError
from labeler.models import devices
from labeler.models.files import catalog
from labeler.models.protocols import Weights
from labeler.models.threads import all_threads

_VERSION = 1
"""Of what is exported, and how."""
_OPSET = 17
_PROBES = ((640, 480), (384, 640))
_ROUNDS = 3
_TOLERANCE = 2e-3
"""Of the largest value of an output: a hundredth of a pixel's worth in 640."""

Arrays = tuple[NDArray[np.float32], ...]

_log = logging.getLogger(__name__)


class Network(Protocol):
    """A network that was made ready: a batch of one image in, arrays out."""

    facts: dict[str, Any]
    """What must be known of it beside its weights, as plain JSON."""

    def __call__(self, frame: NDArray[np.float32]) -> Arrays:
        """The outputs, float32, for a frame (1, 3, h, w)."""
        ...


class TorchNetwork:
    """A torch module, on the GPU where there is one."""

    def __init__(self, module: Any, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.device = devices.chosen()
        self.module = module.eval().requires_grad_(requires_grad=False).to(self.device)

    def __call__(self, frame: NDArray[np.float32]) -> Arrays:
        """The outputs, float32, for a frame (1, 3, h, w). Raises MemoryError where the GPU's is too small."""
        import torch  # noqa: PLC0415  # heavy: in a child only

        with devices.inference():
            found = self.module(torch.from_numpy(frame).to(self.device))
        outputs = found if isinstance(found, tuple | list) else (found,)
        return tuple(output.float().cpu().numpy() for output in outputs)


class OnnxNetwork:
    """An exported network in ONNX Runtime, on the CPU."""

    def __init__(self, model: Path | bytes, facts: dict[str, Any]) -> None:
        """`model`: the file, or what is in it."""
        import onnxruntime as ort  # noqa: PLC0415  # heavy: in a child only

        options = ort.SessionOptions()
        options.intra_op_num_threads = all_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.facts = facts
        self._session = ort.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
        )
        (taken,) = self._session.get_inputs()
        height, width = (side if isinstance(side, int) else 0 for side in taken.shape[2:])
        self._name, self._is_half = taken.name, taken.type == "tensor(float16)"
        self.frame: tuple[int, int] = (height, width)
        """Height and width of what it takes, where they are not free; else 0."""

    def __call__(self, frame: NDArray[np.float32]) -> Arrays:
        """The outputs, float32, for a frame (1, 3, h, w)."""
        given = frame.astype(np.float16) if self._is_half else frame
        found = self._session.run(None, {self._name: given})
        return tuple(np.asarray(one, dtype=np.float32) for one in found)


class _Record(Struct, frozen=True):
    """What was found out about a network, beside its file."""

    faster: bool
    sha256: str
    """Of the exported file; "" where it is not used."""
    facts: dict[str, Any]


def fast_network(weights: Weights, load: Callable[[], TorchNetwork]) -> Network:
    """The network of a checkpoint in the form that is fastest here, exporting it at the first time.

    `load` makes it from the checkpoint, with torch; its errors are passed on. The module's spatial input
    sizes must be free to vary.
    """
    made = paths.cache_dir() / "exports" / f"{weights.sha256[:24]}-{_VERSION}"
    network = load() if devices.has_gpu() else None
    if network is not None and network.device.type != "cpu":
        return network
    record = None
    for stem in (*_shipped(weights), made):
        record = _known(stem)
        if record is not None and record.faster:
            return OnnxNetwork(stem.with_suffix(".onnx"), record.facts)
    network = network or load()
    if record is not None or network.device.type != "cpu":
        return network
    try:
        return _exported(network, made) or network
    except Exception as error:  # export touches much of torch: none of it may keep a model from working
        _log.info(
            "No ONNX export of %s (%s: %s); torch is used.", weights.path.name, type(error).__name__, error
        )
        return network


def shipped_export(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """The exported network in a folder of weights that come along, and its facts, checked by its SHA-256.

    Raises ModelError with one sentence where it is missing or another one.
    """
    stem = folder / f"export-{_VERSION}"
    record = _known(stem)
    if record is None or not record.faster:
        raise ModelError(
            f"The network in {folder} is missing or damaged; install Labeler again to restore it."
        )
    return stem.with_suffix(".onnx").read_bytes(), record.facts


def _shipped(weights: Weights) -> tuple[Path, ...]:
    """Where the export of weights that come with the app lies beside them; wherever a copy of them lies."""
    folders = (catalog.shipped_folder(entry) for entry in catalog.entries() if entry.sha256 == weights.sha256)
    return tuple(folder / f"export-{_VERSION}" for folder in folders if folder is not None)


def _known(stem: Path) -> _Record | None:
    """What an earlier run found out; None where there was none, or its file is not the one it wrote."""
    try:
        record = msgspec.json.decode(stem.with_suffix(".json").read_bytes(), type=_Record)
        if record.faster and _sha256(stem.with_suffix(".onnx")) != record.sha256:
            return None
    except (OSError, ValueError):
        return None
    return record


def _exported(network: TorchNetwork, stem: Path) -> OnnxNetwork | None:
    """The exported network; None where it is no faster. Raises anything where it cannot be exported."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    file = stem.with_suffix(".onnx")
    frames = [_probe(height, width) for height, width in _PROBES]
    names = tuple(f"output{number}" for number in range(len(network(frames[0]))))
    atomic_write(file, onnx_bytes(network.module, frames[0], outputs=names, free={2: "height", 3: "width"}))
    exported = OnnxNetwork(file, network.facts)
    for frame in frames:
        _check_same(exported(frame), network(frame))
    faster = _seconds(exported, frames[0]) < _seconds(network, frames[0])
    record = _Record(faster, _sha256(file) if faster else "", network.facts)
    if not faster:
        file.unlink()
    atomic_write(stem.with_suffix(".json"), msgspec.json.encode(record))
    return exported if faster else None


def onnx_bytes(
    module: Any,
    example: NDArray[Any],
    *,
    outputs: Sequence[str],
    free: Mapping[int, str],
    about: Mapping[str, str] | None = None,
) -> bytes:
    """The module on the CPU as an ONNX file, traced on `example`, that takes "images" and gives `outputs`.

    `free` names the axes of "images" whose length is not that of the example; `about` goes into its metadata.
    Raises whatever torch does.
    """
    import io  # noqa: PLC0415

    import torch  # noqa: PLC0415  # heavy: in a child only

    written = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of tracing; the result is compared
        torch.onnx.export(
            module,
            (torch.from_numpy(example),),
            written,
            input_names=["images"],
            output_names=list(outputs),
            dynamic_axes={"images": dict(free)},
            opset_version=_OPSET,
            do_constant_folding=True,
            dynamo=False,  # the other way needs packages that are not there
        )
    if not about:
        return written.getvalue()
    import onnx  # noqa: PLC0415 - torch has it imported already

    graph = onnx.load_model_from_string(written.getvalue())
    onnx.helper.set_model_props(graph, dict(about))
    return bytes(graph.SerializeToString())


def _check_same(found: Arrays, wanted: Arrays) -> None:
    for ours, theirs in zip(found, wanted, strict=True):
        if ours.shape != theirs.shape:
            raise ModelError(f"The exported network gives {ours.shape}, not {theirs.shape}.")
        if np.abs(ours - theirs).max() > _TOLERANCE * max(1.0, float(np.abs(theirs).max())):
            raise ModelError("The exported network gives other values.")


def _probe(height: int, width: int) -> NDArray[np.float32]:
    """Something to look at: smooth shapes and noise."""
    noise = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = 0.5 + 0.5 * np.sin(x / 40.0) * np.cos(y / 30.0)
    probe: NDArray[np.float32] = (0.7 * waves + 0.3 * noise).astype(np.float32)
    return probe


def _seconds(network: Network, frame: NDArray[np.float32]) -> float:
    network(frame)
    taken = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        network(frame)
        taken.append(time.perf_counter() - begun)
    return min(taken)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
