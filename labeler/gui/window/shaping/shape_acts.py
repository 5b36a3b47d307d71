"""What is done at once to the shapes of what is selected: made one, taken apart, turned into masks."""

from collections.abc import Sequence

from PySide6.QtCore import QObject

from labeler.core.editing.combining import How, combined, parts_of
from labeler.core.editing.reshaping import as_mask
from labeler.core.records import Annotation, Mask, Shape
from labeler.gui.session.document import Changed
from labeler.gui.session.session import Session
from labeler.gui.toolkit.notify import Notifier

BY = "shapes"
_VERBS = {"merge": "Merge", "subtract": "Subtract from", "intersect": "Intersect"}
_MOST_PARTS = 200
"""More objects than this come of noise, and nobody wants them one by one."""


class ShapeActs(QObject):
    """One undo step each, with a line that says what became of it and offers the way back."""

    def __init__(self, session: Session, notifier: Notifier, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._notifier = session, notifier
        session.document.changed.connect(self._take_changes)

    def _take_changes(self, changed: Changed) -> None:
        if changed.changes:
            self._notifier.take_back("shapes")  # what it offers to undo is the last edit no longer

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the open image, 0 by 0 without one."""
        pixels, image = self._session.place.pixels, self._session.place.image
        if pixels is not None:
            height, width = pixels.rgb.shape[:2]
            return height, width
        return (image.height, image.width) if image is not None else (0, 0)

    def chosen(self, *, least: int = 1) -> list[Annotation]:
        """What is selected, what was selected first before the others; none, which is told, where it may not.

        All of it has to be free: with a part of a selection another thing would come out than is seen.
        """
        session, focus = self._session, self._session.focus
        known = session.document.annotations
        found = [known[key] for key in sorted(focus.selection, key=lambda key: (key != focus.first, key))]
        held = [one for one in found if session.veil.holds_back(one)]
        if session.read_only:
            self.tell(f"Nothing was changed. {session.read_only}")
        elif held:
            are = "is" if len(held) == 1 else "are"
            self.tell(f"Nothing was changed: {session.document.names(held)} {are} locked or hidden.")
        elif len(found) < least:
            self.tell("Select two objects or more first: Shift+click adds one.")
        else:
            return found
        return []

    def tell(self, text: str, *, undo: bool = False) -> None:
        """A line for the person, with the way back where something was done."""
        if undo:
            self._notifier.info(text, action="Undo", run=self._session.history.undo, key="shapes")
        else:
            self._notifier.info(text, key="shapes")

    def combine(self, how: How) -> None:
        """Make one object of what is selected: it stays what was selected first, and the others go.

        It keeps its category, attributes, and the prediction it was accepted from and is measured against.
        """
        chosen = self.chosen(least=2)
        if not chosen:
            return
        first, *others = chosen
        names = self._session.document.names
        shape = combined([one.shape for one in chosen], how, size=self.size)
        if shape is None:
            self.tell(
                "Nothing was changed: the selected objects have no part in common."
                if how == "intersect"
                else f"Nothing was changed: nothing of {names([first])} would be left."
            )
            return
        what = f"{_VERBS[how]} {names([first] if how == 'subtract' else chosen)}"
        if self._session.edits.unite(first, shape, others, label=what, by=BY):
            self.tell(self._combined(how, first, others), undo=True)

    def _combined(self, how: How, first: Annotation, others: Sequence[Annotation]) -> str:
        names = self._session.document.names
        stays = names([first])
        went = "the other is" if len(others) == 1 else f"the other {len(others)} are"
        done = {
            "merge": f"Merged into the {stays} that was selected first",
            "subtract": f"Subtracted from the {stays} that was selected first",
            "intersect": f"What is in all of them is the {stays} that was selected first",
        }[how]
        linked = "" if first.prediction_id is None else " It is measured against its own prediction still."
        return f"{done}; {went} gone.{linked}"

    def split(self) -> None:
        """Make an object of each part of what is selected; the largest keeps what is of the object alone."""
        chosen = self.chosen()
        pieces = [(one, parts) for one in chosen if len(parts := parts_of(one.shape)) > 1]
        count = sum(len(parts) for _, parts in pieces)
        if not chosen:
            return
        if not pieces:
            self.tell("Nothing was split: no selected object has more than one part.")
        elif count > _MOST_PARTS:
            self.tell(f"Nothing was split: it would be {count:,} objects. Drop specks first.")
        else:
            what = self._session.document.names([one for one, _ in pieces])
            if self._session.edits.divide(pieces, label=f"Split {what} into {count}", by=BY):
                are = "is" if len(pieces) == 1 else "are"
                self.tell(f"{what} {are} {count} objects now.", undo=True)

    def to_masks(self) -> None:
        """Turn the selected boxes and polygons into masks."""
        chosen = self.chosen()
        others = [one for one in chosen if not isinstance(one.shape, Mask)]
        found: list[tuple[Annotation, Shape]] = [
            (one, mask) for one in others if (mask := as_mask(one.shape, size=self.size)) is not None
        ]
        if not chosen:
            return
        names = self._session.document.names
        if not others:
            self.tell("Nothing was changed: what is selected are masks already.")
        elif not found:
            self.tell(f"Nothing was changed: {names(others)} would have no pixel.")
        else:
            what = names([one for one, _ in found])
            if self._session.edits.reshape(found, label=f"{what} to mask", by=BY):
                left = len(others) - len(found)
                rest = f" {left} that would have no pixel stayed." if left else ""
                self.tell(
                    f"{what}: mask now.{rest}" if len(found) == 1 else f"{what}: masks now.{rest}", undo=True
                )
