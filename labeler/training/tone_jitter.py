"""Brightness and contrast that differ a little each time an image is learnt from."""

import numpy as np

from labeler.models.protocols import Rgb


def tone_jittered(rgb: Rgb, most: float, chance: np.random.Generator) -> Rgb:
    """A copy, (H, W, 3): each value from 0 to 1 times 1 ± `most`, plus up to half of `most` either way."""
    gain, shift = 1 + chance.uniform(-most, most), chance.uniform(-most, most) / 2
    tones = ((np.arange(256) / 255 * gain + shift).clip(0, 1) * 255).astype(np.uint8)
    jittered: Rgb = tones[rgb]
    return jittered
