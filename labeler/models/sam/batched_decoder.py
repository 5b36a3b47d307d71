"""SAM's decoder for many prompts of one image at once, drawn only where a mask is wanted.

The decoder that comes along takes one prompt, and 38 ms of one core for it. Here the same tensors are put
together again, after TwoWayTransformer and MaskDecoder of facebookresearch/segment-anything, so that

- prompts of one image go in batches, and share what the image alone decides;
- between a few tokens and the image's 4096 cells, the tokens are multiplied with the attention's weights and
  not the cells: q (k W)' is (q W') k', which takes less than half of the products;
- `look` says how good each mask would be before any is drawn, and `draw` draws those that are asked for.

The numbers are the decoder's but for float32's rounding.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from labeler.models.sam.input_frame import FRAME, LOGITS
from labeler.models.sam.onnx_decoder import CELLS, MASKS, PROMPTS, loaded, session_options

Floats = NDArray[np.float32]

_WIDTH, _HEADS, _DEPTH, _TOKENS = 256, 8, 2, 4
_PLACES = CELLS * CELLS
_OPSET = 17
_LAYER_NORM, _LAYER_NORM_2D = 1e-5, 1e-6
"""Their epsilons in the package."""


class Looked(Struct, frozen=True, eq=False):
    """What the decoder makes of B prompts, before it draws."""

    predicted: Floats
    """(B, 4) IoU, of the single mask first."""
    cells: Floats
    """(B, 4096, 256) the image, as each prompt has it seen."""
    strokes: Floats
    """(B, 4, 32) what makes a mask of them."""


class BatchedDecoder:
    """The decoder with `tensors` as `read_decoder` gives them, on ONNX Runtime."""

    def __init__(self, tensors: Mapping[str, Floats], path: Path) -> None:
        """`path` is named in what is raised: ModelError. One thread of the caller's does all the work."""
        self._tensors = tensors
        self._matrix = tensors[f"{PROMPTS}pe_layer.positional_encoding_gaussian_matrix"].astype(np.float64)
        self._look = loaded(_looking(tensors, self._places()), session_options(1), path)
        self._draw = loaded(_drawing(tensors), session_options(1), path)

    def look(self, image: Floats, coordinates: Floats, labels: Floats) -> Looked:
        """For the embedding (1, 256, 64, 64) and prompts as of `prompt_arrays`: (B, N, 2) and (B, N)."""
        given = {"image": image, "points": self._points(coordinates, labels)}
        return Looked(*self._look.run(None, given))

    def draw(self, looked: Looked, prompt: int, masks: Sequence[int]) -> Floats:
        """Logits (K, 256, 256) of K of the four masks of the prompt with that place."""
        given = {"cells": looked.cells[prompt], "strokes": looked.strokes[prompt, list(masks)]}
        logits: Floats = self._draw.run(None, given)[0]
        return logits

    def _points(self, coordinates: Floats, labels: Floats) -> Floats:
        """The prompts' embeddings, (B, N, 256) float32."""
        waves = self._waves((coordinates.astype(np.float64) + 0.5) / FRAME)
        waves[labels < 0] = self._tensors[f"{PROMPTS}not_a_point_embed.weight"][0]
        for label in range(4):
            waves[labels == label] += self._tensors[f"{PROMPTS}point_embeddings.{label}.weight"][0]
        return waves

    def _waves(self, places: NDArray[np.float64]) -> Floats:
        """The embedding (..., 256) of places (..., 2), as x and y from 0 to 1."""
        angles = 2 * np.pi * ((2 * places - 1) @ self._matrix)
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)

    def _places(self) -> Floats:
        """The embeddings (4096, 256) of the cells' centres, row by row."""
        centres = (np.arange(CELLS) + 0.5) / CELLS
        x, y = np.meshgrid(centres, centres)
        return self._waves(np.stack([x.ravel(), y.ravel()], axis=1))


class _Graph:
    """An ONNX graph that grows by one node at a time; each call gives the name of what comes out."""

    def __init__(self, tensors: Mapping[str, Floats]) -> None:
        self._tensors = tensors
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper  # noqa: PLC0415  # heavy: in a child only

        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper  # noqa: PLC0415  # heavy: in a child only

        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def linear(self, given: str, name: str) -> str:
        """A linear layer of the package."""
        weight, bias = self._tensors[f"{MASKS}{name}.weight"], self._tensors[f"{MASKS}{name}.bias"]
        return self.node("Add", self.node("MatMul", given, self.constant(weight.T)), self.constant(bias))

    def norm(self, given: str, name: str, epsilon: float = _LAYER_NORM) -> str:
        """A layer norm of the package, over the last axis."""
        weight, bias = (self.constant(self._tensors[f"{MASKS}{name}.{one}"]) for one in ("weight", "bias"))
        return self.node("LayerNormalization", given, weight, bias, axis=-1, epsilon=epsilon)

    def mlp(self, given: str, name: str, layers: int) -> str:
        """Linear layers with ReLU between them."""
        for layer in range(layers):
            given = self.linear(given, f"{name}.layers.{layer}")
            given = self.node("Relu", given) if layer < layers - 1 else given
        return given

    def gelu(self, given: str) -> str:
        half = self.node("Mul", given, self.constant(np.array(0.5, np.float32)))
        part = self.node("Erf", self.node("Div", given, self.constant(np.array(math.sqrt(2), np.float32))))
        return self.node("Mul", half, self.node("Add", part, self.constant(np.array(1, np.float32))))

    def shaped(self, given: str, *shape: int) -> str:
        """Reshaped; 0 keeps a length, -1 takes the rest."""
        return self.node("Reshape", given, self.constant(np.array(shape, dtype=np.int64)))

    def add(self, *given: str) -> str:
        return given[0] if len(given) == 1 else self.node("Add", given[0], self.add(*given[1:]))

    def serialized(self, inputs: Mapping[str, Sequence[Any]], outputs: Sequence[str]) -> bytes:
        """The model, with inputs of these shapes; it gives `outputs`."""
        from onnx import TensorProto, helper  # noqa: PLC0415  # heavy: in a child only

        def told(name: str, shape: Sequence[Any] | None) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        given = [told(name, shape) for name, shape in inputs.items()]
        found = [told(name, None) for name in outputs]
        graph = helper.make_graph(self._nodes, "decoder", given, found, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
        return bytes(model.SerializeToString())


class _Attention(Struct, frozen=True, eq=False):
    """An attention's weights by head, of width w inside: q = x Wq + bq and so on, and out = y Wo + bo."""

    query: Floats
    """(8, 256, w)"""
    query_bias: Floats
    """(8, 1, w)"""
    key: Floats
    key_bias: Floats
    value: Floats
    value_bias: Floats
    out: Floats
    """(8, w, 256)"""
    out_bias: Floats
    """(256,)"""


def _attention(tensors: Mapping[str, Floats], name: str) -> _Attention:
    def weights(part: str) -> tuple[Floats, Floats]:
        weight, bias = (tensors[f"{MASKS}transformer.{name}.{part}_proj.{one}"] for one in ("weight", "bias"))
        split = weight.reshape(_HEADS, -1, weight.shape[1]).transpose(0, 2, 1)
        return np.ascontiguousarray(split), bias.reshape(_HEADS, 1, -1)

    (query, query_bias), (key, key_bias), (value, value_bias) = map(weights, ("q", "k", "v"))
    scale = np.float32(1 / math.sqrt(query.shape[2]))
    out = tensors[f"{MASKS}transformer.{name}.out_proj.weight"].T
    return _Attention(
        query * scale,
        query_bias * scale,
        key,
        key_bias,
        value,
        value_bias,
        np.ascontiguousarray(out.reshape(_HEADS, -1, out.shape[1])),
        tensors[f"{MASKS}transformer.{name}.out_proj.bias"],
    )


def _heads(graph: _Graph, given: str, weight: Floats, bias: Floats) -> str:
    """(B, n, 256) as (B, 8, n, w)."""
    alone = graph.node("Unsqueeze", given, graph.constant(np.array([1], np.int64)))
    return graph.node("Add", graph.node("MatMul", alone, graph.constant(weight)), graph.constant(bias))


def _joined(graph: _Graph, answers: str, at: _Attention) -> str:
    """(B, 8, n, w) of all heads as (B, n, 256)."""
    each = graph.node("MatMul", answers, graph.constant(at.out))
    axes = graph.constant(np.array([1], np.int64))
    return graph.node("Add", graph.node("ReduceSum", each, axes, keepdims=0), graph.constant(at.out_bias))


def _among_tokens(graph: _Graph, asking: str, values: str, at: _Attention) -> str:
    query = _heads(graph, asking, at.query, at.query_bias)
    key = graph.node("Transpose", _heads(graph, asking, at.key, at.key_bias), perm=[0, 1, 3, 2])
    shares = graph.node("Softmax", graph.node("MatMul", query, key), axis=-1)
    return _joined(graph, graph.node("MatMul", shares, _heads(graph, values, at.value, at.value_bias)), at)


def _tokens_of_image(graph: _Graph, tokens: str, placed: str, cells: str, at: _Attention) -> str:
    """What n tokens (B, n, 256) are told by the cells (B or 1, 4096, 256), `placed` with their places added.

    The key's bias adds the same to all cells, and so nothing to their shares.
    """
    query = _heads(graph, tokens, at.query, at.query_bias)
    asking = graph.node("MatMul", query, graph.constant(at.key.transpose(0, 2, 1)))
    asking = graph.shaped(asking, 0, -1, _WIDTH)
    shares = graph.node("MatMul", asking, graph.node("Transpose", placed, perm=[0, 2, 1]))
    told = graph.node("MatMul", graph.node("Softmax", shares, axis=-1), cells)
    told = graph.node("MatMul", graph.shaped(told, 0, _HEADS, -1, _WIDTH), graph.constant(at.value))
    return _joined(graph, graph.node("Add", told, graph.constant(at.value_bias)), at)


def _image_of_tokens(graph: _Graph, tokens: str, values: str, placed: str, at: _Attention) -> str:
    """What the cells (B, 4096, 256) are told by n tokens (B, n, 256)."""
    key = graph.node("Transpose", _heads(graph, tokens, at.key, at.key_bias), perm=[0, 1, 3, 2])
    asked = graph.node("MatMul", graph.constant(at.query), key)  # (B, 8, 256, n)
    asked = graph.shaped(graph.node("Transpose", asked, perm=[0, 2, 1, 3]), 0, _WIDTH, -1)
    bias = graph.shaped(graph.node("MatMul", graph.constant(at.query_bias), key), 0, 1, -1)
    shares = graph.node("Add", graph.node("MatMul", placed, asked), bias)
    shares = graph.node("Softmax", graph.shaped(shares, 0, 0, _HEADS, -1), axis=-1)
    told = graph.node("MatMul", _heads(graph, values, at.value, at.value_bias), graph.constant(at.out))
    answers = graph.node("MatMul", graph.shaped(shares, 0, _PLACES, -1), graph.shaped(told, 0, -1, _WIDTH))
    return graph.node("Add", answers, graph.constant(at.out_bias))


def _looking(tensors: Mapping[str, Floats], places: Floats) -> bytes:
    """The graph of `look`."""
    graph = _Graph(tensors)
    own = np.concatenate([tensors[f"{MASKS}iou_token.weight"], tensors[f"{MASKS}mask_tokens.weight"]])
    shape = graph.node(
        "Slice", graph.node("Shape", "points"), *(graph.constant(np.array([n], np.int64)) for n in (0, 1))
    )
    whole = graph.node("Concat", shape, graph.constant(np.array(own.shape, np.int64)), axis=0)
    first = graph.node("Concat", graph.node("Expand", graph.constant(own[None]), whole), "points", axis=1)
    cells = graph.node("Transpose", graph.shaped("image", 0, 0, _PLACES), perm=[0, 2, 1])
    cells = graph.node("Add", cells, graph.constant(tensors[f"{PROMPTS}no_mask_embed.weight"]))
    where = graph.constant(places[None])
    tokens = first
    for layer in range(_DEPTH):
        block = f"layers.{layer}"
        if layer == 0:
            tokens = _among_tokens(graph, tokens, tokens, _attention(tensors, f"{block}.self_attn"))
        else:
            told = _among_tokens(
                graph, graph.add(tokens, first), tokens, _attention(tensors, f"{block}.self_attn")
            )
            tokens = graph.add(tokens, told)
        tokens = graph.norm(tokens, f"transformer.{block}.norm1")
        at = _attention(tensors, f"{block}.cross_attn_token_to_image")
        placed = graph.add(cells, where)
        told = _tokens_of_image(graph, graph.add(tokens, first), placed, cells, at)
        tokens = graph.norm(graph.add(tokens, told), f"transformer.{block}.norm2")
        inner = graph.node("Relu", graph.linear(tokens, f"transformer.{block}.mlp.lin1"))
        told = graph.linear(inner, f"transformer.{block}.mlp.lin2")
        tokens = graph.norm(graph.add(tokens, told), f"transformer.{block}.norm3")
        at = _attention(tensors, f"{block}.cross_attn_image_to_token")
        told = _image_of_tokens(graph, graph.add(tokens, first), tokens, placed, at)
        cells = graph.norm(graph.add(cells, told), f"transformer.{block}.norm4")
    at = _attention(tensors, "final_attn_token_to_image")
    told = _tokens_of_image(graph, graph.add(tokens, first), graph.add(cells, where), cells, at)
    tokens = graph.norm(graph.add(tokens, told), "transformer.norm_final_attn")
    of = [
        graph.node("Gather", tokens, graph.constant(np.array(n, np.int64)), axis=1)
        for n in range(_TOKENS + 1)
    ]
    strokes = [graph.mlp(of[1 + n], f"output_hypernetworks_mlps.{n}", 3) for n in range(_TOKENS)]
    strokes = [graph.node("Unsqueeze", one, graph.constant(np.array([1], np.int64))) for one in strokes]
    outputs = graph.mlp(of[0], "iou_prediction_head", 3), cells, graph.node("Concat", *strokes, axis=1)
    inputs = {"image": (1, _WIDTH, CELLS, CELLS), "points": ("prompts", "points_each", _WIDTH)}
    return graph.serialized(inputs, outputs)


def _drawing(tensors: Mapping[str, Floats]) -> bytes:
    """The graph of `draw`, for one prompt: each cell becomes 2 x 2, and each of these 2 x 2 again."""
    graph = _Graph(tensors)

    def finer(given: str, name: str) -> str:
        weight, bias = tensors[f"{MASKS}{name}.weight"], tensors[f"{MASKS}{name}.bias"]
        spread = weight.transpose(0, 2, 3, 1).reshape(weight.shape[0], -1)
        made = graph.node("MatMul", given, graph.constant(spread))
        return graph.node("Add", graph.shaped(made, -1, weight.shape[1]), graph.constant(bias))

    inside = finer("cells", "output_upscaling.0")
    inside = graph.gelu(graph.norm(inside, "output_upscaling.1", _LAYER_NORM_2D))
    inside = graph.gelu(finer(inside, "output_upscaling.3"))
    logits = graph.node("MatMul", "strokes", graph.node("Transpose", inside, perm=[1, 0]))
    logits = graph.shaped(logits, -1, CELLS, CELLS, 2, 2, 2, 2)  # y, x, then down and across, twice
    logits = graph.node("Transpose", logits, perm=[0, 1, 3, 5, 2, 4, 6])
    inputs = {
        "cells": (_PLACES, _WIDTH),
        "strokes": ("masks", tensors[f"{MASKS}output_upscaling.3.weight"].shape[1]),
    }
    return graph.serialized(inputs, [graph.shaped(logits, -1, LOGITS, LOGITS)])
