"""Photos that are there twice by links."""

from pathlib import Path, PurePath

import pytest

from labeler.core.photos.doubles import doubled, said_doubled


def tree(folder: Path, *names: str) -> list[Path]:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return [folder / name for name in names]


def test_files_of_their_own_are_none_even_if_they_are_the_same(tmp_path: Path) -> None:
    paths = tree(tmp_path, "a.jpg", "b.jpg", "sub/a.jpg")
    assert doubled(paths) == []
    assert doubled([*paths, *paths]) == [], "the same name twice is one name"


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    first, other = tree(tmp_path, "a.jpg", "b.jpg")
    link = tmp_path / "link.jpg"
    link.symlink_to(first)
    assert doubled([first, other, link]) == [(link, first)]
    assert doubled([link, other, first]) == [(first, link)], "the one that comes first is the one"


def test_a_linked_folder_has_the_files_of_the_other(tmp_path: Path) -> None:
    one, two = tree(tmp_path, "real/a.jpg", "real/b.jpg")
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    seen = [tmp_path / "alias" / "a.jpg", one, tmp_path / "alias" / "b.jpg", two]
    assert doubled(seen) == [(one, seen[0]), (two, seen[2])]


def test_a_folder_linked_in_a_circle_has_none(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (good,) = tree(tmp_path, "good.jpg")
    assert doubled([tmp_path / "a" / "x.jpg", good, tmp_path / "b" / "x.jpg"]) == []


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, ""),
        (1, "1 photo is there twice by links, “0” and “first”"),
        (2, "2 photos are there twice by links, such as “0” and “first”"),
        (1200, "1,200 photos are there twice by links, such as “0” and “first”"),
    ],
)
def test_one_sentence_says_so(count, said) -> None:
    found = said_doubled([(PurePath(str(n)), PurePath("first")) for n in range(count)])
    assert found == (f"{said}: each name is an image of its own." if said else "")
