"""Formats of plugins: read through the gates of COCO, written whole or not at all, their mistakes told."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from labeler.core.records import Annotation, Box, Category, Image
from labeler.errors import FormatError, LabelerError
from labeler.formats import spec
from labeler.formats.coco.coco_file import open_document
from labeler.formats.coco.coco_reading import dataset_of, read_coco
from labeler.formats.data_set import Wanted, write_data_set
from labeler.formats.door import format_to_write
from labeler.formats.report import FieldNote
from labeler.formats.spec import Dataset, FormatSpec, Part, Reading, Source, Target
from tests.core.photos.dead_disk import dead_disk

ONE = Dataset(
    (Image(1, "a.png", 40, 30),), (Category(1, "cat", "#ff0000"),), (Annotation(1, 1, 1, Box(2, 3, 10, 8)),)
)


def _write_toy(parts: Sequence[Part], target: Target) -> None:
    target.path.write_text(f"toy {len(parts[0].dataset.annotations)}")


def toy(**changes: object) -> FormatSpec:
    """A format whose files begin with "toy"."""
    given = {
        "id": "toy",
        "title": "Toy",
        "suffixes": (".toy",),
        "sniff": lambda path: path.read_bytes().startswith(b"toy"),
        "read": lambda _: Reading(ONE),
        "write": _write_toy,
    }
    return FormatSpec(**given | changes)


@pytest.fixture
def offered() -> Iterator[list[FormatSpec]]:
    """The formats there are."""
    found: list[FormatSpec] = []
    spec.come_from(lambda: found)
    yield found
    spec.come_from(tuple)


def test_a_file_is_read_by_the_format_that_knows_it(tmp_path: Path, offered: list[FormatSpec]) -> None:
    offered.append(toy())
    path = tmp_path / "labels.toy"
    path.write_text("toy")
    dataset, report = read_coco(path)
    assert [image.path for image in dataset.images] == ["a.png"]
    (box,) = [one.shape for one in dataset.annotations]
    assert isinstance(box, Box)
    assert (box.x0, box.y0, box.x1, box.y1) == (2, 3, 10, 8)
    assert report.source == "labels.toy"


def test_what_a_format_gives_goes_through_the_gates(tmp_path: Path, offered: list[FormatSpec]) -> None:
    lost = Annotation(2, 9, 1, Box(0, 0, 1, 1))  # on an image that there is not
    wild = Annotation(3, 1, 1, Box(float("nan"), 0, 1, 1))
    offered.append(
        toy(read=lambda _: Reading(Dataset(ONE.images, ONE.categories, (*ONE.annotations, lost, wild))))
    )
    path = tmp_path / "labels.toy"
    path.write_text("toy")
    dataset, _ = dataset_of(open_document(path))
    assert len(dataset.annotations) == 1


def test_json_that_is_no_coco_may_be_of_another_format(tmp_path: Path, offered: list[FormatSpec]) -> None:
    path = tmp_path / "labels.json"
    path.write_text('{"toy": 1}')
    with pytest.raises(FormatError, match="images"):
        open_document(path)
    offered.append(toy(suffixes=(".json",), sniff=lambda path: b"toy" in path.read_bytes()))
    assert len(dataset_of(open_document(path))[0].annotations) == 1


def test_a_file_is_written_in_its_format(tmp_path: Path) -> None:
    out = tmp_path / "out.toy"
    written = write_data_set(toy(), Wanted(ONE, out))
    assert out.read_text() == "toy 1"
    assert written.files == (out,)
    assert written.report.tallies["annotations"].taken == 1
    assert list(tmp_path.iterdir()) == [out]


def test_an_ending_that_nothing_writes_is_refused_by_name(offered: list[FormatSpec]) -> None:
    offered.append(toy())
    with pytest.raises(FormatError, match=r"“\.xyz”.*\.json \(COCO\), \.toy \(Toy\)"):
        format_to_write(Path("out.xyz"))
    assert format_to_write(Path("out.toy")) is offered[0]
    assert format_to_write(Path("out.xyz"), "toy") is offered[0]
    assert format_to_write(Path("out.json")) is None
    with pytest.raises(FormatError, match="There is no format “tyo”; there are: coco, toy"):
        format_to_write(Path("out.json"), "tyo")


def test_a_format_that_is_only_read_is_not_written(offered: list[FormatSpec]) -> None:
    offered.append(toy(write=None))
    with pytest.raises(FormatError, match="Toy is only read"):
        format_to_write(Path("out"), "toy")


def test_what_a_format_refuses_is_counted_and_has_its_place(
    tmp_path: Path, offered: list[FormatSpec]
) -> None:
    bad = FieldNote("refused", "annotations", None, "", "Has no numbers.", at="a.txt:7")
    empty = Annotation(2, 1, 1, Box(5, 5, 5, 9))
    whole = Dataset(ONE.images, ONE.categories, (empty, *ONE.annotations))
    offered.append(toy(read=lambda _: Reading(whole, (bad,), lambda place: f"b.txt:{place + 1}")))
    path = tmp_path / "labels.toy"
    path.write_text("toy")
    dataset, report = read_coco(path)
    assert len(dataset.annotations) == 1
    tally = report.tallies["annotations"]
    assert (tally.total, tally.taken, tally.refused) == (3, 1, 2)
    assert {note.place for note in report.items} == {"a.txt:7", "b.txt:1"}


@pytest.mark.parametrize("error", [ValueError("two\nlines"), KeyError("x"), OSError(28, "No space left")])
def test_what_a_format_raises_is_a_sentence_and_leaves_no_file(
    tmp_path: Path, offered: list[FormatSpec], error: Exception
) -> None:
    def broken(_: object, target: Target) -> None:
        target.path.write_text("half")
        raise error

    def unread(_: Source) -> Reading:
        raise error

    offered.append(toy(write=broken, read=unread))
    out = tmp_path / "out.toy"
    out.write_text("toy, as it was")
    with pytest.raises(FormatError, match=r"cannot be read") as read:
        open_document(out)
    with pytest.raises(FormatError, match=r"cannot be written") as written:
        write_data_set(offered[0], Wanted(ONE, out))
    assert "\n" not in f"{read.value}{written.value}"
    assert out.read_text() == "toy, as it was"
    assert list(tmp_path.iterdir()) == [out]


def test_a_name_that_no_disk_takes_is_said(tmp_path: Path, offered: list[FormatSpec]) -> None:
    offered.append(toy())
    with pytest.raises(FormatError, match="cannot be written"):
        write_data_set(offered[0], Wanted(ONE, tmp_path / f"{'n' * 300}.toy"))


def test_a_file_on_a_disk_that_does_not_answer_is_said(tmp_path: Path, offered: list[FormatSpec]) -> None:
    offered.append(toy())
    with dead_disk(tmp_path / "dead") as dead, pytest.raises(LabelerError, match="has not been read"):
        open_document(dead / "labels.toy")
