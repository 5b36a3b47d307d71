"""What a person has begun on an image and not finished, kept while they are elsewhere."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from labeler import paths
from labeler.core.files import atomic_write
from labeler.core.records import Box

_log = logging.getLogger(__name__)


class PromptPoint(Struct, frozen=True):
    """A click on the image."""

    x: float
    y: float
    positive: bool


class Outline(Struct, frozen=True, tag=True):
    """A polygon that is not closed yet."""

    points: tuple[tuple[float, float], ...]
    """Image coordinates."""
    hole_in: int | None = None
    """The annotation that it is to be a hole of."""


class Prompts(Struct, frozen=True, tag=True):
    """What the promptable model was asked, and what it answered."""

    points: tuple[PromptPoint, ...]
    box: Box | None = None
    proposals: tuple[Any, ...] = ()
    """`Proposal`s from small to large; they are not written, as the model gives them again."""
    index: int = 0


Work = Outline | Prompts


class Begun(Struct, frozen=True):
    """Something half done, with the tool that made it and the category that it was to get."""

    tool: str
    makes: str
    """What it is called: "polygon", "proposal"."""
    work: Work
    category_id: int | None = None


class Shelf:
    """Where what is half done lies while another image is open, by project and image id."""

    def __init__(self) -> None:
        self._kept: dict[Path, dict[int, tuple[Begun, ...]]] = {}

    def put(self, project: Path, image_id: int, begun: tuple[Begun, ...]) -> None:
        """Keep what is half done on an image in place of what was kept of it."""
        here = self._here(project)
        here.pop(image_id, None)
        if begun:
            here[image_id] = begun

    def take(self, project: Path, image_id: int) -> tuple[Begun, ...]:
        """What was half done on an image; it is in the person's hands again."""
        return self._here(project).pop(image_id, ())

    def images(self, project: Path) -> tuple[int, ...]:
        """The images that something is kept of."""
        return tuple(self._here(project))

    def save(self, project: Path) -> None:
        """Have what is kept of a project outlive the program. Raises OSError."""
        file, here = _file_of(project), self._here(project)
        if not here:
            file.unlink(missing_ok=True)
            return
        plain = {image_id: tuple(map(_without_answers, begun)) for image_id, begun in here.items()}
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, msgspec.json.encode(plain))

    def _here(self, project: Path) -> dict[int, tuple[Begun, ...]]:
        """What is kept of a project, read from the last session's file when it is first asked for."""
        if project not in self._kept:
            self._kept[project] = _read(_file_of(project))
        return self._kept[project]


def _without_answers(begun: Begun) -> Begun:
    if isinstance(begun.work, Prompts):
        return structs.replace(begun, work=structs.replace(begun.work, proposals=(), index=0))
    return begun


def _file_of(project: Path) -> Path:
    name = hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:24]
    return paths.data_dir() / "begun" / f"{name}.json"


def _read(file: Path) -> dict[int, tuple[Begun, ...]]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[int, tuple[Begun, ...]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        _log.info("%s cannot be read (%s): what was begun in it is lost", file, error)
        return {}
