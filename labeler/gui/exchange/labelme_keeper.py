"""labelme's JSON files beside the photos, kept up to date with what is saved where that is switched on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from PySide6.QtCore import QObject, QTimer, Signal

from labeler.core.records import Annotation, Category, Image
from labeler.errors import LabelerError
from labeler.gui.session.document import Changed
from labeler.gui.session.project_link import SAVED, Ask
from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import Notifier
from labeler.gui.toolkit.words import counted

if TYPE_CHECKING:
    from labeler.project.store import Store

KEY = "labelme"
_ON = "labelme_upkeep"
"""The project's setting that is "1" while its labelme files are kept up to date."""
_MARK = "labelme_mark/"
"""With an image's id, the setting that has the mark of the file that its labels are known to go with."""
_WAIT = 400
"""Milliseconds after a save, so that a quick hand writes a file once."""
_CHUNK = 100
"""Images that are asked for at once, so that saving comes in between."""


class _Labelled(Struct, frozen=True, eq=False):
    """What the project has of one image."""

    image: Image
    annotations: tuple[Annotation, ...]
    mark: str


class _Outcome(Struct, frozen=True, eq=False):
    """What came of one round."""

    written: int
    changed_outside: tuple[Path, ...]
    troubles: dict[int, str]
    """By the id of the image: it is tried again at the next save."""


class LabelmeKeeper(QObject):
    """Writes the file of each image whose labels were saved, on a thread of its own and whole or not at all.

    A file that another program has changed is never written over: it is told, and can be imported.
    """

    switched = Signal()
    """Whether it is on may be another now."""

    def __init__(
        self, session: Session, notifier: Notifier, *, take: Callable[[Path], None], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._notifier = notifier
        self._take = take
        self._images: set[int] = set()
        self._categories: set[int] = set()
        self._is_all = False
        self._is_busy = False
        self.is_on = False
        """Whether the open project's files are kept up to date."""
        self._timer = QTimer(self, singleShot=True, interval=_WAIT)
        self._timer.timeout.connect(self._begin)
        session.project_changed.connect(self._look)
        session.document.changed.connect(self._note)
        session.document.images_changed.connect(self._note_images)
        session.saved_changed.connect(self._on_saved)

    def switch(self, on: bool) -> None:
        """Switch it on or off for the open project; when it comes on, all files are brought up to date."""
        if self._session.project is None or self._session.read_only or on == self.is_on:
            self.switched.emit()
            return
        self._session.keep(
            lambda store: store.set_meta(_ON, "1" if on else ""),
            lambda _: self._set_on(on),
            failed=lambda error: self._notifier.error(f"Nothing was switched: {error}", key=KEY),
        )

    def _set_on(self, on: bool) -> None:
        self.is_on = on
        self.switched.emit()
        if on:
            self._work(None, trusting=True)
        else:
            self._notifier.info("labelme files stay as they are from now on.", key=KEY)

    def _look(self) -> None:
        """A project was opened: go on with what its switch says."""
        self._forget()
        self._is_busy = False
        self.is_on = False
        self.switched.emit()
        if self._session.project is None or self._session.read_only:
            return

        def look(text: str) -> None:
            self.is_on = text == "1"
            self.switched.emit()
            if self.is_on:
                # what was saved just before it was closed, or while it was open elsewhere
                self._work(None, trusting=False)

        self._session.ask(lambda store: store.meta(_ON), look)

    def _note(self, changed: Changed) -> None:
        if not self.is_on:
            return
        for change in changed.changes:
            for record in (change.before, change.after):
                if isinstance(record, Annotation):
                    self._images.add(record.image_id)
                elif isinstance(record, Category):
                    self._categories.add(record.id)

    def _note_images(self, ids: tuple[int, ...]) -> None:
        """What is written without an edit of the window's own, as an import."""
        if self.is_on:
            self._images.update(ids)
            self._is_all |= not ids
            self._on_saved(self._session.saved)

    def _on_saved(self, state: str) -> None:
        if self.is_on and state == SAVED and self._has_work:
            self._timer.start()

    @property
    def _has_work(self) -> bool:
        return bool(self._images or self._categories or self._is_all)

    def _begin(self) -> None:
        if self._is_busy or not self.is_on or not self._has_work:
            return
        which = None if self._is_all else (frozenset(self._images), frozenset(self._categories))
        self._forget()
        self._work(which, trusting=False)

    def _forget(self) -> None:
        self._images.clear()
        self._categories.clear()
        self._is_all = False

    def _work(self, which: tuple[frozenset[int], frozenset[int]] | None, *, trusting: bool) -> None:
        self._is_busy = True
        self._session.beside(
            partial(_kept_up, root=self._session.root, which=which, trusting=trusting),
            partial(self._tell, is_all=which is None and trusting),
            failed=partial(self._fail, which),
        )

    def _tell(self, outcome: _Outcome, *, is_all: bool) -> None:
        self._is_busy = False
        if self._has_work:
            self._timer.start()
        self._images.update(outcome.troubles)
        troubles = list(outcome.troubles.values())
        if outcome.changed_outside:
            first, more = outcome.changed_outside[0], len(outcome.changed_outside) - 1
            others = f" and {counted(more, 'other file')}" if more else ""
            were = "were" if more else "was"
            self._notifier.error(
                f"{first.name}{others} {were} changed by another program, so nothing was written over.",
                action="Import",
                run=lambda: self._take(first if not more else first.parent),
                key=KEY,
            )
        elif troubles:
            rest = len(troubles) - 1
            too = f" There is trouble with {counted(rest, 'other file')}, too." if rest else ""
            self._notifier.error(f"{troubles[0]}{too}", key=KEY)
        elif is_all:
            wrote = f"{counted(outcome.written, 'file')} written" if outcome.written else "all are"
            self._notifier.info(f"labelme files are kept up to date: {wrote} now.", key=KEY)

    def _fail(self, which: tuple[frozenset[int], frozenset[int]] | None, error: Exception) -> None:
        """All of it is tried again at the next save."""
        self._is_busy = False
        if self._has_work:
            self._timer.start()
        self._is_all |= which is None
        images, categories = which or ((), ())
        self._images.update(images)
        self._categories.update(categories)
        self._notifier.error(f"labelme files could not be written: {error}", key=KEY)


def _kept_up(
    call: Ask, *, root: Path, which: tuple[frozenset[int], frozenset[int]] | None, trusting: bool
) -> _Outcome:
    """Bring the files of some images, or of all, up to date; `trusting` those that are there now.

    A file with labels of an image that has none here is never trusted: they have not been imported.
    """
    from labeler.formats.labelme.labelme_upkeep import ChangedOutsideError, keep_up, mark_of  # noqa: PLC0415

    ids, categories = call(lambda store: (_ids(store, which), store.categories()))
    written, outside, troubles = 0, [], {}
    for start in range(0, len(ids), _CHUNK):
        marks: dict[int, str] = {}
        try:
            for one in call(partial(_labelled, ids=ids[start : start + _CHUNK])):
                photo = root / one.image.path
                path = photo.with_suffix(".json")
                try:
                    # where the photo was renamed, or somebody took the file away, none is there
                    known = one.mark if os.path.exists(path) else ""  # noqa: PTH110 - raises for nothing
                    seen = mark_of(path) if trusting and one.annotations else known
                    if not one.annotations and not seen:
                        continue
                    done = keep_up(path, one.image, one.annotations, categories, photo=photo.name, seen=seen)
                except ChangedOutsideError:
                    outside.append(path)
                except LabelerError as error:
                    troubles[one.image.id] = str(error)
                else:
                    written += done.is_written
                    marks[one.image.id] = done.mark
        finally:  # else what was written would pass for another program's, whatever ended it
            if marks:
                call(partial(_keep_marks, marks=marks))
    return _Outcome(written, tuple(outside), troubles)


def _ids(store: Store, which: tuple[frozenset[int], frozenset[int]] | None) -> Sequence[int]:
    """The images that are meant: by their ids, and by categories of which they have objects."""
    there: Iterable[int] = [image.id for image in store.images()]
    if which is None:
        return list(there)
    images, categories = which
    if categories:
        images |= {one.image_id for one in store.all_annotations() if one.category_id in categories}
    return [image_id for image_id in there if image_id in images]


def _labelled(store: Store, *, ids: Sequence[int]) -> list[_Labelled]:
    return [_Labelled(store.image(one), store.annotations(one), store.meta(f"{_MARK}{one}")) for one in ids]


def _keep_marks(store: Store, *, marks: dict[int, str]) -> None:
    with store.transaction():
        for image_id, mark in marks.items():
            if store.meta(f"{_MARK}{image_id}") != mark:
                store.set_meta(f"{_MARK}{image_id}", mark)
