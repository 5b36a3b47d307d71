"""What docs/ names is there: links, files and folders, so that a page is not left behind by a move."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest

from tests.test_house import importers, modules

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


# --- the journeys of house.md -------------------------------------------------------------------------
@cache
def links() -> frozenset[tuple[str, str]]:
    """(importer, imported) of all modules of labeler/."""
    return frozenset((importer, name) for name, users in importers(modules()).items() for importer in users)


def module_of(file: str) -> str:
    """The dotted name of a file as house.md writes it: below labeler/ or labeler/gui/, never in both."""
    found = [root / file for root in ROOTS[1:] if (root / file).is_file()]
    assert len(found) == 1, f"{file} is {len(found)} files"
    return ".".join(found[0].relative_to(ROOT).with_suffix("").parts)


def room_of(module: str) -> str:
    """labeler.gui.canvas.tools.select: "gui.canvas"; labeler.project.writer: "project"."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2]) if parts[0] == "gui" else parts[0]


def speak(one: str, other: str) -> bool:
    """Whether one imports the other, or both import the same protocol of `wire`."""
    if {(one, other), (other, one)} & links():
        return True
    protocols = [
        {name for user, name in links() if user == who and room_of(name) == "wire"} for who in (one, other)
    ]
    return bool(protocols[0] & protocols[1])


def journeys(text: str) -> dict[str, list[tuple[str, list[str]]]]:
    """The ways ("There", "Back") of each journey with the modules that they name, in their order."""
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for part in re.split(r"^(?=\*\*)", text.partition("## Four journeys")[2], flags=re.M)[1:]:
        title, *points = re.split(r"^- ", part, flags=re.M)
        ways = [(re.split(r"\W", one)[0], re.findall(r"`([\w/]+/\w+\.py)`", one)) for one in points]
        found[title.split("**")[1]] = [
            (way, [module_of(file) for file in files]) for way, files in ways if way in ("There", "Back")
        ]
    return found


def faults(ways: list[tuple[str, list[str]]]) -> Iterator[str]:
    """What is wrong with the ways of a journey: a room that is passed twice, and hops between strangers."""
    before: list[str] = []
    for way, files in ways:
        visits = [(room, list(group)) for room, group in groupby(files, room_of)]
        rooms = [room for room, _ in visits]
        yield from (f"{way}: {room} is passed twice" for room in sorted(set(rooms)) if rooms.count(room) > 1)
        for room, visit in visits:
            known = [one for one in before if room_of(one) == room] or before
            for file in visit:
                if known and file not in known and not any(speak(file, one) for one in known):
                    yield f"{way}: {file} has nothing to do with {known}"
                known = [*(one for one in known if room_of(one) == room), file]
            before = visit


def test_the_journeys_pass_every_room_once_each_way_and_by_real_hops() -> None:
    found = journeys((ROOT / "docs" / "house.md").read_text("utf-8"))
    assert list(found) == ["An edit", "A click", "A candidate", "A run"]
    for title, ways in found.items():
        kinds = [way for way, _ in ways]
        assert kinds == ["There", "Back"] * (len(kinds) // 2), title
        assert all(len({room_of(file) for file in files}) >= 3 for _, files in ways), title
        assert not list(faults(ways)), title


def test_a_journey_that_turns_round_or_jumps_is_found() -> None:
    text = """## Four journeys
**Twice.**
- There: `canvas/stage.py` → `session/session.py` → `canvas/prompt_desk.py`
**Jumps.**
- There: `canvas/tools/select.py` → `project/writer.py`
- Back: `session/project_link.py` → `window/demo/tour.py`
**By wire.**
- There: `children/host_client.py` → `worker/host.py`
"""
    assert {title: list(faults(ways)) for title, ways in journeys(text).items()} == {
        "Twice.": ["There: gui.canvas is passed twice"],
        "Jumps.": [
            "There: labeler.project.writer has nothing to do with ['labeler.gui.canvas.tools.select']",
            "Back: labeler.gui.window.demo.tour has nothing to do with ['labeler.gui.session.project_link']",
        ],
        "By wire.": [],
    }
