"""Reading images that look dangerous in a child process, which is stopped when it takes too much.

One child is kept for as long as it behaves, and reads one image at a time: two large ones at once would
need the memory of both. `main` is the child's.
"""

import atexit
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec
import numpy as np
import psutil
from msgspec import Struct

from labeler.core.photos import decoding
from labeler.core.photos.decoding import Header, Pixels, Rgb
from labeler.errors import ImageError
from labeler.programs import child_command

SECONDS = 5.0
"""Of work, or of waiting for the disk, after which an image is given up."""
LONGEST = 60.0
"""Seconds after which it is given up whatever it does: a disk that gives a byte now and then."""
MEMORY = 2_000_000_000
"""Bytes that the child may hold."""
_LOOK_EVERY = 0.03
_MOVED = 0.01


class _Request(Struct, frozen=True):
    """What the child is to read."""

    what: str
    path: bytes
    number: int = 0
    """The budget of pixels, or the size of a thumbnail."""


class _Answer(Struct, frozen=True):
    """What it has read; the bytes of `shape` follow."""

    error: str = ""
    shape: tuple[int, ...] = ()
    note: str = ""
    header: Header | None = None


def read_header(path: Path) -> Header:
    """As `images.read_header`."""
    answer, _ = _ask(_Request("header", os.fsencode(path)), path)
    assert answer.header is not None
    return answer.header


def read_pixels(path: Path, *, budget: int) -> Pixels:
    """As `images.read_pixels`."""
    answer, rgb = _ask(_Request("pixels", os.fsencode(path), budget), path)
    rgb.flags.writeable = False
    return Pixels(rgb, answer.note)


def read_thumbnail(path: Path, size: int) -> Rgb:
    """As `images.read_thumbnail`."""
    _, rgb = _ask(_Request("thumbnail", os.fsencode(path), size), path)
    return rgb


# --- the parent's side ----------------------------------------------------------------------------


class _Child:
    """A running child, of this process."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._process = subprocess.Popen(
            child_command("labeler.core.photos.decode_child"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.to: IO[bytes] = self._process.stdin
        self.of: IO[bytes] = self._process.stdout
        self._seen = psutil.Process(self._process.pid)
        if self.of.read(1) != b"!":  # it is ready; starting takes as long as the machine is busy
            raise EOFError

    @property
    def is_alive(self) -> bool:
        return self.owner == os.getpid() and self._process.poll() is None

    def work(self) -> tuple[float, int]:
        """Seconds of work that it has done, and bytes that it holds."""
        with self._seen.oneshot():
            times = self._seen.cpu_times()
            return times.user + times.system, self._seen.memory_info().rss

    def kill(self) -> None:
        if self.owner == os.getpid():
            self._process.kill()
            with suppress(OSError):
                self.to.close()

    def end(self) -> None:
        """Kill it, and let go of it."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        with suppress(OSError):
            self.of.close()


class _Watch:
    """Kills a child that takes too much, and says why."""

    def __init__(self, child: _Child, path: Path) -> None:
        self.sentence = ""
        self._child = child
        self._path = path
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watching a decoder", daemon=True)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _run(self) -> None:
        try:
            begun = moved = time.monotonic()
            first = last = self._child.work()[0]
            while not self._done.wait(_LOOK_EVERY):
                now, (worked, held) = time.monotonic(), self._child.work()
                if worked > last + _MOVED:
                    last, moved = worked, now
                if held > MEMORY:
                    self._stop(f"needs more than {MEMORY / 1e9:.0f} GB of memory: scale it down")
                elif worked - first > SECONDS or now - begun > LONGEST:
                    self._stop(
                        f"takes more than {SECONDS:.0f} seconds to read: save it anew in another program"
                    )
                elif now - moved > SECONDS:
                    self._stop(f"has not been read after {SECONDS:.0f} seconds: check the disk it lies on")
                else:
                    continue
                return
        except psutil.Error:  # it has ended; whoever reads from it sees that
            return

    def _stop(self, why: str) -> None:
        if not self._done.is_set():
            self.sentence = f"{self._path} {why}."
            self._child.kill()


_lock = threading.Lock()
_kept: list[_Child] = []


@contextmanager
def _child() -> Iterator[_Child]:
    """The child that is kept, or a new one; one that was stopped or failed is not kept."""
    with _lock:
        child = _kept.pop() if _kept else None
        if child is not None and not child.is_alive:
            child.end()
            child = None
        child = child or _Child()
        try:
            yield child
        except BaseException:  # a child in mid-answer is of no use to the next; it goes on upwards
            child.end()
            raise
        _kept.append(child)


@atexit.register
def end_child() -> None:
    """Let go of the child that is kept."""
    while _kept:
        _kept.pop().end()


def _ask(request: _Request, path: Path) -> tuple[_Answer, Rgb]:
    """Have a child read an image. Raises `ImageError` with its sentence, or one about why it was stopped."""
    watch: _Watch | None = None
    try:
        with _child() as child:
            with _Watch(child, path) as watch:
                _send(child.to, msgspec.msgpack.encode(request))
                answer = msgspec.msgpack.decode(_receive(child.of), type=_Answer)
            rgb = np.empty(answer.shape or (0,), np.uint8)
            if rgb.size:
                _fill(child.of, rgb.data.cast("B"))
    except (OSError, EOFError, msgspec.MsgspecError) as error:
        why = watch.sentence if watch is not None else ""
        raise ImageError(
            why or f"{path} cannot be shown: reading it ended the program that did so. It may be damaged."
        ) from error
    if answer.error:
        raise ImageError(answer.error)
    return answer, rgb


# --- what goes through the pipe -------------------------------------------------------------------


def _send(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(len(data).to_bytes(4, "little") + data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    head = pipe.read(4)
    if len(head) < 4:
        raise EOFError
    return pipe.read(int.from_bytes(head, "little"))


def _fill(pipe: IO[bytes], target: memoryview) -> None:
    """Read until the target is full. Raises EOFError where the pipe ends before."""
    at = 0
    while at < len(target):
        got = pipe.readinto(target[at:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        at += got


# --- the child's side -----------------------------------------------------------------------------


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints goes nowhere
    decoding.allow_large()
    _limit_memory()
    pipe.write(b"!")
    pipe.flush()
    while True:
        try:
            request = msgspec.msgpack.decode(_receive(sys.stdin.buffer), type=_Request)
        except EOFError:
            return
        _limit_work()
        answer, rgb = _answer(request)
        _send(pipe, msgspec.msgpack.encode(answer))
        if rgb is not None:
            pipe.write(np.ascontiguousarray(rgb).data.cast("B"))
        pipe.flush()


def _answer(request: _Request) -> tuple[_Answer, Rgb | None]:
    path = Path(os.fsdecode(request.path))
    try:
        match request.what:
            case "header":
                return _Answer(header=decoding.read_header(path)), None
            case "thumbnail":
                rgb = decoding.read_thumbnail(path, request.number)
                return _Answer(shape=rgb.shape), rgb
            case _:
                pixels = decoding.read_pixels(path, budget=request.number)
                return _Answer(shape=pixels.rgb.shape, note=pixels.note), pixels.rgb
    except ImageError as error:
        return _Answer(error=str(error)), None
    except MemoryError:
        return _Answer(error=f"{path} needs more than {MEMORY / 1e9:.0f} GB of memory: scale it down."), None


def _limit_memory() -> None:
    """Refuse memory beyond the limit, where the system can: sooner than the parent sees it."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - POSIX only

        mapped = psutil.Process().memory_info().vms
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))


def _limit_work() -> None:
    """End by itself soon after the parent would have stopped it: the parent may be gone by then."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - POSIX only

        times = os.times()
        seconds = int(times.user + times.system + 2 * SECONDS) + 1
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


if __name__ == "__main__":
    main()
