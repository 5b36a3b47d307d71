"""Files made to take long or much memory, and small ones beside them; each made by code."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image

from tests.core.photos.tiffs import tiff


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, colour: int, depth: int = 8, before: bytes = b"") -> bytes:
    bands = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = bytes(1 + (width * bands * depth + 7) // 8)
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(3)) if colour == 3 else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + palette
        + before
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def jpeg(width: int, height: int, *, mode: str = "RGB", progressive: bool = False) -> bytes:
    out = BytesIO()
    Image.new(mode, (width, height), 128 if mode == "L" else (90, 120, 60)).save(
        out, "JPEG", progressive=progressive, quality=50
    )
    return out.getvalue()


def many_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    data = jpeg(side, side, progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + b"\xff\xd9"


def many_segments(megabytes: int) -> bytes:
    segment = b"\xff\xe1" + struct.pack(">H", 65_535) + b"Exif\0\0" + bytes(65_527)
    data = jpeg(64, 64)
    return data[:2] + segment * (megabytes * 16) + data[2:]


def fill_bytes(megabytes: int) -> bytes:
    data = jpeg(64, 64)
    return data[:2] + b"\xff" * (megabytes << 20) + data[2:]


def gif(width: int, height: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"
    return (
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(3) + b"\xff" * 3 + frame + b";"
    )


def sized_jpeg(width: int, height: int) -> bytes:
    """A tiny JPEG whose header says that it is huge."""
    data = bytearray(jpeg(8, 8))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def many_pages(pages: int) -> bytes:
    """A TIFF whose page is followed by very many empty ones."""
    data = tiff(np.zeros((8, 8), np.uint8))
    count = struct.unpack_from("<H", data, 8)[0]
    at = 10 + 12 * count
    body = bytearray(data)
    body += b"\0" * (len(body) % 2)
    body[at : at + 4] = struct.pack("<I", len(body))
    page = data[8 : 10 + 12 * count]
    for number in range(pages):
        following = len(body) + len(page) + 4
        body += page + struct.pack("<I", following if number < pages - 1 else 0)
    return bytes(body)


def rle_bmp(side: int) -> bytes:
    """A BMP of run lengths of one pixel each."""
    rows = (b"\x01\x00" * side + b"\x00\x00") * side + b"\x00\x01"
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(rows), 0, 0, 256, 0)
    at = 14 + len(head) + 1024
    return b"BM" + struct.pack("<IHHI", at + len(rows), 0, 0, at) + head + bytes(1024) + rows


def ppm_text(side: int) -> bytes:
    return b"P3 %d %d 255\n" % (side, side) + b"1 2 3\n" * (side * side)


def saved(width: int, height: int, kind: str, **options: object) -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), (1, 2, 3)).save(out, kind, **options)
    return out.getvalue()


def tiny_chunks(count: int) -> bytes:
    data = png(8, 8, colour=2)
    return data[:33] + chunk(b"tEXt", b"a\0b") * count + data[33:]


def text_bomb(megabytes: int) -> bytes:
    packed = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(megabytes << 20)))
    return png(8, 8, colour=2, before=packed)


Maker = Callable[[], bytes]
QUICK: dict[str, Maker] = {
    "progressive jpeg of 3000 scans": lambda: many_scans(2400, 3000),
    "jpeg of 60 MB of segments": lambda: many_segments(60),
    "jpeg of 12 MB of fill bytes": lambda: fill_bytes(12),
    "gif of 65535 x 65535": lambda: gif(65_535, 65_535),
    "jpeg header of 65000 x 65000": lambda: sized_jpeg(65_000, 65_000),
    "tiff of 60000 pages": lambda: many_pages(60_000),
    "png of 300000 chunks": lambda: tiny_chunks(300_000),
    "rgba png of 14000 x 14000": lambda: png(14_000, 14_000, colour=6),
}
SLOW: dict[str, Maker] = {
    "jpeg of 200 MB of segments": lambda: many_segments(200),
    "jpeg of 50 MB of fill bytes": lambda: fill_bytes(50),
    "progressive jpeg of 20000 scans": lambda: many_scans(1600, 20_000),
    "progressive grey jpeg of 16000 x 16000": lambda: jpeg(16_000, 16_000, mode="L", progressive=True),
    "jpeg of 16000 x 16000": lambda: jpeg(16_000, 16_000),
    "jpeg header of 16000 x 16000": lambda: sized_jpeg(16_000, 16_000),
    "cmyk jpeg header of 30000 x 30000": lambda: sized_jpeg(30_000, 30_000),
    **{
        f"png {colour} of {side} x {side}": (lambda colour=colour, side=side: png(side, side, colour=colour))
        for colour in (0, 2, 3, 4, 6)
        for side in (13_000, 16_000, 18_000)
    },
    "16-bit png of 12000 x 12000": lambda: png(12_000, 12_000, colour=2, depth=16),
    "1-bit png of 30000 x 30000": lambda: png(30_000, 30_000, colour=0, depth=1),
    "gif of 16000 x 16000": lambda: gif(16_000, 16_000),
    "gif of 20000 x 16000": lambda: gif(20_000, 16_000),
    "webp of 16000 x 16000": lambda: saved(16_000, 16_000, "WEBP", lossless=True, method=0),
    "jp2 of 9000 x 9000": lambda: saved(9000, 9000, "JPEG2000"),
    "avif of 8000 x 8000": lambda: saved(8000, 8000, "AVIF", speed=10),
    "tiff of 14000 x 14000, deflated": lambda: saved(14_000, 14_000, "TIFF", compression="tiff_deflate"),
    "16-bit tiff of 9000 x 9000 x 3": lambda: tiff(np.zeros((9000, 9000, 3), np.uint16), deflate=True),
    "float tiff of 9000 x 9000 x 5": lambda: tiff(np.zeros((9000, 9000, 5), np.float32), deflate=True),
    "bmp of 13000 x 13000": lambda: saved(13_000, 13_000, "BMP"),
    "bmp of run lengths of 6000 x 6000": lambda: rle_bmp(6000),
    "ppm text of 4000 x 4000": lambda: ppm_text(4000),
    "png of 4 million chunks": lambda: tiny_chunks(4_000_000),
    "png text of 1 GB": lambda: text_bomb(1024),
    "tiff of 500000 pages": lambda: many_pages(500_000),
}
