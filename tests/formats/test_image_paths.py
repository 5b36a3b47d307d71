"""A stranger's file names: found inside the folder, or not at all."""

import os
import unicodedata
from pathlib import Path

import pytest

from labeler.formats import image_paths
from labeler.formats.image_paths import Folder, FoundFile, clean, folded, is_clean, placeholder


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not opened here")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (
        "a.jpg",
        "sub/b.jpg",
        "sub/deep/c d.png",
        "x/same.jpg",
        "y/same.jpg",
        "notes.txt",
        "写真/猫.webp",
    ):
        touch(tmp_path / "root" / name)
    touch(tmp_path / "outside.jpg")
    touch(tmp_path / "root2" / "secret.jpg")
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jpg", FoundFile("a.jpg", "path")),
        ("./a.jpg", FoundFile("a.jpg", "path")),
        ("sub/b.jpg", FoundFile("sub/b.jpg", "path")),
        ("sub//b.jpg", FoundFile("sub/b.jpg", "path")),
        ("sub\\b.jpg", FoundFile("sub/b.jpg", "path")),
        ("sub/deep/c d.png", FoundFile("sub/deep/c d.png", "path")),
        ("写真/猫.webp", FoundFile("写真/猫.webp", "path")),
        ("b.jpg", FoundFile("sub/b.jpg", "name")),
        ("elsewhere/b.jpg", FoundFile("sub/b.jpg", "name")),
        ("D:\\photos\\b.jpg", FoundFile("sub/b.jpg", "name")),
        ("//server/share/b.jpg", FoundFile("sub/b.jpg", "name")),
        ("../../b.jpg", FoundFile("sub/b.jpg", "name")),
        ("x/same.jpg", FoundFile("x/same.jpg", "path")),
        ("same.jpg", None),
        ("z/same.jpg", None),
        ("none.jpg", None),
        ("sub", None),
        ("", None),
        ("/", None),
        ("a.jpg\0", None),
        ("a" * 300, None),
        ("b/" * 3000 + "c", None),
        ("SUB/B.JPG", FoundFile("sub/b.jpg", "case")),
        ("up/235b37ac-b.jpg", FoundFile("sub/b.jpg", "prefix")),
        ("up/235b37ac-B", FoundFile("sub/b.jpg", "ending")),
        ("b", FoundFile("sub/b.jpg", "ending")),
        ("/data/local-files/?d=deep/c%20d.png", FoundFile("sub/deep/c d.png", "tail")),
        ("https://host/x/c%20d.png?token=1#2", FoundFile("sub/deep/c d.png", "address")),
        ("C:\\Users\\me\\x\\same.jpg", FoundFile("x/same.jpg", "tail")),
        ("same", None),
        ("a.bmp", None),
    ],
)
def test_names_are_found_below_the_folder(root: Path, name: str, found: FoundFile | None) -> None:
    assert Folder(root).find(name) == found


@pytest.mark.parametrize(
    "name",
    ["../outside.jpg", "../root2/secret.jpg", "sub/../../outside.jpg", "..\\outside.jpg", "/etc/passwd"],
)
def test_nothing_outside_is_found(root: Path, name: str) -> None:
    assert Folder(root).find(name) is None


def test_absolute_names_are_found_only_inside(root: Path) -> None:
    folder = Folder(root)
    assert folder.find(str(root.resolve() / "sub/b.jpg")) == FoundFile("sub/b.jpg", "path")
    assert folder.find(str(root.parent.resolve() / "outside.jpg")) is None
    assert folder.find(str(root.parent.resolve() / "root2/secret.jpg")) is None
    assert folder.find(str(root.resolve() / "../outside.jpg")) is None


@pytest.mark.skipif(os.name == "nt", reason="making links needs a privilege on Windows")
def test_a_link_is_the_photo_that_it_leads_to(root: Path, expect_log) -> None:
    expect_log("loop.jpg was left out")
    (root / "link.jpg").symlink_to(root.parent / "outside.jpg")
    (root / "folder").symlink_to(root.parent / "root2")
    (root / "inner.jpg").symlink_to(root / "a.jpg")
    (root / "loop.jpg").symlink_to(root / "loop.jpg")
    (root / "gone.jpg").symlink_to(root / "nowhere.jpg")
    (root / "passwd").symlink_to("/etc/passwd")
    folder = Folder(root)
    assert folder.find("link.jpg") == FoundFile("link.jpg", "path")
    assert folder.find("folder/secret.jpg") == FoundFile("folder/secret.jpg", "path")
    assert folder.find("secret.jpg") == FoundFile("folder/secret.jpg", "name")
    assert folder.find("inner.jpg") == FoundFile("inner.jpg", "path")
    assert folder.find("loop.jpg") is None
    assert folder.find("gone.jpg") is None
    assert folder.find("passwd") is None, "only what is called a photo is looked at outside the folder"
    assert folder.find("../outside.jpg") is None


def test_both_unicode_forms_are_one_name(tmp_path: Path) -> None:
    composed, split = (unicodedata.normalize(form, "Füße/Ünï.jpg") for form in ("NFC", "NFD"))
    touch(tmp_path / split)
    found = Folder(tmp_path).find(composed)
    assert found is not None
    assert (folded(found.path), found.by) == (composed, "path")
    assert (tmp_path / found.path).is_file()


@pytest.mark.parametrize(
    "name",
    [
        "../a.jpg",
        "/etc/a.jpg",
        "D:\\x\\a.jpg",
        "D:a.jpg",
        "//server/a.jpg",
        "x/../../a.jpg",
        "a\n.jpg",
        "..",
        "\0",
        "",
        "n" * 4000,
    ],
)
def test_placeholders_stay_below_the_folder_and_apart(tmp_path: Path, name: str) -> None:
    path = placeholder(name)
    assert is_clean(path)
    assert path.startswith("unmatched/")
    assert (tmp_path / path).resolve().is_relative_to(tmp_path.resolve())
    assert not (tmp_path / path).exists()
    assert placeholder(name) == path != placeholder(name + "x")


def test_a_folder_that_was_listed_is_not_asked_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(root)
    assert "x/same.jpg" in folder.files
    asked: list[Path] = []
    monkeypatch.setattr(image_paths, "is_there", lambda path: bool(asked.append(path)))
    held = [name for name in ("a.jpg", "sub/b.jpg", "none.jpg", "x/none.jpg") if folder.holds(name)]
    assert (held, asked) == (["a.jpg", "sub/b.jpg"], [])
    for name in (".a.jpg", "x/.same.jpg", "empty/a.jpg"):  # what a listing leaves out
        (root / "empty").mkdir(exist_ok=True)
        folder.holds(name)
    assert asked == [root / ".a.jpg", root / "x/.same.jpg", root / "empty/a.jpg"]


def test_names_in_a_folder_that_is_gone_cost_one_look(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, asked = Folder(root), list[Path]()
    monkeypatch.setattr(image_paths, "is_folder", lambda path: bool(asked.append(path)))
    assert not any(folder.holds(f"gone/{number}.jpg") for number in range(100))
    assert asked == [root / "gone"]


def test_harmless_names_are_their_own_placeholders() -> None:
    assert placeholder("sub/a.jpg") == "sub/a.jpg"
    assert placeholder("sub\\a.jpg") == "sub/a.jpg"
    assert clean("./sub//a.jpg") == "sub/a.jpg"
