"""What a person is told of a file that is no image of a known format."""

import pytest

from labeler.core.photos.photo_kinds import said_of_other

SAVE = "Save it as JPEG, PNG or TIFF."


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"%PDF-1.7", "a PDF"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"\xff\x0a\x00", "a JPEG XL file"),
        (b"\0\0\0\x0cJXL \r\n", "a JPEG XL file"),
        (bytes(128) + b"DICM", "a DICOM file"),
        (b"IIRO\0", "a camera raw file"),
        (b"\0\0\0\x18ftypcrx ", "a camera raw file"),  # a Canon photo, though the rest of its kind are videos
        (b"\0\0\0\x18ftypisom", "a video"),
        (b"\x1aE\xdf\xa3", "a video"),
        (b"\0\0\1\0\1\0", "an icon (ICO)"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"PK\3\4", "a ZIP archive"),
        (b"Pf\n", "a PFM file"),
    ],
)
def test_it_is_named_by_how_it_begins(head: bytes, what: str) -> None:
    assert said_of_other(head) == f"is not an image of a known format: it is {what}. {SAVE}"


@pytest.mark.parametrize(
    "head", [b"", b"hello", b" %PDF", b"DICM", bytes(127) + b"DICM", b"JXL ", b"ftypisom"]
)
def test_what_nobody_knows_has_no_known_signature(head: bytes) -> None:
    assert said_of_other(head) == "is not an image of a known format: its content has no known signature."


def test_a_pointer_of_git_lfs_says_what_to_do() -> None:
    said = said_of_other(b"version https://git-lfs.github.com/spec/v1\noid sha256:00")
    assert said == "is a Git LFS pointer, not the photo itself: run git lfs pull in its folder."
