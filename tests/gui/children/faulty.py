"""A plugin whose models work until they meet a script in its folder.

Copied into a plugin folder by tests. `load` is run when a model is loaded, `click` at the next click (and is
gone then), `image-N` at each image of brightness N. Scripts see all that is imported here.
"""

import ctypes
import gc
import os
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from labeler.api import Embedding, ModelSpec, Plugin
from labeler.core.records import Box, Candidate, Mask, Proposal
from labeler.errors import ModelError
from labeler.worker.child import Channel

HERE = Path(__file__).parent
FOR_SCRIPTS = ctypes, os, signal, sys, time, ModelError


def meet(name, *, once=False):
    """Run a script of this folder, if it is there."""
    script = HERE / name
    if script.exists():
        text = script.read_text()
        if once:
            script.unlink()
        exec(text, globals())


def say(data):
    """Put bytes into the pipe to the window, past everything that makes messages of them."""
    (channel,) = (one for one in gc.get_objects() if isinstance(one, Channel))
    channel._sink.write(data)
    channel._sink.flush()


class Faulty:
    """Its mask lies at the last point: two rows high, three columns wide, four when it refines."""

    def embed(self, image, *, threads=0, interrupt=None):
        return Embedding({"a": np.zeros(3, dtype=np.float32)}, image.shape[:2])

    def segment(self, embedding, prompt, *, threads=0, limit=3):
        meet("click", once=True)
        x, y = (int(value) for value in prompt.points[-1])
        mask = Mask(x, y, np.ones((2, 3 + (prompt.previous is not None)), dtype=bool))
        return (Proposal(mask, 0.9, np.zeros((4, 4), dtype=np.float32)),) * limit


class Bright:
    """Finds bright rectangles."""

    def detect(self, image, text=None):
        gray = image[..., 0]
        meet(f"image-{gray.max()}")
        count, _, statistics, _ = cv2.connectedComponentsWithStats((gray > 100).astype(np.uint8))
        return tuple(
            Candidate(0, 0, 0, 0, Box(float(x), float(y), float(x + w), float(y + h)), 0.9, text or "bright")
            for x, y, w, h, _ in statistics[1:count].tolist()
        )


def made(model):
    """How a model is loaded."""

    def load():
        meet("load")
        return model()

    return load


plugin = Plugin(
    api=1,
    name="Faulty",
    version="1",
    models=(
        ModelSpec(id="faulty", title="Faulty", task="segmenter", load=made(Faulty)),
        ModelSpec(id="bright", title="Bright", task="detector", load=made(Bright)),
        ModelSpec(id="reader", title="Reader", task="detector", load=made(Bright), reads_text=True),
    ),
)
