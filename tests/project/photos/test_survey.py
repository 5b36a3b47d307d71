"""Which photo is which: told by content, one to one, and never by less than that."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.core.photos import photo_files
from labeler.core.photos.photo_files import Fingerprint, fingerprint, photos_below, said_left_out
from labeler.core.records import Annotation, Box, Category, Change, Edit, Image
from labeler.project.photos import photo_edits
from labeler.project.photos import survey as survey_module
from labeler.project.photos.folder import CHANGED, MISSING, Sync, find_images, said_of, take_survey
from labeler.project.photos.survey import survey
from labeler.project.store import Store
from tests.in_one_go import sync_images


def frame(middle: int, size: int = 200_000) -> bytes:
    """A file whose first and last 64 KiB are those of every other, as frames of one camera have them."""
    return b"BM" + bytes(size // 2 - 2) + bytes([middle]) * 16 + bytes(size // 2 - 16)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "p.labeler") as opened:
        yield opened


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def fill(photos: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(content)


def label(store: Store, photos: Path, *, opened: bool = True, whole: bool = True) -> None:
    """Each image gets a box whose x is its id, and is known by its file where it was `opened`."""
    sync_images(store, photos)
    ids = store.ids.peek()
    changes = [Change(None, Category(ids.category, "thing", "#ff0000"))]
    changes += [
        Change(None, Annotation(ids.annotation + n, image.id, ids.category, Box(image.id, 0, 5, 5)))
        for n, image in enumerate(store.images())
    ]
    store.apply(Edit("label", tuple(changes)))
    if opened:
        looked = ((i, fingerprint(photos / i.path, whole=whole)) for i in store.images())
        store.photos.keep([(image.id, image.path, found) for image, found in looked])


def labels(store: Store) -> dict[str, list[float]]:
    """By path: the x of the boxes that lie there."""
    return {i.path: [a.shape.x0 for a in store.annotations(i.id)] for i in store.images()}


def test_frames_that_differ_only_in_the_middle_keep_their_labels_when_renamed(store, photos) -> None:
    fill(photos, {f"f{n}.bmp": frame(n) for n in range(3)})
    label(store, photos)
    for n in range(3):
        (photos / f"f{n}.bmp").rename(photos / f"g{2 - n}.bmp")
    sync = sync_images(store, photos)
    assert labels(store) == {"g2.bmp": [1], "g1.bmp": [2], "g0.bmp": [3]}
    assert len(sync.moved) == 3
    assert not sync_images(store, photos)


def test_a_new_frame_does_not_get_the_labels_of_a_deleted_one(store, photos) -> None:
    fill(photos, {f"f{n}.bmp": frame(n) for n in range(3)})
    label(store, photos)
    (photos / "f1.bmp").unlink()
    fill(photos, {"f9.bmp": frame(9)})
    sync = sync_images(store, photos)
    assert labels(store) == {"f0.bmp": [1], "f1.bmp": [2], "f2.bmp": [3], "f9.bmp": []}
    assert [image.path for image in sync.missing] == ["f1.bmp"]
    assert store.image(2).note == MISSING


def test_ends_alone_prove_nothing_where_several_photos_share_them(store, photos) -> None:
    """A project of before has no whole digests."""
    fill(photos, {f"f{n}.bmp": frame(n) for n in range(3)})
    label(store, photos, whole=False)
    (photos / "f1.bmp").unlink()
    fill(photos, {"f9.bmp": frame(9)})
    sync_images(store, photos)
    assert labels(store)["f9.bmp"] == []


def test_equal_photos_in_a_renamed_folder_are_told_by_their_names(store, photos) -> None:
    fill(photos, {f"a/f{n}.bmp": frame(0) for n in range(3)})
    label(store, photos)
    (photos / "a").rename(photos / "b")
    sync_images(store, photos)
    assert labels(store) == {"b/f0.bmp": [1], "b/f1.bmp": [2], "b/f2.bmp": [3]}


def test_equal_photos_with_other_names_are_left_and_said(store, photos) -> None:
    fill(photos, {"a.bmp": frame(0), "b.bmp": frame(0)})
    label(store, photos)
    (photos / "a.bmp").rename(photos / "x.bmp")
    (photos / "b.bmp").rename(photos / "y.bmp")
    sync = sync_images(store, photos)
    assert {image.path for image in sync.unsure} == {"a.bmp", "b.bmp"}
    assert labels(store) == {"a.bmp": [1], "b.bmp": [2], "x.bmp": [], "y.bmp": []}


def test_photos_that_change_names_take_their_labels_along(store, photos) -> None:
    fill(photos, {"bus.jpg": b"bus" * 999, "zidane.jpg": b"zidane" * 999})
    label(store, photos)
    (photos / "bus.jpg").rename(photos / "t.jpg")
    (photos / "zidane.jpg").rename(photos / "bus.jpg")
    (photos / "t.jpg").rename(photos / "zidane.jpg")
    sync_images(store, photos)
    assert labels(store) == {"zidane.jpg": [1], "bus.jpg": [2]}


def test_a_photo_moved_over_another_takes_its_place(store, photos) -> None:
    fill(photos, {"a.jpg": b"a" * 999, "b.jpg": b"b" * 998})
    label(store, photos)
    (photos / "a.jpg").replace(photos / "b.jpg")
    sync = sync_images(store, photos)
    assert labels(store) == {"b.jpg": [1], "unmatched/2/b.jpg": [2]}
    assert [image.id for image in sync.missing] == [2]


@pytest.mark.parametrize("content", [b"another photo", b"b" * 998], ids=["new", "a copy of another"])
def test_a_replaced_photo_is_asked_about_and_its_record_is_kept(store, photos, content: bytes) -> None:
    fill(photos, {"a.jpg": b"a" * 999, "b.jpg": b"b" * 998})
    label(store, photos)
    before = store.image(1)
    (photos / "a.jpg").write_bytes(content)
    for _ in range(2):
        sync = sync_images(store, photos)
        assert [one.image.path for one in sync.replaced] == ["a.jpg"]
        assert store.image(1).note == CHANGED
        assert store.image(1).digest == before.digest
        assert labels(store) == {"a.jpg": [1], "b.jpg": [2]}
    (photos / "a.jpg").write_bytes(b"a" * 999)
    assert [image.id for image in sync_images(store, photos).returned] == [1]
    assert store.image(1).note == ""


def test_a_survey_made_before_a_person_decided_does_not_ask_again(store, photos) -> None:
    fill(photos, {"a.png": frame(1)})
    label(store, photos)
    (photos / "a.png").write_bytes(b"another photo")
    (image,) = store.images()
    seen = survey(store.images(), store.photos.known(), find_images(photos), photos)
    photo_edits.take_as_photo(store, {image.id: (fingerprint(photos / "a.png"), (20, 10))})
    assert not take_survey(store, photos, seen).replaced
    assert (store.image(image.id).note, store.image(image.id).width) == ("", 20)
    assert [one.image.id for one in seen.strangers] == [image.id], "the survey itself took it for another"


def test_a_replaced_frame_with_the_same_ends_is_noticed(store, photos) -> None:
    fill(photos, {"a.bmp": frame(1)})
    label(store, photos)
    fill(photos, {"a.bmp": frame(2)})
    os.utime(photos / "a.bmp", (1, 1))
    assert [one.image.path for one in sync_images(store, photos).replaced] == ["a.bmp"]


def test_an_unlabelled_photo_may_be_replaced(store, photos) -> None:
    fill(photos, {"a.jpg": b"a" * 999})
    sync_images(store, photos)
    store.photos.keep([(1, "a.jpg", fingerprint(photos / "a.jpg"))])
    (photos / "a.jpg").write_bytes(b"new")
    sync = sync_images(store, photos)
    assert (sync.replaced, [image.id for image in sync.renewed]) == ((), [1])
    assert not sync_images(store, photos)


def test_labels_never_opened_follow_a_name_that_is_the_only_one(store, photos) -> None:
    fill(photos, {"1.jpg": b"1", "2.jpg": b"2", "x/3.jpg": b"3", "y/3.jpg": b"4"})
    label(store, photos, opened=False)
    (photos / "deep/er").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg"):
        (photos / name).rename(photos / "deep/er" / name)
    (photos / "x").rename(photos / "deep/x")
    (photos / "y").rename(photos / "deep/y")
    sync_images(store, photos)
    assert labels(store) == {
        "deep/er/1.jpg": [1],
        "deep/er/2.jpg": [2],
        "deep/x/3.jpg": [3],
        "deep/y/3.jpg": [4],
    }


def test_a_name_that_two_files_have_is_not_guessed(store, photos) -> None:
    fill(photos, {"1.jpg": b"1"})
    label(store, photos, opened=False)
    (photos / "1.jpg").unlink()
    fill(photos, {"a/1.jpg": b"1", "b/1.jpg": b"2"})
    sync_images(store, photos)
    assert labels(store) == {"1.jpg": [1], "a/1.jpg": [], "b/1.jpg": []}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_labels_are_never_on_another_photo(tmp_path_factory, data: st.DataObject) -> None:
    """Renamed, swapped, deleted, copied, overwritten: what a label lies on has the bytes it was made on."""
    rng = random.Random(data.draw(st.integers(0, 1 << 32)))
    photos = tmp_path_factory.mktemp("p")
    names = [f"{folder}{n}.bmp" for folder in ("", "a/", "b/") for n in range(3)]
    fill(photos, {name: frame(rng.randrange(5), 300_000) for name in rng.sample(names, 5)})
    with Store.open(photos / "p.labeler") as store:
        label(store, photos)
        made_on = {i.id: (photos / i.path).read_bytes() for i in store.images()}
        for _ in range(rng.randrange(1, 6)):
            files = list(photos.rglob("*.bmp"))
            if not files:
                break
            one, target = rng.choice(files), photos / rng.choice(names)
            target.parent.mkdir(exist_ok=True)
            match rng.randrange(4):
                case 0:
                    one.replace(target)
                case 1:
                    target.write_bytes(one.read_bytes())
                case 2:
                    one.unlink()
                case 3:
                    target.write_bytes(frame(rng.randrange(5, 9), 300_000))
        for _ in range(5):
            sync = sync_images(store, photos)
            asked = {one.image.id for one in sync.replaced}
            for image in store.images():
                path = photos / image.path
                if store.annotations(image.id) and path.is_file() and image.id not in asked:
                    assert path.read_bytes() == made_on[image.id], image
            if not sync:
                break
        assert not sync, "it comes to rest"


# --- what is in a folder --------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="POSIX files")
def test_one_bad_entry_costs_the_others_nothing(photos, expect_log) -> None:
    expect_log("was left out")
    fill(photos, {"a.jpg": b"1", "z/b.jpg": b"2", "dir.jpg/c.png": b"3"})
    (photos / "loop.jpg").symlink_to(photos / "loop.jpg")
    (photos / "l1").symlink_to(photos / "l2")
    (photos / "l2").symlink_to(photos / "l1")
    (photos / "gone.jpg").symlink_to(photos / "nowhere")
    (photos / "zero.jpg").symlink_to("/dev/zero")
    os.mkfifo(photos / "pipe.jpg")
    (photos / "link.jpg").symlink_to(photos / "a.jpg")
    assert list(photos_below(photos)) == ["a.jpg", "dir.jpg/c.png", "link.jpg", "z/b.jpg"]


def test_a_link_to_the_folder_above_lists_no_photo_twice(tmp_path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    fill(folder, {"a.jpg": b"1", "z/b.jpg": b"2"})
    fill(tmp_path, {"beside.jpg": b"3"})
    (folder / "up").symlink_to(tmp_path)
    (folder / "z" / "self").symlink_to(folder)
    assert list(photos_below(folder)) == ["a.jpg", "up/beside.jpg", "z/b.jpg"]


def test_kinds_that_are_left_out_are_counted(photos, monkeypatch) -> None:
    monkeypatch.setattr(photo_files, "SUFFIXES", photo_files.SUFFIXES - {".heic", ".heif", ".hif"})
    fill(photos, {**{f"{n}.HEIC": b"" for n in range(12)}, "a.jpg": b"", "b.dcm": b"", "c.txt": b""})
    left_out = Counter[str]()
    assert list(photos_below(photos, left_out)) == ["a.jpg"]
    assert left_out == {"HEIC": 12, "DICOM": 1}
    assert said_left_out({"HEIC": 12}).startswith("12 HEIC files were left out: install")
    assert (
        said_left_out({"DICOM": 1})
        == "1 DICOM file was left out: save them as JPEG, PNG or TIFF to label them."
    )
    assert said_left_out({}) == ""
    assert isinstance(Sync((), (), (), (), ()), Sync)


def images_at(*paths: str, digest: str = "d") -> list[Image]:
    return [Image(number, path, 9, 9, digest=digest) for number, path in enumerate(paths, 1)]


@pytest.mark.parametrize(
    ("images", "files", "pairs", "alike"),
    [
        (("a.jpg",), ("x/a.jpg",), {1: "x/a.jpg"}, {}),
        (("a.jpg",), ("b.jpg",), {}, {1: "b.jpg"}),  # one of each is left
        (("a.jpg", "b.jpg"), ("x.jpg", "y.jpg"), {}, {}),
        (("a.jpg", "b.jpg"), ("x/b.jpg", "y.jpg"), {2: "x/b.jpg"}, {1: "y.jpg"}),
        # more parts of the path tell more
        (("1/a.jpg", "2/a.jpg"), ("new/2/a.jpg", "new/1/a.jpg"), {1: "new/1/a.jpg", 2: "new/2/a.jpg"}, {}),
        (("1/a.jpg", "2/a.jpg"), ("new/2/a.jpg", "a.jpg"), {2: "new/2/a.jpg", 1: "a.jpg"}, {}),
        # two files of one name say nothing of an image, nor two images of a file
        (("1/a.jpg",), ("x/a.jpg", "y/a.jpg"), {}, {}),
        (("1/a.jpg", "2/a.jpg"), ("a.jpg",), {}, {}),
        ((), ("a.jpg",), {}, {}),
        (("a.jpg",), (), {}, {}),
    ],
)
def test_images_and_files_of_one_content_are_paired_by_their_paths(images, files, pairs, alike) -> None:
    given = images_at(*images)
    assert {one.id: path for one, path in survey_module._paired(given, files)} == pairs
    assert {one.id: path for one, path in survey_module.alike_pairs(given, files)} == pairs | alike


@pytest.mark.parametrize(
    ("files", "known", "is_shared", "moved", "unsure"),
    [
        # all its bytes are those of a file of another name
        ({"new.jpg": ("d", "whole")}, {1: "whole"}, False, {1: "new.jpg"}, []),
        ({"new.jpg": ("d", "other")}, {1: "whole"}, False, {}, []),
        # by its ends only: certain as long as no other image has them
        ({"new.jpg": ("d", "")}, {}, False, {1: "new.jpg"}, []),
        ({"new.jpg": ("d", "whole")}, {}, False, {1: "new.jpg"}, []),
        ({"new.jpg": ("d", "")}, {}, True, {}, [1]),
        ({"sub/a.jpg": ("d", "")}, {}, True, {1: "sub/a.jpg"}, []),
        ({"x/b.jpg": ("d", ""), "y/b.jpg": ("d", "")}, {}, False, {}, [1]),
        ({"new.jpg": ("other", "")}, {}, False, {}, []),
    ],
)
def test_when_a_file_is_the_photo_that_is_looked_for(files, known, is_shared, moved, unsure) -> None:
    looks = {path: Fingerprint(9, 9, digest, content) for path, (digest, content) in files.items()}
    before = {key: Fingerprint(9, 9, "d", content) for key, content in known.items()}
    shared = frozenset({"d"} if is_shared else ())
    pairs, doubted = survey_module._recognised(images_at("a.jpg"), looks, before, shared)
    assert {one.id: path for one, path in pairs} == moved
    assert [one.id for one in doubted] == unsure


def test_a_file_that_two_claim_is_nobodys() -> None:
    """One is known by all its bytes, the other by its ends, and both are as the file."""
    one, two = images_at("a.jpg", "b.jpg")
    looks = {"new.jpg": Fingerprint(9, 9, "d", "whole")}
    known = {1: Fingerprint(9, 9, "d", "whole"), 2: Fingerprint(9, 9, "d", "")}
    assert survey_module._recognised([one, two], looks, known, frozenset()) == ([], [])


def test_ends_that_several_images_have_prove_nothing() -> None:
    pair, lonely, nameless = images_at("a", "b"), images_at("c", digest="e"), images_at("d", "e", digest="")
    assert survey_module._shared([*pair, *lonely, *nameless]) == {"d"}


UNCLEAR = " missing, and files of one content make it unclear which is which: locate each at its new place."


@pytest.mark.parametrize(
    ("unsure", "moved", "said"),
    [
        (0, 0, ""),
        (0, 1, "A photo was found again as 0.jpg; its labels went with it."),
        (0, 1234, "1,234 photos were found again at other paths; their labels went with them."),
        (1, 2, f"A photo is{UNCLEAR}"),
        (2, 0, f"2 photos are{UNCLEAR}"),
    ],
)
def test_what_is_told_of_photos_that_moved(unsure: int, moved: int, said: str) -> None:
    some = [Image(number, f"{number}.jpg", 9, 9) for number in range(moved)]
    sync = Sync((), tuple(some), (), (), (), unsure=tuple(images_at(*["x"] * unsure)))
    assert said_of(sync) == said


def test_labels_set_aside_make_room_for_the_photos_that_lie_there(store: Store, photos: Path) -> None:
    fill(photos, {"a.bmp": frame(1), "b.bmp": frame(2)})
    label(store, photos)
    edit = photo_edits.set_aside(store, [1, 2])
    assert edit.label == "Set labels of 2 photos aside"
    store.apply(edit)
    assert sorted((one.id, one.path.rpartition("/")[2], one.note) for one in store.images()) == [
        (1, "a.bmp", MISSING),
        (2, "b.bmp", MISSING),
        (3, "a.bmp", ""),
        (4, "b.bmp", ""),
    ]
    assert photo_edits.set_aside(store, [3]).label == "Set labels of a.bmp aside"
