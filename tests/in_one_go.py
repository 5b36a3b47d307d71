"""What the window and the command line do in steps, in one go: a COCO file taken in, a folder looked at."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from labeler.formats.coco.coco_file import open_document
from labeler.formats.exchange import import_document
from labeler.formats.report import Report
from labeler.project.photos.folder import Sync, find_images, take_survey
from labeler.project.photos.survey import survey
from labeler.project.store import Store


def import_coco(store: Store, path: Path, **options: Any) -> Report:
    """Take a COCO file into a project, with the `options` of `import_document`."""
    document = open_document(path, frame=options.get("frame", "auto"))
    return import_document(store, document, path, **options)


def sync_images(store: Store, root: Path, found: Iterable[str] | None = None) -> Sync:
    """Bring a project's list of images up to date with a folder; `found` are its photos where known."""
    there = find_images(root) if found is None else found
    return take_survey(store, root, survey(store.images(), store.photos.known(), list(there), root))
