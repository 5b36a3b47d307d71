"""An evaluation asked for by the window."""

from pathlib import Path

from labeler.evaluation.evaluator import evaluate_all, read_predictions
from labeler.evaluation.findings import save
from labeler.formats.coco.coco_reading import read_coco
from labeler.wire.job_protocol import EvaluateSpec


def evaluate_files(spec: EvaluateSpec) -> None:
    """Evaluate the results of `spec` and write its file. Raises LabelerError with one sentence."""
    truths, _ = read_coco(Path(spec.labels))
    models = [(title, read_predictions(truths, Path(results))[0]) for title, results in spec.results]
    save(Path(spec.out), evaluate_all(truths, models, by=spec.by or None))
