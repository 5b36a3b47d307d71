"""Masks as pictures beside their photos are told from photos, and photos from masks."""

import pytest

from labeler.core.photos.label_pictures import label_pictures, said_label_pictures

PHOTOS = [f"images/{number:03}.jpg" for number in range(20)]


@pytest.mark.parametrize(
    ("folder", "mark"),
    [
        ("masks", ""),
        ("Masks", "_mask"),
        ("SegmentationClass", ""),
        ("SegmentationObjectPNG", ""),
        ("panoptic_val2017", ""),
        ("train_masks", "_mask_1"),
        ("gtFine/munich", "_gtFine_labelIds"),
        ("annotations/trimaps", ""),
        ("ground truth", "-gt"),
    ],
)
def test_masks_of_the_photos_are_no_photos(folder, mark) -> None:
    masks = [f"{folder}/{number:03}{mark}.png" for number in range(20)]
    assert label_pictures(PHOTOS + masks) == {folder.split("/")[0]: tuple(masks)}


def test_what_is_there_to_look_at_may_be_a_jpeg() -> None:
    looks = [f"SegmentationClassVisualization/{number:03}.jpg" for number in range(20)]
    assert list(label_pictures(PHOTOS + looks)) == ["SegmentationClassVisualization"]


@pytest.mark.parametrize(
    "others",
    [
        [f"masks/{number:03}.jpg" for number in range(20)],  # photos of masks that one wears
        [f"masks/carnival-{number}.png" for number in range(20)],
        [f"more/{number:03}.png" for number in range(20)],
        [f"labels/{number:03}.png" for number in range(5)] + [f"labels/bottle-{n}.png" for n in range(5)],
    ],
)
def test_photos_stay_photos(others) -> None:
    assert label_pictures(PHOTOS + others) == {}
    assert label_pictures(others) == {}


def test_what_a_project_has_already_stays() -> None:
    masks = [f"masks/{number:03}.png" for number in range(20)]
    assert label_pictures(PHOTOS + masks, {"masks/003.png"}) == {}
    assert label_pictures(masks) == {}, "a folder of masks alone is what somebody wants to see"


def test_it_is_said_in_one_line() -> None:
    assert said_label_pictures({}) == ""
    assert said_label_pictures({"masks": ("masks/a.png",)}) == (
        "1 picture in “masks” is the mask of a photo here and is left out."
    )
    assert said_label_pictures({"gt": ("gt/a.png", "gt/b.png"), "m": ("m/a.png",)}) == (
        "3 pictures in 2 folders such as “gt” are masks of the photos here and are left out."
    )


def test_masks_of_superannotate_beside_their_photos_are_no_photos() -> None:
    names = ["a.jpg", "a.jpg___save.png", "a.jpg___fuse.png", "in/b.JPG", "in/b.jpg___save.png"]
    others = ["c.jpg___save.png", "a___save.png", "d.jpg"]
    found = label_pictures([*names, *others])
    assert found == {"": ("a.jpg___save.png", "a.jpg___fuse.png"), "in": ("in/b.jpg___save.png",)}
    assert "3 pictures in 2 folders" in said_label_pictures(found)
    assert "2 pictures in the folder are masks" in said_label_pictures({"": found[""]})
    assert label_pictures(names, known={"a.jpg___save.png"})[""] == ("a.jpg___fuse.png",)
