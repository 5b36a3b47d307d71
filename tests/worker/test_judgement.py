"""The figures of a judged model carry names that say what they compare."""

import numpy as np
import pytest

from labeler.core.geometry import from_bits
from labeler.core.records import Annotation, Box, Candidate, Category, Image
from labeler.evaluation.evaluator import evaluate
from labeler.formats.spec import Dataset
from labeler.worker.judgement import judged


@pytest.mark.parametrize(("by", "prefix"), [("box", ""), ("mask", "mask ")])
def test_figures_of_masks_say_so(by, prefix) -> None:
    bits = np.zeros((40, 50), dtype=bool)
    bits[5:35, 5:35] = True
    shape = from_bits(bits) if by == "mask" else Box(5.0, 5.0, 35.0, 35.0)
    truths = Dataset((Image(1, "", 50, 40),), (Category(1, "cat", ""),), (Annotation(1, 1, 1, shape),))
    found = judged(evaluate(truths, [Candidate(1, 1, 1, 1, shape, 0.9, "cat")], by=by, title="X"))
    assert found.title == "X"
    assert found.metrics == pytest.approx({f"{prefix}{name}": 1.0 for name in ("AP", "AP50", "AP75", "AR")})
