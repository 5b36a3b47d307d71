"""Records of a data set as the files of a format give them: images by path, categories by name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from labeler.core.records import Annotation, Category, Image, Shape
from labeler.formats.gates import RefusalError
from labeler.formats.json_files.plain_geometry import object_in
from labeler.formats.report import FieldNote, Spellings, Verdict
from labeler.formats.spec import Dataset, Reading

UNLABELLED = "unlabelled"
"""The category of objects that have no name, as COCO's reader calls it."""


class Collecting:
    """Collects images, categories, objects and notes; `reading` closes it."""

    def __init__(self) -> None:
        self._images: dict[str, Image] = {}
        self._categories: dict[str, Category] = {}
        self._annotations: list[Annotation] = []
        self._places: list[str] = []
        self._notes: list[FieldNote] = []
        self._spellings = Spellings()

    def image(
        self, path: str, size: tuple[int, int] = (0, 0), *, file_id: int | None = None, extra: bytes = b""
    ) -> int:
        """The id of the image of that path, with its (width, height); two files may speak of one."""
        before = self._images.get(path)
        if before is None:
            before = Image(len(self._images) + 1, path, *size, file_id=file_id, extra=extra)
        elif not before.width or (extra and not before.extra):
            width, height = size if not before.width else (before.width, before.height)
            before = replace(before, width=width, height=height, extra=before.extra or extra)
        self._images[path] = before
        return before.id

    def category(self, name: str, *, file_id: int | None = None) -> int:
        """The id of the category of that name."""
        if name not in self._categories:
            self._categories[name] = Category(len(self._categories) + 1, name, "", file_id=file_id)
        return self._categories[name].id

    def spelled(self, text: str) -> int:
        """The id of the category whose name this is, without the blanks around it."""
        return self.category(self._spellings.plain(text))

    def add(
        self,
        image: int,
        category: int,
        shape: Shape,
        at: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        extra: bytes = b"",
        crowd: bool = False,
    ) -> None:
        """One object, which stands at the place `at` of the files."""
        number = len(self._annotations) + 1
        self._annotations.append(
            Annotation(
                number,
                image,
                category,
                shape,
                source="import",
                crowd=crowd,
                attributes=dict(attributes or {}),
                extra=extra,
            )
        )
        self._places.append(at)

    def shapes_of(
        self, items: Sequence[Raw], at: str, shape_of: Callable[[dict[str, Any]], Shape]
    ) -> Iterator[tuple[str, dict[str, Any], Shape]]:
        """The place, the values and the shape of each item of a list that stands at `at`.

        One that is no object, or of which `shape_of` raises RefusalError, is noted and left out.
        """
        for number, raw in enumerate(items):
            place = f"{at}[{number}]"
            try:
                one = object_in(raw)
                shape = shape_of(one)
            except RefusalError as refusal:
                self.note("refused", refusal.sentence, field=refusal.field, at=place)
                continue
            yield place, one, shape

    def note(
        self, verdict: Verdict, sentence: str, *, kind: str = "annotations", field: str = "", at: str = ""
    ) -> None:
        """Something to be known of an item that stands at `at`."""
        self._notes.append(FieldNote(verdict, kind, None, field, sentence, at))

    def has(self, path: str) -> bool:
        """Whether there is an image of that path."""
        return path in self._images

    def __len__(self) -> int:
        return len(self._images)

    def reading(self) -> Reading:
        """All of it."""
        dataset = Dataset(
            tuple(self._images.values()), tuple(self._categories.values()), tuple(self._annotations)
        )
        return Reading(dataset, (*self._notes, *self._spellings.notes()), lambda place: self._places[place])
