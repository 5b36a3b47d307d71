"""Masks of categories: pixels come back, what a picture cannot say is told, makers' tables are read."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from labeler.core.geometry import to_bits
from labeler.core.records import Annotation, Category, Image, Mask
from labeler.errors import FormatError
from labeler.formats import spec as formats_spec
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.door import read_by
from labeler.formats.masks.mask_keys import NEAREST, THRESHOLD
from labeler.formats.masks.mask_writing import APART, COVERED, PARTLY, TOUCHES
from labeler.formats.masks.masks_format import masks, masks_instance, sniff_instances, sniff_masks
from labeler.formats.masks.palettes import voc_color
from labeler.formats.masks.semantic_reading import LONELY, PIECES, beside, instance_ids, main_key
from labeler.formats.masks.semantic_writing import NO_SIZE
from labeler.formats.placement import read_placed_coco
from labeler.formats.report import Report
from labeler.formats.spec import Dataset, Reading
from tests.formats.round_trip_law import came_back, datasets

W, H = 20, 12


def pixels(*rectangles: tuple[int, int, int, int, int]) -> np.ndarray:
    """Labels with rectangles x0, y0, x1, y1 of a value."""
    found = np.zeros((H, W), np.uint8)
    for x0, y0, x1, y1, value in rectangles:
        found[y0:y1, x0:x1] = value
    return found


def save(path: Path, picture: np.ndarray, palette: list[int] | None = None, **how: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = PillowImage.fromarray(picture)
    if palette is not None:
        image = PillowImage.fromarray(picture, mode="P")
        image.putpalette(palette)
    image.save(path, **how)


def photo(path: Path, size: tuple[int, int] = (W, H)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", size, (10, 200, 30)).save(path)


def read(path: Path) -> Reading:
    return read_by(masks, path)


def seen(found: Reading) -> dict[str, np.ndarray]:
    """All pixels of each category on all images of 20 by 12, one over the other."""
    names = {one.id: one.name for one in found.dataset.categories}
    together: dict[str, np.ndarray] = {}
    for one in found.dataset.annotations:
        assert isinstance(one.shape, Mask)
        name = names[one.category_id]
        together[name] = together.get(name, np.zeros((H, W), bool)) | to_bits(one.shape, (H, W))
    return together


TWO = pixels((1, 1, 5, 5, 1), (8, 2, 15, 9, 2))


def category_map(dataset: Dataset) -> dict[str, np.ndarray]:
    """For each image the name that each pixel has when its objects are painted in their order."""
    names = {one.id: one.name for one in dataset.categories}
    found = {
        Path(image.path).stem: np.full((image.height, image.width), "", dtype=object)
        for image in dataset.images
    }
    images = {image.id: Path(image.path).stem for image in dataset.images}
    for one in dataset.annotations:
        assert isinstance(one.shape, Mask)
        canvas = found[images[one.image_id]]
        canvas[to_bits(one.shape, canvas.shape)] = names[one.category_id]
    return found


@settings(max_examples=40, deadline=None)
@given(datasets(), st.booleans())
def test_each_pixel_has_the_category_that_it_had(dataset: Dataset, parted: bool) -> None:
    parts = {image.id: ("val", "train")[image.id % 2] for image in dataset.images} if parted else {}
    back, report, held = came_back(masks, dataset, parts=parts)
    here, there = category_map(back), category_map(held)
    assert here.keys() == there.keys()
    assert all(np.array_equal(here[name], there[name]) for name in there)
    assert report.refused == 0
    assert [one.name for one in back.categories] == [one.name for one in dataset.categories]


def objects_on(shapes: list[tuple[int, Mask]], out: Path) -> Report:
    categories = (Category(1, "cat", "#ff0000"), Category(2, "dog", "#00ff00"))
    annotations = tuple(Annotation(n, 1, key, mask) for n, (key, mask) in enumerate(shapes, 1))
    dataset = Dataset((Image(1, "a.png", W, H),), categories, annotations)
    return write_data_set(masks, Wanted(dataset, out)).report


def block(x: int, y: int, width: int, height: int) -> Mask:
    return Mask(x, y, np.ones((height, width), bool))


APART_MASK = Mask(1, 1, np.array([[1, 0, 0, 1]], bool))


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([(1, block(1, 1, 4, 4)), (2, block(1, 1, 4, 4))], {COVERED}),
        ([(1, block(1, 1, 4, 4)), (2, block(3, 3, 4, 4))], {PARTLY}),
        ([(1, block(1, 1, 2, 2)), (1, block(3, 3, 2, 2))], {TOUCHES}),
        ([(1, APART_MASK)], {APART}),
        ([(1, block(1, 1, 2, 2)), (1, block(4, 4, 2, 2)), (2, block(6, 6, 2, 2))], set()),
    ],
)
def test_what_a_picture_of_categories_cannot_say_is_told(
    shapes: list[tuple[int, Mask]], said: set[str], tmp_path: Path
) -> None:
    report = objects_on(shapes, tmp_path / "out")
    assert {note.sentence for note in report.items} == said
    photo(tmp_path / "out/images/a.png")
    back = read(tmp_path / "out").dataset.annotations
    assert (len(back) == len(shapes)) == (not said & {COVERED, TOUCHES, APART})


def test_the_colours_of_the_categories_are_the_palette_and_come_back(tmp_path: Path) -> None:
    objects_on([(1, block(1, 1, 4, 4))], tmp_path / "out")
    with PillowImage.open(tmp_path / "out/masks/a.png") as mask:
        assert mask.mode == "P"
        assert mask.getpalette()[3:9] == [255, 0, 0, 0, 255, 0]
        assert mask.getpalette()[-3:] == [224, 224, 192]
        assert np.array(mask).max() == 1
    assert (tmp_path / "out/classes.txt").read_text() == "background\ncat\ndog\n"
    assert [one.color for one in read(tmp_path / "out").dataset.categories] == ["#ff0000", "#00ff00"]


def test_more_categories_than_a_byte_has_are_written_in_16_bits(tmp_path: Path) -> None:
    categories = tuple(Category(n, f"c{n}", "") for n in range(1, 301))
    annotations = (Annotation(1, 1, 300, block(0, 0, 3, 3)), Annotation(2, 1, 255, block(9, 9, 1, 1)))
    write_data_set(
        masks, Wanted(Dataset((Image(1, "a.png", W, H),), categories, annotations), tmp_path / "o")
    )
    photo(tmp_path / "o/images/a.png")
    assert {name: int(bits.sum()) for name, bits in seen(read(tmp_path / "o")).items()} == {
        "c300": 9,
        "c255": 1,
    }


# --- other makers' tables -----------------------------------------------------------------------------
TABLES = {
    "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:255,0,0::\ndog:0,0,255::\n",
    "mask_color_map.json": json.dumps({"type": "rgb", "colors": {"cat": [255, 0, 0], "dog": [0, 0, 255]}}),
    "class_dict.csv": "name,r,g,b\nvoid,0,0,0\ncat,255,0,0\ndog,0,0,255\n",
    "label_colors.txt": "0 0 0\tVoid\n255 0 0\tcat\n0 0 255\tdog\n",
    "dataset_meta.json": json.dumps(
        {
            "label_map": {"0": "background", "1": "cat", "2": "dog"},
            "segmentation_colors": [[0, 0, 0], [255, 0, 0], [0, 0, 255]],
        }
    ),
}
COLORS = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)


@pytest.mark.parametrize("table", TABLES)
def test_colours_mean_what_the_table_says(table: str, tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", COLORS[TWO])
    photo(tmp_path / "images/a.jpg")
    (tmp_path / table).write_text(TABLES[table])
    found = read(tmp_path)
    assert np.array_equal(seen(found)["cat"], TWO == 1)
    assert np.array_equal(seen(found)["dog"], TWO == 2)
    assert found.dataset.images == (Image(1, "images/a.jpg", W, H),)
    assert [note.sentence for note in found.notes] == [PIECES]


LISTS = {
    "classes.txt": "background\ncat\ndog\n",
    "labels.txt": "__ignore__\n_background_\ncat\ndog\n",
    "class_names.txt": "cat\ndog\n",
    "_classes.csv": "Pixel Value, Class\n0, background\n1, cat\n2, dog\n",
    "mask_color_map.json": json.dumps({"type": "grayscale", "colors": {"cat": 1, "dog": 2}}),
}


@pytest.mark.parametrize("palette", [None, [n for color in map(voc_color, range(256)) for n in color]])
@pytest.mark.parametrize("table", LISTS)
def test_numbers_mean_what_the_list_says(table: str, palette: list[int] | None, tmp_path: Path) -> None:
    picture = TWO.copy()
    picture[0] = 255
    save(tmp_path / "masks/a.png", picture, palette)
    photo(tmp_path / "images/a.jpg")
    (tmp_path / table).write_text(LISTS[table])
    found = seen(read(tmp_path))
    assert found.keys() == {"cat", "dog"}
    assert np.array_equal(found["dog"], TWO == 2)


def test_blurred_borders_are_of_the_nearest_category_and_told(tmp_path: Path) -> None:
    picture = COLORS[TWO].copy()
    picture[1:5, 5] = (100, 0, 0)  # nearer to black
    picture[1:5, 6] = (160, 20, 10)
    save(tmp_path / "masks/a.png", picture)
    photo(tmp_path / "images/a.jpg")
    (tmp_path / "labelmap.txt").write_text(TABLES["labelmap.txt"])
    found = read(tmp_path)
    expected = TWO == 1
    expected[1:5, 6] = True
    assert np.array_equal(seen(found)["cat"], expected)
    assert NEAREST in {note.sentence for note in found.notes}


def test_a_jpeg_is_of_the_nearest_colours(tmp_path: Path) -> None:
    big = np.kron(TWO, np.ones((16, 16), np.uint8))
    save(tmp_path / "masks/a.jpg", COLORS[big], quality=90)
    photo(tmp_path / "images/a.jpg", (W * 16, H * 16))
    (tmp_path / "labelmap.txt").write_text(TABLES["labelmap.txt"])
    found = read(tmp_path)
    together = np.zeros(big.shape, np.uint8)
    for one in found.dataset.annotations:
        together[to_bits(one.shape, big.shape)] = one.category_id
    assert (together != big).mean() < 0.02
    assert NEAREST in {note.sentence for note in found.notes}


@pytest.mark.parametrize(("white", "is_void"), [(255, False), (1, False), (1, True)])
def test_a_mask_of_one_thing_needs_no_table(white: int, is_void: bool, tmp_path: Path) -> None:
    picture = (TWO == 1).astype(np.uint8) * white
    if is_void:
        picture[11] = 255
    save(tmp_path / "masks/a.png", picture)
    photo(tmp_path / "images/a.jpg")
    found = seen(read(tmp_path))
    assert found.keys() == {"object"}
    assert np.array_equal(found["object"], TWO == 1)


def test_shades_of_grey_are_one_thing(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:200, :200]
    disc = np.clip((60 - np.hypot(rows - 100, columns - 100)) * 20 + 128, 0, 255).astype(np.uint8)
    save(tmp_path / "masks/a.png", disc)
    photo(tmp_path / "images/a.jpg", (200, 200))
    found = read(tmp_path)
    (one,) = found.dataset.annotations
    assert np.array_equal(to_bits(one.shape, (200, 200)), disc > 127)
    assert THRESHOLD in {note.sentence for note in found.notes}


def test_colours_without_a_table_are_categories_by_their_colour(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", COLORS[TWO])
    photo(tmp_path / "images/a.jpg")
    found = read(tmp_path)
    assert seen(found).keys() == {"#ff0000", "#0000ff"}
    assert {one.color for one in found.dataset.categories} == {"#ff0000", "#0000ff"}


def test_voc_without_a_table_has_its_twenty_names(tmp_path: Path) -> None:
    palette = [n for color in map(voc_color, range(256)) for n in color]
    save(tmp_path / "SegmentationClass/a.png", pixels((1, 1, 5, 5, 15), (8, 2, 9, 9, 255)), palette)
    photo(tmp_path / "JPEGImages/a.jpg")
    assert seen(read(tmp_path)).keys() == {"person"}


def test_instances_of_cvat_say_what_the_objects_are(tmp_path: Path) -> None:
    classes, instances = pixels((1, 1, 9, 5, 1)), pixels((1, 1, 5, 5, 1), (5, 1, 9, 5, 2))
    save(tmp_path / "SegmentationClass/a.png", COLORS[classes])
    save(tmp_path / "SegmentationObject/a.png", COLORS[instances])
    photo(tmp_path / "JPEGImages/a.jpg")
    (tmp_path / "labelmap.txt").write_text(TABLES["labelmap.txt"])
    found = read(tmp_path)
    assert len(found.dataset.annotations) == 2
    assert np.array_equal(seen(found)["cat"], classes == 1)
    assert not found.notes


# --- which photo --------------------------------------------------------------------------------------
LAYOUTS = {
    "parts": ("train/masks/a.png", "train/images/a.jpg", "valid/images/a.jpg"),
    "parts-below": ("masks/train/a.png", "images/train/a.jpg", "images/val/a.jpg"),
    "camvid": ("train_labels/a_L.png", "train/a.png", "val/a.png"),
    "beside": ("a_mask.png", "a.jpg", "b.jpg"),
    "both-endings": ("masks/a.jpg.png", "images/a.jpg", "images/b.jpg"),
    "cityscapes": ("gtFine/x_gtFine_labelIds.png", "leftImg8bit/x_leftImg8bit.png", "leftImg8bit/y.png"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_photo_of_a_mask_is_found(layout: str, tmp_path: Path) -> None:
    mask, wanted, other = LAYOUTS[layout]
    save(tmp_path / mask, TWO)
    photo(tmp_path / wanted)
    photo(tmp_path / other)
    assert [image.path for image in read(tmp_path).dataset.images] == [wanted]


def test_the_folder_of_the_masks_itself_and_masks_without_photos(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", TWO)
    found = read(tmp_path / "masks")
    assert [image.path for image in found.dataset.images] == ["a.jpg"]
    assert LONELY in {note.sentence for note in found.notes}


def test_a_smaller_mask_than_its_photo_goes_through_the_gates(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", TWO)
    photo(tmp_path / "images/a.jpg", (W * 2, H * 2))
    formats_spec.come_from(lambda: (masks,))
    try:
        dataset, report, _ = read_placed_coco(tmp_path, source_format="masks")
    finally:
        formats_spec.come_from(tuple)
    assert (dataset.images[0].width, dataset.images[0].height) == (W * 2, H * 2)
    assert report.tallies["annotations"].refused == 0
    boxes = sorted((one.shape.x, one.shape.y, one.shape.width) for one in dataset.annotations)
    assert boxes == [(2, 2, 8), (16, 4, 14)]


# --- what is none, or damaged -------------------------------------------------------------------------
BAD = {
    "empty": b"",
    "text": b"no picture",
    "cut": None,
    "binary": bytes(range(256)),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_mask_is_refused_by_name_and_costs_no_other(case: str, tmp_path: Path) -> None:
    for name in "ab":
        save(
            tmp_path / f"masks/{name}.png",
            np.random.default_rng(0).integers(0, 3, (200, 200)).astype(np.uint8),
        )
        photo(tmp_path / f"images/{name}.jpg")
    whole = (tmp_path / "masks/a.png").read_bytes()
    (tmp_path / "masks/a.png").write_bytes(whole[: len(whole) // 2] if BAD[case] is None else BAD[case])
    found = read(tmp_path)
    assert [image.path for image in found.dataset.images] == ["images/b.jpg"]
    (refused,) = [note for note in found.notes if note.verdict == "refused"]
    assert refused.at == "masks/a.png"
    assert "\n" not in refused.sentence


def test_a_picture_of_too_many_pixels_is_refused_at_once(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.jpg")
    (tmp_path / "masks").mkdir()
    PillowImage.new("1", (30_000, 30_000)).save(tmp_path / "masks/a.png")
    (note,) = [note for note in read(tmp_path).notes if note.verdict == "refused"]
    assert "30000 × 30000 pixels" in note.sentence


def test_a_bad_table_is_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", TWO)
    photo(tmp_path / "images/a.jpg")
    (tmp_path / "mask_color_map.json").write_text('{"colors": {"cat": [1, "x"]')
    (tmp_path / "labelmap.txt").write_bytes(bytes(range(256)))
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\ncat,999,0,0\n")
    assert seen(read(tmp_path)).keys() == {"class 1", "class 2"}


def test_what_is_and_is_not_of_this_format(tmp_path: Path) -> None:
    photo(tmp_path / "photos/images/a.jpg")
    photo(tmp_path / "photos/images/b.png")
    assert not sniff_masks(tmp_path / "photos")
    save(tmp_path / "one/masks/a.png", TWO)
    photo(tmp_path / "one/images/a.jpg")
    assert sniff_masks(tmp_path / "one")
    assert not sniff_instances(tmp_path / "one")
    assert not sniff_masks(tmp_path / "one/masks/a.png")
    with pytest.raises(FormatError, match="has no masks"):
        read(tmp_path / "photos")
    with pytest.raises(FormatError, match="give the folder"):
        read(tmp_path / "one/masks/a.png")


def test_the_same_data_set_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        objects_on([(1, block(1, 1, 4, 4))], tmp_path / name)
    one, two = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()}
        for n in ("one", "two")
    )
    assert one == two


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("SegmentationClass/a.png", "SegmentationObject/a.png"),
        ("VOC2012/SegmentationClass/2007/a.png", "VOC2012/SegmentationObject/2007/a.png"),
        ("masks/a.png", None),
        ("a.png", None),
    ],
)
def test_the_picture_of_instances_lies_in_the_folder_beside(name: str, other: str | None) -> None:
    assert beside(name) == other


def test_vocs_void_belongs_to_no_object_in_colour_and_as_a_number(tmp_path: Path) -> None:
    colours = np.zeros((2, 3, 3), np.uint8)
    colours[0, 0], colours[0, 1] = (224, 224, 192), (128, 0, 0)
    PillowImage.fromarray(colours).save(tmp_path / "c.png")
    assert (instance_ids(tmp_path / "c.png") != 0).tolist() == [[False, True, False], [False] * 3]
    PillowImage.fromarray(np.array([[0, 255, 7]], np.uint8)).save(tmp_path / "n.png")
    assert instance_ids(tmp_path / "n.png").tolist() == [[0, 0, 7]]


@pytest.mark.parametrize(
    ("row", "key"),
    [([255, 255, 255, 3], 3), ([0, 0, 0, 4, 4, 3], 4), ([255, 255], 255), ([0, 0], 0), ([5, 5, 9], 5)],
)
def test_an_object_is_of_what_most_of_it_is_but_of_void_only_where_all_is(row: list[int], key: int) -> None:
    keys = np.array([[8, *row]], np.uint32)
    assert main_key(keys, Mask(1, 0, np.ones((1, len(row)), bool))) == key


def test_a_table_with_spaces_behind_its_commas(tmp_path: Path) -> None:
    save(tmp_path / "masks" / "a.png", pixels((1, 1, 5, 5, 2)))
    photo(tmp_path / "images" / "a.jpg")
    (tmp_path / "classes.csv").write_text('Pixel Value, Class\n0, background\n2, "cat, big"\n')
    assert [one.name for one in read(tmp_path).dataset.categories] == ["cat, big"]


@pytest.mark.parametrize(
    ("names", "read_as"),
    [
        (("#1", "cat"), ("#1", "cat")),
        (("cat", " # 2", "dog"), ("cat", "# 2", "dog")),
        (("two\nlines", "cat"), ("two lines", "cat")),
        (("\u2028", "cat"), ("class 1", "cat")),
        (("a:b", "bg", "background"), ("a:b", "bg", "background")),
    ],
)
def test_each_object_keeps_its_category_whatever_that_is_called(tmp_path: Path, names, read_as) -> None:
    photo(tmp_path / "a.jpg")
    categories = tuple(Category(number, name, "") for number, name in enumerate(names, 1))
    objects = tuple(
        Annotation(one.id, 1, one.id, Mask(one.id * 5, 2, np.ones((3, 3), bool))) for one in categories
    )
    dataset = Dataset((Image(1, "a.jpg", W, H),), categories, objects)
    write_data_set(masks, Wanted(dataset, tmp_path / "out", {1: tmp_path / "a.jpg"}, photos="copied"))
    back = read(tmp_path / "out").dataset
    called = {one.id: one.name for one in back.categories}
    found = {int(one.shape.x) // 5: called[one.category_id] for one in back.annotations}
    assert [found[number] for number in sorted(found)] == list(read_as)


def test_an_image_of_unknown_size_gets_no_mask_and_that_is_told(tmp_path: Path) -> None:
    images = (Image(1, "a.jpg", 0, 0), Image(2, "b.jpg", W, H))
    dataset = Dataset(images, (Category(1, "cat", ""),), ())
    for spec, folder in ((masks, "masks"), (masks_instance, "instances")):
        written = write_data_set(spec, Wanted(dataset, tmp_path / folder))
        assert [(note.at, note.sentence) for note in written.report.items] == [(f"{folder}/a.png", NO_SIZE)]
        assert [path.name for path in (tmp_path / folder / folder).iterdir()] == ["b.png"]


@pytest.mark.parametrize(
    ("names", "is_one"),
    [
        (("a.jpg", "a_mask.png"), True),
        (("a.jpg", "a_mask.png", "b.jpg", "b_mask.png"), True),
        (("a.jpg", "a_mask.png", "b.jpg"), False),
        (("a_mask.png",), False),
        (("images/a.jpg", "masks/a.png"), True),
    ],
)
def test_a_folder_is_one_of_masks_where_each_photo_has_one(tmp_path: Path, names, is_one: bool) -> None:
    for name in names:
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).touch()
    assert sniff_masks(tmp_path / "x") is is_one
