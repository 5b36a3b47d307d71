"""What the app remembers between sessions: one small JSON file, typed and checked on read."""

import logging
import os
from contextlib import suppress
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from labeler import paths
from labeler.formats.write_options import Writing
from labeler.gui.toolkit.write_behind import WriteBehind
from labeler.models.threads import THREADS_VARIABLE

_log = logging.getLogger(__name__)
_behind = WriteBehind()
_NAME = "settings.json"
T = TypeVar("T")

RECENT = 10
PLACES = 200
"""Projects whose place is remembered."""


class LastPlace(msgspec.Struct, frozen=True):
    """Where a person was in a project; names rather than ids, which an import may give anew."""

    image: str = ""
    """Its path in the project."""
    view: tuple[float, float, float] | None = None
    """The image point in the middle of the canvas, x and y, and its screen pixels to one of the image's.

    None where the whole image was shown.
    """
    tool: str = "select"
    category: str = ""
    name_filter: str = ""
    status_filter: Literal["", "unlabelled", "labelled", "reviewed", "damaged", "missing", "replaced"] = ""
    category_filter: str = ""
    sorting: Literal["folder", "name", "most", "fewest", "worst"] = "folder"


class ExportHabits(msgspec.Struct, frozen=True):
    """How a person last exported."""

    writing: Writing = Writing()
    reviewed_only: bool = False
    parts: Literal["", "share", "folders", "run"] = ""
    share: float = 0.2
    format: str = "coco"
    photos: Literal["left", "copied", "linked"] = "left"
    straighten: bool = False


class Settings(msgspec.Struct):
    """The user's choices. Change fields, then `save()`."""

    theme: Literal["system", "dark", "light"] = "dark"
    wheel_zoom: bool = True
    """The wheel zooms; otherwise it pans and Ctrl+wheel zooms, which suits trackpads."""
    model: str = "mobilesam"
    """The promptable model, by its id."""
    threads: int = 0
    """Threads of the model process; 0 for one per core."""
    cache_gb: float = 5.0
    """Bound of the embedding cache on disk, in gigabytes."""
    look_ahead: int = 8
    """How many of the next images are encoded ahead."""
    ask_category: Literal["always", "new", "never"] = "new"
    """Whether a finished shape asks for its category: each, none, or only where there was no category yet."""
    keep_view: bool = False
    """Keep zoom and place when going to an image of the same size."""
    recent: list[str] = []
    """Projects and folders opened last, newest first."""
    geometry: str = ""
    """Window geometry and dock layout, as Qt saves them, in base64."""
    layout: str = ""
    closed_docks: list[str] | None = None
    """The panels that are not shown; None: as they are at first."""
    known_docks: list[str] = []
    """All panels that there were when that was chosen."""
    export: ExportHabits = ExportHabits()
    filters: dict[str, dict[str, Any]] = {}
    """What was last set of confidence, IoU, kind and top-k, by the name of the model."""
    auto_confidence: bool = False
    """Whether the confidence threshold is moved to where it would have saved most."""
    detectors: dict[str, str] = {}
    """The detector that was chosen last to run in a project, by the project's file."""
    clicks: dict[str, str] = {}
    """The file of what the SAM tools have learnt while a project was labelled, by the project's file."""
    places: dict[str, LastPlace] = {}
    """Where one was in a project, by its file, the one left last at the end."""

    guide_closed: bool = False
    """Whether a person has closed the guide through the demo."""
    others_told: dict[str, str] = {}
    """What was last said of another project of the same folder, by the file of the one that was open."""

    def remember(self, path: Path) -> None:
        """Put a path in front of the recent ones."""
        name = str(path)
        self.recent = [name, *(other for other in self.recent if other != name)][:RECENT]

    def keep_place(self, project: str, here: LastPlace) -> None:
        """Keep where one is in a project; of very many, the one left longest ago is forgotten."""
        _keep_last(self.places, project, here)

    def keep_clicks(self, project: str, path: str) -> None:
        """Keep what was learnt in a project; of very many, the one learnt longest ago is forgotten."""
        _keep_last(self.clicks, project, path)

    def is_told(self, project: str, other: str) -> bool:
        """Whether just this was said of another project beside this one; it is noted as said from now on."""
        if self.others_told.get(project) == other:
            return True
        _keep_last(self.others_told, project, other)
        return False

    def hand_to_children(self) -> None:
        """Put what model processes must know into the environment that they inherit."""
        for name, value in ((THREADS_VARIABLE, self.threads), (paths.CACHE_LIMIT_VARIABLE, self.cache_gb)):
            if value:
                os.environ[name] = str(value)
            else:
                os.environ.pop(name, None)

    def save(self) -> None:
        """Have the settings file written soon, as they are now; whole or not at all.

        The disk is another thread's to wait for: panels, tools and places are saved while one works.
        """
        path = paths.config_dir(make=False) / _NAME
        _behind.put(path, msgspec.json.format(msgspec.json.encode(self), indent=2))


def _keep_last(kept: dict[str, T], name: str, value: T) -> None:
    """Put it at the end, and forget the first ones of very many."""
    kept.pop(name, None)
    kept[name] = value
    for oldest in list(kept)[:-PLACES]:
        del kept[oldest]


def settings_file() -> Path:
    """Where the settings are."""
    return paths.config_dir() / _NAME


def flush_settings() -> bool:
    """Wait until what was saved last is on disk, a few seconds at most; says whether it is."""
    return _behind.flush()


def load_settings() -> Settings:
    """The saved settings; defaults where there are none, and a damaged file is put aside, not lost.

    What alone is not understood, as a choice that only a newer version has, is what it is by default.
    """
    flush_settings()
    path = settings_file()
    try:
        return msgspec.convert(_understood(msgspec.json.decode(path.read_bytes()), Settings, ""), Settings)
    except FileNotFoundError:
        return Settings()
    except (OSError, msgspec.MsgspecError) as error:
        _log.info("%s cannot be read (%s); defaults are used", path, error)
        with suppress(OSError):
            if path.is_file():
                path.replace(path.with_suffix(".damaged.json"))
        return Settings()


def _understood(value: Any, kind: Any, place: str) -> Any:
    """A value from the file without the parts that its type has no place for; they go to the log.

    A value that has no such parts is left as it is: whether it is of its type, `convert` says.
    """
    if get_origin(kind) is UnionType:
        kind = next((one for one in get_args(kind) if one is not NoneType), kind)
    if get_origin(kind) is list and isinstance(value, list):
        return [one for one in value if _fits(one, get_args(kind)[0], place)]
    if get_origin(kind) is dict and isinstance(value, dict):
        types = dict.fromkeys(value, get_args(kind)[1])
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict):
        types = {one.encode_name: one.type for one in msgspec.structs.fields(kind)}
    else:
        return value
    kept = {}
    for name in [name for name in value if name in types]:
        below = f"{place}.{name}".lstrip(".")
        part = _understood(value[name], types[name], below)
        if _fits(part, types[name], below):
            kept[name] = part
    return kept


def _fits(value: Any, kind: Any, place: str) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        _log.info("the setting %s is not understood and left out: %s", place, error)
        return False
    return True
