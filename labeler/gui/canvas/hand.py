"""The tool that the mouse drives."""

from collections.abc import Mapping

from PySide6.QtCore import QObject, Signal

from labeler.gui.canvas.gestures import Gestures
from labeler.gui.canvas.in_progress import InProgress
from labeler.gui.canvas.stage import Stage
from labeler.gui.canvas.tools.base import Tool


class Hand(QObject):
    """Takes one tool after the other; what each has half done is `InProgress`'s to keep."""

    changed = Signal(str)
    """The name of the tool that is in hand now."""
    stayed = Signal(str)
    """The name of the tool that is in hand still, although one was asked for."""
    outlook_changed = Signal()
    """The next stroke would do something else."""

    def __init__(
        self,
        stage: Stage,
        tools: Mapping[str, Tool],
        *,
        gestures: Gestures,
        progress: InProgress,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._tools, self._gestures, self._progress = tools, gestures, progress
        progress.came_back.connect(self._hold)
        session = stage.session
        for signal in (
            session.focus.category_changed,
            session.focus.selection_changed,
            session.document.changed,
        ):
            signal.connect(self.outlook_changed)

    @property
    def tool(self) -> Tool:
        """The tool itself."""
        return self._progress.tool

    @property
    def name(self) -> str:
        """Its name."""
        return self.tool.name

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tools."""
        return tuple(self._tools)

    @property
    def aims(self) -> bool:
        """Whether full-length lines through the pointer help now."""
        return self.tool.crosshair and not self._gestures.panning

    def aside(self) -> list[Tool]:
        """The other tools that have something half done."""
        return [tool for tool in self._tools.values() if tool.pending and not tool.in_hand]

    def take(self, name: str) -> None:
        """Take a tool; what the last one has half done stays. Raises KeyError for an unknown name.

        In the middle of a drag the tool stays in hand, and a line says so.
        """
        tool = self._tools[name]
        if tool is not self.tool and self._progress.may_take(tool):
            self._gestures.cancel()
            self.tool.leave()
            self._hold(name)
        else:
            self.stayed.emit(self.name)

    def outlook(self) -> str:
        """What the next stroke of the tool would do, in a few words; "" where that is plain."""
        return self.tool.outlook()

    def _hold(self, name: str) -> None:
        self.tool.in_hand = False
        self._tools[name].in_hand = True
        self.changed.emit(name)
        self._progress.look()
