"""How far an image is: one word, one colour, one form of dot."""

from typing import Literal, TypeAlias

from labeler.core.records import Image
from labeler.gui.toolkit import theme
from labeler.gui.toolkit.rows import Mark
from labeler.project.photos.survey import CHANGED

Status: TypeAlias = Literal["unlabelled", "labelled", "reviewed", "damaged", "missing", "replaced"]

STATUSES: tuple[Status, ...] = ("unlabelled", "labelled", "reviewed", "damaged", "missing", "replaced")


def status_of(image: Image, *, objects: int | bool) -> Status:
    """The status of an image with that many, or any, annotations; trouble goes before progress."""
    if image.note:
        if image.note.startswith(("damaged", "cannot be read")):
            return "damaged"
        if image.note.startswith("missing"):
            return "missing"
        if image.note == CHANGED:
            return "replaced"
    if image.reviewed:
        return "reviewed"
    return "labelled" if objects else "unlabelled"


def status_mark(status: Status) -> tuple[Mark, str]:
    """The mark of a status and its colour in the theme in force."""
    colors = theme.colors()
    if status == "reviewed":
        return "check", colors.good
    if status == "labelled":
        return "dot", colors.middling
    if status == "unlabelled":
        return "ring", colors.quiet
    return "alert", colors.bad


def name_of(image: Image) -> str:
    """The file name without its folders."""
    return image.path.rpartition("/")[2]
