"""What the window and its children say to each other: length-prefixed msgpack frames of checked records.

A frame is its length (4 bytes, big endian) and one message. Both ends run the same version of the app,
so there is no negotiation beyond `Hello.version`.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import msgspec
import numpy as np
from msgspec import Struct

from labeler.core.records import Box, Mask, Prompt, Proposal
from labeler.errors import LabelerError

VERSION = 2
LIMIT = 64 << 20
"""Bytes of the largest message that is believed; a mask of 16k x 16k pixels takes 32 MiB."""
_DEFLATED_FROM = 1 << 20
"""Bytes of a mask's bits."""
MASKS_LIMIT = 32 << 20
"""Bytes of an answer's masks from which on no further one is sent; the window unpacks eight times that."""

EXIT_TOLD = 4
"""A child's exit status when it cannot do what it was asked for, and has sent the reason before."""
EXIT_MEMORY = 5
"""The host's exit status when its memory limit was reached."""

_PREFIX = struct.Struct(">I")


class ProtocolError(LabelerError):
    """The other side sent what is no message."""


# --- to the host ------------------------------------------------------------------------------


class Open(Struct, frozen=True, tag=True):
    """Embed this image first of all; answers for other images are of no interest any more."""

    key: str
    path: str


class Ahead(Struct, frozen=True, tag=True):
    """Embed these (key, path) in the background, in this order; replaces the list before."""

    items: tuple[tuple[str, str], ...]


class Ask(Struct, frozen=True, tag=True):
    """A prompt on the open image, in image pixels. A newer one replaces an older one still waiting."""

    id: int
    key: str
    points: tuple[tuple[float, float], ...] = ()
    positive: tuple[bool, ...] = ()
    box: tuple[float, float, float, float] | None = None
    refine: tuple[int, int] | None = None
    """(id of an earlier ask, index of its proposal) whose logits are fed back, if still there."""
    hover: bool = False
    """A preview: only the best mask is wanted, and any click goes before it."""

    def __post_init__(self) -> None:
        if len(self.points) != len(self.positive):
            raise ValueError("each point is positive or negative")
        numbers = [value for point in self.points for value in point] + list(self.box or ())
        if not np.isfinite(numbers).all():
            raise ValueError("coordinates are finite")

    @property
    def prompt(self) -> Prompt:
        """The prompt without earlier logits."""
        return Prompt(
            points=np.array(self.points, dtype=np.float64).reshape(-1, 2),
            positive=np.array(self.positive, dtype=np.bool_),
            box=Box(*self.box) if self.box is not None else None,
        )


class Stop(Struct, frozen=True, tag=True):
    """End, within 2 s."""


ToHost: TypeAlias = Open | Ahead | Ask | Stop


# --- from the host ----------------------------------------------------------------------------


class Hello(Struct, frozen=True, tag=True):
    """The first message: the child runs and speaks."""

    version: int
    pid: int


class Ready(Struct, frozen=True, tag=True):
    """The model is loaded."""

    title: str
    device: str
    """For people: "CPU · 2 threads"."""
    why: str = ""
    """One sentence on why it is that device."""


class Beat(Struct, frozen=True, tag=True):
    """Sent each second; `progress` grows by one with each piece of work done."""

    progress: int


class Embedded(Struct, frozen=True, tag=True):
    """An image's embedding is there."""

    key: str
    ahead: bool
    milliseconds: float


class PackedProposal(Struct, frozen=True, array_like=True):
    """A mask as its box and its bits packed row after row, most significant bit first."""

    x: int
    y: int
    width: int
    height: int
    bits: bytes
    confidence: float
    is_deflated: bool = False
    """Whether the bits are zlib's: those of a large mask would keep the pipe busy for seconds."""

    def __post_init__(self) -> None:
        fills = self.is_deflated or len(self.bits) == self.length
        if min(self.width, self.height) < 0 or not fills or self.length > LIMIT:
            raise ValueError("a mask's bits fill its box")

    @property
    def length(self) -> int:
        """Of the bits in bytes, as they are packed."""
        return (self.width * self.height + 7) // 8


class Answered(Struct, frozen=True, tag=True):
    """The proposals for an ask, best first; `milliseconds` is the time it took in the host."""

    id: int
    key: str
    hover: bool
    proposals: tuple[PackedProposal, ...]
    milliseconds: float


class AskFailed(Struct, frozen=True, tag=True):
    """Something could not be done; one sentence. `id` of the ask or 0, `key` of the image or ""."""

    sentence: str
    id: int = 0
    key: str = ""


class Log(Struct, frozen=True, tag=True):
    """A line for the app's log; `level` as in `logging`."""

    level: int
    text: str


FromHost: TypeAlias = Hello | Ready | Beat | Embedded | Answered | AskFailed | Log

_to_host = msgspec.msgpack.Decoder(ToHost)
_from_host = msgspec.msgpack.Decoder(FromHost)
_encoder = msgspec.msgpack.Encoder()


def frame(message: Struct) -> bytes:
    """A message as it goes over the pipe. Raises ProtocolError when it is over the limit."""
    body = _encoder.encode(message)
    if len(body) > LIMIT:
        raise ProtocolError(f"A message of {len(body)} bytes is over the limit of {LIMIT}.")
    return _PREFIX.pack(len(body)) + body


def decode_to_host(body: bytes) -> ToHost:
    """The message in a frame's body. Raises ProtocolError for anything else."""
    with readable():
        message: ToHost = _to_host.decode(body)
    return message


def decode_from_host(body: bytes) -> FromHost:
    """The message in a frame's body. Raises ProtocolError for anything else."""
    with readable():
        message: FromHost = _from_host.decode(body)
    return message


@contextmanager
def readable() -> Iterator[None]:
    """Whatever msgspec says of a message that it cannot read becomes a ProtocolError."""
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError(f"A message could not be read ({error}).") from error


class Frames:
    """Takes a stream of bytes in whatever pieces it comes, gives the bodies of its frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that are complete now. Raises ProtocolError where a frame claims to be too large."""
        self._buffer += data
        bodies = []
        while len(self._buffer) >= _PREFIX.size:
            (length,) = _PREFIX.unpack_from(self._buffer)
            if length > LIMIT:
                raise ProtocolError(f"A message of {length} bytes is over the limit of {LIMIT}.")
            end = _PREFIX.size + length
            if len(self._buffer) < end:
                break
            bodies.append(bytes(self._buffer[_PREFIX.size : end]))
            del self._buffer[:end]
        return bodies


def pack(proposal: Proposal) -> PackedProposal:
    """A proposal for the wire; its logits stay."""
    mask = proposal.mask
    bits = np.packbits(mask.bits).tobytes()
    is_deflated = len(bits) >= _DEFLATED_FROM
    return PackedProposal(
        mask.x,
        mask.y,
        mask.width,
        mask.height,
        zlib.compress(bits, 1) if is_deflated else bits,
        float(proposal.confidence),
        is_deflated,
    )


def pack_all(proposals: Iterable[Proposal]) -> tuple[PackedProposal, ...]:
    """The proposals for the wire; of masks that are too large together only the first ones, at least one."""
    taken: list[PackedProposal] = []
    total = 0
    for proposal in proposals:
        total += proposal.mask.bits.size // 8
        if taken and total > MASKS_LIMIT:
            break
        taken.append(pack(proposal))
    return tuple(taken)


def unpack(packed: PackedProposal) -> Proposal:
    """The proposal as it was, except for its logits, which are (0, 0).

    Raises ProtocolError where its bits do not fill its box.
    """
    count = packed.width * packed.height
    bits = packed.bits
    if packed.is_deflated:
        try:
            bits = zlib.decompressobj().decompress(bits, packed.length)
        except zlib.error as error:
            raise ProtocolError(f"A mask could not be read ({error}).") from error
        if len(bits) != packed.length:
            raise ProtocolError("A mask could not be read (its bits do not fill its box).")
    flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=count).view(np.bool_)
    mask = Mask(packed.x, packed.y, flat.reshape(packed.height, packed.width))
    return Proposal(mask, packed.confidence, np.zeros((0, 0), dtype=np.float32))
