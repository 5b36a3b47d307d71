"""Files of formats that look like one another, asked of all formats that come with the app."""

import json
from pathlib import Path

import pytest

from labeler.formats.door import format_of, labels_of

BOX = {"x": 1, "y": 2, "width": 3, "height": 4, "rotation": 0, "rectanglelabels": ["a"]}
SIZE = {"original_width": 20, "original_height": 10}
RESULT = {"id": "r", "type": "rectanglelabels", "value": BOX, **SIZE}
ITEM = {"id": "a", "annotations": [], "image": {"path": "a.png"}}

FILES = {
    "cvat": '<?xml version="1.0"?><annotations><version>1.1</version><image id="0" name="a"/></annotations>',
    "voc": "<annotation><filename>a.jpg</filename><object><name>b</name></object></annotation>",
    "datumaro": json.dumps({"infos": {}, "categories": {"label": {"labels": []}}, "items": [ITEM]}),
    "label-studio": json.dumps(
        [{"id": 1, "data": {"image": "a.png"}, "annotations": [{"result": [RESULT]}]}]
    ),
    "label-studio min": json.dumps([{"image": "a.png", "id": 1, "label": [BOX | SIZE]}]),
    "label-studio empty": json.dumps([{"data": {"image": "a.png"}, "annotations": [], "predictions": []}]),
}


@pytest.mark.usefixtures("shipped_formats")
@pytest.mark.parametrize("name", FILES)
def test_a_file_is_of_its_own_format(name: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.xml" if FILES[name].startswith("<") else "a.json")
    path.write_text(FILES[name])
    found = format_of(path)
    assert found is not None
    assert found.id == name.partition(" ")[0]


def test_a_text_is_no_reason_to_look_at_everything_around_it(tmp_path, monkeypatch) -> None:
    def walked(*_: object) -> None:
        raise AssertionError("it walks")

    monkeypatch.setattr("labeler.formats.masks.masks_format.photos_below", walked)
    note = tmp_path / "downloads" / "notes.txt"
    note.parent.mkdir()
    note.write_text("nothing to see")
    assert labels_of(note) == note
