from pathlib import Path

from labeler.gui.settings import RECENT, Settings, load_settings, settings_file


def test_they_come_back_as_they_were_saved() -> None:
    settings = Settings(theme="light", cache_gb=2.5)
    settings.remember(Path("/photos/street"))
    settings.save()
    assert load_settings() == settings


def test_a_damaged_file_is_put_aside_and_defaults_are_used() -> None:
    settings_file().write_text('{"theme": "purple"}')
    assert load_settings() == Settings()
    assert settings_file().with_suffix(".damaged.json").read_text() == '{"theme": "purple"}'


def test_the_newest_path_is_first_and_old_ones_go() -> None:
    settings = Settings()
    for number in range(RECENT + 3):
        settings.remember(Path(f"/photos/{number}"))
    settings.remember(Path("/photos/5"))
    assert settings.recent[0] == "/photos/5"
    assert len(settings.recent) == len(set(settings.recent)) == RECENT
