"""What an export is to be: the format, with or without its photos, of which categories; and what it loses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QCheckBox, QWidget

from labeler.formats.door import COCO
from labeler.formats.report import Report
from labeler.formats.spec import FormatSpec, formats
from labeler.formats.write_options import Writing
from labeler.gui.session.session import Session
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.cards import Choice
from labeler.gui.toolkit.courier import Courier
from labeler.gui.toolkit.settings import ExportHabits
from labeler.gui.toolkit.tick_choice import TickChoice
from labeler.training.labels_out import Order, foreseen

_PHOTOS = [("Stay where they are", "left"), ("Copied beside the labels", "copied"), ("Linked", "linked")]
BOXES = [("With a rectangle as outline", "rectangle"), ("Without an outline", "empty")]
MASKS = [("As polygons along the pixels", "polygons"), ("As run-length mask", "rle")]
HOLES = [
    ("Cut out, by one outline through a seam", "seam"),
    ("Filled", "fill"),
    ("Whole object as run-length mask", "rle"),
]
_SHOWN = 3
"""Groups of losses that are said; more are counted."""


def effects(writing: Writing) -> str:
    """What other programs get of the shapes, and what they do not get."""
    if writing == Writing():
        return (
            "Boxes get a rectangle as outline, masks become polygons along their pixels, holes are cut out: "
            "nearly every program reads all of it, and Labeler takes it back exactly."
        )
    told = (
        (writing.boxes == "empty", "Programs that need outlines fail at boxes (DETR, masks of pycocotools)."),
        (writing.masks == "rle", "Programs that know only polygons leave out the masks (sahi)."),
        (writing.holes == "fill", "Other programs do not get the holes."),
        (writing.holes == "rle", "Programs that know only polygons leave out objects with holes (sahi)."),
        (writing.tolerance > 0, f"Masks stray from their pixels by up to {writing.tolerance:g} px."),
        (not writing.clip, "Programs that refuse shapes outside leave out the image (ultralytics)."),
        (writing.as_read, "Imported shapes that nobody touched stay as they were, whatever is chosen here."),
    )
    return " ".join(
        [*(text for holds, text in told if holds), "Labeler itself takes all of it back exactly."]
    )


class TargetChoice(QObject):
    """The rows of the export dialog that say what is written, and the words on what that loses."""

    changed = Signal()
    foreseen = Signal(str)
    """What the chosen format cannot hold of the labels there are, in words."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self._courier = Courier(self)
        self._turn = 0
        self._asked: object = None
        self._specs = {COCO: None} | {spec.id: spec for spec in _writers()}
        choices = [("COCO JSON", COCO)] + [(spec.title, spec.id) for spec in _writers()]
        self.format = Choice("Format", choices, parent)
        self.photos = Choice("Photos", _PHOTOS, parent)
        self.straighten = QCheckBox("Photos that are turned by EXIF are written turned", parent)
        self.categories = TickChoice("Categories to write", parent)
        self.categories.offer([(one.name, one.id) for one in session.document.categories.values()])
        self.categories.say("All categories")
        self.categories.ticked.connect(self._show_categories)
        self._brought = False
        """Whether photos come along only because the format is of no use without them."""
        self.format.currentIndexChanged.connect(self._take_format)
        self.photos.activated.connect(self._take_photos)
        self.photos.currentIndexChanged.connect(self.changed)
        self.straighten.toggled.connect(self.changed)

    def show_habits(self, habits: ExportHabits) -> None:
        """As a person last had it; a format that is gone is COCO again."""
        self.format.choose(habits.format if habits.format in self._specs else COCO)
        self.photos.choose(habits.photos)
        self.straighten.setChecked(habits.straighten)

    def _take_format(self) -> None:
        """Photos come along where the data set is of no use without, and only as long as that is so."""
        spec = self.spec
        needs = spec is not None and bool(spec.alone)
        if needs and self.photos.currentData() == "left":
            self._brought = True
            self.photos.choose("copied")
        elif self._brought and not needs:
            self._brought = False
            self.photos.choose("left")
        self.changed.emit()

    def _take_photos(self) -> None:
        """A person has chosen it."""
        self._brought = False

    @property
    def spec(self) -> FormatSpec | None:
        """The format; None for COCO."""
        return self._specs[self.format.currentData()]

    @property
    def is_folder(self) -> bool:
        """Whether what is written is a folder."""
        spec = self.spec
        return self.photos.currentData() != "left" or (spec is not None and spec.folder)

    def chosen_categories(self) -> frozenset[int] | None:
        """The categories that are written, by id; None for all."""
        chosen = self.categories.chosen()
        return None if len(chosen) == len(self.categories.list.ticks) else frozenset(chosen)

    def named(self, path: Path) -> Path:
        """The path with the ending and the word that the choice has: a folder has no ending."""
        spec = self.spec
        known = {".json", *(end for one in self._specs.values() if one for end in one.suffixes)}
        name = path.name.removesuffix(path.suffix) if path.suffix.lower() in known else path.name
        words = [
            f"-{word}" for word in sorted(self._specs, key=len, reverse=True) if name.endswith(f"-{word}")
        ]
        if words:
            name = f"{name.removesuffix(words[0])}-{spec.id if spec else COCO}"
        ending = "" if self.is_folder else spec.suffixes[0] if spec else ".json"
        # a data set goes beside the folder of the photos: in it, its photos would be taken for new ones
        root = self._session.root
        place = root.parent if self.is_folder and path.parent == root else path.parent
        return place / f"{name}{ending}" if name else path

    def foresee(self, order: Order) -> None:
        """Have what is lost worked out beside everything; `foreseen` follows, of the last question only."""
        asked = order.format, order.reviewed_only, order.categories, order.writing, order.photos
        if asked == self._asked:
            return
        self._asked = asked
        self._turn += 1
        turn, project = self._turn, self._session.project
        if self.spec is None or project is None:
            self.foreseen.emit("")
            return
        title = self.spec.title

        def tell(report: Report) -> None:
            if turn == self._turn:
                self.foreseen.emit(_words(report, title))

        self.foreseen.emit(f"Looking at what {title} can hold…")
        run_aside(
            lambda: foreseen(project, order),
            courier=self._courier,
            done=tell,
            failed=_unless(lambda: turn != self._turn, lambda error: self.foreseen.emit(str(error))),
            name="foreseeing",
        )

    def _show_categories(self) -> None:
        chosen, count = len(self.categories.chosen()), len(self.categories.list.ticks)
        self.categories.say("All categories" if chosen == count else f"{chosen} of {count} categories")
        self.changed.emit()


def _unless(stale: Callable[[], bool], tell: Callable[[Exception], None]) -> Callable[[Exception], None]:
    return lambda error: None if stale() else tell(error)


def _writers() -> list[FormatSpec]:
    """The formats beside COCO that are written, by title."""
    writers = (spec for spec in formats() if spec.write is not None and spec.id != COCO)
    return sorted(writers, key=lambda spec: spec.title)


def _words(report: Report, title: str) -> str:
    """What is lost, in a few lines."""
    groups = report.groups()
    if not groups:
        return f"{title} holds all of it."
    lines = []
    for group in groups[:_SHOWN]:
        note = group.first
        what = {"annotations": "object", "images": "image"}.get(note.kind, "")
        many = f"{group.count:,} {what}{'s' if group.count > 1 else ''}: " if what else ""
        lines.append(f"{many}{note.sentence}")
    if len(groups) > _SHOWN:
        lines.append(f"And {len(groups) - _SHOWN} more kinds of losses, told after the export.")
    return "\n".join(lines)
