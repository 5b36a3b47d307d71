"""The last revision that was saved in a project, noted apart from it in the user's data folder."""

import contextlib
import hashlib
import os
import struct
from pathlib import Path

from labeler.paths import data_dir

_NOTE = struct.Struct("<q8s")


class NotedRevision:
    """Where the last revision of a project is noted; what cannot be noted is no reason to stop."""

    def __init__(self, project: Path) -> None:
        self._path = _note_of(project)
        self._descriptor: int | None = None

    def write(self, revision: int) -> None:
        """Note a revision; as long as the machine runs it is known, whatever becomes of this process."""
        with contextlib.suppress(OSError):
            if self._descriptor is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, _packed(revision))

    def close(self) -> None:
        """Let go of the file, which stays."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def note(project: Path, revision: int) -> None:
    """Note a revision of a project that nobody has open."""
    one = NotedRevision(project)
    one.write(revision)
    one.close()


def known_revision(project: Path) -> int | None:
    """The last revision that was noted for a project at this place; None where none was."""
    try:
        revision, check = _NOTE.unpack(_note_of(project).read_bytes())
    except (OSError, struct.error):
        return None
    return int(revision) if _packed(revision)[8:] == check else None


def _note_of(project: Path) -> Path:
    mark = hashlib.sha256(os.fsencode(project.resolve())).hexdigest()[:24]
    return data_dir() / "known" / mark


def _packed(revision: int) -> bytes:
    check = hashlib.blake2b(revision.to_bytes(8, "little", signed=True), digest_size=8).digest()
    return _NOTE.pack(revision, check)
