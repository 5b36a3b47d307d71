"""CVAT's XML out and in again: what was fitted comes back, and what only CVAT says as well."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image as PillowImage

from labeler.core.geometry import resized, translated
from labeler.core.records import Annotation, Box, Category, Image, Part, Polygons
from labeler.formats.cvat.cvat_format import cvat
from labeler.formats.cvat.cvat_reading import read
from labeler.formats.cvat.turned_shapes import as_ellipse, as_turned_box, ellipse, turned_box
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.spec import Dataset, Source
from tests.cli.typed import labeler
from tests.formats.cvat.test_cvat_reading import META, TRACK, VIDEO, image, xml


def again(tmp_path: Path, text: str) -> tuple[Dataset, ET.Element]:
    """What is read of a text is written, and read as XML."""
    source = tmp_path / "in.xml"
    source.write_text(text, "utf-8")
    dataset = read(Source(source)).dataset
    out = tmp_path / "out.xml"
    write_data_set(cvat, Wanted(dataset, out))
    return dataset, ET.parse(out).getroot()


SHAPES = [
    (
        '<box label="car" source="auto" occluded="1" xtl="1.5" ytl="2" xbr="30" ybr="40" z_order="1">'
        '<attribute name="doors">4</attribute><attribute name="parked">true</attribute></box>'
    ),
    '<box label="car" xtl="40" ytl="30" xbr="60" ybr="40" rotation="33.25" z_order="1"/>',
    '<ellipse label="car" cx="50" cy="40" rx="20" ry="10" rotation="30.5" z_order="1"/>',
    '<ellipse label="car" cx="50" cy="40" rx="5" ry="10" z_order="1"/>',
    '<polygon label="car" points="1,2;30.5,2;30.5,40.25" z_order="2"/>',
    '<mask label="car" rle="0, 1, 1, 1" left="10" top="20" width="3" height="1" z_order="2"/>',
    (
        '<skeleton label="person" z_order="5"><points label="nose" outside="0" occluded="0" points="20,50"/>'
        '<points label="hand" outside="1" occluded="0" points="30,60"/></skeleton>'
    ),
    '<tag label="car" source="manual"><attribute name="make">vw</attribute></tag>',
    '<polyline label="car" points="1,2;3,4" occluded="0"/>',
    '<points label="car" points="1,2;3,4" occluded="0"/>',
]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_written_as_it_was(tmp_path: Path, shape: str) -> None:
    _, root = again(tmp_path, xml(image(shape)))
    before = ET.fromstring(shape)
    (after,) = [child for child in root.find("image") or () if child.tag == before.tag]
    for name, text in before.attrib.items():
        assert after.get(name) is not None, name
        assert _numbers(after.get(name, "")) == _numbers(text), name
    assert [(one.get("name"), one.text) for one in after.iter("attribute")] == [
        (one.get("name"), one.text) for one in before.iter("attribute")
    ]
    assert [one.attrib for one in after.findall("points")] == [one.attrib for one in before.findall("points")]


def _numbers(text: str) -> object:
    try:
        return [round(float(number), 4) for number in text.replace(";", ",").split(",")]
    except ValueError:
        return text


def test_labels_are_declared_with_colours_types_and_points(tmp_path: Path) -> None:
    _, root = again(tmp_path, xml(image(SHAPES[6])))
    labels = {label.findtext("name"): label for label in root.iter("label")}
    assert list(labels) == ["car", "person", "nose", "hand"]
    assert labels["car"].findtext("color") == "#c06060"
    assert labels["person"].findtext("type") == "skeleton"
    assert labels["person"].findtext("svg") == "<line/>"
    assert labels["nose"].findtext("parent") == "person"
    types = [(one.findtext("name"), one.findtext("input_type")) for one in labels["car"].iter("attribute")]
    assert types == [("doors", "number"), ("parked", "checkbox"), ("make", "select")]
    assert labels["car"].findall(".//values")[2].text == "vw\nopel"


def test_attributes_that_nobody_declared_are_declared_by_their_values(tmp_path: Path) -> None:
    values = {"big": True, "count": 3, "share": 0.25, "said": 'a <b> & "c"\n\x01', "list": [1, 2]}
    one = Annotation(1, 1, 1, Box(1, 1, 9, 9), attributes=values)
    dataset = Dataset((Image(1, 'a "&" <b>.jpg', 20, 20),), (Category(1, "cat", "#ff0000"),), (one,))
    out = tmp_path / "out.xml"
    write_data_set(cvat, Wanted(dataset, out))
    back = read(Source(out)).dataset
    assert back.images[0].path == 'a "&" <b>.jpg'
    wanted = {**values, "said": 'a <b> & "c"\n\ufffd', "list": "[1,2]"}
    assert back.annotations[0].attributes == wanted


def test_paint_order_is_the_order_of_the_objects(tmp_path: Path) -> None:
    orders = [2, None, 1, 5, None]
    objects = [
        Annotation(
            n,
            1,
            1,
            Box(n, 1, 20, 9),
            extra=b"" if z is None else msgspec.json.encode({"cvat": {"z_order": z}}),
        )
        for n, z in enumerate(orders, 1)
    ]
    dataset = Dataset((Image(1, "a.jpg", 20, 20),), (Category(1, "cat", ""),), tuple(objects))
    out = tmp_path / "out.xml"
    write_data_set(cvat, Wanted(dataset, out))
    boxes = ET.parse(out).getroot().findall("image/box")
    assert [box.get("xtl") for box in boxes] == ["1", "2", "3", "4", "5"]
    assert [box.get("z_order") for box in boxes] == ["2", "2", "2", "5", "5"]


def test_frames_of_a_track_keep_its_number(tmp_path: Path) -> None:
    _, root = again(tmp_path, xml(TRACK, meta=VIDEO))
    assert [one.get("id") for one in root.findall("image")] == ["10", "13", "16", "19"]
    assert [one.get("track_id") for one in root.iter("box")] == ["4"] * 4
    assert [one.get("keyframe") for one in root.iter("box")] == ["true", "false", "false", "true"]


def test_the_same_project_gives_the_same_bytes(tmp_path: Path) -> None:
    again(tmp_path, xml(image("".join(SHAPES)), meta=META))
    first = (tmp_path / "out.xml").read_bytes()
    (tmp_path / "out.xml").unlink()
    again(tmp_path, xml(image("".join(SHAPES)), meta=META))
    assert (tmp_path / "out.xml").read_bytes() == first


def test_an_export_with_photos_is_read_again_by_the_command_line(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    PillowImage.new("RGB", (100, 80)).save(photos / "a.jpg")
    (photos / "annotations.xml").write_text(xml(image("".join(SHAPES))), "utf-8")
    project, out, back = tmp_path / "p.labeler", tmp_path / "out", tmp_path / "back.json"
    done = labeler("import", photos, project)
    assert done.returncode == 0, done.stderr
    assert "turned box" in done.stdout + done.stderr
    assert labeler("export", project, out, "--format", "cvat", "--photos", "copy").returncode == 0
    assert (out / "images" / "a.jpg").is_file()
    assert ET.parse(out / "annotations.xml").getroot().find("image/ellipse") is not None
    assert labeler("convert", out / "annotations.xml", back, "--to", "coco").returncode == 0
    assert len(json.loads(back.read_text("utf-8"))["annotations"]) == 7


def test_keys_of_others_are_told_and_left_out(tmp_path: Path) -> None:
    one = Annotation(1, 1, 1, Box(1, 1, 9, 9), extra=b'{"keypoints":[1,1,2],"num_keypoints":1,"mood":"sad"}')
    dataset = Dataset((Image(1, "a.jpg", 20, 20),), (Category(1, "cat", ""),), (one,))
    written = write_data_set(cvat, Wanted(dataset, tmp_path / "out.xml"))
    assert "“keypoints”, “mood”" in "\n".join(map(str, written.report.items))


# --- turned boxes and ellipses ------------------------------------------------------------------------
NUMBERS = st.floats(-1000, 1000, width=32)
SIDES = st.floats(1, 1000, width=32)
ANGLES = st.floats(0, 359.5, width=32)


@given(NUMBERS, NUMBERS, SIDES, SIDES, ANGLES)
@settings(deadline=None)
def test_a_turned_box_is_read_off_its_corners(x: float, y: float, w: float, h: float, angle: float) -> None:
    found = as_turned_box(translated(turned_box(Box(x, y, x + w, y + h), angle), 3, -4))
    assert found is not None
    box, back = found
    assert np.allclose((box.x0, box.y0, box.x1, box.y1), (x + 3, y - 4, x + w + 3, y + h - 4), atol=1e-6)
    assert abs((back - angle + 180) % 360 - 180) < 1e-6


@given(NUMBERS, NUMBERS, SIDES, SIDES, ANGLES)
@settings(deadline=None)
def test_an_ellipse_is_read_off_its_corners(x: float, y: float, rx: float, ry: float, angle: float) -> None:
    found = as_ellipse(translated(ellipse(x, y, rx, ry, angle), 3, -4))
    assert found is not None
    assert np.allclose(found[:4], (x + 3, y - 4, rx, ry), atol=1e-4)
    assert abs((found[4] - angle + 180) % 360 - 180) < 1e-3


def test_an_ellipse_that_was_scaled_is_one_and_one_that_was_reshaped_is_none() -> None:
    turned = ellipse(50, 40, 20, 10, 30)
    wide = resized(turned, Box(0, 0, 100, 100), Box(0, 0, 200, 100))
    found = as_ellipse(wide)
    assert found is not None
    near = ellipse(*found)
    ring, other = wide.parts[0].outer, near.parts[0].outer
    assert np.allclose(other.max(axis=0), ring.max(axis=0), atol=0.1)
    moved = ring.copy()
    moved[0] += 1
    assert as_ellipse(Polygons((Part(moved),))) is None
    assert as_turned_box(Polygons((Part(np.array([(0.0, 0), (10, 0), (11, 9), (0, 9)])),))) is None
    assert as_ellipse(replace(turned, parts=(*turned.parts, *turned.parts))) is None
