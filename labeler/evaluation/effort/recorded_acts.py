"""What a project's labels cost the person who made them, as far as its journal tells.

The journal has edits, not presses: each is counted as the shortest of the window's ways to it. Of a proposal
all prompts are known. What is looked at and left alone, a choice of tool, and moving about in the
photo are in no journal and are not counted.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import Struct

from labeler.core.records import Asked, Box, Polygons, Shape
from labeler.evaluation.effort.act_counts import NOTHING, Acts
from labeler.evaluation.effort.simulated_person import category_acts
from labeler.project import shape_bytes
from labeler.project.past_work import PastChange


class Recorded(Struct, frozen=True):
    """What a person did on one image, by annotation where it was for one."""

    own: dict[int, Acts] = {}
    """Annotation id to what was done for it, whether it is still there or not."""
    prompts: dict[int, Asked] = {}
    """Annotation id to what its proposal was asked for with."""
    drawn: list[tuple[int, int]] = []
    """Annotation and category ids of what was drawn or prompted for, in order; not of what was predicted."""
    unknown: list[int] = []
    """Annotations that were proposals of which no prompts are kept; two clicks are counted for each."""
    others: list[Acts] = []
    """What was for none, or for several at once: rejections, deletions, acceptances, pastes."""

    def besides(self, ids: Collection[int]) -> Acts:
        """All but what was done for these annotations; a key for each change of category among it."""
        total = category_acts([str(category) for _, category in self.drawn])
        for acts in (*self.others, *(acts for key, acts in self.own.items() if key not in ids)):
            total += acts
        return total


def recorded(edits: Iterable[Sequence[PastChange]]) -> dict[int, Recorded]:
    """The acts behind edits in their order, by image; an edit of several images counts for the first."""
    found: defaultdict[int, Recorded] = defaultdict(Recorded)
    for changes in edits:
        image = found[changes[0].image_id]
        labels = [one for one in changes if one.is_annotation]
        if len(labels) == 1 and labels[0].after is not None:
            _take(image, labels[0], labels[0].after, [one for one in changes if not one.is_annotation])
        else:
            image.others.append(Acts(keys=1, looks=max(len(changes) - len(labels), 1)))
            for one in labels:
                if one.is_new:
                    found[one.image_id].own.setdefault(one.id, NOTHING)
    return dict(found)


def _take(
    image: Recorded, label: PastChange, after: dict[str, Any], candidates: Sequence[PastChange]
) -> None:
    proposal = next((one for one in candidates if one.is_new and label.is_new), None)
    if label.is_new and (proposal is not None or not candidates):
        image.drawn.append((label.id, after["category_id"]))
    if proposal is not None and proposal.asked is None:
        image.unknown.append(label.id)
    elif proposal is not None and proposal.asked is not None:
        image.prompts[label.id] = proposal.asked
    if proposal is not None:
        painted = (proposal.after or {}).get("shape") != after.get("shape")
        acts = prompted(proposal.asked) + Acts(strokes=int(painted))
    elif candidates:
        acts = Acts(keys=1, looks=1)
    elif label.is_new:
        acts = _by_hand(shape_bytes.decode(after["shape"]))
    else:
        acts = Acts(strokes=1, looks=1) if "shape" in after else Acts(keys=1)
    image.own[label.id] = image.own.get(label.id, NOTHING) + acts


def prompted(asked: Asked | None) -> Acts:
    """The prompts of a proposal, each looked at, and Enter; a box of two corners where none are known."""
    if asked is None:
        return Acts(clicks=2, keys=1, looks=2)
    given = len(asked.points) + asked.taken_back
    boxes = int(asked.box is not None)
    return Acts(clicks=given + 2 * boxes, keys=asked.keys + 1, looks=1 + given + boxes)


def _by_hand(shape: Shape) -> Acts:
    match shape:
        case Box():
            return Acts(clicks=2, looks=1)
        case Polygons(parts):
            return Acts(clicks=sum(len(part.outer) + 1 for part in parts), looks=1)
    return Acts(strokes=1, looks=1)
