"""Whether all of a JPEG is there, and what a PNG has where nobody looks."""

import io

import pytest

from labeler.core.photos.file_marks import jpeg_head_is_cut, jpeg_is_complete, late_exif, png_without_texts


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


START, END = b"\xff\xd8", b"\xff\xd9"
HEAD = segment(0xE1, b"a thumbnail" + START + END) + segment(0xDB, b"tables")
SCAN = segment(0xDA, b"scan") + b"pixels\xff\x00more"


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        (START + HEAD + SCAN + END, True),
        (START + HEAD + SCAN + END + b"a video", True),
        (START + HEAD + b"\xff\xff\xff" + SCAN + END, True),  # fill bytes before a marker
        (START + HEAD + SCAN, False),
        (START + HEAD + SCAN + END[:1], False),
        (START + HEAD, False),  # the end mark of the thumbnail is none of the picture
        (START + HEAD + END, False),
        (START + b"\x00" + HEAD + SCAN + END, False),
        (START, False),
        (b"", False),
    ],
)
def test_a_jpeg_is_whole_if_an_end_mark_follows_its_first_scan(data, complete) -> None:
    assert jpeg_is_complete(data) is complete


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        (START + HEAD + SCAN, False),
        (START + HEAD + b"\xff\xff" + SCAN, False),
        (START + HEAD, True),
        (START + HEAD[:-1], True),
        (START + HEAD + SCAN[:3], True),
        (START + HEAD + b"\x00\x00\x00\x00" + SCAN, False),  # not cut, but broken: said by who decodes it
        (START, True),
    ],
)
def test_a_head_is_cut_if_its_segments_are_in_order_and_end_too_soon(data, cut) -> None:
    assert jpeg_head_is_cut(io.BytesIO(data)) is cut


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + b"crc!"


SIGNATURE = b"\x89PNG\r\n\x1a\n"
IHDR, IDAT, IEND = chunk(b"IHDR", b"size"), chunk(b"IDAT", b"pixels"), chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("chunks", "found"),
    [
        (IHDR + IDAT + chunk(b"eXIf", b"turned") + IEND, b"Exif\0\0turned"),
        (IHDR + chunk(b"eXIf", b"turned") + IDAT + IEND, b"Exif\0\0turned"),
        (IHDR + IDAT + IEND, b""),
        (IHDR + IDAT[:9], b""),
        (b"", b""),
    ],
)
def test_exif_is_found_wherever_it_stands_and_the_file_is_left_where_it_was(chunks, found) -> None:
    file = io.BytesIO(SIGNATURE + chunks)
    file.seek(3)
    assert late_exif(file) == found
    assert file.tell() == 3


def test_no_file_has_no_exif() -> None:
    assert late_exif(None) == b""


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP"])
def test_texts_and_profiles_are_left_out_and_all_else_is_kept(kind) -> None:
    kept = SIGNATURE + IHDR + chunk(b"gAMA", b"gray") + IDAT + IEND
    data = SIGNATURE + IHDR + chunk(kind, b"a" * 100) + chunk(b"gAMA", b"gray") + IDAT + IEND
    assert png_without_texts(io.BytesIO(data)) == kept
    assert png_without_texts(io.BytesIO(kept)) == kept


def test_a_length_that_is_a_lie_takes_no_room() -> None:
    data = SIGNATURE + (2**31).to_bytes(4, "big") + b"IDAT" + b"short"
    assert png_without_texts(io.BytesIO(data)) == data
