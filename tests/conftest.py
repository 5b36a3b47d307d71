"""What every test shares: an isolated home, and the data folder beside the checkout."""

from pathlib import Path

import pytest


@pytest.fixture
def shared() -> Path:
    """The folder of models and data beside the checkout, which not every machine has."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs the data folder `shared` beside the checkout")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home for data, cache, settings and logs, so that no test sees another's or the user's."""
    folder = tmp_path_factory.mktemp("home")
    for kind in ("DATA", "CACHE", "CONFIG", "LOG"):
        monkeypatch.setenv(f"LABELER_{kind}_DIR", str(folder / kind.lower()))
    return folder
