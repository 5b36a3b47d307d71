"""The skeleton of a pose: it comes back where a format has a place for it, and is told where not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as Picture

from labeler.core.records import Annotation, Box, Category, Image
from labeler.formats import fitting, spec
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.door import format_named
from labeler.formats.gates import unpacked
from labeler.formats.placement import read_placed_coco
from labeler.formats.spec import Dataset
from labeler.registry import discover

SVG = """
<line x1="40" y1="10" x2="20" y2="60" data-type="edge" data-node-from="1" data-node-to="2"></line>
<circle r="1.5" cx="40" cy="10" data-type="element node" data-node-id="1" data-label-name="nose"></circle>
<circle r="1.5" cx="20" cy="60" data-type="element node" data-node-id="2" data-label-name="hand"></circle>
"""
META = """<meta><task><labels><label><name>person</name><type>skeleton</type><svg>{}</svg></label>
<label><name>hand</name><type>points</type><parent>person</parent></label>
<label><name>nose</name><type>points</type><parent>person</parent></label></labels></task></meta>"""
OBJECT = """<image id="0" name="p.png" width="40" height="30"><skeleton label="person">
<points label="nose" points="10,10"/><points label="hand" points="20,20"/></skeleton></image>"""


@pytest.fixture(autouse=True)
def _shipped() -> Iterator[None]:
    spec.come_from(lambda: discover(safe_mode=True).formats)
    yield
    spec.come_from(tuple)


def pose() -> Dataset:
    extra = b'{"keypoints":["nose","hand"],"skeleton":[[1,2]]}'
    points = b'{"keypoints":[10,10,2,20,20,2],"num_keypoints":2}'
    return Dataset(
        (Image(1, "p.png", 40, 30, file_id=1),),
        (Category(1, "person", "", file_id=1, extra=extra),),
        (Annotation(1, 1, 1, Box(5, 5, 25, 25), file_id=1, extra=points),),
    )


def test_lines_between_points_of_cvat_are_those_of_coco(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    svg = SVG.replace("<", "&lt;").replace(">", "&gt;")
    path.write_text(f"<annotations><version>1.1</version>{META.format(svg)}{OBJECT}</annotations>")
    Picture.new("RGB", (40, 30)).save(tmp_path / "p.png")
    dataset, _, _ = read_placed_coco(path)
    kept = unpacked(dataset.categories[0].extra)
    assert json.loads(bytes(kept["keypoints"])) == ["hand", "nose"]
    assert json.loads(bytes(kept["skeleton"])) == [[2, 1]]
    written = write_data_set(format_named("cvat"), Wanted(dataset, tmp_path / "again.xml"))
    assert not [note for note in written.report.items if note.field == "skeleton"]
    assert "data-node-from" in (tmp_path / "again.xml").read_text()


@pytest.mark.parametrize(
    "svg", ["", "&lt;line/&gt;", "&lt;line data-node-from='1' data-node-to='9'&gt;", "nonsense"]
)
def test_a_picture_that_says_nothing_is_no_skeleton(svg: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(f"<annotations><version>1.1</version>{META.format(svg)}{OBJECT}</annotations>")
    dataset, _, _ = read_placed_coco(path)
    assert "skeleton" not in unpacked(dataset.categories[0].extra)


@pytest.mark.parametrize(
    "name", [one.id for one in discover(safe_mode=True).formats if one.write is not None]
)
def test_a_skeleton_comes_back_or_is_told(name: str, tmp_path: Path) -> None:
    chosen = format_named(name)
    Picture.new("RGB", (40, 30)).save(tmp_path / "p.png")
    out = tmp_path / "out" if chosen.folder or name == "coco" else tmp_path / f"out{chosen.suffixes[0]}"
    photos = "copied" if chosen.folder or name == "coco" else "left"
    report = write_data_set(chosen, Wanted(pose(), out, {1: tmp_path / "p.png"}, photos=photos)).report
    told = [note.sentence for note in report.items if note.field == "skeleton"]
    back = read_placed_coco(next(out.glob("**/*.json")) if name == "coco" else out)[0]
    if any(b"skeleton" in one.extra for one in back.categories):
        assert not told
        assert json.loads(bytes(unpacked(back.categories[0].extra)["skeleton"])) == [[1, 2]]
    else:
        assert told == [fitting.SKELETON.format("person")]
