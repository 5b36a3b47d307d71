"""The host: a child that keeps one promptable model warm and answers for the open image."""

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labeler import paths
from labeler.errors import LabelerError, ModelError
from labeler.models import devices
from labeler.models.embedder import Embedder
from labeler.models.embeddings import EmbeddingCache
from labeler.models.protocols import Embedding, InterruptedWorkError, ModelSpec, Segmenter
from labeler.models.threads import all_threads
from labeler.registry import discover
from labeler.wire.host_protocol import (
    EXIT_TOLD,
    VERSION,
    Answered,
    Ask,
    AskFailed,
    Embedded,
    Frames,
    FromHost,
    Hello,
    Open,
    Ready,
    Stop,
    decode_to_host,
    pack_all,
)
from labeler.worker.child import Channel, beating, guarded, lower_priority, started
from labeler.worker.inbox import AheadItem, Inbox

_KEPT_AHEAD = 4
"""Of the images ahead, how many of the first go into memory; the others only on disk."""
_KEPT_ANSWERS = 32
"""Clicks on the open image whose logits are kept to be refined; 0.8 MB each for MobileSAM."""
_READ = 1 << 16
_LAST_WORDS = 1.0
"""Seconds that the lanes get to come to an end at a stop."""

_log = logging.getLogger(__name__)


class Host:
    """The open image, its embedding and the logits of its answers; runs on the interactive lane."""

    def __init__(
        self, model: Segmenter, embedder: Embedder, inbox: Inbox, send: Callable[[FromHost], None]
    ) -> None:
        self._model = model
        self._embedder = embedder
        self._inbox = inbox
        self._send = send
        self._key = ""
        self._embedding: Embedding | None = None
        self._answers: OrderedDict[int, tuple[NDArray[np.float32], ...]] = OrderedDict()

    def run_interactive(self, done: Callable[[], None]) -> None:
        """Open images and answer until the inbox closes; `done` is called after each piece of work."""
        while (work := self._inbox.next_interactive()) is not None:
            if isinstance(work, Open):
                self._open(work)
            else:
                self._answer(work)
            done()

    def run_ahead(self, done: Callable[[], None]) -> None:
        """Embed the images ahead until the inbox closes, on one thread and below everything else."""
        lower_priority()
        while (item := self._inbox.next_ahead()) is not None:
            self._embed_ahead(item)
            done()

    def _open(self, work: Open) -> None:
        begun = time.perf_counter()
        self._key, self._embedding = work.key, None
        self._answers.clear()
        self._inbox.wait_for_ahead(work.path)
        path = Path(work.path)
        try:
            embedded = guarded(f"encode {path.name}", lambda: self._embedder.embed(path))
        except LabelerError as error:
            self._send(AskFailed(str(error), key=work.key))
            return
        self._embedding = embedded.embedding
        self._send(Embedded(work.key, ahead=False, milliseconds=_since(begun)))
        embedded.store()

    def _answer(self, ask: Ask) -> None:
        if ask.key != self._key:
            return  # of an image that was left
        begun = time.perf_counter()
        embedding = self._embedding
        if embedding is None:
            self._send(
                AskFailed("This image could not be encoded, so nothing can be proposed.", ask.id, ask.key)
            )
            return
        prompt = ask.prompt
        if ask.refine is not None:
            request, index = ask.refine
            kept = self._answers.get(request, ())
            if 0 <= index < len(kept):
                prompt = type(prompt)(prompt.points, prompt.positive, prompt.box, kept[index])
        threads = 1 if self._inbox.is_ahead_busy else 0
        limit = 1 if ask.hover else 3
        try:
            proposals = guarded(
                "answer", lambda: self._model.segment(embedding, prompt, threads=threads, limit=limit)
            )
            packed = pack_all(proposals)
            self._send(Answered(ask.id, ask.key, ask.hover, packed, _since(begun)))
        except LabelerError as error:  # also a mask that no message takes
            self._send(AskFailed(str(error), ask.id, ask.key))
            return
        if not ask.hover:
            self._answers[ask.id] = tuple(proposal.logits for proposal in proposals)
            while len(self._answers) > _KEPT_ANSWERS:
                self._answers.popitem(last=False)

    def _embed_ahead(self, item: AheadItem) -> None:
        begun = time.perf_counter()
        path = Path(item.path)
        keep = item.place < _KEPT_AHEAD
        try:
            embedded = guarded(
                f"encode {path.name}",
                lambda: self._embedder.embed(path, threads=1, interrupt=item.interrupt, keep=keep),
            )
        except InterruptedWorkError:
            self._inbox.put_back(item)
        except LabelerError as error:
            _log.info("Not embedded ahead: %s", error)  # it is said when the image is opened
        else:
            self._send(Embedded(item.key, ahead=True, milliseconds=_since(begun)))
            embedded.store()


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000.0


def load(model_id: str) -> tuple[ModelSpec, Segmenter]:
    """Find the model by its id or file and load it. Raises LabelerError with one sentence."""
    spec = discover().resolve(model_id)
    if spec.task != "segmenter":
        raise ModelError(f"{spec.title} is no promptable model.")
    model = guarded("be loaded", spec.load)
    if not isinstance(model, Segmenter):
        raise ModelError(f"{spec.title} does not do what a promptable model must (embed, segment).")
    return spec, model


def serve(model_id: str, channel: Channel) -> None:
    """Run the host until the parent stops it or goes away; does not return."""
    inbox = Inbox()
    channel.send(Hello(VERSION, os.getpid()))
    advance = beating(channel)
    lanes = [started("interactive", lambda: _run(model_id, channel, inbox, advance))]
    _receive(channel, inbox)
    inbox.close()
    for lane in lanes:
        lane.join(_LAST_WORDS)
    os._exit(0)


def _run(model_id: str, channel: Channel, inbox: Inbox, advance: Callable[[], None]) -> None:
    """The interactive lane: load the model, say so, start the background lane, and work."""
    try:
        spec, model = load(model_id)
    except LabelerError as error:
        _log.error("%s", error)
        channel.send(AskFailed(str(error)))
        os._exit(EXIT_TOLD)
    embedder = Embedder(model, spec.fingerprint, EmbeddingCache(paths.cache_dir() / "embeddings"))
    host = Host(model, embedder, inbox, channel.send)
    channel.send(Ready(spec.title, *device(model)))
    started("ahead", lambda: host.run_ahead(advance))
    host.run_interactive(advance)


def device(model: object) -> tuple[str, str]:
    """What the model runs on, for people, and one sentence why: what its `device` says, else the CPU."""
    told = getattr(model, "device", None)
    if told is None:
        return devices.cpu_name(), devices.CPU_ONLY
    import torch  # noqa: PLC0415  # the model has imported it

    where = torch.device(told)
    return devices.name_of(where, threads=all_threads()), devices.reason(where)


def _receive(channel: Channel, inbox: Inbox) -> None:
    frames = Frames()
    while data := channel.source.read(_READ):
        for body in frames.feed(data):
            message = decode_to_host(body)
            if isinstance(message, Stop):
                return
            inbox.post(message)
