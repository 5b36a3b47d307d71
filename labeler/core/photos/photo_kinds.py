"""Kinds of pictures that Pillow does not open by itself or as they are, and what to say of all others."""

import importlib
from io import BytesIO
from typing import IO

from PIL import PngImagePlugin
from PIL.ImageFile import ImageFile

from labeler.core.photos import photo_files
from labeler.core.photos.file_marks import png_without_texts
from labeler.errors import ImageError

HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
"""What follows the length and "ftyp" at the start of a HEIC file."""

LFS_POINTER = b"version https://git-lfs"
"""With which a file begins that stands for a photo in Git LFS."""

_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\xff\x0a", "a JPEG XL file"),
    (4, b"JXL ", "a JPEG XL file"),
    (0, b"v/1\x01", "an OpenEXR file"),
    (128, b"DICM", "a DICOM file"),
    (0, b"<svg", "an SVG file"),
    (0, b"FUJIFILMCCD-RAW", "a camera raw file"),
    (0, b"II\x1a\0\0\0HEAPCCDR", "a camera raw file"),
    (0, b"IIU\0", "a camera raw file"),
    (0, b"IIRO", "a camera raw file"),
    (0, b"IIRS", "a camera raw file"),
    (0, b"MMOR", "a camera raw file"),
    (0, b"\0MRM", "a camera raw file"),
    (0, b"FOVb", "a camera raw file"),
    (0, b"\0\0\1\0", "an icon (ICO)"),
    (0, b"icns", "an icon (ICNS)"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"#?RADIANCE", "a Radiance HDR file"),
    (0, b"P7\n", "a PAM file"),
    (0, b"PF\n", "a PFM file"),
    (0, b"Pf\n", "a PFM file"),
    (0, b"qoif", "a QOI file"),
    (0, b"<!DOCTYPE html", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"PK\3\4", "a ZIP archive"),
    (4, b"ftypcrx", "a camera raw file"),
    (4, b"ftyp", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
)


def heic_opener(file: IO[bytes]) -> ImageFile:
    """Pillow's view of a HEIC file. Raises `ImageError` with the end of a sentence without the extra."""
    if not photo_files.READS_HEIC:
        raise ImageError("is a HEIC photo: install the extra labeler[heic] to read it, or save it as JPEG.")
    image: ImageFile = importlib.import_module("pi_heif").HeifImageFile(file)
    return image


def png_opener(file: IO[bytes]) -> ImageFile:
    """Pillow's view of a PNG; one whose texts or profile it refuses, for what they unpack to, is without."""
    try:
        return PngImagePlugin.PngImageFile(file)
    except ValueError:
        return PngImagePlugin.PngImageFile(BytesIO(png_without_texts(file)))


def said_of_other(head: bytes) -> str:
    """The end of a sentence about a file that is no image of a known format, by its first 132 bytes."""
    if head.startswith(LFS_POINTER):
        return "is a Git LFS pointer, not the photo itself: run git lfs pull in its folder."
    what = next((name for at, magic, name in _OTHERS if head.startswith(magic, at)), "")
    if what:
        return f"is not an image of a known format: it is {what}. Save it as JPEG, PNG or TIFF."
    return "is not an image of a known format: its content has no known signature."
