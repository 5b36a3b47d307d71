"""What a person does with hand and eye, counted, and how long that takes."""

from msgspec import Struct


class Acts(Struct, frozen=True):
    """How often something was done."""

    clicks: int = 0
    """Presses of the mouse button on a point; the two corners of a box are two."""
    keys: int = 0
    strokes: int = 0
    """Drags with the button held, as of the brush or of a slider."""
    looks: int = 0
    """Decisions that the eye has to come to: what is here, is this good enough."""

    def __add__(self, other: "Acts") -> "Acts":
        return Acts(
            self.clicks + other.clicks,
            self.keys + other.keys,
            self.strokes + other.strokes,
            self.looks + other.looks,
        )

    @property
    def actions(self) -> int:
        """Clicks, keys and strokes: what the hand does."""
        return self.clicks + self.keys + self.strokes


NOTHING = Acts()


class Pace(Struct, frozen=True):
    """Seconds of each act, after the keystroke-level model (Card, Moran and Newell, CACM 23(7), 1980).

    There a key takes 0.28 s (an average typist), pointing 1.1 s, a button 0.1 s to press and as long to let
    go, and a decision 1.35 s. A click is pointing and a button; a stroke points twice, the button in between.
    """

    click: float = 1.3
    key: float = 0.28
    stroke: float = 2.4
    look: float = 1.35

    def seconds(self, acts: Acts) -> float:
        """How long these acts take."""
        return (
            self.click * acts.clicks
            + self.key * acts.keys
            + self.stroke * acts.strokes
            + self.look * acts.looks
        )
