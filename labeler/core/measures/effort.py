"""What labelling costs a person, and what becomes of predictions."""

from collections.abc import Iterable
from itertools import pairwise

from msgspec import Struct

from labeler.core.review_order import LONGEST_PAUSE


class Effort(Struct, frozen=True):
    """Time and actions spent on the objects of a project, and the fate of a model's predictions."""

    objects: int = 0
    """Annotations that a person drew or accepted; imported ones are left out."""
    actions: int = 0
    """Edits that are done, imports left out."""
    seconds: float = 0.0
    """Time between the edits, pauses left out."""
    unchanged: int = 0
    """Predictions that are annotations just as they were."""
    edited: int = 0
    """Predictions that are annotations in another shape or category."""
    rejected: int = 0
    """Predictions that were rejected, or accepted and deleted later."""

    @property
    def seconds_each(self) -> float | None:
        """Seconds an object; None without any."""
        return self.seconds / self.objects if self.objects else None

    @property
    def actions_each(self) -> float | None:
        """Actions an object; None without any."""
        return self.actions / self.objects if self.objects else None

    @property
    def decided(self) -> int:
        """Predictions that a person has spoken of."""
        return self.unchanged + self.edited + self.rejected


def active_seconds(times: Iterable[float], *, longest_pause: float = LONGEST_PAUSE) -> float:
    """The time a person was at work, from the times of edits in seconds, in any order.

    A gap between two edits counts whole up to `longest_pause`, and not at all above it: nobody was there.
    """
    listed = sorted(times)
    gaps = (b - a for a, b in pairwise(listed))
    return sum(gap for gap in gaps if gap <= longest_pause)
