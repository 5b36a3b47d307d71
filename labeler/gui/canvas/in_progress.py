"""What a person has in progress on the open image, and keeps while they are on another."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from labeler.gui.canvas.begun import Begun, Shelf
from labeler.gui.canvas.gestures import Gestures
from labeler.gui.canvas.stage import BY, Stage
from labeler.gui.canvas.tools.base import Tool
from labeler.gui.canvas.tools.table import TOOLS
from labeler.gui.session.document import Changed
from labeler.gui.session.place import Leave

_KEYS = {tool.name: tool.key for tool in TOOLS}


class InProgress(QObject):
    """Knows the drag under way and what each tool has half done, and keeps that while one is elsewhere."""

    changed = Signal()
    """Something was begun, ended, or can be taken or brought back now."""
    told = Signal(str)
    """A line for the person."""
    kept = Signal(str, int)
    """A line, and the image on which something half done was kept as another one was opened."""
    came_back = Signal(str)
    """The name of the tool whose half done work is there again, as its image is."""

    def __init__(
        self, stage: Stage, gestures: Gestures, tools: Mapping[str, Tool], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._stage, self._gestures, self._tools = stage, gestures, tools
        tools["select"].in_hand = True
        self._aside: Tool | None = None
        """What was put out of the hand with something half done, while nothing was edited since."""
        self._shelf = Shelf()
        self._home: tuple[Path, int] | None = None
        """The project and the image that what is half done belongs to."""
        self._said = (False, False, False, False)
        stage.session.place.leaving.connect(self._take_leave)
        stage.session.document.changed.connect(self._note_edit)
        stage.session.leaving.connect(self._leave_project)
        stage.repaint.connect(self.look)

    # --- what there is ----------------------------------------------------------------------------

    @property
    def tool(self) -> Tool:
        """The one in hand."""
        return next(tool for tool in self._tools.values() if tool.in_hand)

    @property
    def is_dragging(self) -> bool:
        """Whether a tool's drag is under way."""
        return self._gestures.working

    @property
    def is_on(self) -> bool:
        """Whether the tool in hand drags something or has something half done."""
        return self._gestures.working or self.tool.pending

    @property
    def can_take_back(self) -> bool:
        """Whether `take_back` has something to do."""
        return self.is_on or self._aside_pending() is not None

    @property
    def can_bring_back(self) -> bool:
        """Whether `bring_back` has something to do."""
        return not self._gestures.working and self._taken_from() is not None

    def half_done(self) -> list[Tool]:
        """The tools with something half done on the open image; those of one proposal count once."""
        tools: dict[str, Tool] = {}
        for tool in (self.tool, *self._tools.values()):
            if tool.pending:
                tools.setdefault(tool.makes, tool)
        return list(tools.values())

    def sentence(self) -> str:
        """What has to be finished or dropped before the open image can be called done; "" for nothing."""
        if self._gestures.working:
            return "Let go of the mouse button first; Esc takes back what it is drawing."
        tools = self.half_done()
        if not tools:
            return ""
        tool = tools[0]
        how = "" if tool.in_hand else f"{_KEYS[tool.name]} goes on with it, "
        return f"A {tool.makes} is not finished here: {how}Enter finishes it, Esc drops it."

    def look(self) -> None:
        """Say it where something was begun or ended since the last look."""
        now = (self._gestures.working, self.is_on, self.can_take_back, self.can_bring_back)
        if now != self._said:
            self._said = now
            self.changed.emit()

    # --- keys -------------------------------------------------------------------------------------

    def take_back(self) -> bool:
        """Undo: the drag, else the last point or click. False where the last edit is meant."""
        taken = self._take_back()
        self._stage.repaint.emit()
        return taken

    def _take_back(self) -> bool:
        if self._gestures.working:
            return self._gestures.cancel() or True
        tool = self.tool if self.tool.pending else self._aside_pending()
        if tool is None:
            for other in self._tools.values():
                other.forget_taken()
            return False
        tool.remove_last()
        return True

    def bring_back(self) -> bool:
        """Redo: the point or click that was taken back. False where the last undone edit is meant."""
        tool = None if self._gestures.working else self._taken_from()
        brought = self.is_on if tool is None else tool.bring_back()
        self._stage.repaint.emit()
        return brought

    def name(self, category_id: int) -> bool:
        """Give what is in progress its category; False where nothing is."""
        if not self.is_on:
            return False
        session = self._stage.session
        changed = self.tool.changes() if self._gestures.working else frozenset()
        if changed:
            # the drag ends with what it has begun with, and what it ends with gets the name
            self._gestures.afterwards(lambda: session.edits.recategorise(changed, category_id, by=BY))
        session.focus.choose_category(category_id)
        return True

    # --- another tool, another image --------------------------------------------------------------

    def may_take(self, tool: Tool) -> bool:
        """Whether this tool may be taken in hand now; says why not, and what becomes of what is half done."""
        if self._gestures.working:
            self.told.emit(self.sentence())
            return False
        if self.tool.pending and not tool.pending:
            self._aside = self.tool
            self.told.emit(f"The {self.tool.makes} is kept: {_KEYS[self.tool.name]} goes on with it.")
        return True

    def change_image(self) -> None:
        """Another image is open, or none: put away what was half done, and take up what was begun here."""
        session = self._stage.session
        if self._gestures.working:
            self.told.emit(f"The {self.tool.makes} was dropped: its image is not open any more.")
        self._gestures.cancel()
        self._put_away()
        before, image = self._home, session.place.image
        self._home = (session.project, image.id) if session.project and image is not None else None
        if before is not None and (self._home is None or before[0] != self._home[0]):
            trouble = self._write(before[0])
            if trouble:
                self.told.emit(trouble)
        self._take_up(self._shelf.take(*self._home) if self._home is not None else ())

    def keep(self) -> str:
        """Finish the drag, and have all that is half done outlive the window; a sentence where it cannot."""
        self._gestures.finish()
        if self._home is None:
            return ""
        self._shelf.put(*self._home, self._begun())
        return self._write(self._home[0])

    def _leave_project(self) -> None:
        self._gestures.finish()

    def _take_leave(self, leave: Leave) -> None:
        """A drag is the person's: its image stays open until it ends."""
        if self._gestures.working:
            leave.refuse()
            self.told.emit(self.sentence())

    def _begun(self) -> tuple[Begun, ...]:
        category = self._stage.session.focus.category
        category_id = category.id if category is not None else None
        found = ((tool, tool.work()) for tool in self.half_done())
        return tuple(
            Begun(tool.name, tool.makes, work, category_id) for tool, work in found if work is not None
        )

    def _put_away(self) -> None:
        begun = self._begun()
        for tool in self._tools.values():
            tool.drop()
        self._aside = None
        if self._home is None:
            return
        project, image_id = self._home
        self._shelf.put(project, image_id, begun)
        image = self._stage.session.document.find_image(image_id)
        if begun and image is not None and project == self._stage.session.project:
            what = " and ".join(f"the {one.makes}" for one in begun)
            verb = "is" if len(begun) == 1 else "are"
            self.kept.emit(
                f"{what.capitalize()} begun on {Path(image.path).name} {verb} kept there.", image_id
            )

    def _take_up(self, begun: Iterable[Begun]) -> None:
        session = self._stage.session
        known = [one for one in begun if one.tool in self._tools]
        for one in known:
            self._tools[one.tool].take_up(one.work)
        if not known:
            return
        first = known[0]
        if first.category_id is not None and first.category_id in session.document.categories:
            session.focus.choose_category(first.category_id)
        self.came_back.emit(first.tool)
        self.told.emit(f"The {first.makes} begun here is back: Enter finishes it, Esc drops it.")

    def _write(self, project: Path) -> str:
        try:
            self._shelf.save(project)
        except OSError as error:
            return (
                f"What is half done cannot be kept ({error.strerror or error}): finish it or drop it first."
            )
        return ""

    # --- small words ------------------------------------------------------------------------------

    def _aside_pending(self) -> Tool | None:
        return self._aside if self._aside is not None and self._aside.pending else None

    def _taken_from(self) -> Tool | None:
        """The tool that a point or click was taken back from, and nothing was done since."""
        if self.tool.can_bring_back:
            return self.tool
        return self._aside if self._aside is not None and self._aside.can_bring_back else None

    def _note_edit(self, changed: Changed) -> None:
        """After an edit, undo and redo mean that edit, not what was put aside or taken back before it."""
        if changed.changes:
            self._aside = None
            for tool in self._tools.values():
                if not tool.pending:
                    tool.forget_taken()
