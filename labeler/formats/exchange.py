"""Labels files into an open project and out of it.

`Project` is what is needed of `project.store.Store`: formats and project know nothing of each other.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from labeler.core.photos.images import Header
from labeler.core.photos.photo_files import Fingerprint
from labeler.core.records import Annotation, Candidate, Category, Change, Edit, Image, Model
from labeler.errors import ImportStoppedError
from labeler.formats.coco.coco_file import CocoDocument, open_document, open_list
from labeler.formats.coco.coco_reading import Area, dataset_of
from labeler.formats.coco.frames import IN_DOUBT, Choice
from labeler.formats.coco.image_names import file_names
from labeler.formats.coco.results import ResultsReading
from labeler.formats.folder_layouts import Layout, layout_of
from labeler.formats.gates import packed, unpacked
from labeler.formats.image_paths import Folder
from labeler.formats.intake import Edited, IdGiver, KnownProject, Taking
from labeler.formats.json_text import no_collection
from labeler.formats.placement import Placing
from labeler.formats.report import Ledger, Report
from labeler.formats.spec import Dataset
from labeler.formats.whose_ids import Meant, meant_by, meant_in

T = TypeVar("T")
PORTION = 256
"""Changes that are written at once."""
TOP_LEVEL = "coco"
"""The project's setting that keeps the other top-level keys (info, licenses) of imported files."""


class KnownPhotos(Protocol):
    """What a project knows of its photos' files: see `labeler.project.photos.fingerprints.Photos`."""

    def known(self) -> dict[int, Fingerprint]: ...


class Replacing(Protocol):
    """What takes a model's candidates in portions: see `labeler.project.candidates.Replacement`."""

    def add_present(self, candidates: Sequence[Candidate]) -> None: ...


class StoredPredictions(Protocol):
    """What models said in a project: see `labeler.project.candidates.StoredCandidates`."""

    def ensure_model(self, name: str, version: str) -> Model: ...
    def replacement(self, model_id: int) -> Replacing: ...


class Project(Protocol):
    """An open project: see `labeler.project.store.Store`, which is one."""

    @property
    def root(self) -> Path: ...
    @property
    def revision(self) -> int: ...
    @property
    def ids(self) -> IdGiver: ...
    @property
    def photos(self) -> KnownPhotos: ...
    @property
    def predictions(self) -> StoredPredictions: ...
    def images(self) -> list[Image]: ...
    def categories(self) -> list[Category]: ...
    def annotations(self, image_id: int) -> tuple[Annotation, ...]: ...
    def all_annotations(self) -> Iterator[Annotation]: ...
    def meta(self, key: str) -> str: ...
    def set_meta(self, key: str, value: str) -> None: ...
    def transaction(self) -> AbstractContextManager[None]: ...
    def long_edit(self, label: str) -> "EditInPortions": ...


class EditInPortions(Protocol):
    """An edit that is written in portions: see `labeler.project.long_edit.LongEdit`."""

    def add(self, changes: Sequence[Change]) -> None: ...
    def finish(self) -> int: ...


class ImportPlan(Struct, frozen=True):
    """All that is to be written for a file, worked out against one revision of a project."""

    edit: Edit
    extra: bytes
    """What the project is to keep of the file's other top-level keys."""
    report: Report
    revision: int


class Importing:
    """A labels file on its way into a project, in steps of which only the first and the last need it.

    `look` and `carry_out` are quick and run where the project is; `read` and `plan` take their time, and
    may run on any thread. `carry_out` refuses a plan that the project has gone past.
    """

    def __init__(
        self,
        labels: Path,
        *,
        images: Path | None = None,
        frame: Choice = "auto",
        edited: Edited = "keep",
        area: Area = "shape",
        document: CocoDocument | None = None,
    ) -> None:
        self.labels = labels
        self._images_in = images
        self._frame: Choice = frame
        self._edited: Edited = edited
        self._area: Area = area
        self._document = document
        self._should_stop: Callable[[], bool] = lambda: False
        self._revision = -1
        self._root = Path()
        self._images: list[Image] = []
        self._categories: list[Category] = []
        self._meta = ""
        self._ids: IdGiver | None = None
        self._names: tuple[str, ...] = ()
        self._headers: dict[str, Header | None] = {}
        self._read: tuple[Dataset, Report] | None = None
        self.layout: Layout | None = None
        """Where the images were looked for, and how many were found; None before `read`."""
        self.in_doubt = 0
        """Turned photos of which nothing said in which frame their labels are."""

    def look(self, project: Project) -> None:
        """Take down what the project has; quick."""
        self._revision = project.revision
        self._root = project.root
        self._images, self._categories = project.images(), project.categories()
        self._meta, self._ids = project.meta(TOP_LEVEL), project.ids

    @no_collection()
    def read(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Read the file and look at the photos. Raises FormatError; ImportStoppedError when stopped."""
        self._should_stop = should_stop
        document = self._document or open_document(
            self.labels, images=self._images_in or self._root, frame=self._frame, should_stop=should_stop
        )
        names = file_names(document)
        if self._images_in is not None:
            folder = Folder(self._images_in)
            self.layout = Layout(folder, 0, 0)
        else:
            self.layout = layout_of(self.labels, names, first=self._root)
        self._names = names
        self._document = document
        placing = self._placing()
        self._read = dataset_of(
            document,
            image_sizes=placing.size,
            turns=placing.turn,
            frame=self._frame,
            area=self._area,
            should_stop=should_stop,
        )
        self.in_doubt = sum(note.sentence == IN_DOUBT for note in self._read[1].items)

    def _placing(self) -> Placing:
        assert self.layout is not None, "the file was read"
        return Placing(
            self._images,
            root=self._root,
            folder=self.layout.folder,
            names=self._names,
            headers=self._headers,
        )

    def touched(self) -> list[int]:
        """The project's images whose annotations `plan` asks for."""
        assert self._read is not None, "the file was read"
        assert self._ids is not None, "the project was looked at"
        known = KnownProject(self._images, self._categories, lambda _: (), self._ids)
        return Taking(known, self._placing(), Ledger()).touched(self._read[0])

    @no_collection()
    def plan(self, annotations: Callable[[int], Sequence[Annotation]]) -> ImportPlan:
        """What is to be written, `annotations` giving those of an image of the project."""
        assert self._read is not None, "the file was read"
        assert self._ids is not None, "the project was looked at"
        dataset, report = self._read
        ledger = Ledger()
        ledger.extend(report.items)
        known = KnownProject(self._images, self._categories, annotations, self._ids)
        taking = Taking(known, self._placing(), ledger, edited=self._edited)
        edit = taking.edit(dataset, f"Import {report.source}")
        extra = packed(unpacked(dataset.extra) | unpacked(self._meta.encode()))
        totals = {kind: tally.total for kind, tally in report.tallies.items()}
        made = replace(ledger.report(report.source, totals), format=report.format)
        return ImportPlan(edit, extra, made, self._revision)

    def carry_out(self, project: Project, plan: ImportPlan) -> Generator[None, None, bool]:
        """Write the plan inside a transaction, in portions, what it changes before what it adds.

        Gives False where the project was written to since `look`. Raises ImportStoppedError when stopped.
        """
        if project.revision != plan.revision:
            return False
        if plan.edit.changes:
            edit = project.long_edit(plan.edit.label)
            changed = [one for one in plan.edit.changes if one.before is not None]
            added = [one for one in plan.edit.changes if one.before is None]
            for changes in (changed, added):
                for start in range(0, len(changes), PORTION):
                    if self._should_stop():
                        raise ImportStoppedError("Nothing was imported: it was stopped.")
                    with no_collection():
                        edit.add(changes[start : start + PORTION])
                    yield
            edit.finish()
        if plan.extra != project.meta(TOP_LEVEL).encode():
            project.set_meta(TOP_LEVEL, plan.extra.decode())
        return True

    def portions(self, project: Project) -> Generator[None, None, Report]:
        """Match what was read with the project as it is now, and write it inside a transaction."""
        self.look(project)
        plan = self.plan(project.annotations)
        yield from self.carry_out(project, plan)
        return plan.report

    def finish(self, project: Project) -> Report:
        """`portions`, one after the other, in one transaction; none where there is nothing to write."""
        self.look(project)
        plan = self.plan(project.annotations)
        if plan.edit.changes or plan.extra != self._meta.encode():
            with project.transaction():
                finished(self.carry_out(project, plan))
        return plan.report


def import_document(
    project: Project,
    document: CocoDocument,
    path: Path,
    *,
    images: Path | None = None,
    frame: Choice = "auto",
    edited: Edited = "keep",
    area: Area = "shape",
) -> Report:
    """Take an opened COCO file into a project: one transaction, one undo step.

    Images are looked for in the folder `images` (by default the project's image folder, or where `layouts`
    finds them) and nowhere else; those not found are kept without a file. What an earlier import brought
    and is unchanged is skipped; what the file has otherwise now is corrected, unless a person has edited it
    (`edited`). An area that is not that of its shape is worked out anew, or with `area` "file" kept as it is.
    """
    importing = Importing(path, images=images, frame=frame, edited=edited, area=area, document=document)
    importing.look(project)
    importing.read()
    return importing.finish(project)


class ImportingResults:
    """A results file on its way into a project as the candidates of a model, in steps as `Importing`."""

    def __init__(
        self, path: Path, *, model: str, version: str = "", of: Path | None = None, encoding: str = ""
    ) -> None:
        self.labels = path
        self._encoding = encoding
        self._of = of
        self._root = Path()
        self._model, self._version = model, version
        self._images: list[Image] = []
        self._categories: list[Category] = []
        self._reading: ResultsReading | None = None

    def look(self, project: Project) -> None:
        """Take down what the project has; quick."""
        self._images, self._categories, self._root = project.images(), project.categories(), project.root

    @no_collection()
    def read(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Open the file and find out whose ids it has; its items are looked at as they are written.

        Raises FormatError when it is no JSON list, UnclearIdsError when its ids may mean this or that, and
        ImportStoppedError when stopped.
        """
        items, notes = open_list(self.labels, encoding=self._encoding)
        meant = self._meant_in(self._of) if self._of else meant_by(items, self._images, self._categories)
        self._reading = ResultsReading(
            self.labels.name,
            items,
            notes,
            images=meant.images,
            categories=meant.categories,
            should_stop=should_stop,
        )

    def _meant_in(self, labels: Path) -> Meant:
        """What the ids of a labels file mean in the project."""
        document = open_document(labels, encoding=self._encoding)
        names = file_names(document)
        folder = layout_of(labels, names, first=self._root).folder
        placing = Placing(self._images, root=self._root, folder=folder, names=names)
        return meant_in(dataset_of(document)[0], placing.known, self._categories)

    def portions(self, project: Project) -> Generator[None, None, Report]:
        """Write the candidates portion by portion inside a transaction; earlier ones there are replaced.

        Those on images or of categories that were deleted since `look` are left out. Raises
        ImportStoppedError when stopped. Gives what became of each item.
        """
        reading = self._reading
        assert reading is not None, "the file was read"
        into: Replacing | None = None
        candidates = reading.portions()
        while True:
            with no_collection():
                portion = next(candidates, None)
                if portion is None:
                    return reading.report()
                if portion and into is None:
                    maker = project.predictions.ensure_model(self._model, self._version)
                    into = project.predictions.replacement(maker.id)
                if into is not None:
                    into.add_present(portion)
            yield

    def finish(self, project: Project) -> Report:
        """`portions`, one after the other, in one transaction."""
        with project.transaction():
            return finished(self.portions(project))


def finished(portions: Generator[None, None, T]) -> T:
    """What work in portions gives, where nothing else has to come in between."""
    while True:
        try:
            next(portions)
        except StopIteration as end:
            made: T = end.value
            return made


def import_results(
    project: Project,
    path: Path,
    *,
    model: str,
    version: str = "",
    of: Path | None = None,
    encoding: str = "",
) -> Report:
    """Take a COCO results file into a project as the candidates of a model, in one transaction.

    The file's ids are those of the labels file `of`, else those that `export_coco` writes, which are those
    of an imported COCO file. The `encoding` of both is found out where none is named. Earlier candidates of
    that model on the same images are replaced. Raises
    FormatError when it is no JSON list, UnclearIdsError when its ids may be those of two imported files.
    """
    importing = ImportingResults(path, model=model, version=version, of=of, encoding=encoding)
    importing.look(project)
    importing.read()
    return importing.finish(project)
