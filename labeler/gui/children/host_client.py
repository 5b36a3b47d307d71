"""The window's side of the host: asks and hears without ever waiting, and brings a lost host back.

What was asked before an image was left, before a newer hover, or of a host that is gone is never heard
of again: answers are matched by request id and by the image's key.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from msgspec import Struct, structs
from PySide6.QtCore import QObject, QTimer, Signal

from labeler.core.records import Prompt, Proposal
from labeler.gui.children.client import ChildClient, Limits
from labeler.wire.host_protocol import (
    Ahead,
    Answered,
    Ask,
    AskFailed,
    Embedded,
    Open,
    ProtocolError,
    Ready,
    ToHost,
    decode_from_host,
    unpack,
)

Phase: TypeAlias = Literal["starting", "ready", "encoding", "stopped", "restarting"]


class HostState(Struct, frozen=True):
    """What the status bar shows."""

    title: str
    device: str = ""
    device_why: str = ""
    """One sentence on why the model runs there."""
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


class HostClient(ChildClient):
    """Keeps a host child running and speaks with it. Every method but `close` returns at once."""

    LIMITS = Limits(load=60.0, image=60.0, beat=5.0, end=2.0)
    STUCK: ClassVar[Mapping[str, str]] = {
        "click": "hung ({:g} s without an answer)",
        "load": "hung ({:g} s without it to start)",
        "image": "hung ({:g} s without the image)",
        "beat": "hung ({:g} s without a sign of life)",
    }

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
        super().__init__(parent, limits)
        self._model = self._title = model
        self._state = HostState(title=model)
        self._is_ready = False
        self._image: Open | None = None
        self._ahead: tuple[tuple[str, str], ...] = ()
        self._embedded_ahead: set[str] = set()
        self._last_id = 0
        self._asked: dict[int, Ask] = {}
        self._click: Ask | None = None  # the newest, until there is a host to send it to
        self._hover: Ask | None = None  # the newest, until the one in flight is answered
        self._unwanted: set[int] = set()  # hovers in flight that were cancelled

    @property
    def state(self) -> HostState:
        """What was last said by `state_changed`."""
        return self._state

    # --- starting and stopping ----------------------------------------------------------------

    def start(self) -> None:
        """Start the child, unless it runs."""
        if self._child is None:
            self._begin("starting", message="")

    def restart(self) -> None:
        """Start anew on a person's wish, with a fresh budget; also out of being stopped."""
        self._restarts.clear()
        self._let_go(kill=True)
        self._begin("starting", message="")

    def use(self, model: str) -> None:
        """Run another promptable model, by its id, from now on."""
        if model != self._model:
            self._model = self._title = model
            self._show(title=model)
            self.restart()

    def drop(self) -> None:
        """Have the child end: asked, then terminated, then killed. Nothing is answered any more."""
        self._let_go()
        self._show(phase="stopped", encoded=False, ahead=0, device="", message="")

    def _begin(self, phase: Phase, *, message: str) -> None:
        self._launch(["host", "--model", self._model], decode_from_host)
        self._show(phase=phase, encoded=False, ahead=0, device="", message=message)

    def _let_go(self, *, kill: bool = False) -> None:
        super()._let_go(kill=kill)
        self._is_ready = False
        self._asked.clear()
        self._unwanted.clear()
        self._embedded_ahead.clear()
        self._click = self._hover = None

    # --- asking -------------------------------------------------------------------------------

    def open_image(self, key: str, path: Path) -> None:
        """Embed this image first of all; what was asked on another one is forgotten."""
        self._image = Open(key, str(path))
        self._asked.clear()
        self._unwanted.clear()
        self._click = self._hover = None
        self._clocks.clear("click")
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
            self._wait_for("image")
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
            self._wait_for("click")
        else:
            self._clocks.clear("click")

    # --- hearing ------------------------------------------------------------------------------

    def _take(self, message: object) -> None:
        match message:
            case Ready():
                self._on_ready(message)
            case Embedded():
                self._on_embedded(message)
            case Answered():
                self._on_answered(message)
            case AskFailed():
                self._on_failed(message)

    def _on_ready(self, message: Ready) -> None:
        self._is_ready, self._title = True, message.title
        self._clocks.clear("load")
        phase = "ready" if self._image is None else "encoding"
        self._show(title=message.title, device=message.device, device_why=message.why, phase=phase)
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
        try:
            proposals = tuple(unpack(packed) for packed in message.proposals)
        except ProtocolError as error:
            self.failed.emit(str(error))
            return
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
        else:
            return  # it could not be loaded: said once the child has ended
        self._show(message=message.sentence)
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

    def _on_lost(self, what: str) -> None:
        """A new host in place of one that is gone or of no use, and one sentence about it."""
        if not self._restarts.spend():
            self._on_refused(
                f"{self._title} {what} again and stays off; labels are safe, and proposals come back once "
                "it is started again."
            )
            return
        sentence = f"{self._title} {what} and is being started again; no label was lost."
        self._begin("restarting", message=sentence)
        self.failed.emit(sentence)

    def _on_refused(self, sentence: str) -> None:
        self._show(phase="stopped", encoded=False, ahead=0, device="", message=sentence)
        self.failed.emit(sentence)

    def _fail_soon(self, sentence: str) -> None:
        QTimer.singleShot(0, self, lambda: self.failed.emit(sentence))

    def _show(self, **changes: object) -> None:
        state = structs.replace(self._state, **changes)
        if state != self._state:
            self._state = state
            self.state_changed.emit(state)
