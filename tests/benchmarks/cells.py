"""Pictures of cells by code: touching, textured, under uneven light, with the truth of every pixel."""

import cv2
import numpy as np


def cells(seed, *, size=192, count=44):
    """An RGB uint8 picture (size, size, 3) and its cells, int32 (size, size): 0 the background, else which.

    Cells are blobs that grow until they meet, so many touch; their mean grey lies within what uneven light
    does to the background, and they are told from it by their texture and their faint rim.
    """
    rng = np.random.default_rng(seed)
    owner = _blobs(rng, size, count)
    inside = owner > 0
    ground = 0.45 + 0.05 * _noise(rng, size, 6.0) + 0.03 * _noise(rng, size, 1.0)
    grain = 0.10 * _noise(rng, size, 1.6) + 0.05 * _noise(rng, size, 4.0)
    shade = rng.normal(0.03, 0.05, count + 1)[owner]
    grey = np.where(inside, 0.45 + shade + grain, ground)
    grey -= 0.08 * _rims(owner)
    light = 0.75 + 0.5 * _ramp(rng, size) + 0.15 * _noise(rng, size, size / 5)
    grey = cv2.GaussianBlur((grey * light).astype(np.float32), (0, 0), 0.8)
    grey += rng.normal(0, 0.03, grey.shape)
    tint = 1.0 + rng.normal(0, 0.03, 3)
    colours = np.clip(grey[..., None] * tint * 255.0, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(colours), owner


def _blobs(rng, size, count):
    """Each pixel's cell, or 0: the nearest of warped ellipses, where one is near enough."""
    ys, xs = np.mgrid[:size, :size].astype(np.float32)
    xs = xs + 3.0 * _noise(rng, size, 8.0)
    ys = ys + 3.0 * _noise(rng, size, 8.0)
    centre = rng.uniform(0, size, 2)
    nearest, owner = np.full((size, size), np.inf), np.zeros((size, size), dtype=np.int32)
    for index in range(1, count + 1):
        # most sit beside the one before, so that they touch
        centre = rng.uniform(0, size, 2) if index % 4 == 1 else centre + rng.normal(0, 18, 2)
        angle, long, wide = rng.uniform(0, np.pi), rng.uniform(9, 16), rng.uniform(7, 12)
        dx, dy = xs - centre[0], ys - centre[1]
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        distance = (along / long) ** 2 + (across / wide) ** 2
        closer = (distance < 1.0) & (distance < nearest)
        owner[closer], nearest[closer] = index, distance[closer]
    return owner


def _rims(owner):
    """1 on the pixels of a cell that touch another one or the background."""
    bits = owner.astype(np.float32)
    kernel = np.ones((3, 3), dtype=np.uint8)
    return (owner > 0) & (cv2.dilate(bits, kernel) != cv2.erode(bits, kernel))


def _noise(rng, size, blur):
    """Smooth noise (size, size) of variance 1."""
    values = cv2.GaussianBlur(rng.normal(size=(size, size)), (0, 0), blur)
    return values / values.std()


def _ramp(rng, size):
    """A slope from 0 to 1 in some direction."""
    ys, xs = np.mgrid[:size, :size] / size
    angle = rng.uniform(0, 2 * np.pi)
    values = np.cos(angle) * xs + np.sin(angle) * ys
    return (values - values.min()) / np.ptp(values)
