"""A cheap look at an image file: whether reading it here could take long or much memory.

It reads the head of the file and walks over its parts without decoding any. An ordinary photo passes; what
does not is no worse for it, only read by a child process.
"""

import re
import struct
from pathlib import Path
from typing import IO

from labeler.core.photos.photo_files import readable

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
_TAGS = 4 << 20
"""Bytes of values of a TIFF's tags: each number among them, such as where a tile is, becomes an object."""
_BLOCKS = 4096
"""Frames and comments of a GIF, parts of a WebP."""
_HEADER_OF_NUMBERS = 1 << 16
"""Bytes within which a PNM has its size: its comments are read one by one."""
_GIF_EXTRA, _GIF_FRAME, _GIF_END = b"!,;"
_UNITS = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a number of each type of TIFF; 1 for all others."""


def is_dangerous(path: Path) -> bool:
    """Whether a file is to be read by a child process. Raises `ImageError` where it cannot be opened."""
    with readable(path) as file:
        head = file.read(64)
        size = file.seek(0, 2)
        if size > _LARGE_FILE and not head.startswith((b"II", b"MM", b"BM")):
            return True
        try:
            return _look(file, head, size)
        except (struct.error, IndexError):  # at the end, or cut: whoever reads it will say so
            return False


def _look(file: IO[bytes], head: bytes, size: int) -> bool:
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(file, size)
    if head.startswith(b"\x89PNG"):
        return _png(file)
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(file, head)
    if head.startswith((b"BM", b"P")):
        return size > _HEADER_OF_NUMBERS and (_bmp if head.startswith(b"BM") else _pnm)(file, size)
    if head.startswith((b"GIF8", b"RIFF")):  # frames are counted, or all of it is read
        look = _gif if head.startswith(b"GIF8") else _webp
        return size > _FRAMES_FILE or look(file)
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


def _bmp(file: IO[bytes], size: int) -> bool:
    """Run lengths, which Pillow unpacks one by one."""
    file.seek(30)
    return size > _SLOW_FILE and struct.unpack("<I", file.read(4))[0] in (1, 2)


def _pnm(file: IO[bytes], size: int) -> bool:
    """Numbers as text, which Pillow reads one by one, as it does a comment before the size."""
    file.seek(0)
    start = file.read(_HEADER_OF_NUMBERS)
    is_text = start[:2] in (b"P1", b"P2", b"P3")
    said = re.sub(rb"#[^\r\n]*", b"", start).split(None, 3)
    return (is_text and size > _SLOW_FILE) or len(said) < 4


def _gif(file: IO[bytes]) -> bool:
    """Very many frames or comments."""
    file.seek(0)
    data = file.read()
    at = 13 + _colours(data[10])
    for _ in range(_BLOCKS):
        kind = data[at]
        if kind == _GIF_END:
            return False
        if kind not in (_GIF_EXTRA, _GIF_FRAME):  # Pillow goes on to the next byte
            at += 1
            continue
        at += 2 if kind == _GIF_EXTRA else 11 + _colours(data[at + 9])
        while length := data[at]:
            at += 1 + length
        at += 1
    return True


def _colours(flags: int) -> int:
    """Bytes of the table of colours that such flags of a GIF announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(file: IO[bytes]) -> bool:
    """Very many frames, or other parts; at the end there is no length to read."""
    at = 12
    for _ in range(_BLOCKS):
        file.seek(at + 4)
        (length,) = struct.unpack("<I", file.read(4))
        at += 8 + length + length % 2
    return True


def _tiff(file: IO[bytes], head: bytes) -> bool:
    """Very many pages, which are counted one by one, or very much in their tags, which are read whole."""
    order = "<" if head.startswith(b"II") else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    (at,) = struct.unpack_from(f"{order}Q", head, 8) if big else struct.unpack_from(f"{order}I", head, 4)
    held = 0
    entry = struct.Struct(f"{order}2xHQ8x" if big else f"{order}2xHI4x")
    for _ in range(_PAGES):
        if not at:
            return False
        file.seek(at)
        (entries,) = (
            struct.unpack(f"{order}Q", file.read(8)) if big else struct.unpack(f"{order}H", file.read(2))
        )
        if entries > _CHUNKS:
            return True
        tags = file.read(entries * entry.size)
        held += sum(_UNITS.get(kind, 1) * count for kind, count in entry.iter_unpack(tags))
        if held > _TAGS:
            return True
        (at,) = struct.unpack(f"{order}Q", file.read(8)) if big else struct.unpack(f"{order}I", file.read(4))
    return True
