"""Colours of masks: the palette of VOC, and that of a data set's own categories."""

import re
from collections.abc import Sequence
from typing import TypeAlias

from labeler.core.colors import rgb
from labeler.core.records import Category

Rgb3: TypeAlias = tuple[int, int, int]

VOID: Rgb3 = (224, 224, 192)
"""The colour that VOC's palette has for 255, which belongs to nothing: the rim of an object."""
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def voc_color(index: int) -> Rgb3:
    """The colour of an index in VOC's palette.

    By VOClabelcolormap.m of the development kit: the bits of the index, three at a time, from the highest bit
    of each colour down.
    """
    color = [0, 0, 0]
    for shift in range(7, -1, -1):
        for channel in range(3):
            color[channel] |= (index >> channel & 1) << shift
        index >>= 3
    return color[0], color[1], color[2]


def colors_of(categories: Sequence[Category]) -> list[Rgb3]:
    """A colour for each category: their own where all have one that nothing else has, else those of VOC."""
    own = [rgb(one.color) for one in categories if _HEX.fullmatch(one.color)]
    if len(own) == len(categories) == len(set(own)) and not {(0, 0, 0), VOID} & set(own):
        return own
    return [voc_color(index) for index in range(1, len(categories) + 1)]


def hex_of(color: Rgb3) -> str:
    """A colour as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*color)
