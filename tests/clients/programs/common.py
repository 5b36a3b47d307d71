"""What all programs share: the file, what each of its objects should cover, and the answer.

Runs in the environment of a client library, so only numpy and the standard library are at hand.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np


class Task:
    """What a program is called with, and what it answers."""

    def __init__(self) -> None:
        labels, images, masks, answer = map(Path, sys.argv[1:5])
        self.labels = labels
        self.images = images
        self._answer = answer
        self.whole: dict[str, Any] = json.loads(labels.read_text("utf-8"))
        self._masks = np.load(masks)
        self.raised: dict[str, str] = {}
        self.strays: dict[str, float] = {}
        self.said: dict[str, Any] = {}

    def rows(self, image_id: int) -> list[dict[str, Any]]:
        """The annotations of an image, in the order of the file."""
        return [row for row in self.whole["annotations"] if row["image_id"] == image_id]

    def truth(self, number: int) -> np.ndarray:
        """The pixels (H, W) that an annotation should cover."""
        return self._masks[str(number)].astype(bool)

    def trying(self, name: object, work: Callable[[], None]) -> None:
        """Do something that may raise, and note under `name` that it does."""
        try:
            work()
        except Exception as error:
            self.raised[str(name)] = f"{type(error).__name__}: {error}"[:300]

    def saw(self, number: int, mask: Any, *, rim: int = 0) -> None:
        """Note how much of what was read of an annotation is not what it should be.

        A number from 0 to 1: pixels that differ, by those that it should cover. Libraries draw the edges of
        polygons by rules of their own: pixels that are no farther than `rim` from the edge are not counted.
        """
        found, true = np.asarray(mask).astype(bool), self.truth(number)
        if found.shape != true.shape:
            self.strays[str(number)] = 1.0
            return
        inner, outer = true, true
        for _ in range(rim):
            inner, outer = ~grown(~inner), grown(outer)
        wrong = (found & ~outer) | (inner & ~found)
        self.strays[str(number)] = min(float(np.count_nonzero(wrong) / max(np.count_nonzero(true), 1)), 1.0)

    def lost(self, number: int) -> None:
        """Note that nothing was read of an annotation's pixels."""
        self.strays[str(number)] = 1.0

    def answer(self) -> None:
        """Write the answer."""
        text = json.dumps({"raised": self.raised, "strays": self.strays, "said": self.said})
        self._answer.write_text(text, "utf-8")


def grown(bits: np.ndarray) -> np.ndarray:
    """Pixels with their eight neighbours."""
    wide = np.pad(bits, 1)
    rows, columns = bits.shape
    return np.logical_or.reduce([wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)])


def paired(rows: Iterable[dict[str, Any]], found: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """The ids of annotations with what was read of them, as far as both go."""
    for row, one in zip(rows, found, strict=False):
        yield row["id"], one
