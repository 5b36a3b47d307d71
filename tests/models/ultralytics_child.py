"""Opens a checkpoint and detects, watching what ultralytics does by itself; prints what it saw as JSON."""

import json
import socket
import sys
from pathlib import Path

lookups: list[str] = []


def recorded(host: object, *_: object, **__: object) -> list[object]:
    lookups.append(str(host))
    raise socket.gaierror("no network here")


socket.getaddrinfo = recorded  # type: ignore[assignment]

import PIL.Image  # noqa: E402

pillow_open = PIL.Image.open

from labeler.core.photos.images import read_pixels  # noqa: E402
from labeler.registry import discover  # noqa: E402

spec = discover(safe_mode=True).open_file(Path(sys.argv[1]))
found = spec.load().detect(read_pixels(Path(sys.argv[2])).rgb)
torch = sys.modules.get("torch")
seen = {
    "lookups": lookups,
    "candidates": len(found),
    "is_pillow_unpatched": PIL.Image.open is pillow_open,
    "is_torch_imported": torch is not None,
    "is_torch_save_unpatched": torch is None or torch.save.__module__ == "torch.serialization",
}
sys.stdout.write(json.dumps(seen))
