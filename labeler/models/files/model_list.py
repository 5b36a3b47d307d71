"""Every model there is or that can be had, as one list for the window and the command line."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from labeler.errors import ModelError
from labeler.models.files import catalog, weights
from labeler.models.files.catalog import CatalogEntry
from labeler.models.protocols import ModelSpec

State: TypeAlias = Literal["embedded", "shipped", "installed", "available"]


class ListedModel(Struct, frozen=True, kw_only=True):
    """One model of the list."""

    id: str
    """What it is called on the command line."""
    title: str
    task: str
    """"" for a file of the person's own that no plugin opens."""
    about: str = ""
    licence: str = ""
    origin: str = ""
    size: int = 0
    """In bytes; of an available one about, with what it needs and is not there."""
    state: State
    """Embedded in the app or a plugin, a file that ships, one in the folder of weights, or one to
    be downloaded.
    """
    path: Path | None = None
    """The file, of one that is shipped or installed."""
    entry: CatalogEntry | None = None
    spec: ModelSpec | None = None
    """The model, where it is open already."""


def model_list(
    specs: Iterable[ModelSpec], *, kinds: Collection[str], open_file: Callable[[Path], ModelSpec]
) -> tuple[ListedModel, ...]:
    """The models of the plugins, those of the catalogue that one of `kinds` opens, the person's own files.

    `specs`, `kinds` (the ids of the `FileSpec`s) and `open_file` are those of the `Registry`. Files of the
    catalogue are not read; those of the person's own are, as far as their kind is to be told.
    """
    there = {one.path.name: one for one in weights.installed()}
    own = [one for one in there.values() if one.entry is None]
    known = [one for one in catalog.entries() if not one.opened_by or one.opened_by in kinds]
    return (
        *(_embedded(spec) for spec in specs),
        *(_of_catalogue(entry, there) for entry in known),
        *(_of_person(one, open_file) for one in own),
    )


def megabytes(size: int) -> str:
    """Bytes as "5.6 MB", or from 100 MB as "375 MB"."""
    return f"{size / 1e6:.1f} MB" if size < 99.95e6 else f"{size / 1e6:,.0f} MB"


def _embedded(spec: ModelSpec) -> ListedModel:
    size = 0
    with contextlib.suppress(OSError):
        size = sum(file.path.stat().st_size for file in spec.weights)
    return ListedModel(
        id=spec.id,
        title=spec.title,
        task=spec.task,
        licence=spec.licence,
        origin="comes with Labeler",
        size=size,
        state="embedded",
        spec=spec,
    )


def _of_catalogue(entry: CatalogEntry, there: Mapping[str, weights.Installed]) -> ListedModel:
    found = there.get(entry.file)
    state: State = "shipped" if found is not None and found.is_shipped else "installed"
    missing = [one for one in catalog.with_needs(entry)[1:] if one.file not in there]
    return ListedModel(
        id=entry.id,
        title=entry.title,
        task=entry.task,
        about=", with ".join([entry.about, *(one.title for one in missing)]),
        licence=entry.licence,
        origin=entry.origin,
        size=sum(one.size for one in (entry, *missing)) if found is None or missing else found.size,
        state="available" if found is None or missing else state,
        path=None if found is None else found.path,
        entry=entry,
    )


def _of_person(found: weights.Installed, open_file: Callable[[Path], ModelSpec]) -> ListedModel:
    spec: ModelSpec | None = None
    about = ""
    try:
        spec = open_file(found.path)
    except ModelError as error:
        about = str(error)
    return ListedModel(
        id=found.id,
        title=found.path.stem if spec is None else spec.title,
        task="" if spec is None else spec.task,
        about=about,
        licence="" if spec is None else spec.licence,
        origin="your own file",
        size=found.size,
        state="installed",
        path=found.path,
        spec=spec,
    )
