"""VOC's pictures of segments: masks come back by their pixels and with what the XML file says of them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image as PillowImage

from labeler.core.geometry import to_bits
from labeler.core.records import Annotation, Box, Category, Image, Mask
from labeler.errors import FormatError
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.door import read_by
from labeler.formats.masks.mask_writing import COVERED, PARTLY
from labeler.formats.masks.palettes import VOID, voc_color
from labeler.formats.spec import Dataset, Reading
from labeler.formats.voc.voc_format import voc, voc_masks
from labeler.formats.voc.voc_segments import ADDED, BOX_ONLY, NO_OBJECT, OTHER_SIZE, TOO_MANY
from tests.formats.round_trip_law import came_back, datasets

W, H = 40, 30
PALETTE = [channel for index in range(256) for channel in (voc_color(index) if index < 255 else VOID)]


def expected(dataset: Dataset) -> list[tuple[object, ...]]:
    """What there is of each object when the masks are painted in their order; boxes stay."""
    names = {one.id: one.name for one in dataset.categories}
    found: list[tuple[object, ...]] = []
    for image in dataset.images:
        canvas = np.zeros((image.height, image.width), int)
        on = [one for one in dataset.annotations if one.image_id == image.id]
        for number, one in enumerate(on, 1):
            if isinstance(one.shape, Mask):
                canvas[to_bits(one.shape, canvas.shape)] = number
        for number, one in enumerate(on, 1):
            head = Path(image.path).stem, names[one.category_id]
            if isinstance(one.shape, Mask) and (canvas == number).any():
                found.append((*head, "mask", (canvas == number).tobytes()))
            elif isinstance(one.shape, Mask):  # wholly covered: its box is left
                ys, xs = np.nonzero(to_bits(one.shape, canvas.shape))
                edges = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
                # as floats: what is sorted by its spelling has to be spelled alike
                found.append((*head, "box", tuple(float(edge) for edge in edges)))
            else:
                box = one.shape
                assert isinstance(box, Box)
                found.append((*head, "box", (box.x0, box.y0, box.x1, box.y1)))
    return sorted(found, key=repr)


def seen(dataset: Dataset) -> list[tuple[object, ...]]:
    names = {one.id: one.name for one in dataset.categories}
    images = {image.id: image for image in dataset.images}
    found: list[tuple[object, ...]] = []
    for one in dataset.annotations:
        image = images[one.image_id]
        head = Path(image.path).stem, names[one.category_id]
        if isinstance(one.shape, Mask):
            found.append((*head, "mask", to_bits(one.shape, (image.height, image.width)).tobytes()))
        else:
            box = one.shape
            assert isinstance(box, Box)
            found.append((*head, "box", (box.x0, box.y0, box.x1, box.y1)))
    return sorted(found, key=repr)


@settings(max_examples=40, deadline=None)
@given(datasets())
def test_masks_come_back_by_their_pixels_and_boxes_as_they_are(dataset: Dataset) -> None:
    parts = {image.id: ("val", "train")[image.id % 2] for image in dataset.images}
    back, report, held = came_back(voc_masks, dataset, parts=parts)
    here, there = seen(back), expected(held)
    assert [one[:3] for one in here] == [one[:3] for one in there]
    for one, other in zip(here, there, strict=True):
        assert one[3] == other[3]
    assert report.refused == 0


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = PillowImage.fromarray(picture, mode="P")
    image.putpalette(PALETTE)
    image.save(path)


def xml(*objects: tuple[str, tuple[int, int, int, int]]) -> str:
    rows = "".join(
        f"<object><name>{name}</name><pose>Left</pose><bndbox><xmin>{b[0]}</xmin><ymin>{b[1]}</ymin>"
        f"<xmax>{b[2]}</xmax><ymax>{b[3]}</ymax></bndbox></object>"
        for name, b in objects
    )
    return f"<annotation><size><width>{W}</width><height>{H}</height></size>{rows}</annotation>"


def voc_folder(root: Path, text: str, instances: np.ndarray, classes: np.ndarray | None = None) -> Reading:
    (root / "Annotations").mkdir(parents=True)
    (root / "Annotations/a.xml").write_text(text)
    save(root / "SegmentationObject/a.png", instances)
    if classes is not None:
        save(root / "SegmentationClass/a.png", classes)
    return read_by(voc, root)


def numbers(*blocks: tuple[int, int, int, int, int]) -> np.ndarray:
    found = np.zeros((H, W), np.uint8)
    for x0, y0, x1, y1, value in blocks:
        found[y0:y1, x0:x1] = value
    return found


RIM = numbers((1, 1, 12, 12, 255), (2, 2, 11, 11, 1), (20, 5, 31, 16, 255), (21, 6, 30, 15, 2))
BOXES = (("cat", (1, 1, 12, 12)), ("dog", (20, 5, 31, 16)))


def test_numbers_are_places_and_the_rim_is_nobodys(tmp_path: Path) -> None:
    found = voc_folder(tmp_path / "in", xml(*BOXES), RIM)
    first, second = found.dataset.annotations
    assert first.shape == Mask(2, 2, np.ones((9, 9), bool))
    assert second.shape == Mask(21, 6, np.ones((9, 9), bool))
    assert second.attributes == {"pose": "Left"}
    # the box of the XML file, which has the rim, is written back with the object
    write_data_set(voc, Wanted(found.dataset, tmp_path / "out"))
    again = read_by(voc, tmp_path / "out").dataset.annotations
    assert [(a.shape.x0, a.shape.y0, a.shape.x1, a.shape.y1) for a in again] == [b for _, b in BOXES]


def test_where_the_order_is_another_the_boxes_tell(tmp_path: Path) -> None:
    found = voc_folder(tmp_path, xml(*reversed(BOXES)), RIM).dataset
    names = {one.id: one.name for one in found.categories}
    assert {names[one.category_id]: one.shape.x for one in found.annotations} == {"cat": 2, "dog": 21}


def test_one_file_of_the_layout_has_its_masks(tmp_path: Path) -> None:
    voc_folder(tmp_path, xml(*BOXES), RIM)
    found = read_by(voc, tmp_path / "Annotations/a.xml").dataset
    assert [type(one.shape) for one in found.annotations] == [Mask, Mask]


def test_segments_that_the_xml_has_not_are_objects_of_their_category(tmp_path: Path) -> None:
    classes = np.where(RIM == 2, 15, np.where(RIM == 1, 8, 0)).astype(np.uint8)
    found = voc_folder(tmp_path / "a", xml(BOXES[0]), RIM, classes)
    assert [one.name for one in found.dataset.categories] == ["cat", "person"]
    assert [note.sentence for note in found.notes] == [ADDED]
    found = voc_folder(tmp_path / "b", xml(BOXES[0]), RIM)
    assert len(found.dataset.annotations) == 1
    assert [note.sentence for note in found.notes] == [NO_OBJECT]


def test_pictures_that_do_not_fit_or_are_damaged_leave_the_boxes(tmp_path: Path) -> None:
    found = voc_folder(tmp_path, xml(*BOXES), RIM[:20])
    assert [type(one.shape) for one in found.dataset.annotations] == [Box, Box]
    assert [note.sentence for note in found.notes] == [OTHER_SIZE]
    (tmp_path / "SegmentationObject/a.png").write_bytes(b"no picture")
    found = read_by(voc, tmp_path)
    assert len(found.dataset.annotations) == 2
    assert len(found.notes) == 1


def test_what_the_pictures_cannot_hold_is_told(tmp_path: Path) -> None:
    block = np.ones((4, 4), bool)
    shapes = [Box(1, 1, 5, 5), Mask(0, 0, block), Mask(2, 2, block), Mask(10, 10, block), Mask(10, 10, block)]
    shapes += [Mask(n % W, 20 + n // W, np.ones((1, 1), bool)) for n in range(251)]
    annotations = tuple(Annotation(n, 1, 1, shape) for n, shape in enumerate(shapes, 1))
    dataset = Dataset((Image(1, "a.png", W, H),), (Category(1, "cat", ""),), annotations)
    report = write_data_set(voc_masks, Wanted(dataset, tmp_path / "out")).report
    sentences = [note.sentence for note in report.items]
    assert sentences == [BOX_ONLY, TOO_MANY, TOO_MANY, PARTLY, COVERED]
    assert (tmp_path / "out/ImageSets/Segmentation/train.txt").read_text() == "a\n"
    with PillowImage.open(tmp_path / "out/SegmentationObject/a.png") as picture:
        assert picture.mode == "P"
        assert np.array(picture).max() == 254


def test_more_categories_than_numbers_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    categories = tuple(Category(n, f"c{n}", "") for n in range(1, 256))
    dataset = Dataset((Image(1, "a.png", W, H),), categories, ())
    with pytest.raises(FormatError, match="255 categories"):
        write_data_set(voc_masks, Wanted(dataset, tmp_path / "out"))
    assert not list(tmp_path.iterdir())
