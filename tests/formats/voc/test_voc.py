"""Pascal VOC: what goes out comes back, each trap of other makers' files, and files that are none."""

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image as PillowImage

from labeler.core.records import Annotation, Box, Category, Image, Polygons
from labeler.errors import FormatError
from labeler.formats import spec as formats_spec
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.door import read_by
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import Report
from labeler.formats.spec import Dataset, Reading
from labeler.formats.voc.voc_format import voc
from labeler.formats.voc.voc_objects import ROUNDED
from labeler.formats.voc.voc_reading import FROM_ONE, sniff
from labeler.formats.voc.xml_text import checked_tree
from tests.formats.round_trip_law import agree, came_back, datasets

BOX = "<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>30</xmax><ymax>45</ymax></bndbox>"
REAL = """<annotation>
	<folder>JPEGImages</folder>
	<filename>BloodImage_00117.jpg</filename>
	<path>/somewhere/else/JPEGImages/BloodImage_00117.jpg</path>
	<source>
		<database>Unknown</database>
	</source>
	<size>
		<width>640</width>
		<height>480</height>
		<depth>3</depth>
	</size>
	<segmented>0</segmented>
	<object>
		<name>RBC</name>
		<pose>Unspecified</pose>
		<truncated>1</truncated>
		<difficult>0</difficult>
		<bndbox>
			<xmin>426</xmin>
			<ymin>383</ymin>
			<xmax>528</xmax>
			<ymax>480</ymax>
		</bndbox>
	</object>
</annotation>
"""
OFFICIAL = """<annotation><folder>VOC2012</folder><filename>2007_000129.jpg</filename>
<source><database>The VOC2007 Database</database><annotation>PASCAL VOC2007</annotation><image>flickr</image>
</source><size><width>334</width><height>500</height><depth>3</depth></size><segmented>1</segmented>
<object><name>person</name><pose>Left</pose><truncated>1</truncated><difficult>1</difficult>
<bndbox><ymax>480</ymax><xmin>1</xmin><xmax>334</xmax><ymin>45.70000076293945</ymin></bndbox>
<part><name>head</name><bndbox><xmin>66</xmin><ymin>1</ymin><xmax>108</xmax><ymax>57</ymax></bndbox></part>
<actions><jumping>0</jumping><walking>1</walking></actions></object></annotation>
"""


def plain(objects: str = f"<object><name>cat</name>{BOX}</object>", head: str = "") -> str:
    size = "<size><width>100</width><height>80</height><depth>3</depth></size>"
    return f"<annotation><filename>a.jpg</filename>{head or size}{objects}</annotation>"


def folder_of(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def photo(path: Path, size: tuple[int, int] = (100, 80)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", size).save(path)


def read(path: Path) -> Reading:
    return read_by(voc, path)


def corners(annotation: Annotation) -> tuple[float, ...]:
    box = annotation.shape
    assert isinstance(box, Box)
    return box.x0, box.y0, box.x1, box.y1


def checked(path: Path) -> tuple[Dataset, Report]:
    """Through the gates, as an import takes it."""
    formats_spec.come_from(lambda: (voc,))
    try:
        dataset, report, _ = read_placed_coco(path, source_format="voc")
    finally:
        formats_spec.come_from(tuple)
    return dataset, report


# --- what goes out comes back -------------------------------------------------------------------------
@settings(max_examples=40, deadline=None)
@given(datasets(), st.sampled_from(("copied", "left")), st.booleans())
def test_what_is_written_is_read_again(dataset: Dataset, photos: str, parted: bool) -> None:
    parts = {image.id: ("val", "train")[image.id % 2] for image in dataset.images} if parted else {}
    back, report, held = came_back(voc, dataset, photos=photos, parts=parts)
    agree(back, held, within=0)
    assert report.refused == 0
    assert len(back.images) == len(dataset.images)
    assert {one.name for one in back.categories} == {one.name for one in dataset.categories}


VALUES = st.one_of(st.booleans(), st.integers(-5, 5), st.text(max_size=6), st.none(), st.floats(0, 1))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(("truncated", "difficult", "occluded", "pose")), st.text(max_size=5)),
        VALUES,
        max_size=5,
    ),
    st.text(min_size=1, max_size=6).filter(str.strip),
)
def test_attributes_names_and_foreign_keys_come_back_exactly(
    attributes: dict[str, object], name: str
) -> None:
    extra = msgspec.json.encode({"keypoints": [1, 2, 2], "note": name})
    one = Annotation(1, 1, 1, Box(1, 2, 10.125, 20), attributes=attributes, extra=extra)
    dataset = Dataset((Image(1, "a.png", 64, 48),), (Category(1, name, ""),), (one,))
    back, _, _ = came_back(voc, dataset)
    (again,) = back.annotations
    assert again.attributes == attributes
    assert msgspec.json.decode(again.extra) == msgspec.json.decode(extra)
    assert [category.name for category in back.categories if category.id == again.category_id] == [name]


def written(dataset: Dataset, out: Path) -> Report:
    return write_data_set(voc, Wanted(dataset, out)).report


def test_numbers_are_whole_for_loaders_that_call_int_and_the_exact_ones_stand_beside(tmp_path: Path) -> None:
    box = Box(1.25, 2.5, 2.0, 9.75)
    dataset = Dataset((Image(1, "a.png", 64, 48),), (Category(1, "cat", ""),), (Annotation(1, 1, 1, box),))
    report = written(dataset, tmp_path / "out")
    text = (tmp_path / "out/Annotations/a.xml").read_text("utf-8")
    assert "<xmin>1</xmin>" in text
    assert "<xmax>2</xmax>" in text
    assert "<ymax>10</ymax>" in text
    assert ROUNDED in {note.sentence for note in report.items}
    assert corners(read(tmp_path / "out").dataset.annotations[0]) == (1.25, 2.5, 2.0, 9.75)
    # another program moves the box: then its numbers count
    (tmp_path / "out/Annotations/a.xml").write_text(text.replace("<xmax>2<", "<xmax>7<"), "utf-8")
    assert corners(read(tmp_path / "out").dataset.annotations[0]) == (1, 3, 7, 10)


def test_the_same_data_set_is_the_same_bytes(tmp_path: Path) -> None:
    dataset = read(folder_of(tmp_path / "in", {"a.xml": OFFICIAL})).dataset
    for name in ("one", "two"):
        written(dataset, tmp_path / name)
    files = [
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()}
        for n in ("one", "two")
    ]
    assert files[0] == files[1]


# --- other makers' files ------------------------------------------------------------------------------
def test_numbers_of_labelimg_are_edges_from_0(tmp_path: Path) -> None:
    found = read(folder_of(tmp_path, {"BloodImage_00117.xml": REAL}))
    (one,) = found.dataset.annotations
    assert corners(one) == (426, 383, 528, 480)
    assert one.attributes == {"truncated": True}
    assert found.dataset.images[0] == Image(1, "BloodImage_00117.jpg", 640, 480)
    assert not found.notes
    assert found.at(0) == "BloodImage_00117.xml:object[1]"


def test_the_official_files_count_pixels_from_1_and_are_given_back_so(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", {"Annotations/2007_000129.xml": OFFICIAL})
    found = read(source)
    (one,) = found.dataset.annotations
    assert corners(one) == pytest.approx((0, 44.7, 334, 480), abs=1e-4)
    assert one.attributes == {"truncated": True, "difficult": True, "pose": "Left"}
    assert [note.sentence for note in found.notes] == [FROM_ONE]
    written(found.dataset, tmp_path / "out")
    text = (tmp_path / "out/Annotations/2007_000129.xml").read_text("utf-8")
    assert "The VOC2007 Database" in text
    for line in ("<xmin>66</xmin>", "<xmax>108</xmax>", "<walking>1</walking>", "<xmin>1</xmin>"):
        assert line in text
    again = read(tmp_path / "out").dataset.annotations[0]
    assert again == one


def test_parts_of_an_object_that_was_moved_since_are_not_left_behind(tmp_path: Path) -> None:
    found = read(folder_of(tmp_path / "in", {"a.xml": OFFICIAL})).dataset
    moved = replace(found, annotations=(replace(found.annotations[0], shape=Box(3, 50, 90, 120)),))
    written(moved, tmp_path / "out")
    text = (tmp_path / "out/Annotations/2007_000129.xml").read_text("utf-8")
    assert "<part>" not in text
    assert "<walking>1</walking>" in text


ORDERS = {
    "any": (
        "<object><bndbox><ymax>45.5</ymax><xmax>30</xmax><xmin>1e1</xmin><ymin> 20 </ymin></bndbox></object>",
        (10, 20, 30, 45.5),
    ),
    "turned": (
        "<object><bndbox><xmin>30</xmin><ymin>45</ymin><xmax>10</xmax><ymax>20</ymax></bndbox></object>",
        (10, 20, 30, 45),
    ),
}


@pytest.mark.parametrize(("objects", "expected"), ORDERS.values(), ids=ORDERS)
def test_children_stand_in_any_order(objects: str, expected: tuple[float, ...], tmp_path: Path) -> None:
    objects = objects.replace("</object>", "<name>\n  cat\n</name></object>")
    found = read(folder_of(tmp_path, {"a.xml": plain(objects)})).dataset
    assert corners(found.annotations[0]) == expected
    assert found.categories[0].name == "cat"


def test_outlines_of_roboflow_labelme_and_rolabelimg_are_outlines(tmp_path: Path) -> None:
    roboflow = "<polygon><x1>10</x1><y1>20</y1><x2>30</x2><y2>20</y2><x3>30</x3><y3>45</y3></polygon>"
    labelme = (
        "<deleted>0</deleted><polygon><username>me</username><pt><x>1</x><y>2</y></pt>"
        "<pt><x>9</x><y>2</y></pt><pt><x>9</x><y>7</y></pt></polygon>"
    )
    turned = "<robndbox><cx>50</cx><cy>40</cy><w>20</w><h>10</h><angle>1.5707963267948966</angle></robndbox>"
    objects = "".join(
        f"<object><name>{name}</name>{inner}</object>"
        for name, inner in (("a", BOX + roboflow), ("b", labelme), ("c", turned))
    )
    gone = "<object><name>d</name><deleted>1</deleted></object>"
    found = read(folder_of(tmp_path, {"a.xml": plain(objects + gone)})).dataset
    first, second, third = (one.shape for one in found.annotations)
    assert isinstance(first, Polygons)
    assert first.parts[0].outer.tolist() == [[10, 20], [30, 20], [30, 45]]
    assert isinstance(second, Polygons)
    assert len(second.parts[0].outer) == 3
    assert isinstance(third, Polygons)
    assert np.allclose(third.parts[0].outer.min(axis=0), (45, 30))
    assert np.allclose(third.parts[0].outer.max(axis=0), (55, 50))


def test_attributes_of_cvat(tmp_path: Path) -> None:
    inner = (
        "<occluded>1</occluded><attributes><attribute><name>colour</name><value>red</value></attribute>"
        "<attribute><name>age</name><value>3</value></attribute></attributes>"
    )
    found = read(folder_of(tmp_path, {"a.xml": plain(f"<object><name>cat</name>{BOX}{inner}</object>")}))
    assert found.dataset.annotations[0].attributes == {"occluded": True, "colour": "red", "age": "3"}


@pytest.mark.parametrize("name", ["a", "a.png", "C:\\Users\\me\\pictures\\a.jpg", "", "other.jpg"])
def test_the_photo_is_found_whatever_filename_says(name: str, tmp_path: Path) -> None:
    text = plain(head="<size><width>0</width></size>").replace("a.jpg", name)
    folder_of(tmp_path, {"Annotations/a.xml": text})
    photo(tmp_path / "JPEGImages/a.jpg", (50, 60))
    photo(tmp_path / "JPEGImages/other.jpg", (7, 7))
    photo(tmp_path / "SegmentationClass/a.png", (50, 60))
    (image,) = read(tmp_path).dataset.images
    assert (image.path, image.width, image.height) == ("JPEGImages/a.jpg", 50, 60)


def test_photos_of_one_name_in_parts_are_told_apart(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        folder_of(tmp_path, {f"{part}/a.xml": plain()})
        photo(tmp_path / f"{part}/a.jpg")
    assert [image.path for image in read(tmp_path).dataset.images] == ["train/a.jpg", "valid/a.jpg"]


def test_copied_names_of_photos_that_are_not_there_do_not_run_together(tmp_path: Path) -> None:
    folder_of(tmp_path, {"1.xml": plain(), "2.xml": plain()})
    assert [image.path for image in read(tmp_path).dataset.images] == ["a.jpg", "2.jpg"]


def test_lists_part_a_data_set_and_come_back(tmp_path: Path) -> None:
    files = {f"Annotations/{name}.xml": plain().replace("a.jpg", f"{name}.jpg") for name in "ab"}
    lists = {"train": "a\n", "val": "b\nc\n", "trainval": "a\nb\nc\n", "cat_train": "a  1\n"}
    folder_of(tmp_path / "in", files | {f"ImageSets/Main/{name}.txt": text for name, text in lists.items()})
    for name in "abc":
        photo(tmp_path / f"in/JPEGImages/{name}.jpg")
    found = read(tmp_path / "in").dataset
    assert [image.path for image in found.images] == [f"JPEGImages/{name}.jpg" for name in "abc"]
    assert (found.images[2].width, found.images[2].height) == (100, 80)
    written(found, tmp_path / "out")
    again = {path.name: path.read_text() for path in (tmp_path / "out/ImageSets/Main").iterdir()}
    assert again == {"train.txt": "a\n", "val.txt": "b\nc\n", "trainval.txt": "a\nb\nc\n"}


def test_a_labelmap_orders_and_colours_the_categories(tmp_path: Path) -> None:
    text = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ndog:1,2,3::\nan:odd:name:4,5,6:head,hand:\n"
    folder_of(tmp_path, {"labelmap.txt": text, "Annotations/a.xml": plain()})
    found = read(tmp_path).dataset.categories
    assert [(one.name, one.color) for one in found] == [
        ("dog", "#010203"),
        ("an:odd:name", "#040506"),
        ("cat", ""),
    ]


def test_one_file_is_read_alone(tmp_path: Path) -> None:
    folder_of(tmp_path, {"Annotations/a.xml": plain(), "Annotations/b.xml": plain()})
    assert len(read(tmp_path / "Annotations/a.xml").dataset.annotations) == 1


# --- files that are none, or damaged ------------------------------------------------------------------
BAD_OBJECTS = {
    "no-box": "<object><name>cat</name></object>",
    "three-corners": "<object><name>cat</name><bndbox><xmin>1</xmin></bndbox></object>",
    "text": f"<object><name>cat</name>{BOX.replace('10', 'ten')}</object>",
    "nan": f"<object><name>cat</name>{BOX.replace('10', 'nan')}</object>",
    "huge": f"<object><name>cat</name>{BOX.replace('10', '1e400')}</object>",
    "outside": f"<object><name>cat</name>{BOX.replace('10', '900').replace('30', '990')}</object>",
    "empty": f"<object><name>cat</name>{BOX.replace('10', '30')}</object>",
}


@pytest.mark.parametrize("case", BAD_OBJECTS)
def test_a_bad_object_is_refused_by_its_place_and_costs_no_other(case: str, tmp_path: Path) -> None:
    good = f"<object><name>cat</name>{BOX}</object>"
    folder_of(tmp_path, {"a.xml": plain(BAD_OBJECTS[case] + good)})
    dataset, report = checked(tmp_path)
    assert [corners(one) for one in dataset.annotations] == [(10, 20, 30, 45)]
    tally = report.tallies["annotations"]
    assert (tally.total, tally.refused) == (2, 1)
    (note,) = [note for note in report.items if note.verdict == "refused"]
    assert note.place.startswith("a.xml:object[1]")


BAD_FILES: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n",
    "cut": plain().encode()[:-30],
    "binary": bytes(range(256)) * 4,
    "entities": b'<!DOCTYPE a [<!ENTITY b "cc">]>' + plain().encode(),
    "other": b"<annotations><image/></annotations>",
    "no-xml": b"<annotation",
    "deep": b"<annotation><object>" * 50_000,
    "tags": b"<annotation>" + b"<a/>" * 4_000_001,
    "unknown-encoding": b'<?xml version="1.0" encoding="latin-99"?>' + plain().encode() + b"\xff\xfe",
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_one_sentence_and_costs_no_other(case: str, tmp_path: Path) -> None:
    path = tmp_path / "Annotations/bad.xml"
    path.parent.mkdir()
    path.write_bytes(BAD_FILES[case])
    with pytest.raises(FormatError) as raised:
        read(path)
    assert "\n" not in str(raised.value)
    folder_of(tmp_path, {"Annotations/a.xml": plain()})
    dataset, report = checked(tmp_path)
    assert len(dataset.annotations) == 1
    assert [note.at for note in report.items if "bad" in note.at] == ["Annotations/bad.xml"]


def test_what_stands_deep_in_an_object_is_bounded(tmp_path: Path) -> None:
    deep = f"<object><name>cat</name>{BOX}{'<x>' * 5000}{'</x>' * 5000}</object>"
    dataset, report = checked(folder_of(tmp_path, {"a.xml": plain(deep)}))
    assert len(dataset.annotations) == 1
    assert report.refused == 0


@pytest.mark.parametrize(
    ("encoding", "declared"), [("gb18030", "gb18030"), ("gb18030", ""), ("utf-16", ""), ("utf-8-sig", "")]
)
def test_texts_in_other_encodings(encoding: str, declared: str, tmp_path: Path) -> None:
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    text = plain(f"<object><name>白细胞</name>{BOX}</object>")
    (tmp_path / "a.xml").write_bytes((head + text).encode(encoding))
    found = read_by(voc, tmp_path, encoding="" if declared or "utf" in encoding else encoding)
    assert [one.name for one in found.dataset.categories] == ["白细胞"]


def test_what_is_and_is_not_of_this_format(tmp_path: Path) -> None:
    assert sniff(folder_of(tmp_path / "flat", {"a.xml": plain()}))
    assert sniff(folder_of(tmp_path / "deep", {"VOCdevkit/VOC2007/Annotations/a.xml": OFFICIAL}))
    assert not sniff(folder_of(tmp_path / "cvat", {"annotations.xml": "<annotations><image/></annotations>"}))
    assert not sniff(folder_of(tmp_path / "none", {"a.txt": plain(), ".hidden/a.xml": plain()}))
    assert sniff(tmp_path / "flat/a.xml")
    assert not sniff(tmp_path / "cvat/annotations.xml")


def test_links_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    folder_of(tmp_path, {"a/a.xml": plain()})
    (tmp_path / "a/again").symlink_to(tmp_path)
    assert len(read(tmp_path).dataset.annotations) == 1


# --- on the command line ------------------------------------------------------------------------------
def labeler(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labeler", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_line_reads_and_writes_it(tmp_path: Path) -> None:
    folder_of(tmp_path / "in", {"Annotations/a.xml": plain()})
    photo(tmp_path / "in/JPEGImages/a.jpg")
    done = labeler("import", tmp_path / "in", tmp_path / "a.labeler")
    assert done.returncode == 0, done.stderr
    assert "annotations: 1 of 1 taken" in done.stdout
    out = tmp_path / "out"
    done = labeler("export", tmp_path / "a.labeler", out, "--format", "voc", "--photos", "copy")
    assert done.returncode == 0, done.stderr
    assert (out / "JPEGImages/a.jpg").is_file()
    assert (out / "ImageSets/Main/train.txt").read_text() == "a\n"
    done = labeler("convert", out, tmp_path / "again", "--to", "voc")
    assert done.returncode == 0, done.stderr
    assert "<xmax>30</xmax>" in (tmp_path / "again/Annotations/a.xml").read_text()


def test_an_object_behind_a_refused_one_keeps_its_place_in_the_file(tmp_path: Path) -> None:
    turned = BOX.replace("<xmin>10<", "<xmin>40<")
    objects = f"<object><name>cat</name></object><object><name>dog</name>{turned}</object>"
    found = read(folder_of(tmp_path, {"a.xml": plain(objects)}))
    assert [corners(one) for one in found.dataset.annotations] == [(30, 20, 40, 45)]
    assert found.at(0) == "a.xml:object[2]"


def test_a_turned_box_has_its_corners_in_order(tmp_path: Path) -> None:
    turned = "<cx>40</cx><cy>30</cy><w>20</w><h>10</h><angle>0.5</angle>"
    objects = f"<object><name>cat</name><robndbox>{turned}</robndbox></object>"
    (one,) = read(folder_of(tmp_path, {"a.xml": plain(objects)})).dataset.annotations
    assert isinstance(one.shape, Polygons)
    along, across = np.array([np.cos(0.5), np.sin(0.5)]) * 10, np.array([-np.sin(0.5), np.cos(0.5)]) * 5
    centre = np.array([40, 30])
    expected = [centre - along - across, centre + along - across, centre + along + across]
    assert np.allclose(one.shape.parts[0].outer, [*expected, centre - along + across])


@pytest.mark.parametrize(
    ("kept", "tree"),
    [
        ([["pose", "Left"], ["part", [["name", "head"]]]], [("pose", "Left"), ("part", [("name", "head")])]),
        ([["pose"], ["a b", "x"], [1, "x"], "ab", {"pose": 1}, ["ok", "y", "z"]], []),
        ([["ok", 7], ["fine", None]], [("ok", []), ("fine", [])]),
        ({"pose": "Left"}, []),
        (None, []),
    ],
)
def test_elements_kept_with_an_object_may_be_anything(kept: object, tree: object) -> None:
    assert checked_tree(kept) == tree
