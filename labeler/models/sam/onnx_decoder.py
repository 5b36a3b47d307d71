"""SAM's decoder in an ONNX file: its tensors by segment-anything's names, and what its last layers read.

An exporter names most tensors as the package does, except those it made others of: the weight of a linear
layer is found by the bias that is added after its product, and is its transpose; the two numbers of a
LayerNorm2d by their channels, which no two of its layers share.

The last layers are all that learns here: what makes a mask of each of four tokens (the hypernetworks), what
makes finer cells of each of the image's, and what says how good a mask is. Each cell becomes 4 x 4 logits by
itself, whatever lies beside it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.core.records import Prompt
from labeler.errors import ModelError
from labeler.models.sam.input_frame import LOGITS, prompt_arrays

Tensors = Mapping[str, NDArray[np.float32]]

CELLS = 64
"""Side of the embedding."""
PROMPTS, MASKS = "prompt_encoder.", "mask_decoder."
LEARNT = ("output_hypernetworks_mlps.", "output_upscaling.", "iou_prediction_head.")
"""How the names of what learns begin, in the package's MaskDecoder."""
_WIDTH = 256
_HEADS, _DEPTH, _INSIDE = 8, 2, 2048
_TOKENS = 4
_LAYER_NORMS = {
    4: "prompt_encoder.mask_downscaling.1",
    16: "prompt_encoder.mask_downscaling.4",
    64: "mask_decoder.output_upscaling.1",
}
"""By their channels."""
_MATRIX = "pe_layer.positional_encoding_gaussian_matrix"
_SLOWER = ["SkipLayerNormFusion"]
"""What ONNX Runtime makes of a sum and its layer norm: for the image's cells 10 ms where the two take 0.7."""
_NO_LOGITS = np.zeros((1, 1, LOGITS, LOGITS), dtype=np.float32)


def read_decoder(path: Path) -> dict[str, NDArray[np.float32]]:
    """The tensors of a decoder as shipped, by the names they have in the package's `Sam`.

    Raises ModelError with one sentence where it is another graph than that, or cannot be read.
    """
    model = _opened(path)
    tensors, names = _tensors(model), _names(model)
    found: dict[str, NDArray[np.float32]] = {}
    for name, values in tensors.items():
        plain = names.get(name, name).removeprefix("model.")
        if plain.startswith((PROMPTS, MASKS)):
            found[plain] = values.T if name.startswith("onnx::MatMul") else values
    tokens = [values for name, values in tensors.items() if name.startswith("onnx::Expand")]
    none = [values for values in tensors.values() if values.shape == (1, _WIDTH, 1, 1)]
    if len(tokens) != 1 or len(none) != 1 or f"{PROMPTS}{_MATRIX}" not in found:
        raise ModelError(f"“{path.name}” is no decoder of SAM as it comes with the app.")
    found[f"{MASKS}iou_token.weight"] = tokens[0][0, :1]
    found[f"{MASKS}mask_tokens.weight"] = tokens[0][0, 1:]
    found[f"{PROMPTS}no_mask_embed.weight"] = none[0].reshape(1, _WIDTH)
    for name in names.values():
        if name.rpartition(".")[0] in _LAYER_NORMS.values():
            found[name] = found[name].reshape(-1)
    return {name: np.array(values) for name, values in found.items()}


def mask_decoder(tensors: Tensors) -> Any:
    """The package's MaskDecoder with the tensors of `read_decoder`, in evaluation mode; nothing of it learns.

    Raises ModelError where a tensor is missing or of another shape. In a child only.
    """
    import torch  # noqa: PLC0415  # heavy: in a child only
    from segment_anything.modeling import MaskDecoder, TwoWayTransformer  # noqa: PLC0415

    transformer = TwoWayTransformer(depth=_DEPTH, embedding_dim=_WIDTH, num_heads=_HEADS, mlp_dim=_INSIDE)
    module = MaskDecoder(transformer_dim=_WIDTH, transformer=transformer)
    own = {
        name.removeprefix(MASKS): torch.from_numpy(values)
        for name, values in tensors.items()
        if name.startswith(MASKS)
    }
    try:
        module.load_state_dict(own)
    except RuntimeError as error:
        raise ModelError("The decoder is not that of a SAM as it comes with the app.") from error
    return module.eval().requires_grad_(requires_grad=False)


def feeds(
    image: NDArray[np.float32], prompt: Prompt, size: tuple[int, int]
) -> dict[str, NDArray[np.float32]]:
    """What the decoder takes for a prompt on an image of size (H, W) with the embedding `image`."""
    coordinates, labels = prompt_arrays(prompt, size)
    previous = prompt.previous
    return {
        "image_embeddings": image,
        "point_coords": coordinates,
        "point_labels": labels,
        "mask_input": _NO_LOGITS if previous is None else previous[None, None],
        "has_mask_input": np.array([previous is not None], dtype=np.float32),
    }


class Decoder:
    """The decoder on ONNX Runtime, with what was learnt in place of its own."""

    def __init__(self, path: Path, threads: int, learnt: Tensors | None = None) -> None:
        """On so many threads; `learnt` has the names of the package's MaskDecoder.

        Raises ModelError where that does not fit, or the file cannot be loaded.
        """
        import onnxruntime as ort  # noqa: PLC0415  # heavy: in a child only

        options = session_options(threads)
        self._kept = []  # ONNX Runtime reads them as long as the session lives
        for name, values in _placed(path, learnt or {}).items():
            self._kept.append(ort.OrtValue.ortvalue_from_numpy(values))
            options.add_initializer(name, self._kept[-1])
        self._session = loaded(str(path), options, path)

    def __call__(
        self, image: NDArray[np.float32], prompt: Prompt, size: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits (4, 256, 256) and predicted IoU (4,) for a prompt on an image (H, W) of this embedding."""
        logits, predicted = self._session.run(None, feeds(image, prompt, size))
        return logits[0], predicted[0]


def _placed(path: Path, learnt: Tensors) -> dict[str, NDArray[np.float32]]:
    """What was learnt by the names that the file has for it, in the file's shapes."""
    if not learnt:
        return {}
    model = _opened(path)
    shapes = {one.name: tuple(one.dims) for one in model.graph.initializer}
    called = {own.removeprefix(MASKS): name for name, own in _names(model).items()}
    placed = {}
    for own, values in learnt.items():
        name = called.get(own, MASKS + own)
        if name not in shapes or int(np.prod(shapes[name])) != values.size:
            raise ModelError(f"What was learnt (“{own}”) does not fit the decoder; train it again.")
        placed[name] = np.ascontiguousarray(values, dtype=np.float32).reshape(shapes[name])
    return placed


def with_learnt(path: Path, learnt: Tensors) -> bytes:
    """The decoder's file with what was learnt in place of its own; as `Decoder`."""
    model = _opened(path)
    from onnx import numpy_helper  # noqa: PLC0415  # heavy: in a child only

    placed = _placed(path, learnt)
    for one in model.graph.initializer:
        if one.name in placed:
            one.CopyFrom(numpy_helper.from_array(placed[one.name], one.name))
    return bytes(model.SerializeToString())


class Inner(Struct, frozen=True, eq=False):
    """What the frozen decoder says to a prompt, and what its last layers read for it."""

    logits: NDArray[np.float32]
    """(4, 256, 256)"""
    predicted: NDArray[np.float32]
    """(4,) IoU."""
    cells: NDArray[np.float32]
    """(256, 64, 64)"""
    tokens: NDArray[np.float32]
    """(5, 256): of the four masks, and of the IoU."""


class OpenDecoder:
    """The frozen decoder, which hands out what its last layers read."""

    def __init__(self, path: Path, threads: int) -> None:
        model = _opened(path)
        from onnx import helper  # noqa: PLC0415  # heavy: in a child only

        heads = [f"{LEARNT[0]}{index}.layers.0.weight" for index in range(_TOKENS)]
        last = [f"{LEARNT[1]}0.weight", *heads, f"{LEARNT[2]}layers.0.weight"]
        inputs = {name: node.input[0] for node in model.graph.node for name in node.input[1:2]}
        names = [output.name for output in model.graph.output]
        try:
            names += [inputs[MASKS + name] for name in last]
        except KeyError as error:
            raise ModelError(f"“{path.name}” is no decoder of SAM as it comes with the app.") from error
        model.graph.output.extend(helper.make_tensor_value_info(name, 1, None) for name in names[2:])
        self._names = names
        self._session = loaded(model.SerializeToString(), session_options(threads), path)

    def __call__(self, image: NDArray[np.float32], prompt: Prompt, size: tuple[int, int]) -> Inner:
        """For a prompt on an image of size (H, W) with the embedding `image`, (1, 256, 64, 64)."""
        logits, predicted, cells, *tokens = self._session.run(self._names, feeds(image, prompt, size))
        return Inner(logits[0], predicted[0], cells[0], np.concatenate(tokens))


def session_options(threads: int) -> Any:
    """Of ONNX Runtime, for so many threads that rest while they have nothing to do."""
    import onnxruntime as ort  # noqa: PLC0415  # heavy: in a child only

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # else its threads keep cores busy while they wait for each other, and while the window draws an answer
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def loaded(source: str | bytes, options: Any, path: Path) -> Any:
    """An ONNX Runtime session of the file `path`, or of its changed content. Raises ModelError."""
    import onnxruntime as ort  # noqa: PLC0415  # heavy: in a child only

    try:
        return ort.InferenceSession(
            source, options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER
        )
    except Exception as error:  # ONNX Runtime has one class of its own per status code
        raise ModelError(f"ONNX Runtime could not load {path.name} ({error}).") from error


def _opened(path: Path) -> Any:
    import onnx  # noqa: PLC0415  # heavy: in a child only

    try:
        return onnx.load(path)
    except Exception as error:  # protobuf raises what it likes for a bad file
        raise ModelError(f"“{path.name}” cannot be read as an ONNX file ({error}).") from error


def _tensors(model: Any) -> dict[str, NDArray[np.float32]]:
    from onnx import numpy_helper  # noqa: PLC0415  # heavy: in a child only

    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


def _names(model: Any) -> dict[str, str]:
    """What the package calls the tensors that the exporter renamed, by the file's names."""
    shapes = {one.name: tuple(one.dims) for one in model.graph.initializer}
    products = {
        node.output[0]: node.input[1]
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in shapes
    }
    names: dict[str, str] = {}
    for node in model.graph.node:
        given = list(node.input)
        tensor = next((name for name in given if name in shapes), "")
        if node.op_type not in ("Add", "Mul") or not tensor:
            continue
        other = next((name for name in given if name != tensor), "")
        if node.op_type == "Add" and other in products and tensor.endswith(".bias"):
            names[products[other]] = tensor.removesuffix("bias") + "weight"
        elif tensor.startswith("onnx::") and shapes[tensor][1:] == (1, 1):
            layer = _LAYER_NORMS.get(shapes[tensor][0])
            if layer is not None:
                names[tensor] = f"{layer}.{'bias' if node.op_type == 'Add' else 'weight'}"
    return names
