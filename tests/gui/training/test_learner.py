from labeler.core.records import Annotation, Box, Candidate
from labeler.gui.training.learner import WORTH, fresh_finds


def candidate(x: float, confidence: float) -> Candidate:
    return Candidate(0, 0, 0, 0, Box(x, 0, x + 10, 10), confidence, "cell")


def test_what_is_labelled_already_and_what_is_unlikely_is_left_out() -> None:
    likely, unlikely, known = candidate(0, WORTH), candidate(20, WORTH - 0.01), candidate(41, 0.9)
    labelled = [Annotation(1, 1, 1, Box(40, 0, 50, 10)), Annotation(2, 1, 1, Box(6, 0, 16, 10))]
    assert fresh_finds([likely, unlikely, known], labelled) == (likely,)
    assert fresh_finds([likely, unlikely, known], []) == (likely, known)
    assert fresh_finds([], labelled) == ()
