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
    parser.add_argument(
        "--lecture",
        action="store_true",
        help="run a lecture's notebook instead: YOLO11n on the photos before and after NMS, a small U-Net "
        "on a toy task, IoU by class, in one HTML report",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show the demo project, label it off-screen, or hold the lecture."""
    if args.lecture:
        return _lecture(args.folder)
    from labeler.gui import app  # noqa: PLC0415 - Qt is loaded only where a window is wanted
    from labeler.gui.window.demo.demo_photos import make_demo_folder  # noqa: PLC0415

    off_screen = args.off_screen or not (app.has_display() or "QT_QPA_PLATFORM" in os.environ)
    if not off_screen and os.environ.get("QT_QPA_PLATFORM") != "offscreen":
        return app.run(make_demo_folder(args.folder), is_demo=True)
    if not args.off_screen:
        print("No display was found, so the window works off-screen.")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    # a tour labels from scratch: it never adds to what a person has labelled
    folder = args.folder or _fresh("demo-tours")
    results = folder.with_name(f"{folder.name}-result")
    photos = make_demo_folder(folder)
    _live_in(results)
    return _tour(photos, results)


def _fresh(kind: str) -> Path:
    """A folder in the data folder that is of now."""
    return paths.data_dir() / kind / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")


def _live_in(results: Path) -> None:
    """Have settings, panels and models in a folder: a person's stay as they are, and change nothing."""
    for kind in ("DATA", "CONFIG"):
        os.environ[f"LABELER_{kind}_DIR"] = str(results / "labeler" / kind.lower())


def _lecture(folder: Path | None) -> int:
    from labeler.cli.demo.lecture import write_lecture  # noqa: PLC0415 - what it needs is heavy
    from labeler.gui.window.demo.demo_photos import make_demo_folder  # noqa: PLC0415

    folder = folder or _fresh("demo-lectures")
    out = folder.with_name(f"{folder.name}-lecture")
    photos = make_demo_folder(folder)
    _live_in(out)
    path = write_lecture(out, photos, tell=lambda line: print(line, flush=True))
    print(f"report: {path}")
    return 0


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
