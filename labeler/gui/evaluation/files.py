"""Labels and a model's predictions of some images, out of an open project into the files of an evaluation.

The files speak the project's own ids, whatever file a record came from; a prediction's id is its place in
its results file, from 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from labeler.core.filtering import Filter
from labeler.core.geometry import bounds
from labeler.core.records import Annotation, Box, Candidate, Category, Image, Model, Shape
from labeler.core.review_order import predictions_of
from labeler.errors import FormatError, ProjectError
from labeler.evaluation.findings import By
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.coco.shape_writing import write_shape
from labeler.formats.gates import RefusalError
from labeler.formats.placement import header_of
from labeler.formats.spec import Dataset
from labeler.project.store import Store
from labeler.training.disk import remedy
from labeler.wire.job_protocol import EvaluateSpec

_ALL = 10_000
"""More predictions than an image has."""


class Material(Struct, frozen=True, eq=False):
    """What is to be compared on one image."""

    image: Image
    annotations: tuple[Annotation, ...]
    candidates: dict[int, tuple[Candidate, ...]]
    """Model id to what it said, raw."""


class EvaluationFiles(Struct, frozen=True, eq=False):
    """The files of an evaluation, and how to find one's way back from them."""

    spec: EvaluateSpec
    candidates: tuple[tuple[int, ...], ...]
    """Of each results file, the candidate id of each of its predictions in their order."""
    uncategorised: tuple[int, ...]
    """Of each model, how many of its predictions have a class that is no category of the project."""


def read_material(store: Store, image_id: int, models: Iterable[Model]) -> Material | None:
    """All that was said of an image, by the person and by models; None where the image is gone."""
    try:
        image = store.image(image_id)
    except ProjectError:
        # an undone import took it away meanwhile
        return None
    said = {model.id: store.predictions.candidates(image_id, model.id) for model in models}
    return Material(image, store.annotations(image_id), said)


def read_ignored(store: Store, models: Iterable[Model]) -> dict[int, frozenset[str]]:
    """Model id to those of its classes that a person wants nothing of."""
    return {
        model.id: frozenset(
            label for label, category in store.predictions.mappings(model.id).items() if category is None
        )
        for model in models
    }


class FileWriter:
    """Writes the files of one evaluation by fixed settings; it reads no project: any thread may."""

    def __init__(
        self,
        folder: Path,
        *,
        root: Path,
        categories: Sequence[Category],
        models: Sequence[Model],
        titles: Sequence[str],
        ignored: Mapping[int, frozenset[str]],
        wanted: Filter,
        by: By,
    ) -> None:
        self._folder = folder
        self._root = root
        self._categories = categories
        self._models = models
        self._titles = titles
        self._ignored = ignored
        self._wanted = replace(wanted, confidence=0.0, top_k=_ALL)
        self._by = by

    def write(self, materials: Sequence[Material]) -> EvaluationFiles:
        """Write everything. Raises FormatError where the disk refuses."""
        sized = [replace(one, image=_plain_image(one.image, self._root)) for one in materials]
        labels = self._folder / "labels.json"
        results: list[tuple[str, str]] = []
        candidates: list[tuple[int, ...]] = []
        uncategorised: list[int] = []
        try:
            labels.write_bytes(self._labels(sized))
            for place, model in enumerate(self._models):
                path = self._folder / f"results-{place + 1}.json"
                text, ids, strange = self._results(sized, model)
                path.write_bytes(text)
                results.append((self._titles[place], str(path)))
                candidates.append(ids)
                uncategorised.append(strange)
        except OSError as error:
            said = f"{self._folder} cannot be written to ({error.strerror})"
            raise FormatError(f"{said}: {remedy(error)}, and evaluate again.") from error
        spec = EvaluateSpec(str(labels), tuple(results), str(self._folder / "evaluation.bin"), self._by)
        return EvaluationFiles(spec, tuple(candidates), tuple(uncategorised))

    def _labels(self, materials: Iterable[Material]) -> bytes:
        materials = list(materials)
        known = {category.id for category in self._categories}
        annotations = (
            replace(one, shape=self._shape(one.shape), file_id=None, extra=b"", attributes={})
            for material in materials
            for one in material.annotations
            if one.category_id in known
        )
        dataset = Dataset(
            images=tuple(material.image for material in materials),
            categories=tuple(replace(one, file_id=None, extra=b"") for one in self._categories),
            annotations=tuple(annotations),
        )
        data, _ = write_coco(dataset)
        return data

    def _results(self, materials: Iterable[Material], model: Model) -> tuple[bytes, tuple[int, ...], int]:
        known = {category.id for category in self._categories}
        rows: list[bytes] = []
        ids: list[int] = []
        strange = 0
        for material in materials:
            size = (material.image.height, material.image.width)
            for one in self._predictions(material, model):
                if one.category_id not in known:
                    strange += 1
                    continue
                shape = self._text(one.shape, size)
                if not shape:
                    continue
                head = b'{"image_id":%d,"category_id":%d,"score":' % (one.image_id, one.category_id)
                rows.append(head + msgspec.json.encode(one.confidence) + b"," + shape + b"}")
                ids.append(one.id)
        return b"[" + b",\n".join(rows) + b"]", tuple(ids), strange

    def _text(self, shape: Shape, size: tuple[int, int]) -> bytes:
        """A shape as the file has it; b"" for one that no image has."""
        height, width = size
        box = bounds(shape)
        is_inside = box.x0 < width and box.y0 < height and box.x1 > 0 and box.y1 > 0
        if not (box.x0 < box.x1 and box.y0 < box.y1 and is_inside):
            return b""
        try:
            return write_shape(self._shape(shape), size=size).text
        except RefusalError:
            return b""

    def _predictions(self, material: Material, model: Model) -> list[Candidate]:
        ignored = self._ignored.get(model.id, frozenset())
        meant = [one for one in material.candidates.get(model.id, ()) if one.label not in ignored]
        return predictions_of(meant, self._wanted, suppressed=model.suppressed)

    def _shape(self, shape: Shape) -> Shape:
        """The shape as it is to be compared, without the text of the file it came from."""
        if self._by == "box" and not isinstance(shape, Box):
            return bounds(shape)
        return replace(shape, origin=b"")


def _plain_image(image: Image, root: Path) -> Image:
    """The image under its own id and path, with its displayed size."""
    width, height = image.width, image.height
    if not width and (header := header_of(root / image.path)):
        width, height = header.width, header.height
    path = str(root / image.path)
    return replace(image, path=path, width=width, height=height, file_id=None, extra=b"")
