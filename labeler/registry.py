"""Plugins: what they offer, where they are found, and what becomes of one that is broken."""

import hashlib
import importlib.util
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import psutil
from msgspec import Struct

from labeler import paths
from labeler.api import API, Plugin
from labeler.core.files import atomic_write
from labeler.errors import LabelerError, ModelError, PluginError
from labeler.formats.spec import FormatSpec
from labeler.models.protocols import ModelSpec, Task
from labeler.training.specs import TrainerSpec

GROUP = "labeler.plugins"
"""The entry-point group of installed plugins; each entry names a module with `plugin`, or that object."""

FOLDERS_VARIABLE = "LABELER_PLUGINS"
"""Folders of `--plugins`, separated as in PATH; in the environment so that children see them too."""

SAFE_MODE_VARIABLE = "LABELER_SAFE_MODE"
"""Set to anything, only the shipped plugins are imported; in the environment for the children's sake."""

_log = logging.getLogger(__name__)


class LeftOut(Struct, frozen=True):
    """A plugin that was found but is not used."""

    source: str
    """Its file or entry point."""
    reason: str
    """One sentence for the person."""
    details: str = ""
    """The traceback, where there is one."""


class Registry(Struct, frozen=True):
    """The plugins of this process, in the order in which they were found."""

    plugins: tuple[Plugin, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """Every model that the plugins offer."""
        return tuple(spec for plugin in self.plugins for spec in plugin.models)

    @property
    def formats(self) -> tuple[FormatSpec, ...]:
        """Every labels format that the plugins offer."""
        return tuple(spec for plugin in self.plugins for spec in plugin.formats)

    @property
    def trainers(self) -> tuple[TrainerSpec, ...]:
        """Every trainer that the plugins offer."""
        return tuple(spec for plugin in self.plugins for spec in plugin.trainers)

    def trainer(self, trainer_id: str) -> TrainerSpec:
        """The trainer of that id; PluginError, naming those there are, when there is none."""
        for spec in self.trainers:
            if spec.id == trainer_id:
                return spec
        known = ", ".join(sorted(spec.id for spec in self.trainers)) or "none"
        raise PluginError(f"There is no trainer named “{trainer_id}”; there are: {known}.")

    @property
    def kinds(self) -> frozenset[str]:
        """The ids of the kinds of model files that the plugins open."""
        return frozenset(kind.id for plugin in self.plugins for kind in plugin.files)

    def model(self, model_id: str) -> ModelSpec:
        """The model of that id; PluginError, naming those there are, when there is none."""
        for spec in self.models:
            if spec.id == model_id:
                return spec
        known = ", ".join(sorted(spec.id for spec in self.models)) or "none"
        reasons = "".join(f" {item.reason}" for item in self.left_out)
        raise PluginError(f"There is no model named “{model_id}”; there are: {known}.{reasons}")

    def open_file(self, path: Path) -> ModelSpec:
        """The model in a file, by the first plugin that knows the file's kind.

        Raises ModelError where the file cannot be read or is of none of the kinds, which `files` names.
        """
        suffix = path.suffix.lower()
        kinds = [kind for plugin in self.plugins for kind in plugin.files]
        try:
            path.open("rb").close()
            for kind in kinds:
                if suffix in kind.suffixes and kind.sniff(path):
                    return kind.open(path)
        except OSError as error:
            raise ModelError(
                f"The model file “{path}” cannot be read ({error.strerror or error})."
            ) from error
        raise ModelError(f"“{path.name}” is not a model file that can be opened; choose another one.")

    @property
    def files(self) -> tuple[str, ...]:
        """The kinds of model files that the plugins open, each in words with its endings."""
        kinds = (kind for plugin in self.plugins for kind in plugin.files)
        return tuple(f"{kind.title} ({', '.join(kind.suffixes)})" for kind in kinds)

    def at_hand(self, task: Task) -> dict[str, ModelSpec]:
        """The models of a task, by the name to `resolve` them by: of plugins, then of installed files.

        Semantic segmenters are among the detectors, since `load_detector` makes objects of what they say.
        Reads files, so it is for a thread of a pool. A file that cannot be opened is left out; `labeler
        models` says why.
        """
        from labeler.models.files.weights import installed  # noqa: PLC0415 - networking, which a start need not pay

        tasks = {task, "semantic"} if task == "detector" else {task}
        found = {spec.id: spec for spec in self.models if spec.task in tasks}
        for file in installed():
            try:
                spec = self.open_file(file.path)
            except LabelerError:
                continue
            if spec.task in tasks:
                found[str(file.path)] = spec
        return found

    def resolve(self, name: str) -> ModelSpec:
        """The model of that id, of that path, or of that name in the folder of weights: for `--model`.

        A run's folder stands for the model that it made. Raises PluginError, naming the models there are,
        when it is none of them, and LabelerError as `open_file` and `RunFolder.model`, or where it could be
        downloaded but is not here.
        """
        from labeler.models.files import weights  # noqa: PLC0415 - networking, which a start need not pay

        known = {spec.id: spec for spec in self.models}
        if name in known:
            return known[name]
        path = Path(name)
        if path.suffix and path.is_file():
            return self.open_file(path)
        if path.is_dir():
            from labeler.training.run import RunFolder  # noqa: PLC0415 - as above

            return self.open_file(RunFolder(path).model)
        found = weights.locate(name)
        return self.model(name) if found is None else self.open_file(weights.verified(found).path)


class _Source(Struct, frozen=True):
    """Something to import: a file (or a package's folder), or an installed entry point."""

    name: str
    path: Path | None = None
    entry: EntryPoint | None = None

    def __str__(self) -> str:
        return str(self.path) if self.path is not None else f"{GROUP}: {self.name}"


_is_ended_by_others = False


def may_be_ended() -> None:
    """Say that another process ends this one when it likes: an import that it cuts off is nobody's fault."""
    global _is_ended_by_others  # noqa: PLW0603 - so it is for the whole process
    _is_ended_by_others = True


def discover(*, safe_mode: bool | None = None) -> Registry:
    """Import every plugin there is: shipped, the user's, installed, and those of `--plugins`.

    In safe mode, which the environment says by default, only the shipped ones. A plugin that cannot be
    imported, has another api, takes an id that is taken, or was being imported when a process died is
    listed in `left_out`; nothing is raised.
    """
    if safe_mode is None:
        safe_mode = bool(os.environ.get(SAFE_MODE_VARIABLE))
    plugins: list[Plugin] = []
    left_out: list[LeftOut] = []
    for source in _sources(safe_mode=safe_mode):
        try:
            plugin = _activated(source)
            _check_ids(plugin, plugins)
        except PluginError as error:
            if source.path is not None and not os.path.exists(source.path):  # noqa: PTH110 - raises for nothing
                continue  # it was taken away since its folder was listed
            cause = error.__cause__
            details = "".join(traceback.format_exception(cause)) if cause else ""
            left_out.append(LeftOut(str(source), str(error), details))
            _log.warning("%s\n%s", error, details)
        else:
            plugins.append(plugin)
    return Registry(tuple(plugins), tuple(left_out))


def user_folder() -> Path:
    """Where a person puts plugins of their own."""
    return paths.data_dir() / "plugins"


def _sources(*, safe_mode: bool) -> Iterator[_Source]:
    yield from _in_folder(paths.shipped_plugins())
    if safe_mode:
        return
    yield from _in_folder(user_folder())
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        yield _Source(entry.name, entry=entry)
    for folder in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep):
        if folder:
            yield from _in_folder(Path(folder))


def _in_folder(folder: Path) -> Iterator[_Source]:
    """The modules and packages of a folder by name; those starting with `_` or `.` are no plugins."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return  # not there, or not ours to read
    for path in entries:
        if path.name.startswith(("_", ".")):
            continue
        if path.suffix == ".py":
            yield _Source(path.stem, path)
        elif (path / "__init__.py").is_file():
            yield _Source(path.name, path / "__init__.py")


def _activated(source: _Source) -> Plugin:
    """Import a plugin behind the crash breaker. Raises PluginError with one sentence, and its cause."""
    with _Activating(source):
        try:
            found = _plugin_object(source)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may raise anything, SystemExit too
            raise PluginError(
                f"The plugin {source} could not be imported ({type(error).__name__}: {error}) "
                "and was left out."
            ) from error
    if not isinstance(found, Plugin):
        raise PluginError(f"The plugin {source} has no `plugin = Plugin(...)` and was left out.")
    if found.api != API:
        raise PluginError(
            f"The plugin {found.name} ({source}) is made for plugin api {found.api}, "
            f"this version has {API}; it was left out."
        )
    return found


def _plugin_object(source: _Source) -> object:
    if source.entry is not None:
        loaded = source.entry.load()
    else:
        assert source.path is not None, "a source is a file or an entry point"
        loaded = _imported(source.path)
    return getattr(loaded, "plugin", None) if isinstance(loaded, ModuleType) else loaded


def _imported(path: Path) -> ModuleType:
    """Import a file or a package under a name of its own, so that no plugin shadows a library."""
    package = path.name == "__init__.py"
    stem = path.parent.name if package else path.stem
    name = f"labeler_plugin_{_short_hash(str(path))}_{stem}"
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)] if package else None
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _check_ids(plugin: Plugin, others: list[Plugin]) -> None:
    if any(other.name == plugin.name for other in others):
        raise PluginError(f"There is already a plugin named {plugin.name}; the second one was left out.")
    taken = {offer for other in others for offer in other.offers_by_kind}
    for offer in plugin.offers_by_kind:
        if offer in taken:
            raise PluginError(
                f"The plugin {plugin.name} offers “{offer[1]}”, which is offered already; it was left out."
            )
        taken.add(offer)


class _Activating:
    """A crash breaker: while a plugin is imported, a file says so and names the process.

    Found with its process gone, it means that the import took the process down: the plugin is left out
    this once, and tried again at the start after.
    """

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._file = paths.data_dir() / "activating" / _short_hash(str(source))

    def __enter__(self) -> None:
        owner = self._owner()
        if owner is not None and not _is_alive(*owner):
            with suppress(OSError):
                self._file.unlink(missing_ok=True)
            raise PluginError(
                f"The plugin {self._source} crashed the last start and was left out; "
                "it is tried again at the next one."
            )
        if _is_ended_by_others:
            return  # whoever started this process hears of a crash anyway
        # where nothing can be written, a crash is not known at the next start, and plugins work all the same
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self._file, f"{os.getpid()} {psutil.Process().create_time()}".encode())

    def __exit__(self, *_: object) -> None:
        if not _is_ended_by_others:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)

    def _owner(self) -> tuple[int, float] | None:
        try:
            pid, created = self._file.read_text().split()
            return int(pid), float(created)
        except (OSError, ValueError):
            return None


def _is_alive(pid: int, created: float) -> bool:
    """Whether that very process still runs; a later one may have got its number."""
    try:
        return bool(abs(psutil.Process(pid).create_time() - created) < 1.0)
    except psutil.Error:
        return False


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
