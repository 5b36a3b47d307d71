"""What a person must know of an evaluation's numbers, in sentences."""

from collections.abc import Sequence

from labeler.gui.evaluating import EvaluationDesk
from labeler.gui.evaluation_plan import Asked
from labeler.gui.panels.common import counted


def told_of(desk: EvaluationDesk, *, asked: Asked | None, titles: Sequence[str]) -> list[str]:
    """Whether the numbers still hold and what they leave out; `titles` are those of the judged models."""
    outcome = desk.outcome
    if desk.is_running:
        return ["Reading the labels…" if desk.progress[1] else "Comparing…"]
    if outcome is None:
        return []
    told = []
    if desk.is_stale:
        told.append("Labels or predictions changed since; evaluate again.")
    elif outcome.asked != asked:
        told.append(f"Shown: {' against '.join(titles)}, {outcome.scope.lower()}.")
    if outcome.unreviewed:
        many = counted(outcome.unreviewed, "image")
        told.append(f"{many} not reviewed: what is not labelled there counts as a false alarm.")
    if strange := sum(outcome.uncategorised):
        many = counted(strange, "prediction")
        told.append(f"{many} left out, whose class is no category here.")
    return told
