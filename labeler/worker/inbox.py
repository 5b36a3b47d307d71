"""What the host was asked for and has not begun: who goes first, and what was overtaken."""

from threading import Condition

from msgspec import Struct

from labeler.models.protocols import Interrupt
from labeler.wire.host_protocol import Ahead, Ask, Open


class AheadItem(Struct, frozen=True):
    """One image to embed in the background."""

    key: str
    path: str
    place: int
    """Its place in the list: 0 for the most likely next image."""
    round: int
    """Which of the lists so far it is from."""
    interrupt: Interrupt


class Inbox:
    """Two lanes of work that is still to do.

    Interactive: the image to open, then the newest click, then the newest hover. Background: the images
    ahead, which stand still while an image is opened and are called off for it.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._open: Open | None = None
        self._click: Ask | None = None
        self._hover: Ask | None = None
        self._ahead: list[tuple[int, str, str]] = []
        self._round = 0
        self._running: AheadItem | None = None
        self._opening = False
        self._closed = False

    @property
    def is_ahead_busy(self) -> bool:
        """Whether an image is being embedded in the background just now."""
        return self._running is not None

    def post(self, message: Open | Ahead | Ask) -> None:
        """Take a message in; never waits."""
        with self._changed:
            match message:
                case Open():
                    self._open, self._click, self._hover = message, None, None
                    if self._running is not None and self._running.path != message.path:
                        self._running.interrupt.set()
                case Ahead(items=items):
                    self._ahead = [(place, key, path) for place, (key, path) in enumerate(items)]
                    self._round += 1
                case Ask(hover=True):
                    self._hover = message
                case Ask():
                    self._click = message
            self._changed.notify_all()

    def close(self) -> None:
        """Call everything off; both lanes end."""
        with self._changed:
            self._closed = True
            if self._running is not None:
                self._running.interrupt.set()
            self._changed.notify_all()

    def next_interactive(self) -> Open | Ask | None:
        """Wait for the most urgent piece of work; None when closed. Asking again says the last is done."""
        with self._changed:
            self._opening = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._open or self._click or self._hover)
            if self._closed:
                return None
            work: Open | Ask | None
            if self._open is not None:
                work, self._open, self._opening = self._open, None, True
            elif self._click is not None:
                work, self._click = self._click, None
            else:
                work, self._hover = self._hover, None
            return work

    def next_ahead(self) -> AheadItem | None:
        """Wait for the next image to embed in the background; None when closed."""
        with self._changed:
            self._running = None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or (self._ahead and not self._is_opening()))
            if self._closed:
                return None
            place, key, path = self._ahead.pop(0)
            self._running = AheadItem(key, path, place, self._round, Interrupt())
            return self._running

    def put_back(self, item: AheadItem) -> None:
        """An image that was called off goes first again, unless there is another list by now."""
        with self._changed:
            if item.round == self._round:
                self._ahead.insert(0, (item.place, item.key, item.path))

    def wait_for_ahead(self, path: str) -> None:
        """Wait until the background is done with that image, if it is at it."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._running is None or self._running.path != path
            )

    def _is_opening(self) -> bool:
        return self._opening or self._open is not None
