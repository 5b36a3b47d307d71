"""Reads from the disk what is on the open image, and lays on top what was done since."""

from collections.abc import Callable, Iterable
from typing import TypeAlias, TypeVar

from labeler.core.records import Annotation, Candidate, Change
from labeler.gui.session.acts import Acts
from labeler.gui.session.document import Changed, Document
from labeler.gui.session.focus import Focus
from labeler.gui.session.project_link import ProjectLink
from labeler.project.store import Store

T = TypeVar("T")
_Candidates: TypeAlias = Iterable[Candidate]


class LabelReader:
    """Brings the labels of the open image into the document, unless another one is open by then."""

    def __init__(self, document: Document, focus: Focus, link: ProjectLink, acts: Acts) -> None:
        self._document = document
        self._focus = focus
        self._link = link
        self._acts = acts

    def read(self) -> None:
        """Read all that is on the open image; `Document.changed` tells when it is there."""
        self._read(
            lambda store, key: (store.annotations(key), store.predictions.candidates(key)), self._take_labels
        )

    def refresh_candidates(self, image_id: int | None) -> None:
        """Read the candidates again where that image is open: a run has stored new ones."""
        if image_id == self._document.open_id:
            self._read(lambda store, key: store.predictions.candidates(key), self._take_candidates)

    def _read(self, work: Callable[[Store, int], T], take: Callable[[T, Iterable[Change]], None]) -> None:
        """Have something of the open image read; `take` gets it, and what was done since then."""
        image_id, turn, number = self._document.open_id, self._acts.turn, self._link.asked

        def got(value: T) -> None:
            if turn == self._acts.turn and image_id == self._document.open_id:
                take(value, self._acts.after(number))

        if image_id is not None:
            self._link.read(lambda store: work(store, image_id), got)

    def _take_labels(self, read: tuple[Iterable[Annotation], _Candidates], since: Iterable[Change]) -> None:
        others, found = self._document.read(*read, since)
        self._focus.select(self._focus.selection)
        self._document.changed.emit(Changed((), "open", "labels read", others, found))

    def _take_candidates(self, candidates: _Candidates, since: Iterable[Change]) -> None:
        others = self._document.read_candidates(candidates, since)
        self._document.changed.emit(Changed((), "predictions", "candidates read", candidates=others))
