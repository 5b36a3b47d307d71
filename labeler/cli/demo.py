"""`labeler demo`: the app on photos that come with the installed packages."""

import argparse
import os
import time
from datetime import datetime
from pathlib import Path

from labeler import paths


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the verb."""
    parser = subparsers.add_parser(
        "demo",
        help="try the app on demo photos",
        description="Open the window on photos that come with the installed packages, with the YOLO11n "
        "and the MobileSAM that are part of Labeler; no network is used. Where there is no display, the "
        "whole job is done off-screen: YOLO goes first, predictions are accepted, masks clicked and "
        "corrected, COCO exported, a model trained, judged and used. Each step is printed with its figures; "
        "pictures of the window, the COCO file and an HTML report are left behind.",
    )
    parser.add_argument("--folder", type=Path, help="where the photos and their project go")
    parser.add_argument("--off-screen", action="store_true", help="do the job off-screen even with a display")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show the demo project, or label it off-screen."""
    from labeler.gui import app  # noqa: PLC0415 - Qt is loaded only where a window is wanted
    from labeler.gui.window.demo.demo_photos import make_demo_folder  # noqa: PLC0415

    off_screen = args.off_screen or not (app.has_display() or "QT_QPA_PLATFORM" in os.environ)
    if not off_screen and os.environ.get("QT_QPA_PLATFORM") != "offscreen":
        return app.run(make_demo_folder(args.folder))
    if not args.off_screen:
        print("No display was found, so the window works off-screen.")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    # a tour labels from scratch: it never adds to what a person has labelled
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    folder = args.folder or paths.data_dir() / "demo-tours" / stamp
    results = folder.with_name(f"{folder.name}-result")
    photos = make_demo_folder(folder)
    # its settings, panels and models are its own: a person's stay as they are, and change nothing in it
    for kind in ("DATA", "CONFIG"):
        os.environ[f"LABELER_{kind}_DIR"] = str(results / "labeler" / kind.lower())
    return _tour(photos, results)


def _tour(photos: Path, results: Path) -> int:
    from labeler.gui import app  # noqa: PLC0415
    from labeler.gui.window.demo.tour import Tour  # noqa: PLC0415

    begun = time.monotonic()
    app.log_qt()
    window = app.make_window()
    window.frame.resize(1440, 900)
    window.frame.show()
    window.start_host()
    try:
        left = Tour(window, lambda line: print(line, flush=True)).run(photos, results)
    finally:
        window.frame.close()
    print(f"It took {time.monotonic() - begun:.0f} s.")
    print(f"pictures:  {left.pictures[0].parent}")
    print(f"COCO file: {left.coco}")
    print(f"report:    {left.report}")
    return 0
