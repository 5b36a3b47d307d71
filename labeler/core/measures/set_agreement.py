"""How annotations and predictions agree over a set of images: sums of what each image comes to."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from labeler.core.measures.agreement import MATCHED_FROM, Overlaps, compare
from labeler.core.records import Annotation, Candidate


class AgreementTally(Struct, frozen=True):
    """Counts of matched, missed and extra objects, and the sums over the matched pairs."""

    matched: int = 0
    missed: int = 0
    """Annotations without a prediction."""
    extra: int = 0
    """Predictions without an annotation."""
    iou: float = 0.0
    """The sum of IoU over the matched pairs."""
    dice: float = 0.0
    """The sum of Dice over the matched pairs."""

    def __add__(self, other: "AgreementTally") -> "AgreementTally":
        return AgreementTally(
            self.matched + other.matched,
            self.missed + other.missed,
            self.extra + other.extra,
            self.iou + other.iou,
            self.dice + other.dice,
        )

    def __sub__(self, other: "AgreementTally") -> "AgreementTally":
        return AgreementTally(
            self.matched - other.matched,
            self.missed - other.missed,
            self.extra - other.extra,
            self.iou - other.iou,
            self.dice - other.dice,
        )

    @property
    def objects(self) -> int:
        """All that either side has found."""
        return self.matched + self.missed + self.extra

    @property
    def mean_iou(self) -> float | None:
        """Mean IoU of the matched pairs; None without any."""
        return self.iou / self.matched if self.matched else None

    @property
    def mean_dice(self) -> float | None:
        """Mean Dice of the matched pairs; None without any."""
        return self.dice / self.matched if self.matched else None

    @property
    def f1(self) -> float | None:
        """2 matched / (2 matched + missed + extra); None where neither side has anything."""
        return 2 * self.matched / (self.matched + self.objects) if self.objects else None

    @property
    def quality(self) -> float | None:
        """Panoptic quality, mean IoU times F1 (Kirillov et al., CVPR 2019); None without any object."""
        return 2 * self.iou / (self.matched + self.objects) if self.objects else None


class ImageMeasure(Struct, frozen=True):
    """How one image and one model agree."""

    image_id: int
    categories: dict[int, AgreementTally]
    worst_id: int | None = None
    """The annotation of the matched pair with the lowest IoU."""
    worst_iou: float | None = None

    @property
    def total(self) -> AgreementTally:
        """Over all categories."""
        return summed(self.categories.values())


def measure(
    image_id: int,
    annotations: Sequence[Annotation],
    predictions: Sequence[Candidate],
    *,
    size: tuple[int, int],
    threshold: float = MATCHED_FROM,
) -> ImageMeasure:
    """The agreement of one image of size (H, W).

    Matched one to one by the Hungarian method from an IoU of `threshold`, within categories; an annotation
    and the prediction it was accepted from are a pair always. Predictions without a category are left out,
    but for accepted ones; a pair counts for the annotation's category.
    """
    accepted = {annotation.prediction_id for annotation in annotations}
    meant = [c for c in predictions if c.category_id or c.id in accepted]
    found = compare(annotations, meant, overlaps=Overlaps(size), threshold=threshold)
    tallies: dict[int, AgreementTally] = {}
    for annotation in annotations:
        pair = found.pairs.get(annotation.id)
        one = AgreementTally(missed=1) if pair is None else AgreementTally(1, 0, 0, pair[1].iou, pair[1].dice)
        tallies[annotation.category_id] = tallies.get(annotation.category_id, AgreementTally()) + one
    for candidate in found.extra:
        tallies[candidate.category_id] = tallies.get(
            candidate.category_id, AgreementTally()
        ) + AgreementTally(extra=1)
    worst = min(found.pairs, key=lambda key: (found.pairs[key][1].iou, key), default=None)
    return ImageMeasure(image_id, tallies, worst, None if worst is None else found.pairs[worst][1].iou)


def summed(tallies: Iterable[AgreementTally]) -> AgreementTally:
    """The sum of tallies."""
    matched = missed = extra = 0
    iou = dice = 0.0
    for tally in tallies:
        matched += tally.matched
        missed += tally.missed
        extra += tally.extra
        iou += tally.iou
        dice += tally.dice
    return AgreementTally(matched, missed, extra, iou, dice)


def by_category(measures: Iterable[ImageMeasure]) -> dict[int, AgreementTally]:
    """What each category comes to over a set; category id to its sum."""
    parts: dict[int, list[AgreementTally]] = {}
    for one in measures:
        for category_id, tally in one.categories.items():
            parts.setdefault(category_id, []).append(tally)
    return {category_id: summed(tallies) for category_id, tallies in parts.items()}


def worst_first(measures: Iterable[ImageMeasure], *, category_id: int | None = None) -> list[int]:
    """Ids of images by rising quality, of one category or of all; those without any object are left out.

    Of equal quality comes first where more is missed or extra, then the lower id.
    """
    ranked = []
    for one in measures:
        tally = one.total if category_id is None else one.categories.get(category_id, AgreementTally())
        quality = tally.quality
        if quality is not None:
            ranked.append((quality, -(tally.missed + tally.extra), one.image_id))
    return [image_id for _, _, image_id in sorted(ranked)]


class AgreementMoment(Struct, frozen=True):
    """What a set came to at some time."""

    time: float
    """Seconds since 1970."""
    tally: AgreementTally
    images: tuple[int, ...]
    """Ids of the images that were measured since the moment before."""


def course(rows: Iterable[tuple[float, int, AgreementTally]], *, points: int = 100) -> list[AgreementMoment]:
    """How the sum over a set went, from (time, image id, tally) in order of time.

    Each row replaces the one before of its image. At most `points` moments are given, which divide the
    time between the first and the last row evenly; a stretch without rows gives none.
    """
    listed = list(rows)
    if not listed:
        return []
    begin = listed[0][0]
    width = max((listed[-1][0] - begin) / points, 1e-9)
    last: dict[int, AgreementTally] = {}
    moments: list[AgreementMoment] = []
    total, touched, at = AgreementTally(), dict[int, None](), begin
    for when, image_id, tally in listed:
        if touched and int((when - begin) / width) > int((at - begin) / width):
            moments.append(AgreementMoment(at, total, tuple(touched)))
            touched = {}
        total = total - last.get(image_id, AgreementTally()) + tally
        last[image_id] = tally
        touched[image_id] = None
        at = when
    moments.append(AgreementMoment(at, total, tuple(touched)))
    return moments[-points:]
