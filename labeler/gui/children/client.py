"""The life that every child has in common, seen from the window: started, greeted, watched, lost, ended.

What a client does with its child, and whether one that was lost comes back, is its own: `HostClient`,
`PredictClient` and `TaskClient` say what is special to them.
"""

import logging
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Literal, TypeAlias

import shiboken6
from msgspec import Struct
from PySide6.QtCore import QCoreApplication, QObject

from labeler.gui.children.child_process import ChildProcess, Clocks, Restarts, wait_for_all
from labeler.wire.host_protocol import EXIT_MEMORY, EXIT_TOLD, VERSION, AskFailed, Beat, Hello, Log
from labeler.wire.job_protocol import decode_from_job

Wait: TypeAlias = Literal["load", "beat", "click", "image", "save"]
"""What is waited for, by the name of its limit."""

_log = logging.getLogger(__name__)
_clients: weakref.WeakSet["ChildClient"] = weakref.WeakSet()


class Limits(Struct, frozen=True, kw_only=True):
    """When a child counts as hung, in seconds, and how often it is brought back.

    Each client has `LIMITS` of its own. What it does not wait for (a task has no images) is not looked at.
    """

    load: float = 60.0
    """To start and load the model; for a task, to say its first word."""
    beat: float = 5.0
    """Without a heartbeat: a step of a training may hold up everything else of its process for a while."""
    click: float = 15.0
    """Without an answer to a click or a hover."""
    image: float = 60.0
    """To encode an image, or to predict one: ten times the slowest prediction so far where that is more."""
    save: float = 20.0
    """To save what there is and end by itself when a person stops it."""
    end: float = 1.0
    """To end when nothing is wanted of it any more; as long again after terminate, then it is killed."""
    restarts: int = 3
    window: float = 300.0
    """So many restarts within so many seconds, then it stays off until a person asks."""
    alike: int = 10
    """So many images in a row missed for the very same reason, then it is the model's and not theirs."""


class ChildClient(QObject):
    """Has one child at a time and hears of it. Every method but `close` returns at once.

    What becomes of a child that was not let go reaches `_on_refused` or `_on_lost`, exactly once; nothing is
    heard of it after that, nor after `_let_go`.
    """

    LIMITS: ClassVar[Limits]
    """Those of a client that is given none."""
    STUCK: ClassVar[Mapping[str, str]] = {"load": "did not start", "beat": "froze"}
    """For each limit that may pass: how a sentence about the child goes on, `{:g}` for the seconds."""

    def __init__(self, parent: QObject | None, limits: Limits | None) -> None:
        super().__init__(parent)
        self._limits = limits or self.LIMITS
        self._child: ChildProcess | None = None
        self._title = ""  # of what runs in the child: begins the sentences about it
        self._reason = ""  # why it cannot do what it was asked for, in its own words
        self._restarts = Restarts(self._limits.restarts, self._limits.window)
        self._clocks = Clocks(self)
        self._clocks.expired.connect(self._on_expired)
        application = QCoreApplication.instance()
        _clients.add(self)
        if application is not None:
            application.aboutToQuit.connect(self._close_all)

    def drop(self) -> None:
        """Give up what is under way: the child ends by itself, unheard, and another may begin at once."""
        raise NotImplementedError

    def close(self) -> None:
        """`drop`, and wait until every child is gone (at most twice `Limits.end`): at the program's end."""
        close_together([self])

    def leaving(self) -> tuple[list[ChildProcess], float]:
        """Its children that are not gone yet, those let go before too, and the seconds they have to end."""
        return self.findChildren(ChildProcess), self._limits.end

    def _close_all(self) -> None:
        """The program ends: the first client that hears it closes all, and leaves nothing to the others."""
        close_together(one for one in _clients if shiboken6.isValid(one))

    # --- the child ----------------------------------------------------------------------------

    def _launch(
        self, arguments: Sequence[str] = ("job",), decode: Callable[[bytes], object] = decode_from_job
    ) -> ChildProcess:
        """Start a child in place of the one before, which is gone or let go."""
        self._reason = ""
        child = self._child = ChildProcess(self, arguments, decode)
        child.message.connect(self._on_message)
        child.ended.connect(self._on_ended)
        child.lost.connect(self._lose)
        self._clocks.clear_all()
        self._wait_for("load")
        child.start()
        return child

    def _let_go(self, *, kill: bool = False) -> None:
        """Nothing is heard of the child any more, and it goes: asked first, or killed at once."""
        child, self._child = self._child, None
        self._clocks.clear_all()
        if child is None:
            return
        if kill:
            child.kill()
        else:
            child.end(self._limits.end)

    def _wait_for(self, limit: Wait, *, least: float = 0.0) -> None:
        """Let a limit begin, or begin anew; `least` seconds where that is more."""
        self._clocks.start(limit, max(getattr(self._limits, limit), least))

    # --- hearing ------------------------------------------------------------------------------

    def _on_message(self, message: object) -> None:
        match message:
            case Hello(version=version) if version != VERSION:
                # said here: what a slot raises ends in the log, not with whoever emitted the signal
                self._refuse(
                    f"{self._title} speaks version {version}, not {VERSION}: Labeler was changed while it "
                    "ran. Labels are safe; close Labeler and start it again."
                )
                return
            case Hello() | Beat():
                self._wait_for("beat")
            case AskFailed(sentence=sentence, id=0, key=""):
                self._reason = sentence
            case Log(level=level, text=text):
                _log.log(level, "%s: %s", self._title, text)
        self._take(message)

    def _take(self, message: object) -> None:
        """A message of the child, whose beats, lines for the log and reasons are noted already."""
        raise NotImplementedError

    # --- trouble ------------------------------------------------------------------------------

    def _on_ended(self, status: int) -> None:
        """The child is gone without having been told to; `status` below 0 is a crash."""
        if self._reason or status == EXIT_TOLD:
            self._refuse(self._reason or f"{self._title} could not begin.")
        elif status == EXIT_MEMORY:
            self._lose("ran out of memory")
        else:
            self._lose("crashed" if status < 0 else "ended unexpectedly")

    def _on_expired(self, limit: str) -> None:
        self._lose(self.STUCK[limit].format(getattr(self._limits, limit)))

    def _refuse(self, sentence: str) -> None:
        self._let_go(kill=True)
        self._on_refused(sentence)

    def _lose(self, what: str) -> None:
        self._let_go(kill=True)
        self._on_lost(what)

    def _on_refused(self, sentence: str) -> None:
        """The child cannot do what it was asked for, and another one could not either; one sentence."""
        raise NotImplementedError

    def _on_lost(self, what: str) -> None:
        """The child crashed, hung or ran out of memory: `what` is how a sentence goes on after its title."""
        raise NotImplementedError


def close_together(clients: Iterable[ChildClient]) -> None:
    """`drop` them all, then wait once until every child is gone: twice the longest `Limits.end` at most."""
    clients = tuple(clients)
    for client in clients:
        client.drop()
    leaving = [client.leaving() for client in clients]
    children = [child for each, _ in leaving for child in each]
    wait_for_all(children, max((seconds for _, seconds in leaving), default=0.0))
