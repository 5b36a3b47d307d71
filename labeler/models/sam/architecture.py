"""How large a SAM is, told from the tensors of its checkpoint."""

from collections.abc import Mapping

from msgspec import Struct

_TITLES = {12: "SAM ViT-B", 24: "SAM ViT-L", 32: "SAM ViT-H"}
"""By the number of the encoder's blocks."""

_ENCODER = "image_encoder."
_MARKS = (
    f"{_ENCODER}pos_embed",
    f"{_ENCODER}patch_embed.proj.weight",
    f"{_ENCODER}blocks.0.attn.rel_pos_h",
    f"{_ENCODER}neck.0.weight",
    "prompt_encoder.mask_downscaling.3.weight",
    "mask_decoder.mask_tokens.weight",
    "mask_decoder.iou_prediction_head.layers.0.weight",
    "mask_decoder.transformer.layers.0.mlp.lin1.weight",
)
"""Tensors that the checkpoints of this family have, and that tell their sizes."""


class SamArchitecture(Struct, frozen=True):
    """The sizes of a SAM, as its checkpoint's tensors tell them."""

    width: int
    depth: int
    heads: int
    whole: tuple[int, ...]
    """Blocks that attend to the whole image; the others to windows."""
    window: int
    """Side of these, in patches."""
    patch: int
    side: int
    """Of the input, in pixels."""
    embedding: int
    mask_channels: int
    masks: int
    iou_depth: int
    iou_width: int
    decoder_depth: int
    decoder_width: int

    @property
    def title(self) -> str:
        """What it is called."""
        return _TITLES.get(self.depth, "SAM")


def architecture_of(shapes: Mapping[str, tuple[int, ...]]) -> SamArchitecture | None:
    """The architecture of a state dict with tensors of these shapes; None where it is no such SAM."""
    if not all(name in shapes for name in _MARKS):
        return None
    width, _, _, patch = shapes[f"{_ENCODER}patch_embed.proj.weight"]
    cells = shapes[f"{_ENCODER}pos_embed"][1]
    depth = _count(shapes, f"{_ENCODER}blocks.{{}}.attn.rel_pos_h")
    # relative positions within n patches are 2 n - 1
    reach = [(shapes[f"{_ENCODER}blocks.{index}.attn.rel_pos_h"][0] + 1) // 2 for index in range(depth)]
    iou_width, embedding = shapes["mask_decoder.iou_prediction_head.layers.0.weight"]
    return SamArchitecture(
        width=width,
        depth=depth,
        heads=width // shapes[f"{_ENCODER}blocks.0.attn.rel_pos_h"][1],
        whole=tuple(index for index in range(depth) if reach[index] == cells),
        window=min(reach) if min(reach) < cells else 0,
        patch=patch,
        side=cells * patch,
        embedding=embedding,
        mask_channels=shapes["prompt_encoder.mask_downscaling.3.weight"][0],
        masks=shapes["mask_decoder.mask_tokens.weight"][0] - 1,
        iou_depth=_count(shapes, "mask_decoder.iou_prediction_head.layers.{}.weight"),
        iou_width=iou_width,
        decoder_depth=_count(shapes, "mask_decoder.transformer.layers.{}.mlp.lin1.weight"),
        decoder_width=shapes["mask_decoder.transformer.layers.0.mlp.lin1.weight"][0],
    )


def _count(shapes: Mapping[str, tuple[int, ...]], name: str) -> int:
    """How many there are of the tensors "name with 0", "name with 1" and so on."""
    number = 0
    while name.format(number) in shapes:
        number += 1
    return number
