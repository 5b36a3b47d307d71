"""The catalogue that ships."""

import re
from collections import Counter
from urllib.parse import urlsplit

import pytest

from labeler.errors import ModelError
from labeler.models.files import catalog
from labeler.registry import discover


def test_every_entry_is_complete_and_told_apart() -> None:
    for entry in catalog.entries():
        assert re.fullmatch(r"[a-z0-9.\-]+", entry.id)
        assert all((entry.title, entry.about, entry.licence, entry.origin)), entry.id
        assert 1_000_000 < entry.size < 10_000_000_000
        assert re.fullmatch(r"([0-9a-f]{64})?", entry.sha256), entry.id
        assert urlsplit(entry.url).scheme == "https"
        assert re.fullmatch(r"[\w.\-]+\.(pt|pth|ts)", entry.file), entry.id
        assert bool(entry.opened_by) == (entry.task != "text encoder"), entry.id
        assert all(catalog.entry(name).task == "text encoder" for name in entry.needs)
    for field in ("id", "title", "url", "file"):
        counted = Counter(getattr(entry, field) for entry in catalog.entries())
        assert max(counted.values()) == 1, field


def test_the_hash_in_an_address_is_the_one_that_is_checked() -> None:
    stated = [(entry, re.search(r"[0-9a-f]{64}", entry.url)) for entry in catalog.entries()]
    assert [entry.id for entry, found in stated if found and found[0] == entry.sha256] == ["clip-vit-b-32"]


def test_the_default_detector_is_the_first() -> None:
    assert catalog.entries()[0] == catalog.entry(catalog.DEFAULT_DETECTOR)


def test_what_a_model_needs_comes_after_it() -> None:
    world = catalog.entry("yolov8s-worldv2")
    assert [entry.id for entry in catalog.with_needs(world)] == ["yolov8s-worldv2", "clip-vit-b-32"]


def test_an_unknown_id_names_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"no model “yolo99” to be had; there are: yolo11n, "):
        catalog.entry("yolo99")


def test_each_is_opened_by_a_plugin_that_ships() -> None:
    kinds = discover(safe_mode=True).kinds
    assert {entry.opened_by for entry in catalog.entries() if entry.opened_by} <= kinds
