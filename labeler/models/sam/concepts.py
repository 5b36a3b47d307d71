"""SAM 3 (Carion et al. 2025) as a detector that reads: the modules of ultralytics, put together here.

Ultralytics' own builder unpickles a checkpoint without a safe mode, asks for a package of its own only to cut
text into tokens, and leaves out silently what the file lacks. Here the weights are read in torch's safe mode,
every one of the model's must be in the file, and the tokenizer is that of `labeler.models.text_encoders`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from labeler.errors import ModelError
from labeler.models import devices
from labeler.models.ultralytics_home import import_ultralytics

_PREFIX = "detector."
_TRUNK = "backbone.vision_backbone.trunk."
_TEXT = "backbone.language_backbone.encoder."
_SIDE = 1008
_PATCH = 14
_PRETRAINED_SIDE = 336
_WINDOW = 24
_WHOLE_BLOCKS = 4
"""Blocks of the image encoder that attend to the whole image: the last of each quarter."""
_HEAD_WIDTH = 64
_WIDTH = 256
"""Of what image and text have in common."""

Tokenize = Callable[..., Any]
"""Called with a list of N texts and `context_length`, gives an integer tensor (N, context_length)."""


class Sam3Sizes(Struct, frozen=True):
    """What differs between a published SAM 3 and a smaller one; the rest is the same in all."""

    width: int
    depth: int
    hidden: int
    """Of the image encoder: width, blocks, and the width inside their MLPs."""
    text_width: int
    text_depth: int
    words: int
    context: int
    """Of the text encoder: width, blocks, tokens that it knows, and how many it takes at once."""
    side: int = _SIDE
    """Of the square that an image is stretched to, in pixels."""


def sizes_of(shapes: Mapping[str, tuple[int, ...]]) -> Sam3Sizes | None:
    """The sizes of the SAM 3 with tensors of these names and shapes; None for another model."""
    own = {name.removeprefix(_PREFIX): shape for name, shape in shapes.items() if name.startswith(_PREFIX)}
    blocks = _count(own, f"{_TRUNK}blocks.")
    layers = _count(own, f"{_TEXT}transformer.resblocks.")
    hidden = own.get(f"{_TRUNK}blocks.0.mlp.fc1.weight", ())
    words = own.get(f"{_TEXT}token_embedding.weight", ())
    places = own.get(f"{_TEXT}positional_embedding", ())
    if "transformer.decoder.query_embed.weight" not in own or not (blocks and layers):
        return None
    if not len(hidden) == len(words) == len(places) == 2:
        return None
    if blocks % _WHOLE_BLOCKS or hidden[1] % _HEAD_WIDTH or words[1] % _HEAD_WIDTH:
        return None
    rotations = own.get(f"{_TRUNK}blocks.{blocks // _WHOLE_BLOCKS - 1}.attn.freqs_cis", ())
    side = math.isqrt(rotations[0]) * _PATCH if rotations else _SIDE  # one for each patch of the image
    return Sam3Sizes(hidden[1], blocks, hidden[0], words[1], layers, words[0], places[0], side)


def _count(names: Mapping[str, Any], start: str) -> int:
    """How many numbered parts follow `start` among the names."""
    return len({name.removeprefix(start).partition(".")[0] for name in names if name.startswith(start)})


def build(sizes: Sam3Sizes, state: Mapping[str, Any], tokenize: Tokenize) -> Any:
    """Ultralytics' SAM3SemanticModel with the weights of a checkpoint, on the best device. In a child only.

    Of the checkpoint's weights those of the detector are used, not those of the tracker, of boxes as prompts
    and of SAM 2's way of prompting. Raises ModelError where one that the model has is missing, RuntimeError
    where one has another size.
    """
    import torch  # noqa: PLC0415  # heavy: in a child only

    import_ultralytics()
    model = _model(sizes, tokenize)
    wanted = {name for name, _ in model.named_parameters()}
    given = {name.removeprefix(_PREFIX): value for name, value in state.items() if name.startswith(_PREFIX)}
    missing = sorted(wanted - given.keys())
    if missing:
        raise ModelError(f"{len(missing)} of its weights are missing, the first “{missing[0]}”.")
    with torch.no_grad():
        model.load_state_dict({name: given[name].float() for name in wanted}, strict=False, assign=True)
    return model.eval().requires_grad_(requires_grad=False).to(devices.chosen())


def _model(sizes: Sam3Sizes, tokenize: Tokenize) -> Any:
    """The modules with random weights, as `build_sam3_image_model` of ultralytics puts them together."""
    from torch.nn import LayerNorm, MultiheadAttention  # noqa: PLC0415  # heavy: in a child only
    from ultralytics.models.sam.build_sam3 import _create_sam3_transformer  # noqa: PLC0415
    from ultralytics.models.sam.sam3.maskformer_segmentation import (  # noqa: PLC0415
        PixelDecoder,
        UniversalSegmentationHead,
    )
    from ultralytics.models.sam.sam3.model_misc import DotProductScoring  # noqa: PLC0415
    from ultralytics.models.sam.sam3.sam3_image import SAM3SemanticModel  # noqa: PLC0415
    from ultralytics.nn.modules.transformer import MLP  # noqa: PLC0415

    prompt_mlp = MLP(_WIDTH, 2048, _WIDTH, num_layers=2, residual=True, out_norm=LayerNorm(_WIDTH))
    masks = UniversalSegmentationHead(
        hidden_dim=_WIDTH,
        upsampling_stages=3,
        aux_masks=False,
        presence_head=False,
        dot_product_scorer=None,
        act_ckpt=True,
        cross_attend_prompt=MultiheadAttention(num_heads=8, dropout=0, embed_dim=_WIDTH),
        pixel_decoder=PixelDecoder(num_upsampling_stages=3, interpolation_mode="nearest", hidden_dim=_WIDTH),
    )
    return SAM3SemanticModel(
        backbone=_backbone(sizes, tokenize),
        transformer=_create_sam3_transformer(),
        input_geometry_encoder=None,  # for boxes as prompts; its predictor leaves it out where there are none
        segmentation_head=masks,
        num_feature_levels=1,
        o2m_mask_predict=True,
        dot_prod_scoring=DotProductScoring(d_model=_WIDTH, d_proj=_WIDTH, prompt_mlp=prompt_mlp),
        use_instance_query=False,
        multimask_output=True,
    )


def _backbone(sizes: Sam3Sizes, tokenize: Tokenize) -> Any:
    """The encoders of image and text."""
    from ultralytics.models.sam.modules.blocks import PositionEmbeddingSine  # noqa: PLC0415
    from ultralytics.models.sam.sam3.necks import Sam3DualViTDetNeck  # noqa: PLC0415
    from ultralytics.models.sam.sam3.text_encoder_ve import VETextEncoder  # noqa: PLC0415
    from ultralytics.models.sam.sam3.vitdet import ViT  # noqa: PLC0415
    from ultralytics.models.sam.sam3.vl_combiner import SAM3VLBackbone  # noqa: PLC0415

    quarter = sizes.depth // _WHOLE_BLOCKS
    trunk = ViT(
        img_size=sizes.side,
        pretrain_img_size=_PRETRAINED_SIDE,
        patch_size=_PATCH,
        embed_dim=sizes.width,
        depth=sizes.depth,
        num_heads=sizes.width // _HEAD_WIDTH,
        mlp_ratio=sizes.hidden / sizes.width,
        norm_layer="LayerNorm",
        qkv_bias=True,
        use_abs_pos=True,
        tile_abs_pos=True,
        global_att_blocks=tuple(range(quarter - 1, sizes.depth, quarter)),
        rel_pos_blocks=(),
        use_rope=True,
        use_interp_rope=True,
        window_size=_WINDOW,
        pretrain_use_cls_token=True,
        retain_cls_token=False,
        ln_pre=True,
        bias_patch_embed=False,
    )
    places = PositionEmbeddingSine(num_pos_feats=_WIDTH, normalize=True, scale=None, temperature=10000)
    neck = Sam3DualViTDetNeck(trunk, places, _WIDTH, scale_factors=(4.0, 2.0, 1.0, 0.5))
    reader = VETextEncoder(
        d_model=_WIDTH,
        tokenizer=tokenize,
        width=sizes.text_width,
        heads=sizes.text_width // _HEAD_WIDTH,
        layers=sizes.text_depth,
        context_length=sizes.context,
        vocab_size=sizes.words,
    )
    return SAM3VLBackbone(visual=neck, text=reader, scalp=1)
