"""CVAT's XML as its exports are: tasks, projects, jobs and videos, with each shape and each trap."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pytest
from PIL import Image as PillowImage

from labeler.core.geometry import area, bounds
from labeler.core.records import Annotation, Box, Mask, Polygons
from labeler.errors import FormatError
from labeler.formats import spec as formats_spec
from labeler.formats.coco.coco_file import open_document
from labeler.formats.coco.coco_reading import dataset_of
from labeler.formats.cvat.cvat_format import cvat
from labeler.formats.cvat.cvat_shapes import row_runs, skeleton_of
from labeler.formats.cvat.cvat_tracks import BY_NAME, BY_NUMBER, BY_ORDER, NO_PHOTOS, photos_of
from labeler.formats.door import labels_in
from labeler.formats.report import Report
from labeler.formats.spec import Dataset

META = """<meta><task><id>5</id><name>street</name><size>2</size><mode>annotation</mode><labels>
<label><name>car</name><color>#C06060</color><type>any</type><attributes>
 <attribute><name>doors</name><mutable>False</mutable><input_type>number</input_type>
  <default_value>4</default_value><values>0
8
1</values></attribute>
 <attribute><name>parked</name><mutable>True</mutable><input_type>checkbox</input_type>
  <default_value>false</default_value><values>false</values></attribute>
 <attribute><name>make</name><mutable>False</mutable><input_type>select</input_type>
  <default_value>vw</default_value><values>vw
opel</values></attribute>
</attributes></label>
<label><name>person</name><type>skeleton</type><attributes></attributes><svg>&lt;line/&gt;</svg></label>
<label><name>nose</name><type>points</type><attributes></attributes><parent>person</parent></label>
<label><name>hand</name><type>points</type><attributes></attributes><parent>person</parent></label>
</labels></task></meta>"""


@pytest.fixture(autouse=True)
def _formats() -> Any:
    formats_spec.come_from(lambda: (cvat,))
    yield
    formats_spec.come_from(tuple)


def xml(body: str, *, meta: str = META) -> str:
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
    return f"{head}{meta}{body}</annotations>"


def image(inside: str, name: str = "a.jpg", more: str = "") -> str:
    return f'<image id="0" name="{name}" width="100" height="80" {more}>{inside}</image>'


def taken(tmp_path: Path, text: str) -> tuple[Dataset, Report]:
    path = tmp_path / "annotations.xml"
    path.write_text(text, "utf-8")
    return dataset_of(open_document(path))


def facts(one: Annotation) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(one.extra)["cvat"] if one.extra else {}
    return found


def sentences(report: Report) -> str:
    return "\n".join(map(str, report.items))


def test_a_task_with_typed_attributes_colours_and_what_else_it_says(tmp_path: Path) -> None:
    inside = """<box label="car" source="semi-auto" occluded="1" xtl="1.50" ytl="2" xbr="30.25" ybr="40"
      z_order="3" group_id="7"><attribute name="doors">4</attribute><attribute name="parked">true</attribute>
      <attribute name="make">opel</attribute></box>"""
    dataset, report = taken(tmp_path, xml(image(inside, "sub/a.jpg")))
    (one,) = dataset.annotations
    assert isinstance(one.shape, Box)
    assert (one.shape.x0, one.shape.y0, one.shape.x1, one.shape.y1) == (1.5, 2, 30.25, 40)
    assert one.attributes == {"doors": 4, "parked": True, "make": "opel"}
    assert facts(one) == {"occluded": True, "source": "semi-auto", "z_order": 3, "group_id": 7}
    assert next((c.name, c.color) for c in dataset.categories) == ("car", "#c06060")
    assert [c.key for c in dataset.categories] == ["1", "2"]  # it has colours and no keys
    assert [c.name for c in dataset.categories] == ["car", "person"]  # points of a skeleton are no labels
    assert [(i.path, i.width, i.height) for i in dataset.images] == [("sub/a.jpg", 100, 80)]
    assert report.refused == 0


def test_a_mask_is_in_row_order_in_its_crop(tmp_path: Path) -> None:
    # 3 wide, 2 high: .XX / X..
    inside = '<mask label="car" rle="1, 3, 2" left="10" top="20" width="3" height="2" z_order="0"></mask>'
    dataset, _ = taken(tmp_path, xml(image(inside)))
    (mask,) = (one.shape for one in dataset.annotations)
    assert isinstance(mask, Mask)
    assert (mask.x, mask.y) == (10, 20)
    assert mask.bits.tolist() == [[False, True, True], [True, False, False]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('rle="1, 3, 9" left="1" top="1" width="3" height="2"', "do not fit"),
        ('rle="1, 3, 4" left="1" top="1" width="3" height="2"', "8 pixels, its crop has 6"),
        ('rle="1, x" left="1" top="1" width="3" height="2"', "no whole numbers"),
        ('rle="6" left="1" top="1" width="3" height="2"', "no pixels"),
        ('rle="1" left="1" top="1" width="99999" height="99999"', "none that can be"),
        ('rle="1" left="1" top="1" width="1e400" height="2"', "number on an image"),
        ('rle="1"', "Is missing"),
    ],
)
def test_a_mask_that_is_none_is_refused_and_the_rest_taken(tmp_path: Path, given: str, said: str) -> None:
    good = '<box label="car" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    dataset, report = taken(tmp_path, xml(image(f'<mask label="car" {given}/>{good}')))
    assert len(dataset.annotations) == 1
    assert report.refused == 1
    assert said in sentences(report)
    assert "a.jpg, mask 1" in sentences(report)


def test_a_turned_box_is_an_outline(tmp_path: Path) -> None:
    inside = '<box label="car" xtl="40" ytl="30" xbr="60" ybr="40" rotation="90.00"/>'
    dataset, report = taken(tmp_path, xml(image(inside)))
    (shape,) = (one.shape for one in dataset.annotations)
    assert isinstance(shape, Polygons)
    assert np.allclose(shape.parts[0].outer, [(55, 25), (55, 45), (45, 45), (45, 25)])  # clockwise
    assert "turned box" in sentences(report)


def test_an_ellipse_is_an_outline_of_its_area(tmp_path: Path) -> None:
    inside = '<ellipse label="car" cx="50" cy="40" rx="30" ry="10" rotation="30"/>'
    dataset, _ = taken(tmp_path, xml(image(inside)))
    (shape,) = (one.shape for one in dataset.annotations)
    assert area(shape) == pytest.approx(np.pi * 300, rel=0.005)
    around = bounds(shape)
    assert around.x1 == pytest.approx(50 + np.hypot(30 * np.cos(np.pi / 6), 10 * np.sin(np.pi / 6)), abs=0.05)
    assert around.y1 == pytest.approx(40 + np.hypot(30 * np.sin(np.pi / 6), 10 * np.cos(np.pi / 6)), abs=0.05)


def test_a_skeleton_keeps_its_points_as_keypoints(tmp_path: Path) -> None:
    inside = """<skeleton label="person" z_order="0">
      <points label="hand" outside="0" occluded="1" points="30.00,60.00"></points>
      <points label="nose" outside="0" occluded="0" points="20.00,50.00"></points></skeleton>"""
    dataset, report = taken(tmp_path, xml(image(inside)))
    (one,) = dataset.annotations
    assert isinstance(one.shape, Box)
    assert bounds(one.shape).x1 == 30
    extra = msgspec.json.decode(one.extra)
    assert extra["keypoints"] == [20, 50, 2, 30, 60, 1]  # in the order of the label's points
    assert extra["num_keypoints"] == 2
    assert msgspec.json.decode(dataset.categories[1].extra)["keypoints"] == ["nose", "hand"]
    assert "skeleton" in sentences(report)


def test_tags_points_and_lines_stay_with_their_image_and_are_told(tmp_path: Path) -> None:
    inside = """<tag label="car" source="manual"><attribute name="make">vw</attribute></tag>
      <points label="car" points="1,2;3,4"/><polyline label="car" points="1,2;3,4;5,6"/>"""
    dataset, report = taken(tmp_path, xml(image(inside)))
    assert not dataset.annotations
    others = msgspec.json.decode(dataset.images[0].extra)["cvat"]["others"]
    assert [one["tag"] for one in others] == ["tag", "points", "polyline"]
    assert "tag of the whole image" in sentences(report)
    assert "no area" in sentences(report)
    assert report.refused == 0


def test_a_cuboid_is_the_outline_around_it(tmp_path: Path) -> None:
    corners = {"tl1": (10, 10), "bl1": (10, 30), "tr1": (30, 10), "br1": (30, 30)}
    corners |= {"tl2": (20, 5), "bl2": (20, 25), "tr2": (40, 5), "br2": (40, 25)}
    given = " ".join(f'x{name}="{x}" y{name}="{y}"' for name, (x, y) in corners.items())
    dataset, _ = taken(tmp_path, xml(image(f'<cuboid label="car" {given}/>')))
    (shape,) = (one.shape for one in dataset.annotations)
    around = bounds(shape)
    assert (around.x0, around.y0, around.x1, around.y1) == (10, 5, 40, 30)


def test_a_project_whose_subsets_have_the_same_names(tmp_path: Path) -> None:
    box = '<box label="label1" occluded="1" xbr="4" xtl="0" ybr="4" ytl="2" z_order="1"/>'
    body = image(box, "img0.jpg", 'subset="Train" task_id="39"') + image("", "img0.jpg", 'subset="Test"')
    meta = (
        "<meta><project><id>3</id><tasks><task><id>39</id></task></tasks><labels><label><name>label1</name>"
    )
    dataset, _ = taken(tmp_path, xml(body, meta=meta + "</label></labels></project></meta>"))
    assert [one.path for one in dataset.images] == ["Train/img0.jpg", "Test/img0.jpg"]
    assert [one.image_id for one in dataset.annotations] == [1]
    kept = msgspec.json.decode(dataset.images[0].extra)["cvat"]
    assert (kept["subset"], kept["task_id"]) == ("Train", "39")


def test_a_job_and_a_label_that_nothing_declares(tmp_path: Path) -> None:
    body = image('<box label="cat" xtl="9" ytl="9" xbr="1" ybr="1"/>')
    dataset, report = taken(tmp_path, xml(body, meta="<meta><job><id>1</id><labels></labels></job></meta>"))
    assert [one.name for one in dataset.categories] == ["cat"]
    assert bounds(dataset.annotations[0].shape).x0 == 1  # corners the other way round
    assert "does not declare" in sentences(report)


VIDEO = """<meta><task><size>4</size><mode>interpolation</mode><start_frame>10</start_frame>
<frame_filter>step=3</frame_filter><labels><label><name>II</name></label><label><name>p</name>
<type>skeleton</type></label></labels><original_size><width>100</width><height>80</height></original_size>
</task></meta>"""
TRACK = """<track id="4" label="II" source="manual">
<box frame="10" outside="0" occluded="1" keyframe="1" xtl="0" ytl="10" xbr="10" ybr="20" z_order="2"/>
<box frame="19" outside="0" occluded="0" keyframe="1" xtl="30" ytl="10" xbr="40" ybr="20" z_order="2"/>
<box frame="22" outside="1" occluded="0" keyframe="1" xtl="30" ytl="10" xbr="40" ybr="20" z_order="2"/>
</track>"""


def test_tracks_come_in_as_frames(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for frame in (10, 13, 16, 19):
        PillowImage.new("RGB", (100, 80)).save(tmp_path / "images" / f"frame_{frame:06d}.PNG")
    dataset, report = taken(tmp_path, xml(TRACK, meta=VIDEO))
    where = {one.id: one.path for one in dataset.images}
    found = sorted((where[one.image_id], bounds(one.shape).x0) for one in dataset.annotations)
    assert found == [
        (f"images/frame_{frame:06d}.PNG", x) for frame, x in ((10, 0), (13, 10), (16, 20), (19, 30))
    ]
    assert {facts(one)["track_id"] for one in dataset.annotations} == {"4"}
    assert [facts(one)["keyframe"] for one in dataset.annotations] == [True, False, False, True]
    assert "single objects on its frames" in sentences(report)
    assert "photos of their names" in sentences(report)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a_10.png", "a_13.png", "a_16.png", "a_19.png", "b_99.png"), "end in their numbers"),
        (("a.png", "b.png", "c.png", "d.png"), "the order of their names"),
        ((), "have no photos"),
    ],
)
def test_frames_are_matched_with_photos(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    for name in names:
        PillowImage.new("RGB", (100, 80)).save(tmp_path / name)
    dataset, report = taken(tmp_path, xml(TRACK, meta=VIDEO))
    wanted = names[:4] or tuple(f"frame_{frame:06d}.png" for frame in (10, 13, 16, 19))
    assert tuple(one.path for one in dataset.images) == wanted
    assert said in sentences(report)


def test_outlines_of_as_many_corners_move_evenly_and_others_stay(tmp_path: Path) -> None:
    def track(second: str) -> str:
        at = 'outside="0" occluded="0" keyframe="1"'
        return (
            f'<track id="0" label="II"><polygon frame="10" {at} points="0,0;10,0;10,10"/>'
            f'<polygon frame="16" {at} points="{second}"/></track>'
        )

    dataset, _ = taken(tmp_path, xml(track("20,0;30,0;30,10") + track("0,0;9,0;9,9;0,9"), meta=VIDEO))
    middle = [
        one.shape for one in dataset.annotations if dataset.images[one.image_id - 1].path.endswith("13.png")
    ]
    assert [bounds(shape).x0 for shape in middle] == [10, 0]


def test_a_skeleton_track_has_its_points_in_tracks_inside_it(tmp_path: Path) -> None:
    at = 'outside="0" occluded="0" keyframe="1" z_order="0"'
    inner = "".join(
        f'<track id="{n}" label="{n}"><points frame="10" {at} points="{10 * n},{20 * n}"/></track>'
        for n in (1, 2)
    )
    body = f'<track id="3" label="p"><skeleton frame="10" {at} points="10,20"/>{inner}</track>'
    dataset, report = taken(tmp_path, xml(body, meta=VIDEO))
    (one,) = dataset.annotations
    assert msgspec.json.decode(one.extra)["keypoints"] == [10, 20, 2, 20, 40, 2]
    assert report.refused == 0


def test_a_track_without_end_is_refused_at_once(tmp_path: Path) -> None:
    body = TRACK.replace('frame="19"', 'frame="190000000019"').replace('frame="22"', 'frame="190000000022"')
    dataset, report = taken(tmp_path, xml(body, meta=VIDEO))
    assert len(dataset.annotations) == 1
    assert "1000000" in sentences(report)


def test_videos_of_two_tasks_are_not_laid_over_one_another(tmp_path: Path) -> None:
    body = "".join(TRACK.replace("<track", f'<track task_id="{task}"') for task in (7, 8, 7))
    dataset, report = taken(tmp_path, xml(body, meta=VIDEO))
    assert len(dataset.annotations) == 8
    assert report.refused == 1
    assert "another task" in sentences(report)


def test_an_image_that_is_there_twice_is_one_and_told(tmp_path: Path) -> None:
    box = '<box label="car" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    dataset, report = taken(tmp_path, xml(image(box) + image(box.replace("9", "8"))))
    assert len(dataset.images) == 1
    assert len(dataset.annotations) == 2
    assert "twice" in sentences(report)


def test_a_folder_is_an_export_with_its_photos(tmp_path: Path) -> None:
    box = '<box label="car" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    (tmp_path / "annotations.xml").write_text(xml(image(box)), "utf-8")
    (tmp_path / "images").mkdir()
    PillowImage.new("RGB", (100, 80)).save(tmp_path / "images" / "a.jpg")
    (labels,) = labels_in(tmp_path)
    assert len(dataset_of(open_document(labels))[0].annotations) == 1


# --- bad files ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (xml(image('<box label="car" xtl="1"'))[:-40], "ends in the middle"),
        ("<annotations><image name='a'></annotations>", "mismatched tag at line 1"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotations><meta/>&x;</annotations>', "declares entities"),
        ("<annotations><meta/>" + "<a>" * 200_000, "ends in the middle"),
    ],
)
def test_a_file_that_is_no_xml_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FormatError, match=said) as raised:
        taken(tmp_path, text)
    assert "\n" not in str(raised.value)


def test_a_million_elements_inside_one_another_are_no_harm(tmp_path: Path) -> None:
    deep = "<a>" * 1_000_000 + "</a>" * 1_000_000
    dataset, report = taken(tmp_path, xml(image(deep)))
    assert not dataset.annotations
    assert report.refused == 1


@pytest.mark.parametrize("wrong", ["", "x", "nan", "inf", "1e999", "-1e308"])
def test_a_number_that_is_none_is_one_refusal(tmp_path: Path, wrong: str) -> None:
    good = '<box label="car" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    bad = f'<box label="car" xtl="{wrong}" ytl="1" xbr="9" ybr="9"/>'
    bad += f'<polygon label="car" points="1,1;{wrong},2;3,9"/>'
    bad += f'<ellipse label="car" cx="{wrong}" cy="2" rx="3" ry="4"/>'
    dataset, report = taken(tmp_path, xml(image(bad + good)))
    assert len(dataset.annotations) == 1
    assert report.tallies["annotations"].refused == 3
    assert report.tallies["annotations"].total == 4


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1251"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    text = xml(image('<box label="кошка" xtl="1" ytl="1" xbr="9" ybr="9"/>'), meta="<meta/>")
    text = text.removeprefix('<?xml version="1.0" encoding="utf-8"?>\n')
    path = tmp_path / "annotations.xml"
    path.write_bytes(text.encode(encoding))
    dataset, _ = dataset_of(open_document(path, encoding="cp1251" if encoding == "cp1251" else ""))
    assert [one.name for one in dataset.categories] == ["кошка"]


def test_another_xml_is_not_taken_for_cvat(tmp_path: Path) -> None:
    path = tmp_path / "voc.xml"
    path.write_text("<annotation><folder/><filename>a.jpg</filename></annotation>")
    with pytest.raises(FormatError):
        open_document(path)


@pytest.mark.parametrize(
    ("points", "box"),
    [
        (((3, 4), (3, 9)), (2.5, 4, 3.5, 9)),  # of no width
        (((3, 4), (3.9, 4.9)), (2.5, 3.5, 4.4, 5.4)),
        (((3, 4), (4, 5)), (3, 4, 4, 5)),  # a pixel is enough
        (((7, 8), (3, 2)), (3, 2, 7, 8)),
    ],
)
def test_the_box_of_a_skeleton_is_half_a_pixel_wider_where_it_has_no_extent(points, box) -> None:
    inside = "".join(f'<points label="{n}" outside="0" points="{x},{y}"/>' for n, (x, y) in enumerate(points))
    found = skeleton_of(ET.fromstring(f"<skeleton>{inside}</skeleton>"), [])
    shape = found.shape
    assert isinstance(shape, Box)
    assert (shape.x0, shape.y0, shape.x1, shape.y1) == pytest.approx(box)


@pytest.mark.parametrize(
    ("bits", "runs"),
    [([[1, 0]], [0, 1, 1]), ([[0, 1], [1, 1]], [1, 3]), ([[1, 1]], [0, 2]), ([[0]], [1]), ([[]], [0])],
)
def test_runs_begin_with_the_background(bits, runs) -> None:
    assert row_runs(np.array(bits, dtype=bool)) == runs


@pytest.mark.parametrize(
    ("frames", "photos", "found", "how"),
    [
        ((0, 2), ("frame_000000.png", "x.png"), {0: "frame_000000.png", 2: "frame_000002.png"}, BY_NAME),
        ((1, 2), ("p2.png", "p1.png"), {1: "p1.png", 2: "p2.png"}, BY_NUMBER),
        ((4, 8), ("a.png", "b.png"), {4: "a.png", 8: "b.png"}, BY_ORDER),
        # one photo too few, and one too early
        ((4, 12), ("a.png", "b.png"), {4: "frame_000004.png", 12: "frame_000012.png"}, NO_PHOTOS),
        ((0, 4), ("a.png", "b.png"), {0: "frame_000000.png", 4: "frame_000004.png"}, NO_PHOTOS),
    ],
)
def test_the_photos_of_frames_by_name_by_number_and_by_order(frames, photos, found, how) -> None:
    there = {Path(name).stem: name for name in photos}
    assert photos_of(frames, start=4, step=4, find=there.get, photos=photos) == (found, how)
