import json
from pathlib import Path

import pytest

from labeler.formats.write_options import Writing
from labeler.gui.toolkit.settings import (
    RECENT,
    ExportHabits,
    LastPlace,
    Settings,
    load_settings,
    settings_file,
)


def test_they_come_back_as_they_were_saved() -> None:
    settings = Settings(theme="light", cache_gb=2.5)
    settings.remember(Path("/photos/street"))
    settings.save()
    assert load_settings() == settings


@pytest.mark.parametrize("text", ['{"theme": ', "[1]", '"dark"', ""])
def test_a_damaged_file_is_put_aside_and_defaults_are_used(text: str) -> None:
    settings_file().write_text(text)
    assert load_settings() == Settings()
    assert settings_file().with_suffix(".damaged.json").read_text() == text


def test_what_only_a_newer_version_knows_costs_nothing_else() -> None:
    settings_file().write_text(
        json.dumps(
            {
                "theme": "purple",
                "threads": 3,
                "stars": {"many": True},
                "recent": ["/photos", 7],
                "export": {"parts": "by moon", "share": 0.3, "writing": {"holes": "keep", "masks": "rle"}},
                "places": {"/a": {"image": "x.jpg", "sorting": "by moon"}, "/b": "somewhere"},
                "filters": {"model": {"kind": "new"}},
            }
        )
    )
    assert load_settings() == Settings(
        threads=3,
        recent=["/photos"],
        export=ExportHabits(Writing(masks="rle"), share=0.3),
        places={"/a": LastPlace(image="x.jpg")},
        filters={"model": {"kind": "new"}},
    )
    assert settings_file().exists()
    assert not settings_file().with_suffix(".damaged.json").exists()


def test_the_newest_path_is_first_and_old_ones_go() -> None:
    settings = Settings()
    for number in range(RECENT + 3):
        settings.remember(Path(f"/photos/{number}"))
    settings.remember(Path("/photos/5"))
    assert settings.recent[0] == "/photos/5"
    assert len(settings.recent) == len(set(settings.recent)) == RECENT
