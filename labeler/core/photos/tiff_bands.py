"""TIFFs that Pillow reads wrongly or not at all: deep bands, bands in planes, two bands or more than four.

Their bands are given to OpenCV one by one, or side by side as one wide band: the page is described anew,
behind the file's own bytes, as a picture of a single band, which OpenCV reads at every depth.
"""

import struct
from collections.abc import Sequence
from typing import IO

import cv2
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from labeler.core.photos.bit_depth import Grey, Values, as_colour, coloured, on_white, windowed

_LITTLE = b"II"
_OTHER_MODELS = frozenset({3, 4, 5, 6, 8, 9, 10})  # palette, CMYK, YCbCr, Lab: Pillow's, or nobody's
_OWN_CODECS = frozenset({6, 7, 33003, 33005, 34712, 50001, 50002})  # which know their bands themselves
_FORMATS = {1: "unsigned", 2: "signed", 3: "float"}
_CMYK = 5
_MODELS = {3: "palette", _CMYK: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"}


class BandsHead(Struct, frozen=True):
    """What the first page of a TIFF says of itself."""

    width: int
    height: int
    bands: int
    bits: int
    format: int
    photometric: int
    planar: bool
    predictor: int
    compression: int
    alpha: int
    """Which band is an alpha, from 0; -1 for none."""
    orientation: int
    tiles: tuple[int, int]
    """Width and height of the tiles; (0, 0) for strips."""
    rows: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    order: str
    is_big: bool

    @property
    def bytes_decoded(self) -> int:
        """What the values take."""
        return self.width * self.height * self.bands * max(1, self.bits // 8)

    @property
    def name(self) -> str:
        """In words, for a sentence that refuses it."""
        kind = _FORMATS.get(self.format, "other")
        how = "in planes" if self.planar else "interleaved"
        model = f"{_MODELS[self.photometric]}, " if self.photometric in _MODELS else ""
        bands = "1 band" if self.bands == 1 else f"{self.bands} {how} bands"
        return f"a TIFF of {bands} of {self.bits} bits, {model}{kind}, compression {self.compression}"


def head_of(file: IO[bytes]) -> BandsHead | None:
    """The first page of a TIFF, if it is one that is to be read here; None for all others."""
    head = any_head_of(file)
    return head if head is not None and _is_unusual(head) else None


def any_head_of(file: IO[bytes]) -> BandsHead | None:
    """The first page of any TIFF; None where it cannot be told."""
    file.seek(0)
    start = file.read(16)
    is_big = start[2:4] in (b"+\0", b"\0+")
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(start if is_big else start[:8])
        file.seek(tags.next)
        tags.load(file)
        return _head(tags, "<" if start.startswith(_LITTLE) else ">", is_big)
    except Exception:  # foreign bytes: whoever reads them next says what is wrong with them
        return None


def _head(tags: TiffImagePlugin.ImageFileDirectory_v2, order: str, is_big: bool) -> BandsHead | None:
    bands, photometric = int(tags.get(277, 1)), int(tags.get(262, 1))
    bits, formats = _numbers(tags.get(258, 1)), _numbers(tags.get(339, 1))
    extra = _numbers(tags.get(338, ()))
    tiled = 322 in tags
    if len(set(bits)) != 1 or len(set(formats)) != 1:
        return None
    colours = bands - len(extra)
    alpha = next((colours + at for at, kind in enumerate(extra) if kind in (1, 2)), -1)
    return BandsHead(
        width=int(tags[256]),
        height=int(tags[257]),
        bands=bands,
        bits=bits[0],
        format=formats[0],
        photometric=photometric,
        planar=int(tags.get(284, 1)) == 2 and bands > 1,
        predictor=int(tags.get(317, 1)),
        compression=int(tags.get(259, 1)),
        alpha=alpha,
        orientation=int(tags.get(274, 1)),
        tiles=(int(tags[322]), int(tags[323])) if tiled else (0, 0),
        rows=int(tags.get(278, tags[257])),
        offsets=_numbers(tags[324 if tiled else 273]),
        counts=_numbers(tags[325 if tiled else 279]),
        order=order,
        is_big=is_big,
    )


def _numbers(value: object) -> tuple[int, ...]:
    return tuple(int(one) for one in value) if isinstance(value, tuple) else (int(str(value)),)


def _is_unusual(head: BandsHead) -> bool:
    if head.compression in _OWN_CODECS or head.bits % 8:
        return False
    if head.photometric == _CMYK:  # four bands of 8 bits are Pillow's
        return (
            head.bits in (8, 16)
            and head.format == 1
            and head.bands >= 4
            and (head.bits, head.bands) != (8, 4)
        )
    if head.photometric in _OTHER_MODELS:
        return False
    if head.bits == 8:
        return (head.bands == 2 and head.alpha < 0) or head.bands > 4 or (head.planar and head.bands != 3)
    wide = head.bits == 64 or (head.bits == 32 and head.format == 1) or head.bits == 24
    wide = wide or (head.bits == 16 and head.format == 3)
    return head.bands > 1 or head.photometric == 0 or wide


def shown(data: bytes, head: BandsHead) -> tuple[Grey, list[str]] | None:
    """The first page as (H, W, 3) RGB, not oriented, and notes; None where OpenCV cannot read it."""
    if head.photometric == _CMYK:
        return _from_cmyk(data, head)
    has_colours = head.bands - (head.alpha >= 0) >= 3
    wanted = [0, 1, 2] if has_colours else [0]
    bands = _bands(data, head, [*wanted, *([head.alpha] if head.alpha >= 0 else [])])
    if bands is None:
        return None
    notes = []
    values = bands[:, :, : len(wanted)]
    seen, note = coloured(values) if has_colours or head.bits == 8 else windowed(values)
    if head.photometric == 0:
        seen = 255 - seen
    rgb = np.ascontiguousarray(seen if has_colours else as_colour(seen))
    left = head.bands - (head.alpha >= 0) - len(wanted)
    if left:
        which = "bands 1 to 3" if has_colours else "band 1"
        notes.append(f"{which} of {head.bands}")
    if note:
        notes.append(note)
    if head.alpha >= 0:
        rgb = on_white(rgb, bands[:, :, -1])
        notes.append("transparency shown on white")
    return rgb, notes


def _from_cmyk(data: bytes, head: BandsHead) -> tuple[Grey, list[str]] | None:
    """Ink on white paper; what more bands there are (spot colours, an alpha) is left out."""
    bands = _bands(data, head, [0, 1, 2, 3])
    if bands is None:
        return None
    inks = (bands >> 8 if head.bits == 16 else bands).astype(np.uint16)
    rgb = (255 - inks[:, :, :3]) * (255 - inks[:, :, 3:]) // 255
    notes = ["CMYK, shown as RGB"]
    notes += [f"bands 1 to 4 of {head.bands}"] if head.bands > 4 else []
    notes += ["16-bit colour, shown 8-bit"] if head.bits == 16 else []
    return rgb.astype(np.uint8), notes


def _bands(data: bytes, head: BandsHead, wanted: Sequence[int]) -> Values | None:
    """(H, W, wanted bands) of the values as stored."""
    if head.bits == 16 and head.format == 3:  # which OpenCV does not know: the bits are taken as they are
        bits = _bands(data, replace(head, format=1), wanted) if head.predictor in (1, 2) else None
        return None if bits is None else np.ascontiguousarray(bits).view(np.float16).astype(np.float32)
    if head.planar:
        each = len(head.offsets) // head.bands
        planes = []
        for band in wanted:
            part = slice(band * each, (band + 1) * each)
            planes.append(_single(data, head, head.offsets[part], head.counts[part], 1))
        return None if any(one is None for one in planes) else np.stack(planes, -1)  # type: ignore[arg-type]
    if head.predictor == 1:
        wide = _single(data, head, head.offsets, head.counts, head.bands)
        return None if wide is None else wide.reshape(head.height, head.width, head.bands)[:, :, list(wanted)]
    known = _by_opencv(data, head, wanted) if head.bands in (1, 3, 4) else None
    return _summed(data, head, wanted) if known is None and head.predictor == 2 else known


def _summed(data: bytes, head: BandsHead, wanted: Sequence[int]) -> Values | None:
    """Bands kept as differences from the pixel to the left: read as they are, and added up."""
    plain = replace(head, predictor=1)
    differences = _bands(data, plain, wanted)
    if differences is None or head.format == 3:
        return None
    step = head.tiles[0] or head.width  # each tile starts anew
    parts = [differences[:, at : at + step] for at in range(0, head.width, step)]
    return np.concatenate([part.cumsum(1, dtype=part.dtype) for part in parts], axis=1)


def _by_opencv(data: bytes, head: BandsHead, wanted: Sequence[int]) -> Values | None:
    """What OpenCV knows by itself: 1, 3 or 4 interleaved bands, differences undone."""
    values = _decoded(data)
    if values is None or values.shape[:2] != (head.height, head.width):
        return None
    values = values.reshape(head.height, head.width, -1)
    if values.shape[2] != head.bands:
        return None
    order = [0] if head.bands == 1 else [2, 1, 0, 3][: head.bands]
    return values[:, :, [order[band] for band in wanted]]


def _decoded(data: bytes) -> NDArray[np.generic] | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def _single(
    data: bytes, head: BandsHead, offsets: Sequence[int], counts: Sequence[int], widths: int
) -> Values | None:
    """These strips or tiles as one band, `widths` times as wide as the picture."""
    values = _decoded(_described(data, head, offsets, counts, widths))
    wanted = (head.height, head.width * widths)
    return values if values is not None and values.shape == wanted else None


def _described(
    data: bytes, head: BandsHead, offsets: Sequence[int], counts: Sequence[int], widths: int
) -> bytes:
    """The file with another first page behind it: one band of these strips or tiles."""
    word, long = ("Q", 16) if head.is_big else ("I", 4)
    where, counted = (324, 325) if head.tiles[0] else (273, 279)
    tags: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, [head.width * widths]),
        257: (4, [head.height]),
        258: (3, [head.bits]),
        259: (3, [head.compression]),
        262: (3, [1]),
        where: (long, offsets),
        277: (3, [1]),
        counted: (long, counts),
        284: (3, [1]),
        317: (3, [head.predictor]),
        339: (3, [head.format]),
    }
    if head.tiles[0]:
        tags |= {322: (4, [head.tiles[0] * widths]), 323: (4, [head.tiles[1]])}
    else:
        tags[278] = (4, [head.rows])
    codes, room = {3: "H", 4: "I", 16: "Q"}, 8 if head.is_big else 4
    start = len(data) + len(data) % 2
    first = "Q" if head.is_big else "H"
    size = struct.calcsize(f"{head.order}{first}") + len(tags) * (20 if head.is_big else 12) + room
    entries, behind = b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        packed = struct.pack(f"{head.order}{len(numbers)}{codes[kind]}", *numbers)
        entries += struct.pack(f"{head.order}HH{word}", tag, kind, len(numbers))
        if len(packed) > room:
            entries += struct.pack(f"{head.order}{word}", start + size + len(behind))
            behind += packed + b"\0" * (len(packed) % 2)
        else:
            entries += packed.ljust(room, b"\0")
    at = 8 if head.is_big else 4
    page = struct.pack(f"{head.order}{first}", len(tags)) + entries + bytes(room) + behind
    return b"".join(
        (
            data[:at],
            struct.pack(f"{head.order}{word}", start),
            data[at + room :],
            bytes(start - len(data)),
            page,
        )
    )
