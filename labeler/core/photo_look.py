"""A cheap look at an image file: whether reading it here could take long or much memory.

It reads the head of the file and walks over its parts without decoding any. An ordinary photo passes; what
does not is no worse for it, only read by a child process.
"""

import struct
from pathlib import Path
from typing import IO

from labeler.core.photo_files import readable

_LARGE_FILE = 256 << 20
_JPEG_HEADER = 8 << 20
"""Bytes before the first scan: EXIF with a preview, profiles and depth maps stay well below."""
_SEGMENTS = 512
_SCAN_PIXELS = 600_000_000
"""Pixels times scans: a progressive photo of 40 megapixels has about ten scans."""
_READ_FOR_SCANS = 64 << 20
_SLOW_FILE = 1 << 20
_FRAMES_FILE = 32 << 20
_CHUNKS = 4096
_SMALL_CHUNK = 1024
_PAGES = 64


def is_dangerous(path: Path) -> bool:
    """Whether a file is to be read by a child process. Raises `ImageError` where it cannot be opened."""
    with readable(path) as file:
        head = file.read(64)
        size = file.seek(0, 2)
        if size > _LARGE_FILE and not head.startswith((b"II", b"MM", b"BM")):
            return True
        try:
            return _look(file, head, size)
        except (struct.error, IndexError):  # cut: whoever reads it will say so
            return False


def _look(file: IO[bytes], head: bytes, size: int) -> bool:
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(file, size)
    if head.startswith(b"\x89PNG"):
        return _png(file)
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(file, head)
    if head.startswith(b"BM") or head[:2] in (b"P1", b"P2", b"P3"):
        # run lengths, or numbers as text, which Pillow unpacks one by one
        slow = head[0:1] == b"P" or struct.unpack_from("<I", head, 30)[0] in (1, 2)
        return slow and size > _SLOW_FILE
    if head.startswith((b"GIF8", b"RIFF")):  # frames are counted, or all of it is read
        return size > _FRAMES_FILE
    # whose decoders take far longer, and far more memory, than the size of the picture tells
    return head[4:8] in (b"ftyp", b"jP  ") or head.startswith(b"\xff\x4f\xff\x51")


def _jpeg(file: IO[bytes], size: int) -> bool:
    """Long headers, fill bytes, many scans of many pixels."""
    file.seek(2)
    pixels = segments = 0
    while True:
        at = file.tell()
        segments += 1
        if at > _JPEG_HEADER or segments > _SEGMENTS:
            return True
        marker, length = struct.unpack(">HH", file.read(4))
        if marker >> 8 != 0xFF:
            return False
        kind = marker & 0xFF
        if kind == 0xFF:  # a fill byte
            file.seek(at + 1)
            continue
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">xHH", file.read(5))
            pixels = width * height
        if kind == 0xDA:
            break
        file.seek(at + 2 + length)
    if size > _READ_FOR_SCANS:
        return True
    # inside a scan 0xFF is followed by 0, so that this can only be the start of another one
    return pixels * (1 + file.read().count(b"\xff\xda")) > _SCAN_PIXELS


def _png(file: IO[bytes]) -> bool:
    """Very many chunks, or much before the pixels."""
    file.seek(8)
    for number in range(_CHUNKS):
        at = file.tell()
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"IEND":
            return False
        if kind not in (b"IDAT", b"fdAT") and length > _JPEG_HEADER:
            return True
        if number == _CHUNKS - 1:
            return at < _CHUNKS * _SMALL_CHUNK
        file.seek(at + 12 + length)
    return False


def _tiff(file: IO[bytes], head: bytes) -> bool:
    """Very many pages: they are counted one by one."""
    order = "<" if head.startswith(b"II") else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    (at,) = struct.unpack_from(f"{order}Q", head, 8) if big else struct.unpack_from(f"{order}I", head, 4)
    for _ in range(_PAGES):
        if not at:
            return False
        file.seek(at)
        (entries,) = (
            struct.unpack(f"{order}Q", file.read(8)) if big else struct.unpack(f"{order}H", file.read(2))
        )
        if entries > _CHUNKS:
            return True
        file.seek(entries * (20 if big else 12), 1)
        (at,) = struct.unpack(f"{order}Q", file.read(8)) if big else struct.unpack(f"{order}I", file.read(4))
    return True
