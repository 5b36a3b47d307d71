"""Fetching one file over HTTP: resumed where that is safe, called off at any time, never a hang.

Written here because of what the known libraries leave out: pooch cannot resume, huggingface_hub resumes
from its own hub only, and none of them puts a limit on a name look-up that never answers.
"""

import contextlib
import hashlib
import queue
import re
import shutil
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from labeler import __version__
from labeler.core.files import atomic_write
from labeler.errors import ModelError

ANSWER_SECONDS = 8.0
"""How long a server, with the look-up of its name, may take until it answers."""

STALL_SECONDS = 20.0
"""How long no byte may come from a server that has answered."""

ATTEMPTS = 3
"""How often in a row a connection that breaks before it brings anything is taken up again."""

PAUSE_SECONDS = 0.5
"""Before the second attempt; before each further one twice as long."""

_CHUNK = 1 << 18
_TICK = 0.1
"""Seconds between looks at whether the work was called off."""
_ROOM = 64 << 20
"""Bytes that must stay free on the disk."""
_AWAY = "the connection broke off"

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and those of the whole file, 0 where that is unknown."""


class FetchError(ModelError):
    """A file that could not be fetched; the message is the reason alone, without where and what to do."""


class FetchStoppedError(ModelError):
    """The work was called off."""


class _BrokenError(Exception):
    """The connection ended or stalled in the middle: worth another attempt."""


class _Source(Struct, frozen=True):
    """What a part file is a part of: kept beside it, so that only the same file is gone on with."""

    url: str
    validator: str
    """The file's strong ETag, or the time of its last change."""
    size: int


class _Answer(Struct, frozen=True):
    """The head of a server's answer."""

    status: int
    headers: Message


def fetch(url: str, part: Path, *, progress: Progress, is_stopped: Callable[[], bool]) -> str:
    """Make `part` the whole file at `url`, and give its SHA-256.

    What is in `part` already is gone on with if the server says that it is still the same file, else it
    is fetched anew. After a failure or a stop, `part` keeps what came. The caller sees to it that nobody
    else writes to `part`. Raises FetchError with the reason, StoppedError, or the OSError of writing.
    """
    failures = 0
    while True:
        before = _size_of(part)
        try:
            return _Transfer(url, part, progress, is_stopped).run()
        except _BrokenError as error:
            failures = 0 if _size_of(part) > before else failures + 1
            is_silent = failures > 0 and isinstance(error.__cause__, TimeoutError)
            if failures == ATTEMPTS or is_silent:
                raise FetchError(str(error)) from error
            _pause(PAUSE_SECONDS * 2**failures, is_stopped)


def forget(part: Path) -> None:
    """Remove a part file and what is known of it."""
    part.unlink(missing_ok=True)
    _note_of(part).unlink(missing_ok=True)


class _Transfer:
    """One connection's worth of a file."""

    def __init__(self, url: str, part: Path, progress: Progress, is_stopped: Callable[[], bool]) -> None:
        self._url = url
        self._part = part
        self._progress = progress
        self._is_stopped = is_stopped
        self._digest = hashlib.sha256()
        self._done = 0

    def run(self) -> str:
        """Fetch what is missing; gives the SHA-256 of the whole."""
        known = _read_note(self._part)
        have = _size_of(self._part)
        if known is None or known.url != self._url or not 0 < have <= known.size:
            forget(self._part)
            known, have = None, 0
        if known is not None and have == known.size:
            self._take_over(have)
            return self._digest.hexdigest()
        stream = _Stream(_request(self._url, have, known), self._is_stopped)
        try:
            answer = stream.answer()
            if known is not None and not _continues(answer, have, known):
                if answer.status != 200:
                    stream.close()
                    forget(self._part)
                    return self.run()
                known, have = None, 0
            self._receive(stream, have, _source(self._url, answer) if known is None else known)
        finally:
            stream.close()
        return self._digest.hexdigest()

    def _receive(self, stream: "_Stream", have: int, source: _Source) -> None:
        _check_room(self._part.parent, source.size - have)
        if have:
            self._take_over(have)
        else:
            forget(self._part)
            if source.validator and source.size:
                atomic_write(_note_of(self._part), msgspec.json.encode(source))
        with _opened(self._part, fresh=not have) as file:
            self._progress(self._done, source.size)
            for chunk in stream.chunks():
                file.write(chunk)
                self._digest.update(chunk)
                self._done += len(chunk)
                if source.size and self._done > source.size:
                    raise FetchError("the server sent more than it had said")
                self._progress(self._done, source.size)
        if source.size and self._done < source.size:
            raise _BrokenError(_AWAY)

    def _take_over(self, have: int) -> None:
        """Hash what is there, so that the digest is that of the whole."""
        with self._part.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if self._is_stopped():
                    raise FetchStoppedError("The download was called off.")
                self._digest.update(chunk)
        self._done = have


class _Stream:
    """A request on a thread of its own, so that neither the look-up of a name nor a stall holds its user up.

    The thread is left to itself when nobody waits for it any more: it ends with its next byte or time-out.
    """

    def __init__(self, request: urllib.request.Request, is_stopped: Callable[[], bool]) -> None:
        self._is_stopped = is_stopped
        self._is_abandoned = threading.Event()
        self._items: queue.Queue[_Answer | bytes | Exception | None] = queue.Queue(8)
        threading.Thread(target=self._work, args=(request,), name="download", daemon=True).start()

    def answer(self) -> _Answer:
        """The head of the answer; FetchError when there is none in time, or none of use."""
        item = self._next(ANSWER_SECONDS)
        if isinstance(item, _Answer):
            return item
        if isinstance(item, Exception):
            raise FetchError(_reason(item)) from item
        raise FetchError("there is no answer")

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece."""
        while (item := self._next(STALL_SECONDS)) is not None:
            if isinstance(item, bytes):
                yield item
            elif isinstance(item, TimeoutError):
                raise _BrokenError("the server has fallen silent") from item
            elif isinstance(item, Exception):
                raise _BrokenError(_AWAY) from item

    def close(self) -> None:
        """Nobody waits any more."""
        self._is_abandoned.set()

    def _next(self, seconds: float) -> _Answer | bytes | Exception | None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._is_stopped():
                raise FetchStoppedError("The download was called off.")
            with contextlib.suppress(queue.Empty):
                return self._items.get(timeout=_TICK)
        return TimeoutError()

    def _work(self, request: urllib.request.Request) -> None:
        try:
            with _opener().open(request, timeout=STALL_SECONDS) as response:
                self._hand(_Answer(response.status, response.headers))
                self._read(response)
        except urllib.error.HTTPError as error:
            with error:
                self._hand(_Answer(error.code, error.headers) if error.code == 416 else error)
        except (OSError, HTTPException, ValueError) as error:
            self._hand(error)

    def _read(self, response: HTTPResponse) -> None:
        while not self._is_abandoned.is_set():
            chunk = response.read1(_CHUNK)
            self._hand(chunk or None)
            if not chunk:
                return

    def _hand(self, item: _Answer | bytes | Exception | None) -> None:
        while not self._is_abandoned.is_set():
            with contextlib.suppress(queue.Full):
                self._items.put(item, timeout=_TICK)
                return


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from an encrypted address to one that is not."""

    def redirect_request(  # noqa: PLR0917 - the library's signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError("the server sends on to an address that is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """HTTP and HTTPS alone: `urlopen` would read files of this computer too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _request(url: str, have: int, known: _Source | None) -> urllib.request.Request:
    headers = {"User-Agent": f"Labeler/{__version__}", "Accept-Encoding": "identity"}
    if known is not None:
        headers |= {"Range": f"bytes={have}-", "If-Range": known.validator}
    return urllib.request.Request(url, headers=headers)


def _continues(answer: _Answer, have: int, known: _Source) -> bool:
    """Whether an answer is exactly the missing rest of the known file."""
    wanted = f"bytes {have}-{known.size - 1}/{known.size}"
    return (
        answer.status == 206
        and answer.headers.get("Content-Range", "") == wanted
        and _validator(answer.headers) in ("", known.validator)
    )


def _source(url: str, answer: _Answer) -> _Source:
    if answer.status != 200:
        raise FetchError(f"the server answers {answer.status}")
    length = answer.headers.get("Content-Length", "")
    return _Source(url, _validator(answer.headers), int(length) if length.isdecimal() else 0)


def _validator(headers: Message) -> str:
    """What tells this content of the address from a later one; "" where the server gives nothing."""
    etag = headers.get("ETag", "")
    return etag if re.fullmatch(r'"[^"]*"', etag) else headers.get("Last-Modified", "")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}".rstrip()
    if isinstance(error, TimeoutError):
        return "there is no answer; is there a network?"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return "there is no answer; is there a network?"
    said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return said or type(cause).__name__


def _check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if wanted + _ROOM > free:
        raise FetchError(f"it needs {wanted / 1e6:,.0f} MB, but only {free / 1e6:,.0f} MB are free")


def _pause(seconds: float, is_stopped: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_stopped():
            raise FetchStoppedError("The download was called off.")
        time.sleep(_TICK)


def _opened(part: Path, *, fresh: bool) -> IO[bytes]:
    """The part file to write on; a new one is really new, so that no link leads elsewhere."""
    return part.open("xb" if fresh else "ab")


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_note(part: Path) -> _Source | None:
    if part.is_symlink():
        return None
    try:
        return msgspec.json.decode(_note_of(part).read_bytes(), type=_Source)
    except (OSError, msgspec.MsgspecError):
        return None


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
