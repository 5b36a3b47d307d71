"""Mutated COCO files: whatever comes in, what comes out is a report or one sentence."""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labeler.errors import FormatError
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.coco.results import read_results
from labeler.formats.report import Report
from tests.patient_bot import slack

Coco = Callable[..., Path]

NUMBERS = itertools.count()
SECONDS = 2.0
"""No file of this size may take longer."""

VALUES = (
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"1.5", b"1e308", b"9" * 5000, b"18446744073709551616"),
    *(b"null", b"true", b"[]", b"{}", b"[[]]", b'""', b'"7"', b"7", b"7.0", b"2147483648", b"[1, 2, 3, 4]"),
    *(
        b'"../../a.jpg"',
        b'{"size": [200000, 200000], "counts": [5]}',
        b'{"size": [30, 40], "counts": "ooooo"}',
    ),
    *(b"[[1, 1, 9, 1, 9, 9]]", b'{"a": {"a": {"a": 1}}}', b"[-5, 3, 1e7, 2]", rb'"\ud800"'),
)
PIECES = (
    *(b"\xff", b"\0", b"[" * 2000, b'{"a":' * 2000, b",", b":", b'"', b"\\", b"]", b"}", b"\xef\xbb\xbf"),
    *(b'"id": 7,', b'"counts": "ooooo"', b'"size": [200000, 200000]', *VALUES),
)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The text with one to three changes: mostly of whole values, so that it often stays JSON."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at, length = rng.randrange(len(out) + 1), rng.randint(1, 40)
        match rng.randrange(10):
            case 0:
                out[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del out[at : at + length]
            case 2:
                out[at:at] = out[at : at + length]
            case 3:
                out[at : at + rng.choice((0, length))] = rng.choice(PIECES)
            case _:
                replace_value(out, rng)
    return bytes(out)


def replace_value(out: bytearray, rng: random.Random) -> None:
    """Put another value where one stands between two separators."""
    starts = [place + 1 for place, byte in enumerate(out[:-1]) if byte in b":,[" and out[place + 1] != b"{"]
    if starts:
        start = rng.choice(starts)
        end = next((place for place in range(start, len(out)) if out[place] in b",]}"), len(out))
        if b'"' not in out[start:end] or b":" not in out[start:end]:
            out[start:end] = rng.choice(VALUES)


def check_complete(report: Report) -> None:
    for kind, tally in report.tallies.items():
        notes = [note for note in report.items if note.kind == kind]
        refused = {note.index for note in notes if note.verdict == "refused"}
        repaired = {note.index for note in notes if note.verdict == "repaired"} - refused
        assert (tally.refused, tally.repaired) == (len(refused), len(repaired))
        assert tally.total == tally.taken + tally.repaired + tally.refused
    assert report.text()
    assert report.to_json()


def put(folder: Path, data: bytes) -> Path:
    """A new file; writing into an old one would wait for the disk each time."""
    path = folder / f"{next(NUMBERS)}.json"
    path.write_bytes(data)
    return path


def outcomes(coco: Coco, count: int, seed: int) -> Iterator[Report | str]:
    """Reads `count` mutated files; what is taken is written and must then be read without a refusal."""
    rng = random.Random(seed)
    original = coco()
    good = original.read_bytes()
    for _ in range(count):
        path = put(original.parent, mutated(good, rng))
        began = time.perf_counter()
        try:
            dataset, report = read_coco(path)
        except FormatError as error:
            yield str(error)
            continue
        assert time.perf_counter() - began < SECONDS * slack()
        check_complete(report)
        for kind, items in (("images", dataset.images), ("annotations", dataset.annotations)):
            assert len(items) == report.tallies[kind].taken + report.tallies[kind].repaired
        data, written = write_coco(dataset)
        assert not written.refused
        assert read_coco(put(original.parent, data))[1].refused == 0
        yield report


def check_fuzz(coco: Coco, count: int, seed: int) -> None:
    seen = list(outcomes(coco, count, seed))
    assert not any("\n" in one for one in seen if isinstance(one, str))
    whole = [one for one in seen if isinstance(one, Report)]
    noted = sum(bool(one.items) for one in whole)
    print(f"{count} files: {len(whole)} read, {noted} of them with notes, 0 crashes")
    assert noted > count / 4  # the mutations reach the items


def test_three_thousand_mutated_files(coco: Coco) -> None:
    check_fuzz(coco, 3000, seed=1)


@pytest.mark.slow
def test_twenty_thousand_mutated_files(coco: Coco) -> None:
    check_fuzz(coco, 20_000, seed=2)


def test_mutated_results(coco: Coco, tmp_path: Path) -> None:
    rng = random.Random(3)
    dataset, _ = read_coco(coco())
    images = {image.file_id or 0: image for image in dataset.images}
    categories = {category.file_id or 0: category for category in dataset.categories}
    good = (
        b'[{"image_id": 7, "category_id": 3, "score": 0.5, "bbox": [1, 2, 3, 4]}, {"image_id": 7, '
        b'"category_id": 3, "score": 0.25, "segmentation": {"size": [30, 40], "counts": [65, 5, 1130]}}]'
    )
    read = 0
    for _ in range(1000):
        path = put(tmp_path, mutated(good, rng))
        try:
            candidates, report = read_results(path, images=images, categories=categories)
        except FormatError:
            continue
        check_complete(report)
        assert len(candidates) == report.taken + report.repaired
        assert all(0 <= candidate.confidence <= 1 for candidate in candidates)
        read += 1
    assert read > 100
