"""How images agreed with models, kept with the time, so that it has a history and is not worked out anew.

A row is an image, a model and the settings it was measured with. It holds as long as neither an edit nor
another run touched the image since. Nothing here is an edit: all of it can be worked out again.
"""

import time
from collections.abc import Iterable, Sequence

from msgspec import Struct, msgpack

from labeler.core.filtering import Filter
from labeler.core.measures.effort import Effort, active_seconds
from labeler.core.measures.set_agreement import AgreementTally, ImageMeasure, summed
from labeler.core.records import Candidate, Model
from labeler.core.review_order import predictions_of
from labeler.project.open_file import OpenFile

COALESCED = 60.0
"""Seconds within which a newer measure of an image takes the place of the last one."""
SETTINGS_KEPT = 4
"""So many settings keep their history; those used longest ago go first."""

_LABELLED = (
    "SELECT id FROM image WHERE reviewed = 1 UNION SELECT image_id FROM annotation "
    "UNION SELECT image_id FROM candidate WHERE verdict = 'rejected'"
)
_BY_HAND = """
SELECT time, (
    SELECT coalesce(after, x'80') FROM change WHERE edit_id = edit.id AND kind = 'annotation'
    ORDER BY id LIMIT 1
), EXISTS (SELECT 1 FROM change WHERE edit_id = edit.id AND kind = 'candidate')
FROM edit WHERE state = 'done'
"""
_LAST = """
SELECT max(id), time, categories, count(*) FROM agreement WHERE image_id = ? AND model_id = ? AND settings = ?
"""


class KnownModel(Struct, frozen=True):
    """What is known of a model when a project is opened, or was read anew."""

    measures: dict[int, ImageMeasure]
    """Image id to its measure, of images where it still holds."""
    due: list[int]
    """Ids of labelled images that the model has seen, and that are to be measured."""
    seen: int
    """How many images the model has seen."""


class Agreements:
    """The table of agreements of an open project; `Store.agreements` gives it."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file

    def images_with_candidates(self, model_id: int) -> list[int]:
        """The ids of the images on which a model has candidates."""
        query = "SELECT DISTINCT image_id FROM candidate WHERE model_id = ? ORDER BY image_id"
        return [image_id for (image_id,) in self._file.db.execute(query, (model_id,))]

    def predictions(self, candidates: Iterable[Candidate], model: Model, wanted: Filter) -> list[Candidate]:
        """What a filter keeps of a model's candidates on one image, classes that are ignored left out."""
        query = "SELECT label FROM mapping WHERE model_id = ? AND category_id IS NULL"
        ignored = {label for (label,) in self._file.db.execute(query, (model.id,))}
        meant = [candidate for candidate in candidates if candidate.label not in ignored]
        return predictions_of(meant, wanted, suppressed=model.suppressed)

    def models_on(self, image_id: int) -> set[int]:
        """The ids of the models that have seen an image."""
        query = (
            "SELECT model_id FROM candidate WHERE image_id = ? "
            "UNION SELECT model_id FROM predicted WHERE image_id = ?"
        )
        return {model_id for (model_id,) in self._file.db.execute(query, (image_id, image_id))}

    def is_labelled(self, image_id: int) -> bool:
        """Whether a person has been at an image: it is reviewed, or has an annotation or a rejection."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM image WHERE id = ?1 AND reviewed = 1) "
            "OR EXISTS (SELECT 1 FROM annotation WHERE image_id = ?1) "
            "OR EXISTS (SELECT 1 FROM candidate WHERE image_id = ?1 AND verdict = 'rejected')"
        )
        return bool(self._file.db.execute(query, (image_id,)).fetchone()[0])

    def known(self, model_id: int, settings: str) -> KnownModel:
        """What holds of earlier measures with these settings, and what is to be measured."""
        seen = self._seen(model_id)
        labelled = {image_id for (image_id,) in self._file.db.execute(_LABELLED)}
        rows = self._file.db.execute(
            "SELECT image_id, categories, worst, worst_iou, candidates, newest, checked, max(id) "
            "FROM agreement WHERE model_id = ? AND settings = ? GROUP BY image_id",
            (model_id, settings),
        ).fetchall()
        edited = self._edited_since(min((row[6] for row in rows), default=0.0)) if rows else {}
        measures = {}
        for image_id, categories, worst, worst_iou, *print_of, checked, _ in rows:
            if (
                image_id in seen
                and image_id in labelled
                and tuple(print_of) == seen[image_id]
                and edited.get(image_id, 0.0) <= checked
            ):
                measures[image_id] = ImageMeasure(image_id, _unpacked(categories), worst, worst_iou)
        return KnownModel(measures, sorted((labelled & seen.keys()) - measures.keys()), len(seen))

    def keep(self, model_id: int, settings: str, measures: Iterable[ImageMeasure]) -> None:
        """Keep measures that were worked out just now; those of images that are gone since are dropped."""
        now = time.time()
        with self._file.transaction():
            for one in measures:
                if self._file.db.execute("SELECT 1 FROM image WHERE id = ?", (one.image_id,)).fetchone():
                    self._keep(model_id, settings, one, now)

    def forget_old_settings(self, model_id: int) -> None:
        """Drop the history of settings that were not in force lately."""
        query = (
            "SELECT settings FROM agreement WHERE model_id = ? GROUP BY settings ORDER BY max(checked) DESC"
        )
        old = self._file.db.execute(query, (model_id,)).fetchall()[SETTINGS_KEPT:]
        with self._file.transaction():
            self._file.db.executemany(
                "DELETE FROM agreement WHERE model_id = ? AND settings = ?",
                ((model_id, settings) for (settings,) in old),
            )

    def history(self, model_id: int, settings: str) -> list[tuple[float, int, AgreementTally]]:
        """(time, image id, tally) of all that was measured with these settings, in order of time."""
        query = (
            "SELECT time, image_id, categories FROM agreement WHERE model_id = ? AND settings = ? ORDER BY id"
        )
        rows = self._file.db.execute(query, (model_id, settings))
        return [(when, image_id, summed(_unpacked(data).values())) for when, image_id, data in rows]

    def effort(self, model_id: int | None) -> Effort:
        """What labelling has cost, and what became of a model's predictions."""
        times = [when for when, first in self._edits_by_hand() if not _is_import(first)]
        query = "SELECT count(*) FROM annotation WHERE source != 'import'"
        (objects,) = self._file.db.execute(query).fetchone()
        spoken = "SELECT count(*) FROM candidate WHERE model_id = ? AND verdict = ?"
        (accepted,) = self._file.db.execute(spoken, (model_id, "accepted")).fetchone()
        (rejected,) = self._file.db.execute(spoken, (model_id, "rejected")).fetchone()
        rows = self._file.db.execute(
            "SELECT a.shape = c.shape AND a.category_id = coalesce(c.category_id, a.category_id), count(*) "
            "FROM annotation AS a JOIN candidate AS c ON c.id = a.prediction_id "
            "WHERE c.model_id = ? AND c.verdict = 'accepted' GROUP BY 1",
            (model_id,),
        )
        fates = dict(rows.fetchall())
        unchanged, edited = fates.get(1, 0), fates.get(0, 0)
        return Effort(
            objects=objects,
            actions=len(times),
            seconds=active_seconds(times),
            unchanged=unchanged,
            edited=edited,
            rejected=rejected + max(accepted - unchanged - edited, 0),
        )

    def seen(self, model_id: int) -> int:
        """How many images a model has seen."""
        return len(self._seen(model_id))

    # --- rows -------------------------------------------------------------------------------------

    def _seen(self, model_id: int) -> dict[int, tuple[int, int]]:
        """Image id to how many candidates of the model it has, and the newest one's id."""
        query = "SELECT image_id FROM predicted WHERE model_id = ?"
        seen = {image_id: (0, 0) for (image_id,) in self._file.db.execute(query, (model_id,))}
        query = "SELECT image_id, count(*), max(id) FROM candidate WHERE model_id = ? GROUP BY image_id"
        for image_id, count, newest in self._file.db.execute(query, (model_id,)):
            seen[image_id] = count, newest
        return seen

    def _edited_since(self, when: float) -> dict[int, float]:
        """Image id to the time of its last edit, of images edited after a time."""
        query = (
            "SELECT change.image_id, max(edit.time) FROM edit JOIN change ON change.edit_id = edit.id "
            "WHERE edit.time > ? AND change.image_id IS NOT NULL GROUP BY change.image_id"
        )
        return dict(self._file.db.execute(query, (when,)))

    def _keep(self, model_id: int, settings: str, one: ImageMeasure, now: float) -> None:
        query = "SELECT count(*), max(id) FROM candidate WHERE image_id = ? AND model_id = ?"
        count, newest = self._file.db.execute(query, (one.image_id, model_id)).fetchone()
        packed = _packed(one.categories)
        state = packed, one.worst_id, one.worst_iou, count, newest or 0, now
        last = (one.image_id, model_id, settings)
        key, since, before, rows = self._file.db.execute(_LAST, last).fetchone()
        if rows and (before == packed or (rows > 1 and now - since < COALESCED)):
            self._file.db.execute(
                "UPDATE agreement SET categories = ?, worst = ?, worst_iou = ?, candidates = ?, newest = ?, "
                "checked = ? WHERE id = ?",
                (*state, key),
            )
            return
        self._file.db.execute(
            "INSERT INTO agreement(image_id, model_id, settings, time, categories, worst, worst_iou, "
            "candidates, newest, checked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (one.image_id, model_id, settings, now, *state),
        )

    def _edits_by_hand(self) -> list[tuple[float, bytes | None]]:
        """The time of each edit that changed annotations or candidates, and its first annotation."""
        rows = self._file.db.execute(_BY_HAND)
        return [(when, first) for when, first, decided in rows if first is not None or decided]


def _is_import(after: bytes | None) -> bool:
    return after is not None and msgpack.decode(after).get("source") == "import"


def _packed(categories: dict[int, AgreementTally]) -> bytes:
    listed: list[Sequence[float]] = [
        (key, one.matched, one.missed, one.extra, one.iou, one.dice)
        for key, one in sorted(categories.items())
    ]
    return msgpack.encode(listed)


def _unpacked(data: bytes) -> dict[int, AgreementTally]:
    return {key: AgreementTally(*numbers) for key, *numbers in msgpack.decode(data)}
