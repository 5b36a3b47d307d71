"""Bad COCO files, one by one: what is wrong is named with its index and field, the rest is taken."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labeler.errors import FormatError
from labeler.formats.coco import shapes
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.coco.coco_writing import write_coco
from labeler.formats.report import Report

Coco = Callable[..., Path]
Samples = dict[str, dict[str, str]]

LONG = "1" * 5000
NO_NUMBERS = {
    "null": "null",
    "true": "true",
    "text": '"1"',
    "empty": '""',
    "list": "[]",
    "object": "{}",
    "nan": "NaN",
    "infinity": "Infinity",
    "minus-infinity": "-Infinity",
    "1e999": "1e999",
    "minus-1e999": "-1e999",
    "digits": LONG,
}
NO_IDS = NO_NUMBERS | {"fraction": "1.5", "negative": "-1", "huge": str(2**63), "huge-float": "1e300"}
NO_TEXTS = {"null": "null", "true": "true", "number": "5", "empty": '""', "blank": '"  "', "list": '["a"]'}
NO_LISTS = {
    "null": "null",
    "true": "true",
    "text": '"1 2 3 4"',
    "number": "5",
    "object": "{}",
    "empty": "[]",
    "three": "[1, 2, 3]",
    "five": "[1, 2, 3, 4, 5]",
    "nan": "[1, 2, NaN, 4]",
    "infinity": "[1, 2, Infinity, 4]",
    "1e999": "[1, 2, 1e999, 4]",
    "bool": "[1, 2, true, 4]",
    "inner-null": "[1, 2, null, 4]",
    "inner-text": '[1, 2, "3", 4]',
    "nested": "[[1, 2, 3, 4]]",
    "digits": f"[1, 2, {LONG}, 4]",
}
NO_BOXES = NO_LISTS | {
    "zero-width": "[1, 2, 0, 4]",
    "zero-height": "[1, 2, 3, 0]",
    "negative-width": "[9, 9, -3, 4]",
    "negative-height": "[9, 9, 3, -4]",
    "far": "[1e9, 2, 3, 4]",
    "large": "[1, 2, 1e300, 4]",
    "right-of-image": "[41, 2, 3, 4]",
    "below-image": "[1, 31, 3, 4]",
    "left-of-image": "[-9, 2, 3, 4]",
    "above-image": "[1, -9, 3, 4]",
}
NO_POLYGONS = {
    "true": "true",
    "text": '"10 10 20 10"',
    "number": "5",
    "empty-part": "[[]]",
    "one-point": "[[1, 2]]",
    "two-points": "[[1, 2, 3, 4]]",
    "odd": "[[10, 10, 20, 10, 20, 20, 10]]",
    "odd-second": "[[10, 10, 20, 10, 20, 20], [1, 2, 3, 4, 5, 6, 7]]",
    "pairs": "[[[10, 10], [20, 10], [20, 20]]]",
    "nan": "[[10, 10, NaN, 10, 20, 20]]",
    "infinity": "[[10, 10, Infinity, 10, 20, 20]]",
    "minus-infinity": "[[10, 10, -Infinity, 10, 20, 20]]",
    "1e999": "[[10, 10, 1e999, 10, 20, 20]]",
    "bool": "[[10, 10, true, 10, 20, 20]]",
    "null-inside": "[[10, 10, null, 10, 20, 20]]",
    "text-inside": '[[10, 10, "20", 10, 20, 20]]',
    "mixed": "[[10, 10, 20, 10, 20, 20], 5]",
    "digits": f"[[10, 10, {LONG}, 10, 20, 20]]",
    "line": "[[10, 10, 20, 10, 30, 10]]",
    "point-thrice": "[[10, 10, 10, 10, 10, 10]]",
    "far": "[[10, 10, 1e8, 10, 20, 20]]",
    "outside": "[[50, 10, 60, 10, 60, 20]]",
    "above": "[[5, -10, 6, -10, 6, -20]]",
    "deep": "[" * 200 + "]" * 200,
}
NO_RLES = {
    "empty-object": "{}",
    "no-size": '{"counts": [65, 5, 1130]}',
    "no-counts": '{"size": [30, 40]}',
    "null-counts": '{"size": [30, 40], "counts": null}',
    "number-counts": '{"size": [30, 40], "counts": 5}',
    "null-size": '{"size": null, "counts": [65, 5, 1130]}',
    "text-size": '{"size": "30x40", "counts": [65, 5, 1130]}',
    "one-size": '{"size": [30], "counts": [65, 5, 1130]}',
    "three-sizes": '{"size": [30, 40, 3], "counts": [65, 5, 1130]}',
    "float-size": '{"size": [30.5, 40], "counts": [65, 5, 1130]}',
    "bool-size": '{"size": [true, true], "counts": [0, 1]}',
    "transposed": '{"size": [40, 30], "counts": [65, 5, 1130]}',
    "other-size": '{"size": [31, 40], "counts": [65, 5, 1170]}',
    "zero-size": '{"size": [0, 0], "counts": []}',
    "negative-size": '{"size": [-30, -40], "counts": [65, 5, 1130]}',
    "huge-size": '{"size": [200000, 200000], "counts": [5]}',
    "huger-size": f'{{"size": [{2**62}, {2**62}], "counts": [5]}}',
    "digits-size": f'{{"size": [{LONG}, 40], "counts": [5]}}',
    "no-runs": '{"size": [30, 40], "counts": []}',
    "short": '{"size": [30, 40], "counts": [65, 5, 25]}',
    "long": '{"size": [30, 40], "counts": [65, 5, 9999]}',
    "negative-run": '{"size": [30, 40], "counts": [65, -5, 1140]}',
    "bool-run": '{"size": [30, 40], "counts": [65, true, 1134]}',
    "float-run": '{"size": [30, 40], "counts": [65, 5.5, 1129.5]}',
    "text-run": '{"size": [30, 40], "counts": [65, "5", 1130]}',
    "nan-run": '{"size": [30, 40], "counts": [65, NaN, 1130]}',
    "digits-run": f'{{"size": [30, 40], "counts": [65, {LONG}]}}',
    "huge-run": f'{{"size": [30, 40], "counts": [65, {2**63}]}}',
    "too-many-runs": '{"size": [30, 40], "counts": [' + ", ".join("0" * 1300) + "]}",
    "background": '{"size": [30, 40], "counts": [1200]}',
    "empty-text": '{"size": [30, 40], "counts": ""}',
    "bad-text": '{"size": [30, 40], "counts": "hello world"}',
    "nul-text": '{"size": [30, 40], "counts": "Q2\\u000051"}',
    "unicode-text": '{"size": [30, 40], "counts": "Q2\\u00e951"}',
    "cut-text": '{"size": [30, 40], "counts": "ooo"}',
    "endless-text": '{"size": [30, 40], "counts": "' + "o" * 3000 + '"}',
    "short-text": '{"size": [30, 40], "counts": "12"}',
}


def without(fields: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in fields.items() if key != name}


ODD_IDS = {"text": '"1"', "negative": "-1", "huge": str(2**63), "null": "null"}
"""Ids that tell what belongs together, though a project cannot give them back."""
OTHER_LISTS = ("pairs", "odd-second")
"""Outlines that can be taken, if written in lists of other kinds."""
OTHER_SIZES = ("other-size",)


def refused_fields() -> Iterator[tuple[str, str, str, str | None]]:
    """(kind of item, its field, name of the case, raw value or None for a missing key), all to be refused."""
    for name, value in NO_IDS.items():
        if name not in ODD_IDS:
            yield "image", "id", name, value
            yield "category", "id", name, value
        for kind in ("polygon", "mask", "box"):
            yield kind, "image_id", name, value
            yield kind, "category_id", name, value
        if name != "null":
            yield "box", "iscrowd", name, value if name != "true" else "2"
    for kind, field in (("image", "file_name"), ("category", "name")):
        yield kind, field, "missing", None
    for kind in ("polygon", "mask", "box"):
        yield kind, "image_id", "missing", None
        yield kind, "category_id", "missing", None
        yield kind, "image_id", "dangling", "99"
        yield kind, "category_id", "dangling", "99"
    for name, value in NO_TEXTS.items():
        yield "image", "file_name", name, value
        yield "category", "name", name, value
    yield from refused_shapes()


def refused_shapes() -> Iterator[tuple[str, str, str, str | None]]:
    """As `refused_fields`, of names and geometry."""
    yield "image", "file_name", "nul", '"a\\u0000.jpg"'
    yield "image", "file_name", "endless", json.dumps("a" * 5000)
    for name, value in NO_BOXES.items():
        yield "box", "bbox", name, value
    for name, value in NO_POLYGONS.items():
        if name not in OTHER_LISTS:
            yield "outline", "segmentation", name, value
    for name, value in NO_RLES.items():
        if name not in OTHER_SIZES:
            yield "bits", "segmentation", name, value


def repaired_fields() -> Iterator[tuple[str, str, str, str | None]]:
    """As `refused_fields`, all to be taken with a repair that is named."""
    for name, value in NO_BOXES.items():
        yield "polygon", "bbox", name, value
        yield "mask", "bbox", name, value
    for name, value in (NO_NUMBERS | {"negative": "-5", "zero": "0", "wrong": "9000"}).items():
        for kind in ("polygon", "mask", "box"):
            yield kind, "area", name, value
    for name, value in (NO_IDS | {"zero": "0", "larger-than-any": "1000001"}).items():
        yield "image", "width", name, value
        yield "image", "height", name, value
    for name, value in NO_IDS.items():
        yield "polygon", "id", name, value
    for name, value in ODD_IDS.items():
        yield "image", "id", name, value
        yield "category", "id", name, value
    for kind in ("image", "category"):
        yield kind, "id", "missing", None
    for name, value in NO_POLYGONS.items():
        yield "polygon", "segmentation", name, value
    for name, value in NO_RLES.items():
        yield "mask", "segmentation", name, value
    for name in OTHER_LISTS:
        yield "outline", "segmentation", name, NO_POLYGONS[name]
    for name in OTHER_SIZES:
        yield "bits", "segmentation", name, NO_RLES[name]
    yield "image", "width", "missing", None
    yield "image", "height", "missing", None
    yield "image", "width", "float", "40.0"
    yield "image", "id", "float", "7.0"
    yield "category", "id", "float", "3.0"
    yield "polygon", "image_id", "float", "7.0"
    yield "polygon", "category_id", "float", "3.0"
    yield "polygon", "id", "float", "11.0"
    yield "polygon", "id", "missing", None
    yield "polygon", "iscrowd", "true", "true"
    yield "polygon", "iscrowd", "false", "false"
    yield "polygon", "segmentation", "flat", "[10, 10, 20, 10, 20, 20, 10, 20]"
    yield "polygon", "segmentation", "small-part", "[[10, 10, 20, 10, 20, 20, 10, 20], [1, 2, 3, 4]]"
    yield "polygon", "segmentation", "empty-part", "[[], [10, 10, 20, 10, 20, 20, 10, 20]]"
    yield "polygon", "bbox", "elsewhere", "[30, 1, 3, 4]"


def cases(table: Iterator[tuple[str, str, str, str | None]]) -> list[object]:
    return [pytest.param(*case[:2], case[3], id="-".join(case[:3])) for case in table]


REFUSED, REPAIRED = cases(refused_fields()), cases(repaired_fields())


def test_the_corpus_is_large_enough() -> None:
    assert len(REFUSED) + len(REPAIRED) >= 300


def check_complete(report: Report) -> None:
    """Every item is counted once, and every item that is not taken as it is has a note."""
    for kind, tally in report.tallies.items():
        assert tally.total == tally.taken + tally.repaired + tally.refused + tally.skipped
        refused = {note.index for note in report.items if note.kind == kind and note.verdict == "refused"}
        repaired = {note.index for note in report.items if note.kind == kind and note.verdict == "repaired"}
        assert len(refused) == tally.refused
        assert len(repaired - refused) == tally.repaired
    assert all(note.sentence.endswith((".", "”.")) and "\n" not in note.sentence for note in report.items)
    assert "Traceback" not in report.text()


def file_of(coco: Coco, samples: Samples, kind: str, fields: dict[str, str]) -> tuple[Path, str]:
    """A file of the valid items with one more of `kind`, last of its list; and that list's name."""
    items = {
        name: "{" + ",".join(f'"{k}":{v}' for k, v in raw.items()) + "}" for name, raw in samples.items()
    }
    bad = "{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}"
    if kind in ("image", "category"):
        plural = {"image": "images", "category": "categories"}[kind]
        return coco(**{plural: [items[kind], bad]}), plural
    return coco(annotations=[items["box"], bad]), "annotations"


OTHER_ID = {
    "image": "8",
    "category": "4",
    "polygon": "21",
    "mask": "22",
    "box": "23",
    "outline": "24",
    "bits": "25",
}


def sample(samples: Samples, kind: str) -> dict[str, str]:
    """The fields of a valid item; "outline" and "bits" are a polygon and a mask without a bbox."""
    kinds = {"outline": "polygon", "bits": "mask"}
    return without(samples[kinds[kind]], "bbox") if kind in kinds else samples[kind]


@pytest.mark.parametrize(("kind", "field", "value"), REFUSED)
def test_refused(coco: Coco, samples: Samples, kind: str, field: str, value: str | None) -> None:
    fields = sample(samples, kind) | {"id": OTHER_ID[kind]}
    fields = without(fields, field) if value is None else fields | {field: value}
    path, plural = file_of(coco, samples, kind, fields)
    dataset, report = read_coco(path)
    check_complete(report)
    (note,) = [note for note in report.items if note.verdict == "refused"]
    assert (note.kind, note.index, note.field) == (plural, 1, field)
    assert report.tallies[plural].taken == 1
    assert len(getattr(dataset, plural)) == 1


@pytest.mark.parametrize(("kind", "field", "value"), REPAIRED)
def test_repaired(coco: Coco, samples: Samples, kind: str, field: str, value: str | None) -> None:
    fields = sample(samples, kind) | {"id": OTHER_ID[kind]}
    fields = without(fields, field) if value is None else fields | {field: value}
    if field == "id" and value is not None and value.endswith(".0"):
        fields["id"] = f"{OTHER_ID[kind]}.0"
    path, plural = file_of(coco, samples, kind, fields)
    dataset, report = read_coco(path)
    check_complete(report)
    assert report.refused == 0
    assert (plural, 1) in {(note.kind, note.index) for note in report.items if note.field == field}
    assert len(getattr(dataset, plural)) == 2
    if field in ("width", "height"):
        return  # what is not known stays so
    data, written = write_coco(dataset)
    assert not written.items
    _, again = read_coco(coco(data))
    assert not again.items


@pytest.mark.parametrize("kind", ["image", "category"])
def test_an_item_that_is_there_twice_is_left_out_once(coco: Coco, samples: Samples, kind: str) -> None:
    path, plural = file_of(coco, samples, kind, samples[kind])
    dataset, report = read_coco(path)
    check_complete(report)
    assert [(n.verdict, n.kind, n.index, n.field) for n in report.items] == [("skipped", plural, 1, "id")]
    assert len(getattr(dataset, plural)) == 1
    assert len(dataset.annotations) == 3


@pytest.mark.parametrize("kind", ["image", "category"])
def test_an_id_that_two_items_claim_means_neither(coco: Coco, samples: Samples, kind: str) -> None:
    name = {"image": "file_name", "category": "name"}[kind]
    items = [samples[kind], samples[kind] | {name: '"other.png"'}]
    plural = {"image": "images", "category": "categories"}[kind]
    rows = ["{" + ",".join(f'"{k}":{v}' for k, v in fields.items()) + "}" for fields in items]
    dataset, report = read_coco(coco(**{plural: rows}))
    check_complete(report)
    assert len(getattr(dataset, plural)) == 2
    assert [one.file_id for one in getattr(dataset, plural)] == [None, None]
    assert dataset.annotations == ()
    assert report.tallies["annotations"].refused == 3
    assert all("which one is meant cannot be known" in n.sentence for n in report.items)


def test_a_second_annotation_with_the_same_id_gets_another(coco: Coco, samples: Samples) -> None:
    path, _ = file_of(coco, samples, "box", samples["box"])
    dataset, report = read_coco(path)
    check_complete(report)
    assert report.repaired == 1
    assert [annotation.file_id for annotation in dataset.annotations] == [13, None]
    rows = json.loads(write_coco(dataset)[0])["annotations"]
    assert rows[0]["id"] == 13
    assert rows[1]["id"] != 13


@pytest.mark.parametrize("text", ["5", "null", '"x"', "[]", "true", "NaN", "1e999", '[{"id": 1}]'])
@pytest.mark.parametrize("plural", ["images", "categories", "annotations"])
def test_an_item_that_is_no_object_is_refused(coco: Coco, plural: str, text: str) -> None:
    _, report = read_coco(coco(**{plural: [text]}))
    check_complete(report)
    first = next(note for note in report.items if note.kind == plural)
    assert (first.verdict, first.index) == ("refused", 0)


@pytest.mark.parametrize("kind", ["image", "category", "polygon", "mask", "box"])
def test_a_key_given_twice_is_named(coco: Coco, samples: Samples, kind: str) -> None:
    fields = samples[kind] | {"id": OTHER_ID[kind]}
    path, plural = file_of(coco, samples, kind, fields)
    doubled = path.read_text().replace(
        f'"id":{OTHER_ID[kind]}', f'"id":{OTHER_ID[kind]}, "id":{OTHER_ID[kind]}'
    )
    _, report = read_coco(coco(doubled))
    check_complete(report)
    assert [(n.verdict, n.kind, n.index, n.field) for n in report.items] == [("repaired", plural, 1, "id")]


NOT_COCO = {
    "empty": b"",
    "blank": b" \n ",
    "nul": b"\0" * 100,
    "text": b"hello",
    "cut": b'{"images": [{"id": 1',
    "cut-text": b'{"images": [{"id": "',
    "comma": b'{"images": [],}',
    "comment": b'{"images": [] /* none */}',
    "two-values": b'{"images": []} {}',
    "single-quotes": b"{'images': []}",
    "number": b"5",
    "null": b"null",
    "list": b"[]",
    "results": b'[{"image_id": 1, "score": 0.5}]',
    "no-images": b'{"annotations": []}',
    "empty-object": b"{}",
    "images-object": b'{"images": {}}',
    "images-number": b'{"images": 5}',
    "annotations-text": b'{"images": [], "annotations": "none"}',
    "categories-true": b'{"images": [], "categories": true}',
    "deep": b'{"images": ' + b"[" * 100_000,
    "deep-closed": b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b', "images": []}',
    "deep-objects": b'{"images": [' + b'{"a":' * 100_000,
    "png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "utf-32": '{"images": []}'.encode("utf-32"),
}


@pytest.mark.parametrize("data", NOT_COCO.values(), ids=NOT_COCO)
def test_what_is_not_coco_is_one_sentence(coco: Coco, data: bytes) -> None:
    path = coco(data)
    with pytest.raises(FormatError) as caught:
        read_coco(path)
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith(".")
    assert "\n" not in message


def test_bad_json_is_told_with_line_and_column(coco: Coco) -> None:
    with pytest.raises(FormatError, match=r"line 3, column 8 \(byte 24\)"):
        read_coco(coco('{"images": [\n{},\n{"id": x}]}'))


def test_files_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, tmp_path / ("a" * 300)):
        with pytest.raises(FormatError, match="cannot be read"):
            read_coco(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: b"\xef\xbb\xbf" + data, "byte order mark"),
        (lambda data: data.decode().encode("utf-16"), "UTF-16"),
        (lambda data: data.replace(b'"cat"', b'"c\xe4t"'), "not UTF-8"),
        (lambda data: data.replace(b'"cat"', rb'"c\ud83dt"'), "lone surrogate"),
        (lambda data: data.replace(b'"cat"', rb'"c\udc00t\\ud800"'), "1 lone surrogate"),
        (lambda data: data.replace(b'"area": 72', b'"area": NaN'), "1 times NaN"),
    ],
    ids=["bom", "utf-16", "latin-1", "high-surrogate", "low-surrogate", "nan"],
)
def test_text_that_is_nearly_json_is_taken(
    coco: Coco, change: Callable[[bytes], bytes], sentence: str
) -> None:
    path = coco()
    dataset, report = read_coco(coco(change(path.read_bytes())))
    check_complete(report)
    assert any(note.kind == "file" and sentence in note.sentence for note in report.items)
    assert len(dataset.annotations) == 3
    assert report.refused == 0


def test_texts_that_look_like_bad_numbers_are_left_alone(coco: Coco, samples: Samples) -> None:
    fields = samples["category"] | {"name": r'"NaN \"Infinity\" \\"', "x": "NaN"}
    dataset, _ = read_coco(coco(categories=["{" + ",".join(f'"{k}":{v}' for k, v in fields.items()) + "}"]))
    assert dataset.categories[0].name == 'NaN "Infinity" \\'


def test_escaped_pairs_of_surrogates_are_characters(coco: Coco) -> None:
    dataset, report = read_coco(
        coco(coco().read_text().replace('"cat"', r'"\ud83d\ude00"').replace("72", "NaN"))
    )
    assert dataset.categories[0].name == "\N{GRINNING FACE}"
    assert not any("surrogate" in note.sentence for note in report.items)


@pytest.mark.parametrize("plural", ["annotations", "categories"])
def test_a_missing_list_is_named(coco: Coco, plural: str) -> None:
    whole = json.loads(coco().read_text())
    del whole[plural]
    _, report = read_coco(coco(json.dumps(whole)))
    check_complete(report)
    assert ("repaired", "file", None, plural) in {(n.verdict, n.kind, n.index, n.field) for n in report.items}


def test_a_second_list_of_the_same_name_is_named(coco: Coco) -> None:
    text = coco().read_text()
    _, report = read_coco(coco(text[:-1] + ', "annotations": []}'))
    check_complete(report)
    assert ("refused", "file", None, "annotations") in {
        (n.verdict, n.kind, n.index, n.field) for n in report.items
    }
    assert report.refused == 1


def test_masks_beyond_the_budget_are_refused_before_they_are_unrolled(
    coco: Coco, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        "{" + ",".join(f'"{k}":{v}' for k, v in (samples["mask"] | {"id": str(n)}).items()) + "}"
        for n in range(4)
    ]
    monkeypatch.setattr(shapes.MaskBudget.__init__, "__defaults__", (15,))
    dataset, report = read_coco(coco(annotations=rows))
    check_complete(report)
    assert len(dataset.annotations) == 2
    assert [note.index for note in report.items] == [2, 3]
