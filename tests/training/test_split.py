"""The split keeps copies together, is about as large as it was asked for, and stays when images are added."""

import hashlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.core.photos.images import read_pixels
from labeler.training import split as split_module
from labeler.training.split import NEAR, Entry, Item, _score, fingerprint, fingerprint_of, parted, split, stem


def items(number: int, *, start: int = 0) -> list[Item]:
    """Pictures that have nothing in common."""
    chance = np.random.default_rng(5)
    bits = [int.from_bytes(chance.bytes(16), "big") for _ in range(start + number)]
    return [Item(f"{n}.png", f"{n}", bits[n]) for n in range(start, start + number)]


def distance(first: int, second: int) -> int:
    return (first ^ second).bit_count()


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("img_001.jpg", "img_001"),
        ("IMG_001.PNG", "img_001"),
        ("a/b/img_001.tif", "img_001"),
        (r"C:\photos\img_001.tif", "img_001"),
        ("img_001 (copy).jpg", "img_001"),
        ("img_001 (copy 2).jpg", "img_001"),
        ("img_001 - Copy.jpg", "img_001"),
        ("img_001_copy.jpg", "img_001"),
        ("img_001_jpg.rf.3f2a9c0db1e44c7d.jpg", "img_001_jpg"),
        ("photo (1).jpg", "photo (1)"),
        ("copy.jpg", "copy"),
        ("robocopy.jpg", "robocopy"),
    ],
)
def test_stems(name: str, same: str) -> None:
    assert stem(name) == same


def test_a_fingerprint_outlives_what_is_done_to_copies(photos) -> None:
    kinds = sorted(photos.iterdir())
    prints = [fingerprint(path) for path in kinds]
    for path, known in zip(kinds, prints, strict=True):
        rgb = read_pixels(path).rgb
        half = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 30])
        brighter = np.clip(rgb * 1.1 + 5, 0, 255).astype(np.uint8)
        for copy in (half, cv2.imdecode(data, cv2.IMREAD_COLOR), brighter):
            assert distance(known, fingerprint_of(copy)) <= NEAR
    assert min(distance(a, b) for a in prints for b in prints if a != b) > 2 * NEAR


def test_copies_and_same_stems_stay_together() -> None:
    some = items(20)
    same_stem = Item("0.tif", "0", 0)
    alike = Item("other.png", "other", some[1].fingerprint ^ 0b111)
    alike_to_that = Item("third.png", "third", alike.fingerprint ^ (0b11111111111111 << 50))
    for seed in range(20):
        parts = split([*some, same_stem, alike, alike_to_that], share=0.3, seed=seed)
        held = parts.validation
        assert ("0.png" in held) == ("0.tif" in held)
        assert len({key in held for key in ("1.png", "other.png", "third.png")}) == 1
        assert ("0.png", "0.tif") in parts.groups
        assert len(parts.groups) == 20


def by_all_pairs(fingerprints: list[int]) -> list[list[int]]:
    """Groups by comparing each with each."""
    groups: list[list[int]] = []
    for place, bits in enumerate(fingerprints):
        near = [group for group in groups if any(distance(bits, fingerprints[one]) <= NEAR for one in group)]
        groups = [group for group in groups if group not in near]
        groups.append(sorted([place, *(one for group in near for one in group)]))
    return sorted(groups)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 80), st.integers(0, 14), st.booleans())
def test_groups_are_those_of_all_pairs(seed: int, scenes: int, number: int, noise: int, drifts: bool) -> None:
    chance = np.random.default_rng(seed)
    now = [int.from_bytes(chance.bytes(16), "big") for _ in range(scenes)]
    prints = []
    for _ in range(number):
        scene = int(chance.integers(scenes))
        bits = now[scene]
        for bit in chance.choice(128, int(chance.integers(noise + 1)), replace=False):
            bits ^= 1 << int(bit)
        now[scene] = bits if drifts else now[scene]
        prints.append(bits)
    chance.shuffle(prints)
    assert all(bits.bit_count() >= 16 for bits in prints)
    found = split([Item(str(n), str(n), bits) for n, bits in enumerate(prints)], share=0.2, seed=0).groups
    assert [[int(key) for key in group] for group in found] == by_all_pairs(prints)


def test_a_film_of_a_camera_that_stands_still_is_one_group() -> None:
    """All pairs of these would be 200 million, and take gigabytes."""
    chance = np.random.default_rng(0)
    scene = int.from_bytes(chance.bytes(16), "big")
    noise = chance.integers(0, 128, (20_000, 4)).tolist()
    frames = [
        Item(f"{n}.png", f"{n}", scene ^ sum(1 << bit for bit in set(bits))) for n, bits in enumerate(noise)
    ]
    assert len(split(frames, share=0.2, seed=0).groups) == 1


def test_nearly_flat_pictures_are_not_taken_for_copies() -> None:
    flat = [Item(f"{n}", f"{n}", 1 << n) for n in range(10)]
    assert len(split(flat, share=0.2, seed=0).groups) == 10


def test_the_share_is_about_what_was_asked_for() -> None:
    for number in (5, 10, 50, 400):
        for seed in range(10):
            held = len(split(items(number), share=0.2, seed=seed).validation)
            assert max(1, round(0.15 * number)) <= held <= max(1, round(0.25 * number))


def test_hardly_an_image_changes_sides_when_others_are_added() -> None:
    before = split(items(200), share=0.2, seed=1)
    after = split(items(400), share=0.2, seed=1)
    old = {f"{n}.png" for n in range(200)}
    assert len((after.validation & old) ^ before.validation) <= 4


def test_another_seed_is_another_split() -> None:
    assert split(items(50), share=0.2, seed=1).validation != split(items(50), share=0.2, seed=2).validation
    assert split(items(50), share=0.2, seed=1) == split(items(50), share=0.2, seed=1)


def test_nothing_of_a_single_group_is_held_out() -> None:
    assert split(items(1), share=0.5, seed=0).validation == frozenset()
    assert split([], share=0.5, seed=0).groups == ()
    together = [Item(f"{n}.png", "same", 0) for n in range(4)]
    assert split(together, share=0.5, seed=0).validation == frozenset()


@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=12),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_neither_part_is_empty_and_no_group_is_parted(sizes: list[int], share: float, seed: int) -> None:
    some = [Item(f"{group}/{n}", f"{group}", 0) for group, size in enumerate(sizes) for n in range(size)]
    parts = split(some, share=share, seed=seed)
    assert 0 < len(parts.validation) < len(some)
    assert sorted(key for group in parts.groups for key in group) == sorted(item.key for item in some)
    for group in parts.groups:
        assert len({key in parts.validation for key in group}) == 1


def test_a_split_is_the_same_in_every_version() -> None:
    """Runs of before are judged on what they held out: worked out by hand from SHA-256 of seed and name."""
    named = [Item(f"{name}.png", name, 0) for name in "abcdefghij"]
    scores = {
        name: int.from_bytes(hashlib.sha256(f"0\n{name}".encode()).digest()[:8], "big") / 2**64
        for name in "abcdefghij"
    }
    assert [_score(name, 0) for name in scores] == list(scores.values())
    rising = sorted(scores, key=scores.__getitem__)
    assert 2 <= sum(score < 0.3 for score in scores.values()) <= 4  # else it hangs on the bounds
    held = split(named, share=0.3, seed=0).validation
    assert held == {f"{name}.png" for name in rising if scores[name] < 0.3}


def scored(monkeypatch: pytest.MonkeyPatch, sizes: dict[str, int], share: float) -> list[str]:
    """The groups that are held out, of sizes by score: \"0.1\" is the first to be asked."""
    monkeypatch.setattr(split_module, "_score", lambda name, _: float(name))
    some = [Item(f"{name}/{n}", name, 0) for name, size in sizes.items() for n in range(size)]
    held = split(some, share=share, seed=0).validation
    return sorted({key.partition("/")[0] for key in held})


@pytest.mark.parametrize(
    ("sizes", "share", "held"),
    [
        ({"0.1": 2, "0.3": 2, "0.8": 6}, 0.2, ["0.1"]),
        # too few by their scores: the next groups fill it up to three quarters of the share
        ({"0.5": 1, "0.6": 1, "0.7": 1, "0.8": 5}, 0.25, ["0.5", "0.6"]),
        # too many: no more than five quarters of it
        ({"0.01": 4, "0.02": 1, "0.03": 1, "0.9": 14}, 0.2, ["0.01", "0.02"]),
        # a group that is too large is left to learn from, and one after it taken
        ({"0.1": 9, "0.2": 1, "0.9": 2}, 0.1, ["0.2"]),
        # all are too large: the smallest, by score where several are
        ({"0.1": 8, "0.7": 6, "0.5": 6}, 0.05, ["0.5"]),
        # never all of them
        ({"0.1": 1, "0.2": 1}, 0.99, ["0.1"]),
    ],
)
def test_which_groups_are_held_out(monkeypatch, sizes, share, held) -> None:
    assert scored(monkeypatch, sizes, share) == held


def test_what_cannot_be_read_or_learnt_from_is_in_neither_part() -> None:
    entries = [
        Entry(f"{n}", f"{n}.png", 1 << n if n != 3 else None, only_boxes=n in (4, 5)) for n in range(8)
    ]
    everything = parted(entries, needs_masks=False, share=0.3, seed=1)
    assert {key for group in everything.groups for key in group} == set("0124567")
    outlined = parted(entries, needs_masks=True, share=0.3, seed=1)
    assert {key for group in outlined.groups for key in group} == set("01267")


@pytest.mark.parametrize(("differing", "groups"), [(NEAR, 1), (NEAR + 1, 2)])
def test_how_far_apart_two_pictures_may_look(differing: int, groups: int) -> None:
    """In either half of the 128 bits, and over both."""
    full = (1 << 128) - 1
    for mask in ((1 << differing) - 1, ((1 << differing) - 1) << 100, ((1 << differing) - 1) << 56):
        pair = [Item("a", "a", full), Item("b", "b", full ^ (mask & full))]
        far = (mask & full).bit_count() <= NEAR
        assert len(split(pair, share=0.5, seed=0).groups) == (1 if far else groups)


@pytest.mark.parametrize(("bits", "groups"), [(16, 1), (15, 2)])
def test_a_picture_says_something_from_16_bits_on(bits: int, groups: int) -> None:
    flat = (1 << bits) - 1
    assert len(split([Item("a", "a", flat), Item("b", "b", flat)], share=0.5, seed=0).groups) == groups
