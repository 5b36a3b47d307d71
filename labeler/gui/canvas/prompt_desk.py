"""The pending proposals of the open image: what was asked, what came back, which one is looked at."""

import numpy as np
from PySide6.QtCore import QObject, Signal

from labeler.core.geometry import area
from labeler.core.records import Annotation, Asked, Box, Mask, Prompt, Proposal
from labeler.gui.canvas.begun import PromptPoint, Prompts, Work
from labeler.gui.canvas.stage import BY
from labeler.gui.children.host_client import Answer, HostClient
from labeler.gui.session.session import Session

NAMES = {1: ("object",), 2: ("part", "whole"), 3: ("part", "object", "whole")}
"""What the candidates of a prompt are called, from the smallest to the largest."""


__all__ = ["NAMES", "PromptDesk", "PromptPoint"]


class PromptDesk(QObject):
    """Asks the host and keeps what it answers. Proposals are sorted from small to large."""

    changed = Signal()
    """Prompts, proposals, the chosen one, or the preview."""
    arrived = Signal()
    """New proposals came in."""

    def __init__(self, session: Session, host: HostClient | None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._host = session, host
        self.points: tuple[PromptPoint, ...] = ()
        self.box: Box | None = None
        self.proposals: tuple[Proposal, ...] = ()
        self.index = 0
        self.preview: Proposal | None = None
        """What a click here would give, as far as is known."""
        self._past: list[tuple[tuple[PromptPoint, ...], Box | None]] = []
        """Points and box before each prompt, so that each is taken back in its turn."""
        self._future: list[tuple[tuple[PromptPoint, ...], Box | None]] = []
        self._taken_back = self._keys = 0
        """Prompts of the pending object that were taken back, and keys that did it or chose a mask."""
        self._asked: int | None = None
        self._answered: int | None = None
        self._ranks: tuple[int, ...] = ()
        """The place of each proposal in the host's own order."""
        if host is not None:
            host.proposed.connect(self._take)
            host.failed.connect(self._give_up)

    @property
    def pending(self) -> bool:
        """Whether there are prompts or proposals to accept or drop."""
        return bool(self.points or self.box or self.proposals)

    @property
    def waiting(self) -> bool:
        """Whether an answer is on its way."""
        return self._asked is not None

    @property
    def current(self) -> Proposal | None:
        """The proposal that Enter would accept."""
        return self.proposals[self.index] if self.proposals else None

    def names(self) -> tuple[str, ...]:
        """A word for each proposal."""
        count = len(self.proposals)
        return NAMES.get(count) or tuple(str(at + 1) for at in range(count))

    def add_point(self, x: float, y: float, *, positive: bool) -> None:
        """One more click, refining what is pending."""
        self._remember()
        self.points = (*self.points, PromptPoint(x, y, positive))
        self._ask(refine=True)

    def set_box(self, box: Box) -> None:
        """A box around the object; clicks stay."""
        self._remember()
        self.box = box
        self._ask(refine=False)

    def remove_last(self) -> bool:
        """Take the last prompt back, click or box; False without any."""
        if not self._past:
            return False
        self._future.append((self.points, self.box))
        self._taken_back, self._keys = self._taken_back + 1, self._keys + 1
        self._go_to(self._past.pop())
        return True

    @property
    def can_bring_back(self) -> bool:
        """Whether a prompt was taken back and nothing else was asked since."""
        return bool(self._future)

    def bring_back(self) -> bool:
        """The prompt taken back last is asked again; False without any."""
        if not self._future:
            return False
        self._past.append((self.points, self.box))
        self._go_to(self._future.pop())
        return True

    def forget_taken(self) -> None:
        """What was taken back stays away."""
        self._future = []

    def _remember(self) -> None:
        self._past.append((self.points, self.box))
        self._future = []

    def _go_to(self, prompts: tuple[tuple[PromptPoint, ...], Box | None]) -> None:
        self.points, self.box = prompts
        if self.box is None and not self.points:
            self._forget()
        else:
            self._ask(refine=False)

    def work(self) -> Work | None:
        """Prompts and proposals, to be gone on with later; None without any."""
        if not self.pending:
            return None
        # an answer that is on its way will not be heard, and what is shown until then is of fewer prompts
        return Prompts(self.points, self.box, () if self.waiting else self.proposals, self.index)

    def take_up(self, work: Work) -> None:
        """Go on with what `work` gave; without its proposals they are asked for by `ask_again`."""
        if not isinstance(work, Prompts):
            return
        self.drop()
        self.points, self.box = work.points, work.box
        # one by one from here, whatever the turn of clicks and box was
        self._past = [(self.points[:at], self.box) for at in range(len(self.points))]
        if self.box is not None:
            self._past.insert(0, ((), None))
        self.proposals, self.index = work.proposals, work.index
        self.changed.emit()

    def ask_again(self) -> None:
        """Ask what was not answered before the model was given the open image, also a file of it anew."""
        unheard, self._asked, self._answered = self.waiting, None, None  # the model has forgotten both
        if unheard or (self.pending and not self.proposals):
            self._ask(refine=False)

    def step(self, by: int) -> None:
        """Look at another candidate, around the ends."""
        if self.proposals:
            self.index = (self.index + by) % len(self.proposals)
            self._keys += 1
            self.changed.emit()

    def choose(self, index: int) -> None:
        """Look at this candidate."""
        self.step(index - self.index)

    def accept(self, painted: Mask | None = None) -> Annotation | None:
        """Make the current proposal an annotation, measured against the proposal from now on.

        `painted` is what a stroke made of it, None where it is taken as it is.
        """
        proposal = self.current
        if proposal is None:
            return None
        made = self._session.edits.accept(
            proposal.mask, proposal.confidence, painted=painted, asked=self._done(), by=BY
        )
        if made is not None:
            self.drop()
        return made

    def drop(self) -> bool:
        """Forget prompts, proposals and preview; False when there were none."""
        dropped = self.pending
        self._past, self._future = [], []
        self._taken_back = self._keys = 0
        self._forget()
        return dropped

    def _done(self) -> Asked:
        """What led to the proposals."""
        box = None if self.box is None else (self.box.x0, self.box.y0, self.box.x1, self.box.y1)
        points = tuple((one.x, one.y, one.positive) for one in self.points)
        return Asked(points, box, self._taken_back, self._keys)

    def _forget(self) -> None:
        self.points, self.box, self.proposals, self.index = (), None, (), 0
        self._asked = self._answered = None
        self.preview = None
        if self._host is not None:
            self._host.cancel_hover()
        self.changed.emit()

    def hover(self, x: float, y: float) -> None:
        """Ask what a click here would give; the host keeps only the latest."""
        if self._host is not None and not self.pending:
            self._host.hover(x, y)

    def stop_hover(self) -> None:
        """The pointer is no longer over the image."""
        if self._host is not None:
            self._host.cancel_hover()
        if self.preview is not None:
            self.preview = None
            self.changed.emit()

    def _ask(self, *, refine: bool) -> None:
        self.preview = None
        if self._host is not None:
            self._host.cancel_hover()
            earlier = None
            if refine and self._answered is not None and self.proposals:
                earlier = (self._answered, self._ranks[self.index])
            self._asked = self._host.segment(self._prompt(), refine=earlier)
        self.changed.emit()

    def _prompt(self) -> Prompt:
        return Prompt(
            points=np.array([(p.x, p.y) for p in self.points], dtype=np.float64).reshape(-1, 2),
            positive=np.array([p.positive for p in self.points], dtype=bool),
            box=self.box,
        )

    def _take(self, answer: Answer) -> None:
        if answer.hover:
            if not self.pending:
                self.preview = answer.proposals[0] if answer.proposals else None
                self.changed.emit()
            return
        if answer.request_id != self._asked:
            return
        best_first = answer.proposals
        self._ranks = tuple(sorted(range(len(best_first)), key=lambda at: area(best_first[at].mask)))
        self.proposals = tuple(best_first[rank] for rank in self._ranks)
        self.index = self._ranks.index(0) if self._ranks else 0
        self._asked, self._answered = None, answer.request_id
        self.arrived.emit()
        self.changed.emit()

    def _give_up(self, _reason: str) -> None:
        self._asked = None
