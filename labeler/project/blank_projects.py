"""A project that was made for a folder and never used: it is not left lying there."""

from pathlib import Path

from labeler.project.keeping import snapshots
from labeler.project.store import Store


def is_blank(store: Store) -> bool:
    """Whether there is no image, no category and no edit in a project, and never was an edit."""
    return not (store.images() or store.categories() or store.history.entries(limit=1))


def take_away(project: Path) -> None:
    """Delete a blank project that is closed, with its snapshots; what cannot be deleted stays."""
    kept = snapshots.listed(project)
    for path in (project, *kept):
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return
    for folder in {path.parent for path in kept}:
        try:
            folder.rmdir()
        except OSError:  # something else is in it
            continue
