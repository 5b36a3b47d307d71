"""Photos to try the app on: those that come with the installed packages."""

from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from labeler import paths
from labeler.core.files import atomic_write
from labeler.core.full_disk import why
from labeler.errors import LabelerError

STREET, PAIR, NEXT = "bus.jpg", "zidane.jpg", "grace_hopper.jpg"
"""The photos by name: the demo labels two, and what is learnt from them is tried on the next."""

_PHOTOS = (
    ("ultralytics", "assets/bus.jpg"),
    ("ultralytics", "assets/zidane.jpg"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
)


def are_in(names: Collection[str]) -> bool:
    """Whether these are the names of the demo's photos, among others or not."""
    return all(name in names for name in (STREET, PAIR, NEXT))


def make_demo_folder(folder: Path | None = None) -> Path:
    """A folder with the demo photos, by default in the user's data folder; those there are kept.

    The packages are looked up and not imported. Raises LabelerError where none of them is installed.
    """
    folder = folder or paths.data_dir() / "demo"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for package, name in _PHOTOS:
            spec = find_spec(package)
            source = Path(spec.origin).parent / name if spec is not None and spec.origin else None
            target = folder / Path(name).name
            # an empty one was left by a version that did not copy whole or not at all
            if source is not None and source.is_file() and not (target.exists() and target.stat().st_size):
                atomic_write(target, source.read_bytes())
    except OSError as error:
        raise LabelerError(
            f"The demo photos cannot be put in {folder}: {why(error, folder)}. Make room or let Labeler "
            "write there, or choose another folder with --folder."
        ) from error
    if not any(folder.iterdir()):
        raise LabelerError("No demo photos were found: install the packages ultralytics or matplotlib.")
    return folder
