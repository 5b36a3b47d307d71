"""The window's side of the host: asks and hears without ever waiting, and brings a lost host back.

What was asked before an image was left, before a newer hover, or of a host that is gone is never heard
of again: answers are matched by request id and by the image's key.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct, structs
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal

from labeler.core.records import Prompt, Proposal
from labeler.gui.children.child_process import Clocks, HostProcess, Restarts
from labeler.wire.host_protocol import (
    EXIT_MEMORY,
    EXIT_TOLD,
    VERSION,
    Ahead,
    Answered,
    Ask,
    AskFailed,
    Beat,
    Embedded,
    FromHost,
    Hello,
    Log,
    Open,
    Ready,
    ToHost,
    unpack,
)

Phase: TypeAlias = Literal["starting", "ready", "encoding", "stopped", "restarting"]

_log = logging.getLogger(__name__)


class Limits(Struct, frozen=True):
    """When a host counts as hung and how often it is brought back; seconds."""

    click: float = 15.0
    """Without an answer to a click or a hover."""
    load: float = 60.0
    """To start and load the model, and to encode an image."""
    beat: float = 5.0
    """Without a heartbeat."""
    stop: float = 2.0
    """To end by itself when told to; as long again after terminate, then it is killed."""
    restarts: int = 3
    window: float = 300.0
    """So many restarts within so many seconds, then it stays off until a person asks."""


class HostState(Struct, frozen=True):
    """What the status bar shows."""

    title: str
    device: str = ""
    phase: Phase = "stopped"
    encoded: bool = False
    """Whether the open image's embedding is there, so that a click is answered at once."""
    ahead: int = 0
    """How many of the images ahead are embedded."""
    message: str = ""
    """The last trouble in one sentence; "" once things work again."""


class Answer(Struct, frozen=True, eq=False):
    """The proposals for a request, best first. Their logits stay in the child: refine by request id."""

    request_id: int
    image_key: str
    hover: bool
    proposals: tuple[Proposal, ...]
    milliseconds: float
    """The time it took in the host."""


class HostClient(QObject):
    """Keeps a host child running and speaks with it. Every method returns at once."""

    ready = Signal()
    """The model is loaded, for the first time or after a restart."""
    state_changed = Signal(HostState)
    proposed = Signal(object)
    """An Answer."""
    failed = Signal(str)
    """One sentence: a request failed, or the host did."""

    def __init__(
        self, parent: QObject | None = None, *, model: str = "mobilesam", limits: Limits | None = None
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._limits = limits or Limits()
        self._state = HostState(title=model)
        self._child: HostProcess | None = None
        self._is_ready = False
        self._image: Open | None = None
        self._ahead: tuple[tuple[str, str], ...] = ()
        self._embedded_ahead: set[str] = set()
        self._last_id = 0
        self._asked: dict[int, Ask] = {}
        self._click: Ask | None = None  # the newest, until there is a host to send it to
        self._hover: Ask | None = None  # the newest, until the one in flight is answered
        self._unwanted: set[int] = set()  # hovers in flight that were cancelled
        self._restarts = Restarts(self._limits.restarts, self._limits.window)
        self._clocks = Clocks(self)
        self._clocks.expired.connect(self._on_expired)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)

    @property
    def state(self) -> HostState:
        """What was last said by `state_changed`."""
        return self._state

    # --- starting and stopping ----------------------------------------------------------------

    def start(self) -> None:
        """Start the child, unless it runs."""
        if self._child is None:
            self._launch("starting", message="")

    def restart(self) -> None:
        """Start anew on a person's wish, with a fresh budget; also out of being stopped."""
        self._restarts.clear()
        self._drop_child()
        self._launch("starting", message="")

    def use(self, model: str) -> None:
        """Run another promptable model, by its id, from now on."""
        if model != self._model:
            self._model = model
            self._show(title=model)
            self.restart()

    def stop(self) -> None:
        """Have the child end: asked, then terminated, then killed. Nothing is answered any more."""
        child, self._child = self._child, None
        self._forget_host()
        if child is not None:
            child.end(self._limits.stop)
        self._show(phase="stopped", encoded=False, ahead=0, device="", message="")

    def close(self) -> None:
        """`stop`, and wait until the child is gone (at most twice `Limits.stop`): at the program's end."""
        self.stop()
        for child in self.findChildren(HostProcess):  # those that were told to end or killed before, too
            child.wait(self._limits.stop)

    # --- asking -------------------------------------------------------------------------------

    def open_image(self, key: str, path: Path) -> None:
        """Embed this image first of all; what was asked on another one is forgotten."""
        self._image = Open(key, str(path))
        self._asked.clear()
        self._unwanted.clear()
        self._click = self._hover = None
        self._clocks.clear("ask")
        if self._is_ready:
            self._send_image()
        self._show(encoded=False)

    def look_ahead(self, items: Sequence[tuple[str, Path]]) -> None:
        """Embed these (key, path) in the background, in this order, instead of those given before."""
        self._ahead = tuple((key, str(path)) for key, path in items)
        self._embedded_ahead &= {key for key, _ in items}
        if self._is_ready:
            self._send(Ahead(self._ahead))
        self._show(ahead=len(self._embedded_ahead))

    def segment(self, prompt: Prompt, *, refine: tuple[int, int] | None = None) -> int:
        """Ask for proposals on the open image; gives the id that the answer will carry.

        `refine` is (an earlier request's id, index of its proposal): its logits are fed back; left out
        silently where the host does not have them any more. `prompt.previous` is not looked at. A click
        before the host or the image's embedding is ready is answered once they are; a newer one replaces it.
        """
        ask = self._new_ask(prompt, refine=refine, hover=False)
        self._hover = None
        if self._image is None:
            self._fail_soon("Open an image first, then click in it.")
        elif self._state.phase == "stopped":
            self._fail_soon(self._state.message or "The model is off; start it again to get proposals.")
        elif self._is_ready:
            self._send_ask(ask)
        else:
            self._click = ask
        return ask.id

    def hover(self, x: float, y: float) -> None:
        """Preview the best mask under a point; only the newest matters, and none while nothing is ready."""
        if self._image is None or self._state.phase == "stopped":
            return
        ask = self._new_ask(Prompt(), refine=None, hover=True)
        self._hover = structs.replace(ask, points=((float(x), float(y)),), positive=(True,))
        self._send_hover()

    def cancel_hover(self) -> None:
        """No preview any more: the waiting one is dropped, the answer of the one in flight too."""
        self._hover = None
        self._unwanted |= {ask.id for ask in self._asked.values() if ask.hover}

    def _new_ask(self, prompt: Prompt, *, refine: tuple[int, int] | None, hover: bool) -> Ask:
        self._last_id += 1
        box = prompt.box
        return Ask(
            id=self._last_id,
            key=self._image.key if self._image else "",
            points=tuple((float(x), float(y)) for x, y in prompt.points),
            positive=tuple(bool(value) for value in prompt.positive),
            box=(box.x0, box.y0, box.x1, box.y1) if box else None,
            refine=refine,
            hover=hover,
        )

    # --- sending ------------------------------------------------------------------------------

    def _send(self, message: ToHost) -> None:
        if self._child is not None:
            self._child.send(message)

    def _send_image(self) -> None:
        if self._image is not None:
            self._send(self._image)
            self._clocks.start("image", self._limits.load)
            self._show(phase="encoding", encoded=False)

    def _send_ask(self, ask: Ask) -> None:
        self._asked[ask.id] = ask
        self._send(ask)
        self._watch_asks()

    def _send_hover(self) -> None:
        in_flight = any(ask.hover for ask in self._asked.values())
        if self._hover is not None and self._state.encoded and not in_flight:
            ask, self._hover = self._hover, None
            self._send_ask(ask)

    def _watch_asks(self) -> None:
        """An answer is due from now on, unless there is nothing to answer or the image comes first."""
        if self._asked and self._state.encoded:
            self._clocks.start("ask", self._limits.click)
        else:
            self._clocks.clear("ask")

    # --- hearing ------------------------------------------------------------------------------

    def _on_message(self, message: FromHost) -> None:
        match message:
            case Hello():
                self._on_hello(message)
            case Ready():
                self._on_ready(message)
            case Beat():
                self._clocks.start("beat", self._limits.beat)
            case Embedded():
                self._on_embedded(message)
            case Answered():
                self._on_answered(message)
            case AskFailed():
                self._on_failed(message)
            case Log(level=level, text=text):
                _log.log(level, "host: %s", text)

    def _on_hello(self, message: Hello) -> None:
        if message.version != VERSION:
            # said here: what a slot raises ends in the log, not with whoever emitted the signal
            self._stay_off(
                f"The model's process is of version {message.version}, not {VERSION}: Labeler was changed "
                "while it ran. Labels are safe; close Labeler and start it again."
            )
            return
        self._clocks.start("beat", self._limits.beat)

    def _on_ready(self, message: Ready) -> None:
        self._is_ready = True
        self._clocks.clear("load")
        phase = "ready" if self._image is None else "encoding"
        self._show(title=message.title, device=message.device, phase=phase)
        self._send_image()
        if self._ahead:
            self._send(Ahead(self._ahead))
        if self._click is not None:
            ask, self._click = self._click, None
            self._send_ask(ask)
        self.ready.emit()

    def _on_embedded(self, message: Embedded) -> None:
        if message.ahead:
            if any(key == message.key for key, _ in self._ahead):
                self._embedded_ahead.add(message.key)
                self._show(ahead=len(self._embedded_ahead))
        elif self._image is not None and message.key == self._image.key:
            self._clocks.clear("image")
            self._show(phase="ready", encoded=True)
            self._watch_asks()
            self._send_hover()

    def _on_answered(self, message: Answered) -> None:
        if not self._settle(message.id):
            return
        self._show(message="")
        proposals = tuple(unpack(packed) for packed in message.proposals)
        self.proposed.emit(Answer(message.id, message.key, message.hover, proposals, message.milliseconds))

    def _on_failed(self, message: AskFailed) -> None:
        if message.id:
            if not self._settle(message.id):
                return
        elif message.key:
            if self._image is None or message.key != self._image.key:
                return
            self._clocks.clear("image")
            self._show(phase="ready")
        self._show(message=message.sentence)
        if self._is_ready:  # while loading, it is said once the child has ended
            self.failed.emit(message.sentence)

    def _settle(self, request: int) -> bool:
        """Take an answered request off the list, with those it replaced; whether it is still wanted."""
        ask = self._asked.get(request)
        if ask is None:
            return False
        for other in [other for other in self._asked.values() if other.id <= request]:
            if other.hover == ask.hover:
                del self._asked[other.id]
        wanted = request not in self._unwanted
        self._unwanted.discard(request)
        self._watch_asks()
        self._send_hover()
        return wanted

    # --- trouble ------------------------------------------------------------------------------

    def _on_ended(self, status: int) -> None:
        """The child is gone without having been told to; `status` below 0 is a crash."""
        if status == EXIT_TOLD:
            self._stay_off(self._state.message or f"{self._state.title} could not be loaded.")
        elif status == EXIT_MEMORY:
            self._recover("ran out of memory")
        else:
            self._recover("crashed" if status < 0 else "ended unexpectedly")

    def _on_expired(self, clock: str) -> None:
        limit = self._limits
        seconds = {"ask": limit.click, "load": limit.load, "image": limit.load, "beat": limit.beat}[clock]
        waiting = {"ask": "an answer", "load": "it to start", "image": "the image", "beat": "a sign of life"}
        self._recover(f"hung ({seconds:g} s without {waiting[clock]})")

    def _recover(self, what: str) -> None:
        """A new host in place of one that is gone or of no use, and one sentence about it."""
        self._drop_child()
        title = self._state.title
        if not self._restarts.spend():
            self._stay_off(
                f"{title} {what} again and stays off; labels are safe, and proposals come back once "
                "it is started again."
            )
            return
        sentence = f"{title} {what} and is being started again; no label was lost."
        self._launch("restarting", message=sentence)
        self.failed.emit(sentence)

    def _stay_off(self, sentence: str) -> None:
        self._drop_child()
        self._show(phase="stopped", encoded=False, ahead=0, device="", message=sentence)
        self.failed.emit(sentence)

    def _fail_soon(self, sentence: str) -> None:
        QTimer.singleShot(0, self, lambda: self.failed.emit(sentence))

    # --- the child ----------------------------------------------------------------------------

    def _launch(self, phase: Phase, *, message: str) -> None:
        self._child = HostProcess(self, self._model)
        self._child.message.connect(self._on_message)
        self._child.ended.connect(self._on_ended)
        self._child.confused.connect(self._recover)
        self._clocks.start("load", self._limits.load)
        self._show(phase=phase, encoded=False, ahead=0, device="", message=message)
        self._child.start()

    def _drop_child(self) -> None:
        child, self._child = self._child, None
        self._forget_host()
        if child is not None:
            child.kill()

    def _forget_host(self) -> None:
        self._is_ready = False
        self._asked.clear()
        self._unwanted.clear()
        self._embedded_ahead.clear()
        self._click = self._hover = None
        self._clocks.clear_all()

    def _show(self, **changes: object) -> None:
        state = structs.replace(self._state, **changes)
        if state != self._state:
            self._state = state
            self.state_changed.emit(state)
