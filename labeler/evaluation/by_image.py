"""How labels and predictions agree on each image: the same hits that the curves count, image by image."""

import numpy as np

from labeler.core.measures.set_agreement import AgreementTally, ImageMeasure
from labeler.evaluation.findings import FALSE_ALARM, Evaluation


def by_image(evaluation: Evaluation, *, confidence: float) -> list[ImageMeasure]:
    """The agreement of each image, of predictions of at least `confidence`, in the order of the images.

    Image, category and annotation ids are those of the file. Pairs are those of COCO's matching at IoU 0.5,
    so that the sums are what precision and recall are made of; crowds are left out.
    """
    predictions, truths = evaluation.predictions, evaluation.truths
    kinds = max(len(evaluation.categories), 1)
    given = predictions.confidences >= confidence
    first = predictions.hits[0]
    right, wrong = np.flatnonzero(given & (first >= 0)), np.flatnonzero(given & (first == FALSE_ALARM))
    iou = predictions.overlaps[right].astype(np.float64)
    ours = predictions.images.astype(np.int64) * kinds + predictions.categories
    real = np.flatnonzero(~truths.ignored)
    sought = truths.images[real].astype(np.int64) * kinds + truths.categories[real]
    keys, place = np.unique(np.r_[ours[right], ours[wrong], sought], return_inverse=True)
    hit, extra, wanted = np.split(place, [len(right), len(right) + len(wrong)])
    size = len(keys)
    matched = np.bincount(hit, minlength=size)
    columns = (
        matched.tolist(),
        (np.bincount(wanted, minlength=size) - matched).tolist(),
        np.bincount(extra, minlength=size).tolist(),
        np.bincount(hit, iou, minlength=size).tolist(),
        np.bincount(hit, 2 * iou / (1 + iou), minlength=size).tolist(),
    )
    tallies: dict[int, dict[int, AgreementTally]] = {}
    for key, *row in zip(keys.tolist(), *columns, strict=True):
        image, category = divmod(key, kinds)
        tallies.setdefault(image, {})[evaluation.categories[category].id] = AgreementTally(*row)
    worst = _worst(evaluation, right)
    return [
        ImageMeasure(int(image_id), tallies.get(image, {}), *worst.get(image, (None, None)))
        for image, image_id in enumerate(evaluation.images.ids)
    ]


def _worst(evaluation: Evaluation, right: np.typing.NDArray[np.int64]) -> dict[int, tuple[int, float]]:
    """The annotation of the pair of the lowest IoU of each image's place, with that IoU."""
    predictions, truths = evaluation.predictions, evaluation.truths
    order = right[np.argsort(-predictions.overlaps[right], kind="stable")]
    found = truths.ids[predictions.hits[0, order]].tolist()
    pairs = zip(found, predictions.overlaps[order].tolist(), strict=True)
    return dict(zip(predictions.images[order].tolist(), pairs, strict=True))
