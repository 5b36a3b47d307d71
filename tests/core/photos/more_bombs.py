"""Bombs by the parts of a file beside its pixels: frames, pages, tags, tiles, profiles; and arithmetic codes.

Of each kind some come cut as well: half of a bomb may be read in another way than the whole.
"""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image

from tests.core.photos.bombs import Maker, chunk, jpeg, png, saved

Entry = tuple[int, int, int, int]
"""Tag, type, count, and the value or where the values lie."""
SHORT, LONG, UNDEFINED = 3, 4, 7


# --- JPEG -----------------------------------------------------------------------------------------
def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">HH", 0xFF00 | marker, 2 + len(data)) + data


def arithmetic_jpeg(width: int, height: int, *, scans: int = 1, length: int = 64) -> bytes:
    """A grey JPEG of arithmetic codes, in noise of that length; a progressive one where it has scans."""
    noise = np.random.default_rng(1).integers(0, 255, length, np.uint8).tobytes()
    frame = struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)
    first = segment(0xDA, bytes((1, 1, 0, 0, 0 if scans > 1 else 63, 0))) + noise
    later = segment(0xDA, bytes((1, 1, 0, 1, 63, 0))) + noise
    return (
        b"\xff\xd8"
        + segment(0xDB, bytes(1) + b"\x10" * 64)
        + segment(0xCA if scans > 1 else 0xC9, frame)
        + first
        + later * (scans - 1)
        + b"\xff\xd9"
    )


def many_tags(tags: int, length: int) -> bytes:
    """EXIF of so many tags, each of which says that all of it is its value."""
    entries = [(0x0200 + number, UNDEFINED, length - 8, 8) for number in range(tags)]
    return (b"II*\0" + struct.pack("<I", 8) + page(entries)).ljust(length, b"\0")


def jpeg_of_exif(exif: bytes) -> bytes:
    data, most = jpeg(64, 64), 65_527
    parts = [exif[at : at + most] for at in range(0, len(exif), most)]
    return data[:2] + b"".join(segment(0xE1, b"Exif\0\0" + part) for part in parts) + data[20:]


def png_of_exif(exif: bytes) -> bytes:
    return png(8, 8, colour=2, before=chunk(b"eXIf", exif))


# --- PNG ------------------------------------------------------------------------------------------
def profile_bomb(megabytes: int, *, deep: bool = False) -> bytes:
    """A PNG whose colour profile unpacks to so many megabytes of zeros."""
    packed = zlib.compress(bytes(megabytes << 20))
    return png(8, 8, colour=2, depth=16 if deep else 8, before=chunk(b"iCCP", b"a\0\0" + packed))


def many_texts(count: int, *, kind: bytes = b"zTXt") -> bytes:
    """A PNG of so many texts that unpack to just what is allowed of one."""
    packed = zlib.compress(b"a" * ((1 << 20) - 1))
    head = b"a\0\0" if kind == b"zTXt" else b"a\0\1\0\0\0"
    return png(8, 8, colour=2, before=chunk(kind, head + packed) * count)


def longer_pixels(megabytes: int) -> bytes:
    """A PNG of 8 x 8 pixels whose pixels unpack to so many megabytes."""
    data = png(8, 8, colour=2)
    return data[:33] + chunk(b"IDAT", zlib.compress(bytes(megabytes << 20))) + chunk(b"IEND", b"")


def apng(width: int, height: int, *, frames: int, claimed: int | None = None, wide: int = 0) -> bytes:
    """An animated PNG of so many frames, of one pixel each after the first."""
    data = png(width, height, colour=2)

    def control(number: int, size: tuple[int, int]) -> bytes:
        return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *size, 0, 0, 1, 10, 0, 0))

    pixel = zlib.compress(bytes(4))
    later = b"".join(
        control(2 * number - 1, (1, 1)) + chunk(b"fdAT", struct.pack(">I", 2 * number) + pixel)
        for number in range(1, frames)
    )
    before = chunk(b"acTL", struct.pack(">II", claimed or frames, 0)) + control(0, (wide or width, height))
    return data[:33] + before + data[33:-12] + later + data[-12:]


# --- GIF ------------------------------------------------------------------------------------------
def gif(width: int, height: int, *, frames: int, before: bytes = b"") -> bytes:
    """A GIF of so many frames of one pixel on a canvas of that size."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    return head + before + frame * frames + b";"


def gif_comment(megabytes: int, *, apart: bool) -> bytes:
    """A comment of so many megabytes, in parts of one comment or as many comments."""
    part = b"\xff" + b"a" * 255
    count = (megabytes << 20) // 256
    return (b"!\xfe" + part + b"\0") * count if apart else b"!\xfe" + part * count + b"\0"


# --- WebP -----------------------------------------------------------------------------------------
def riff(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def three(number: int) -> bytes:
    return number.to_bytes(3, "little")


def webp(width: int, height: int, *, frames: int, exif: bytes = b"") -> bytes:
    """An animated WebP of so many frames of 8 x 8 pixels."""
    small = saved(8, 8, "WEBP", lossless=True)[12:]
    frame = riff(b"ANMF", three(0) * 2 + three(7) * 2 + three(10) + b"\0" + small)
    flags = bytes((0x02 | (0x08 if exif else 0), 0, 0, 0))
    head = riff(b"VP8X", flags + three(width - 1) + three(height - 1)) + riff(b"ANIM", bytes(6))
    body = b"WEBP" + head + frame * frames + (riff(b"EXIF", exif) if exif else b"")
    return b"RIFF" + struct.pack("<I", len(body)) + body


# --- TIFF -----------------------------------------------------------------------------------------
def page(entries: list[Entry], following: int = 0) -> bytes:
    packed = b"".join(
        struct.pack("<HHIH2x" if kind == SHORT and count == 1 else "<HHII", tag, kind, count, value)
        for tag, kind, count, value in entries
    )
    return struct.pack("<H", len(entries)) + packed + struct.pack("<I", following)


def paged(
    changed: dict[int, tuple[int, int, int]], data: bytes = bytes(64), following: Callable[[int], int] = int
) -> bytes:
    """A TIFF of 8 x 8 grey pixels with other tags; `following` tells the next page from where this one is."""
    tags: dict[int, tuple[int, int, int]] = {
        256: (LONG, 1, 8),
        257: (LONG, 1, 8),
        258: (SHORT, 1, 8),
        259: (SHORT, 1, 1),
        262: (SHORT, 1, 1),
        273: (LONG, 1, 8),
        277: (SHORT, 1, 1),
        278: (LONG, 1, 8),
        279: (LONG, 1, 64),
    }
    tags |= changed
    if 322 in tags:
        tags = {tag: value for tag, value in tags.items() if tag not in (273, 278, 279)}
    at = 8 + len(data) + len(data) % 2
    entries = [(tag, *value) for tag, value in sorted(tags.items())]
    start = b"II*\0" + struct.pack("<I", at) + data + b"\0" * (len(data) % 2)
    return start + page(entries, following(at) if following is not int else 0)


def circle(pages: int) -> bytes:
    """A TIFF of so many pages, the last of which leads to the first."""
    single = paged({})
    at = struct.unpack_from("<I", single, 4)[0]
    size = len(single) - at
    bodies = [
        single[at:-4] + struct.pack("<I", at + size * ((number + 1) % pages)) for number in range(pages)
    ]
    return single[:at] + b"".join(bodies)


def tiles(width: int, height: int, side: int, count: int) -> bytes:
    """A TIFF of so many tiles, whose places and lengths it has, all in one place."""
    numbers = np.full(count, 8, "<u4").tobytes()
    lengths = np.full(count, side * side, "<u4").tobytes()
    data = bytes(max(64, min(side * side, 1 << 20))) + numbers + lengths
    first = len(data) - 8 * count + 8
    changed = {
        256: (LONG, 1, width),
        257: (LONG, 1, height),
        322: (LONG, 1, side),
        323: (LONG, 1, side),
        324: (LONG, count, first),
        325: (LONG, count, first + 4 * count),
    }
    return paged(changed, data)


def heavy_tags(tags: int, megabytes: int) -> bytes:
    """A TIFF of so many tags that share the same megabytes."""
    data = bytes(megabytes << 20)
    return paged({0xC000 + number: (UNDEFINED, len(data), 8) for number in range(tags)}, data)


def strips(count: int) -> bytes:
    """A TIFF of 8 rows that has so many strips."""
    data = np.full(count, 8, "<u4").tobytes()
    return paged({273: (LONG, count, 8), 278: (LONG, 1, 1), 279: (LONG, count, 8)}, data)


def no_rows(*, compression: int = 1, side: int = 8, bits: int = 8) -> bytes:
    """A TIFF of strips of no rows."""
    rows = bytes(side * side * bits // 8)
    data = zlib.compress(rows) if compression == 8 else rows
    changed = {
        256: (LONG, 1, side),
        257: (LONG, 1, side),
        258: (SHORT, 1, bits),
        259: (SHORT, 1, compression),
        278: (LONG, 1, 0),
        279: (LONG, 1, len(data)),
    }
    return paged(changed, data)


# --- others ---------------------------------------------------------------------------------------
def ppm_comment(megabytes: int) -> bytes:
    return b"P6\n#" + b"a" * (megabytes << 20) + b"\n8 8 255\n" + bytes(192)


def cut(maker: Maker) -> Maker:
    """The same, ending at its half."""

    def made() -> bytes:
        data = maker()
        return data[: len(data) // 2]

    return made


def animated_webp(side: int) -> bytes:
    """Two frames that fill a large canvas, as Pillow writes them."""
    out = BytesIO()
    first, second = (Image.new("RGB", (side, side), colour) for colour in ((1, 2, 3), (3, 2, 1)))
    first.save(out, "WEBP", lossless=True, method=0, save_all=True, append_images=[second])
    return out.getvalue()


QUICK: dict[str, Maker] = {
    "arithmetic jpeg of 16000 x 16000": lambda: arithmetic_jpeg(16_000, 16_000),
    "gif of 2 million frames": lambda: gif(8, 8, frames=2_000_000),
    "tiff of 2 pages in a circle": lambda: circle(2),
    "tiff of strips of no rows": no_rows,
    "tiff of 9 million tiles": lambda: tiles(3000, 3000, 1, 9_000_000),
    "png of a 1 GB profile": lambda: profile_bomb(1024),
}
SLOW: dict[str, Maker] = {
    "arithmetic jpeg of 10000 x 10000 in noise": lambda: arithmetic_jpeg(10_000, 10_000, length=20 << 20),
    "arithmetic jpeg of 65000 x 65000": lambda: arithmetic_jpeg(65_000, 65_000),
    "arithmetic progressive jpeg of 2000 scans": lambda: arithmetic_jpeg(2400, 2400, scans=2000),
    "arithmetic progressive jpeg of 90 scans": lambda: arithmetic_jpeg(2500, 2500, scans=90, length=9000),
    "jpeg of 60000 tags of the same 7 MB": lambda: jpeg_of_exif(many_tags(60_000, 7 << 20)),
    "jpeg of 5000 tags of the same 64 kB": lambda: jpeg_of_exif(many_tags(5000, 65_000)),
    "png of 60000 tags of the same 7 MB": lambda: png_of_exif(many_tags(60_000, 7 << 20)),
    "webp of 60000 tags of the same 7 MB": lambda: webp(8, 8, frames=1, exif=many_tags(60_000, 7 << 20)),
    "16-bit png of a 1 GB profile": lambda: profile_bomb(1024, deep=True),
    "png of 4000 texts of 1 MB": lambda: many_texts(4000),
    "png of 4000 international texts of 1 MB": lambda: many_texts(4000, kind=b"iTXt"),
    "png of 8 x 8 whose pixels unpack to 4 GB": lambda: longer_pixels(4096),
    "apng of 500000 frames": lambda: apng(8, 8, frames=500_000),
    "apng that says it has 2 billion frames": lambda: apng(8, 8, frames=2, claimed=2_000_000_000),
    "apng of 16000 x 16000": lambda: apng(16_000, 16_000, frames=20),
    "apng whose first frame is wider than it": lambda: apng(64, 64, frames=3, wide=60_000),
    "gif of 60000 x 60000 and 1000 frames": lambda: gif(60_000, 60_000, frames=1000),
    "gif of 12000 x 12000 and 1 million frames": lambda: gif(12_000, 12_000, frames=1_000_000),
    "gif of a comment of 30 MB": lambda: gif(8, 8, frames=1, before=gif_comment(30, apart=False)),
    "gif of 100000 comments": lambda: gif(8, 8, frames=1, before=gif_comment(25, apart=True)),
    "webp of 500000 frames": lambda: webp(8, 8, frames=500_000),
    "webp of 16383 x 16383 and 2 frames": lambda: webp(16_383, 16_383, frames=2),
    "webp of 10000 x 10000 and 2 full frames": lambda: animated_webp(10_000),
    "webp of 6000 x 6000 and 100000 frames": lambda: webp(6000, 6000, frames=100_000),
    "tiff whose page leads to itself": lambda: paged({}, following=lambda at: at),
    "tiff of 50 pages in a circle": lambda: circle(50),
    "tiff of 100000 pages in a circle": lambda: circle(100_000),
    "deflated tiff of strips of no rows": lambda: no_rows(compression=8),
    "deflated 16-bit tiff of strips of no rows": lambda: no_rows(compression=8, bits=16, side=4000),
    "tiff of 50 million strips": lambda: strips(50_000_000),
    "tiff of 4 million tiles of one pixel": lambda: tiles(60_000, 60_000, 1, 4_000_000),
    "tiff of one tile of 60000 x 60000": lambda: tiles(60_000, 60_000, 60_000, 1),
    "tiff of tiles of 0 x 0": lambda: tiles(3000, 3000, 0, 1_000_000),
    "tiff of 4000 tags of the same 16 MB": lambda: heavy_tags(4000, 16),
    "tiff of a tag of 700 MB": lambda: heavy_tags(1, 700),
    "ppm of a comment of 100 MB": lambda: ppm_comment(100),
}
_CUT = (
    "arithmetic jpeg of 10000 x 10000 in noise",
    "arithmetic progressive jpeg of 2000 scans",
    "gif of 2 million frames",
    "gif of a comment of 30 MB",
    "webp of 500000 frames",
    "apng of 500000 frames",
    "png of a 1 GB profile",
    "png of 4000 texts of 1 MB",
    "png of 8 x 8 whose pixels unpack to 4 GB",
    "tiff of 100000 pages in a circle",
    "tiff of strips of no rows",
    "tiff of 9 million tiles",
    "jpeg of 60000 tags of the same 7 MB",
)
SLOW |= {f"{name}, cut": cut((QUICK | SLOW)[name]) for name in _CUT}
