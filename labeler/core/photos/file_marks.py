"""The parts of JPEG and PNG files: whether all are there, and what lies where Pillow does not look."""

import os
from typing import IO


def jpeg_is_complete(data: bytes) -> bool:
    """Whether an end marker follows the first scan.

    Inside a scan every 0xFF byte is followed by 0 or a restart marker (ITU T.81, B.1.1.5), so the pair
    FF D9 can only be the end marker. It is looked for from the first scan on, as EXIF thumbnails before
    that have their own; what follows it (padding, a second picture, a video) is none of our business.
    """
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            return data.find(b"\xff\xd9", at) >= 0
    return False


def jpeg_head_is_cut(file: IO[bytes]) -> bool:
    """Whether a JPEG file ends before its first scan begins, every segment up to there being in order."""
    size = file.seek(0, 2)
    at = 2
    while True:
        file.seek(at)
        marker = file.read(4)
        if len(marker) < 4:
            return True
        if marker[0] != 0xFF:
            return False
        if marker[1] == 0xFF:  # fill byte
            at += 1
            continue
        at += 2 + int.from_bytes(marker[2:], "big")
        if at > size:
            return True
        if marker[1] == 0xDA:
            return False


def late_exif(file: IO[bytes] | None) -> bytes:
    """The eXIf chunk that a PNG has after its pixels, or b"". The file's position is kept."""
    if file is None:
        return b""
    position = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length = int.from_bytes(head[:4], "big")
            if head[4:] == b"eXIf":
                return b"Exif\0\0" + file.read(length)
            file.seek(length + 4, os.SEEK_CUR)
        return b""
    finally:
        file.seek(position)


def png_without_texts(file: IO[bytes]) -> bytes:
    """A PNG without its texts and its colour profile, none of which changes how it is shown."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    kept = [file.read(8)]
    while len(head := file.read(8)) == 8:
        rest = int.from_bytes(head[:4], "big") + 4
        if head[4:] in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            file.seek(rest, os.SEEK_CUR)
        else:
            kept += [head, file.read(min(rest, size))]  # room is made for what is asked for
    return b"".join(kept)
