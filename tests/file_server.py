"""A web server on this computer with one file, that behaves as badly as a test asks."""

import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from labeler.models.files.catalog import CatalogEntry


@dataclass
class FileServer:
    """What `GET /model.pt` and `/words.pt` answer; other paths are 404."""

    content: bytes
    etag: str = '"one"'
    ranges: bool = True
    status: int = 200
    redirect: str = ""
    """Where `/moved.pt` leads to."""
    cuts: list[int] = field(default_factory=list)
    """Of each of the next answers, how many bytes are sent before the connection is cut."""
    stalls: int | None = None
    """After so many bytes of an answer nothing more is sent until the server ends."""
    says_length: bool = True
    lie: str = ""
    """A Content-Range of its own."""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """The Range of each request, "" where there was none."""
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/model.pt"

    def entry(self, **fields: object) -> CatalogEntry:
        """A catalogue's entry for the file."""
        known = {
            "id": "tiny", "title": "Tiny", "task": "detector", "about": "a test", "licence": "MIT",
            "origin": "this computer", "url": self.url, "size": len(self.content),
            "sha256": hashlib.sha256(self.content).hexdigest(), "opened_by": "",
        }  # fmt: skip
        return CatalogEntry(**(known | fields))

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range", "")
        self.asked.append(asked)
        if handler.path == "/moved.pt":
            handler.send_response(302)
            handler.send_header("Location", self.redirect or self.url)
            handler.end_headers()
            return
        if handler.path not in ("/model.pt", "/words.pt") or self.status != 200:
            handler.send_error(404 if self.status == 200 else self.status)
            return
        start = 0
        found = re.fullmatch(r"bytes=(\d+)-", asked)
        if found and self.ranges and handler.headers.get("If-Range", self.etag) == self.etag:
            start = int(found[1])
            handler.send_response(206)
            whole = len(self.content)
            handler.send_header("Content-Range", self.lie or f"bytes {start}-{whole - 1}/{whole}")
        else:
            handler.send_response(200)
        if self.etag:
            handler.send_header("ETag", self.etag)
        if self.says_length:
            handler.send_header("Content-Length", str(len(self.content) - start))
        handler.end_headers()
        self._send(handler, self.content[start:])

    def _send(self, handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        cut = self.cuts.pop(0) if self.cuts else None
        handler.wfile.write(body[: self.stalls if self.stalls is not None else cut])
        if self.stalls is not None and len(body) > self.stalls:
            handler.wfile.flush()
            self.ended.wait(30)


@contextmanager
def serving(content: bytes) -> Iterator[FileServer]:
    """A running server; it ends with the block."""
    server = FileServer(content)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # the client has gone, as it may
                server._answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        server.port = listening.server_port
        thread = threading.Thread(target=lambda: listening.serve_forever(poll_interval=0.02), daemon=True)
        thread.start()
        yield server
        server.ended.set()
        listening.shutdown()
        thread.join()
