"""The three clients as one: each brought to work, into a fault, and asked whether it came through.

`sentences` are all that a person would have been told of trouble.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np
from msgspec.structs import replace

from labeler.core.records import Prompt
from labeler.gui.children.client import ChildClient
from labeler.gui.children.host_client import HostClient
from labeler.gui.children.predict_client import PredictClient
from labeler.gui.children.task_client import TaskClient
from labeler.wire.job_protocol import PredictSpec
from tests.child_processes import workers

LONG = 30_000
QUICK = {"click": 3.0, "image": 3.0, "load": 30.0, "beat": 10.0, "end": 1.0}
"""Limits under which a fault is soon seen, and none is seen where there is none."""


def click(x: float, y: float) -> Prompt:
    return Prompt(points=np.array([[x, y]]), positive=np.array([True]))


class Subject:
    """A client under test."""

    script: str
    """The name of the file that is run when it is at work."""
    limits: ClassVar[dict[str, float]] = QUICK
    client: ChildClient
    title: str
    """Begins sentences about it while its model is not loaded."""

    def __init__(self, qtbot, folder: Path, images: tuple[tuple[int, str], ...]) -> None:
        self.qtbot, self.folder, self.images = qtbot, folder, images
        self.sentences: list[str] = []

    def begin(self) -> None:
        """Start the child and give it something to do."""
        raise NotImplementedError

    def work(self, fault: str) -> None:
        """Come into a fault at work."""
        raise NotImplementedError

    def comes_back(self, words: str) -> None:
        """It says what happened and, where that is its part, gets its work done all the same."""
        raise NotImplementedError

    def is_off(self, sentence: str) -> None:
        """It has said this, all of it or how it begins, and nothing goes on."""
        raise NotImplementedError

    def works(self) -> None:
        """It does all of its work when asked anew."""
        raise NotImplementedError

    def is_told(self) -> str:
        """The only sentence, once it has come."""
        self.qtbot.waitUntil(lambda: bool(self.sentences), timeout=LONG)
        (sentence,) = self.sentences
        assert "\n" not in sentence
        return sentence


class OfHost(Subject):
    script = "click"
    limits: ClassVar[dict[str, float]] = {**QUICK, "image": 30.0}
    title = "faulty"

    def __init__(self, qtbot, folder, images, **limits) -> None:
        super().__init__(qtbot, folder, images)
        wanted = replace(HostClient.LIMITS, **{**self.limits, **limits})
        self.client = HostClient(model="faulty", limits=wanted)
        self.client.failed.connect(self.sentences.append)
        self.answers = []
        self.client.proposed.connect(self.answers.append)

    def begin(self) -> None:
        self.client.start()
        self.client.open_image("image", Path(self.images[0][1]))

    def work(self, fault: str) -> None:
        self.begin()
        self.qtbot.waitUntil(lambda: self.client.state.encoded, timeout=LONG)
        (self.before,) = workers("host")
        (self.folder / self.script).write_text(fault)
        self.client.segment(click(1, 1))
        self.client.look_ahead([(path, Path(path)) for _, path in self.images[1:]])
        for x in range(200):
            self.client.hover(x, 1)

    def comes_back(self, words: str) -> None:
        sentence = self.is_told()
        assert sentence.startswith(f"Faulty {words}")
        assert sentence.endswith(" and is being started again; no label was lost.")
        assert self.client.state.phase == "restarting"
        assert self.client.state.message == sentence
        self._answers()
        assert self.sentences == [sentence]
        (after,) = workers("host")
        assert after.pid != self.before.pid

    def is_off(self, sentence: str) -> None:
        assert self.is_told().startswith(sentence)
        assert self.client.state.phase == "stopped"
        assert self.client.state.message == self.sentences[0]
        assert not self.client.state.encoded

    def works(self) -> None:
        self.sentences.clear()
        self.client.restart()
        self.client.open_image("image", Path(self.images[0][1]))
        self._answers()
        assert self.sentences == []
        assert self.client.state.phase == "ready"

    def _answers(self) -> None:
        request = self.client.segment(click(9, 9))
        self.qtbot.waitUntil(lambda: bool(self.answers), timeout=LONG)
        (answer,) = self.answers
        assert (answer.request_id, answer.proposals[0].mask.x) == (request, 9)
        assert self.client.state.message == ""


class OfPredict(Subject):
    script = "image-203"
    title = "bright"

    def __init__(self, qtbot, folder, images, **limits) -> None:
        super().__init__(qtbot, folder, images)
        self.client = PredictClient(limits=replace(PredictClient.LIMITS, **{**self.limits, **limits}))
        self.client.failed.connect(self.sentences.append)
        self.client.restarted.connect(self.sentences.append)
        self.predicted: list[int] = []
        self.missed: dict[int, str] = {}
        self.results = []
        self.client.predicted.connect(lambda message: self.predicted.append(message.image_id))
        self.client.missed.connect(self.missed.__setitem__)
        self.client.finished.connect(self.results.append)

    def begin(self) -> None:
        self.client.start(PredictSpec("bright", self.images))

    def work(self, fault: str) -> None:
        (self.folder / self.script).write_text(fault)
        self.begin()

    def comes_back(self, words: str) -> None:
        assert self.is_told() == f"Bright {words} at image 3.png; it goes on with the others."
        self.qtbot.waitUntil(lambda: bool(self.results), timeout=LONG)
        assert len(self.sentences) == 1
        assert self.missed == {3: f"Bright {words} at this image, so it was left out."}
        assert self.predicted == [1, 2, 4, 5, 6]
        assert self.results[0].predicted == 5

    def is_off(self, sentence: str) -> None:
        assert self.is_told().startswith(sentence)
        assert self.predicted == self.results == []
        assert self.missed == {}
        assert not self.client.is_running

    def works(self) -> None:
        self.sentences.clear()
        self.begin()
        self.qtbot.waitUntil(lambda: bool(self.results), timeout=LONG)
        assert self.predicted == [1, 2, 3, 4, 5, 6]
        assert self.sentences == []


class OfTask(Subject):
    script = "image-203"
    title = "The task"

    def __init__(self, qtbot, folder, images, **limits) -> None:
        super().__init__(qtbot, folder, images)
        self.client = TaskClient(limits=replace(TaskClient.LIMITS, **{**self.limits, **limits}))
        self.ends: list[str] = []
        for name in ("done", "stopped", "failed", "lost"):
            signal = getattr(self.client, name)
            signal.connect(lambda *_, name=name: self.ends.append(name))
        self.client.failed.connect(self.sentences.append)
        self.client.lost.connect(self.sentences.append)

    def begin(self) -> None:
        self.client.start(PredictSpec("bright", self.images), title="The task")

    def work(self, fault: str) -> None:
        (self.folder / self.script).write_text(fault)
        self.begin()

    def comes_back(self, words: str) -> None:
        self.is_off(f"The task {words}.")
        assert self.ends == ["lost"]
        (self.folder / self.script).unlink()
        self.works()

    def is_off(self, sentence: str) -> None:
        assert self.is_told().startswith(sentence)
        assert len(self.ends) == 1
        assert not self.client.is_running

    def works(self) -> None:
        self.sentences.clear()
        self.ends.clear()
        self.begin()
        self.qtbot.waitUntil(lambda: bool(self.ends), timeout=LONG)
        assert self.ends == ["done"]
        assert self.sentences == []


KINDS: dict[str, type[Subject]] = {"host": OfHost, "predict": OfPredict, "task": OfTask}
