"""A U-Net: an encoder that shrinks the image, a decoder that grows it back, and skips between them.

After Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation"
(MICCAI 2015). Each level of the encoder halves the image and doubles the channels, so that the lowest sees
far; each level of the decoder doubles the image again and is handed what the encoder knew at that size, so
that edges stay sharp. What differs from the paper: convolutions keep the size (the paper's lose a rim), each
is followed by a norm, and every block is residual, after He et al., "Deep Residual Learning" (CVPR 2016).

Imports torch, so it is for a training or model process only.
"""

from itertools import pairwise
from typing import Any

import torch
from msgspec import Struct
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name that everyone knows it by

from labeler.errors import ModelError

CHANNELS_A_GROUP = 8
"""Channels that are normalised together by a group norm (Wu and He, ECCV 2018)."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the colours from 0 to 1; what pretrained encoders were trained on."""


class Architecture(Struct, frozen=True):
    """Which network: all that is needed to make it anew for a file of weights."""

    classes: int
    """Channels that come out: the background and the categories."""
    width: int = 32
    """Channels at full size; each level below has twice as many."""
    depth: int = 4
    """How often the image is halved."""
    norm: str = "group"
    """"group" or "batch"."""
    encoder: str = ""
    """An encoder of segmentation-models-pytorch in the place of ours; "" for ours."""

    @property
    def multiple(self) -> int:
        """What the sides of an input are padded to a multiple of."""
        return 32 if self.encoder else 2**self.depth


def _norm(kind: str, channels: int) -> nn.Module:
    """A norm over the batch, or over groups of channels of one image, for batches too small to measure."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(max(1, channels // CHANNELS_A_GROUP), channels)


class Block(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Two 3 x 3 convolutions, each with its norm, around which the input is carried past: y = f(x) + x."""

    def __init__(self, inputs: int, outputs: int, norm: str) -> None:
        super().__init__()
        # no bias: the norm after it would take it away again
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.first_norm = _norm(norm, outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = _norm(norm, outputs)
        self.past = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Any) -> Any:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        inside = F.relu(self.first_norm(self.first(x)), inplace=True)
        return F.relu(self.second_norm(self.second(inside)) + self.past(x), inplace=True)


class UNet(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """The network. Any image size goes in; as many pixels come out, with a logit for each class."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths = [architecture.width * 2**level for level in range(architecture.depth + 1)]
        norm = architecture.norm
        self.stem = Block(3, widths[0], norm)
        self.down = nn.ModuleList(Block(a, b, norm) for a, b in pairwise(widths))
        upwards = widths[::-1]
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in pairwise(upwards))
        self.up = nn.ModuleList(Block(2 * width, width, norm) for width in upwards[1:])
        self.head = nn.Conv2d(widths[0], architecture.classes, 1)
        self.apply(_initialise)
        _initialise_head(self.head)

    def forward(self, x: Any) -> Any:
        """(N, 3, H, W), sides multiples of 2^depth, to logits (N, classes, H, W)."""
        x = self.stem(x)
        skips = []
        for block in self.down:
            skips.append(x)
            x = block(F.max_pool2d(x, 2))
        for shrink, block in zip(self.shrink, self.up, strict=True):
            skip = skips.pop()
            # channels are mixed before growing: the same result as after it, at a quarter of the work
            x = F.interpolate(shrink(x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat((x, skip), dim=1))
        return self.head(x)


class Segmenting(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """A network with what comes before and after it: colours made alike, sides padded and cut again."""

    def __init__(self, network: nn.Module, multiple: int) -> None:
        super().__init__()
        self.network = network
        self.multiple = multiple
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN))
        self.register_buffer("std", torch.tensor(IMAGENET_STD))

    def forward(self, images: Any) -> Any:
        """RGB (N, 3, H, W) uint8 of any size to logits (N, classes, H, W)."""
        height, width = images.shape[-2:]
        mean, std = (values.view(1, 3, 1, 1) for values in (self.mean, self.std))
        x = (images.to(mean.dtype) / 255.0 - mean) / std
        below, right = -height % self.multiple, -width % self.multiple
        if below or right:
            # the edge carried on, since mirroring needs an image larger than its padding
            x = F.pad(x, (0, right, 0, below), mode="replicate")
        return self.network(x)[..., :height, :width]

    def measure(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Take the mean and the standard deviation of the training images' colours, from 0 to 1."""
        self.mean.copy_(torch.tensor(mean))
        self.std.copy_(torch.tensor(std).clamp_min(1e-3))

    def expect(self, shares: list[float]) -> None:
        """Have the network begin with the classes' shares of the pixels as its guess everywhere.

        A bias of log(share), after Lin et al., "Focal Loss" (ICCV 2017), section 3.3: a rare class does not
        have to be unlearnt first.
        """
        if isinstance(self.network, UNet):
            with torch.no_grad():
                self.network.head.bias.copy_(torch.tensor(shares).clamp_min(1e-3).log())


def build(architecture: Architecture, *, pretrained: bool = False) -> Segmenting:
    """A new network, of torch's seed.

    `pretrained` fetches an encoder's ImageNet weights. Raises ModelError with one sentence where the extra
    or the weights are not there.
    """
    network = _foreign(architecture, pretrained=pretrained) if architecture.encoder else UNet(architecture)
    return Segmenting(network, architecture.multiple)


def _foreign(architecture: Architecture, *, pretrained: bool) -> nn.Module:
    """A U-Net on an encoder of segmentation-models-pytorch."""
    try:
        import segmentation_models_pytorch as smp  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise ModelError(
            f"The encoder “{architecture.encoder}” needs segmentation-models-pytorch; install Labeler with "
            "the extra `pretrained-encoders`, or leave the encoder empty."
        ) from error
    if architecture.encoder not in smp.encoders.get_encoder_names():
        raise ModelError(
            f"There is no encoder “{architecture.encoder}”; choose one of segmentation-models-pytorch, "
            "as resnet34 or efficientnet-b0, or leave it empty."
        )
    try:
        return smp.Unet(
            architecture.encoder,
            encoder_weights="imagenet" if pretrained else None,
            classes=architecture.classes,
        )
    except Exception as error:  # the hub's client raises errors of several libraries
        raise ModelError(
            f"The weights of the encoder “{architecture.encoder}” could not be fetched "
            f"({type(error).__name__}); check the network, or start without pretrained weights."
        ) from error


def _initialise(module: nn.Module) -> None:
    """Weights whose variance a ReLU keeps (He et al., ICCV 2015)."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def _initialise_head(head: nn.Conv2d) -> None:
    """No class is preferred by what the image looks like before anything is learnt."""
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)
