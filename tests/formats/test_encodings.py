"""Names in other encodings than UTF-8: read as what they are, or refused; never merged, never guessed."""

import json
from pathlib import Path

import pytest

from labeler.errors import FormatError
from labeler.formats.coco.coco_reading import read_coco
from labeler.formats.encodings import reading

SHORT = [
    ("gb18030", ["汽车", "行人"]),
    ("gb18030", ["卡车"]),
    ("shift_jis", ["犬", "猫"]),
    ("euc_kr", ["사람", "개"]),
    ("big5", ["汽車", "行人"]),
    ("cp1252", ["Größe", "Äpfel"]),
    ("cp1252", ["café"]),
    ("cp1251", ["кот", "собака"]),
    ("cp1250", ["żółw", "źrebię"]),
]


def written(path: Path, names: list[str], encoding: str) -> Path:
    content = {
        "images": [{"id": 1, "file_name": f"{names[0]}.png", "width": 9, "height": 9}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names, 1)],
        "annotations": [],
    }
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    return path


@pytest.mark.parametrize(("encoding", "names"), SHORT)
def test_short_names_are_read_right_or_refused_with_both_ways_out(
    tmp_path: Path, encoding: str, names: list[str]
) -> None:
    path = written(tmp_path / "l.json", names, encoding)
    if reading(path.read_bytes()) is not None:
        dataset, _ = read_coco(path)
        assert [category.name for category in dataset.categories] == names
        return
    with pytest.raises(FormatError, match=r"--encoding.*iconv"):
        read_coco(path)


@pytest.mark.parametrize(
    ("encoding", "names"), [*SHORT, ("gb18030", ["猫"]), ("utf-8-sig", ["é"]), ("utf-16", ["猫"])]
)
def test_a_named_encoding_counts(tmp_path: Path, encoding: str, names: list[str]) -> None:
    dataset, _ = read_coco(written(tmp_path / "l.json", names, encoding), encoding=encoding)
    assert [category.name for category in dataset.categories] == names
    assert dataset.images[0].path == f"{names[0]}.png"


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("nonsense", "is no encoding"), ("ascii", "not in the encoding ascii"), ("rot13", "is no encoding")],
)
def test_an_encoding_that_is_none_or_another_is_one_sentence(
    tmp_path: Path, encoding: str, said: str
) -> None:
    path = written(tmp_path / "l.json", ["汽车"], "gb18030")
    with pytest.raises(FormatError, match=said):
        read_coco(path, encoding=encoding)
