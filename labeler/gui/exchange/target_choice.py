"""What an export is to be: the format, with or without its photos, of which categories; and what it loses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QCheckBox, QMenu, QPushButton, QWidget

from labeler.formats.door import COCO
from labeler.formats.report import Report
from labeler.formats.spec import FormatSpec, formats
from labeler.gui.session.session import Session
from labeler.gui.toolkit.aside import run_aside
from labeler.gui.toolkit.cards import Choice
from labeler.gui.toolkit.courier import Courier
from labeler.gui.toolkit.settings import ExportHabits
from labeler.training.labels_out import Order, foreseen

_PHOTOS = [("Stay where they are", "left"), ("Copied beside the labels", "copied"), ("Linked", "linked")]
_SHOWN = 3
"""Groups of losses that are said; more are counted."""


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
        self.categories = QPushButton("All categories", parent)
        self.categories.setAutoDefault(False)
        self.categories.setAccessibleName("Categories to write")
        self.categories.setStyleSheet("text-align: left")
        self._menu = QMenu(self.categories)
        self.categories.setMenu(self._menu)
        for category in session.document.categories.values():
            action = QAction(category.name, self._menu)
            self._menu.addAction(action)
            action.setData(category.id)
            action.setCheckable(True)
            action.setChecked(True)
            action.toggled.connect(self._show_categories)
        self.categories.setEnabled(bool(self._menu.actions()))
        for choice in (self.format, self.photos):
            choice.currentIndexChanged.connect(self.changed)
        self.straighten.toggled.connect(self.changed)

    def show_habits(self, habits: ExportHabits) -> None:
        """As a person last had it; a format that is gone is COCO again."""
        self.format.choose(habits.format if habits.format in self._specs else COCO)
        self.photos.choose(habits.photos)
        self.straighten.setChecked(habits.straighten)

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
        actions = self._menu.actions()
        if all(action.isChecked() for action in actions):
            return None
        return frozenset(action.data() for action in actions if action.isChecked())

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
        asked = order.format, order.reviewed_only, order.categories, order.writing
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
        names = [action.text() for action in self._menu.actions() if action.isChecked()]
        count = len(self._menu.actions())
        some = f"{len(names)} of {count} categories"
        self.categories.setText("All categories" if len(names) == count else some)
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
