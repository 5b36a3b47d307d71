"""What models can be had: names, licences and addresses, as `resources/models/catalog.toml` lists them."""

from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from labeler import paths
from labeler.errors import ModelError

EntryTask: TypeAlias = Literal["detector", "segmenter", "text encoder"]

DEFAULT_DETECTOR = "yolo11n"
"""The entry that is used where nobody chose a detector, and that trainers start from; it is shipped."""


class CatalogEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of weights that its publisher offers to everybody."""

    id: str
    title: str
    task: EntryTask
    """A "text encoder" is no model of its own: a detector that reads text needs it."""
    about: str
    """What it is good for, in a few words."""
    licence: str
    """Of the weights, by its SPDX name where it has one."""
    origin: str
    """Who publishes the file."""
    url: str
    size: int
    """In bytes, for the list and the check of free space; not what a file is verified by."""
    sha256: str = ""
    """As the publisher states it; "" where none is stated: then the file is pinned on first use."""
    opened_by: str = ""
    """The id of the `FileSpec` that opens it; "" for a text encoder."""
    needs: tuple[str, ...] = ()
    """Ids of the entries without which it does not work."""

    @property
    def file(self) -> str:
        """The file's name, as the publisher has it."""
        return urlsplit(self.url).path.rpartition("/")[2]


class _Listing(Struct, frozen=True, forbid_unknown_fields=True):
    models: tuple[CatalogEntry, ...]


@cache
def entries() -> tuple[CatalogEntry, ...]:
    """Everything that can be had, in the order in which it is shown."""
    text = (paths.resources() / "models" / "catalog.toml").read_bytes()
    return msgspec.toml.decode(text, type=_Listing).models


def entry(entry_id: str) -> CatalogEntry:
    """The entry of that id; ModelError, naming those there are, when there is none."""
    for one in entries():
        if one.id == entry_id:
            return one
    known = ", ".join(one.id for one in entries())
    raise ModelError(f"There is no model “{entry_id}” to be had; there are: {known}.")


def shipped_folder(wanted: CatalogEntry) -> Path | None:
    """The folder with an entry's file that comes with the app; None for one that has to be downloaded."""
    folder = paths.resources() / "models" / wanted.id
    return folder if (folder / wanted.file).is_file() else None


def with_needs(wanted: CatalogEntry) -> tuple[CatalogEntry, ...]:
    """An entry and those that it needs, itself first."""
    return (wanted, *(entry(name) for name in wanted.needs))
