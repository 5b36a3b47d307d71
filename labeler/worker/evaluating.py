"""An evaluation asked for by the window."""

from pathlib import Path

from labeler.evaluation.evaluating import evaluate_all, read_predictions
from labeler.evaluation.records import save
from labeler.formats.coco import read_coco
from labeler.worker.job_protocol import EvaluateSpec


def evaluate_files(spec: EvaluateSpec) -> None:
    """Evaluate the results of `spec` and write its file. Raises LabelerError with one sentence."""
    truths, _ = read_coco(Path(spec.labels))
    models = [(title, read_predictions(truths, Path(results))[0]) for title, results in spec.results]
    save(Path(spec.out), evaluate_all(truths, models, by=spec.by or None))
