"""What docs/ names is there: links, files and folders, so that a page is not left behind by a move."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
ROOTS = (ROOT, ROOT / "labeler", ROOT / "labeler" / "gui")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_files_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not (page.parent / link).exists()]
    assert not links
    named = re.findall(r"`([\w./]*[\w]+\.py)`", text)
    lost = [name for name in named if "/" in name and not any((root / name).is_file() for root in ROOTS)]
    assert not lost


def test_house_names_every_room_of_the_window() -> None:
    text = (ROOT / "docs" / "house.md").read_text("utf-8")
    rooms = [path.name for path in (ROOT / "labeler" / "gui").iterdir() if (path / "__init__.py").is_file()]
    assert len(rooms) >= 12
    assert not [room for room in rooms if room not in text]


def test_one_screen_is_one_screen() -> None:
    assert len((ROOT / "docs" / "CONTRIBUTING.md").read_text("utf-8").splitlines()) <= 50
